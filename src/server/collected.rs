//! The body of a request that is read whole before it is known who runs it.

use alloc::vec::Vec;

use super::policy::{Beyond, Policy};
use super::posted::{Remembered, Rest};

/// The body of a request, collected piece by piece before anything is done about it: where
/// several processes share their sessions, it decides which of them runs the request.
///
/// A piece that is not the last counts for at least 512 bytes. What is collected counts with
/// what [`Exchange`](super::Exchange)s remember, until it is [let go](Self::let_go) or dropped.
///
/// ```
/// use mcp_session_core::server::{CollectedBody, Options, Policy, Rest};
///
/// let policy = Policy::new(Options::default());
/// let mut body = CollectedBody::new(&policy, 1024);
/// body.piece(b"{}", Rest::Follows);
/// assert!(body.reads_on());
/// body.piece(b" ", Rest::Ended);
///
/// assert_eq!(body.take(), Some(b"{} ".to_vec()));
/// assert_eq!(policy.remembered_bytes(), 513);
/// body.let_go();
/// assert_eq!(policy.remembered_bytes(), 0);
/// ```
#[derive(Debug)]
pub struct CollectedBody(Collected);

#[derive(Debug)]
struct Collected {
    remembered: Remembered,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Begun,
    Whole,
    /// It broke off, took too long, or is longer than what is of use.
    Unknown,
    /// All requests together have too much.
    NoRoom,
    /// The same, and nobody has anything of it any more.
    GaveWay,
}

impl CollectedBody {
    /// Nothing yet; of more than `at_most` bytes none is kept.
    pub fn new(policy: &Policy, at_most: usize) -> Self {
        Self(Collected { remembered: Remembered::new(policy, at_most), state: State::Begun })
    }

    /// Takes a piece.
    pub fn piece(&mut self, piece: &[u8], rest: Rest) {
        if self.reads_on() {
            match (self.0.remembered.add(piece, rest), rest) {
                (Ok(()), Rest::Ended) => self.0.state = State::Whole,
                (Ok(()), Rest::Follows) => {}
                (Err(Beyond::Own), _) => self.give_up(State::Unknown),
                (Err(Beyond::Sum), _) => self.give_up(State::NoRoom),
            }
        }
    }

    /// Whether it is short, and has no room for this piece among all others: the oldest of the
    /// [unfinished](super::UnfinishedBodies) is to give way before it is told of the piece.
    pub fn is_short_of_room(&self, piece: &[u8], rest: Rest) -> bool {
        self.reads_on() && self.0.remembered.is_short_of_room(piece, rest)
    }

    /// Takes that it gives way to another, and nobody has anything of it any more.
    pub fn give_way(&mut self) {
        if self.reads_on() {
            self.give_up(State::GaveWay);
            self.0.remembered.release();
        }
    }

    /// Takes that no more comes of it, or not in time.
    pub fn cut(&mut self) {
        if self.reads_on() {
            self.give_up(State::Unknown);
        }
    }

    /// Whether to go on reading.
    pub fn reads_on(&self) -> bool {
        self.0.state == State::Begun
    }

    /// Whether all of it is there.
    pub fn is_whole(&self) -> bool {
        self.0.state == State::Whole
    }

    /// Whether it was given up because all requests together had too much.
    pub fn has_no_room(&self) -> bool {
        self.0.state == State::NoRoom
    }

    /// Whether it has given way to another: what was read of it is gone.
    pub fn gave_way(&self) -> bool {
        self.0.state == State::GaveWay
    }

    /// The bytes, once it is whole; they are handed out once, and count until this is dropped.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        self.is_whole().then(|| self.0.remembered.take())
    }

    /// Takes that nobody has anything of it any more: it does not count from now on.
    pub fn let_go(&mut self) {
        self.give_up(State::Unknown);
        self.0.remembered.release();
    }

    /// Keeps none of it. Whoever has read it still has the pieces, so they still count.
    fn give_up(&mut self, state: State) {
        self.0.state = state;
        drop(self.0.remembered.take());
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::server::{Options, UnfinishedBodies};

    fn policy(max_remembered_bytes: usize) -> Policy {
        Policy::new(Options { max_remembered_bytes, ..Options::default() })
    }

    #[test]
    fn bodies_of_all_requests_together_are_bounded_and_who_has_no_room_is_told() {
        let policy = policy(4096);
        let mut bodies: Vec<_> = (0..5).map(|_| CollectedBody::new(&policy, 4096)).collect();

        for body in &mut bodies {
            body.piece(&[b' '; 1024], Rest::Follows);
        }

        let told: Vec<_> = bodies.iter().map(CollectedBody::has_no_room).collect();
        assert_eq!([false, false, false, false, true], *told);
        assert_eq!(4096, policy.remembered_bytes());
        drop(bodies);
        assert_eq!(0, policy.remembered_bytes());
    }

    #[test]
    fn long_bodies_that_never_end_leave_room_for_short_ones() {
        let longest = 256 * 1024;
        let policy = policy(4 * longest);
        let mut long: Vec<_> = (0..8).map(|_| CollectedBody::new(&policy, longest)).collect();
        for body in &mut long {
            body.piece(&alloc::vec![b' '; longest], Rest::Follows);
        }

        let mut short = CollectedBody::new(&policy, longest);
        short.piece(&[b' '; 64 * 1024], Rest::Ended);

        assert_eq!(5, long.iter().filter(|body| body.has_no_room()).count());
        assert!(short.is_whole());
    }

    #[test]
    fn where_short_bodies_have_all_the_room_the_oldest_that_is_not_whole_gives_way() {
        let policy = policy(4096);
        let mut unfinished = UnfinishedBodies::default();
        let mut bodies: Vec<_> = (0..4).map(|_| CollectedBody::new(&policy, 4096)).collect();
        let numbers: Vec<_> = bodies.iter().map(|_| unfinished.begin()).collect();
        for body in &mut bodies {
            body.piece(&[b' '; 1024], Rest::Follows);
        }
        bodies[0].piece(b"", Rest::Ended);
        unfinished.end(numbers[0]);

        let mut late = CollectedBody::new(&policy, 4096);
        let mut gave_way = Vec::new();
        while late.is_short_of_room(&[b' '; 1500], Rest::Ended) {
            let number = unfinished.give_way(None).unwrap();
            let at = numbers.iter().position(|it| *it == number).unwrap();
            bodies[at].give_way();
            gave_way.push(at);
        }
        late.piece(&[b' '; 1500], Rest::Ended);

        assert_eq!(vec![1, 2], gave_way);
        assert!(late.is_whole() && bodies[0].is_whole() && bodies[3].reads_on());
        assert!(bodies[1].gave_way() && bodies[2].gave_way() && !bodies[3].gave_way());
        assert_eq!(2 * 1024 + 1500, policy.remembered_bytes());
    }

    #[test]
    fn nobody_gives_way_to_what_is_long_or_beyond_its_own_bound() {
        let policy = policy(64 * 1024);
        let mut first = CollectedBody::new(&policy, 32 * 1024);
        first.piece(&vec![b' '; 32 * 1024], Rest::Follows);
        let mut second = CollectedBody::new(&policy, 32 * 1024);
        second.piece(&vec![b' '; 32 * 1024], Rest::Follows);

        let late = CollectedBody::new(&policy, 128 * 1024);
        assert!(!late.is_short_of_room(&vec![b' '; 64 * 1024 + 1], Rest::Ended));
        let late = CollectedBody::new(&policy, 1024);
        assert!(!late.is_short_of_room(&[b' '; 1025], Rest::Ended));
        assert!(late.is_short_of_room(&[b' '; 1024], Rest::Ended));
        // Of what is whole, or was given up, nobody asks any more.
        second.piece(b"", Rest::Ended);
        assert!(!second.is_short_of_room(b"x", Rest::Ended));
    }

    #[test]
    fn what_was_read_counts_until_it_is_let_go_whatever_became_of_it() {
        let policy = policy(4096);
        let mut body = CollectedBody::new(&policy, 2048);
        body.piece(&[b' '; 1024], Rest::Follows);

        body.cut();

        assert_eq!((false, false, None), (body.reads_on(), body.has_no_room(), body.take()));
        assert_eq!(1024, policy.remembered_bytes());
    }

    #[test]
    fn of_a_body_beyond_its_own_bound_nothing_is_known() {
        let policy = policy(4096);
        let mut body = CollectedBody::new(&policy, 2048);
        body.piece(&[b' '; 1024], Rest::Follows);

        body.piece(&[b' '; 1025], Rest::Ended);

        assert_eq!((false, false, None), (body.reads_on(), body.has_no_room(), body.take()));
    }

    #[test]
    fn pieces_of_no_bytes_count_as_well() {
        let policy = policy(4096);
        let mut body = CollectedBody::new(&policy, 4096);

        (0..9).for_each(|_| body.piece(b"", Rest::Follows));

        assert!(!body.reads_on());
    }
}
