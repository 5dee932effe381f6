//! Sequences that the random ones found once in some ten thousand, each as short as it became.

use mcp_session_core::client::{Options, Shield};
use mcp_session_core::session::{self, ResendPolicy};
use mcp_session_core::{Misreports, Quirks};
use mcp_session_testing::client::words::Operation::{self, Begin, Drop, Respond};
use mcp_session_testing::client::words::{
    Bears, Content, End, EventId, Frame, Head, Header, Media, Sender, What,
};
use mcp_session_testing::client::world::World;

const STREAM: Operation = respond(200, Media::Stream, Header::Absent);

#[test]
fn a_comment_before_an_event_that_goes_out_as_another_keeps_its_line_end() {
    holds(&[
        begin(What::Discover),
        STREAM,
        event(Content::OtherAnswer, EventId::Absent, 0),
        event(Content::Comment, EventId::Absent, 0),
        event(Content::Garbage, EventId::Absent, 0),
        event(Content::Answer(0), EventId::Absent, 157),
    ]);
}

#[test]
fn a_notification_beside_it_in_a_batch_brings_no_second_answer_through() {
    holds(&[
        begin(What::Discover),
        STREAM,
        event(Content::Garbage, EventId::Absent, 0),
        event(Content::MixedBatch, EventId::Absent, 0),
        event(Content::Answer(0), EventId::Reset, 238),
    ]);
}

#[test]
fn a_notice_stands_behind_the_line_of_a_time_to_ask_again() {
    holds(&[
        begin(What::Initialize),
        STREAM,
        event(Content::Question(0), EventId::Absent, 180),
        begin(What::Initialize),
        event(Content::Retry, EventId::Reset, 156),
        respond(200, Media::Json, Header::New),
        event(Content::Nothing, EventId::Absent, 68),
        event(Content::Answer(0), EventId::Reset, 90),
    ]);
}

#[test]
fn a_call_whose_resumption_is_called_off_waits_for_the_next() {
    holds(&[
        begin(What::Batch),
        STREAM,
        event(Content::Answer(0), EventId::Is(0), 248),
        Operation::End(0, End::Clean, false),
        begin(What::Resume(0)),
        respond(200, Media::Json, Header::New),
        Drop(0),
    ]);
}

fn holds(operations: &[Operation]) {
    let mut world = World::opened(Options {
        session: session::Options { quirks: Quirks::Ignore, resend: ResendPolicy::All, bound: 0 },
        misreports: Misreports::none(),
        outage_shield: Shield::Up,
        status_shield: Shield::Up,
        stream_guard: Shield::Up,
    });
    world.run(operations);
    world.drain();
    world.check_ended();
}

fn begin(what: What) -> Operation {
    Begin(what, Sender { endpoint: 0, credentials: 0, id: Bears::Seen(0) })
}

const fn respond(status: u16, media: Media, header: Header) -> Operation {
    Respond(0, Head { status, media, header })
}

fn event(content: Content, event_id: EventId, cut: u8) -> Operation {
    Operation::Event(0, Frame { content, event_id }, cut)
}
