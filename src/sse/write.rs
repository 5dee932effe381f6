//! The events that we put into a stream ourselves.

use alloc::format;
use alloc::vec::Vec;

/// An event with this message as its data.
pub(crate) fn message_event(message: &[u8]) -> Vec<u8> {
    let mut event = b"event: message\n".to_vec();
    event.extend(data_lines(message));
    event.push(b'\n');
    event
}

/// The data of an event: a message of a server's may stand on several lines.
pub(crate) fn data_lines(data: &[u8]) -> impl Iterator<Item = u8> {
    data.split(|byte| *byte == b'\n').flat_map(|line| [b"data: ", line, b"\n"].concat())
}

/// What ends an event that was cut short, behind the last whole event's ID.
///
/// Neither its data nor its type may count as part of what follows, and not its ID either: who
/// resumes the stream asks for what comes behind the last whole event.
pub(crate) fn end_of_event_cut_short(last_event_id: &str) -> Vec<u8> {
    format!("\nid: {last_event_id}\nevent: cut\n\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec;

    use super::*;
    use crate::sse::{Event, EventReader};

    #[test]
    fn of_an_event_cut_anywhere_nothing_counts_for_the_event_behind_it() {
        let begun = b"id: 5\r\nevent: other\ndata: {\"id\":\n";
        for cut in 0..begun.len() {
            let mut reader = EventReader::default();
            let whole = [b"id: 4\ndata: 1\n\n", begun.get(..cut).unwrap()].concat();
            let before = reader.read(&whole).count();

            let mut events = vec![];
            for piece in [end_of_event_cut_short("4"), message_event(b"{\"id\":7}")] {
                events.extend(reader.read(&piece).filter_map(|event| match event {
                    Event::Message { event, data, id } => {
                        Some((String::from(&*event), data, String::from(&*id)))
                    }
                    Event::TooLong => None,
                }));
            }

            assert_eq!(before, 1);
            let last = ("message".into(), "{\"id\":7}".into(), "4".into());
            assert_eq!(events.last(), Some(&last), "cut at {cut}");
            assert!(events.iter().rev().skip(1).all(|(event, ..)| event == "cut"), "{events:?}");
        }
    }
}
