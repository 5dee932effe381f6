//! The session machine, held against the reference model of the crate's own tests.

use arbitrary::{Arbitrary, Result, Unstructured};
use mcp_session_core::Quirks;
use mcp_session_core::session::{Options, ResendPolicy};

use mcp_session_testing::session::words::What;
use mcp_session_testing::session::world::{
    Answered, Header, Operation, Restoration, Status, Welcome, World,
};

/// Sequences longer than this find nothing that shorter ones do not.
const LONGEST: usize = 100;

/// Asserts the invariant of the target `session` for the operations these bytes spell.
///
/// # Panics
///
/// The invariant does not hold: a finding.
pub fn check(data: &[u8]) {
    // Bytes that spell no operation end the sequence.
    let _end = run(&mut Unstructured::new(data));
}

fn run(input: &mut Unstructured<'_>) -> Result<()> {
    let options = Options {
        quirks: *input.choose(&[Quirks::Ignore, Quirks::Recognize])?,
        resend: *input.choose(&[
            ResendPolicy::All,
            ResendPolicy::All,
            ResendPolicy::ReadOnly,
            ResendPolicy::Never,
        ])?,
        bound: input.int_in_range(0..=3)?,
    };
    let mut world = match input.int_in_range(0..=7_u8)? {
        0 => World::new(options),
        1 => World::resumed(options),
        2.. => World::opened(options),
    };
    let mut operations = Vec::new();
    while operations.len() < LONGEST && !input.is_empty() {
        operations.push(operation(input)?);
    }
    world.run(&operations);
    world.drain();
    world.check();
    world.check_ended();
    Ok(())
}

fn operation(input: &mut Unstructured<'_>) -> Result<Operation> {
    let kind = input.int_in_range(0..=39_u8)?;
    let which = input.int_in_range(0..=5)?;
    Ok(match kind {
        0..=7 => Operation::Begin(what(input)?),
        8..=13 => Operation::Respond(which, status(input)?),
        14..=16 => Operation::Welcome(which, header(input)?),
        17 => Operation::Abandon(which),
        18..=20 => Operation::Ask(which),
        21 => Operation::DropHold(which),
        22..=24 => Operation::LeaderInitialize(welcome(input)?),
        25..=27 => Operation::LeaderInitialized(*input.choose(&[202, 202, 404, 500])?),
        28 => Operation::LeaderFails,
        29 => Operation::LeaderIsDropped,
        30 => Operation::ServerAsks(which, input.int_in_range(0..=2)?),
        31 => Operation::EventSeen(which, input.int_in_range(0..=3)?),
        32 => Operation::ServerCancels(which, input.int_in_range(0..=2)?),
        33..=34 => Operation::AnswerSeen(
            which,
            *input.choose(&[Answered::Result, Answered::Result, Answered::Error])?,
        ),
        35..=36 => Operation::LeaderRestores(*input.choose(&[
            Restoration::Result,
            Restoration::Result,
            Restoration::Error,
            Restoration::Strange,
            Restoration::Status(404),
            Restoration::Broken,
        ])?),
        37..=38 => Operation::CooldownOver,
        39.. => Operation::EarlierCooldownOver,
    })
}

fn what(input: &mut Unstructured<'_>) -> Result<What> {
    Ok(match input.int_in_range(0..=20_u8)? {
        16 => What::SetLevel(input.int_in_range(0..=2)?),
        17 => What::Subscribe(input.int_in_range(0..=2)?),
        18 => What::Unsubscribe(input.int_in_range(0..=2)?),
        19 => What::ReplyShown(input.int_in_range(0..=5)?),
        20.. => What::BatchOfReply(input.int_in_range(0..=2)?),
        0..=2 => What::Call,
        3 => What::Read,
        4 => What::Cursor,
        5 => What::Initialize,
        6 => What::Notification,
        7 => What::Cancelled(input.int_in_range(0..=11)?),
        8 => What::Reply(input.int_in_range(0..=2)?),
        9 => What::Get,
        10 => What::Resume(input.int_in_range(0..=3)?),
        11 => What::Delete,
        12 => What::BatchOfReads,
        13 => What::BatchWithCall,
        14 => What::BatchWithCursor,
        15 => What::BatchOfNotifications,
    })
}

fn status(input: &mut Unstructured<'_>) -> Result<Status> {
    match u8::arbitrary(input)? {
        0..16 => return Ok(Status::Misreport),
        16..32 => return Ok(Status::Error),
        32.. => {}
    }
    Ok(Status::Plain(*input.choose(&[404, 404, 404, 404, 200, 200, 202, 400, 401, 405, 500])?))
}

fn header(input: &mut Unstructured<'_>) -> Result<Header> {
    Ok(*input.choose(&[
        Header::New,
        Header::New,
        Header::New,
        Header::Same,
        Header::Absent,
        Header::IllFormed,
    ])?)
}

fn welcome(input: &mut Unstructured<'_>) -> Result<Welcome> {
    Ok(match input.int_in_range(0..=7_u8)? {
        0..=4 => Welcome::Result(header(input)?),
        5 => Welcome::Error(*input.choose(&[-32600, -32022])?),
        6 => Welcome::Broken,
        7.. => Welcome::Status(*input.choose(&[404, 500])?),
    })
}
