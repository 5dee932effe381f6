//! Every small world: all orders of a few operations, up to a depth, none left out.
//!
//! A world cannot be copied, so each sequence is executed from the start. A sequence whose last
//! operation found nothing to do is not continued: it is the same world as without it.

use mcp_session_core::client::{Options, Shield};

use mcp_session_testing::client::words::{
    Answered, Bears, Content, End, EventId, Frame, Head, Header, Media, Operation, Refused, Sender,
    Welcome, What,
};
use mcp_session_testing::client::world::World;

const OPENER: Sender = Sender { endpoint: 0, credentials: 0, id: Bears::Seen(0) };
const STRANGER: Sender = Sender { credentials: 1, ..OPENER };
const NEW_SESSION: Welcome = Welcome::Result(Header::New, Media::Json);

#[test]
fn two_calls_whose_session_ends_stopped_at_every_step() {
    let setting = [Operation::Begin(What::Call, OPENER), Operation::Begin(What::Read, OPENER)];
    let alphabet = [
        Operation::Respond(0, Head::of(404)),
        Operation::Respond(1, Head::of(404)),
        Operation::Respond(0, Head::json(Header::Absent)),
        Operation::GoOn(0),
        Operation::GoOn(1),
        Operation::Welcome(0, NEW_SESSION),
        Operation::Accept(0, 202),
        Operation::LeaderFails(0),
        Operation::Drop(0),
        Operation::Drop(1),
    ];
    visit_all("two calls", &setting, &alphabet, 7);
}

#[test]
fn a_refused_replacement_and_its_trial() {
    let setting = [Operation::Begin(What::Call, OPENER)];
    let alphabet = [
        Operation::Begin(What::Call, OPENER),
        Operation::Respond(0, Head::of(404)),
        Operation::Respond(0, Head::json(Header::Absent)),
        Operation::GoOn(0),
        Operation::Welcome(0, Welcome::Error(-32600)),
        Operation::Welcome(0, Welcome::Status(503)),
        Operation::Welcome(0, NEW_SESSION),
        Operation::Accept(0, 404),
        Operation::Accept(0, 202),
        Operation::TimeOut(0),
    ];
    visit_all("a refused replacement", &setting, &alphabet, 7);
}

#[test]
fn a_call_called_off_at_every_step() {
    let setting = [Operation::Begin(What::Call, OPENER), Operation::Begin(What::Call, OPENER)];
    let alphabet = [
        // The requests before it are the opening one and those of the setting.
        Operation::Begin(What::Cancelled(1), OPENER),
        Operation::Respond(0, Head::of(404)),
        Operation::Respond(1, Head::of(404)),
        Operation::Respond(0, Head::json(Header::Absent)),
        Operation::GoOn(0),
        Operation::GoOn(1),
        Operation::Welcome(0, NEW_SESSION),
        Operation::Accept(0, 202),
    ];
    visit_all("called off", &setting, &alphabet, 7);
}

#[test]
fn a_stream_cut_at_every_byte_and_resumed() {
    let answer = Frame { content: Content::Answer(0), event_id: EventId::Is(1) };
    let priming = Frame { content: Content::Nothing, event_id: EventId::Is(0) };
    let setting = [Operation::Begin(What::Call, OPENER), Operation::Respond(0, Head::stream())];
    let alphabet = [
        Operation::Event(0, priming, 255),
        Operation::Event(0, priming, 100),
        Operation::Event(0, answer, 200),
        Operation::End(0, End::Cut, false),
        Operation::End(0, End::Clean, false),
        Operation::Begin(What::Resume(0), OPENER),
        Operation::Respond(0, Head::stream()),
        Operation::Respond(0, Head::of(401)),
        Operation::Respond(0, Head::of(405)),
        Operation::Respond(0, Head::of(409)),
        Operation::Drop(0),
        Operation::Fail(0),
        Operation::GoOn(0),
    ];
    visit_all("a stream", &setting, &alphabet, 6);
    for cut in 0..=255 {
        for end in [End::Clean, End::Cut] {
            let mut world = World::opened(options());
            world.run(&setting);
            world.run(&[
                Operation::Event(0, priming, 255),
                Operation::Event(0, answer, cut),
                Operation::End(0, end, false),
            ]);
            world.drain();
            world.check_ended();
        }
    }
}

#[test]
fn a_stream_that_its_server_lets_be_polled_in_every_way_up_to_its_bounds() {
    let in_order = Operation::End(0, End::Clean, false);
    let cut = Operation::End(0, End::Cut, false);
    // What each resumption brings, whether with a new event ID, how it ends, and after how many
    // of them its caller is told that no answer will come.
    for (content, has_id, ends, in_all) in [
        (None, false, in_order, 60),
        (None, false, cut, 3),
        (Some(Content::Comment), false, in_order, 750),
        (Some(Content::Notification), false, in_order, 750),
        (Some(Content::Retry), false, in_order, 750),
        (Some(Content::Retry), false, cut, 3),
        (Some(Content::Nothing), true, in_order, 750),
        (Some(Content::Nothing), true, cut, 750),
    ] {
        for primes_with_time in [false, true] {
            let mut world = polled(primes_with_time);
            let (mut last, mut resumptions) = (0, 0);
            while world.failed_calls() == 0 {
                world.run(&[
                    Operation::Begin(What::Resume(last), OPENER),
                    Operation::Respond(0, Head::stream()),
                ]);
                if has_id {
                    last = 1 - last;
                }
                if let Some(content) = content {
                    let event_id = if has_id { EventId::Is(last) } else { EventId::Absent };
                    world.execute(Operation::Event(0, Frame { content, event_id }, 255));
                }
                world.execute(ends);
                resumptions += 1;
                assert!(resumptions <= 750, "{content:?} {ends:?} {primes_with_time}");
            }
            let expected = if in_all == 60 && primes_with_time { 750 } else { in_all };
            assert_eq!(expected, resumptions, "{content:?} {ends:?} {primes_with_time}");
            world.drain();
            world.check_ended();
        }
    }
}

#[test]
fn push_that_is_refused_in_every_way() {
    let setting = [Operation::Begin(What::Get, OPENER), Operation::Begin(What::Call, OPENER)];
    let alphabet = [
        Operation::Begin(What::Get, OPENER),
        Operation::Respond(0, Head::stream()),
        Operation::Respond(0, Head::of(404)),
        Operation::Respond(0, Head::of(409)),
        Operation::Respond(0, Head::of(503)),
        Operation::Refuse(0, Refused::Unknown),
        Operation::Refuse(0, Refused::Error),
        Operation::GoOn(0),
        Operation::End(0, End::Cut, false),
    ];
    visit_all("push", &setting, &alphabet, 7);
}

#[test]
fn strangers_and_delete_at_every_moment() {
    let setting = [Operation::Begin(What::Call, OPENER)];
    let alphabet = [
        Operation::Begin(What::Call, STRANGER),
        Operation::Begin(What::Initialize, STRANGER),
        Operation::Begin(What::Delete, OPENER),
        Operation::Respond(0, Head::of(404)),
        Operation::Respond(0, Head::json(Header::New)),
        Operation::Respond(1, Head::json(Header::Same)),
        Operation::GoOn(0),
        Operation::Welcome(0, NEW_SESSION),
        Operation::Accept(0, 202),
        Operation::Fail(0),
    ];
    visit_all("strangers", &setting, &alphabet, 6);
}

#[test]
fn a_batch_answered_in_every_way() {
    for what in [What::Batch, What::BrokenBatch, What::Call, What::BatchOfNotifications] {
        for answered in [
            Answered::Right,
            Answered::First,
            Answered::FirstAlone,
            Answered::Mixed,
            Answered::OtherId,
            Answered::NullId,
            Answered::Empty,
            Answered::Garbage,
            Answered::Cut,
        ] {
            for head in [Head::json(Header::Absent), Head::of(202), Head::of(204), Head::of(503)] {
                let mut world = World::opened(options());
                world.run(&[
                    Operation::Begin(what, OPENER),
                    Operation::Respond(0, head),
                    Operation::Answer(0, answered),
                    Operation::Refuse(0, Refused::Error),
                ]);
                world.drain();
                world.check_ended();
            }
        }
    }
}

/// A world in which the stream of a call was primed and has ended in order.
fn polled(primes_with_time: bool) -> World {
    let primed = |content| Frame { content, event_id: EventId::Is(0) };
    let content = if primes_with_time { Content::Retry } else { Content::Nothing };
    let mut world = World::opened(options());
    world.run(&[
        Operation::Begin(What::Call, OPENER),
        Operation::Respond(0, Head::stream()),
        Operation::Event(0, primed(content), 255),
        Operation::End(0, End::Clean, false),
    ]);
    world
}

fn options() -> Options {
    Options { status_shield: Shield::Up, ..Options::default() }
}

/// Executes every sequence of the alphabet of at most that length, breadth first, after the
/// setting, and lets each end well.
fn visit_all(name: &str, setting: &[Operation], alphabet: &[Operation], depth: usize) {
    let mut visited = 0_usize;
    let mut front: Vec<Vec<Operation>> = vec![Vec::new()];
    for _length in 0..depth {
        let mut next = Vec::new();
        for path in &front {
            for operation in alphabet {
                if visit(setting, path, *operation) {
                    visited += 1;
                    next.push(path.iter().copied().chain([*operation]).collect());
                }
            }
        }
        front = next;
    }
    println!("{name}: {visited} interleavings visited");
}

/// Returns whether the operation found something to do.
fn visit(setting: &[Operation], path: &[Operation], operation: Operation) -> bool {
    let mut world = World::opened(options());
    // The same sequence without its last operation has been looked at before.
    world.looks_at_debug = false;
    world.run(setting);
    world.run(path);
    let was_done = world.execute(operation);
    if was_done {
        world.drain();
        world.check_ended();
    }
    was_done
}
