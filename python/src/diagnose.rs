//! Recorded exchanges, and the story that the core tells of them. For the command line.

use mcp_session_core::diagnose::{
    Beginning, Finding as CoreFinding, Recorded, SessionStory, Story as CoreStory,
    diagnose as core_diagnose,
};
use mcp_session_core::wire::{HeadError, RawRequest, RawResponse};
use mcp_session_core::{Kind, Quirks, Request, Response, SessionId, classify, peek};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::arguments::{
    Body, MethodArgument, Optional, QuirksArgument, SideArgument, StatusArgument, look_at,
};
use crate::enums;
use crate::values::Verdict;

/// One exchange of a recording, whole.
///
/// `endpoint` (`str`) is the host, port and path of the request in whatever form tells
/// endpoints apart, `query` what followed it behind a `?`. Headers are pairs of `str`; bodies
/// are `bytes`, or `None` where they are not known. `status` is `None` where no answer came.
/// `sent` and `answered` (`int`) are in any unit that all exchanges of a recording share.
///
/// Frozen. Raises `TypeError` for a wrong type, `ValueError` for a `status` or `method` that
/// HTTP does not have. It has no `repr` of its own: headers are credentials.
#[pyclass(frozen, module = "mcp_session._core")]
pub(crate) struct RecordedExchange {
    endpoint: String,
    query: String,
    method: String,
    request: Half,
    status: Option<StatusArgument>,
    response: Half,
    sent: u64,
    answered: u64,
    remarks: Vec<String>,
}

struct Half {
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

#[pymethods]
impl RecordedExchange {
    #[new]
    #[pyo3(signature = (
        method, endpoint, query, request_headers, request_body, status, response_headers,
        response_body, *, sent, answered, remarks
    ))]
    #[expect(clippy::too_many_arguments, reason = "the facts of an exchange")]
    fn new(
        method: &Bound<'_, PyAny>,
        endpoint: String,
        query: String,
        request_headers: Vec<(String, String)>,
        request_body: Optional<'_, '_>,
        status: Option<StatusArgument>,
        response_headers: Vec<(String, String)>,
        response_body: Optional<'_, '_>,
        sent: u64,
        answered: u64,
        remarks: Vec<String>,
    ) -> PyResult<Self> {
        let _: MethodArgument = method.extract()?;
        let owned = |name, body| -> PyResult<Option<Vec<u8>>> {
            Ok(Body::optional(name, body)?.map(|body| body.bytes().to_vec()))
        };
        Ok(Self {
            endpoint,
            query,
            method: method.extract()?,
            request: Half { headers: request_headers, body: owned("request_body", request_body)? },
            status,
            response: Half {
                headers: response_headers,
                body: owned("response_body", response_body)?,
            },
            sent,
            answered,
            remarks,
        })
    }

    /// Read raw HTTP/1.1 bytes. `place` goes before the host of the endpoint.
    ///
    /// Raises `ValueError` with the arguments `"request"` or `"response"`, the byte at which
    /// its head is broken, and what is wrong there.
    #[staticmethod]
    #[pyo3(signature = (request, response, *, place, sent, answered))]
    fn parse(
        py: Python<'_>,
        request: &Bound<'_, PyAny>,
        response: &Bound<'_, PyAny>,
        place: &str,
        sent: u64,
        answered: u64,
    ) -> PyResult<Self> {
        let request = Body::of("request", request.as_borrowed())?;
        let response = Body::of("response", response.as_borrowed())?;
        let length = request.bytes().len() + response.bytes().len();
        look_at(py, length, || Self::of(request.bytes(), response.bytes(), place, sent, answered))
    }

    /// The HTTP method, as it stood.
    #[getter]
    fn method(&self) -> &str {
        &self.method
    }

    /// The host, port and path.
    #[getter]
    fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The HTTP status; `None` if no answer came.
    #[getter]
    fn status(&self) -> Option<u16> {
        self.status.as_ref().map(|status| status.0.as_u16())
    }

    /// What is worth saying about the bodies.
    #[getter]
    fn remarks(&self) -> Vec<String> {
        self.remarks.clone()
    }

    /// The body of the request; `None` where it is not known.
    #[getter]
    fn request_body<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.request.body.as_ref().map(|body| PyBytes::new(py, body))
    }

    /// The method of the JSON-RPC message that was posted, what else it is, or `None`.
    #[getter]
    fn message(&self, py: Python<'_>) -> Option<String> {
        let posted = self.request.body.as_deref().filter(|_| self.method == "POST")?;
        let message = look_at(py, posted.len(), || peek(posted));
        match message.kind() {
            Kind::Request | Kind::Notification => message.method().map(|it| it.into_owned()),
            Kind::Response => Some("(response)".to_owned()),
            Kind::Batch => Some("(batch)".to_owned()),
            Kind::Malformed => None,
        }
    }

    /// The first value of a header of the request, or `None`.
    fn request_header(&self, name: &str) -> Option<&str> {
        self.request.header(name)
    }

    /// The first value of a header of the response, or `None`.
    fn response_header(&self, name: &str) -> Option<&str> {
        self.response.header(name)
    }

    /// Whether a session ID was attached: `no`, `yes` or `ill-formed`.
    #[pyo3(signature = (*, side))]
    fn attached(&self, side: SideArgument) -> &'static str {
        let headers = self.request.lines();
        let request = Request::from_headers(&self.method, &self.query, &headers, None);
        match request.attached_id(side.with(QuirksArgument(Quirks::Ignore))) {
            None => "no",
            Some(id) if SessionId::parse(id).is_some() => "yes",
            Some(_) => "ill-formed",
        }
    }

    /// The verdict (`Verdict`); `None` if no answer came.
    #[pyo3(signature = (*, side, quirks))]
    fn verdict(
        &self,
        py: Python<'_>,
        side: SideArgument,
        quirks: QuirksArgument,
    ) -> PyResult<Option<Py<Verdict>>> {
        let (sent, came) = (self.request.lines(), self.response.lines());
        let length = [&self.request, &self.response].map(|it| it.body.as_ref().map_or(0, Vec::len));
        let length = length.iter().sum();
        let recorded = look_at(py, length, || self.recorded(&sent, &came));
        let Some(response) = recorded.response else { return Ok(None) };
        let side = side.with(quirks);
        let verdict = look_at(py, length, || classify(side, &recorded.request, &response));
        Verdict::of(py, &verdict).map(Some)
    }
}

impl RecordedExchange {
    fn of(
        request: &[u8],
        response: &[u8],
        place: &str,
        sent: u64,
        answered: u64,
    ) -> PyResult<Self> {
        let broken = |part: &'static str| {
            move |error: HeadError| {
                PyValueError::new_err((part, error.offset(), error.reason().to_string()))
            }
        };
        let request = RawRequest::parse(request).map_err(broken("request"))?;
        let response = RawResponse::parse(response, &request).map_err(broken("response"))?;
        let remarks = request
            .remarks()
            .iter()
            .map(|remark| format!("request: {remark}"))
            .chain(response.remarks().iter().map(|remark| format!("response: {remark}")))
            .collect();
        let sent_half = Half::of(request.headers(), request.body());
        let host = sent_half.header("host").unwrap_or_default();
        Ok(Self {
            endpoint: format!("{place}{host}{}", request.path()),
            query: request.query().to_owned(),
            method: request.method().to_owned(),
            status: Some(StatusArgument(response.facts().status)),
            response: Half::of(response.headers(), response.body()),
            request: sent_half,
            sent,
            answered,
            remarks,
        })
    }

    fn recorded<'a>(
        &'a self,
        sent: &[(&str, &'a [u8])],
        came: &[(&str, &'a [u8])],
    ) -> Recorded<'a> {
        let request =
            Request::from_headers(&self.method, &self.query, sent, self.request.body.as_deref());
        let response = self
            .status
            .as_ref()
            .map(|status| Response::from_headers(status.0, came, self.response.body.as_deref()));
        Recorded {
            endpoint: &self.endpoint,
            request,
            last_event_id: self.request.header("last-event-id").map(str::as_bytes),
            response,
            sent: self.sent,
            answered: self.answered,
        }
    }
}

impl Half {
    fn of(headers: Vec<(&str, &[u8])>, body: Option<&[u8]>) -> Self {
        let owned = |(name, value): (&str, &[u8])| {
            (name.to_owned(), String::from_utf8_lossy(value).into_owned())
        };
        Self { headers: headers.into_iter().map(owned).collect(), body: body.map(<[u8]>::to_vec) }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    fn lines(&self) -> Vec<(&str, &[u8])> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
    }
}

/// Tell what happened to the sessions of a recording.
///
/// `exchanges` is a list of `RecordedExchange`, in any order. Returns a `Story`, in which they
/// are numbered from 0 as they were given.
#[pyfunction]
pub(crate) fn diagnose(
    py: Python<'_>,
    exchanges: Vec<PyRef<'_, RecordedExchange>>,
) -> PyResult<Story> {
    let exchanges: Vec<&RecordedExchange> = exchanges.iter().map(|it| &**it).collect();
    let story = py.detach(|| {
        let lines: Vec<_> =
            exchanges.iter().map(|it| (it.request.lines(), it.response.lines())).collect();
        let recorded: Vec<_> = exchanges
            .iter()
            .zip(&lines)
            .map(|(exchange, (sent, came))| exchange.recorded(sent, came))
            .collect();
        core_diagnose(&recorded)
    });
    Story::of(py, &story, &exchanges)
}

/// What happened to the sessions of a recording.
#[pyclass(frozen, module = "mcp_session._core")]
pub(crate) struct Story {
    // Each is made once: as a list it would be made anew, whole, at each use.
    /// Of each exchange, the number of the session that it belongs to, or `None`.
    #[pyo3(get)]
    session_of: Py<PyTuple>,
    /// Of each exchange, the verdict of a client that acts on misreports, as its `Action` and
    /// its `Rule`; `None` where no answer came.
    #[pyo3(get)]
    verdict_of: Py<PyTuple>,
    /// The sessions, in the order in which they came up.
    #[pyo3(get)]
    sessions: Py<PyTuple>,
    /// What was wrong, in the order in which it happened.
    #[pyo3(get)]
    findings: Py<PyTuple>,
}

impl Story {
    fn of(py: Python<'_>, story: &CoreStory, exchanges: &[&RecordedExchange]) -> PyResult<Self> {
        let verdict = |(action, rule)| -> PyResult<(Py<PyAny>, Py<PyAny>)> {
            Ok((enums::action(py, action)?, enums::rule(py, rule)?))
        };
        let verdicts = story.exchanges.iter().map(|exchange| exchange.verdict.map(verdict));
        let verdicts = verdicts.map(Option::transpose).collect::<PyResult<Vec<_>>>()?;
        let session_of: Vec<_> = story.exchanges.iter().map(|exchange| exchange.session).collect();
        let sessions = story.sessions.iter().map(|it| RecordedSession::of(py, it, exchanges));
        let sessions = sessions.map(|it| Py::new(py, it?)).collect::<PyResult<Vec<_>>>()?;
        let findings = story.findings.iter().map(|it| Py::new(py, Finding::of(py, it)?));
        let findings = findings.collect::<PyResult<Vec<_>>>()?;
        Ok(Self {
            verdict_of: tuple(py, verdicts)?,
            session_of: tuple(py, session_of)?,
            sessions: tuple(py, sessions)?,
            findings: tuple(py, findings)?,
        })
    }
}

/// One session of a recording.
#[pyclass(frozen, module = "mcp_session._core")]
pub(crate) struct RecordedSession {
    /// The ID: a credential.
    #[pyo3(get)]
    id: String,
    /// Whether its ID was given out in the recording, or before.
    #[pyo3(get)]
    is_assigned: bool,
    /// The exchange in which it came up.
    #[pyo3(get)]
    began: usize,
    /// Which session of this ID it is, from 1 on.
    #[pyo3(get)]
    generation: usize,
    /// Its exchanges, in the order in which they were sent.
    #[pyo3(get)]
    exchanges: Py<PyTuple>,
    /// How many of them were requests that the server served.
    #[pyo3(get)]
    served: usize,
    /// The exchange that ended it, or `None`.
    #[pyo3(get)]
    ended: Option<usize>,
    /// The `initialize` that was sent to replace it, or `None`.
    #[pyo3(get)]
    replacement: Option<usize>,
}

impl RecordedSession {
    fn of(
        py: Python<'_>,
        session: &SessionStory,
        exchanges: &[&RecordedExchange],
    ) -> PyResult<Self> {
        let (is_assigned, half): (bool, fn(&RecordedExchange) -> &Half) = match session.beginning {
            Beginning::Assigned => (true, |exchange| &exchange.response),
            Beginning::Earlier => (false, |exchange| &exchange.request),
        };
        let id = exchanges
            .get(session.began)
            .and_then(|exchange| half(exchange).header("mcp-session-id"))
            .unwrap_or_default()
            .to_owned();
        Ok(Self {
            id,
            is_assigned,
            began: session.began,
            generation: session.generation,
            exchanges: tuple(py, session.exchanges.iter().copied())?,
            served: session.served,
            ended: session.ended,
            replacement: session.replacement,
        })
    }
}

/// Something that is wrong in a recording.
#[pyclass(frozen, module = "mcp_session._core")]
pub(crate) struct Finding {
    /// The name of the claim.
    #[pyo3(get)]
    claim: &'static str,
    /// Who was wrong: `client`, `server` or `gateway`.
    #[pyo3(get)]
    party: &'static str,
    /// What was wrong, in one sentence.
    #[pyo3(get)]
    summary: &'static str,
    /// The sentence of the specification that the claim rests on.
    #[pyo3(get)]
    quote: &'static str,
    /// Where that sentence stands.
    #[pyo3(get)]
    url: &'static str,
    /// The revision of the specification that it is quoted from.
    #[pyo3(get)]
    revision: &'static str,
    /// The number of the session that it befell, or `None`.
    #[pyo3(get)]
    session: Option<usize>,
    /// The exchanges that show it.
    #[pyo3(get)]
    exchanges: Py<PyTuple>,
}

impl Finding {
    fn of(py: Python<'_>, finding: &CoreFinding) -> PyResult<Self> {
        let sentence = finding.claim.sentence();
        Ok(Self {
            claim: finding.claim.name(),
            party: finding.claim.party().name(),
            summary: finding.claim.summary(),
            quote: sentence.quote,
            url: sentence.url,
            revision: sentence.revision,
            session: finding.session,
            exchanges: tuple(py, finding.exchanges.iter().copied())?,
        })
    }
}

fn tuple<'py, T, I>(py: Python<'py>, items: I) -> PyResult<Py<PyTuple>>
where
    T: IntoPyObject<'py>,
    I: IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
{
    PyTuple::new(py, items).map(Bound::unbind)
}
