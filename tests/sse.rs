//! The event streams in the recorded traffic of real servers.

#![cfg(feature = "sse")]
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails in its own set-up says where"
)]

use std::fs;
use std::path::{Path, PathBuf};

use mcp_session_core::sse::{Event, EventReader, EventView, SeenEvent};
use mcp_session_core::wire::{RawRequest, RawResponse};
use mcp_session_core::{Kind, peek};

#[test]
fn recorded_events_hold_one_json_rpc_message_each() {
    let mut kinds = Vec::new();
    for (file, stream) in recorded_streams() {
        for event in EventReader::default().read(&stream) {
            let Event::Message { event, data, .. } = event else { panic!("{file:?}: {event:?}") };
            // The HTTP+SSE transport begins with an event that names a URL; a stream that
            // can be resumed, with one that has an ID and nothing else.
            if event == "message" && !data.is_empty() {
                let kind = peek(data.as_bytes()).kind();
                assert_ne!(Kind::Malformed, kind, "{file:?}: {data}");
                kinds.push(kind);
            }
        }
    }

    assert!(kinds.contains(&Kind::Response) && kinds.contains(&Kind::Notification));
}

#[test]
fn recorded_events_are_the_same_byte_by_byte() {
    for (file, stream) in recorded_streams() {
        let mut reader = EventReader::default();
        let mut byte_by_byte = EventReader::default();

        let whole: Vec<Event> = reader.read(&stream).collect();
        let pieced: Vec<Event> =
            stream.chunks(1).flat_map(|byte| byte_by_byte.read(byte).collect::<Vec<_>>()).collect();

        assert_eq!(whole, pieced, "{file:?}");
        assert_eq!(reader.last_event_id(), byte_by_byte.last_event_id(), "{file:?}");
        assert_eq!(reader.retry(), byte_by_byte.retry(), "{file:?}");
    }
}

#[test]
fn recorded_events_are_shown_where_they_lie() {
    let (mut in_place, mut copied) = (0, 0);
    for (file, stream) in recorded_streams() {
        let expected: Vec<Event> = EventReader::default().read(&stream).collect();
        let mut reader = EventReader::default();
        let mut events = reader.read_in_place(&stream);
        let mut seen = Vec::new();
        while let Some(SeenEvent { event, .. }) = events.next_event() {
            let EventView::Message { event, data, id } = event else {
                panic!("{file:?}: {event:?}")
            };
            let lies = stream.as_ptr_range().contains(&data.as_ptr());
            *(if lies { &mut in_place } else { &mut copied }) += 1;
            let (event, data) = (event.to_owned(), data.to_owned());
            seen.push(Event::Message { event, data, id: id.clone() });
        }
        drop(events);

        assert_eq!(expected, seen, "{file:?}");
        assert!(reader.is_between_events(), "{file:?}");
    }

    // Next to none has several lines of data.
    assert!(in_place > 50 * copied, "{in_place} in place, {copied} copied");
}

/// Bodies that are known; a stream that was cut off by its recorder is not.
fn recorded_streams() -> Vec<(PathBuf, Vec<u8>)> {
    let mut streams = Vec::new();
    for server in fs::read_dir(exchanges()).unwrap() {
        for file in fs::read_dir(server.unwrap().path()).unwrap() {
            let file = file.unwrap().path();
            if file.extension().is_some_and(|extension| extension == "response") {
                let request = fs::read(file.with_extension("request")).unwrap();
                let request = RawRequest::parse(&request).unwrap();
                let response = fs::read(&file).unwrap();
                let response = RawResponse::parse(&response, &request).unwrap();
                let facts = response.facts();
                let is_stream = facts.content_type.is_some_and(|content_type| {
                    content_type.to_ascii_lowercase().starts_with(b"text/event-stream")
                });
                if let Some(body) = facts.body.filter(|_| is_stream) {
                    streams.push((file, body.to_vec()));
                }
            }
        }
    }
    streams
}

fn exchanges() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exchanges")
}
