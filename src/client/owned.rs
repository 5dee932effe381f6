//! Heads, kept for as long as a step takes.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use http::StatusCode;

use super::head::{Endpoint, ResponseHead, Source};

/// An endpoint that outlives the request it was read from: its parts, one behind the other.
#[derive(Clone)]
pub(super) struct OwnedEndpoint {
    text: Box<str>,
    host_at: usize,
    path_at: usize,
}

impl OwnedEndpoint {
    pub(super) fn new(endpoint: Endpoint<'_>) -> Self {
        let Endpoint { scheme, host, path } = endpoint;
        let host_at = scheme.len();
        let text = [scheme, host, path].concat().into();
        Self { text, host_at, path_at: host_at + host.len() }
    }

    pub(super) fn borrowed(&self) -> Endpoint<'_> {
        let (origin, path) = self.text.split_at(self.path_at);
        let (scheme, host) = origin.split_at(self.host_at);
        Endpoint { scheme, host, path }
    }
}

impl fmt::Debug for OwnedEndpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A path may hold a key.
        formatter.write_str("OwnedEndpoint")
    }
}

/// A head whose body is being read.
#[derive(Clone)]
pub(super) struct OwnedHead {
    pub(super) status: StatusCode,
    session_id: Option<String>,
    content_type: Option<String>,
    content_encoding: Option<String>,
    www_authenticate: Option<String>,
    source: Source,
}

impl OwnedHead {
    pub(super) fn new(head: &ResponseHead<'_>) -> Self {
        let owned = |value: Option<&str>| value.map(str::to_owned);
        Self {
            status: head.status,
            session_id: owned(head.session_id),
            content_type: owned(head.content_type),
            content_encoding: owned(head.content_encoding),
            www_authenticate: owned(head.www_authenticate),
            source: head.source,
        }
    }

    pub(super) fn session_id(&self) -> Option<&str> {
        self.session_id.as_deref()
    }

    pub(super) fn borrowed(&self) -> ResponseHead<'_> {
        ResponseHead {
            status: self.status,
            session_id: self.session_id.as_deref(),
            content_type: self.content_type.as_deref(),
            content_encoding: self.content_encoding.as_deref(),
            www_authenticate: self.www_authenticate.as_deref(),
            source: self.source,
        }
    }
}

impl fmt::Debug for OwnedHead {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("OwnedHead").field("status", &self.status).finish_non_exhaustive()
    }
}
