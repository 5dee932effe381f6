//! What exchanges under the same options have in common.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::options::Options;

/// Options, and how much the exchanges under them remember together.
///
/// A clone is the same policy.
#[derive(Clone, Debug)]
pub struct Policy(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    options: Options,
    remembered: AtomicUsize,
}

impl Policy {
    /// A policy of which no exchange has begun.
    pub fn new(options: Options) -> Self {
        Self(Arc::new(Shared { options, remembered: AtomicUsize::new(0) }))
    }

    /// Its options.
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// How many bytes of requests are remembered now.
    pub fn remembered_bytes(&self) -> usize {
        self.0.remembered.load(Ordering::Relaxed)
    }

    /// Room for the bytes of one request; there is none in it yet.
    pub(super) fn reserve(&self) -> Reserved {
        Reserved { policy: self.clone(), bytes: 0 }
    }
}

/// Room for bytes of one request, which is given back at its end.
pub(super) struct Reserved {
    policy: Policy,
    bytes: usize,
}

impl Reserved {
    /// Makes room for more bytes, if that is within both bounds.
    #[must_use]
    pub(super) fn grow(&mut self, bytes: usize) -> Option<()> {
        if bytes > self.room() {
            return None;
        }
        let Policy(shared) = &self.policy;
        let Options { max_remembered_bytes, max_request_bytes, .. } = shared.options;
        let most = max_remembered_bytes.max(max_request_bytes);
        let sum = |so_far: usize| so_far.checked_add(bytes).filter(|sum| *sum <= most);
        shared.remembered.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum).ok()?;
        self.bytes += bytes;
        Some(())
    }

    /// How many more bytes of the request are of use.
    pub(super) fn room(&self) -> usize {
        self.policy.options().max_request_bytes.saturating_sub(self.bytes)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.policy.0.remembered.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
