//! The committed corpus, replayed: what was once found stays found, without a fuzzer.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use mcp_session_core::Rule;
use mcp_session_core::wire::{RawRequest, RawResponse};
use mcp_session_fuzz::peek::Difference;
use mcp_session_fuzz::{
    answer, classify, client, exchange, peek, peer, server, session, sessions, stream,
};

#[test]
fn every_body_of_the_corpus_is_peeked_at_as_the_invariant_says() {
    replay("peek", peek::check);
}

#[test]
fn every_exchange_of_the_corpus_is_classified_as_the_invariant_says() {
    replay("exchange", exchange::check);
}

#[test]
fn all_facts_of_the_corpus_are_classified_as_the_laws_say() {
    replay("classify", classify::check);
}

#[test]
fn every_body_of_the_corpus_is_answered_so_that_both_halves_agree() {
    replay("answer", answer::check);
    replay("peek", answer::check);
}

#[test]
fn every_exchange_of_the_corpus_keeps_the_laws_of_the_server_machine() {
    replay("server", server::check);
}

#[test]
fn every_sequence_of_the_corpus_keeps_the_guarantees() {
    replay("session", session::check);
}

#[test]
fn every_sequence_of_the_corpus_keeps_the_laws_of_the_client() {
    replay("client", client::check);
}

#[test]
fn every_world_of_the_corpus_keeps_the_laws_of_ownership() {
    replay("sessions", sessions::check);
}

#[test]
fn all_that_processes_say_in_the_corpus_is_read_the_same_however_it_is_cut() {
    replay("peer", peer::check);
}

#[test]
fn every_stream_of_the_corpus_is_read_the_same_however_it_is_cut() {
    replay("stream", stream::check);
}

#[test]
fn the_corpus_makes_a_case_of_every_difference_from_value() {
    let differences: Vec<Difference> =
        corpus("peek").iter().filter_map(|(_, body)| Difference::of(body)).collect();

    for difference in Difference::ALL {
        assert!(differences.contains(&difference), "{difference:?}");
    }
}

#[test]
fn the_corpus_reaches_every_row() {
    let reached: Vec<Rule> =
        corpus("exchange").iter().flat_map(|(_, input)| exchange::rules(input)).collect();

    // What a caller lists itself stands in no bytes; the target `classify` has a law of it.
    for rule in Rule::ALL.iter().filter(|rule| **rule != Rule::MisreportOfCaller) {
        assert!(reached.contains(rule), "{rule:?}");
    }
}

#[test]
fn the_corpus_makes_a_case_of_every_law() {
    let spoken: Vec<&str> =
        corpus("classify").iter().flat_map(|(_, facts)| classify::laws(facts)).collect();

    for (law, _) in classify::LAWS {
        assert!(spoken.contains(law), "{law}");
    }
}

#[test]
fn the_recorded_traffic_keeps_every_law_and_every_invariant() {
    let recorded = recorded();
    assert_eq!(767, recorded.len());
    for (raw_request, raw_response) in recorded {
        let head = raw_request.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        let request = RawRequest::parse(&raw_request).unwrap();
        let response = RawResponse::parse(&raw_response, &request).unwrap();
        // None of these servers was sent chunks, so the body is what follows the head.
        let body = request.facts().message.map(|_| &raw_request[head..]);

        classify::assert_laws(&request.facts(), &response.facts(), body);
        exchange::check(&[&raw_request, exchange::SEPARATOR, &raw_response].concat());
        peek::check(&raw_request[head..]);
        answer::check(&raw_request[head..]);
    }
}

/// The request and the response of every recorded exchange.
fn recorded() -> Vec<(Vec<u8>, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/exchanges");
    let mut recorded = Vec::new();
    for server in fs::read_dir(folder).unwrap() {
        for file in fs::read_dir(server.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "request") {
                let response = fs::read(path.with_extension("response")).unwrap();
                recorded.push((fs::read(path).unwrap(), response));
            }
        }
    }
    recorded
}

#[track_caller]
fn replay(target: &str, check: impl Fn(&[u8])) {
    let corpus = corpus(target);
    assert!(!corpus.is_empty(), "no corpus for {target}");
    let failed: Vec<&String> = corpus
        .iter()
        .filter(|(_, input)| catch_unwind(AssertUnwindSafe(|| check(input))).is_err())
        .map(|(name, _)| name)
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
}

/// The inputs for a target, by the names of their files.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut corpus: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
        })
        .collect();
    corpus.sort();
    corpus
}
