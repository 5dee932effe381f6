//! The server machine: one exchange as a server, proxy or gateway sees it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use mcp_session_core::server::{
    Decision, EchoId, Effect, Entry, Exchange, Options, Outcome, Paths, Policy, Remark,
    RequestHead, ResponseHead, Rest, Step, UnfinishedBodies, is_session_header, shown_path,
};
use mcp_session_core::{Action, Rule};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyString};

use crate::arguments::{
    Body, MethodArgument, MisreportsArgument, StatusArgument, no_pair_of_bytes, part, wrong_type,
};
use crate::enums::{self, ServerStep};
use crate::values::Answer;

/// What a server or proxy does about lost sessions; for all of its exchanges.
///
/// `paths` (collection of `str`, or `None` for all): the paths of MCP; `/tenants/*` is
/// everything below `/tenants/`. `echo_id` (`bool`): whether the answers made here repeat the
/// request's id. `max_request_bytes` (`int`, bytes): how much of a request is remembered to
/// learn its id; `max_remembered_bytes`: how much of all requests together; `max_response_bytes`:
/// how much of an answer is held back while its body may still matter. `disabled_rules`
/// (collection of `Rule`, or of their values): the corrections to leave out. `report_only`
/// (`bool`): change nothing. `misreports` (collection of pairs of a status, `int`, and a text,
/// `str`): misreports of the application's own, beside the known ones. `request_timeout`
/// (`float`, seconds): for how long a request is read before the handler runs all the same; a
/// driver keeps it.
///
/// Frozen. Raises `TypeError` and `ValueError` for options that make no sense.
///
/// >>> from mcp_session.server import ServerPolicy
/// >>> policy = ServerPolicy(paths=["/mcp"])
/// >>> policy.covers("/api/mcp/", "/api"), policy.covers("/other", "")
/// (True, False)
///
/// Source: the rows behind `classify`, on the side of servers.
#[pyclass(frozen, module = "mcp_session.server")]
pub(crate) struct ServerPolicy {
    pub(crate) policy: Policy,
    pub(crate) paths: Option<Paths>,
    request_timeout: f64,
    /// The kinds of remarks that were made, so that each is made once.
    pub(crate) remarked: Mutex<Vec<Remark>>,
    unfinished: Mutex<UnfinishedBodies>,
}

#[pymethods]
impl ServerPolicy {
    #[new]
    #[pyo3(
        signature = (
            *, paths=PathsArgument(None), echo_id=EchoIdFlag(true),
            max_request_bytes=RequestLimit(Options::MAX_REQUEST_BYTES),
            max_remembered_bytes=RememberedLimit(Options::MAX_REMEMBERED_BYTES),
            max_response_bytes=ResponseLimit(Options::MAX_RESPONSE_BYTES),
            disabled_rules=RulesArgument(Vec::new()), report_only=ReportOnlyFlag(false),
            misreports=MisreportsArgument::default(), request_timeout=RequestTimeout(5.0),
        ),
        text_signature = "(*, paths=None, echo_id=True, max_request_bytes=4194304, \
            max_remembered_bytes=67108864, \
            max_response_bytes=65536, disabled_rules=(), report_only=False, misreports=(), \
            request_timeout=5.0)",
    )]
    #[expect(clippy::too_many_arguments, reason = "options, by keyword")]
    fn new(
        paths: PathsArgument,
        echo_id: EchoIdFlag,
        max_request_bytes: RequestLimit,
        max_remembered_bytes: RememberedLimit,
        max_response_bytes: ResponseLimit,
        disabled_rules: RulesArgument,
        report_only: ReportOnlyFlag,
        misreports: MisreportsArgument,
        request_timeout: RequestTimeout,
    ) -> Self {
        let options = Options {
            effect: if report_only.0 { Effect::Report } else { Effect::Correct },
            request_id: if echo_id.0 { EchoId::Repeat } else { EchoId::LeaveOut },
            max_request_bytes: max_request_bytes.0,
            max_remembered_bytes: max_remembered_bytes.0,
            max_response_bytes: max_response_bytes.0,
            disabled_rules: disabled_rules.0,
            misreports: misreports.into_core(),
        };
        let (policy, request_timeout) = (Policy::new(options), request_timeout.0);
        Self {
            policy,
            paths: paths.0,
            request_timeout,
            remarked: Mutex::default(),
            unfinished: Mutex::default(),
        }
    }

    /// For how many seconds a request is read before the application runs (`float`).
    #[getter]
    fn request_timeout(&self) -> f64 {
        self.request_timeout
    }

    /// Say whether MCP is served at this path (`bool`). `root_path` (`str`) is what the
    /// application is mounted below, `""` where it is not.
    #[pyo3(signature = (path, root_path, /))]
    fn covers(&self, path: &str, root_path: &str) -> bool {
        self.paths.as_ref().is_none_or(|paths| paths.cover(path, root_path))
    }

    /// Begin with the head of a request (`ServerExchange`).
    ///
    /// `method` (`str`), `headers` (iterable of pairs of `bytes`) and `query` (`bytes`) as
    /// they came. Raises `ValueError` for a `method` that HTTP does not have, `TypeError` for
    /// a wrong type.
    #[pyo3(signature = (method, headers, query=Body::EMPTY, /), text_signature = "($self, method, headers, query=b'', /)")]
    fn exchange(
        &self,
        method: MethodArgument,
        headers: &Bound<'_, PyAny>,
        query: Body<'_>,
    ) -> PyResult<ServerExchange> {
        let mut head = RequestHead::new(method.0, query.bytes());
        each_header(headers, |name, value| head.add_header(name, value))?;
        Ok(ServerExchange(Driven::new(Exchange::new(&self.policy, head))))
    }
}

impl ServerPolicy {
    /// The bodies of all requests under it that give way.
    pub(crate) fn unfinished(&self) -> MutexGuard<'_, UnfinishedBodies> {
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One exchange, from the head of its request to the end of its answer. Made by
/// `ServerPolicy.exchange`.
///
/// It is told what comes, and answers with a `ServerStep`: what is to be done with the
/// message. Once the step is `LET_GO`, `LET_GO_WITHOUT_SESSION_ID` or `REPLACE`,
/// `rule`, `action`, `corrects`, `applied` and `answer` say what was decided.
///
/// The session IDs do not show in its `repr`.
///
/// >>> from mcp_session.server import ServerPolicy, ServerStep
/// >>> exchange = ServerPolicy().exchange("POST", [(b"mcp-session-id", b"1868a90c")])
/// >>> exchange.before_handler()
/// <ServerStep.READ: 'Read'>
/// >>> exchange.request_piece(b'{"jsonrpc":"2.0","id":7,"method":"tools/list"}', more=False)
/// >>> exchange.before_handler()
/// <ServerStep.RUN: 'Run'>
/// >>> exchange.response_head(400, [(b"content-type", b"text/plain")])
/// <ServerStep.HOLD: 'Hold'>
/// >>> exchange.response_piece(b"unknown session", more=False)
/// <ServerStep.REPLACE: 'Replace'>
/// >>> exchange.answer
/// <Answer 404 b'{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":7}'>
///
/// Source: the rows behind `classify`; it asks them.
#[pyclass(module = "mcp_session.server")]
pub(crate) struct ServerExchange(Driven);

#[pymethods]
impl ServerExchange {
    /// Say what to do before the handler runs (`ServerStep`): `READ` a piece of the request,
    /// tell of it and ask again, `RUN`, or `RUN_WITHOUT_SESSION_ID`.
    fn before_handler(&mut self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        enums::server_step(py, self.0.before_handler(py))
    }

    /// Whether a further piece of the request may still have to be known (`bool`). If not,
    /// nobody needs to be told of it, and no step is `READ`.
    #[getter]
    fn remembers_request(&self) -> bool {
        self.0.machine.remembers_request()
    }

    /// Tell that a piece of the request's body came (`bytes`, `bytearray` or `memoryview`),
    /// whoever read it, and whether more follows (`bool`).
    #[pyo3(signature = (piece, /, *, more))]
    fn request_piece(&mut self, py: Python<'_>, piece: PieceArgument<'_>, more: bool) {
        self.0.request_piece(py, &piece.0, more);
    }

    /// Tell that the request broke off: what came is not all.
    fn request_cut(&mut self) {
        self.0.machine.request_cut();
    }

    /// Tell that the handler has waited for the request long enough.
    fn wait_over(&mut self) {
        self.0.machine.wait_over();
    }

    /// Tell that the head of the answer came; return what to do with it (`ServerStep`).
    ///
    /// `status` (`int`) and `headers` (iterable of pairs of `bytes`) as they came. Raises
    /// `ValueError` for a `status` that HTTP does not have, `TypeError` for a wrong type.
    #[pyo3(signature = (status, headers, /))]
    fn response_head(
        &mut self,
        py: Python<'_>,
        status: StatusArgument,
        headers: &Bound<'_, PyAny>,
    ) -> PyResult<Py<PyAny>> {
        enums::server_step(py, self.0.response_head(py, &status, headers)?)
    }

    /// Tell that a piece of the answer's body came (`bytes`, `bytearray` or `memoryview`), and
    /// whether more follows (`bool`); return what to do with it (`ServerStep`).
    #[pyo3(signature = (piece, /, *, more))]
    fn response_piece(
        &mut self,
        py: Python<'_>,
        piece: PieceArgument<'_>,
        more: bool,
    ) -> PyResult<Py<PyAny>> {
        enums::server_step(py, self.0.response_piece(py, &piece.0, more)?)
    }

    /// Tell that another message of the answer came, a file by its path, say, or that its
    /// body broke off; return what to do with it (`ServerStep`).
    fn response_other(&mut self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        enums::server_step(py, self.0.step(py, Exchange::response_other)?)
    }

    /// Tell that trailers came; return what to do with them (`ServerStep`).
    fn response_trailers(&mut self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        enums::server_step(py, self.0.step(py, Exchange::response_trailers)?)
    }

    /// The row that decided (`Rule`); `None` before that.
    #[getter]
    fn rule(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.0.decided.map(|decided| enums::rule(py, decided.rule)).transpose()
    }

    /// What it says to do (`Action`); `None` before that.
    #[getter]
    fn action(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.0.decided.map(|decided| enums::action(py, decided.action)).transpose()
    }

    /// Whether it says that the answer has to be changed (`bool`).
    #[getter]
    fn corrects(&self) -> bool {
        self.0.decided.is_some_and(|decided| decided.corrects)
    }

    /// Whether the answer is changed (`bool`): not with `report_only`, nor by a rule that is
    /// switched off.
    #[getter]
    fn applied(&self) -> bool {
        self.0.decided.is_some_and(|decided| decided.is_applied)
    }

    /// Whether the handler has said that it does not know the session, so that it ran nothing of
    /// the request (`bool`).
    #[getter]
    fn session_is_gone(&self) -> bool {
        self.0.decided.is_some_and(|decided| decided.session_is_gone)
    }

    /// What to send (`Answer`), with the step `REPLACE`; else `None`.
    #[getter]
    fn answer(&self, py: Python<'_>) -> Option<Py<Answer>> {
        self.0.answer.as_ref().map(|answer| answer.clone_ref(py))
    }

    /// What a person should be told once about the application (`list[str]`), each with its
    /// kind before a colon.
    #[getter]
    fn remarks(&self) -> Vec<String> {
        self.0.remarks.iter().map(|remark| remark.to_string()).collect()
    }

    /// What counts as attached to the request (`str`), well-formed or not; else `None`.
    #[getter]
    fn attached_session_id(&self) -> Option<String> {
        self.0.machine.request().attached_id().map(text)
    }

    /// What stands in the session header of the response (`str`); else `None`.
    #[getter]
    fn response_session_id(&self) -> Option<String> {
        self.0.response_ids.first().map(|id| text(id))
    }

    /// The shape of a path (`str`), with no ID in it, fit for logs and labels.
    #[pyo3(signature = (path, /))]
    fn shown_path(&self, path: &str) -> String {
        self.0.shown_path(path)
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0.machine)
    }
}

/// The machine, and what it said.
pub(crate) struct Driven {
    pub(crate) machine: Exchange,
    /// How many have come, of the request and of the answer.
    bytes: usize,
    pub(crate) response_ids: Vec<Vec<u8>>,
    pub(crate) remarks: Vec<Remark>,
    pub(crate) decided: Option<Decided>,
    pub(crate) answer: Option<Py<Answer>>,
}

#[derive(Clone, Copy)]
pub(crate) struct Decided {
    pub(crate) rule: Rule,
    pub(crate) action: Action,
    pub(crate) corrects: bool,
    pub(crate) is_applied: bool,
    pub(crate) session_is_gone: bool,
}

impl Driven {
    pub(crate) fn new(machine: Exchange) -> Self {
        Self {
            machine,
            bytes: 0,
            response_ids: Vec::new(),
            remarks: Vec::new(),
            decided: None,
            answer: None,
        }
    }

    pub(crate) fn before_handler(&mut self, py: Python<'_>) -> ServerStep {
        let machine = &mut self.machine;
        // Whether it is an `initialize` is a look at all that came.
        let entry = if self.bytes < DETACH_FROM {
            machine.before_handler()
        } else {
            py.detach(move || machine.before_handler())
        };
        match entry {
            Entry::Read { at_most: _ } => ServerStep::Read,
            Entry::Run => ServerStep::Run,
            Entry::RunWithoutSessionId => ServerStep::RunWithoutSessionId,
        }
    }

    pub(crate) fn request_piece(&mut self, py: Python<'_>, piece: &Body<'_>, more: bool) {
        let (machine, piece) = (&mut self.machine, piece.bytes());
        self.bytes = self.bytes.saturating_add(piece.len());
        if piece.len() < DETACH_FROM {
            machine.request_piece(piece, rest(more));
        } else {
            py.detach(move || machine.request_piece(piece, rest(more)));
        }
    }

    pub(crate) fn response_head(
        &mut self,
        py: Python<'_>,
        status: &StatusArgument,
        headers: &Bound<'_, PyAny>,
    ) -> PyResult<ServerStep> {
        let mut head = ResponseHead::new(status.0);
        each_header(headers, |name, value| head.add_header(name, value))?;
        self.remarks.extend(self.machine.remarks(&head));
        self.response_ids.extend(head.known_ids().map(<[u8]>::to_vec));
        self.step(py, |machine| machine.response_head(head))
    }

    pub(crate) fn response_piece(
        &mut self,
        py: Python<'_>,
        piece: &Body<'_>,
        more: bool,
    ) -> PyResult<ServerStep> {
        let piece = piece.bytes();
        self.bytes = self.bytes.saturating_add(piece.len());
        self.step(py, |machine| machine.response_piece(piece, rest(more)))
    }

    pub(crate) fn shown_path(&self, path: &str) -> String {
        let ids = self.machine.request().known_ids();
        shown_path(path, ids.chain(self.response_ids.iter().map(Vec::as_slice)))
    }

    #[inline]
    pub(crate) fn step(
        &mut self,
        py: Python<'_>,
        tell: impl Send + for<'m> FnOnce(&'m mut Exchange) -> Step<'m>,
    ) -> PyResult<ServerStep> {
        let machine = &mut self.machine;
        let method = machine.request().method();
        // For less, letting go of the interpreter would cost more than the look.
        let step =
            if self.bytes < DETACH_FROM { tell(machine) } else { py.detach(move || tell(machine)) };
        Ok(match step {
            Step::Hold => ServerStep::Hold,
            Step::Watch => ServerStep::Watch,
            Step::Pass => ServerStep::Pass,
            Step::PassWithoutSessionId => ServerStep::PassWithoutSessionId,
            Step::Discard => ServerStep::Discard,
            Step::Decided(decision) => {
                let session_is_gone = decision.session_is_gone(method);
                let Decision { rule, action, corrects, is_applied, outcome } = decision;
                self.decided =
                    Some(Decided { rule, action, corrects, is_applied, session_is_gone });
                match outcome {
                    Outcome::LetGo => ServerStep::LetGo,
                    Outcome::WithoutSessionId => ServerStep::LetGoWithoutSessionId,
                    Outcome::Replace(answer) => {
                        self.answer = Some(Py::new(py, Answer::of(py, answer)?)?);
                        ServerStep::Replace
                    }
                }
            }
        })
    }
}

/// The headers without those that bear a session ID, in a new list of the same pairs.
///
/// `headers` is an iterable of pairs of `bytes`. Raises `TypeError` for a wrong type.
///
/// >>> from mcp_session.server import without_session_id
/// >>> without_session_id([(b"Mcp-Session-Id", b"1868a90c"), (b"vary", b"origin")])
/// [(b'vary', b'origin')]
#[pyfunction]
#[pyo3(signature = (headers, /))]
pub(crate) fn without_session_id<'py>(
    headers: &Bound<'py, PyAny>,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let mut kept = Vec::new();
    for pair in headers.try_iter()? {
        let pair = pair?;
        match part(&pair, 0)?.cast::<PyBytes>() {
            Ok(name) if is_session_header(name.as_bytes()) => {}
            Ok(_) | Err(_) => kept.push(pair),
        }
    }
    Ok(kept)
}

/// What is longer is looked at without holding up other Python threads.
const DETACH_FROM: usize = 64 * 1024;

/// A piece of a body.
pub(crate) struct PieceArgument<'a>(pub(crate) Body<'a>);

impl<'a, 'py> FromPyObject<'a, 'py> for PieceArgument<'a> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        Body::of("piece", object).map(Self)
    }
}

pub(crate) fn text(id: &[u8]) -> String {
    String::from_utf8_lossy(id).into_owned()
}

pub(crate) fn rest(more: bool) -> Rest {
    if more { Rest::Follows } else { Rest::Ended }
}

/// Hands out the pairs of bytes; a name that is no `bytes` is none of those that count.
pub(crate) fn each_header(
    headers: &Bound<'_, PyAny>,
    mut take: impl FnMut(&[u8], &[u8]),
) -> PyResult<()> {
    for pair in headers.try_iter()? {
        let pair = pair?;
        let Ok(name) = part(&pair, 0)?.cast_into::<PyBytes>() else { continue };
        let value = part(&pair, 1)?.cast_into::<PyBytes>().map_err(|_| no_pair_of_bytes())?;
        take(name.as_bytes(), value.as_bytes());
    }
    Ok(())
}

/// Makes an argument of what a function reads, so that errors name it.
macro_rules! argument {
    ($name:ident($content:ty), $argument:literal, $read:ident) => {
        struct $name($content);

        impl<'a, 'py> FromPyObject<'a, 'py> for $name {
            type Error = PyErr;

            fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
                $read($argument, &object).map(Self)
            }
        }
    };
}

argument!(PathsArgument(Option<Paths>), "paths", read_paths);
argument!(EchoIdFlag(bool), "echo_id", read_flag);
argument!(RequestLimit(usize), "max_request_bytes", read_count);
argument!(RememberedLimit(usize), "max_remembered_bytes", read_count);
argument!(ResponseLimit(usize), "max_response_bytes", read_count);
argument!(RulesArgument(Vec<Rule>), "disabled_rules", read_rules);
argument!(ReportOnlyFlag(bool), "report_only", read_flag);
argument!(RequestTimeout(f64), "request_timeout", read_seconds);

fn read_seconds(name: &str, object: &Bound<'_, PyAny>) -> PyResult<f64> {
    let is_int = object.is_instance_of::<PyInt>() && !object.is_instance_of::<PyBool>();
    if !is_int && !object.is_instance_of::<PyFloat>() {
        return Err(wrong_type(name, "a number of seconds", object));
    }
    let seconds = object.extract().ok().filter(|it: &f64| it.is_finite() && *it >= 0.0);
    seconds.ok_or_else(|| {
        PyValueError::new_err(format!("{name} must be finite and not negative: {object}"))
    })
}

fn read_flag(name: &str, object: &Bound<'_, PyAny>) -> PyResult<bool> {
    match object.cast::<PyBool>() {
        Ok(flag) => Ok(flag.is_true()),
        Err(_) => Err(wrong_type(name, "a bool", object)),
    }
}

fn read_count(name: &str, object: &Bound<'_, PyAny>) -> PyResult<usize> {
    if !object.is_instance_of::<PyInt>() || object.is_instance_of::<PyBool>() {
        return Err(wrong_type(name, "an int", object));
    }
    object.extract().map_err(|_| {
        let wrong = if object.lt(0).unwrap_or(false) { "be negative" } else { "be so large" };
        PyValueError::new_err(format!("{name} must not {wrong}: {object}"))
    })
}

fn read_rules(name: &str, objects: &Bound<'_, PyAny>) -> PyResult<Vec<Rule>> {
    let mut rules = Vec::new();
    for object in elements(name, objects)? {
        let value = object.getattr("value").unwrap_or_else(|_| object.clone());
        let named = value.extract::<&str>().ok();
        let rule = named.and_then(|it| Rule::ALL.iter().find(|rule| rule.name() == it));
        let Some(rule) = rule else {
            return Err(PyValueError::new_err(format!("{} is not a valid Rule", object.repr()?)));
        };
        if !rule.corrects() {
            return Err(PyValueError::new_err(format!(
                "{name} must be rules that correct something: {}",
                rule.name()
            )));
        }
        rules.push(*rule);
    }
    Ok(rules)
}

fn read_paths(name: &str, objects: &Bound<'_, PyAny>) -> PyResult<Option<Paths>> {
    if objects.is_none() {
        return Ok(None);
    }
    let objects = elements(name, objects)?;
    let mut names = Vec::new();
    for object in &objects {
        let path = object.cast::<PyString>().map_err(|_| wrong_type(name, "str", object))?;
        let path = path.to_str()?;
        if let Err(error) = Paths::new([path]) {
            return Err(PyValueError::new_err(format!("{name} {error}: {}", object.repr()?)));
        }
        names.push(path);
    }
    if names.is_empty() {
        return Err(PyValueError::new_err(format!("{name} must name at least one path")));
    }
    Paths::new(names).map(Some).map_err(|error| PyValueError::new_err(error.to_string()))
}

fn elements<'py>(name: &str, objects: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    if objects.is_instance_of::<PyString>() || objects.is_instance_of::<PyBytes>() {
        return Err(wrong_type(name, "a collection", objects));
    }
    objects.try_iter()?.collect()
}
