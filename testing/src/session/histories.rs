//! Generated histories as they show on the wire, each with the verdict of the predicates.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::panic;

use mcp_session_core::Quirks;
use mcp_session_core::session::{Options, ResendPolicy};
use serde::Serialize;

use super::transcript::{FAULTS, Seen, Transcript, faulty, verdict};
use super::words::What;
use super::world::{Answered, Happened, Header, Operation, Restoration, Status, Welcome, World};

#[derive(Serialize)]
struct Line {
    bound: u32,
    /// For each event of the machine, what showed of it.
    events: Vec<Vec<Seen>>,
    /// The first event that breaks a guarantee, and which it breaks.
    broken: Option<(usize, BTreeSet<u8>)>,
}

/// Writes so many, a line of JSON for each; half of them have a fault. The same for a seed on
/// every machine.
pub fn write(count: u64, seed: u64, output: &mut impl Write) -> io::Result<()> {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    // That somebody is wedged is told by a panic of the predicate, which is no news here.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let mut written = 0;
    while written < count {
        let options = Options {
            quirks: Quirks::Ignore,
            resend: ResendPolicy::All,
            bound: 1 + random.below(3) as u32,
        };
        let history = history(&mut random, options);
        let told = if random.below(2) == 0 {
            Some(history)
        } else {
            let fault = FAULTS[random.below(FAULTS.len() as u64) as usize];
            faulty(&history, fault, random.below(1_000) as usize)
        };
        let Some(told) = told else { continue };
        let broken = verdict(&told, &options);
        // What breaks nothing but those above ten is not for a judge from outside.
        if broken.as_ref().is_some_and(|(_, which)| which.iter().all(|it| *it > 10)) {
            continue;
        }
        let line = Line { bound: options.bound, events: Transcript::of(&told), broken };
        serde_json::to_writer(&mut *output, &line)?;
        writeln!(output)?;
        written += 1;
    }
    panic::set_hook(hook);
    output.flush()
}

fn history(random: &mut Random, options: Options) -> Vec<Happened> {
    let mut world = World::opened(options);
    world.looks_at_debug = false;
    for _ in 0..random.below(35) {
        let operation = operation(random);
        world.run(&[operation]);
        if operation == Operation::LeaderIsDropped {
            // As drivers do: from outside it cannot be seen whom a request waits for.
            for _ in 0..world.holds.len() {
                world.run(&[Operation::Ask(0)]);
            }
        }
    }
    world.drain();
    world.history
}

fn operation(random: &mut Random) -> Operation {
    let any = random.below(6) as u8;
    match random.below(40) {
        0..=9 => Operation::Begin(what(random)),
        10..=15 => {
            let status = [404, 404, 404, 404, 404, 200, 200, 202, 400, 401, 405, 500];
            let status = status[random.below(12) as usize];
            Operation::Respond(any, Status::Plain(status))
        }
        16..=19 => Operation::Welcome(any, header(random)),
        20 => Operation::Abandon(any),
        21..=24 => Operation::Ask(any),
        25 => Operation::DropHold(any),
        26..=29 => Operation::LeaderInitialize(match random.below(10) {
            0..=6 => Welcome::Result(header(random)),
            7 => Welcome::Error(-32600),
            8 => Welcome::Broken,
            _ => Welcome::Status(500),
        }),
        30..=33 => Operation::LeaderInitialized(if random.below(4) == 0 { 500 } else { 202 }),
        34 => Operation::LeaderRestores(Restoration::Result),
        35 => Operation::LeaderFails,
        36 => Operation::LeaderIsDropped,
        37 => Operation::AnswerSeen(any, Answered::Result),
        38 => Operation::CooldownOver,
        _ => Operation::EventSeen(any, random.below(4) as u8),
    }
}

fn what(random: &mut Random) -> What {
    match random.below(20) {
        0..=6 => What::Call,
        7 => What::Read,
        8 => What::Cursor,
        9 => What::Subscribe(random.below(3) as u8),
        10 | 11 => What::Initialize,
        12 => What::Notification,
        13 => What::Cancelled(random.below(12) as usize),
        14 => What::Reply(random.below(3) as u8),
        15 | 16 => What::Get,
        17 => What::Resume(random.below(4) as u8),
        18 => What::Delete,
        _ => What::BatchWithCall,
    }
}

fn header(random: &mut Random) -> Header {
    [Header::New, Header::New, Header::New, Header::Same, Header::Absent, Header::IllFormed]
        [random.below(6) as usize]
}

/// xorshift64*: the same histories on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % bound
    }
}
