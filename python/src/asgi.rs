//! The server machine as ASGI speaks to it: told messages, it says which messages go out.

use std::sync::PoisonError;

use mcp_session_core::server::{Exchange, RequestHead, shown_method};
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyMapping, PyString, PyTuple};

use crate::arguments::{Body, ServedMethod, StatusArgument};
use crate::enums::{self, ServerStep};
use crate::fingerprint::fingerprint;
use crate::server::{Driven, ServerPolicy, each_header, text, without_session_id};
use crate::values::Answer;
use crate::verdict_event::VerdictEvent;

/// One exchange of an ASGI application.
///
/// `of` begins with the scope of a connection. Messages that are held back are copied, so what
/// the application does with its own afterwards is its business; all others are its own.
///
/// >>> from mcp_session._core import AsgiMachine, ServerPolicy
/// >>> scope = {"type": "http", "method": "GET", "path": "/mcp"}
/// >>> scope["headers"] = [(b"mcp-session-id", b"1868a90c")]
/// >>> machine = AsgiMachine.of(ServerPolicy(), scope)
/// >>> answer = machine.response({"type": "http.response.start", "status": 404, "headers": []})
/// >>> [message["type"] for message in answer], answer[1]["body"][-44:]
/// (['http.response.start', 'http.response.body'], b'code":-32001,"message":"Session not found"}}')
///
/// Source: the laws of the server machine, and https://asgi.readthedocs.io/en/latest/specs/www.html
#[pyclass(module = "mcp_session._core")]
pub(crate) struct AsgiMachine {
    driven: Driven,
    policy: Py<ServerPolicy>,
    /// Taken when it begins: what is mounted inside may change the scope.
    method: String,
    path: String,
    status: u16,
    held: Vec<Py<PyAny>>,
    passes: Passes,
    answers: Option<Answers>,
    is_reported: bool,
    /// How many messages nothing went out for.
    kept_back: u32,
}

/// Where the answer goes, and who is told of it.
struct Answers {
    send: Py<PyAny>,
    reporter: Py<PyAny>,
}

/// What of the answer goes out without being looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Passes {
    Nothing,
    AllButTrailers,
    Everything,
}

#[pymethods]
impl AsgiMachine {
    /// Begin with the scope of a connection (`AsgiMachine`); `None` where there is nothing to
    /// be done, nor to be told: for what is no HTTP, and at a path that the policy does not
    /// cover, unless an ID is attached. Raises `TypeError` and `KeyError` for what is no scope.
    #[staticmethod]
    #[pyo3(signature = (policy, scope, /))]
    fn of(policy: &Bound<'_, ServerPolicy>, scope: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        let py = scope.py();
        let scope = Message(scope);
        if scope.required(intern!(py, "type"))?.extract::<&str>()? != "http" {
            return Ok(None);
        }
        let name = scope.required(intern!(py, "method"))?;
        let Ok(ServedMethod(method)) = name.extract() else {
            // For the server to refuse.
            return Ok(None);
        };
        let query = scope.get(intern!(py, "query_string"))?;
        let query = query.as_ref().map(|it| Body::of("query_string", it.as_borrowed()));
        let query = query.transpose()?;
        let mut head = RequestHead::new(method, query.as_ref().map_or(b"", Body::bytes));
        each_header(&scope.required(intern!(py, "headers"))?, |name, value| {
            head.add_header(name, value)
        })?;
        let path: String = scope.required(intern!(py, "path"))?.extract()?;
        let ServerPolicy { policy: core, paths, .. } = policy.get();
        let is_covered = match paths {
            Some(paths) => {
                let root = scope.get(intern!(py, "root_path"))?;
                paths.cover(&path, root.as_ref().map_or(Ok(""), |root| root.extract())?)
            }
            None => true,
        };
        let machine = match (is_covered, head.attached_id()) {
            (true, _) => Exchange::new(core, head),
            (false, Some(_)) => Exchange::elsewhere(core, head),
            (false, None) => return Ok(None),
        };
        Ok(Some(Self {
            driven: Driven::new(machine),
            policy: policy.clone().unbind(),
            method: name.extract()?,
            path,
            status: 0,
            held: Vec::new(),
            passes: Passes::Nothing,
            answers: None,
            is_reported: false,
            kept_back: 0,
        }))
    }

    /// Whether to read a message, tell of it by `request`, and ask again, before the
    /// application runs (`bool`).
    #[getter]
    fn reads_on(&mut self, py: Python<'_>) -> bool {
        matches!(self.driven.before_handler(py), ServerStep::Read)
    }

    /// The scope for the application: this one, or a copy without the session header.
    #[pyo3(signature = (scope, /))]
    fn scope<'py>(&mut self, scope: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if matches!(self.driven.before_handler(scope.py()), ServerStep::RunWithoutSessionId) {
            without(scope)
        } else {
            Ok(scope.clone())
        }
    }

    /// Whether it has to be told of what the application reads (`bool`).
    #[getter]
    fn remembers_request(&self) -> bool {
        self.driven.machine.remembers_request()
    }

    /// Tell of what the server's `receive` returned; of `None` if it raised.
    #[pyo3(signature = (message, /))]
    fn request(&mut self, py: Python<'_>, message: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        Message::of_request(message, |piece| match piece {
            Some((piece, more)) => self.driven.request_piece(py, piece, more),
            None => self.driven.machine.request_cut(),
        })
    }

    /// Tell that the application has waited for the request long enough.
    fn wait_over(&mut self) {
        self.driven.machine.wait_over();
    }

    /// Take the server's `send`, for what `send` lets go, and a `reporter` with the methods
    /// `decided` and `remark`.
    #[pyo3(signature = (send, reporter, /))]
    fn answer_by(&mut self, send: Py<PyAny>, reporter: Py<PyAny>) {
        self.answers = Some(Answers { send, reporter });
    }

    /// Stand in for the server's `send`: what goes out of a message is sent by the awaitable
    /// returned. Raises `ValueError` before `answer_by`.
    #[pyo3(signature = (message, /))]
    fn send<'py>(
        slf: &Bound<'py, Self>,
        message: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, this) = (slf.py(), slf.borrow());
        let passes = match this.passes {
            Passes::Nothing => false,
            Passes::AllButTrailers => {
                let kind = Message(message).required(intern!(py, "type"))?;
                !kind.eq(intern!(py, "http.response.trailers"))?
            }
            Passes::Everything => true,
        };
        if passes {
            return this.answers()?.send.bind(py).call1((message,));
        }
        drop(this);
        let outgoing = slf.borrow_mut().response(message)?;
        Self::sent(slf, outgoing)
    }

    /// Tell that the application is done; return what sends the rest of an answer that was cut
    /// off, or `None` where there is nothing to do. Raises `ValueError` before `answer_by`.
    fn finish<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if slf.borrow().passes != Passes::Nothing {
            return Ok(None);
        }
        let outgoing = slf.borrow_mut().end(slf.py())?;
        Self::sent(slf, outgoing).map(Some)
    }

    /// Tell of what the application sends; return what goes out now (`list` of messages).
    #[pyo3(signature = (message, /))]
    fn response<'py>(&mut self, message: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let py = message.py();
        let mut message = message.clone();
        let kind = Message(&message).required(intern!(py, "type"))?;
        let step = match kind.extract::<&str>()? {
            "http.response.body" => Message(&message)
                .with_piece(py, |piece, more| self.driven.response_piece(py, piece, more))?,
            "http.response.start" => {
                message = with_headers_to_keep(message)?;
                self.head(&Message(&message))?
            }
            "http.response.trailers" => self.driven.step(py, Exchange::response_trailers)?,
            _ => self.driven.step(py, Exchange::response_other)?,
        };
        self.outgoing(py, step, Some(message))
    }

    /// Tell that the application is done; return what goes out of an answer that was cut off.
    fn end<'py>(&mut self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        if self.driven.decided.is_some() {
            return Ok(Vec::new());
        }
        let step = self.driven.step(py, Exchange::response_other)?;
        self.outgoing(py, step, None)
    }

    /// Whether it needs to be told of no further message of the answer (`bool`).
    #[getter]
    fn passes(&self) -> bool {
        self.passes == Passes::Everything
    }

    /// Whether it needs to be told of none but trailers (`bool`).
    #[getter]
    fn passes_all_but_trailers(&self) -> bool {
        self.passes == Passes::AllButTrailers
    }

    /// The row that decided (`Rule`), `None` before that.
    #[getter]
    fn rule(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.driven.decided.map(|decided| enums::rule(py, decided.rule)).transpose()
    }

    /// Whether it says that the answer has to be changed (`bool`).
    #[getter]
    fn corrects(&self) -> bool {
        self.driven.decided.is_some_and(|decided| decided.corrects)
    }

    /// Whether the application has said that it does not know the session, so that it ran
    /// nothing of the request (`bool`).
    #[getter]
    fn session_is_gone(&self) -> bool {
        self.driven.decided.is_some_and(|decided| decided.session_is_gone)
    }

    /// What was decided (`VerdictEvent`). Raises `ValueError` before that.
    fn event(&self, py: Python<'_>) -> PyResult<VerdictEvent> {
        let Some(decided) = self.driven.decided else {
            return Err(PyValueError::new_err("nothing is decided yet"));
        };
        let attached = self.driven.machine.request().attached_id();
        let session_id = attached.or_else(|| self.driven.response_ids.first().map(Vec::as_slice));
        Ok(VerdictEvent {
            rule: enums::rule(py, decided.rule)?,
            action: enums::action(py, decided.action)?,
            method: shown_method(&self.method).to_owned(),
            path: self.driven.shown_path(&self.path),
            status: self.status,
            fingerprint: session_id.map(|id| fingerprint(py, &text(id))).transpose()?,
            applied: decided.is_applied,
        })
    }

    /// Take what a person should be told about the application (`list[str]`), each kind once
    /// for the policy.
    fn take_remarks(&mut self) -> Vec<String> {
        let remarks = std::mem::take(&mut self.driven.remarks);
        if remarks.is_empty() {
            return Vec::new();
        }
        let policy = self.policy.get();
        let mut remarked = policy.remarked.lock().unwrap_or_else(PoisonError::into_inner);
        let mut told = Vec::new();
        for remark in remarks {
            if !remarked.contains(&remark) {
                remarked.push(remark);
                told.push(format!("{remark}: {}", self.driven.shown_path(&self.path)));
            }
        }
        told
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Some(Answers { send, reporter }) = &self.answers {
            visit.call(send)?;
            visit.call(reporter)?;
        }
        self.held.iter().try_for_each(|message| visit.call(message))
    }

    fn __clear__(&mut self) {
        (self.answers, self.held) = (None, Vec::new());
    }
}

/// So many messages are kept back at once before others run.
const KEPT_BACK_AT_ONCE: u32 = 16;

impl AsgiMachine {
    fn answers(&self) -> PyResult<&Answers> {
        self.answers.as_ref().ok_or_else(|| PyValueError::new_err("nothing to answer by"))
    }

    /// Tells the reporter what is new, and sends what goes out. Nothing is borrowed while anything
    /// of Python's runs.
    fn sent<'py>(
        slf: &Bound<'py, Self>,
        mut outgoing: Vec<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let mut this = slf.borrow_mut();
        let Answers { send, reporter } = this.answers()?;
        let (send, reporter) = (send.bind(py).clone(), reporter.bind(py).clone());
        let decided = this.driven.decided.filter(|_| !this.is_reported);
        this.is_reported |= decided.is_some();
        this.kept_back += u32::from(outgoing.is_empty());
        let rests = outgoing.is_empty() && this.kept_back % KEPT_BACK_AT_ONCE == 0;
        let has_remarks = !this.driven.remarks.is_empty();
        drop(this);
        if has_remarks {
            reporter.call_method1(intern!(py, "remark"), (slf,))?;
        }
        if let Some(decided) = decided {
            let rule = enums::rule(py, decided.rule)?;
            reporter.call_method1(intern!(py, "decided"), (slf, rule))?;
        }
        match outgoing.pop() {
            Some(only) if outgoing.is_empty() => send.call1((only,)),
            last => {
                static SEND_ALL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
                let send_all = SEND_ALL.import(py, "mcp_session._asgi._exchange", "send_all")?;
                outgoing.extend(last);
                send_all.call1((send, outgoing, rests))
            }
        }
    }

    fn head(&mut self, start: &Message<'_, '_>) -> PyResult<ServerStep> {
        let py = start.0.py();
        let status = start.required(intern!(py, "status"))?;
        let Ok(known) = status.extract::<StatusArgument>() else {
            // For the server to refuse.
            self.passes = Passes::Everything;
            return Ok(ServerStep::Pass);
        };
        self.status = known.0.as_u16();
        let headers =
            start.get(intern!(py, "headers"))?.unwrap_or_else(|| PyTuple::empty(py).into_any());
        let step = self.driven.response_head(py, &known, &headers)?;
        if step == ServerStep::Pass {
            self.passes = Passes::Everything;
        }
        Ok(step)
    }

    fn outgoing<'py>(
        &mut self,
        py: Python<'py>,
        step: ServerStep,
        message: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        match step {
            ServerStep::Hold => {
                if let Some(message) = message {
                    self.held.push(held(&message)?.into_any().unbind());
                }
                return Ok(Vec::new());
            }
            ServerStep::Discard => return Ok(Vec::new()),
            ServerStep::PassWithoutSessionId => {
                return message.iter().map(without).collect();
            }
            ServerStep::LetGo => self.passes = Passes::Everything,
            ServerStep::LetGoWithoutSessionId => self.passes = Passes::AllButTrailers,
            ServerStep::Replace
            | ServerStep::Watch
            | ServerStep::Pass
            | ServerStep::Read
            | ServerStep::Run
            | ServerStep::RunWithoutSessionId => {}
        }
        let kept = std::mem::take(&mut self.held);
        let outgoing: Vec<Bound<'py, PyAny>> =
            kept.into_iter().map(|kept| kept.into_bound(py)).chain(message).collect();
        if let (ServerStep::Replace, Some(answer)) = (step, &self.driven.answer) {
            let replaced = outgoing.first().map(|start| replacement(start, answer.get()));
            return Ok(replaced.transpose()?.into_iter().flatten().collect());
        }
        if step == ServerStep::LetGoWithoutSessionId {
            return outgoing.iter().map(without).collect();
        }
        Ok(outgoing)
    }
}

/// A scope or a message of ASGI: a `dict`, or another mapping.
pub(crate) struct Message<'a, 'py>(&'a Bound<'py, PyAny>);

impl<'a, 'py> Message<'a, 'py> {
    /// Hands out the piece that a server's `receive` returned, and whether more follows; `None`
    /// where nothing more comes.
    pub(crate) fn of_request(
        message: Option<&'a Bound<'py, PyAny>>,
        take: impl FnOnce(Option<(&Body<'_>, bool)>),
    ) -> PyResult<()> {
        let Some(message) = message.map(Self) else {
            take(None);
            return Ok(());
        };
        let py = message.0.py();
        if message.required(intern!(py, "type"))?.extract::<&str>()? == "http.request" {
            return message.with_piece(py, |piece, more| {
                take(Some((piece, more)));
                Ok(())
            });
        }
        take(None);
        Ok(())
    }

    fn get(&self, key: &Bound<'py, PyString>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.0.cast::<PyDict>() {
            Ok(dict) => dict.get_item(key),
            Err(_) => match self.0.get_item(key) {
                Err(error) if error.is_instance_of::<PyKeyError>(self.0.py()) => Ok(None),
                found => found.map(Some),
            },
        }
    }

    fn required(&self, key: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        self.get(key)?.ok_or_else(|| PyKeyError::new_err(key.clone().unbind()))
    }

    /// Hands out the piece of a body, and whether more follows.
    fn with_piece<R>(
        &self,
        py: Python<'py>,
        take: impl FnOnce(&Body<'_>, bool) -> PyResult<R>,
    ) -> PyResult<R> {
        let more =
            self.get(intern!(py, "more_body"))?.map_or(Ok(false), |more| more.is_truthy())?;
        let piece =
            self.get(intern!(py, "body"))?.unwrap_or_else(|| PyBytes::new(py, b"").into_any());
        take(&Body::of("body", piece.as_borrowed())?, more)
    }
}

/// A head whose headers can be looked at more than once: ASGI allows any iterable.
fn with_headers_to_keep(start: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    let name = intern!(start.py(), "headers");
    match Message(&start).get(name)? {
        Some(headers)
            if !headers.is_instance_of::<PyList>() && !headers.is_instance_of::<PyTuple>() =>
        {
            let headers: Vec<_> = headers.try_iter()?.collect::<PyResult<_>>()?;
            let copy = copied(&start)?;
            copy.set_item(name, headers)?;
            Ok(copy.into_any())
        }
        Some(_) | None => Ok(start),
    }
}

fn copied<'py>(message: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    if let Ok(dict) = message.cast::<PyDict>() {
        return dict.copy();
    }
    let copy = PyDict::new(message.py());
    copy.update(message.cast::<PyMapping>()?)?;
    Ok(copy)
}

/// A copy that nobody else can change.
fn held<'py>(message: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let py = message.py();
    let (copy, message) = (copied(message)?, Message(message));
    if let Some(piece) = message.get(intern!(py, "body"))? {
        let piece = Body::of("body", piece.as_borrowed())?;
        copy.set_item(intern!(py, "body"), PyBytes::new(py, piece.bytes()))?;
    }
    if let Some(headers) = message.get(intern!(py, "headers"))? {
        let kept = PyList::empty(py);
        for pair in headers.try_iter()? {
            let pair = pair?;
            let part = |index: usize| pair.get_item(index);
            kept.append(PyTuple::new(py, [part(0)?, part(1)?])?)?;
        }
        copy.set_item(intern!(py, "headers"), kept)?;
    }
    Ok(copy)
}

/// The message itself where it bears no session header.
fn without<'py>(message: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let name = intern!(message.py(), "headers");
    let Some(headers) = Message(message).get(name)? else { return Ok(message.clone()) };
    let kept = without_session_id(&headers)?;
    if headers.len()? == kept.len() {
        return Ok(message.clone());
    }
    let copy = copied(message)?;
    copy.set_item(name, kept)?;
    Ok(copy.into_any())
}

/// The answer, with those headers of the head it replaces that do not belong to the old one.
fn replacement<'py>(
    start: &Bound<'py, PyAny>,
    answer: &Answer,
) -> PyResult<[Bound<'py, PyAny>; 2]> {
    let py = start.py();
    let headers = Message(start).get(intern!(py, "headers"))?;
    let headers = headers.unwrap_or_else(|| PyTuple::empty(py).into_any());
    let head = copied(start)?;
    head.set_item(intern!(py, "headers"), answer.replacing(py, &headers)?)?;
    head.set_item(intern!(py, "status"), answer.status())?;
    // Trailers would be those of the replaced body.
    head.set_item(intern!(py, "trailers"), false)?;
    let body = PyDict::new(py);
    body.set_item(intern!(py, "type"), intern!(py, "http.response.body"))?;
    body.set_item(intern!(py, "body"), answer.body(py))?;
    Ok([head.into_any(), body.into_any()])
}
