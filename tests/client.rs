//! The client machine against an independent model, its laws as predicates, and every small
//! world there is.
//!
//! For millions of cases:
//! `PROPTEST_CASES=5000000 cargo test --release --test client random`.

#![cfg(feature = "client")]
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that fails in its own set-up says where"
)]

#[path = "client/enumeration.rs"]
mod enumeration;
#[path = "client/found.rs"]
mod found;

use mcp_session_core::client::{Options, Shield};
use mcp_session_core::session::{self, ResendPolicy};
use mcp_session_core::{Misreports, Quirks};
use proptest::prelude::*;
use proptest::test_runner::Config;

use mcp_session_testing::cases;
use mcp_session_testing::client::words::{
    Answered, Bears, Content, End, EventId, Frame, Head, Header, Media, Operation, Refused, Sender,
    Welcome, What,
};
use mcp_session_testing::client::world::World;

const CASES: u32 = 10_000;

proptest! {
    #![proptest_config(Config {
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::with_cases(cases(CASES))
    })]

    #[test]
    fn random_sequences_agree_with_the_model_and_hold_the_laws(
        options in options(),
        is_opened in prop_oneof![1 => Just(false), 6 => Just(true)],
        operations in proptest::collection::vec(operation(), 1..50),
    ) {
        let mut world = if is_opened { World::opened(options) } else { World::new(options) };
        world.run(&operations);
        world.drain();
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
    let shield = || prop_oneof![3 => Just(Shield::Up), 1 => Just(Shield::Down)];
    (quirks, resend, 0..=3_u32, shield(), shield(), shield()).prop_map(
        |(quirks, resend, bound, outage_shield, status_shield, stream_guard)| Options {
            session: session::Options { quirks, resend, bound },
            misreports: Misreports::none(),
            outage_shield,
            status_shield,
            stream_guard,
        },
    )
}

fn operation() -> impl Strategy<Value = Operation> {
    let which = 0..6_u8;
    prop_oneof![
        10 => (what(), sender()).prop_map(|(what, sender)| Operation::Begin(what, sender)),
        8 => (which.clone(), head()).prop_map(|(which, head)| Operation::Respond(which, head)),
        2 => (which.clone(), refused()).prop_map(|(which, it)| Operation::Refuse(which, it)),
        3 => (which.clone(), answered()).prop_map(|(which, it)| Operation::Answer(which, it)),
        1 => which.clone().prop_map(Operation::Fail),
        7 => which.clone().prop_map(Operation::GoOn),
        1 => which.clone().prop_map(Operation::TimeOut),
        1 => which.clone().prop_map(Operation::Drop),
        4 => (which.clone(), welcome()).prop_map(|(which, it)| Operation::Welcome(which, it)),
        4 => (which.clone(), prop_oneof![3 => Just(202), 1 => Just(404), 1 => Just(503)])
            .prop_map(|(which, status)| Operation::Accept(which, status)),
        1 => which.clone().prop_map(Operation::LeaderFails),
        1 => which.clone().prop_map(Operation::LeaderIsDropped),
        5 => (which.clone(), frame(), any::<u8>())
            .prop_map(|(which, frame, cut)| Operation::Event(which, frame, cut)),
        3 => (which, end(), any::<bool>())
            .prop_map(|(which, end, lived_long)| Operation::End(which, end, lived_long)),
    ]
}

fn sender() -> impl Strategy<Value = Sender> {
    let endpoint = prop_oneof![8 => Just(0), 1 => Just(1), 1 => Just(2)];
    let credentials = prop_oneof![8 => Just(0), 1 => Just(1), 1 => Just(2)];
    let id = prop_oneof![
        2 => Just(Bears::Nothing),
        12 => (0..4_u8).prop_map(Bears::Seen),
        1 => Just(Bears::Unknown),
    ];
    (endpoint, credentials, id).prop_map(|(endpoint, credentials, id)| Sender {
        endpoint,
        credentials,
        id,
    })
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        3 => Just(What::Initialize),
        1 => Just(What::Discover),
        6 => Just(What::Call),
        2 => Just(What::Read),
        2 => Just(What::Batch),
        1 => Just(What::BrokenBatch),
        1 => Just(What::BatchOfNotifications),
        1 => Just(What::Notification),
        2 => (0..12_usize).prop_map(What::Cancelled),
        2 => (0..4_u8).prop_map(What::Reply),
        1 => Just(What::Malformed),
        4 => Just(What::Get),
        3 => (0..3_u8).prop_map(What::Resume),
        1 => Just(What::Delete),
    ]
}

fn head() -> impl Strategy<Value = Head> {
    let status = prop_oneof![
        Just(202),
        Just(204),
        Just(307),
        Just(400),
        Just(401),
        Just(403),
        Just(405),
        Just(409),
        Just(429),
        Just(500),
        Just(502),
        Just(503),
        Just(521),
        Just(530),
    ];
    let media = prop_oneof![Just(Media::Json), Just(Media::Stream), Just(Media::Other)];
    prop_oneof![
        5 => Just(Head::of(404)),
        3 => header().prop_map(Head::json),
        4 => Just(Head::stream()),
        1 => (media, header()).prop_map(|(media, header)| Head { status: 200, media, header }),
        5 => status.prop_map(Head::of),
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

fn refused() -> impl Strategy<Value = Refused> {
    prop_oneof![
        1 => Just(Refused::Unknown),
        1 => Just(Refused::Text),
        1 => Just(Refused::Error),
        1 => Just(Refused::ErrorWithoutCode),
        2 => Just(Refused::Misreport),
    ]
}

fn answered() -> impl Strategy<Value = Answered> {
    prop_oneof![
        4 => Just(Answered::Right),
        1 => Just(Answered::First),
        1 => Just(Answered::FirstAlone),
        1 => Just(Answered::Mixed),
        1 => Just(Answered::OtherId),
        1 => Just(Answered::NullId),
        1 => Just(Answered::Empty),
        1 => Just(Answered::Garbage),
        1 => Just(Answered::Cut),
    ]
}

fn frame() -> impl Strategy<Value = Frame> {
    let content = prop_oneof![
        20 => (0..3_u8).prop_map(Content::Answer),
        1 => (0..3_u8).prop_map(Content::LongAnswer),
        4 => Just(Content::Batch),
        4 => Just(Content::MixedBatch),
        4 => Just(Content::OtherAnswer),
        20 => (0..2_u8).prop_map(Content::Question),
        4 => Just(Content::Notification),
        4 => Just(Content::Garbage),
        8 => Just(Content::Comment),
        4 => Just(Content::Retry),
        20 => Just(Content::Nothing),
    ];
    let event_id = prop_oneof![
        2 => Just(EventId::Absent),
        1 => Just(EventId::Reset),
        6 => (0..3_u8).prop_map(EventId::Is),
    ];
    (content, event_id).prop_map(|(content, event_id)| Frame { content, event_id })
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Clean), Just(End::Cut), Just(End::Outlived)]
}

fn welcome() -> impl Strategy<Value = Welcome> {
    let media = prop_oneof![Just(Media::Json), Just(Media::Stream)];
    prop_oneof![
        8 => (header(), media).prop_map(|(header, media)| Welcome::Result(header, media)),
        1 => prop_oneof![Just(-32600), Just(-32022)].prop_map(Welcome::Error),
        1 => Just(Welcome::Broken),
        1 => prop_oneof![Just(400), Just(404), Just(503)].prop_map(Welcome::Status),
    ]
}
