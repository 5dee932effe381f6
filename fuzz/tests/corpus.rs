//! The committed corpus, replayed: what was once found stays found, without a fuzzer.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use mcp_session_core::Rule;
use mcp_session_fuzz::peek::Difference;
use mcp_session_fuzz::{exchange, peek, session, stream};

#[test]
fn every_body_of_the_corpus_is_peeked_at_as_the_invariant_says() {
    replay("peek", peek::check);
}

#[test]
fn every_exchange_of_the_corpus_is_classified_as_the_invariant_says() {
    replay("exchange", exchange::check);
}

#[test]
fn every_sequence_of_the_corpus_keeps_the_guarantees() {
    replay("session", session::check);
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

    for rule in Rule::ALL {
        assert!(reached.contains(rule), "{rule:?}");
    }
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
