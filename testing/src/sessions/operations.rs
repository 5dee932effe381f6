//! What can happen.

/// Which process: always the one that stands in this place by now.
pub type Place = usize;
/// Which of the requests that are open, the oldest first.
pub type Which = usize;

/// What is asked of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// An `initialize`.
    Initialize,
    /// `notifications/initialized`.
    Initialized,
    /// A request that runs a tool.
    Call,
    /// `logging/setLevel`, with one of the levels.
    SetLevel(u8),
    /// A stream.
    Get,
    /// The end of the session.
    Delete,
    /// A call with the header of a hop that a client made up.
    ForgedHop,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The one that all sessions are for.
    Owner,
    /// Somebody else, with an ID that is not theirs.
    Thief,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A request of the session of this number comes to a process.
    Begin(Place, What, Who, usize),
    /// A request goes one step on, as it does when nothing fails. What the table does and
    /// that it is told are two steps.
    Go(Which),
    /// The table does not do what a request asks of it.
    TableFails(Which),
    /// It does, and its answer is lost.
    AnswerLost(Which),
    /// A request does not come to its owner, and nothing is known of why.
    Unreachable(Which),
    /// It breaks off on the way.
    InDoubt(Which),
    /// Its client is gone.
    Abandon(Which),
    /// The heartbeat renews the lease of a process.
    Renew(Place),
    /// It does, and the answer is lost.
    RenewalLost(Place),
    /// The clock of a process says that its lease is over: it was paused, or cut off.
    Deadline(Place),
    /// The clock of the table says so, which is later.
    LeaseEnds(Place),
    /// The leases of all that are dead end.
    DeadLeasesEnd,
    /// A process is killed, and another takes its place.
    Kill(Place),
    /// A process drains, and gives its lease up as soon as it may.
    Drain(Place),
    /// Upkeep begins with a session.
    Upkeep(Place),
    /// The application of a process forgets its sessions.
    Forget(Place),
    /// The application of a process refuses to open any from now on.
    Refuse(Place),
    /// The table loses all that it has.
    Flush,
    /// Another table takes its place, which does not have its last so many writes.
    RollBack(u8),
    /// The table throws the entry of a session away, for want of room.
    Evict(usize),
    /// A process tells the table which sessions were used, and is told which are missing.
    Touch(Place),
    /// A process looks after those that its requests wait for.
    LookAfter(Place),
}
