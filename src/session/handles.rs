//! What a driver of many requests asks of their handles.

#[cfg(feature = "client")]
use super::identity::KeptBack;
use super::outgoing::Outgoing;
use super::steps::{Exchange, Hold};
use crate::jsonrpc::RequestIdKey;

impl<B> Exchange<B> {
    /// Whether an ID was attached to it.
    pub fn is_attached(&self) -> bool {
        self.attached
    }

    /// Takes that its driver does something else before it sends the request. Until then no
    /// server has heard of it in this session, and none hears that it was cancelled.
    #[cfg(feature = "client")]
    pub(crate) fn keep_back(&self) {
        self.run.ticket.keep_back(KeptBack::Yes);
    }

    /// Whether it has not gone out yet.
    #[cfg(feature = "client")]
    pub(crate) fn is_kept_back(&self) -> bool {
        self.run.ticket.is_kept_back()
    }

    /// Takes that the request goes out now, if it was not cancelled.
    #[cfg(feature = "client")]
    pub(crate) fn let_out(&self) {
        self.run.ticket.keep_back(KeptBack::No);
    }
}

impl<B> Hold<B> {
    /// Whether its caller has cancelled the request since.
    #[cfg(feature = "client")]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.run.ticket.is_cancelled()
    }

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
