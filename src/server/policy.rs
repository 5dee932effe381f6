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

    /// Room for at most so many bytes of one request; there is none in it yet.
    pub(super) fn reserve(&self, at_most: usize) -> Reserved {
        Reserved { policy: self.clone(), bytes: 0, at_most }
    }
}

/// How much of each request has room where longer ones have taken what there is for them: an
/// `initialize` is shorter.
const SHORT: usize = 64 * 1024;

/// Room for bytes of one request, which is given back at its end.
pub(super) struct Reserved {
    policy: Policy,
    bytes: usize,
    at_most: usize,
}

/// Which bound there is no more room within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beyond {
    /// That of the request.
    Own,
    /// That of all requests together.
    Sum,
}

impl Reserved {
    /// Makes room for more bytes, if that is within both bounds.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Beyond> {
        if bytes > self.room() {
            return Err(Beyond::Own);
        }
        let most = self.most(bytes);
        let sum = |so_far: usize| so_far.checked_add(bytes).filter(|sum| *sum <= most);
        let Policy(shared) = &self.policy;
        shared
            .remembered
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum)
            .map_err(|_| Beyond::Sum)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Whether it is short with so many bytes more, and all requests together have too many for
    /// them.
    pub(super) fn is_short_of_room(&self, bytes: usize) -> bool {
        let free = self.most(bytes).saturating_sub(self.policy.remembered_bytes());
        self.is_short(bytes) && bytes <= self.room() && bytes > free
    }

    /// Gives all of it back.
    pub(super) fn release(&mut self) {
        let bytes = core::mem::take(&mut self.bytes);
        self.policy.0.remembered.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// How many more bytes of the request are of use.
    pub(super) fn room(&self) -> usize {
        self.at_most.saturating_sub(self.bytes)
    }

    /// How much all requests together may have, for so many bytes more of this one.
    fn most(&self, bytes: usize) -> usize {
        let all = self.policy.0.options.max_remembered_bytes;
        // A quarter is for what is short: a few long bodies that never end keep nobody out.
        let most = if self.is_short(bytes) { all } else { all - all / 4 };
        most.max(self.at_most)
    }

    fn is_short(&self, bytes: usize) -> bool {
        self.bytes.saturating_add(bytes) <= SHORT
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.release();
    }
}
