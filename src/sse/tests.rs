use alloc::borrow::ToOwned;
use alloc::{format, vec};

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

const LINE_ENDS: [&str; 3] = ["\n", "\r", "\r\n"];

/// Type, data and ID of a message; `None` where an event was too long.
type Seen = Option<(String, String, String)>;

fn seen(event: Event) -> Seen {
    match event {
        Event::Message { event, data, id } => Some((event, data, (*id).to_owned())),
        Event::TooLong => None,
    }
}

fn message(event: &str, data: &str, id: &str) -> Seen {
    Some((event.to_owned(), data.to_owned(), id.to_owned()))
}

/// Everything that is to be known of a stream.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    events: Vec<Seen>,
    last_event_id: String,
    retry: Option<u64>,
}

fn read<'p>(limit: usize, pieces: impl IntoIterator<Item = &'p [u8]>) -> Outcome {
    let mut reader = EventReader::new(limit);
    let mut events = Vec::new();
    for piece in pieces {
        events.extend(reader.read(piece).map(seen));
    }
    Outcome { events, last_event_id: reader.last_event_id().to_owned(), retry: reader.retry }
}

fn read_whole(stream: impl AsRef<[u8]>) -> Outcome {
    read(usize::MAX, [stream.as_ref()])
}

#[track_caller]
fn assert_events(stream: impl AsRef<[u8]>, expected: &[Seen]) {
    assert_eq!(expected, read_whole(stream).events);
}

#[track_caller]
fn assert_data(stream: impl AsRef<[u8]>, expected: &[&str]) {
    let expected: Vec<Seen> = expected.iter().map(|data| message("message", data, "")).collect();
    assert_events(stream, &expected);
}

#[test]
fn the_examples_of_the_standard_read_as_it_says() {
    assert_data(
        "data: This is the first message.\n\n\
         data: This is the second message, it\ndata: has two lines.\n\n\
         data: This is the third message.\n\n",
        &[
            "This is the first message.",
            "This is the second message, it\nhas two lines.",
            "This is the third message.",
        ],
    );
    assert_events(
        "event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n\
         event: add\ndata: 113411\n\n",
        &[
            message("add", "73857293", ""),
            message("remove", "2153", ""),
            message("add", "113411", ""),
        ],
    );
    assert_data("data: YHOO\ndata: +2\ndata: 10\n\n", &["YHOO\n+2\n10"]);
    assert_events(
        ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\n\
         data:  third event\n\n",
        &[
            message("message", "first event", "1"),
            message("message", "second event", ""),
            message("message", " third event", ""),
        ],
    );
    assert_data("data\n\ndata\ndata\n\ndata:", &["", "\n"]);
    assert_data("data:test\n\ndata: test\n\n", &["test", "test"]);
}

#[test]
fn all_line_ends_end_a_line_alike() {
    for first in LINE_ENDS {
        for second in LINE_ENDS {
            for third in LINE_ENDS {
                let stream = format!("data:a{first}data:b{second}{third}data:c\n\n");
                // A return and a line feed are one line end, wherever they come from.
                let ended = second != "\r" || third != "\n";

                let expected: &[&str] = if ended { &["a\nb", "c"] } else { &["a\nb\nc"] };
                assert_data(stream, expected);
            }
        }
    }
}

#[test]
fn an_event_is_handed_out_with_the_return_of_its_last_line_end() {
    let mut reader = EventReader::default();

    assert_eq!(1, reader.read(b"data: a\r\n\r").count());
    assert_eq!(0, reader.read(b"").count());
    assert_eq!(0, reader.read(b"\n").count());
    assert_eq!(1, reader.read(b"data\n\n").count());
}

#[test]
fn one_byte_order_mark_is_passed_over_and_only_at_the_start() {
    assert_data("\u{feff}data: a\n\n", &["a"]);
    assert_data("\u{feff}:\ndata: a\n\n", &["a"]);
    assert_data("\u{feff}\ndata: a\n\n", &["a"]);
    assert_data("\u{feff}\u{feff}data: a\n\n", &[]);
    assert_data("\n\u{feff}data: a\n\n", &[]);
    assert_data("da\u{feff}ta: a\n\n", &[]);
    assert_data("data: \u{feff}a\n\n", &["\u{feff}a"]);
    assert_data(b"\xEF\xBBdata: a\n\n", &[]);
    assert_data(b"\xEF\xBB\n\xBFdata: a\n\ndata: b\n\n", &["b"]);
}

#[test]
fn invalid_bytes_read_as_the_replacement_character() {
    assert_data(b"data: \xFF\n\n", &["\u{fffd}"]);
    assert_data(b"data: \xE2\x82\ndata: \xAC\n\n", &["\u{fffd}\n\u{fffd}"]);
    assert_data(b"data: \xF0\x9F\x98a\xED\xA0\x80\n\n", &["\u{fffd}a\u{fffd}\u{fffd}\u{fffd}"]);
    assert_eq!("\u{fffd}", read_whole(b"id: \xC3\n\n").last_event_id);
    assert_data(b"d\xFFata: a\n\n", &[]);
}

#[test]
fn a_colon_divides_and_one_space_behind_it_goes() {
    for (line, data) in [
        ("data", ""),
        ("data:", ""),
        ("data: ", ""),
        ("data:  ", " "),
        ("data::", ":"),
        ("data: :", ":"),
        ("data:a: b", "a: b"),
        ("data:\ta", "\ta"),
        ("data: a ", "a "),
    ] {
        assert_data(format!("{line}\n\n"), &[data]);
    }
}

#[test]
fn comments_and_unknown_fields_are_passed_over() {
    for line in [
        ":",
        ": data: b",
        "::",
        " data: b",
        "data : b",
        "Data: b",
        "dat: b",
        "dataa: b",
        "dat",
        "retryy: 1",
        "events: b",
        "i: b",
        "\0: b",
        "\u{e9}: b",
    ] {
        assert_events(format!("{line}\ndata: a\n\n"), &[message("message", "a", "")]);
        assert_data(format!("data: a\n{line}\ndata: c\n\n"), &["a\nc"]);
    }
}

#[test]
fn the_last_event_field_gives_the_type_of_its_event_only() {
    assert_events(
        "event: a\nevent: b\ndata\n\ndata\n\nevent: c\nevent\ndata\n\nevent: d\n\ndata\n\n",
        &[
            message("b", "", ""),
            message("message", "", ""),
            message("message", "", ""),
            message("message", "", ""),
        ],
    );
}

#[test]
fn an_id_stays_until_another_event_bears_one() {
    assert_events(
        "id: 1\ndata\n\ndata\n\nid: 2\n\ndata\n\nid: 3\nid: 4\ndata\n\nid\ndata\n\n",
        &["1", "1", "2", "4", ""].map(|id| message("message", "", id)),
    );
}

#[test]
fn an_id_counts_from_the_end_of_its_event() {
    let mut reader = EventReader::default();
    for (bytes, id) in
        [("id: 1\n\nid: 2\n", "1"), ("data", "1"), ("\n", "1"), ("\n", "2"), ("id: 3", "2")]
    {
        assert!(reader.read(bytes.as_bytes()).count() < 2);

        assert_eq!(id, reader.last_event_id(), "{bytes:?}");
    }
}

#[test]
fn an_id_with_nul_is_ignored() {
    for id in ["\0", "a\0", "\0a", "a\0b"] {
        let outcome = read_whole(format!("id: 1\n\nid: {id}\ndata\n\n"));

        assert_eq!([message("message", "", "1")].as_slice(), outcome.events);
        assert_eq!("2", read_whole(format!("id: 2\nid: {id}\n\n")).last_event_id);
    }
    assert_events("event: \0\ndata: \0\n\n", &[message("\0", "\0", "")]);
}

#[test]
fn events_without_an_id_share_the_one_before() {
    let ids: Vec<Arc<str>> = EventReader::default()
        .read(b"id: 1\ndata\n\ndata\n\n")
        .map(|event| {
            let Event::Message { id, .. } = event else { panic!("{event:?}") };
            id
        })
        .collect();

    assert!(Arc::ptr_eq(&ids[0], &ids[1]));
}

#[test]
fn retry_is_digits_only() {
    for (line, retry) in [
        ("retry: 0", Some(0)),
        ("retry:0003000", Some(3000)),
        ("retry: 18446744073709551615", Some(u64::MAX)),
        ("retry: 18446744073709551616", Some(u64::MAX)),
        ("retry: 99999999999999999999999999", Some(u64::MAX)),
        ("retry: 7\nretry: 8", Some(8)),
        ("retry: 7\nretry: x", Some(7)),
        ("retry: 7\nretry", Some(7)),
        ("retry", None),
        ("retry:", None),
        ("retry: ", None),
        ("retry:  1", None),
        ("retry: 1 ", None),
        ("retry: -1", None),
        ("retry: +1", None),
        ("retry: 1.0", None),
        ("retry: 1e3", None),
        ("retry: 0x1", None),
        ("retry: \u{661}", None),
    ] {
        assert_eq!(None, read_whole(line.rsplit('\n').next().unwrap()).retry, "{line:?}");
        assert_eq!(retry, read_whole(format!("{line}\n")).retry, "{line:?}");
    }
}

#[test]
fn what_is_unfinished_at_the_end_is_no_event() {
    for stream in ["data: a", "data: a\n", "data: a\n:", "data: a\n\ndata: b\r\ndata", "\u{feff}"] {
        let finished = usize::from(stream.contains("\n\n"));

        assert_eq!(finished, read_whole(stream).events.len(), "{stream:?}");
    }
}

#[test]
fn an_event_of_the_limit_is_kept_and_a_byte_more_is_too_long() {
    for (line, within) in [
        ("data: 1234", true),
        ("data: 12345", false),
        ("data:1\ndata:23", true),
        ("data:1\ndata:234", false),
        ("data\ndata\ndata\ndata\ndata", true),
        ("data\ndata\ndata\ndata\ndata\ndata", false),
        ("data: \u{e9}\u{e9}", true),
        ("data: \u{e9}\u{e9}1", false),
        ("data\nevent: 1234", true),
        ("data\nevent: 12345", false),
        ("data\nevent: 12345\nevent: 1", true),
        ("data\nid: 1234", true),
        ("data\nid: 12345", true),
        ("data\nid: 1234567\0", true),
        ("data\nretry: 0000000001", true),
        ("data\n: 123456789", true),
        ("data\nunknown: 123456789", true),
    ] {
        let stream = format!("{line}\n\n");

        let events = read(4, [stream.as_bytes()]).events;

        let kept: Vec<bool> = events.iter().map(Option::is_some).collect();
        assert_eq!([within].as_slice(), kept, "{line:?}");
    }
}

#[test]
fn events_after_one_too_long_are_read() {
    for field in ["data", "event"] {
        let long = "x".repeat(9);
        let stream = format!(
            "id: 1\ndata: a\n\ndata: c\n{field}: {long}\ndata: b\n\ndata: b\n\n{field}: {long}"
        );

        assert_eq!(
            [message("message", "a", "1"), None, message("message", "b", "1")].as_slice(),
            read(4, [stream.as_bytes()]).events,
        );
    }
}

#[test]
fn comments_are_read_in_time_that_grows_with_their_length_alone() {
    // At the square of it, each of these would take minutes.
    for line in [":\n", "retry: 0\n", "x\r", ":\r\n"] {
        let stream = line.repeat((1 << 20) / line.len());

        let outcome = read(4, [stream.as_bytes(), b"data: 1\ndata:2\n\ndata\n\n"]);

        let expected = [message("message", "1\n2", ""), message("message", "", "")];
        assert_eq!(expected.as_slice(), outcome.events, "{line:?}");
    }
}

#[test]
fn an_event_too_long_sets_the_last_event_id() {
    assert_eq!("2", read(4, [&b"id: 1\n\nid: 2\ndata: 12345\n\n"[..]]).last_event_id);
}

#[test]
fn an_event_too_long_without_data_is_none() {
    let outcome = read(4, [&b"id: 1\n\nevent: 12345\n\n"[..]]);

    assert_eq!(Outcome { events: vec![], last_event_id: "1".to_owned(), retry: None }, outcome);
}

#[test]
fn an_id_beyond_its_limit_is_ignored_and_its_event_is_not() {
    for (limit, length, counts) in [
        (EventReader::DEFAULT_LIMIT, EventReader::ID_LIMIT, true),
        (EventReader::DEFAULT_LIMIT, EventReader::ID_LIMIT + 1, false),
        (EventReader::DEFAULT_LIMIT, 1_000_000, false),
        (4, 4, true),
        (4, 5, false),
    ] {
        let id = "x".repeat(length);
        let stream = format!("id: 1\n\nid: {id}\ndata: a\n\ndata: b\n\n");
        let id = if counts { &id } else { "1" };

        for outcome in [read(limit, [stream.as_bytes()]), read(limit, stream.as_bytes().chunks(1))]
        {
            let events = [message("message", "a", id), message("message", "b", id)];
            assert_eq!(events.as_slice(), outcome.events, "{length}");
            assert_eq!(id, outcome.last_event_id, "{length}");
        }
    }
}

#[test]
fn events_share_the_last_event_id() {
    let mut reader = EventReader::default();
    let stream = b"id: 1\ndata: a\n\ndata: b\n\nid: 1\ndata: c\n\ndata: d\ndata: e\n\n";

    let ids: Vec<Arc<str>> = reader
        .read(stream)
        .map(|event| match event {
            Event::Message { id, .. } => id,
            Event::TooLong => panic!("none is too long"),
        })
        .collect();

    assert_eq!(4, ids.len());
    assert!(ids.iter().all(|id| Arc::ptr_eq(id, reader.shared_last_event_id())));
}

/// The events of pieces as they are shown in place, with the bytes of the pieces that they take.
fn seen_in_place(limit: usize, pieces: &[&[u8]]) -> (Vec<Seen>, Vec<Vec<u8>>, bool) {
    let mut reader = EventReader::new(limit);
    let (mut events, mut bytes) = (vec![], vec![]);
    for piece in pieces {
        let mut taken = 0;
        let mut seen_events = reader.read_in_place(piece);
        while let Some(SeenEvent { range, event }) = seen_events.next_event() {
            assert_eq!(taken, range.start, "the ranges leave nothing out");
            taken = range.end;
            bytes.push(piece[range].to_vec());
            events.push(match event {
                EventView::Message { event, data, id } => {
                    Some((event.to_owned(), data.to_owned(), (**id).to_owned()))
                }
                EventView::TooLong => None,
            });
        }
    }
    (events, bytes, reader.is_between_events())
}

#[test]
fn an_event_that_lies_whole_in_a_piece_is_shown_where_it_lies() {
    let piece = b"\r\n: comment\r\nid: 1\r\nevent: e\r\nretry: 7\r\ndata: {}\r\n\r\ndata: x";
    let mut reader = EventReader::default();
    let mut events = reader.read_in_place(piece);

    let seen = events.next_event().unwrap();
    assert_eq!(0..piece.len() - "data: x".len(), seen.range);
    let EventView::Message { event: "e", data, id } = seen.event else { panic!("{seen:?}") };
    assert_eq!(("{}", "1"), (data, &**id));
    assert!(piece.as_ptr_range().contains(&data.as_ptr()));
    assert_eq!(None, events.next_event());
    assert_eq!(0, events.bytes_left());
    drop(events);
    assert_eq!(Some(7), reader.retry());
}

#[test]
fn the_bytes_of_an_event_end_behind_its_last_line_end() {
    for (stream, ends) in [
        ("data: a\n\ndata: b\n\n", vec!["data: a\n\n", "data: b\n\n"]),
        ("data: a\r\n\r\n:\r\ndata: b\r\n\r\n", vec!["data: a\r\n\r\n", ":\r\ndata: b\r\n\r\n"]),
        ("data\ndata: a\r\r\ndata: b\r\r", vec!["data\ndata: a\r\r\n", "data: b\r\r"]),
        ("\u{feff}data: a\r\rdata: b\n\n", vec!["\u{feff}data: a\r\r", "data: b\n\n"]),
    ] {
        let (_, bytes, _) = seen_in_place(9, &[stream.as_bytes()]);

        let ends: Vec<&[u8]> = ends.into_iter().map(str::as_bytes).collect();
        assert_eq!(ends, bytes, "{stream:?}");
    }
}

#[test]
fn it_is_known_whether_a_stream_ends_within_an_event() {
    for (stream, is_between) in [
        ("", true),
        ("\n", true),
        ("data: a\n\n", true),
        ("data: a\r\n\r", true),
        (": comment\n", true),
        ("retry: 1\n", true),
        ("data: a\n\n: comment\n", true),
        ("data: a\n\n: comm", false),
        ("data: a\n\nd", false),
        ("data: a\n\ndata:", false),
        ("data: a\n", false),
        ("id: 1\n", false),
        ("event: e\r\n", false),
        ("\u{feff}", true),
    ] {
        for pieces in [vec![stream.as_bytes()], stream.as_bytes().chunks(1).collect()] {
            assert_eq!(is_between, seen_in_place(9, &pieces).2, "{stream:?}");
        }
    }
}

#[test]
fn events_left_for_later_are_not_lost() {
    let stream = b"data: a\n\ndata: b\n\ndata: c";
    let mut reader = EventReader::default();
    let mut events = reader.read(stream);
    assert_eq!(message("message", "a", ""), seen(events.next().unwrap()));

    let left = events.bytes_left();
    events.pause();
    assert!(reader.is_between_events());

    let rest: Vec<Seen> = reader.read(&stream[stream.len() - left..]).map(seen).collect();
    assert_eq!([message("message", "b", "")].as_slice(), rest);
    assert!(!reader.is_between_events());
}

#[test]
fn dropping_events_reads_what_is_left() {
    let mut reader = EventReader::default();

    drop(reader.read(b"id: 1\ndata: a\n\nid: 2\ndata: b\n\ndata: c"));

    assert_eq!("2", reader.last_event_id());
    let rest: Vec<Seen> = reader.read(b"d\n\n").map(seen).collect();
    assert_eq!([message("message", "cd", "2")].as_slice(), rest);
}

#[test]
fn a_long_line_costs_linear_time_byte_by_byte() {
    // Looking again at what is there would take hours.
    let mut stream = b"data: ".to_vec();
    stream.resize(EventReader::DEFAULT_LIMIT + stream.len(), b'x');
    stream.extend(b"\n\n");

    let outcome = read(EventReader::DEFAULT_LIMIT, stream.chunks(1));

    let [Some((_, data, _))] = outcome.events.as_slice() else { panic!("one event") };
    assert_eq!(EventReader::DEFAULT_LIMIT, data.len());
}

#[test]
fn debug_shows_neither_data_nor_ids() {
    let mut reader = EventReader::new(64);
    let events: Vec<Event> =
        reader.read(b"event: e\nid: secret\ndata: secret\n\nid: secret\ndata: secret").collect();

    assert_eq!(r#"[Message { event: "e", data: 6 bytes, .. }]"#, format!("{events:?}"));
    assert_eq!("EventReader { limit: 64, retry: None, .. }", format!("{reader:?}"));
    assert_eq!("TooLong", format!("{:?}", Event::TooLong));
}

/// The standard word by word: the whole text is decoded, then cut into lines. The
/// limit is of the text, so it is the reader's for valid UTF-8 only.
fn reference(limit: usize, stream: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(stream);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines: Vec<&str> = text.split('\n').collect();
    lines.pop();

    let (mut data, mut event, mut id, mut last_id) = (String::new(), "", "", "");
    let (mut events, mut retry) = (vec![], None);
    for line in lines {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" if line.is_empty() => {
                if let Some(data) = data.strip_suffix('\n') {
                    let fits = [data, event].iter().all(|text| text.len() <= limit);
                    let event = if event.is_empty() { "message" } else { event };
                    events.push(message(event, data, id).filter(|_| fits));
                }
                last_id = id;
                (data, event) = (String::new(), "");
            }
            "event" => event = value,
            "data" => data.extend([value, "\n"]),
            "id" if !value.contains('\0') && value.len() <= limit.min(1024) => id = value,
            "retry" if !value.is_empty() && value.bytes().all(|it| it.is_ascii_digit()) => {
                retry = Some(value.parse().unwrap_or(u64::MAX));
            }
            _ => {}
        }
    }
    Outcome { events, last_event_id: last_id.to_owned(), retry }
}

/// Text that is like an event stream in places.
fn texts() -> impl Strategy<Value = String> {
    let field = (select(vec!["data", "event", "id", "retry"]), select(vec![":", ": ", ":  "]))
        .prop_map(|(name, colon)| format!("{name}{colon}"));
    let part = prop_oneof![
        6 => field,
        6 => select(vec!["\n", "\r", "\r\n"]).prop_map(str::to_owned),
        3 => select(vec!["\n\n", "\r\r", "\r\n\r\n", "\n\r", "data: a\n\n"])
            .prop_map(str::to_owned),
        3 => "[a-z0-9 :]{0,9}",
        2 => "[0-9]{1,21}",
        2 => select(vec!["data", "id", "event", "retry", "dat", "datas", ":", " ", "\0"])
            .prop_map(str::to_owned),
        1 => select(vec!["\u{feff}", "\u{e9}", "\u{20ac}", "\u{1f600}"])
            .prop_map(str::to_owned),
    ];
    (select(vec!["", "", "\u{feff}"]), prop::collection::vec(part, 0..40))
        .prop_map(|(start, parts)| format!("{start}{}", parts.concat()))
}

/// Such text with a few bytes broken, and any bytes at all.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let broken = (texts(), prop::collection::vec((any::<Index>(), any::<u8>()), 0..4));
    prop_oneof![
        2 => texts().prop_map(String::into_bytes),
        2 => broken.prop_map(|(text, changes)| {
            let mut bytes = text.into_bytes();
            for (place, byte) in changes {
                if let Some(place) = (!bytes.is_empty()).then(|| place.index(bytes.len())) {
                    bytes[place] = byte;
                }
            }
            bytes
        }),
        1 => prop::collection::vec(any::<u8>(), 0..200),
    ]
}

fn limits() -> impl Strategy<Value = usize> {
    prop_oneof![0..12_usize, Just(usize::MAX)]
}

fn cut<'s>(mut stream: &'s [u8], places: &[Index]) -> Vec<&'s [u8]> {
    let mut places: Vec<usize> = places.iter().map(|place| place.index(stream.len() + 1)).collect();
    places.sort_unstable();
    let mut pieces = Vec::new();
    for place in places.into_iter().rev() {
        let (rest, piece) = stream.split_at(place);
        stream = rest;
        pieces.push(piece);
    }
    pieces.push(stream);
    pieces.reverse();
    pieces
}

/// The bytes a reader has memory for.
fn held(reader: &EventReader) -> usize {
    let capacity = |buffer: &Buffer| match buffer {
        Buffer::Kept(bytes) => bytes.capacity(),
        Buffer::TooLong => 0,
    };
    let line = match &reader.line {
        Line::Colon(value) | Line::Value(value) => match value {
            Value::Event(buffer) | Value::Data(buffer) => capacity(buffer),
            Value::Id(id) => id.capacity(),
            Value::Retry(_) => 0,
        },
        Line::Name | Line::Ignored => 0,
    };
    line + reader.name.capacity()
        + capacity(&reader.event)
        + reader.data.as_ref().map_or(0, capacity)
        + reader.id.as_ref().map_or(0, Vec::capacity)
        + reader.last_event_id.len()
}

/// Four buffers that may have grown to twice what is in them, and an ID of invalid
/// bytes only; and what the least of buffers take.
fn held_at_most(limit: usize) -> usize {
    (4 * 2 + 3) * limit + 64
}

#[test]
fn no_endless_stream_takes_more_memory_than_a_multiple_of_the_limit() {
    const LIMIT: usize = 1000;
    for part in
        ["x", "data", "data: ", "data: x\n", "data\n", ":", "\0", "\n", "id: x\n", "retry: 1\n"]
    {
        for start in
            ["", "data:", "event:", "id:", "retry:", ":", "unknown:", "data:x\nid:x\nevent:"]
        {
            let mut reader = EventReader::new(LIMIT);
            assert_eq!(0, reader.read(start.as_bytes()).count());
            for _ in 0..5 * LIMIT {
                assert!(reader.read(part.as_bytes()).count() <= 1);

                assert!(held(&reader) <= held_at_most(LIMIT), "{start:?} {part:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn cutting_anywhere_changes_nothing(
        stream in streams(),
        places in prop::collection::vec(any::<Index>(), 0..20),
        limit in limits(),
    ) {
        let whole = read(limit, [stream.as_slice()]);

        let pieces = cut(&stream, &places);
        prop_assert_eq!(&whole, &read(limit, pieces.iter().copied()));
        prop_assert_eq!(&whole.events, &seen_in_place(limit, &pieces).0);
        prop_assert_eq!(&whole, &read(limit, stream.chunks(1)));
    }

    #[test]
    fn any_bytes_read_as_the_standard_has_it(stream in streams()) {
        prop_assert_eq!(reference(usize::MAX, &stream), read_whole(&stream));
    }

    #[test]
    fn any_text_reads_as_the_standard_has_it_within_the_limit(
        text in texts(),
        limit in limits(),
    ) {
        prop_assert_eq!(reference(limit, text.as_bytes()), read(limit, [text.as_bytes()]));
    }

    #[test]
    fn no_bytes_take_more_memory_than_a_multiple_of_the_limit(
        stream in streams(),
        limit in 0..30_usize,
    ) {
        let mut reader = EventReader::new(limit);
        for byte in stream.chunks(1) {
            for event in reader.read(byte) {
                if let Event::Message { event, data, id } = event {
                    prop_assert!(event.len() <= limit.max("message".len()) * 3);
                    prop_assert!(data.len() <= limit * 3);
                    prop_assert!(id.len() <= limit * 3);
                }
            }
            prop_assert!(held(&reader) <= held_at_most(limit));
        }
    }
}
