//! How long what was refused waits until it is tried again.

use core::time::Duration;

/// A stream that cannot be opened is tried again after half a second, then after twice as
/// long each time, up to a quarter of a minute.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(15);

/// Once the longest wait was waited so often, the waits are a minute long: nobody waits for
/// this server any more.
const LONGEST_WAITS: u32 = 4;
const IDLE: Duration = Duration::from_secs(60);

/// The wait before another try, after so many that failed in a row.
pub(super) fn delay(failures: u32) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
    let until_longest = (LONGEST.as_millis() / FIRST.as_millis()).ilog2();
    if doublings > until_longest + LONGEST_WAITS {
        return IDLE;
    }
    FIRST.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_a_quarter_of_a_minute_and_end_at_a_minute() {
        let seconds: alloc::vec::Vec<f64> =
            (0..12).map(|failures| delay(failures).as_secs_f64()).collect();

        assert_eq!([0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0, 15.0, 60.0, 60.0], *seconds);
        assert_eq!(IDLE, delay(u32::MAX));
    }
}
