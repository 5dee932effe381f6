//! The classes of the module, each made when it is first asked for.
//!
//! To make a class takes some 60,000 instructions; all of them were most of what importing took.

use pyo3::PyClass;
use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::{
    asgi, client, client_steps, collected_body, diagnose, events, peer, replica, replica_run,
    replica_steps, server, session, values, verdict_event,
};

/// Names all of them in the module, and makes one when its name is looked up.
pub(crate) fn promise(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let names = module.index()?;
    for class in CLASSES {
        names.append(class.name)?;
    }
    module.setattr("__getattr__", wrap_pyfunction!(class_named, module)?)
}

/// What a module is asked for that it does not have yet.
#[pyfunction]
#[pyo3(name = "__getattr__", pass_module)]
fn class_named<'py>(
    module: &Bound<'py, PyModule>,
    name: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyAny>> {
    let asked = name.to_string_lossy();
    let Some(class) = CLASSES.iter().find(|class| class.name == asked) else {
        let message = format!("module 'mcp_session._core' has no attribute '{asked}'");
        return Err(PyAttributeError::new_err(message));
    };
    (class.add)(module)?;
    module.dict().as_any().get_item(name)
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
        const CLASSES: &[Class] = &[$( $( Class::of::<$module::$class>(), )+ )+];
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
    peer { PeerAnswer PeerPiece PeerReader PeerRequest }
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
