//! What stands in the table about a session.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::caller::Principal;
use crate::jsonrpc::peek;
use crate::session::{Kept, Told};

/// What a table stores for a session. It compares the claim, and joins the lease of the owner;
/// the value it does not look into.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The number of the claim; it grows with each.
    pub claim: u64,
    /// The identity of the process that owns the session; empty where none does.
    pub owner: Box<str>,
    /// What the owner has written, by `Record` alone.
    pub value: Box<[u8]>,
}

/// The value tells what the client said.
impl fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Entry")
            .field("claim", &self.claim)
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

/// How long an entry is to be kept: a table has a time for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lifetime {
    /// It is of a live session: as long as one may be idle.
    Live,
    /// It keeps a terminated session terminated: at least as long.
    Tombstone,
}

/// The state of a session, as its entry has it.
#[derive(Clone)]
pub(super) enum Record {
    Live(LiveRecord),
    Terminated,
}

/// All that a process needs to go on with a session.
#[derive(Clone)]
pub(super) struct LiveRecord {
    pub(super) principal: Principal,
    /// The version that was negotiated, if it could be read.
    pub(super) version: Option<Box<str>>,
    /// The body of `initialize`; empty if it was too long to be kept.
    pub(super) initialize: Box<[u8]>,
    /// The body of `notifications/initialized`, once it was accepted.
    pub(super) initialized: Option<Box<[u8]>>,
    pub(super) kept: Kept,
}

impl LiveRecord {
    /// Whether another process can restore the session.
    pub(super) fn is_restorable(&self) -> bool {
        !self.initialize.is_empty()
    }

    /// About how much memory it takes, in bytes.
    pub(super) fn cost(&self) -> usize {
        let kept: usize = self.kept.plan().iter().map(|planned| 2 * planned.value().len()).sum();
        let initialized = self.initialized.as_ref().map_or(0, |body| body.len());
        self.initialize.len().saturating_add(initialized).saturating_add(kept)
    }
}

/// The longest `initialize` and `notifications/initialized` that are kept, in bytes.
pub(super) const LONGEST_BODY: usize = 64 * 1024;
/// The longest version, in bytes.
const LONGEST_VERSION: usize = 64;
/// The longest value, in bytes: the bodies and what was told at most.
const LONGEST_VALUE: usize = 1024 * 1024;

const FORMAT: u8 = 1;
const LIVE: u8 = 1;
const TERMINATED: u8 = 2;

impl Record {
    pub(super) fn encode(&self) -> Box<[u8]> {
        match self {
            Self::Live(record) => record.encode(),
            Self::Terminated => [FORMAT, TERMINATED].into(),
        }
    }

    /// Reads a value. `None`: it was not written by this version, or not at all by us. What
    /// cannot be read is no reason to end a session.
    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        if value.len() > LONGEST_VALUE {
            return None;
        }
        let (format, rest) = value.split_first()?;
        let (state, rest) = rest.split_first()?;
        match (*format, *state) {
            (FORMAT, LIVE) => LiveRecord::decode(Fields(rest)).map(Self::Live),
            (FORMAT, TERMINATED) => rest.is_empty().then_some(Self::Terminated),
            _ => None,
        }
    }
}

impl LiveRecord {
    pub(super) fn encode(&self) -> Box<[u8]> {
        let mut value = Vec::with_capacity(64 + self.cost());
        value.extend_from_slice(&[FORMAT, LIVE]);
        value.extend_from_slice(&self.principal.0);
        let version = self.version.as_deref().unwrap_or_default();
        put(&mut value, version.as_bytes());
        put(&mut value, &self.initialize);
        put(&mut value, self.initialized.as_deref().unwrap_or_default());
        for planned in self.kept.plan() {
            put(&mut value, &planned.request("0"));
        }
        value.into()
    }

    fn decode(mut fields: Fields<'_>) -> Option<Self> {
        let (principal, rest) = fields.0.split_first_chunk::<32>()?;
        fields = Fields(rest);
        let version = fields.next_within(LONGEST_VERSION)?;
        let initialize = fields.next_within(LONGEST_BODY)?;
        let initialized = fields.next_within(LONGEST_BODY)?;
        let mut kept = Kept::default();
        while !fields.0.is_empty() {
            kept.take(Told::of(&peek(fields.next_within(LONGEST_VALUE)?))?);
        }
        let version = core::str::from_utf8(version).ok()?;
        Some(Self {
            principal: Principal(*principal),
            version: (!version.is_empty()).then(|| version.into()),
            initialize: initialize.into(),
            initialized: (!initialized.is_empty()).then(|| initialized.into()),
            kept,
        })
    }
}

/// A version as it is kept.
pub(super) fn kept_version(version: &str) -> Option<Box<str>> {
    (!version.is_empty() && version.len() <= LONGEST_VERSION).then(|| String::from(version).into())
}

/// A body as it is kept: empty if it is too long.
pub(super) fn kept_body(body: &[u8]) -> Box<[u8]> {
    if body.len() <= LONGEST_BODY { body.into() } else { Box::default() }
}

pub(super) fn put(value: &mut Vec<u8>, field: &[u8]) {
    // No field is longer than a piece of a body, or what is kept of one.
    let length = u32::try_from(field.len()).unwrap_or(u32::MAX);
    value.extend_from_slice(&length.to_le_bytes());
    value.extend_from_slice(field);
}

/// Fields, each behind its length.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn next_within(&mut self, longest: usize) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let length =
            usize::try_from(u32::from_le_bytes(*length)).ok().filter(|it| *it <= longest)?;
        let (field, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(field)
    }
}

/// Those that are there whole.
impl<'a> Iterator for Fields<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.next_within(usize::MAX)
    }
}
