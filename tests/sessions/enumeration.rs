//! Every small world: all interleavings of a few operations, up to a depth, none left out.
//!
//! A world cannot be copied, so each sequence is executed from the start. A sequence whose last
//! operation found nothing to do is not continued: it is the same world as without it.

use mcp_session_core::sessions::Restore;
use mcp_session_testing::sessions::operations::{Operation, What, Who};
use mcp_session_testing::sessions::world::{Setting, World};

const CALL: What = What::Call;

fn call(place: usize) -> Operation {
    Operation::Begin(place, CALL, Who::Owner, 0)
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
    visit_all("paused", Setting::of(2), &[], &alphabet, 8);
}

#[test]
fn two_that_claim_what_a_dead_owner_has_left() {
    let setting = [Operation::Kill(0), Operation::DeadLeasesEnd, call(0), call(1)];
    let alphabet = [
        Operation::Go(0),
        Operation::Go(1),
        Operation::Go(2),
        Operation::AnswerLost(0),
        Operation::TableFails(1),
        call(0),
        Operation::Abandon(0),
    ];
    visit_all("dead", Setting::of(2), &setting, &alphabet, 8);
}

fn visit_all(
    name: &str,
    setting: Setting,
    before: &[Operation],
    alphabet: &[Operation],
    depth: usize,
) {
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

const _: Restore = Restore::Allowed;
