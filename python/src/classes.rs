//! The classes of the module, each made when it is first asked for.
//!
//! To make a class takes some 60,000 instructions; all of them were most of what importing took.

use pyo3::PyClass;
use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;

/// Adds the class of this name to the module.
pub(crate) fn add(module: &Bound<'_, PyModule>, name: &str) -> PyResult<()> {
    match CLASSES.iter().find(|class| class.name == name) {
        Some(class) => (class.add)(module),
        None => {
            let message = format!("module 'mcp_session._core' has no attribute '{name}'");
            Err(PyAttributeError::new_err(message))
        }
    }
}

/// The name of each, made or not.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    CLASSES.iter().map(|class| class.name)
}

struct Class {
    name: &'static str,
    add: fn(&Bound<'_, PyModule>) -> PyResult<()>,
}

impl Class {
    const fn of<T: PyClass>() -> Self {
        Self { name: T::NAME, add: |module| module.add_class::<T>() }
    }
}

macro_rules! classes {
    ($( $module:ident { $( $class:ident )+ } )+) => {
        const CLASSES: &[Class] = &[$( $( Class::of::<crate::$module::$class>(), )+ )+];
    };
}

classes! {
    asgi { AsgiMachine }
    client { Client RequestRun }
    client_steps {
        CircuitOpen Handover HeldBack LocalAnswer Raise Read ReadAnswer Recover RecoveryEnd
        RecoveryMessage RecoveryRun Transmit Wait Watch
    }
    collected_body { CollectedBody }
    diagnose { Finding RecordedExchange RecordedSession Story }
    events { Event EventReader EventTooLong }
    replica { Replica }
    replica_run { SessionRun }
    replica_steps {
        Announce AwaitRun Done EndInApp Find Forward KeepBack Pass Pause ReadBody Relay
        RelayRestored Renew Reply RestoreInApp RunApp Swap
    }
    server { ServerExchange ServerPolicy }
    session {
        Cooldown Deliver Drop Exchange Failure GiveUp Hold Initialized Lead Replaced Resend Restore
        Send Session Stream
    }
    values { Answer Message Verdict }
    verdict_event { VerdictEvent }
}
