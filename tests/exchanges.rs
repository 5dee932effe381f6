//! The recorded traffic of real servers, against `exchanges.expected`, which was written
//! from the rulings.

#![cfg(feature = "wire")]
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails in its own set-up says where"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use mcp_session_core::internals::Columns;
use mcp_session_core::wire::{RawRequest, RawResponse};
use mcp_session_core::{Quirks, Rule, Side, Verdict, classify};

const SIDES: [Side; 3] =
    [Side::Client(Quirks::Ignore), Side::Client(Quirks::Recognize), Side::Server];

#[test]
fn every_recorded_exchange_has_the_verdict_that_the_rulings_give_it() {
    for (name, expected) in expectations() {
        let (request, response) = recorded(&name);
        let request = RawRequest::parse(&request).unwrap();
        let response = RawResponse::parse(&response, &request).unwrap();
        let (request, response) = (request.facts(), response.facts());

        for (side, expected) in SIDES.into_iter().zip(expected) {
            let verdict = classify(side, &request, &response);

            assert_eq!(expected, written(&verdict), "{name} {side:?}");
            let cell = Columns::of(side, &request, &response);
            let covering: Vec<&Rule> = Rule::ALL.iter().filter(|it| it.covers(&cell)).collect();
            assert_eq!([&verdict.rule()].as_slice(), covering, "{name} {side:?}");
        }
    }
}

#[test]
fn every_recorded_exchange_has_an_expectation_and_the_other_way_round() {
    let expected: BTreeSet<String> = expectations().into_iter().map(|(name, _)| name).collect();

    let mut present = BTreeSet::new();
    for server in fs::read_dir(tests().join("exchanges")).unwrap() {
        let server = server.unwrap();
        for file in fs::read_dir(server.path()).unwrap() {
            let file = file.unwrap().file_name().into_string().unwrap();
            let case =
                file.strip_suffix(".request").or_else(|| file.strip_suffix(".response")).unwrap();
            present.insert(format!("{}/{case}", server.file_name().into_string().unwrap()));
        }
    }

    assert_eq!(expected, present);
}

#[test]
fn a_verdict_from_raw_bytes_is_the_one_from_http_parts() {
    for (name, _) in expectations() {
        let (raw_request, raw_response) = recorded(&name);
        let request = RawRequest::parse(&raw_request).unwrap();
        let response = RawResponse::parse(&raw_response, &request).unwrap();
        let (request_parts, request_body) = request_parts(&raw_request);
        let response_parts = response_parts(&raw_response);

        for side in SIDES {
            let facts = response.facts();
            let expected = classify(side, &request.facts(), &facts);

            let verdict = mcp_session_core::classify_parts(
                side,
                &request_parts,
                Some(&request_body),
                &response_parts,
                facts.body,
            );

            assert_eq!(expected, verdict, "{name} {side:?}");
        }
    }
}

fn expectations() -> Vec<(String, [String; 3])> {
    fs::read_to_string(tests().join("exchanges.expected"))
        .unwrap()
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let mut columns = line.split_whitespace().map(str::to_owned);
            let mut next = || columns.next().unwrap();
            (next(), [next(), next(), next()])
        })
        .collect()
}

fn recorded(name: &str) -> (Vec<u8>, Vec<u8>) {
    let read =
        |suffix| fs::read(tests().join("exchanges").join(format!("{name}.{suffix}"))).unwrap();
    (read("request"), read("response"))
}

fn written(verdict: &Verdict<'_>) -> String {
    let withhold = if verdict.session_header().is_forwarded() { "" } else { "+withhold" };
    format!("{:?}/{:?}{withhold}", verdict.action(), verdict.rule())
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn request_parts(raw: &[u8]) -> (http::request::Parts, Vec<u8>) {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut headers);
    let length = head.parse(raw).unwrap().unwrap();
    let mut builder = http::Request::builder().method(head.method.unwrap()).uri(head.path.unwrap());
    for header in head.headers {
        builder = builder.header(header.name, header.value);
    }
    (builder.body(()).unwrap().into_parts().0, raw[length..].to_vec())
}

fn response_parts(raw: &[u8]) -> http::response::Parts {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut headers);
    head.parse(raw).unwrap();
    let mut builder = http::Response::builder().status(head.code.unwrap());
    for header in head.headers {
        builder = builder.header(header.name, header.value);
    }
    builder.body(()).unwrap().into_parts().0
}
