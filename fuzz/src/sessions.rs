//! The ownership protocol in worlds of several processes, and in front of bytes that nobody of
//! ours has written.

use arbitrary::{Arbitrary, Result, Unstructured};
use mcp_session_core::Method;
use mcp_session_core::sessions::{
    Caller, Durability, Entry, HOP_HEADER, Options, Renewal, Replica, RequestHead, Restore, Run,
    Step, TableKey,
};

use mcp_session_testing::sessions::operations::{Operation, What, Who};
use mcp_session_testing::sessions::world::{Setting, World};

/// Sequences longer than this find nothing that shorter ones do not.
const LONGEST: usize = 120;

/// Asserts the invariant of the target `sessions` for the bytes of an entry or a header, or for
/// the operations that they spell.
///
/// # Panics
///
/// The invariant does not hold: a finding.
pub fn check(data: &[u8]) {
    match data.split_first() {
        Some((0, value)) => foreign_bytes(value),
        // Bytes that spell no operation end the sequence.
        Some((_, spelled)) => {
            let _end = run(&mut Unstructured::new(spelled));
        }
        None => {}
    }
}

/// An entry that cannot be read is 503, whoever wrote it; one that can is written again as it
/// was. A hop that is not authentic is none.
fn foreign_bytes(value: &[u8]) {
    let key = TableKey::new(b"the secret of the table").expect("it is long enough");
    let mut replica = Replica::new("process 1", key, Options::default());
    replica.renewed(Renewal::Lapsed);
    let mut head = RequestHead::new(Method::Get, b"");
    head.add_header(b"mcp-session-id", b"1868a90c");
    head.add_header(HOP_HEADER.as_bytes(), value);
    let (mut run, step) = Run::begin(&mut replica, head, Caller::default());
    assert!(matches!(step, Step::Find(_)), "{step:?}");
    let entry = Entry { claim: 7, owner: "".into(), value: value.into() };
    let step = run.found(&mut replica, Some((entry, None))).expect("it was asked");
    match step {
        // What was readable is claimed as it stood.
        Step::Swap(swap) if swap.entry.claim > 7 && !swap.entry.owner.is_empty() => {
            let again = Entry { value: swap.entry.value.clone(), ..swap.entry };
            let mut head = RequestHead::new(Method::Get, b"");
            head.add_header(b"mcp-session-id", b"1868a90c");
            let key = TableKey::new(b"the secret of the table").expect("it is long enough");
            let mut other = Replica::new("process 2", key, Options::default());
            other.renewed(Renewal::Lapsed);
            let (mut run, _step) = Run::begin(&mut other, head, Caller::default());
            let step = run.found(&mut other, Some((again, None))).expect("it was asked");
            let Step::Swap(second) = step else { panic!("what was written is not read: {step:?}") };
            assert_eq!(swap.entry.value, second.entry.value, "it is written otherwise");
        }
        Step::Swap(swap) => assert!(swap.entry.owner.is_empty(), "it belongs to nobody"),
        Step::Reply(reply) => assert!(matches!(reply.status.as_u16(), 404 | 503), "{reply:?}"),
        step @ (Step::Read { .. }
        | Step::Find(_)
        | Step::Renew
        | Step::Forward(_)
        | Step::Hold(_)
        | Step::Wait(_)
        | Step::Restore(_)
        | Step::Announce(_)
        | Step::EndInApp(_)
        | Step::RunApp(_)
        | Step::RelayRestored
        | Step::Relay
        | Step::Pass(_)
        | Step::KeepBack
        | Step::Done) => panic!("an entry of nobody leads to {step:?}"),
    }
}

fn run(input: &mut Unstructured<'_>) -> Result<()> {
    let setting = Setting {
        processes: input.int_in_range(2..=3)?,
        restore: if input.ratio(1, 8)? { Restore::Refused } else { Restore::Allowed },
        durability: *input.choose(&[Durability::Forgetful, Durability::Durable])?,
        counts_ids: bool::arbitrary(input)?,
        reuses_addresses: bool::arbitrary(input)?,
    };
    let mut world = World::opened(setting);
    let mut operations = 0;
    while operations < LONGEST && !input.is_empty() {
        world.execute(operation(input)?);
        operations += 1;
    }
    world.check_ended();
    Ok(())
}

fn operation(input: &mut Unstructured<'_>) -> Result<Operation> {
    let kind = input.int_in_range(0..=69_u8)?;
    let place = input.int_in_range(0..=1)?;
    Ok(match kind {
        0..=9 => {
            let who = if input.ratio(1, 8)? { Who::Thief } else { Who::Owner };
            Operation::Begin(place, what(input)?, who, input.int_in_range(0..=1)?)
        }
        10..=41 => Operation::Go(which(input)?),
        42..=43 => Operation::TableFails(which(input)?),
        44..=45 => Operation::AnswerLost(which(input)?),
        46 => Operation::Unreachable(which(input)?),
        47 => Operation::InDoubt(which(input)?),
        48 => Operation::Abandon(which(input)?),
        49..=50 => Operation::Renew(place),
        51 => Operation::RenewalLost(place),
        52..=53 => Operation::Deadline(place),
        54..=55 => Operation::LeaseEnds(place),
        56 => Operation::DeadLeasesEnd,
        57 => Operation::Kill(place),
        58 => Operation::Drain(place),
        59..=60 => Operation::Upkeep(place),
        61 => Operation::Forget(place),
        62 => Operation::Refuse(place),
        63 => Operation::Flush,
        64..=65 => Operation::RollBack(input.int_in_range(1..=3)?),
        66 => Operation::Evict(input.int_in_range(0..=1)?),
        67 => Operation::Touch(place),
        68.. => Operation::LookAfter(place),
    })
}

fn which(input: &mut Unstructured<'_>) -> Result<usize> {
    input.int_in_range(0..=3)
}

fn what(input: &mut Unstructured<'_>) -> Result<What> {
    Ok(match input.int_in_range(0..=15_u8)? {
        0 => What::Initialize,
        1 => What::Initialized,
        2..=3 => What::SetLevel(input.int_in_range(0..=3)?),
        4..=5 => What::Get,
        6..=7 => What::Delete,
        8 => What::ForgedHop,
        9.. => What::Call,
    })
}
