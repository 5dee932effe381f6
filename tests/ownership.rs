//! The ownership protocol in worlds of several processes: every small one there is, and random
//! ones.
//!
//! For millions of cases:
//! `PROPTEST_CASES=5000000 cargo test --release --test ownership random`.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that fails in its own set-up says where"
)]

#[path = "ownership/enumeration.rs"]
mod enumeration;

use mcp_session_core::sessions::{Durability, Restore};
use proptest::prelude::*;
use proptest::test_runner::Config;

use mcp_session_testing::cases;
use mcp_session_testing::sessions::operations::{Operation, What, Who};
use mcp_session_testing::sessions::world::{Setting, World};

const CASES: u32 = 5_000;

proptest! {
    #![proptest_config(Config {
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::with_cases(cases(CASES))
    })]

    #[test]
    fn random_sequences_hold_the_laws(
        setting in setting(),
        operations in proptest::collection::vec(operation(), 1..80),
    ) {
        let mut world = World::opened(setting);
        world.run(&operations);
        world.check_ended();
    }
}

fn setting() -> impl Strategy<Value = Setting> {
    let restore = prop_oneof![9 => Just(Restore::Allowed), 1 => Just(Restore::Refused)];
    let durability = prop_oneof![Just(Durability::Durable), Just(Durability::Forgetful)];
    (2..4_usize, restore, durability, any::<bool>(), any::<bool>()).prop_map(
        |(processes, restore, durability, counts_ids, reuses_addresses)| Setting {
            processes,
            restore,
            durability,
            counts_ids,
            reuses_addresses,
        },
    )
}

fn operation() -> impl Strategy<Value = Operation> {
    let (place, which) = (0..2_usize, 0..4_usize);
    let what = prop_oneof![
        1 => Just(What::Initialize),
        1 => Just(What::Initialized),
        8 => Just(What::Call),
        2 => (0..4_u8).prop_map(What::SetLevel),
        2 => Just(What::Get),
        1 => Just(What::Delete),
        1 => Just(What::ForgedHop),
    ];
    let who = prop_oneof![8 => Just(Who::Owner), 1 => Just(Who::Thief)];
    prop_oneof![
        12 => (place.clone(), what, who, 0..2_usize)
            .prop_map(|(place, what, who, session)| Operation::Begin(place, what, who, session)),
        60 => which.clone().prop_map(Operation::Go),
        2 => which.clone().prop_map(Operation::TableFails),
        2 => which.clone().prop_map(Operation::AnswerLost),
        1 => which.clone().prop_map(Operation::Unreachable),
        1 => which.clone().prop_map(Operation::InDoubt),
        1 => which.prop_map(Operation::Abandon),
        5 => place.clone().prop_map(Operation::Renew),
        1 => place.clone().prop_map(Operation::RenewalLost),
        4 => place.clone().prop_map(Operation::Deadline),
        4 => place.clone().prop_map(Operation::LeaseEnds),
        2 => Just(Operation::DeadLeasesEnd),
        2 => place.clone().prop_map(Operation::Kill),
        1 => place.clone().prop_map(Operation::Drain),
        2 => place.clone().prop_map(Operation::Upkeep),
        1 => place.clone().prop_map(Operation::Forget),
        1 => place.clone().prop_map(Operation::Refuse),
        1 => Just(Operation::Flush),
        2 => (1..4_u8).prop_map(Operation::RollBack),
        1 => (0..2_usize).prop_map(Operation::Evict),
        2 => place.clone().prop_map(Operation::Touch),
        2 => place.prop_map(Operation::LookAfter),
    ]
}
