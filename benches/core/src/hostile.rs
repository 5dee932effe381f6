//! What each public function that reads a body does with bodies that are meant to hurt.

use std::hint::black_box;

use mcp_session_core::http::StatusCode;
use mcp_session_core::server::ResponseHead;
use mcp_session_core::server::{Exchange, Options as ServerOptions, Policy, RequestHead, Rest};
use mcp_session_core::session::{AfterStep, Before, Outgoing};
use mcp_session_core::sse::EventReader;
use mcp_session_core::wire::RawRequest;
use mcp_session_core::{
    Answer, Method, Quirks, Request, Response, Side, classify, needs_more_body, peek,
};

use crate::bodies;
use crate::cases::live;

/// A function, and what makes it ready to read one body.
pub struct Reader {
    pub name: &'static str,
    pub prepare: fn(&[u8]) -> Box<dyn FnOnce()>,
}

/// Every public function that reads as much as its caller was sent.
pub const READERS: [Reader; 13] = [
    Reader { name: "peek", prepare: |body| once(body, |body| peek(body).kind()) },
    Reader {
        name: "peek, and all that it saw",
        prepare: |body| {
            once(body, |body| {
                let message = peek(body);
                let method = message.method().map(|it| it.len());
                (method, message.id().is_some(), message.is_initialize(), message.members().count())
            })
        },
    },
    Reader {
        name: "Message::answers",
        prepare: |body| {
            once(body, |body| {
                let id = peek(br#"{"id":42,"method":"m"}"#).id();
                id.is_some_and(|id| peek(body).answers(id))
            })
        },
    },
    Reader {
        name: "the canonical 404",
        prepare: |body| once(body, |body| Answer::not_found(peek(body).echoed_id()).body()),
    },
    Reader {
        name: "classify, the body of a request",
        prepare: |body| {
            once(body, |body| {
                let request = Request { message: Some(peek(body)), ..attached() };
                classify(Side::Server, &request, &Response::new(StatusCode::NOT_FOUND)).action()
            })
        },
    },
    Reader {
        name: "classify, the body of an answer",
        prepare: |body| {
            once(body, |body| {
                classify(Side::Client(Quirks::Recognize), &attached(), &refusal(body)).action()
            })
        },
    },
    Reader {
        name: "needs_more_body",
        prepare: |body| {
            once(body, |body| needs_more_body(Side::Server, &attached(), &refusal(body)))
        },
    },
    Reader {
        name: "server::Exchange, a request in pieces",
        prepare: |body| {
            let mut exchange = exchange();
            once(body, move |body| {
                pieces(body, |piece, rest| exchange.request_piece(piece, rest));
                let _ = exchange.before_handler();
                let head = ResponseHead::new(StatusCode::NOT_FOUND);
                let _ = black_box(exchange.response_head(head));
            })
        },
    },
    Reader {
        name: "server::Exchange, an answer in pieces",
        prepare: |body| {
            let mut exchange = exchange();
            exchange.request_piece(bodies::CALL, Rest::Ended);
            let _ = exchange.before_handler();
            once(body, move |body| {
                let mut head = ResponseHead::new(StatusCode::NOT_FOUND);
                head.add_header(b"content-type", b"application/json");
                let _ = exchange.response_head(head);
                pieces(body, |piece, rest| {
                    let _ = black_box(exchange.response_piece(piece, rest));
                });
            })
        },
    },
    Reader {
        name: "Session::before_request",
        prepare: |body| {
            let mut session = live();
            once(body, move |body| {
                let _ = black_box(session.before_request(Outgoing::post(body)));
            })
        },
    },
    Reader {
        name: "Session::saw_message",
        prepare: |body| {
            let mut session = live();
            let stream = match session.before_request(Outgoing::post(bodies::CALL)) {
                Before::Transmit(sent) => {
                    let ok = Response {
                        content_type: Some(b"text/event-stream"),
                        ..Response::new(StatusCode::OK)
                    };
                    match session.after_response(sent.exchange, &ok).map(|after| after.step) {
                        Ok(AfterStep::Deliver(delivery)) => Some(delivery.stream),
                        _ => None,
                    }
                }
                _ => None,
            };
            let stream = stream.expect("an answer that is delivered");
            once(body, move |body| {
                let _ = black_box(session.saw_message(stream, body));
            })
        },
    },
    Reader {
        name: "EventReader",
        prepare: |body| {
            let event = [b"data: ", body, b"\n\n"].concat();
            let mut reader = EventReader::new(1 << 30);
            once(&event, move |event| reader.read(event).count())
        },
    },
    Reader {
        name: "RawRequest::parse, and its facts",
        prepare: |body| {
            let head = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len());
            let raw = [head.as_bytes(), body].concat();
            once(&raw, |raw| {
                RawRequest::parse(raw).map(|it| it.facts().message.map(|it| it.kind())).ok()
            })
        },
    },
];

/// Reads each body with each function. What one costs is what is counted from one `mark` to the
/// next: `callgrind --dump-before` writes that for each.
pub fn read_all(length: usize) {
    for reader in &READERS {
        for (_, body) in bodies::hostile_of(length) {
            let ready = (reader.prepare)(&body);
            mark();
            ready();
            mark();
        }
    }
    mark();
}

/// Where the counting begins anew.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn mark() {
    black_box(());
}

fn attached() -> Request<'static> {
    Request { session_id: Some(b"1868a90c"), ..Request::new(Method::Post) }
}

fn refusal(body: &[u8]) -> Response<'_> {
    Response {
        body: Some(body),
        content_type: Some(b"application/json"),
        ..Response::new(StatusCode::BAD_REQUEST)
    }
}

fn once<R>(body: &[u8], read: impl FnOnce(&[u8]) -> R + 'static) -> Box<dyn FnOnce()> {
    let body = body.to_vec();
    Box::new(move || {
        black_box(read(black_box(&body)));
    })
}

fn exchange() -> Exchange {
    let mut head = RequestHead::new(Method::Post, b"");
    head.add_header(b"mcp-session-id", b"1868a90c");
    let options = ServerOptions {
        max_response_bytes: 1 << 30,
        max_request_bytes: 1 << 30,
        ..Default::default()
    };
    Exchange::new(&Policy::new(options), head)
}

fn pieces(body: &[u8], mut tell: impl FnMut(&[u8], Rest)) {
    for piece in body.chunks(4096) {
        tell(piece, Rest::Follows);
    }
    tell(b"", Rest::Ended);
}
