//! Every small world: all interleavings of a few operations, up to a depth, none left out.
//!
//! A world cannot be copied, so each sequence is executed from the start. A sequence whose last
//! operation found nothing to do is not continued: it is the same world as without it.

use mcp_session_core::session::{Options, ResendPolicy};

use mcp_session_testing::session::words::What;
use mcp_session_testing::session::world::{
    Answered, Header, Operation, Restoration, Status, Welcome, World,
};

const NOT_FOUND: Status = Status::Plain(404);
const OK: Status = Status::Plain(200);

#[test]
fn three_calls_that_fail_together_in_every_order() {
    let setting = [Operation::Begin(What::Call); 3];
    let alphabet = [
        Operation::Respond(0, NOT_FOUND),
        Operation::Respond(1, NOT_FOUND),
        Operation::Respond(0, OK),
        Operation::Ask(0),
        Operation::Ask(1),
        Operation::LeaderInitialize(Welcome::Result(Header::New)),
        Operation::LeaderInitialized(202),
        Operation::LeaderFails,
        Operation::LeaderIsDropped,
    ];
    visit_all("three calls", &[bound(2)], &setting, &alphabet, 7);
}

#[test]
fn two_replacements_that_are_refused_in_every_way() {
    let setting = [Operation::Begin(What::Call), Operation::Begin(What::Read)];
    let alphabet = [
        Operation::Begin(What::Call),
        Operation::Respond(0, NOT_FOUND),
        Operation::Ask(0),
        Operation::LeaderInitialize(Welcome::Result(Header::Same)),
        Operation::LeaderInitialize(Welcome::Error(-32022)),
        Operation::LeaderInitialized(202),
        Operation::LeaderInitialized(404),
        Operation::LeaderIsDropped,
        Operation::DropHold(0),
    ];
    visit_all("two replacements", &[bound(1), bound(3)], &setting, &alphabet, 7);
}

#[test]
fn streams_and_their_event_ids_across_two_replacements() {
    let setting = [Operation::Begin(What::Get), Operation::Begin(What::Call)];
    let alphabet = [
        Operation::Begin(What::Get),
        Operation::Begin(What::Resume(0)),
        Operation::Respond(0, NOT_FOUND),
        Operation::Respond(0, OK),
        Operation::EventSeen(1, 0),
        Operation::Ask(0),
        Operation::LeaderInitialize(Welcome::Result(Header::New)),
        Operation::LeaderInitialized(202),
    ];
    visit_all("streams", &[bound(2)], &setting, &alphabet, 7);
}

#[test]
fn the_callers_own_initialize_at_every_moment() {
    let setting = [Operation::Begin(What::Call), Operation::Begin(What::Initialize)];
    let alphabet = [
        Operation::Begin(What::Initialize),
        Operation::Respond(0, NOT_FOUND),
        Operation::Welcome(0, Header::Same),
        Operation::Welcome(1, Header::New),
        Operation::Ask(0),
        Operation::LeaderInitialize(Welcome::Result(Header::New)),
        Operation::LeaderInitialized(202),
        Operation::LeaderIsDropped,
    ];
    visit_all("own initialize", &[bound(2)], &setting, &alphabet, 7);
}

#[test]
fn delete_at_every_moment() {
    let setting = [Operation::Begin(What::Call), Operation::Begin(What::Call)];
    let alphabet = [
        Operation::Begin(What::Delete),
        Operation::Begin(What::Call),
        Operation::Respond(0, NOT_FOUND),
        Operation::Ask(0),
        Operation::LeaderInitialize(Welcome::Result(Header::New)),
        Operation::LeaderInitialized(202),
        Operation::LeaderFails,
        Operation::LeaderIsDropped,
    ];
    visit_all("delete", &[bound(2)], &setting, &alphabet, 7);
}

#[test]
fn replies_and_cancellations_across_two_replacements() {
    let setting = [Operation::Begin(What::Call), Operation::Respond(0, OK)];
    let alphabet = [
        Operation::Begin(What::Call),
        Operation::Begin(What::Reply(0)),
        Operation::Begin(What::Cancelled(2)),
        Operation::ServerAsks(1, 0),
        Operation::ServerAsks(2, 0),
        Operation::Respond(0, NOT_FOUND),
        Operation::Respond(0, OK),
        Operation::Ask(0),
        Operation::LeaderInitialize(Welcome::Result(Header::New)),
        Operation::LeaderInitialized(202),
    ];
    visit_all("replies", &[bound(2)], &setting, &alphabet, 6);
}

#[test]
fn a_refused_replacement_and_what_its_trial_is_answered() {
    let setting = [
        Operation::Begin(What::Call),
        Operation::Respond(0, OK),
        Operation::Begin(What::Call),
        Operation::Respond(0, NOT_FOUND),
        Operation::LeaderInitialize(Welcome::Status(500)),
    ];
    let alphabet = [
        Operation::Begin(What::Call),
        Operation::Begin(What::Get),
        Operation::Begin(What::Initialize),
        Operation::Begin(What::Delete),
        Operation::Respond(0, NOT_FOUND),
        Operation::Respond(0, OK),
        Operation::Abandon(0),
        Operation::Ask(1),
        Operation::LeaderInitialize(Welcome::Result(Header::New)),
    ];
    visit_all("trials", &[bound(3)], &setting, &alphabet, 6);
}

#[test]
fn the_circuit_opens_and_is_let_try_again() {
    let setting = [Operation::Begin(What::Call), Operation::Begin(What::Call)];
    let alphabet = [
        Operation::Begin(What::Call),
        Operation::Respond(0, NOT_FOUND),
        Operation::Respond(0, OK),
        Operation::Ask(0),
        Operation::LeaderInitialize(Welcome::Result(Header::New)),
        Operation::LeaderInitialized(202),
        Operation::LeaderFails,
        Operation::CooldownOver,
        Operation::EarlierCooldownOver,
    ];
    visit_all("circuit", &[bound(1)], &setting, &alphabet, 8);
}

#[test]
fn what_is_kept_is_told_again_while_requests_come_and_go() {
    let setting = [
        Operation::Begin(What::Subscribe(0)),
        Operation::Respond(0, OK),
        Operation::AnswerSeen(1, Answered::Result),
        Operation::Begin(What::SetLevel(0)),
        Operation::Begin(What::Call),
        Operation::Respond(1, NOT_FOUND),
    ];
    let alphabet = [
        Operation::Begin(What::Call),
        Operation::Begin(What::Delete),
        Operation::Respond(0, OK),
        Operation::AnswerSeen(2, Answered::Result),
        Operation::Ask(0),
        Operation::LeaderInitialize(Welcome::Result(Header::New)),
        Operation::LeaderInitialized(202),
        Operation::LeaderRestores(Restoration::Result),
        Operation::LeaderRestores(Restoration::Error),
        Operation::LeaderIsDropped,
    ];
    visit_all("restores", &[bound(2)], &setting, &alphabet, 6);
}

#[test]
fn questions_of_two_sessions_and_their_replies() {
    let setting = [
        Operation::Begin(What::Call),
        Operation::Respond(0, OK),
        Operation::Begin(What::Call),
        Operation::Respond(0, NOT_FOUND),
        Operation::LeaderInitialize(Welcome::Result(Header::New)),
    ];
    let alphabet = [
        Operation::ServerAsks(1, 0),
        Operation::ServerAsks(2, 0),
        Operation::ServerCancels(2, 0),
        Operation::Begin(What::ReplyShown(0)),
        Operation::Begin(What::ReplyShown(1)),
        Operation::Begin(What::BatchOfReply(0)),
        Operation::LeaderInitialized(202),
        Operation::Ask(0),
        Operation::Respond(0, OK),
    ];
    visit_all("questions", &[bound(2)], &setting, &alphabet, 5);
}

fn bound(bound: u32) -> Options {
    Options { bound, resend: ResendPolicy::All, ..Options::default() }
}

/// Executes every sequence of the alphabet of at most that length, breadth first, after the
/// setting, and lets each end well.
fn visit_all(
    name: &str,
    options: &[Options],
    setting: &[Operation],
    alphabet: &[Operation],
    depth: usize,
) {
    for options in options {
        let mut visited = 0_usize;
        let mut front: Vec<Vec<Operation>> = vec![Vec::new()];
        for _length in 0..depth {
            let mut next = Vec::new();
            for path in &front {
                for operation in alphabet {
                    if visit(*options, setting, path, *operation) {
                        visited += 1;
                        next.push(path.iter().copied().chain([*operation]).collect());
                    }
                }
            }
            front = next;
        }
        println!("{name}, bound {}: {visited} interleavings visited", options.bound);
    }
}

/// Returns whether the operation found something to do.
fn visit(
    options: Options,
    setting: &[Operation],
    path: &[Operation],
    operation: Operation,
) -> bool {
    let mut world = World::opened(options);
    // The same sequence without its last operation has been looked at before.
    world.looks_at_debug = false;
    world.run(setting);
    world.run(path);
    world.looks_at_debug = true;
    let was_done = world.execute(operation);
    world.looks_at_debug = false;
    if was_done {
        world.drain();
        world.check();
        world.check_ended();
    }
    was_done
}
