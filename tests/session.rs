//! The session machine against an independent model, the guarantees as predicates, and every
//! small world there is.
//!
//! For millions of cases:
//! `PROPTEST_CASES=5000000 cargo test --release --test session random`.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that fails in its own set-up says where"
)]

#[path = "session/enumeration.rs"]
mod enumeration;
#[path = "session/scenarios.rs"]
mod scenarios;

use mcp_session_core::Quirks;
use mcp_session_core::session::{Options, ResendPolicy};
use proptest::prelude::*;
use proptest::test_runner::Config;

use mcp_session_testing::cases;
use mcp_session_testing::session::words::What;
use mcp_session_testing::session::world::{
    Answered, Header, Operation, Restoration, Status, Welcome, World,
};

const CASES: u32 = 10_000;

#[derive(Clone, Copy, Debug)]
enum Start {
    New,
    Opened,
    Resumed,
}

proptest! {
    #![proptest_config(Config {
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::with_cases(cases(CASES))
    })]

    #[test]
    fn random_sequences_agree_with_the_model_and_hold_the_guarantees(
        options in options(),
        start in prop_oneof![
            1 => Just(Start::New),
            6 => Just(Start::Opened),
            1 => Just(Start::Resumed),
        ],
        operations in proptest::collection::vec(operation(), 1..60),
    ) {
        let mut world = match start {
            Start::New => World::new(options),
            Start::Opened => World::opened(options),
            Start::Resumed => World::resumed(options),
        };
        world.run(&operations);
        world.drain();
        world.check();
        world.check_ended();
    }
}

fn options() -> impl Strategy<Value = Options> {
    let resend = prop_oneof![
        4 => Just(ResendPolicy::All),
        1 => Just(ResendPolicy::ReadOnly),
        1 => Just(ResendPolicy::Never),
    ];
    let quirks = prop_oneof![Just(Quirks::Ignore), Just(Quirks::Recognize)];
    (quirks, resend, 0..=3_u32).prop_map(|(quirks, resend, bound)| Options {
        quirks,
        resend,
        bound,
    })
}

fn operation() -> impl Strategy<Value = Operation> {
    let any = 0..6_u8;
    prop_oneof![
        8 => what().prop_map(Operation::Begin),
        6 => (any.clone(), status()).prop_map(|(which, status)| Operation::Respond(which, status)),
        4 => (any.clone(), header()).prop_map(|(which, it)| Operation::Welcome(which, it)),
        1 => any.clone().prop_map(Operation::Abandon),
        4 => any.clone().prop_map(Operation::Ask),
        1 => any.clone().prop_map(Operation::DropHold),
        4 => welcome().prop_map(Operation::LeaderInitialize),
        4 => prop_oneof![3 => Just(202), 1 => Just(404), 1 => Just(500)]
            .prop_map(Operation::LeaderInitialized),
        3 => restoration().prop_map(Operation::LeaderRestores),
        1 => Just(Operation::LeaderFails),
        1 => Just(Operation::LeaderIsDropped),
        2 => (any.clone(), 0..3_u8).prop_map(|(which, id)| Operation::ServerAsks(which, id)),
        1 => (any.clone(), 0..3_u8).prop_map(|(which, id)| Operation::ServerCancels(which, id)),
        3 => (any.clone(), prop_oneof![4 => Just(Answered::Result), 1 => Just(Answered::Error)])
            .prop_map(|(which, how)| Operation::AnswerSeen(which, how)),
        2 => Just(Operation::CooldownOver),
        1 => Just(Operation::EarlierCooldownOver),
        2 => (any, 0..4_u8).prop_map(|(which, event)| Operation::EventSeen(which, event)),
    ]
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        6 => Just(What::Call),
        2 => Just(What::Read),
        1 => Just(What::Cursor),
        2 => Just(What::Initialize),
        1 => Just(What::Notification),
        2 => (0..12_usize).prop_map(What::Cancelled),
        1 => (0..3_u8).prop_map(What::SetLevel),
        2 => (0..3_u8).prop_map(What::Subscribe),
        1 => (0..3_u8).prop_map(What::Unsubscribe),
        1 => (0..3_u8).prop_map(What::Reply),
        2 => (0..6_u8).prop_map(What::ReplyShown),
        1 => (0..3_u8).prop_map(What::BatchOfReply),
        2 => Just(What::Get),
        2 => (0..4_u8).prop_map(What::Resume),
        1 => Just(What::Delete),
        1 => Just(What::BatchOfReads),
        1 => Just(What::BatchWithCall),
        1 => Just(What::BatchWithCursor),
        1 => Just(What::BatchOfNotifications),
    ]
}

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![
        8 => Just(Status::Plain(404)),
        2 => Just(Status::Plain(200)),
        1 => Just(Status::Plain(202)),
        1 => prop_oneof![Just(400), Just(401), Just(405), Just(500)].prop_map(Status::Plain),
        1 => Just(Status::Misreport),
        1 => Just(Status::Error),
    ]
}

fn header() -> impl Strategy<Value = Header> {
    prop_oneof![
        6 => Just(Header::New),
        2 => Just(Header::Same),
        1 => Just(Header::Absent),
        1 => Just(Header::IllFormed),
    ]
}

fn welcome() -> impl Strategy<Value = Welcome> {
    prop_oneof![
        8 => header().prop_map(Welcome::Result),
        1 => prop_oneof![Just(-32600), Just(-32022)].prop_map(Welcome::Error),
        1 => Just(Welcome::Broken),
        1 => prop_oneof![Just(404), Just(500)].prop_map(Welcome::Status),
    ]
}

fn restoration() -> impl Strategy<Value = Restoration> {
    prop_oneof![
        4 => Just(Restoration::Result),
        1 => Just(Restoration::Error),
        1 => Just(Restoration::Strange),
        1 => Just(Restoration::Status(404)),
        1 => Just(Restoration::Broken),
    ]
}
