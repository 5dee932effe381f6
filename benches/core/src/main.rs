//! Measures the core, for `benches/run.py` and `benches/instructions.py`.
//!
//! - `measure cases`: the names of the cases.
//! - `measure repeat NAME COUNT`: runs one so many times, to be counted by valgrind.
//! - `measure time ROUNDS`: times all of them in turns; prints for each the median in
//!   nanoseconds, and allocations and bytes allocated in one run.
//! - `measure hostile`: times bodies that are meant to hurt, beside an ordinary one of the same
//!   length; prints for each its length, nanoseconds a byte, and the most memory it took.
//! - `measure readers`, `measure hostile-bodies LENGTH`: the names of the functions, and of the
//!   bodies with their lengths, that `measure read-hostile LENGTH` reads, each with each.
//! - `measure body KIND LENGTH`: writes one of the bodies to standard output.

mod bodies;
mod cases;
mod hostile;

use std::error::Error;
use std::hint::black_box;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use cases::Case;

/// How long one case runs in one round.
const SLICE: Duration = Duration::from_micros(500);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments.as_slice() {
        ["cases"] => cases::all().iter().for_each(|case| println!("{}", case.name)),
        ["repeat", name, count] => {
            let mut cases = cases::all();
            let case = cases.iter_mut().find(|case| case.name == name).ok_or("no such case")?;
            (case.run)(count.parse()?);
        }
        ["time", rounds] => time(rounds.parse()?),
        ["hostile"] => hostile(),
        ["readers"] => hostile::READERS.iter().for_each(|reader| println!("{}", reader.name)),
        ["hostile-bodies", length] => {
            for (name, body) in bodies::hostile_of(length.parse()?) {
                println!("{name}\t{}", body.len());
            }
        }
        ["read-hostile", length] => hostile::read_all(length.parse()?),
        ["body", kind, length] => {
            io::stdout().write_all(&bodies::body(kind, length.parse()?).ok_or("no such body")?)?;
        }
        _ => return Err("see the head of this program's source for its arguments".into()),
    }
    Ok(())
}

fn time(rounds: usize) {
    let mut cases = cases::all();
    let counts: Vec<u64> = cases.iter_mut().map(calibrated).collect();
    let mut times = vec![Vec::with_capacity(rounds); cases.len()];
    for round in 0..rounds {
        for place in 0..cases.len() {
            // Whoever comes after a big body finds cold caches: the turns change.
            let which = (place * 7 + round) % cases.len();
            let (case, count) = (&mut cases[which], counts[which]);
            times[which].push(timed(case, count).as_secs_f64() * 1e9 / count as f64);
        }
    }
    for (case, times) in cases.iter_mut().zip(&mut times) {
        let allocated = allocation_counter::measure(|| (case.run)(1));
        times.sort_by(f64::total_cmp);
        println!(
            "{}\t{}\t{}\t{}",
            case.name,
            times[times.len() / 2],
            allocated.count_total,
            allocated.bytes_total
        );
    }
}

fn calibrated(case: &mut Case) -> u64 {
    let mut count = 1;
    loop {
        // The fastest of a few: one alone may have been interrupted.
        let taken = (0..3).map(|_| timed(case, count)).min().unwrap_or_default();
        if taken >= SLICE / 2 {
            let wanted = count as f64 * SLICE.as_secs_f64() / taken.as_secs_f64();
            return (wanted as u64).max(1);
        }
        count *= 2;
    }
}

fn timed(case: &mut Case, count: u64) -> Duration {
    let begun = Instant::now();
    (case.run)(count);
    begun.elapsed()
}

fn hostile() {
    for (name, body) in bodies::hostile() {
        let mut fastest = f64::INFINITY;
        let mut most = 0;
        for _ in 0..5 {
            let begun = Instant::now();
            let allocated = allocation_counter::measure(|| {
                black_box(mcp_session_core::peek(black_box(&body)));
            });
            fastest = fastest.min(begun.elapsed().as_secs_f64() * 1e9);
            most = most.max(allocated.bytes_max);
        }
        println!("{name}\t{}\t{}\t{most}", body.len(), fastest / body.len() as f64);
    }
}
