//! The server machine: one exchange as a server, proxy or gateway sees it.
//!
//! Sans-IO: an [`Exchange`] is told what came of the request and what the handler or the
//! upstream answered, message by message, and says what is to be done with each. It asks the
//! table for the verdict and adds only what has to be remembered until there is one.
//!
//! # Laws
//!
//! They hold for every order in which the parts of an exchange come.
//!
//! 1. **Whole or as it was.** What goes out is either every message of the answer, in order
//!    and to the byte, or the canonical answer and nothing of the other. Only the session
//!    header may be missing from a head or from trailers.
//! 2. **One verdict.** An exchange that is answered is decided once, as the table decides
//!    what was known of it then, and never anew.
//! 3. **Held only while it matters.** An answer is held back only while what follows may
//!    change what has to be done, and only up to [`Options::max_response_bytes`], where a
//!    message counts for at least 64 bytes. Beyond that its body counts as not known.
//! 4. **Remembered only where it matters.** Of a request's body a byte is kept only if an ID
//!    is attached, if it may still be a message with an id, up to
//!    [`Options::max_request_bytes`], where a piece that is not the last counts for at least
//!    512 bytes, and until there is a verdict. All exchanges and [`CollectedBody`]s under one
//!    [`Policy`] together remember at most [`Options::max_remembered_bytes`], and long ones
//!    leave room for short ones. Where there is none for a short one, the oldest of those that
//!    are [not whole](UnfinishedBodies) give way. What is beyond a bound counts as not known.
//! 5. **Constant work for each byte**, amortized, in whatever pieces they come.
//! 6. **An ID is given out by a success alone**: whatever the request says of itself, it goes
//!    out neither on the head nor in the trailers of any other answer.
//! 7. **`initialize` never bears an ID** to a handler, as far as it is known in time.
//! 8. **To report is to change nothing**: with [`Effect::Report`] every message passes at
//!    once, and nothing is read that the handler does not read.
//!
//! Admission by a table of sessions has its place in [`Exchange::before_handler`]: no handler
//! runs before that says so.

mod collected;
mod head;
mod options;
mod paths;
mod policy;
mod posted;
mod shown;
mod unfinished;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use http::StatusCode;

use crate::answer::Answer;
use crate::exchange::{Method, Request, Response, Side};
use crate::jsonrpc::{RequestId, is_initialize};
use crate::table::{Action, Rule, Verdict, classify, classify_head, needs_request_body};

pub use collected::CollectedBody;
pub use head::{RequestHead, ResponseHead, is_session_header};
pub use options::{EchoId, Effect, Options};
pub use paths::{PathError, Paths};
pub use policy::Policy;
pub use posted::Rest;
pub use shown::{shown_method, shown_path};
pub use unfinished::{BodyNumber, UnfinishedBodies};

use posted::Posted;

/// What to do before the handler runs.
///
/// Exhaustive on purpose: the driver has to act on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "the request waits for it"]
pub enum Entry {
    /// Read a piece of the request, tell of it, and ask again; or tell that the wait is over.
    Read {
        /// How many bytes are of use at most.
        at_most: usize,
    },
    /// Run the handler with the request as it is.
    Run,
    /// Run the handler with the request but for its session header: it is an `initialize`,
    /// and a session that is asked for is a new one.
    RunWithoutSessionId,
}

/// What to do with a message of the answer.
///
/// Exhaustive on purpose: the driver has to act on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the message waits for it"]
pub enum Step<'a> {
    /// Keep the message back.
    Hold,
    /// Send the message, and tell of the next.
    Watch,
    /// Do what was decided. It is said once.
    Decided(Decision<'a>),
    /// Send the message. What follows it in a body needs to be told no more.
    Pass,
    /// Send the message without its session header. Trailers need to be told of.
    PassWithoutSessionId,
    /// Throw the message away.
    Discard,
}

/// What was decided of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the answer waits for it"]
pub struct Decision<'a> {
    /// The row that decided.
    pub rule: Rule,
    /// What it says to do.
    pub action: Action,
    /// Whether it says that the answer has to be changed.
    pub corrects: bool,
    /// Whether the answer is changed: not with [`Effect::Report`], nor by a rule that is
    /// switched off.
    pub is_applied: bool,
    /// What to do with the messages held back, the one at hand included.
    pub outcome: Outcome<'a>,
}

impl Decision<'_> {
    /// Whether the handler has said that it does not know the session: then it ran nothing of
    /// the request, and the session may be restored in it.
    ///
    /// A 404 to a GET counts only in words that say so: servers without a stream to open answer
    /// one as well, in the place of 405.
    pub fn session_is_gone(&self, method: Method) -> bool {
        let is_stream_unoffered = self.rule == Rule::UncanonicalNotFound && method == Method::Get;
        self.rule == Rule::CanonicalNotFound
            || (self.action == Action::NotFoundResponse && !is_stream_unoffered)
    }
}

/// What to do with the messages held back.
///
/// Exhaustive on purpose: the driver has to act on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// Send them as they came.
    LetGo,
    /// Send them, with no session header in any.
    WithoutSessionId,
    /// Send this answer in their place, with those headers of theirs that do not belong to
    /// the old one ([`Answer::replaces_header`]).
    Replace(Answer<'a>),
}

/// What a person should be told once about the application, whatever becomes of the answer.
/// It is shown as its name, a colon and a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Remark {
    /// The session header stood more than once, with different values: something on the way
    /// adds one.
    ConflictingSessionIds,
    /// A browser's client cannot read the ID that it is given:
    ///
    /// > `Access-Control-Expose-Headers` [...] indicates which headers can be exposed as part
    /// > of the response by listing their names.
    /// >
    /// > <https://fetch.spec.whatwg.org/#http-access-control-expose-headers>
    UnexposedSessionId,
    /// A request with a session ID was answered 404 at a path that is none of MCP's by
    /// [`Paths`], as when the path of the endpoint is not among them.
    EndpointElsewhere,
}

impl fmt::Display for Remark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentence = match self {
            Self::ConflictingSessionIds => {
                "a message bears different values of Mcp-Session-Id; something on the way adds one"
            }
            Self::UnexposedSessionId => {
                "a browser's client cannot read its session ID; allow that with \
                 Access-Control-Expose-Headers: Mcp-Session-Id, unless something outside does"
            }
            Self::EndpointElsewhere => {
                "a request with a session ID was answered 404 at a path that `paths` does not name"
            }
        };
        write!(formatter, "{self:?}: {sentence}")
    }
}

/// One exchange, from the head of its request to the end of its answer.
///
/// ```
/// use mcp_session_core::http::StatusCode;
/// use mcp_session_core::server::{
///     Entry, Exchange, Options, Outcome, Policy, RequestHead, ResponseHead, Rest, Step,
/// };
/// use mcp_session_core::Method;
///
/// let mut head = RequestHead::new(Method::Post, b"");
/// head.add_header(b"mcp-session-id", b"1868a90c");
/// let policy = Policy::new(Options::default());
/// let mut exchange = Exchange::new(&policy, head);
///
/// assert!(matches!(exchange.before_handler(), Entry::Read { .. }));
/// exchange.request_piece(br#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#, Rest::Ended);
/// assert_eq!(exchange.before_handler(), Entry::Run);
///
/// assert_eq!(exchange.response_head(ResponseHead::new(StatusCode::BAD_REQUEST)), Step::Hold);
/// let Step::Decided(decision) = exchange.response_piece(b"unknown session", Rest::Ended) else {
///     panic!("a body that ended is decided upon");
/// };
/// let Outcome::Replace(answer) = decision.outcome else { panic!("a lost session") };
/// assert!(answer.body().ends_with(r#""id":7}"#));
/// ```
pub struct Exchange {
    policy: Policy,
    request: RequestHead,
    posted: Posted,
    stage: Stage,
    /// The id that the answer given out repeats.
    echoed: Option<String>,
}

impl Exchange {
    /// Begins with the head of a request at a path that is none of MCP's: nothing is done
    /// about its answer, whatever it is.
    pub fn elsewhere(policy: &Policy, request: RequestHead) -> Self {
        let policy = policy.clone();
        Self { policy, request, posted: Posted::Unknown, stage: Stage::Elsewhere, echoed: None }
    }

    /// Begins with the head of a request.
    pub fn new(policy: &Policy, request: RequestHead) -> Self {
        let posted = Posted::begin(policy, &request);
        Self { policy: policy.clone(), request, posted, stage: Stage::BeforeHandler, echoed: None }
    }

    /// The head of the request.
    pub fn request(&self) -> &RequestHead {
        &self.request
    }

    /// What to do before the handler runs.
    pub fn before_handler(&mut self) -> Entry {
        if let Stage::BeforeHandler = self.stage {
            match (self.policy.options().effect, &self.posted) {
                (Effect::Correct, Posted::Begun(body)) => {
                    return Entry::Read { at_most: body.room() };
                }
                (Effect::Correct, Posted::Whole(body))
                    if self.request.bears_session_header() && is_initialize(body.bytes()) =>
                {
                    self.request.withhold_session_header();
                }
                (Effect::Correct | Effect::Report, _) => {}
            }
            self.stage = Stage::Running;
        }
        if self.request.withholds_session_header() {
            Entry::RunWithoutSessionId
        } else {
            Entry::Run
        }
    }

    /// Whether a further piece of the request may still have to be known. If not, nobody
    /// needs to be told of it.
    pub fn remembers_request(&self) -> bool {
        match self.posted {
            Posted::Begun(_) => true,
            Posted::Unknown | Posted::Whole(_) | Posted::WithoutId => false,
        }
    }

    /// Tells that a piece of the request's body came, whoever read it.
    pub fn request_piece(&mut self, piece: &[u8], rest: Rest) {
        self.posted.add(piece, rest);
    }

    /// Tells that the request broke off: what came is not all.
    pub fn request_cut(&mut self) {
        if self.remembers_request() {
            self.posted = Posted::Unknown;
        }
    }

    /// Tells that the handler has waited for the request long enough. Where it is known, there
    /// was nothing to wait for.
    pub fn wait_over(&mut self) {
        if let (Stage::BeforeHandler, Posted::Begun(_)) = (&self.stage, &self.posted) {
            self.stage = Stage::Running;
        }
    }

    /// Tells that the head of the answer came.
    pub fn response_head(&mut self, head: ResponseHead) -> Step<'_> {
        match self.stage {
            Stage::BeforeHandler | Stage::Running => {}
            // A second head is no HTTP: for whoever sends it on to refuse.
            Stage::Elsewhere
            | Stage::Looking(..)
            | Stage::Passing
            | Stage::PassingError
            | Stage::Replaced => {
                return self.settled();
            }
        }
        // To look at a short body costs less than to ask whether to.
        let matters = match &self.posted {
            Posted::Begun(_) => false,
            Posted::Unknown | Posted::WithoutId => true,
            Posted::Whole(body) => {
                let (request, response) = (self.request.request(None), self.response(&head, None));
                body.bytes().len() <= SHORT || needs_request_body(Side::Server, &request, &response)
            }
        };
        if !matters {
            self.posted = Posted::Unknown;
        }
        self.look(head, SoFar::default())
    }

    /// Tells that a piece of the answer's body came.
    pub fn response_piece(&mut self, piece: &[u8], rest: Rest) -> Step<'_> {
        let Some((head, mut so_far)) = self.take_looked_at() else { return self.settled() };
        so_far.add(piece);
        match rest {
            Rest::Ended => self.decide(&head, Some(&so_far.bytes)),
            Rest::Follows if so_far.counted > self.policy.options().max_response_bytes => {
                self.decide(&head, None)
            }
            Rest::Follows if so_far.bytes.len() < so_far.look_again_at => {
                self.stage = Stage::Looking(head, so_far);
                self.settled()
            }
            Rest::Follows => {
                // To look at each doubling keeps the time linear, whatever the pieces.
                so_far.look_again_at = so_far.bytes.len().saturating_mul(2);
                self.look(head, so_far)
            }
        }
    }

    /// Tells that another message of the answer came: a file by its path, say, whose body is
    /// not known. So it is with a body that broke off.
    pub fn response_other(&mut self) -> Step<'_> {
        match self.take_looked_at() {
            Some((head, _)) => self.decide(&head, None),
            None => self.settled(),
        }
    }

    /// Tells that trailers came. Those of an error bear no ID either.
    pub fn response_trailers(&mut self) -> Step<'_> {
        match self.stage {
            Stage::PassingError => Step::PassWithoutSessionId,
            Stage::Elsewhere
            | Stage::BeforeHandler
            | Stage::Running
            | Stage::Looking(..)
            | Stage::Passing
            | Stage::Replaced => self.response_other(),
        }
    }

    /// What there is to tell of the head of an answer, beside the verdict on it.
    pub fn remarks(&self, head: &ResponseHead) -> impl Iterator<Item = Remark> + use<> {
        let (request, status) = (&self.request, head.status());
        let (misplaced, conflicts, hidden) = match self.stage {
            Stage::Elsewhere => {
                (status == StatusCode::NOT_FOUND && request.attached_id().is_some(), false, false)
            }
            Stage::BeforeHandler
            | Stage::Running
            | Stage::Looking(..)
            | Stage::Passing
            | Stage::PassingError
            | Stage::Replaced => (
                false,
                request.has_conflicting_ids() || head.has_conflicting_ids(),
                request.is_of_a_browser()
                    && status.is_success()
                    && head.session_id().is_some()
                    && !head.exposes_session_id(),
            ),
        };
        [
            misplaced.then_some(Remark::EndpointElsewhere),
            conflicts.then_some(Remark::ConflictingSessionIds),
            hidden.then_some(Remark::UnexposedSessionId),
        ]
        .into_iter()
        .flatten()
    }

    fn take_looked_at(&mut self) -> Option<(ResponseHead, SoFar)> {
        match core::mem::replace(&mut self.stage, Stage::Passing) {
            Stage::Looking(head, so_far) => Some((head, so_far)),
            stage @ (Stage::Elsewhere
            | Stage::BeforeHandler
            | Stage::Running
            | Stage::Passing
            | Stage::PassingError
            | Stage::Replaced) => {
                self.stage = stage;
                None
            }
        }
    }

    fn look(&mut self, head: ResponseHead, so_far: SoFar) -> Step<'_> {
        let request = self.request.request(self.posted.message());
        let response = self.response(&head, Some(&so_far.bytes));
        // Whatever follows, the verdict is this one; the rest is not waited for.
        let judged = classify_head(Side::Server, &request, &response)
            .map(|verdict| Judged::of(&verdict, &request));
        match judged {
            Some(judged) => self.conclude(&head, judged),
            None => {
                self.stage = Stage::Looking(head, so_far);
                self.settled()
            }
        }
    }

    fn decide(&mut self, head: &ResponseHead, body: Option<&[u8]>) -> Step<'_> {
        let request = self.request.request(self.posted.message());
        let verdict = classify(Side::Server, &request, &self.response(head, body));
        let judged = Judged::of(&verdict, &request);
        self.conclude(head, judged)
    }

    fn response<'a>(&'a self, head: &'a ResponseHead, body: Option<&'a [u8]>) -> Response<'a> {
        Response { misreports: &self.policy.options().misreports, ..head.response(body) }
    }

    fn conclude(&mut self, head: &ResponseHead, judged: Judged) -> Step<'_> {
        let Judged { rule, action, withheld_by, echoed } = judged;
        let is_on = |rule: Rule| {
            self.policy.options().effect == Effect::Correct
                && !self.policy.options().disabled_rules.contains(&rule)
        };
        let replaces = action == Action::NotFoundResponse && is_on(rule);
        let withholds = !head.status().is_success() && is_on(Rule::SessionIdOnError);
        let is_applied = replaces || withheld_by.is_some_and(is_on);
        self.posted = Posted::Unknown;
        self.echoed = match self.policy.options().request_id {
            EchoId::Repeat => echoed,
            EchoId::LeaveOut => None,
        };
        let outcome = match (replaces, withholds) {
            (true, _) => {
                self.stage = Stage::Replaced;
                let id = self.echoed.as_deref().and_then(RequestId::from_json);
                Outcome::Replace(Answer::not_found(id))
            }
            (false, true) => {
                self.stage = Stage::PassingError;
                Outcome::WithoutSessionId
            }
            (false, false) => {
                self.stage = Stage::Passing;
                Outcome::LetGo
            }
        };
        let corrects = action != Action::PassThrough || withheld_by.is_some();
        Step::Decided(Decision { rule, action, corrects, is_applied, outcome })
    }

    /// What to do with a message that decides nothing.
    fn settled(&self) -> Step<'static> {
        match (&self.stage, self.policy.options().effect) {
            (Stage::Looking(..), Effect::Correct) => Step::Hold,
            (Stage::Looking(..), Effect::Report) => Step::Watch,
            (
                Stage::Elsewhere
                | Stage::BeforeHandler
                | Stage::Running
                | Stage::Passing
                | Stage::PassingError,
                _,
            ) => Step::Pass,
            (Stage::Replaced, _) => Step::Discard,
        }
    }
}

/// Shows no ID and nothing of a body.
impl fmt::Debug for Exchange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Exchange").field("request", &self.request).finish_non_exhaustive()
    }
}

/// A request's body up to this long is looked at without asking whether to.
const SHORT: usize = 4 * 1024;

/// A message costs memory beyond its bytes: one of fewer counts as one of so many.
const LEAST_MESSAGE: usize = 64;

/// How far an exchange has come.
enum Stage {
    /// It is looked at by nobody.
    Elsewhere,
    /// Whether the handler may run is open.
    BeforeHandler,
    /// It may, and has not answered.
    Running,
    /// The body of its answer may matter.
    Looking(ResponseHead, SoFar),
    /// What is left of its answer goes out as it is.
    Passing,
    /// It is no success: what is left goes out, trailers without an ID.
    PassingError,
    /// Another answer has gone out.
    Replaced,
}

/// What has come of the body of an answer.
#[derive(Default)]
struct SoFar {
    bytes: Vec<u8>,
    counted: usize,
    look_again_at: usize,
}

impl SoFar {
    fn add(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
        self.counted = self.counted.saturating_add(piece.len().max(LEAST_MESSAGE));
    }
}

/// What a verdict says, without the request it was given on.
struct Judged {
    rule: Rule,
    action: Action,
    withheld_by: Option<Rule>,
    /// The id that an answer repeats, as it stood in the request.
    echoed: Option<String>,
}

impl Judged {
    fn of(verdict: &Verdict<'_>, request: &Request<'_>) -> Self {
        let echoed = || request.message.as_ref()?.echoed_id();
        Self {
            rule: verdict.rule(),
            action: verdict.action(),
            withheld_by: verdict.session_header().withheld_by(),
            echoed: verdict.response().and_then(|_| echoed()).map(|id| String::from(id.as_str())),
        }
    }
}
