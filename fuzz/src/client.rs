//! The client machine, held against the reference model of the crate's own tests.

use arbitrary::{Result, Unstructured};
use mcp_session_core::Quirks;
use mcp_session_core::client::{Options, Shield};
use mcp_session_core::session::{self, ResendPolicy};

use mcp_session_testing::client::words::{
    Answered, Bears, Content, End, EventId, Frame, Head, Header, Media, Operation, Refused, Sender,
    Welcome, What,
};
use mcp_session_testing::client::world::World;

/// Sequences longer than this find nothing that shorter ones do not.
const LONGEST: usize = 80;

/// Events bear IDs up to this one.
const LAST_EVENT: u8 = 2;

/// Asserts the invariant of the target `client` for the operations these bytes spell.
///
/// # Panics
///
/// The invariant does not hold: a finding.
pub fn check(data: &[u8]) {
    // Bytes that spell no operation end the sequence.
    let _end = run(&mut Unstructured::new(data));
}

fn run(input: &mut Unstructured<'_>) -> Result<()> {
    let quirks = *input.choose(&[Quirks::Ignore, Quirks::Recognize])?;
    let resend = *input.choose(&[
        ResendPolicy::All,
        ResendPolicy::All,
        ResendPolicy::ReadOnly,
        ResendPolicy::Never,
    ])?;
    let bound = input.int_in_range(0..=3)?;
    let options = Options {
        session: session::Options { quirks, resend, bound },
        outage_shield: shield(input)?,
        status_shield: shield(input)?,
        stream_guard: shield(input)?,
        ..Options::default()
    };
    let mut world = match input.int_in_range(0..=3_u8)? {
        0 => World::new(options),
        1.. => World::opened(options),
    };
    let mut operations = Vec::new();
    while operations.len() < LONGEST && !input.is_empty() {
        operations.push(operation(input)?);
    }
    // To look at all that is shown takes longer than all the rest. Every state is the last one of
    // some sequence, and is looked at there.
    world.looks_at_debug = false;
    if let Some((last, before)) = operations.split_last() {
        world.run(before);
        world.looks_at_debug = true;
        world.execute(*last);
        world.looks_at_debug = false;
    }
    // A caller asks for what came after any event, not only after the last one.
    for event in 0..=LAST_EVENT {
        let caller = Sender { endpoint: 0, credentials: 0, id: Bears::Seen(0) };
        world.execute(Operation::Begin(What::Resume(event), caller));
    }
    world.drain();
    world.check_ended();
    Ok(())
}

fn shield(input: &mut Unstructured<'_>) -> Result<Shield> {
    Ok(*input.choose(&[Shield::Up, Shield::Up, Shield::Up, Shield::Down])?)
}

fn operation(input: &mut Unstructured<'_>) -> Result<Operation> {
    let kind = input.int_in_range(0..=31_u8)?;
    let which = input.int_in_range(0..=5)?;
    Ok(match kind {
        0..=6 => Operation::Begin(what(input)?, sender(input)?),
        7..=12 => Operation::Respond(which, head(input)?),
        13 => Operation::Refuse(which, refused(input)?),
        14..=15 => Operation::Answer(which, answered(input)?),
        16 => Operation::Fail(which),
        17..=20 => Operation::GoOn(which),
        21 => Operation::TimeOut(which),
        22 => Operation::Drop(which),
        23..=24 => Operation::Welcome(which, welcome(input)?),
        25..=26 => Operation::Accept(which, *input.choose(&[202, 202, 404, 503])?),
        27 => Operation::LeaderFails(which),
        28 => Operation::LeaderIsDropped(which),
        29..=30 => Operation::Event(which, frame(input)?, input.int_in_range(0..=255)?),
        31.. => Operation::End(
            which,
            *input.choose(&[End::Clean, End::Cut, End::Outlived])?,
            *input.choose(&[true, false])?,
        ),
    })
}

fn sender(input: &mut Unstructured<'_>) -> Result<Sender> {
    let endpoint = *input.choose(&[0, 0, 0, 0, 0, 0, 1, 2])?;
    let credentials = *input.choose(&[0, 0, 0, 0, 0, 0, 1, 2])?;
    let id = match input.int_in_range(0..=7_u8)? {
        0 => Bears::Nothing,
        1 => Bears::Unknown,
        which => Bears::Seen(which - 2),
    };
    Ok(Sender { endpoint, credentials, id })
}

fn what(input: &mut Unstructured<'_>) -> Result<What> {
    Ok(match input.int_in_range(0..=19_u8)? {
        0..=1 => What::Initialize,
        2 => What::Discover,
        3..=5 => What::Call,
        6 => What::Read,
        7 => What::Batch,
        8 => What::BrokenBatch,
        9 => What::BatchOfNotifications,
        10 => What::Notification,
        11 => What::Cancelled(input.int_in_range(0..=11)?),
        12 => What::Reply(input.int_in_range(0..=3)?),
        13 => What::Malformed,
        14..=16 => What::Get,
        17..=18 => What::Resume(input.int_in_range(0..=LAST_EVENT)?),
        19.. => What::Delete,
    })
}

fn head(input: &mut Unstructured<'_>) -> Result<Head> {
    const STATUSES: [u16; 15] =
        [202, 204, 307, 400, 401, 403, 405, 409, 429, 500, 502, 503, 521, 524, 530];
    Ok(match input.int_in_range(0..=7_u8)? {
        0..=1 => Head::of(404),
        2..=3 => Head::json(header(input)?),
        4..=5 => Head::stream(),
        6 => Head { status: 200, media: media(input)?, header: header(input)? },
        7.. => Head::of(*input.choose(&STATUSES)?),
    })
}

fn media(input: &mut Unstructured<'_>) -> Result<Media> {
    Ok(*input.choose(&[Media::Json, Media::Stream, Media::Other])?)
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

fn refused(input: &mut Unstructured<'_>) -> Result<Refused> {
    Ok(*input.choose(&[
        Refused::Unknown,
        Refused::Text,
        Refused::Error,
        Refused::ErrorWithoutCode,
        Refused::Misreport,
    ])?)
}

fn answered(input: &mut Unstructured<'_>) -> Result<Answered> {
    Ok(*input.choose(&[
        Answered::Right,
        Answered::Right,
        Answered::First,
        Answered::FirstAlone,
        Answered::Mixed,
        Answered::OtherId,
        Answered::NullId,
        Answered::Empty,
        Answered::Garbage,
        Answered::Cut,
    ])?)
}

fn frame(input: &mut Unstructured<'_>) -> Result<Frame> {
    let content = match input.int_in_range(0..=31_u8)? {
        0..=9 => Content::Answer(input.int_in_range(0..=2)?),
        10 => Content::LongAnswer(input.int_in_range(0..=2)?),
        11..=12 => Content::Batch,
        13..=14 => Content::OtherAnswer,
        15..=20 => Content::Question(input.int_in_range(0..=1)?),
        21 => Content::Notification,
        22 => Content::Garbage,
        23..=24 => Content::Comment,
        25 => Content::Retry,
        26 => Content::MixedBatch,
        27.. => Content::Nothing,
    };
    let event_id = match input.int_in_range(0..=7_u8)? {
        0..=2 => EventId::Absent,
        3 => EventId::Reset,
        4.. => EventId::Is(input.int_in_range(0..=LAST_EVENT)?),
    };
    Ok(Frame { content, event_id })
}

fn welcome(input: &mut Unstructured<'_>) -> Result<Welcome> {
    Ok(match input.int_in_range(0..=7_u8)? {
        0..=4 => Welcome::Result(header(input)?, media(input)?),
        5 => Welcome::Error(*input.choose(&[-32600, -32022])?),
        6 => Welcome::Broken,
        7.. => Welcome::Status(*input.choose(&[400, 404, 503])?),
    })
}
