//! What processes say to each other: any bytes cut anywhere are the same messages, and those that
//! were read are written as they stood.

use allocation_counter::measure;
use mcp_session_core::server::Rest;
use mcp_session_core::sessions::{
    NotOurs, PeerAnswer, PeerEvent, PeerReader, PeerRequest, write_answer, write_piece,
    write_request,
};

use crate::stream::pieces;

/// Asserts the invariant of the target `peer`: of each pair of bytes that `data` begins with as
/// many cuts as its first byte says, the rest is what another process says.
///
/// # Panics
///
/// The invariant does not hold: a finding.
pub fn check(data: &[u8]) {
    let Some((count, rest)) = data.split_first() else { return };
    let (cuts, said) = rest.split_at(usize::from(count % 16).min(rest.len()));

    let whole = read([said]);

    assert_eq!(whole, read(said.chunks(1)), "byte by byte");
    assert_eq!(whole, read(pieces(said, cuts)), "cut at {cuts:?}");
    let written: Vec<u8> = whole.messages.iter().flat_map(Message::written).collect();
    let again = read([&written[..]]);
    assert_eq!((&whole.messages, true), (&again.messages, again.is_ours), "written again");
    let spent = measure(|| {
        let (mut reader, mut unread) = (PeerReader::default(), said);
        while let Ok(Some(_)) = reader.read(&mut unread) {}
    });
    // A vector that doubles, and is copied while it does; at least that of a few bytes.
    assert!(spent.bytes_max <= 64 + 4 * said.len() as u64, "{} bytes", spent.bytes_max);
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Reading {
    messages: Vec<Message>,
    is_ours: bool,
    is_between_messages: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Message {
    head: Head,
    body: Vec<u8>,
    is_whole: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Head {
    Request(PeerRequest<'static>),
    Answer(PeerAnswer<'static>),
}

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Reading {
    let mut reader = PeerReader::default();
    let mut reading = Reading { is_ours: true, ..Reading::default() };
    for piece in pieces {
        let mut unread = piece;
        loop {
            let head = match reader.read(&mut unread) {
                Ok(Some(PeerEvent::Request(head))) => Head::Request(head.into_owned()),
                Ok(Some(PeerEvent::Answer(head))) => Head::Answer(head.into_owned()),
                Ok(Some(PeerEvent::Piece(bytes, rest))) => {
                    let message = reading.messages.last_mut().expect("a body has a head");
                    assert!(!message.is_whole, "nothing follows the end");
                    message.body.extend_from_slice(bytes);
                    message.is_whole = rest == Rest::Ended;
                    continue;
                }
                Ok(None) => break assert!(unread.is_empty(), "what is there is read"),
                Err(NotOurs) => break reading.is_ours = false,
            };
            assert!(reading.messages.last().is_none_or(|it| it.is_whole), "one after the other");
            reading.messages.push(Message { head, body: Vec::new(), is_whole: false });
        }
    }
    reading.is_between_messages = reader.is_between_messages();
    assert!(!reading.is_between_messages || reading.messages.iter().all(|it| it.is_whole));
    reading
}

impl Message {
    fn written(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match &self.head {
            Head::Request(head) => {
                write_request(&mut bytes, head.method(), head.target(), head.headers())
            }
            Head::Answer(head) => write_answer(&mut bytes, head.status(), head.headers()),
        }
        .expect("what was read can be written");
        if self.is_whole {
            write_piece(&mut bytes, &self.body, Rest::Ended);
        } else if !self.body.is_empty() {
            write_piece(&mut bytes, &self.body, Rest::Follows);
        }
        bytes
    }
}
