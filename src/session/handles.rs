//! What a driver of many requests asks of their handles.

use super::outgoing::Outgoing;
use super::steps::{Exchange, Hold};
use crate::jsonrpc::RequestIdKey;

impl<B> Exchange<B> {
    /// Whether an ID was attached to it.
    pub fn is_attached(&self) -> bool {
        self.attached
    }
}

impl<B> Hold<B> {
    /// The request, which waits no longer.
    pub fn into_request(self) -> Outgoing<B> {
        self.run.request
    }
}

impl<B> Outgoing<B> {
    /// The key of a single request's id.
    pub(crate) fn id_key(&self) -> Option<&RequestIdKey> {
        self.facts().id.as_ref()
    }

    /// The key of the request that a `notifications/cancelled` names.
    pub(crate) fn cancelled_key(&self) -> Option<&RequestIdKey> {
        self.facts().cancelled.as_ref()
    }
}
