use alloc::string::String;
use alloc::vec;

use proptest::prelude::*;

use super::*;

/// A message, as it was written or read: its head, and the bytes of its body.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Message {
    Request(String, Vec<u8>, Headers, Vec<u8>),
    Answer(u16, Headers, Vec<u8>),
}

type Headers = Vec<(Vec<u8>, Vec<u8>)>;

/// What has come, of all messages, and whether the last is whole.
fn read_all(pieces: &[&[u8]]) -> (Vec<Message>, bool) {
    let (mut reader, mut messages) = (PeerReader::default(), vec![]);
    let mut is_whole = true;
    for piece in pieces {
        let mut data = *piece;
        while let Some(event) = reader.read(&mut data).unwrap() {
            is_whole = false;
            match event {
                PeerEvent::Request(head) => messages.push(Message::Request(
                    head.method().into(),
                    head.target().to_vec(),
                    owned(head.headers()),
                    vec![],
                )),
                PeerEvent::Answer(head) => messages.push(Message::Answer(
                    head.status().as_u16(),
                    owned(head.headers()),
                    vec![],
                )),
                PeerEvent::Piece(bytes, rest) => {
                    match messages.last_mut().unwrap() {
                        Message::Request(.., body) | Message::Answer(.., body) => {
                            body.extend_from_slice(bytes);
                        }
                    }
                    is_whole = rest == Rest::Ended;
                }
            }
        }
        assert!(data.is_empty(), "it asks for more before it has read what there is");
        assert!(!reader.is_between_messages() || is_whole);
    }
    (messages, is_whole)
}

fn owned<'a>(headers: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Headers {
    headers.map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}

/// Its body in pieces of so many bytes.
fn written(message: &Message, each: usize) -> Vec<u8> {
    let mut bytes = vec![];
    let body = match message {
        Message::Request(method, target, headers, body) => {
            write_request(&mut bytes, method, target, borrowed(headers)).unwrap();
            body
        }
        Message::Answer(status, headers, body) => {
            let status = StatusCode::from_u16(*status).unwrap();
            write_answer(&mut bytes, status, borrowed(headers)).unwrap();
            body
        }
    };
    for piece in body.chunks(each) {
        write_piece(&mut bytes, piece, Rest::Follows);
    }
    write_piece(&mut bytes, b"", Rest::Ended);
    bytes
}

fn borrowed(headers: &Headers) -> impl Iterator<Item = (&[u8], &[u8])> {
    headers.iter().map(|(name, value)| (&name[..], &value[..]))
}

fn headers() -> impl Strategy<Value = Headers> {
    let value = prop::collection::vec(
        any::<u8>().prop_filter("ends a line", |it| !matches!(it, b'\r' | b'\n' | 0)),
        0..20,
    );
    prop::collection::vec(("x[A-Za-z-]{0,9}".prop_map(String::into_bytes), value), 0..6)
}

fn messages() -> impl Strategy<Value = Vec<Message>> {
    let body = || prop::collection::vec(any::<u8>(), 0..40);
    let request = ("[A-Z]{1,7}", "/[!-~]{0,20}", headers(), body()).prop_map(
        |(method, target, headers, body)| {
            Message::Request(method, target.into_bytes(), headers, body)
        },
    );
    let answer = (100_u16..1000, headers(), body())
        .prop_map(|(status, headers, body)| Message::Answer(status, headers, body));
    prop::collection::vec(prop_oneof![request, answer], 0..4)
}

proptest! {
    #[test]
    fn what_was_written_is_read_however_it_is_cut(
        messages in messages(), each in 1_usize..9, cut in 1_usize..9,
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(|it| written(it, each)).collect();
        let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();

        prop_assert_eq!(read_all(&pieces), (messages.clone(), true));
        prop_assert_eq!(read_all(&[&bytes]), (messages, true));
    }

    #[test]
    fn what_ends_anywhere_before_its_end_is_not_whole(
        message in messages().prop_filter_map("one", |mut it| it.pop()),
    ) {
        let bytes = written(&message, 5);
        for length in 1..bytes.len() {
            let (read, is_whole) = read_all(&[&bytes[..length]]);
            prop_assert!(read.is_empty() || !is_whole, "{length} of {}", bytes.len());
        }
    }

    #[test]
    fn any_bytes_are_read_to_their_end_or_refused_for_good(
        bytes in prop::collection::vec(prop_oneof![0_u8..6, any::<u8>()], 0..200),
    ) {
        let (mut reader, mut data) = (PeerReader::default(), &bytes[..]);
        loop {
            match reader.read(&mut data) {
                Ok(Some(_)) => {}
                Ok(None) => break prop_assert!(data.is_empty()),
                Err(NotOurs) => break prop_assert_eq!(reader.read(&mut &b"\x01"[..]), Err(NotOurs)),
            }
        }
        prop_assert!(reader.begun.capacity() <= 2 * HEAD_LIMIT);
    }
}

#[test]
fn no_head_is_written_that_http_cannot_say() {
    let plain: (&[u8], &[u8]) = (b"accept", b"*/*");
    for (method, target, header) in [
        ("", &b"/"[..], plain),
        ("GET /", b"/", plain),
        ("GET", b"", plain),
        ("GET", b"/ HTTP/1.1\r\nx: ", plain),
        ("GET", b"/\x7f", plain),
        ("GET", "/\u{e9}".as_bytes(), plain),
        ("GET", b"/", (b"", b"")),
        ("GET", b"/", (b"x:", b"")),
        ("GET", b"/", (b"x", b"a\r\nmcp-session-hop: b")),
        ("GET", b"/", (b"x", b"a\nb")),
        ("GET", b"/", (b"x", b"a\0b")),
        ("GET", b"/", (b"x", &[b'a'; HEAD_LIMIT])),
    ] {
        let mut bytes = b"before".to_vec();
        let written = write_request(&mut bytes, method, target, [plain, header]);
        assert_eq!((written, &bytes[..]), (Err(NotHttp), &b"before"[..]), "{target:?} {header:?}");
    }
    let hosts: [(&[u8], &[u8]); 2] = [(b"host", b"a"), (b"Host", b"b")];
    assert_eq!(write_request(&mut vec![], "GET", b"/", hosts), Err(NotHttp));

    let mut bytes = vec![];
    let split: [(&[u8], &[u8]); 1] = [(b"x", b"a\r\nb")];
    assert_eq!(write_answer(&mut bytes, StatusCode::OK, split), Err(NotHttp));
    assert!(bytes.is_empty());
}

#[test]
fn what_is_no_message_of_ours_is_refused() {
    let head = |kind: u8, fields: &[&[u8]]| {
        let mut bytes = vec![];
        write_head(&mut bytes, kind, |to| {
            fields.iter().for_each(|field| put(to, field));
            Ok(())
        })
        .unwrap();
        bytes
    };
    let status = |status: u16| [&[ANSWER, 2, 0, 0, 0][..], &status.to_le_bytes()].concat();
    for bytes in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        [0; PREFIX].to_vec(),
        // A body without its head.
        vec![PIECE, 0, 0, 0, 0],
        vec![END, 0, 0, 0, 0],
        // A head behind a head.
        [head(REQUEST, &[b"GET", b"/"]), head(REQUEST, &[b"GET", b"/"])].concat(),
        // A head that nobody reads to its end.
        [&[REQUEST][..], &(1 + HEAD_LIMIT as u32).to_le_bytes()].concat(),
        head(REQUEST, &[b"GET"]),
        head(REQUEST, &[b"GET", b"/", b"name without value"]),
        head(REQUEST, &[b"GET", b"/", b"x", b"a\r\nb"]),
        head(REQUEST, &[b"", b"/"]),
        head(REQUEST, &[b"GET", b"/ b"]),
        head(ANSWER, &[]),
        status(99),
        status(1000),
    ] {
        let (mut reader, mut data) = (PeerReader::default(), &bytes[..]);
        let last = loop {
            match reader.read(&mut data) {
                Ok(Some(_)) => {}
                last => break last,
            }
        };
        assert_eq!(last, Err(NotOurs), "{bytes:?}");
        assert!(!reader.is_between_messages());
    }
}

#[test]
fn a_long_body_is_handed_on_as_it_comes_and_nothing_of_it_is_kept() {
    let mut bytes = vec![];
    write_answer(&mut bytes, StatusCode::OK, []).unwrap();
    write_piece(&mut bytes, &[7; 1 << 20], Rest::Ended);

    let (mut reader, mut seen) = (PeerReader::default(), 0);
    for piece in bytes.chunks(1000) {
        let mut data = piece;
        while let Some(event) = reader.read(&mut data).unwrap() {
            if let PeerEvent::Piece(piece, _) = event {
                seen += piece.len();
            }
        }
        assert!(reader.begun.capacity() < 1000);
    }
    assert_eq!(seen, 1 << 20);
    assert!(reader.is_between_messages());
}

#[test]
fn neither_a_head_nor_a_reader_shows_what_it_holds() {
    let mut bytes = vec![];
    write_request(&mut bytes, "GET", b"/secret", [(&b"secret"[..], &b"secret"[..])]).unwrap();
    let mut reader = PeerReader::default();
    let request = reader.read(&mut &bytes[..]).unwrap().unwrap();
    let mut begun = PeerReader::default();
    assert_eq!(begun.read(&mut &bytes[..20]), Ok(None));

    let shown = std::format!("{request:?} {begun:?}");
    assert!(!shown.contains("secret") && !shown.contains("115"), "{shown}");
}
