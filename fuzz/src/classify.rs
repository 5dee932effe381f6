//! `classify` and `needs_body`, held against the rulings, as laws that share no code with the
//! tables.

use std::iter::once;

use arbitrary::{Arbitrary, Result, Unstructured};
use mcp_session_core::http::{Response as HttpResponse, StatusCode};
use mcp_session_core::internals::Columns;
use mcp_session_core::{
    Action, Era, Method, Misreports, Quirks, Request, Response, Rule, Side, Verdict, classify,
    needs_body, peek,
};
use mcp_session_testing::server::model::{MISREPORTS_400, MISREPORTS_401};

use crate::independent_reader::{Json, Value, json};
use crate::peek::{Reading, reading};

/// Asserts the invariant of the target `classify` for the facts that these bytes spell.
///
/// # Panics
///
/// The invariant does not hold: a finding.
pub fn check(data: &[u8]) {
    let Ok(facts) = Facts::arbitrary(&mut Unstructured::new(data)) else { return };
    facts.exchange(assert_laws);
}

/// Asserts every law for one exchange, as each side sees it. `request_body` is what
/// `request.message` was read from.
///
/// # Panics
///
/// A law does not hold: a finding.
pub fn assert_laws(request: &Request<'_>, response: &Response<'_>, request_body: Option<&[u8]>) {
    for side in SIDES {
        let case = Case::new(side, request, response, request_body);
        for (law, holds) in LAWS {
            assert!(
                holds(&case) != Some(false),
                "{law}: {side:?} {:?} {} {:?}",
                request.method,
                response.status,
                case.verdict
            );
        }
    }
}

/// The laws that have something to say of these bytes, by name.
pub fn laws(data: &[u8]) -> Vec<&'static str> {
    let mut spoken = Vec::new();
    let Ok(facts) = Facts::arbitrary(&mut Unstructured::new(data)) else { return spoken };
    facts.exchange(|request, response, body| {
        for side in SIDES {
            let case = Case::new(side, request, response, body);
            let speaking = LAWS.iter().filter(|(_, holds)| holds(&case).is_some());
            spoken.extend(speaking.map(|(law, _)| *law));
        }
    });
    spoken
}

/// A law by its name, and whether it holds; `None` where it has nothing to say.
pub type Law = (&'static str, fn(&Case<'_>) -> Option<bool>);

/// The rulings, one by one.
pub const LAWS: &[Law] = &[
    ("exactly one row decides", one_row_decides),
    ("a modern exchange passes through", modern_passes_through),
    ("an HTTP method that MCP does not use passes through", other_methods_pass_through),
    ("nothing attached, nothing cleared and nothing corrected", nothing_attached),
    ("an attached ID counts, whatever it looks like", attached_however_it_looks),
    ("an answer is there exactly if one is to be given", answer_is_complete),
    ("the body is needed exactly where bodies lead to different actions", body_where_needed),
    ("no ID is shown", no_id_is_shown),
    ("client: an ID is adopted from a 2xx to initialize and nothing else", adoption),
    ("client: a 404 to an attached ID ends the session, whatever its body", not_found_ends),
    ("client: a DELETE is done at 2xx, 404 and 405", delete_is_done),
    ("client: without quirks, nothing else ends a session", nothing_else_ends),
    ("client: without quirks, the body changes no action", body_is_no_matter),
    ("client: quirks act upon the whole of a named text", quirks_by_the_whole_text),
    ("client: the query and the media type change nothing", client_ignores),
    ("client: a 404 to the opening initialize has a row of its own", opening_not_found),
    ("client: a client answers nothing and withholds nothing", client_only_acts),
    ("server: a 404 to an attached ID goes out in the canonical form", canonical_not_found),
    ("server: a misreport of a terminated session becomes a 404", misreport_is_corrected),
    ("server: no other answer becomes a 404", nothing_else_is_corrected),
    ("on each side, what a caller lists itself is a misreport", own_misreport),
    ("server: an answer that is no success bears no session ID", no_id_on_errors),
    ("server: the ID in the header goes before the one in the query", header_before_query),
    ("server: what was corrected is not corrected again", corrected_once),
];

const SIDES: [Side; 3] =
    [Side::Client(Quirks::Ignore), Side::Client(Quirks::Recognize), Side::Server];

/// What callers list themselves, if they do; the first as it is compared.
const OWN: (u16, [&str; 2]) = (409, ["gone fishing", "Bad Request: Gone  Fishing."]);
const RESUME_NOT_FOUND: &str = "Encounter an error when resume session: Session not found: ";
const RESUME_TERMINATED: &str =
    "Encounter an error when resume session: Session error: Session service terminated";
const TEXT_LIMIT: usize = 4096;
const LEGACY: [&[u8]; 5] =
    [b"2024-10-07", b"2024-11-05", b"2025-03-26", b"2025-06-18", b"2025-11-25"];

/// One exchange seen from one side, its verdict, and the answers to the questions that the
/// rulings ask of it, worked out without the core.
pub struct Case<'a> {
    side: Side,
    request: &'a Request<'a>,
    response: &'a Response<'a>,
    verdict: Verdict<'a>,
    is_modern: bool,
    is_initialize: bool,
    /// The value that counts as attached.
    attached: Option<&'a [u8]>,
    request_body: Option<&'a [u8]>,
}

impl<'a> Case<'a> {
    fn new(
        side: Side,
        request: &'a Request<'a>,
        response: &'a Response<'a>,
        request_body: Option<&'a [u8]>,
    ) -> Self {
        let posted = request_body.filter(|_| request.method == Method::Post).and_then(reading);
        let is_initialize = posted.as_ref().is_some_and(Reading::is_initialize);
        let has_value = |value: &&[u8]| !value.is_empty();
        let is_modern = !is_initialize
            && match request.protocol_version.filter(has_value) {
                Some(version) => !LEGACY.contains(&version),
                None => posted.is_some_and(|reading| reading.era() == Era::Modern),
            };
        let query = match (side, request.method) {
            (Side::Server, Method::Post) => request.query_session_id,
            (Side::Server, Method::Get | Method::Delete | Method::Other) | (Side::Client(_), _) => {
                None
            }
        };
        Self {
            side,
            request,
            response,
            verdict: classify(side, request, response),
            is_modern,
            is_initialize,
            attached: request.session_id.filter(has_value).or_else(|| query.filter(has_value)),
            request_body,
        }
    }

    fn status(&self) -> u16 {
        self.response.status.as_u16()
    }

    fn action_with(&self, body: Option<&[u8]>) -> Action {
        classify(self.side, self.request, &Response { body, ..*self.response }).action()
    }

    fn response_id(&self) -> Option<&'a [u8]> {
        self.response.session_id.filter(|id| !id.is_empty())
    }

    /// A legacy POST, GET or DELETE with an ID attached: what can tell of a terminated session.
    fn can_tell(&self) -> bool {
        !self.is_modern && self.request.method != Method::Other && self.attached.is_some()
    }

    fn is_client(&self) -> bool {
        self.side != Side::Server
    }

    /// A misreport of the rulings, or one that the caller lists; `None` where the body holds
    /// what the second reader does not read.
    fn is_misreport(&self) -> Option<bool> {
        let listed: &[&str] = match self.status() {
            400 => &MISREPORTS_400,
            401 => &MISREPORTS_401,
            _ => &[],
        };
        Some(self.says(listed)? || self.is_own_misreport()?)
    }

    fn is_own_misreport(&self) -> Option<bool> {
        let (status, [text, _]) = OWN;
        if self.has_own() && self.status() == status { self.says(&[text]) } else { Some(false) }
    }

    fn has_own(&self) -> bool {
        *self.response.misreports != Misreports::none()
    }

    /// Whether the body says one of these and nothing else.
    fn says(&self, texts: &[&str]) -> Option<bool> {
        let is_challenge =
            matches!(self.status(), 401 | 403) && self.response.www_authenticate.is_some();
        let is_encoded = self.response.content_encoding.is_some();
        let Some(body) = self.response.body.filter(|_| !is_challenge && !is_encoded) else {
            return Some(false);
        };
        if texts.is_empty() || body.len() > TEXT_LIMIT {
            return Some(false);
        }
        let is_said = |said: &[u8]| texts.iter().any(|text| text.as_bytes() == normal(said));
        if is_said(body.trim_ascii()) {
            return Some(true);
        }
        let value = match json(body) {
            Json::Read(value) => value,
            Json::Refused => return Some(false),
            Json::Differs => return None,
        };
        let error = value.sole("error");
        let strings =
            [error.as_ref().and_then(|it| it.sole("message")), value.sole("message"), error];
        let said = |it: Value<'_>| it.text().is_some_and(|text| is_said(text.as_bytes()));
        Some(strings.into_iter().flatten().any(said))
    }

    fn is_resume_error(&self) -> bool {
        let body = self.response.body.filter(|_| self.response.content_encoding.is_none());
        let not_found = [RESUME_NOT_FOUND.as_bytes(), self.attached.unwrap_or_default()].concat();
        self.status() == 500
            && body.filter(|body| body.len() <= TEXT_LIMIT).is_some_and(|body| {
                [&not_found[..], RESUME_TERMINATED.as_bytes()].contains(&body.trim_ascii())
            })
    }

    /// Whether the response is what a server should say of a terminated session; `None` where
    /// its spelling leaves that to the core.
    fn is_canonical(&self) -> Option<bool> {
        let is_json = self.response.content_type.is_some_and(|value| {
            let essence = value.split(|byte| *byte == b';').next().unwrap_or_default();
            essence.trim_ascii().eq_ignore_ascii_case(b"application/json")
        });
        let has_head = self.status() == 404
            && is_json
            && self.response.content_encoding.is_none()
            && self.response_id().is_none();
        let Some(body) = self.response.body.filter(|_| has_head) else { return Some(false) };
        let value = match json(body) {
            Json::Read(value) => value,
            Json::Refused => return Some(false),
            Json::Differs => return None,
        };
        let is_right = value.sole("jsonrpc").is_some_and(|version| version.is_text("2.0"))
            && value.sole("error").is_some_and(|error| {
                error.sole("code").is_some_and(|code| code.is_integer(-32001))
                    && error.sole("message").is_some_and(|message| message.is_any_text())
            })
            && value.count("method") + value.count("result") == 0;
        // Escapes where none are needed are no reason to pass an answer on.
        if !is_right || body.contains(&b'\\') {
            return (!is_right).then_some(false);
        }
        match (value.count("id"), value.sole("id")) {
            (0, _) => Some(true),
            (_, None) => Some(false),
            (_, Some(id)) => match (self.request.method, self.request_body.map(reading)) {
                (Method::Get | Method::Delete | Method::Other, _) => Some(false),
                (Method::Post, None) => Some(id.is_any_text() || id.is_any_number()),
                (Method::Post, Some(Some(reading))) => match reading.request_id() {
                    Some(requested) => id.is_same(requested),
                    None => Some(false),
                },
                (Method::Post, Some(None)) => None,
            },
        }
    }
}

/// The normal form, by another way than the core's.
fn normal(text: &[u8]) -> Vec<u8> {
    let mut form: Vec<u8> = Vec::new();
    for byte in text {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0C if form.last() == Some(&b' ') => {}
            b' ' | b'\t' | b'\n' | b'\r' | 0x0C => form.push(b' '),
            b'A'..=b'Z' => form.push(byte + 32),
            _ => form.push(*byte),
        }
    }
    if form.last() == Some(&b'.') {
        form.pop();
    }
    for lead in ["bad request: ", "invalid request: ", "unauthorized: "] {
        if form.starts_with(lead.as_bytes()) {
            return form.split_off(lead.len());
        }
    }
    form
}

// ---- On every side

fn one_row_decides(case: &Case<'_>) -> Option<bool> {
    let cell = Columns::of(case.side, case.request, case.response);
    let covering: Vec<Rule> = Rule::ALL.iter().copied().filter(|it| it.covers(&cell)).collect();
    Some(covering == [case.verdict.rule()])
}

fn modern_passes_through(case: &Case<'_>) -> Option<bool> {
    let rule = if case.is_client() { Rule::ModernExchange } else { Rule::ModernAnswer };
    let decided = (case.verdict.action(), case.verdict.rule());
    let is_ruled_so = case.verdict.rule() == rule;
    Some(if case.is_modern { decided == (Action::PassThrough, rule) } else { !is_ruled_so })
}

fn other_methods_pass_through(case: &Case<'_>) -> Option<bool> {
    (case.request.method == Method::Other).then(|| case.verdict.action() == Action::PassThrough)
}

fn nothing_attached(case: &Case<'_>) -> Option<bool> {
    case.attached
        .is_none()
        .then(|| matches!(case.verdict.action(), Action::PassThrough | Action::AdoptSession))
}

fn attached_however_it_looks(case: &Case<'_>) -> Option<bool> {
    // That one text quotes the ID.
    if case.attached.is_none() || case.status() == 500 {
        return None;
    }
    Some([&b"x"[..], b"a, b", b"\xFF"].into_iter().all(|other| {
        let request = Request { session_id: Some(other), ..*case.request };
        classify(case.side, &request, case.response) == case.verdict
    }))
}

fn answer_is_complete(case: &Case<'_>) -> Option<bool> {
    let Some(answer) = case.verdict.response() else {
        return Some(case.verdict.action() != Action::NotFoundResponse);
    };
    let id = case
        .request
        .message
        .filter(|_| case.request.method == Method::Post)
        .and_then(|message| message.echoed_id())
        .map_or_else(String::new, |id| format!(",\"id\":{}", id.as_str()));
    let body = format!(
        r#"{{"jsonrpc":"2.0","error":{{"code":-32001,"message":"Session not found"}}{id}}}"#
    );
    Some(
        case.verdict.action() == Action::NotFoundResponse
            && answer.status() == StatusCode::NOT_FOUND
            && answer.body() == body,
    )
}

fn body_where_needed(case: &Case<'_>) -> Option<bool> {
    let unread = case.action_with(None);
    let resume = [RESUME_NOT_FOUND.as_bytes(), case.attached.unwrap_or_default()].concat();
    let canonical = br#"{"jsonrpc":"2.0","error":{"code":-32001,"message":"gone"}}"#;
    let (_, [own, _]) = OWN;
    let matters = MISREPORTS_400
        .iter()
        .map(|text| text.as_bytes())
        .chain([&resume[..], RESUME_TERMINATED.as_bytes(), canonical, own.as_bytes()])
        .chain(case.response.body)
        .any(|body| case.action_with(Some(body)) != unread);
    Some(needs_body(case.side, case.request, case.response) == matters)
}

fn no_id_is_shown(case: &Case<'_>) -> Option<bool> {
    let shown = format!("{:?}", case.verdict);
    let ids: Vec<&str> = [case.request.session_id, case.request.query_session_id]
        .into_iter()
        .chain(once(case.response.session_id))
        .flatten()
        .filter_map(|id| std::str::from_utf8(id).ok())
        .filter(|id| id.starts_with(SECRET))
        .collect();
    // The JSON-RPC id of the request is no secret, whatever it spells.
    let is_spelled = |body: &[u8]| String::from_utf8_lossy(body).contains(SECRET);
    if ids.is_empty() || case.request_body.is_some_and(is_spelled) {
        return None;
    }
    Some(!shown.contains(SECRET))
}

// ---- On the client side

fn adoption(case: &Case<'_>) -> Option<bool> {
    let offered = case.response_id().filter(|id| id.iter().all(|it| matches!(it, 0x21..=0x7E)));
    let expected = offered
        .filter(|_| case.is_client() && case.is_initialize && (200..300).contains(&case.status()));
    let adopted = case.verdict.session_id().map(|id| id.as_str().as_bytes());
    let adopts = case.verdict.action() == Action::AdoptSession;
    Some(adopted == expected && adopts == expected.is_some())
}

fn not_found_ends(case: &Case<'_>) -> Option<bool> {
    if !(case.is_client() && case.can_tell() && case.status() == 404) {
        return None;
    }
    let decided = (case.verdict.action(), case.verdict.rule());
    Some(match case.request.method {
        Method::Post => decided == (Action::ClearAndReinit, Rule::TerminatedPost),
        Method::Get => decided == (Action::ClearAndReinit, Rule::TerminatedGet),
        Method::Delete => decided == (Action::Clear, Rule::DeleteAcknowledged),
        Method::Other => false,
    })
}

fn delete_is_done(case: &Case<'_>) -> Option<bool> {
    let is_done = matches!(case.status(), 200..=299 | 404 | 405);
    let is_delete = case.request.method == Method::Delete;
    (case.is_client() && case.can_tell() && is_delete && is_done)
        .then(|| case.verdict.action() == Action::Clear)
}

fn nothing_else_ends(case: &Case<'_>) -> Option<bool> {
    let is_delete = case.request.method == Method::Delete;
    let ends = case.can_tell()
        && (case.status() == 404 || (is_delete && matches!(case.status(), 200..=299 | 405)));
    if case.side != Side::Client(Quirks::Ignore) || ends || case.is_own_misreport() != Some(false) {
        return None;
    }
    Some(matches!(case.verdict.action(), Action::PassThrough | Action::AdoptSession))
}

fn body_is_no_matter(case: &Case<'_>) -> Option<bool> {
    if case.side != Side::Client(Quirks::Ignore) || case.has_own() {
        return None;
    }
    let codes = [-32000, -32001, -32022, -32601]
        .map(|code| format!(r#"{{"error":{{"code":{code},"message":"Session not found"}}}}"#));
    let texts = MISREPORTS_400.iter().map(|text| text.as_bytes());
    let bodies = texts.chain(codes.iter().map(String::as_bytes)).map(Some).chain(once(None));
    Some(bodies.into_iter().all(|body| case.action_with(body) == case.verdict.action()))
}

fn quirks_by_the_whole_text(case: &Case<'_>) -> Option<bool> {
    if case.side != Side::Client(Quirks::Recognize) {
        return None;
    }
    let without = classify(Side::Client(Quirks::Ignore), case.request, case.response);
    if !(case.can_tell() && case.is_misreport()?) {
        return Some(case.verdict == without);
    }
    let text_rule = case.verdict.rule().name().starts_with("Misreport");
    Some(
        text_rule
            && match case.request.method {
                Method::Post | Method::Get => case.verdict.action() == Action::ClearAndReinit,
                Method::Delete => case.verdict.action() == Action::Clear,
                Method::Other => false,
            },
    )
}

fn own_misreport(case: &Case<'_>) -> Option<bool> {
    if !(case.can_tell() && case.is_own_misreport()?) {
        return Some(case.verdict.rule() != Rule::MisreportOfCaller);
    }
    let action = match (case.is_client(), case.request.method) {
        (true, Method::Post | Method::Get) => Action::ClearAndReinit,
        (true, Method::Delete) => Action::Clear,
        (false, Method::Post | Method::Get | Method::Delete) => Action::NotFoundResponse,
        (_, Method::Other) => return Some(false),
    };
    Some((case.verdict.rule(), case.verdict.action()) == (Rule::MisreportOfCaller, action))
}

fn client_ignores(case: &Case<'_>) -> Option<bool> {
    if !case.is_client() {
        return None;
    }
    let request = Request { query_session_id: Some(b"x"), ..*case.request };
    Some([None, Some(&b"application/json"[..]), Some(b"text/html")].into_iter().all(|it| {
        let response = Response { content_type: it, ..*case.response };
        classify(case.side, &request, &response) == case.verdict
    }))
}

fn opening_not_found(case: &Case<'_>) -> Option<bool> {
    let is_opening = case.is_client() && case.is_initialize && case.attached.is_none();
    let is_ruled_so = case.verdict.rule() == Rule::OpeningNotFound;
    Some(is_ruled_so == (is_opening && case.status() == 404))
}

fn client_only_acts(case: &Case<'_>) -> Option<bool> {
    case.is_client().then(|| {
        case.verdict.session_header().is_forwarded()
            && case.verdict.response().is_none()
            && match case.verdict.action() {
                Action::PassThrough
                | Action::AdoptSession
                | Action::ClearAndReinit
                | Action::Clear => true,
                Action::NotFoundResponse
                | Action::BadRequestResponse
                | Action::UnavailableResponse => false,
            }
    })
}

// ---- On the server side

fn canonical_not_found(case: &Case<'_>) -> Option<bool> {
    if case.is_client() || !case.can_tell() || case.status() != 404 {
        return None;
    }
    let passes = case.verdict.action() == Action::PassThrough;
    let corrects = case.verdict.action() == Action::NotFoundResponse;
    let expected = case.is_canonical()?;
    Some((passes, corrects) == (expected, !expected))
}

fn misreport_is_corrected(case: &Case<'_>) -> Option<bool> {
    let is_told = !case.is_client() && case.can_tell();
    (is_told && (case.is_misreport()? || case.is_resume_error()))
        .then(|| case.verdict.action() == Action::NotFoundResponse)
}

fn nothing_else_is_corrected(case: &Case<'_>) -> Option<bool> {
    if case.is_client() {
        return None;
    }
    let is_terminated =
        case.status() == 404 || case.is_resume_error() || case.is_misreport() != Some(false);
    (!(case.can_tell() && is_terminated)).then(|| case.verdict.action() == Action::PassThrough)
}

fn no_id_on_errors(case: &Case<'_>) -> Option<bool> {
    let bears = case.response_id().is_some();
    let withholds = bears && !(200..300).contains(&case.status());
    (!case.is_client()).then(|| case.verdict.session_header().is_forwarded() != withholds)
}

fn header_before_query(case: &Case<'_>) -> Option<bool> {
    let in_header = case.request.session_id.is_some_and(|id| !id.is_empty());
    let request = Request { query_session_id: Some(b"q"), ..*case.request };
    (!case.is_client() && in_header)
        .then(|| classify(case.side, &request, case.response) == case.verdict)
}

fn corrected_once(case: &Case<'_>) -> Option<bool> {
    let answer = case.verdict.response().filter(|_| !case.is_client())?;
    let (parts, body) = HttpResponse::<Vec<u8>>::from(answer).into_parts();
    let response = Response::from_parts(&parts, Some(&body));
    let again = classify(case.side, case.request, &response);
    Some((again.action(), again.rule()) == (Action::PassThrough, Rule::CanonicalNotFound))
}

// ---- Facts out of bytes

/// What the IDs that are looked for begin with.
const SECRET: &str = "c0ffee-1868a90c";

/// The facts of an exchange, each spelled by a byte that chooses among what is worth trying,
/// or says that the bytes themselves follow.
struct Facts {
    method: Method,
    status: StatusCode,
    session_id: Option<Vec<u8>>,
    query_session_id: Option<Vec<u8>>,
    protocol_version: Option<Vec<u8>>,
    request_body: Option<Vec<u8>>,
    response_session_id: Option<Vec<u8>>,
    content_type: Option<Vec<u8>>,
    content_encoding: Option<Vec<u8>>,
    www_authenticate: Option<Vec<u8>>,
    response_body: Option<Vec<u8>>,
    misreports: Misreports,
}

impl<'a> Arbitrary<'a> for Facts {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        const IDS: &[&str] = &["", "c0ffee-1868a90c", "c0ffee-1868a90c, x", "two words", "é"];
        let method = match u8::arbitrary(input)? % 8 {
            0..=3 => Method::Post,
            4 | 5 => Method::Get,
            6 => Method::Delete,
            7.. => Method::Other,
        };
        let status = status(input)?;
        let session_id = value(input, IDS)?;
        Ok(Self {
            method,
            status,
            query_session_id: value(input, IDS)?,
            protocol_version: value(
                input,
                &["", "2025-11-25", "2024-11-05", "2026-07-28", "2025-06-18 ", "9999-01-01"],
            )?,
            request_body: value(input, REQUESTS)?,
            response_session_id: value(input, IDS)?,
            content_type: value(
                input,
                &["application/json", "Application/JSON ; charset=utf-8", "text/plain", ""],
            )?,
            content_encoding: value(input, &["gzip", "identity", ""])?,
            www_authenticate: value(input, &["Bearer", ""])?,
            response_body: response_body(input, session_id.as_deref())?,
            misreports: misreports(input)?,
            session_id,
        })
    }
}

const REQUESTS: &[&str] = &[
    r#"{"jsonrpc":"2.0","id":0,"method":"initialize"}"#,
    r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#,
    r#"{"jsonrpc":"2.0","id":"abc-1","method":"tools/list"}"#,
    r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
    r#"{"jsonrpc":"2.0","id":3,"result":{}}"#,
    r#"[{"jsonrpc":"2.0","id":7,"method":"tools/list"}]"#,
    r#"{"id":7,"method":"m","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#,
    r#"{"id":0,"method":"initialize","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#,
    r#"{"method":"initialize"}"#,
    "{",
    "",
];

impl Facts {
    fn exchange(&self, look: impl FnOnce(&Request<'_>, &Response<'_>, Option<&[u8]>)) {
        let request = Request {
            method: self.method,
            session_id: self.session_id.as_deref(),
            query_session_id: self.query_session_id.as_deref(),
            protocol_version: self.protocol_version.as_deref(),
            message: self.request_body.as_deref().map(peek),
        };
        let response = Response {
            status: self.status,
            session_id: self.response_session_id.as_deref(),
            content_type: self.content_type.as_deref(),
            content_encoding: self.content_encoding.as_deref(),
            www_authenticate: self.www_authenticate.as_deref(),
            body: self.response_body.as_deref(),
            misreports: &self.misreports,
        };
        look(&request, &response, self.request_body.as_deref());
    }
}

fn status(input: &mut Unstructured<'_>) -> Result<StatusCode> {
    const STATUSES: [u16; 16] =
        [404, 200, 202, 400, 401, 403, 405, 500, 299, 300, 199, 409, 410, 501, 503, 204];
    let chosen = usize::from(u8::arbitrary(input)?);
    let status = match STATUSES.get(chosen) {
        Some(status) => *status,
        None => 100 + u16::arbitrary(input)? % 900,
    };
    Ok(StatusCode::from_u16(status).expect("100 to 999"))
}

/// 0: none. The next: one of these. The others: as many bytes as the next one says.
fn value(input: &mut Unstructured<'_>, worth_trying: &[&str]) -> Result<Option<Vec<u8>>> {
    let chosen = usize::from(u8::arbitrary(input)?);
    if chosen == 0 {
        return Ok(None);
    }
    match worth_trying.get(chosen - 1) {
        Some(text) => Ok(Some(text.as_bytes().to_vec())),
        None => any_bytes(input).map(Some),
    }
}

fn any_bytes(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let length = usize::from(u8::arbitrary(input)?).min(input.len());
    Ok(input.bytes(length)?.to_vec())
}

/// An odd byte: the caller's own. Without one, none.
fn misreports(input: &mut Unstructured<'_>) -> Result<Misreports> {
    let (status, [_, text]) = OWN;
    if u8::arbitrary(input)? % 2 == 0 {
        return Ok(Misreports::none());
    }
    let status = StatusCode::from_u16(status).expect("a refusal");
    Ok(Misreports::new([(status, text)]).expect("one of few bytes"))
}

/// 0: none. The next: one of the texts of the rulings, or nearly. The others: any bytes.
fn response_body(
    input: &mut Unstructured<'_>,
    session_id: Option<&[u8]>,
) -> Result<Option<Vec<u8>>> {
    let chosen = u8::arbitrary(input)?;
    let which = u8::arbitrary(input)?;
    let texts: Vec<&str> = MISREPORTS_400.into_iter().chain(OWN.1).collect();
    let text = texts[usize::from(which) % texts.len()];
    let id = ["7", "7.0", r#""abc-1""#, "null", "8", "{}"][usize::from(which) % 6];
    let error = r#""error":{"code":-32001,"message":"Session not found"}"#;
    Ok(Some(match chosen {
        0 => return Ok(None),
        1 => text.into(),
        2 => format!("\r\n {text}\t").into(),
        3 => format!(r#"{{"error":{{"code":-32000,"message":"{text}"}}}}"#).into(),
        4 => format!("{text}.").into(),
        5 => format!(r#"{{"error":{{"message":"{text}"}},"error":{{"message":"x"}}}}"#).into(),
        6 => format!("{text:<0$}", TEXT_LIMIT + usize::from(which & 1)).into(),
        7 => format!(r#"{{"jsonrpc":"2.0",{error},"id":{id}}}"#).into(),
        8 => format!(r#" {{ {error} , "jsonrpc" : "2.0" }} "#).into(),
        9 => format!(r#"{{"jsonrpc":"2.0",{error},"id":{id},"id":{id}}}"#).into(),
        10 => format!(r#"{{"jsonrpc":"2.0",{error},"result":{{}}}}"#).into(),
        11 => br#"{"jsonrpc":"2.0","error":{"code":-32601,"message":"x"},"id":7}"#.into(),
        12 => br#"{"jsonrpc":"2.0","error":{"code":-32022,"message":"x"},"id":7}"#.into(),
        13 => [RESUME_NOT_FOUND.as_bytes(), session_id.unwrap_or_default()].concat(),
        14 => format!("{RESUME_NOT_FOUND}somebody-elses").into(),
        15 => RESUME_TERMINATED.into(),
        16 => format!("{RESUME_TERMINATED}.").into(),
        17 => format!("BAD REQUEST: {text}.").into(),
        18 => format!(r#"{{"error":"{}"}}"#, text.to_uppercase()).into(),
        19 => format!(r#"{{"error":"Conflict","message":"Invalid  Request: {text}"}}"#).into(),
        20 => format!(r#"{{"error":{{"message":"Bad Request: Unauthorized: {text}"}}}}"#).into(),
        21 => format!(r#"{{"message":"{text}","message":"{text}"}}"#).into(),
        22.. => any_bytes(input)?,
    }))
}
