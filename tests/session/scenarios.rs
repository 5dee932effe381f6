//! What happens in the field, one by one.

use mcp_session_core::session::{Options, Outgoing, Reason, Session};

use mcp_session_testing::session::guarantees::guarantee_10_no_id_is_shown;
use mcp_session_testing::session::words::{Restored, Sending, Step, What};
use mcp_session_testing::session::world::{
    Answered, Happened, Header, Leader, Operation, Restoration, Status, Welcome, World,
};

const NOT_FOUND: Operation = Operation::Respond(0, Status::Plain(404));
const OK: Operation = Operation::Respond(0, Status::Plain(200));
const ASK: Operation = Operation::Ask(0);
const WELCOME: Operation = Operation::LeaderInitialize(Welcome::Result(Header::New));
const ACCEPTED: Operation = Operation::LeaderInitialized(202);

const CALL: Operation = Operation::Begin(What::Call);
const GET: Operation = Operation::Begin(What::Get);
const DELETE: Operation = Operation::Begin(What::Delete);
const INITIALIZE: Operation = Operation::Begin(What::Initialize);

#[test]
fn a_plain_404_recovers() {
    let mut world = opened();

    world.run(&[CALL, NOT_FOUND, WELCOME, ACCEPTED, ASK]);

    assert_eq!(sent("credential-2"), id_of(world.last_step()));
    world.run(&[OK]);
    assert_eq!(Step::Deliver(None), *world.last_step());
    finish(world);
}

#[test]
fn twenty_concurrent_404s_give_one_initialize() {
    assert_eq!(1, leaders_of_concurrent_404s(20));
}

#[test]
fn a_thousand_concurrent_404s_give_exactly_one_initialize() {
    assert_eq!(1, leaders_of_concurrent_404s(1_000));
}

#[test]
fn a_late_404_of_the_old_session_leaves_the_new_one_alone() {
    let mut world = opened();

    world.run(&[CALL, CALL, NOT_FOUND, WELCOME, ACCEPTED, NOT_FOUND]);

    assert!(matches!(world.last_step(), Step::Resend(_)), "{:?}", world.last_step());
    world.run(&[CALL]);
    assert_eq!(sent("credential-2"), id_of(world.last_step()));
    assert_eq!(1, world.leaders());
    finish(world);
}

#[test]
fn a_late_404_leaves_the_new_session_alone_even_with_the_identical_id() {
    let mut world = opened();
    let same = Operation::LeaderInitialize(Welcome::Result(Header::Same));

    world.run(&[CALL, CALL, NOT_FOUND, same, ACCEPTED, NOT_FOUND]);

    assert_eq!(sent("credential-1"), id_of(world.last_step()));
    assert_eq!(1, world.leaders());
    finish(world);
}

#[test]
fn a_leader_cancelled_in_the_middle_hands_over_to_one_that_waits() {
    for progress in [&[][..], &[WELCOME]] {
        let mut world = opened();
        world.run(&[CALL, CALL, NOT_FOUND, NOT_FOUND]);
        world.run(progress);

        world.run(&[Operation::LeaderIsDropped, Operation::DropHold(0), ASK]);

        assert_eq!(Step::Lead, *world.last_step());
        finish(world);
    }
}

#[test]
fn a_failure_is_shared_and_the_next_request_leads_again() {
    let mut world = proven();
    world.run(&[CALL, CALL, NOT_FOUND, NOT_FOUND, Operation::LeaderFails, ASK, ASK]);

    assert_eq!(2, world.steps(&Step::GiveUp(Reason::Transport, None)));
    world.run(&[CALL]);
    assert_eq!(Step::Lead, *world.last_step());
    finish(world);
}

#[test]
fn a_server_that_forgets_every_session_is_asked_for_a_new_one_ever_more_seldom() {
    let mut world = opened();

    // The second 404 is delivered and starts nothing.
    world.run(&[CALL, NOT_FOUND, WELCOME, ACCEPTED, ASK, NOT_FOUND]);
    assert_eq!(Step::Deliver(None), *world.last_step());
    // It may have been the call's own. It was not.
    world.run(&[CALL, NOT_FOUND]);
    for seconds in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
        for _call in 0..20 {
            world.run(&[CALL, GET]);
            assert_eq!(Step::GiveUp(Reason::BoundReached, Some(seconds)), *world.last_step());
        }
        world.run(&[Operation::CooldownOver, CALL, WELCOME, ACCEPTED, ASK, NOT_FOUND]);
    }

    assert_eq!(1 + 9, world.leaders());
    finish(world);
}

#[test]
fn a_success_closes_the_circuit() {
    let mut world = World::opened(Options { bound: 1, ..Options::default() });
    world.run(&[CALL, NOT_FOUND]);
    assert_eq!(Step::GiveUp(Reason::BoundReached, Some(1)), *world.last_step());

    world.run(&[Operation::CooldownOver, CALL, WELCOME, ACCEPTED, ASK, OK]);

    world.run(&[CALL, NOT_FOUND]);
    assert_eq!(Step::Lead, *world.last_step());
    finish(world);
}

#[test]
fn a_404_in_the_session_that_was_made_for_the_request_is_its_own_where_others_succeed() {
    let mut world = proven();
    world.run(&[CALL, CALL, NOT_FOUND, NOT_FOUND, WELCOME, ACCEPTED, ASK, ASK]);

    world.run(&[OK, NOT_FOUND]);

    assert_eq!(Step::Deliver(None), *world.last_step());
    world.run(&[CALL]);
    assert_eq!(sent("credential-2"), id_of(world.last_step()));
    assert_eq!(1, world.leaders());
    finish(world);
}

#[test]
fn a_tool_that_answers_404_costs_one_new_session_a_call() {
    let mut world = proven();
    for call in 1..=10 {
        world.run(&[CALL, NOT_FOUND, WELCOME, ACCEPTED, ASK, NOT_FOUND]);
        assert_eq!(Step::Deliver(None), *world.last_step());
        // The next one shows that the session lives.
        world.run(&[CALL, OK]);
        assert_eq!(Step::Deliver(None), *world.last_step());
        assert_eq!(call, world.leaders());
    }
    finish(world);
}

// ---- Refused replacements

#[test]
fn a_server_that_keeps_the_session_and_gives_no_other_is_used_on() {
    let refused = Operation::LeaderInitialize(Welcome::Error(-32600));
    let mut world = proven();
    world.run(&[CALL, NOT_FOUND, refused, ASK]);
    assert_eq!(Step::GiveUp(Reason::InitializeRefused, None), *world.last_step());

    world.run(&[CALL, CALL]);
    assert_eq!(Step::Hold, *world.last_step(), "one request tries it out");
    world.run(&[OK, ASK]);

    assert_eq!(sent("credential-1"), id_of(world.last_step()));
    world.run(&[OK, CALL]);
    assert_eq!(sent("credential-1"), id_of(world.last_step()));
    assert_eq!(1, world.leaders());
    finish(world);
}

#[test]
fn a_trial_that_gets_404_leads_again_and_one_that_decides_nothing_is_tried_again() {
    let refused = Operation::LeaderInitialize(Welcome::Status(500));
    let mut world = proven();
    world.run(&[CALL, NOT_FOUND, refused, ASK]);

    for status in [500, 401, 503] {
        world.run(&[CALL, Operation::Respond(0, Status::Plain(status))]);
        assert_eq!(Step::Deliver(None), *world.last_step());
    }
    world.run(&[CALL, Operation::Abandon(0), CALL]);
    assert_eq!(sent("credential-1"), id_of(world.last_step()));
    world.run(&[NOT_FOUND]);
    assert_eq!(Step::Lead, *world.last_step());
    finish(world);
}

#[test]
fn after_a_transport_failure_the_next_request_leads() {
    let mut world = proven();
    world.run(&[CALL, NOT_FOUND, Operation::LeaderFails, ASK, CALL]);

    assert_eq!(Step::Lead, *world.last_step());
    finish(world);
}

#[test]
fn a_delete_goes_to_the_session_that_may_live() {
    let refused = Operation::LeaderInitialize(Welcome::Error(-32600));
    let mut world = proven();
    world.run(&[CALL, NOT_FOUND, refused, ASK]);

    world.run(&[DELETE]);

    assert_eq!(sent("credential-1"), id_of(world.last_step()));
    finish(world);
}

#[test]
fn a_stream_that_opens_shows_that_a_session_lives() {
    let refused = Operation::LeaderInitialize(Welcome::Error(-32600));
    let mut world = proven();
    world.run(&[CALL, NOT_FOUND, refused, ASK, GET, OK, CALL]);

    assert_eq!(sent("credential-1"), id_of(world.last_step()));
    assert_eq!(1, world.leaders());
    finish(world);
}

#[test]
fn an_own_initialize_that_overtakes_a_trial_lets_those_go_on_who_wait_for_it() {
    let refused = Operation::LeaderInitialize(Welcome::Error(-32600));
    let mut world = proven();
    world.run(&[CALL, NOT_FOUND, refused, ASK, INITIALIZE, CALL]);

    world.run(&[Operation::Welcome(0, Header::New), CALL]);

    assert_eq!(sent("credential-3"), id_of(world.last_step()));
    finish(world);
}

// ---- Restores

#[test]
fn a_new_session_is_told_the_level_and_each_resource_before_anybody_is_released() {
    let told =
        |what| [Operation::Begin(what), OK, Operation::AnswerSeen(u8::MAX, Answered::Result)];
    let mut world = opened();
    for what in [
        What::Subscribe(1),
        What::SetLevel(1),
        What::Subscribe(2),
        What::Subscribe(0),
        What::Unsubscribe(1),
        What::SetLevel(2),
    ] {
        world.run_last(&told(what));
    }
    let failed = Operation::AnswerSeen(u8::MAX, Answered::Error);
    world.run_last(&[Operation::Begin(What::SetLevel(0)), OK, failed]);

    world.run(&[CALL, NOT_FOUND, WELCOME, ACCEPTED]);

    let restores = [Restored::Level(2), Restored::Resource(2), Restored::Resource(0)];
    for restored in restores {
        assert!(matches!(&world.leader, Some(Leader::Restores(_))));
        assert_eq!(Some(restored), world.last_restore());
        world.run(&[CALL]);
        assert_eq!(Step::Hold, *world.last_step());
        world.run(&[Operation::LeaderRestores(Restoration::Result)]);
    }
    world.run(&[ASK]);
    assert_eq!(sent("credential-2"), id_of(world.last_step()));
    finish(world);
}

#[test]
fn a_leader_that_vanishes_while_it_restores_releases_those_waiting() {
    for end in [Operation::LeaderFails, Operation::LeaderIsDropped] {
        let mut world = opened();
        world.run_last(&[
            Operation::Begin(What::SetLevel(1)),
            OK,
            Operation::AnswerSeen(u8::MAX, Answered::Result),
        ]);
        world.run(&[CALL, NOT_FOUND, WELCOME, ACCEPTED, CALL, end, Operation::Ask(1)]);

        assert_eq!(sent("credential-2"), id_of(world.last_step()));
        finish(world);
    }
}

#[test]
fn a_get_that_always_gets_404_does_not_loop() {
    let mut world = opened();
    for _attempt in 0..100 {
        world.run(&[GET, NOT_FOUND, CALL, OK]);
    }

    assert_eq!(0, world.leaders());
    finish(world);
}

#[test]
fn a_question_whose_id_is_open_in_a_dead_session_gets_an_id_of_ours() {
    let mut world = opened();
    let asks = |stream| Operation::ServerAsks(stream, 1);
    world.run(&[CALL, OK, asks(1), CALL, NOT_FOUND, WELCOME, ACCEPTED, ASK, OK, asks(2)]);

    // The reply to the question of the dead session.
    world.run(&[Operation::Begin(What::ReplyShown(0))]);
    assert_eq!(Step::Drop, *world.last_step());
    world.run(&[Operation::Begin(What::ReplyShown(1))]);

    let Step::Send(sending) = world.last_step() else { panic!("{:?}", world.last_step()) };
    assert_eq!((sent("credential-2"), sent("1")), (sending.id.clone(), sending.reply.clone()));
    finish(world);
}

#[test]
fn a_cancellation_ends_a_request_whose_refusal_is_still_being_read() {
    let mut world = opened();
    world.run(&[CALL, CALL, NOT_FOUND, WELCOME, ACCEPTED, ASK]);

    // Call 2 was sent in the first session, and its answer is not in yet.
    world.run(&[Operation::Begin(What::Cancelled(2))]);
    assert_eq!(Step::Drop, *world.last_step());
    world.run(&[NOT_FOUND]);

    assert_eq!(Step::GiveUp(Reason::Cancelled, None), *world.last_step());
    finish(world);
}

#[test]
fn a_cancellation_of_what_the_living_session_was_asked_goes_out() {
    let mut world = opened();

    world.run(&[CALL, Operation::Begin(What::Cancelled(1))]);

    assert_eq!(sent("credential-1"), id_of(world.last_step()));
    world.run(&[OK]);
    assert_eq!(Step::Deliver(None), *world.last_step());
    finish(world);
}

#[test]
fn delete_during_a_recovery_returns_the_late_id_of_the_leader() {
    for late in [&[DELETE, WELCOME][..], &[WELCOME, DELETE, ACCEPTED]] {
        let mut world = opened();
        world.run(&[CALL, NOT_FOUND]);

        world.run(late);

        assert_eq!((Reason::Closed, Some("credential-2".to_owned())), last_failure(&world));
        world.run(&[ASK]);
        assert_eq!(Step::GiveUp(Reason::Closed, None), *world.last_step());
        finish(world);
    }
}

#[test]
fn after_a_delete_all_goes_out_with_the_id_that_stands_and_comes_back_as_it_is() {
    let mut world = opened();
    world.run(&[DELETE, Operation::Respond(0, Status::Plain(401))]);

    for what in [What::Delete, What::Call, What::Notification, What::Get, What::BatchOfReads] {
        world.run(&[Operation::Begin(what)]);
        assert_eq!(sent("credential-1"), id_of(world.last_step()), "{what:?}");
        world.run(&[NOT_FOUND]);
        assert_eq!(Step::Deliver(None), *world.last_step(), "{what:?}");
    }
    world.run(&[INITIALIZE, Operation::Welcome(0, Header::New)]);
    assert_eq!(Step::Deliver(None), *world.last_step(), "the caller has use for that ID");
    finish(world);
}

#[test]
fn the_callers_own_initialize_waits_for_a_recovery_and_replaces_it() {
    let mut world = opened();
    world.run(&[CALL, NOT_FOUND, INITIALIZE]);
    assert_eq!(Step::Hold, *world.last_step());

    world.run(&[WELCOME, ACCEPTED, Operation::Ask(1), Operation::Welcome(0, Header::New), CALL]);

    assert_eq!(sent("credential-3"), id_of(world.last_step()));
    assert_eq!(1, world.leaders());
    finish(world);
}

#[test]
fn a_resumed_session_that_ends_gives_up_for_want_of_an_initialize() {
    let mut world = World::resumed(Options::default());

    world.run(&[CALL, NOT_FOUND]);

    assert_eq!(Step::GiveUp(Reason::NoInitialize, None), *world.last_step());
    world.run(&[CALL]);
    assert_eq!(Step::GiveUp(Reason::NoInitialize, None), *world.last_step());
    finish(world);
}

#[test]
fn of_two_initializes_the_last_issued_wins() {
    let mut world = opened();
    let welcome = |which| Operation::Welcome(which, Header::New);

    world.run(&[INITIALIZE, INITIALIZE, welcome(1), welcome(0)]);

    assert_eq!(Step::Deliver(Some("credential-3".to_owned())), *world.last_step());
    world.run(&[CALL]);
    assert_eq!(sent("credential-2"), id_of(world.last_step()));
    finish(world);
}

// ---- Where the machine was once wrong, each with its shortest sequence

#[test]
fn the_debug_output_of_a_send_shows_no_id() {
    let id = mcp_session_core::SessionId::parse(b"credential-shown").unwrap();
    let mut session = Session::resumed(id, Options::default());

    guarantee_10_no_id_is_shown(&session.before_request(Outgoing::<Vec<u8>>::get()));
}

#[test]
fn a_leader_that_fails_after_its_initialize_returns_the_id() {
    for closing in [&[][..], &[DELETE]] {
        let mut world = opened();
        world.run(&[CALL, NOT_FOUND, WELCOME]);
        world.run(closing);

        world.run(&[Operation::LeaderFails]);

        assert_eq!(Some("credential-2".to_owned()), last_failure(&world).1);
    }
}

#[test]
fn a_request_that_waited_while_the_bound_was_reached_is_not_resent() {
    let mut world = World::opened(Options { bound: 1, ..Options::default() });
    // The first session has a success, so that its end does not count.
    world.run(&[CALL, CALL, OK, NOT_FOUND, WELCOME, ACCEPTED]);
    // The second ends before one, by another request, before the first has asked.
    world.run(&[CALL, NOT_FOUND]);

    world.run(&[ASK]);

    assert_eq!(Step::GiveUp(Reason::BoundReached, Some(1)), *world.last_step());
}

#[test]
fn a_get_whose_event_id_did_not_go_out_does_not_loop() {
    let mut world = opened();
    world.run(&[GET, OK, Operation::EventSeen(1, 0), CALL, NOT_FOUND, WELCOME, ACCEPTED, ASK, OK]);
    let resume = Operation::Begin(What::Resume(0));

    for _attempt in 0..50 {
        world.run(&[resume, NOT_FOUND]);
        assert_eq!(Step::Deliver(None), *world.last_step());
        world.run(&[CALL, OK]);
    }

    assert_eq!(1, world.leaders());
}

#[test]
fn an_event_id_of_the_living_session_goes_out_though_a_newer_one_was_seen() {
    let mut world = opened();
    world.run(&[CALL, NOT_FOUND, WELCOME, ACCEPTED, ASK, OK]);
    world.run(&[Operation::EventSeen(1, 0), Operation::EventSeen(1, 1)]);

    world.run(&[Operation::Begin(What::Resume(0))]);

    assert!(matches!(world.last_step(), Step::Send(Sending { keeps_event_id: true, .. })));
}

#[test]
fn a_stream_that_opened_after_its_session_had_ended_counts_as_open_in_it() {
    let mut world = opened();
    world.run(&[CALL, GET, GET, NOT_FOUND, WELCOME, ACCEPTED, OK, NOT_FOUND]);

    assert!(matches!(world.last_step(), Step::Resend(_)), "{:?}", world.last_step());
}

#[test]
fn an_orphan_that_is_the_living_sessions_is_not_returned() {
    let mut world = opened();
    let same = |which| Operation::Welcome(which, Header::Same);

    world.run(&[INITIALIZE, INITIALIZE, same(1), same(0)]);

    assert_eq!(Step::Deliver(None), *world.last_step());
}

#[test]
fn the_stream_of_an_initialize_is_a_posts() {
    let mut world = opened();
    // A notification ends the session and starts nothing.
    world.run(&[Operation::Begin(What::Notification), NOT_FOUND, INITIALIZE]);
    world.run(&[Operation::Welcome(0, Header::New), Operation::EventSeen(1, 0)]);
    world.run(&[INITIALIZE, Operation::Welcome(0, Header::New)]);

    world.run(&[Operation::Begin(What::Resume(0))]);

    assert_eq!(Step::GiveUp(Reason::StreamLost, None), *world.last_step());
}

#[test]
fn a_request_that_was_answered_before_any_initialize_is_no_longer_open() {
    let mut world = World::new(Options::default());
    let reply = Operation::Begin(What::Reply(1));
    world.run(&[CALL, OK, Operation::ServerAsks(0, 1), reply, OK]);
    world.run(&[INITIALIZE, Operation::Welcome(0, Header::New)]);
    world.run(&[Operation::ServerAsks(2, 1)]);

    world.run(&[reply]);

    assert_eq!(sent("credential-1"), id_of(world.last_step()));
}

// ---- Worlds

fn opened() -> World {
    World::opened(Options::default())
}

/// One whose first session has had a success.
fn proven() -> World {
    let mut world = opened();
    world.run(&[CALL, OK]);
    world
}

fn finish(mut world: World) {
    world.drain();
    world.check();
    world.check_ended();
}

fn leaders_of_concurrent_404s(count: usize) -> usize {
    let mut world = opened();
    world.looks_at_debug = false;
    world.run(&vec![CALL; count]);
    world.run(&vec![NOT_FOUND; count]);
    let leaders = world.leaders();
    finish(world);
    leaders
}

fn sent(id: &str) -> Option<String> {
    Some(id.to_owned())
}

fn id_of(step: &Step) -> Option<String> {
    match step {
        Step::Send(sending) | Step::Resend(sending) => sending.id.clone(),
        other => panic!("not sent: {other:?}"),
    }
}

fn last_failure(world: &World) -> (Reason, Option<String>) {
    match world.history.last() {
        Some(Happened::Failed { reason, orphan, .. }) => (*reason, orphan.clone()),
        other => panic!("no failure: {other:?}"),
    }
}
