//! Every small world: all interleavings of a few operations, up to a depth, none left out.
//!
//! A world cannot be copied, so each sequence is executed from the start. A sequence whose last
//! operation found nothing to do is not continued: it is the same world as without it.
//!
//! For longer ones: `OWNERSHIP_DEPTH=7 cargo test --release --test ownership enumeration`.

use std::env;

use mcp_session_core::sessions::Restore;
use mcp_session_testing::sessions::operations::{Operation, What, Who};
use mcp_session_testing::sessions::world::{Setting, World};

const DEPTH: usize = 5;

fn call(place: usize) -> Operation {
    Operation::Begin(place, What::Call, Who::Owner, 0)
}

#[test]
fn an_owner_that_is_paused_while_another_claims() {
    let alphabet = [
        call(0),
        call(1),
        Operation::Go(0),
        Operation::Go(1),
        Operation::Deadline(0),
        Operation::LeaseEnds(0),
        Operation::Renew(0),
    ];
    visit_all("paused", Setting::of(2), &[], &alphabet);
}

#[test]
fn two_that_claim_what_a_dead_owner_has_left() {
    let before = [Operation::Kill(0), call(0), call(1), Operation::Go(0), Operation::Go(1)];
    let alphabet = [
        Operation::Go(0),
        Operation::Go(1),
        Operation::Go(2),
        Operation::AnswerLost(0),
        Operation::TableFails(1),
        Operation::Unreachable(1),
        Operation::DeadLeasesEnd,
        Operation::Abandon(0),
    ];
    visit_all("dead", Setting::of(2), &before, &alphabet);
}

#[test]
fn a_claim_that_comes_late_to_an_owner_that_is_back() {
    // The second has read that the lease of the first is over.
    let before = [
        Operation::Deadline(0),
        Operation::LeaseEnds(0),
        call(1),
        Operation::Go(0),
        Operation::Go(0),
    ];
    let alphabet = [
        call(0),
        Operation::Go(0),
        Operation::Go(1),
        Operation::Renew(0),
        Operation::RenewalLost(0),
        Operation::AnswerLost(1),
        Operation::Deadline(1),
        Operation::LeaseEnds(1),
    ];
    visit_all("late claim", Setting::of(2), &before, &alphabet);
}

#[test]
fn a_split_in_which_the_owner_does_not_reach_the_table() {
    let before = [Operation::Deadline(0), call(0), call(1)];
    let alphabet = [
        call(0),
        Operation::Go(0),
        Operation::Go(1),
        Operation::TableFails(0),
        Operation::AnswerLost(0),
        Operation::LeaseEnds(0),
        Operation::InDoubt(1),
        Operation::Renew(0),
    ];
    visit_all("split", Setting::of(2), &before, &alphabet);
}

#[test]
fn an_owner_that_drains_while_its_requests_run() {
    let before = [call(0), call(1), Operation::Go(0), Operation::Go(1)];
    let alphabet = [
        call(1),
        Operation::Go(0),
        Operation::Go(1),
        Operation::Go(2),
        Operation::Drain(0),
        Operation::Begin(0, What::SetLevel(1), Who::Owner, 0),
        Operation::Upkeep(0),
        Operation::Abandon(0),
    ];
    visit_all("drains", Setting::of(2), &before, &alphabet);
}

#[test]
fn a_table_that_loses_what_it_has() {
    let before = [call(1), Operation::Go(0)];
    let alphabet = [
        call(0),
        Operation::Flush,
        Operation::Go(0),
        Operation::Go(1),
        Operation::Renew(0),
        Operation::Renew(1),
        Operation::Upkeep(0),
        Operation::Kill(1),
    ];
    visit_all("flushed", Setting::of(2), &before, &alphabet);
}

#[test]
fn a_session_that_its_client_ends_at_every_moment() {
    let before = [Operation::Begin(0, What::Delete, Who::Owner, 0), Operation::Go(0)];
    let alphabet = [
        call(0),
        call(1),
        Operation::Go(0),
        Operation::Go(1),
        Operation::AnswerLost(0),
        Operation::Forget(0),
        Operation::Upkeep(0),
        Operation::Kill(0),
    ];
    visit_all("ended", Setting::of(2), &before, &alphabet);
}

#[test]
fn an_application_that_forgets_its_sessions() {
    let before = [call(0), call(1), Operation::Go(0), Operation::Go(1)];
    let alphabet = [
        Operation::Forget(0),
        Operation::Go(0),
        Operation::Go(1),
        Operation::Go(2),
        Operation::Begin(0, What::SetLevel(2), Who::Owner, 0),
        Operation::Abandon(0),
        Operation::Refuse(0),
    ];
    let setting = Setting::of(2);
    visit_all("forgets", setting, &before, &alphabet);
    let refused = Setting { restore: Restore::Refused, ..setting };
    visit_all("forgets for good", refused, &before, &alphabet);
}

#[test]
fn somebody_else_with_the_id_of_a_session() {
    let thief = |place| Operation::Begin(place, What::Call, Who::Thief, 0);
    let alphabet = [
        thief(0),
        thief(1),
        Operation::Begin(1, What::Delete, Who::Thief, 0),
        Operation::Begin(0, What::ForgedHop, Who::Owner, 0),
        Operation::Go(0),
        Operation::Go(1),
        Operation::Kill(0),
        Operation::Deadline(0),
    ];
    visit_all("somebody else", Setting::of(2), &[], &alphabet);
}

#[test]
fn three_that_want_the_session_of_one_that_is_gone() {
    let before = [Operation::Kill(0), Operation::DeadLeasesEnd, call(0), call(1), call(2)];
    let alphabet = [
        Operation::Go(0),
        Operation::Go(1),
        Operation::Go(2),
        Operation::Go(3),
        Operation::AnswerLost(0),
        Operation::Kill(0),
    ];
    visit_all("three", Setting::of(3), &before, &alphabet);
}

#[test]
fn a_table_that_is_followed_by_one_that_lacks_its_last_writes() {
    // The second has claimed the session of the first, which was paused and is back.
    let before = [
        Operation::Deadline(0),
        Operation::LeaseEnds(0),
        call(1),
        Operation::Go(0),
        Operation::Go(0),
        Operation::Go(0),
        Operation::Go(0),
    ];
    let alphabet = [
        call(0),
        Operation::RollBack(1),
        Operation::Go(0),
        Operation::Go(1),
        Operation::Renew(0),
        Operation::Renew(1),
        Operation::Upkeep(1),
        Operation::LeaseEnds(1),
    ];
    visit_all("rolled back", Setting::of(2), &before, &alphabet);
}

#[test]
fn a_table_that_throws_an_entry_away() {
    let before = [call(1), Operation::Go(0)];
    let alphabet = [
        call(0),
        Operation::Evict(0),
        Operation::Go(0),
        Operation::Go(1),
        Operation::Touch(0),
        Operation::Upkeep(0),
        Operation::Deadline(0),
        Operation::LeaseEnds(0),
    ];
    visit_all("thrown away", Setting::of(2), &before, &alphabet);
}

#[test]
fn a_process_that_is_started_where_the_owner_was() {
    let before = [Operation::Kill(0), call(1), Operation::Go(0), Operation::Go(0)];
    let alphabet = [
        call(0),
        Operation::Go(0),
        Operation::Go(1),
        Operation::Go(2),
        Operation::DeadLeasesEnd,
        Operation::LookAfter(1),
        Operation::Kill(0),
        Operation::InDoubt(0),
    ];
    visit_all("reused address", Setting::of(2), &before, &alphabet);
    let private = Setting { reuses_addresses: false, ..Setting::of(2) };
    visit_all("private address", private, &before, &alphabet);
}

#[test]
fn an_owner_that_hangs_while_others_wait_for_it() {
    let before = [
        call(1),
        Operation::Go(0),
        Operation::Go(0),
        Operation::Go(0),
        Operation::Go(0),
        Operation::Deadline(0),
    ];
    let alphabet = [
        Operation::LookAfter(1),
        Operation::LeaseEnds(0),
        Operation::Renew(0),
        Operation::Begin(1, What::Get, Who::Owner, 0),
        Operation::Drain(1),
        Operation::Go(0),
        Operation::Go(2),
    ];
    visit_all("hangs", Setting::of(2), &before, &alphabet);
}

/// Executes every sequence of the alphabet of at most that length, breadth first, after what
/// comes before, and lets each end well.
fn visit_all(name: &str, setting: Setting, before: &[Operation], alphabet: &[Operation]) {
    let depth = env::var("OWNERSHIP_DEPTH").ok().and_then(|depth| depth.parse().ok());
    let depth = depth.unwrap_or(DEPTH);
    let mut visited = 0_usize;
    let mut front: Vec<Vec<Operation>> = vec![Vec::new()];
    for _length in 0..depth {
        let mut next = Vec::new();
        for path in &front {
            for operation in alphabet {
                let mut world = World::opened(setting);
                world.run(before);
                world.run(path);
                if world.execute(*operation) {
                    world.check_ended();
                    visited += 1;
                    next.push(path.iter().copied().chain([*operation]).collect());
                }
            }
        }
        front = next;
    }
    println!("{name}: {visited} interleavings visited");
}
