//! The ownership protocol: sessions of one application that runs in several processes.
//!
//! Sans-IO. A [`Replica`] is what one process knows: its lease, and what it owns. A [`Run`] is
//! one request. A driver tells each what came, and does what the [`Step`] says: find, write,
//! forward, restore, run the application, answer. Time comes in as "the lease is over" and
//! "this wait is over", never as a clock.
//!
//! A **table** maps a keyed hash of the client's session ID to an [`Entry`]: the claim, its
//! owner, and a value that is read here alone. It compares and stores, and it knows of each
//! process whether its lease stands, by a clock of its own.
//!
//! # Laws
//!
//! They hold for every interleaving of any number of processes, requests, lost and late
//! answers, lapses of leases, and losses of the table.
//!
//! 1. **One owner.** A process runs a request of a session only if it holds the claim of the
//!    highest number, as far as it or anybody it could ask can know. A claim is one
//!    compare-and-set to a higher number, which no other process makes. It is made where the lease of the owner is over,
//!    where the owner is proven to be dead, or where it has said "not mine", which it says of a
//!    claim that it will never run again.
//! 2. **A lapse is a doubt.** After its own lease may have been over, a process claims each of
//!    its sessions anew before it runs anything of it; so no older claim of another can
//!    succeed. Where the claim fails it has lost the session: it forgets it, its streams end,
//!    and it says "not mine".
//!    What runs goes on while there is a doubt, and ends with a loss. What the table has thrown
//!    away, or has gone back from, is a doubt.
//! 3. **No look-up for what is owned** while the lease stands; else one, unless something
//!    failed.
//! 4. **One hop.** A request that was forwarded is never forwarded again, nor run by another
//!    process than the one it was meant for, though that has the address of the other now. The
//!    hop is authenticated by the secret of the table: what a client sends as one is not.
//! 5. **404 only for what is over**: terminated, never known to a table that has lost nothing,
//!    or refused by the application itself, by another version or by [`Restore::Refused`]. A
//!    table that cannot be asked, an entry that cannot be read, an owner that cannot be reached
//!    and a table that lost its entries are 503.
//! 6. **Nothing runs twice, and nobody waits in vain.** What may have run at an owner that is
//!    gone ends with 502, or with an error event where its answer is a stream that has begun; so
//!    does what the application ends without an answer, and what waits for an owner whose lease
//!    was missing in two looks, or whose session another has claimed. What was not sent, or was
//!    not known to the application, is run by the next.
//! 7. **For whom.** A session is for the [`Principal`] that opened it. To everybody else it is
//!    unknown, and its owner is not asked.
//! 8. **A restored session is the same**: of the same version, with the messages it was opened
//!    with and what its client has told it. Its client keeps its ID. The application's own ID
//!    of it stays in the process.
//! 9. **The table knows before the client**: of a session that was opened, and of one that was
//!    terminated. Where the table fails, a session that was opened ends in the application, and
//!    of one that was terminated the table is told later.
//! 10. **A table that is silent** takes nothing away: what is owned is served, the rest is 503.
//!     What the table has lost its owners write again.
//! 11. **Draining** opens and claims nothing. Streams of a GET end, those included that another
//!     process serves through this one. What is idle is "not mine" at once, what runs is
//!     served to its end; then the lease can be given up.
//! 12. **Bounded**: sessions, what is remembered of each, and looks and waits of each request.
//!     What is forgotten for want of room is restored when it is used again.
//! 13. **No ID and no credential** stands in the table, in `Debug` or in an error.

mod bearer;
mod caller;
mod entry;
mod forwards;
mod head;
mod hop;
mod key;
mod options;
mod peer;
mod replica;
mod run;
mod step;

pub use caller::{Caller, Principal};
pub use entry::{Entry, Lifetime};
pub use forwards::OwnersLease;
pub use head::RequestHead;
pub use hop::HOP_HEADER;
pub use key::{SessionKey, TableKey};
pub use options::{Durability, Options, Restore, Sessionless};
pub use peer::{
    HEAD_LIMIT, NotHttp, NotOurs, PeerAnswer, PeerEvent, PeerReader, PeerRequest, write_answer,
    write_piece, write_request,
};
pub use replica::{Renewal, Replica};
pub use run::Run;
pub use step::{
    BrokenOff, Forward, ForwardFailure, HandlerHeader, HiddenId, Misuse, Origin, Patience, Reply,
    RestoreMessage, RunApp, RunNumber, Step, Swap, Watch, Won,
};
