//! What two processes of one host say to each other: a request, and its answer.
//!
//! ```text
//! frame    kind (1 byte), length (4 bytes, the lowest first), so many bytes
//! request  kind 1: method, target, and of each header name and value
//! answer   kind 2: status (2 bytes), and of each header name and value
//! piece    kind 3: bytes of a body of which more follows
//! end      kind 4: the last bytes of a body, which may be none
//! ```
//!
//! In a head, each field stands behind its length (4 bytes). A message is a head and its body, and
//! a body always has an end. So what is said over the private socket of a process is not HTTP: to
//! write and read that took most of the time of a forwarded request, and nobody else is there to
//! understand it.
//!
//! # Laws
//!
//! 1. **Whole, or broken off.** A message is whole with the end of its body, and by nothing else.
//! 2. **The same on both sides**, however the bytes are cut. Nothing of a message is changed.
//! 3. **Bounded.** Of a head at most [`HEAD_LIMIT`] bytes are kept, of a body none. The work for a
//!    byte does not grow with what came before it.
//! 4. **Only what HTTP can say.** A head that no message of HTTP has, as where a line ends within
//!    a value, is not written: who gets it may write it on.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;

use http::StatusCode;

use super::entry::{Fields, put};
use crate::server::Rest;

/// The longest head, in bytes: more than any server takes of one.
pub const HEAD_LIMIT: usize = 256 * 1024;

/// Writes the head of a request behind what is in `to`.
///
/// ```
/// use mcp_session_core::server::Rest;
/// use mcp_session_core::sessions::{PeerEvent, PeerReader, write_piece, write_request};
///
/// let mut bytes = vec![];
/// write_request(&mut bytes, "POST", b"/mcp", [(&b"accept"[..], &b"*/*"[..])])?;
/// write_piece(&mut bytes, b"{}", Rest::Ended);
///
/// let (mut reader, mut unread) = (PeerReader::default(), &bytes[..]);
/// let Ok(Some(PeerEvent::Request(request))) = reader.read(&mut unread) else { panic!() };
/// assert_eq!((request.method(), request.target()), ("POST", &b"/mcp"[..]));
/// let end = reader.read(&mut unread);
/// assert!(matches!(end, Ok(Some(PeerEvent::Piece(b"{}", Rest::Ended)))));
/// # Ok::<(), mcp_session_core::sessions::NotHttp>(())
/// ```
///
/// # Errors
///
/// [`NotHttp`]: no request of HTTP has such a head. Nothing was written.
pub fn write_request<'a>(
    to: &mut Vec<u8>,
    method: &str,
    target: &[u8],
    headers: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
) -> Result<(), NotHttp> {
    if !is_token(method.as_bytes()) || !is_target(target) {
        return Err(NotHttp);
    }
    let start = to.len();
    let written = write_head(to, REQUEST, |to| {
        put(to, method.as_bytes());
        put(to, target);
        let mut hosts = 0;
        for (name, value) in headers {
            // "A server MUST respond with a 400 (Bad Request) status code to [...] any request
            // message that contains more than one Host header field line".
            // https://www.rfc-editor.org/rfc/rfc9112.html#section-3.2
            hosts += usize::from(name.eq_ignore_ascii_case(b"host"));
            put_header(to, name, value)?;
        }
        if hosts > 1 { Err(NotHttp) } else { Ok(()) }
    });
    if written.is_err() {
        to.truncate(start);
    }
    written
}

/// Writes the head of an answer behind what is in `to`.
///
/// # Errors
///
/// [`NotHttp`]: no answer of HTTP has such a head. Nothing was written.
pub fn write_answer<'a>(
    to: &mut Vec<u8>,
    status: StatusCode,
    headers: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
) -> Result<(), NotHttp> {
    let start = to.len();
    let written = write_head(to, ANSWER, |to| {
        to.extend_from_slice(&status.as_u16().to_le_bytes());
        headers.into_iter().try_for_each(|(name, value)| put_header(to, name, value))
    });
    if written.is_err() {
        to.truncate(start);
    }
    written
}

/// Writes a piece of a body behind what is in `to`.
pub fn write_piece(to: &mut Vec<u8>, piece: &[u8], rest: Rest) {
    to.reserve(PREFIX + piece.len());
    let mut pieces = piece.chunks(LONGEST_PIECE).peekable();
    loop {
        let piece = pieces.next().unwrap_or_default();
        let is_last = pieces.peek().is_none();
        let kind = if is_last && rest == Rest::Ended { END } else { PIECE };
        to.push(kind);
        put(to, piece);
        if is_last {
            return;
        }
    }
}

/// No message of HTTP has such a head: it holds what would end a line, or another part of it, or
/// two `Host`; or it is longer than [`HEAD_LIMIT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotHttp;

impl fmt::Display for NotHttp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("no message of HTTP has such a head")
    }
}

impl core::error::Error for NotHttp {}

/// Reads messages out of bytes that come in any pieces, one message after the other.
#[derive(Default)]
pub struct PeerReader {
    state: State,
    /// What has come of a frame that is read whole: its kind and length, or a head.
    begun: Vec<u8>,
    is_within_a_message: bool,
}

#[derive(Default)]
enum State {
    /// Its kind and its length come next.
    #[default]
    Prefix,
    /// So many bytes of a head come next.
    Head {
        kind: u8,
        length: usize,
    },
    /// So many bytes of a body come next.
    Body {
        left: usize,
        rest: Rest,
    },
    Broken,
}

impl PeerReader {
    /// Reads what comes next, and takes it from `data`. `None`: `data` is used up.
    ///
    /// # Errors
    ///
    /// [`NotOurs`], now and whenever it is asked again: that is no message of ours, and nothing
    /// behind it can be understood.
    pub fn read<'a>(&mut self, data: &mut &'a [u8]) -> Result<Option<PeerEvent<'a>>, NotOurs> {
        let read = self.read_on(data);
        if read.is_err() {
            (self.state, self.begun) = (State::Broken, Vec::new());
        }
        read
    }

    /// Whether the last message is whole, and nothing of another has come.
    pub fn is_between_messages(&self) -> bool {
        let is_at_a_frame = matches!(self.state, State::Prefix) && self.begun.is_empty();
        is_at_a_frame && !self.is_within_a_message
    }

    fn read_on<'a>(&mut self, data: &mut &'a [u8]) -> Result<Option<PeerEvent<'a>>, NotOurs> {
        loop {
            match self.state {
                State::Broken => return Err(NotOurs),
                State::Prefix => match self.take(PREFIX, data) {
                    Some(prefix) => self.state = self.begin(&prefix)?,
                    None => return Ok(None),
                },
                State::Head { kind, length } => {
                    let Some(head) = self.take(length, data) else { return Ok(None) };
                    (self.state, self.is_within_a_message) = (State::Prefix, true);
                    return PeerEvent::of_head(kind, head).map(Some);
                }
                State::Body { left, rest } => {
                    // The end of a body is told of even where it brings no byte.
                    if data.is_empty() && left > 0 {
                        return Ok(None);
                    }
                    let piece = taken(data, left);
                    let left = left - piece.len();
                    if left > 0 {
                        self.state = State::Body { left, rest };
                        return Ok(Some(PeerEvent::Piece(piece, Rest::Follows)));
                    }
                    self.state = State::Prefix;
                    self.is_within_a_message = rest == Rest::Follows;
                    return Ok(Some(PeerEvent::Piece(piece, rest)));
                }
            }
        }
    }

    /// What a frame of this kind and length begins.
    fn begin(&self, prefix: &[u8]) -> Result<State, NotOurs> {
        let (kind, length) = prefix.split_first().ok_or(NotOurs)?;
        let length = u32::from_le_bytes(length.try_into().map_err(|_| NotOurs)?);
        let length = usize::try_from(length).map_err(|_| NotOurs)?;
        match (*kind, self.is_within_a_message) {
            (REQUEST | ANSWER, false) if length <= HEAD_LIMIT => {
                Ok(State::Head { kind: *kind, length })
            }
            (PIECE, true) => Ok(State::Body { left: length, rest: Rest::Follows }),
            (END, true) => Ok(State::Body { left: length, rest: Rest::Ended }),
            _ => Err(NotOurs),
        }
    }

    /// So many bytes, once they are there: as a rule they came together.
    fn take<'a>(&mut self, length: usize, data: &mut &'a [u8]) -> Option<Cow<'a, [u8]>> {
        if self.begun.is_empty() {
            if data.len() >= length {
                return Some(Cow::Borrowed(taken(data, length)));
            }
            // Not before something is there: of an idle connection nothing is kept.
            self.begun = Vec::new();
        }
        let missing = length.saturating_sub(self.begun.len());
        self.begun.extend_from_slice(taken(data, missing));
        (self.begun.len() == length).then(|| Cow::Owned(core::mem::take(&mut self.begun)))
    }
}

/// What has come may hold a credential.
impl fmt::Debug for PeerReader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PeerReader").finish_non_exhaustive()
    }
}

/// What has come.
///
/// Exhaustive on purpose: both sides are of one version, or do not understand each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerEvent<'a> {
    /// The head of a request; pieces of its body follow.
    Request(PeerRequest<'a>),
    /// The head of an answer; pieces of its body follow.
    Answer(PeerAnswer<'a>),
    /// A piece of a body, and whether more follows.
    Piece(&'a [u8], Rest),
}

impl<'a> PeerEvent<'a> {
    fn of_head(kind: u8, head: Cow<'a, [u8]>) -> Result<Self, NotOurs> {
        if kind == ANSWER {
            let (status, headers) = head.split_first_chunk::<2>().ok_or(NotOurs)?;
            let status = StatusCode::from_u16(u16::from_le_bytes(*status)).map_err(|_| NotOurs)?;
            require_headers(Fields(headers))?;
            return Ok(Self::Answer(PeerAnswer { status, head }));
        }
        let mut fields = Fields(&head);
        let method = fields.next_within(HEAD_LIMIT).ok_or(NotOurs)?;
        let target = fields.next_within(HEAD_LIMIT).ok_or(NotOurs)?;
        if !is_token(method) || !is_target(target) {
            return Err(NotOurs);
        }
        require_headers(fields)?;
        Ok(Self::Request(PeerRequest { head }))
    }
}

/// The head of a request.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerRequest<'a> {
    head: Cow<'a, [u8]>,
}

impl PeerRequest<'_> {
    /// The same, of which nobody else has the bytes.
    pub fn into_owned(self) -> PeerRequest<'static> {
        PeerRequest { head: Cow::Owned(self.head.into_owned()) }
    }

    /// Its method.
    pub fn method(&self) -> &str {
        let method = Fields(&self.head).next_within(HEAD_LIMIT);
        method.and_then(|it| core::str::from_utf8(it).ok()).unwrap_or_default()
    }

    /// Its target, as it stood.
    pub fn target(&self) -> &[u8] {
        Fields(&self.head).nth(1).unwrap_or_default()
    }

    /// Its headers, as they stood.
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut fields = Fields(&self.head);
        fields.nth(1);
        pairs(fields)
    }
}

/// Without credentials.
impl fmt::Debug for PeerRequest<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PeerRequest")
            .field("method", &self.method())
            .finish_non_exhaustive()
    }
}

/// The head of an answer.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerAnswer<'a> {
    status: StatusCode,
    head: Cow<'a, [u8]>,
}

impl PeerAnswer<'_> {
    /// The same, of which nobody else has the bytes.
    pub fn into_owned(self) -> PeerAnswer<'static> {
        PeerAnswer { status: self.status, head: Cow::Owned(self.head.into_owned()) }
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Its headers, as they stood.
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        pairs(Fields(self.head.get(2..).unwrap_or_default()))
    }
}

/// Without credentials.
impl fmt::Debug for PeerAnswer<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PeerAnswer").field("status", &self.status).finish_non_exhaustive()
    }
}

/// What came is no message that this version has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotOurs;

impl fmt::Display for NotOurs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("no message of another process of ours")
    }
}

impl core::error::Error for NotOurs {}

const PREFIX: usize = 5;
const REQUEST: u8 = 1;
const ANSWER: u8 = 2;
const PIECE: u8 = 3;
const END: u8 = 4;
/// Its length has room in 4 bytes.
const LONGEST_PIECE: usize = 1 << 30;

fn write_head(
    to: &mut Vec<u8>,
    kind: u8,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), NotHttp>,
) -> Result<(), NotHttp> {
    to.reserve(1024);
    to.extend_from_slice(&[kind, 0, 0, 0, 0]);
    let start = to.len();
    write(to)?;
    let length = to.len() - start;
    let place = to.get_mut(start - 4..start).ok_or(NotHttp)?;
    let length = u32::try_from(length).ok().filter(|_| length <= HEAD_LIMIT).ok_or(NotHttp)?;
    place.copy_from_slice(&length.to_le_bytes());
    Ok(())
}

fn put_header(to: &mut Vec<u8>, name: &[u8], value: &[u8]) -> Result<(), NotHttp> {
    if !is_header(name, value) {
        return Err(NotHttp);
    }
    put(to, name);
    put(to, value);
    Ok(())
}

fn require_headers(mut fields: Fields<'_>) -> Result<(), NotOurs> {
    while !fields.0.is_empty() {
        let name = fields.next_within(HEAD_LIMIT).ok_or(NotOurs)?;
        let value = fields.next_within(HEAD_LIMIT).ok_or(NotOurs)?;
        if !is_header(name, value) {
            return Err(NotOurs);
        }
    }
    Ok(())
}

fn pairs(mut fields: Fields<'_>) -> impl Iterator<Item = (&[u8], &[u8])> {
    core::iter::from_fn(move || Some((fields.next()?, fields.next()?)))
}

/// > Field values containing CR, LF, or NUL characters are invalid and dangerous
/// >
/// > <https://www.rfc-editor.org/rfc/rfc9110.html#section-5.5>
fn is_header(name: &[u8], value: &[u8]) -> bool {
    is_token(name) && !value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

/// <https://www.rfc-editor.org/rfc/rfc9110.html#section-5.6.2>
fn is_token(name: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !name.is_empty() && name.iter().all(is_part)
}

/// <https://www.rfc-editor.org/rfc/rfc9112.html#section-3.2>
fn is_target(target: &[u8]) -> bool {
    !target.is_empty() && target.iter().all(u8::is_ascii_graphic)
}

fn taken<'a>(data: &mut &'a [u8], at_most: usize) -> &'a [u8] {
    let (taken, left) = data.split_at(at_most.min(data.len()));
    *data = left;
    taken
}

#[cfg(test)]
mod tests;
