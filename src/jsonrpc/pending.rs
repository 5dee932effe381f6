//! Which requests of a body still wait for their answers.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

#[cfg(feature = "client")]
use super::peek;
use super::{Kind, Message, RequestId, RequestIdKey, json, range_of, readable, spliced};

/// The requests of one POST that wait for their answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PendingAnswers {
    /// Where each stands in `ids`.
    waiting: BTreeMap<RequestIdKey, usize>,
    /// As they stood, in order.
    ids: Vec<String>,
    asked: Asked,
}

/// How the requests were sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Asked {
    /// Its caller reads no batch.
    Alone,
    #[default]
    InABatch,
}

impl PendingAnswers {
    /// Requests with these ids; a single one was in no batch.
    pub(crate) fn of(ids: &[String]) -> Self {
        let asked = if ids.len() == 1 { Asked::Alone } else { Asked::InABatch };
        Self { asked, ..Self::of_batch(ids) }
    }

    /// The requests of a batch.
    pub(crate) fn of_batch(ids: &[String]) -> Self {
        let key = |(at, id): (usize, &String)| Some((RequestId::from_json(id)?.key()?, at));
        let waiting = ids.iter().enumerate().filter_map(key).collect();
        Self { waiting, ids: ids.to_vec(), asked: Asked::InABatch }
    }

    /// Takes a message that came in; says what it is to them, and what their caller is to read
    /// in its place.
    ///
    /// A message answers a request only if it is a response by the schema and its id is the
    /// request's, as a JSON value or as the text of the same integer, alone or in a batch. Its
    /// caller is to read the id as the request bore it, no batch unless it sent one, and no lone
    /// surrogate: mcp 1.x waits for ever over an id with a fraction, over a batch, and over half a
    /// character. `NaN` and `Infinity` the SDKs read, and a `method` that is `null`.
    pub(crate) fn saw(&mut self, body: &[u8]) -> (Heard, Option<Readable>) {
        let Some(text) = json::text(body) else { return (Heard::NoAnswer, None) };
        let repaired = readable::without_lone_surrogates(text);
        let text = repaired.as_deref().unwrap_or(text);
        let (heard, respelled) = self.saw_text(text);
        let of_repaired = |text: String| Readable::alone(text.into_bytes());
        let own =
            respelled.or_else(|| repaired.filter(|_| heard == Heard::Answer).map(of_repaired));
        (heard, own)
    }

    fn saw_text(&mut self, text: &str) -> (Heard, Option<Readable>) {
        let message = Message::of(text);
        if message.kind() != Kind::Malformed {
            return self.saw_message(Text { own: text, read: text }, &message);
        }
        let numbers = readable::with_numbers_for_words(text);
        let text = Text { own: text, read: numbers.as_deref().unwrap_or(text) };
        self.saw_message(text, &Message::of_sdk(text.read))
    }

    fn saw_message(&mut self, text: Text<'_>, message: &Message<'_>) -> (Heard, Option<Readable>) {
        match message.kind() {
            Kind::Batch => self.saw_batch(text, message),
            Kind::Request | Kind::Notification | Kind::Response | Kind::Malformed => {
                match self.saw_single(text.read, message) {
                    Single::Answers { edit } => {
                        let respelled = edit.map(|edit| self.respelled(text, text.read, &[edit]));
                        (Heard::Answer, respelled.map(Readable::alone))
                    }
                    Single::Not(heard) => (heard, None),
                }
            }
        }
    }

    fn saw_batch(&mut self, batch: Text<'_>, message: &Message<'_>) -> (Heard, Option<Readable>) {
        let mut all = None;
        let mut edits = Vec::new();
        let mut answer = None;
        let mut others = Vec::new();
        for (text, member) in message.members_with_text() {
            let heard = match self.saw_single(text, &member) {
                Single::Answers { edit } => {
                    answer = Some((text, edit));
                    edits.extend(edit);
                    Heard::Answer
                }
                Single::Not(heard) => heard,
            };
            if matches!(member.kind(), Kind::Request | Kind::Notification) {
                others.push(text);
            }
            all = Some(all.map_or(heard, |before: Heard| before.and(heard)));
        }
        let readable = match (self.asked, answer) {
            (Asked::Alone, Some((text, edit))) => Some(Readable {
                answer: self.respelled(batch, text, edit.as_slice()),
                others: others.iter().map(|other| self.respelled(batch, other, &[])).collect(),
            }),
            (Asked::InABatch, Some(_)) if !edits.is_empty() => {
                Some(Readable::alone(self.respelled(batch, batch.read, &edits)))
            }
            (Asked::Alone | Asked::InABatch, _) => None,
        };
        (all.unwrap_or(Heard::NoAnswer), readable)
    }

    fn saw_single<'m>(&mut self, text: &str, message: &Message<'m>) -> Single<'m> {
        Single::Not(match (message.kind(), message.id()) {
            (Kind::Response, Some(id)) => match self.key_of(id) {
                Some(key) if message.is_by_the_schema(text) => {
                    let at = self.waiting.remove(&key);
                    let is_other =
                        |at: &usize| self.ids.get(*at).is_some_and(|own| own != id.as_str());
                    return Single::Answers { edit: at.filter(is_other).map(|at| (id, at)) };
                }
                Some(_) => Heard::NoAnswer,
                None if self.may_await(id) => Heard::NoAnswer,
                None => Heard::OthersAnswer,
            },
            (Kind::Response, None) if !message.is_result() => Heard::ErrorOfNone,
            (Kind::Response, None) => Heard::OthersAnswer,
            (Kind::Request | Kind::Notification | Kind::Batch | Kind::Malformed, _) => {
                Heard::NoAnswer
            }
        })
    }

    /// A part of a text with the requests' own ids in it.
    fn respelled(&self, whole: Text<'_>, part: &str, edits: &[(RequestId<'_>, usize)]) -> Vec<u8> {
        let edits = edits.iter().filter_map(|(id, at)| {
            let range = range_of(part.as_bytes(), id.as_str().as_bytes())?;
            Some((range, self.ids.get(*at)?.as_bytes()))
        });
        let place = range_of(whole.read.as_bytes(), part.as_bytes());
        let own = place.and_then(|place| whole.own.as_bytes().get(place)).unwrap_or_default();
        spliced(own, edits)
    }

    /// The members of a batch that answer none of those whose ids are known: its requests and
    /// notifications, and what may be an answer to one whose id is too long to be remembered.
    #[cfg(feature = "client")]
    pub(crate) fn others_in<'d>(&self, data: &'d [u8]) -> Vec<&'d str> {
        let members = peek(data).members_with_text();
        let others = members.filter(|(_, member)| match member.kind() {
            Kind::Request | Kind::Notification => true,
            Kind::Response => member.id().is_some_and(|id| self.may_await(id)),
            Kind::Batch | Kind::Malformed => false,
        });
        others.map(|(text, _)| text).collect()
    }

    #[cfg(feature = "client")]
    pub(crate) fn answered(&mut self, id: RequestId<'_>) {
        if let Some(key) = self.key_of(id) {
            self.waiting.remove(&key);
        }
    }

    #[cfg(feature = "client")]
    pub(crate) fn is_waiting(&self, id: RequestId<'_>) -> bool {
        self.may_await(id) || self.key_of(id).is_some()
    }

    /// Whether nobody knows if a request with this id waits: one too long to be remembered may be
    /// that of another request in a batch.
    fn may_await(&self, id: RequestId<'_>) -> bool {
        let has_others = match self.asked {
            Asked::Alone => self.waiting.is_empty(),
            Asked::InABatch => true,
        };
        has_others && id.key().is_none()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The ids that still wait, as they stood.
    pub(crate) fn unanswered(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(String::as_str).filter(|id| {
            RequestId::from_json(id)
                .and_then(RequestId::key)
                .is_some_and(|key| self.waiting.contains_key(&key))
        })
    }

    /// The key of the request that this id names, if it waits.
    fn key_of(&self, id: RequestId<'_>) -> Option<RequestIdKey> {
        let waits = |key: &RequestIdKey| self.waiting.contains_key(key);
        let key = id.key()?;
        if waits(&key) {
            return Some(key);
        }
        let other = id.in_other_type().filter(|_| !self.waiting.is_empty())?;
        RequestId::from_json(&other)?.key().filter(waits)
    }
}

/// What a caller is to read in place of a message that has its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Readable {
    pub(crate) answer: Vec<u8>,
    /// What else of the server's stood in the same batch: its requests and notifications.
    pub(crate) others: Vec<Vec<u8>>,
}

impl Readable {
    fn alone(answer: Vec<u8>) -> Self {
        Self { answer, others: Vec::new() }
    }
}

/// A text, and what is read in it: as long, and alike but for words in place of numbers.
#[derive(Clone, Copy)]
struct Text<'a> {
    own: &'a str,
    read: &'a str,
}

/// What a message that is no batch is to the requests that wait.
enum Single<'m> {
    Answers {
        /// The id in it and where its request's stands, if that is spelled otherwise.
        edit: Option<(RequestId<'m>, usize)>,
    },
    Not(Heard),
}

/// What a message is to the requests that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It answers one of them.
    Answer,
    /// It answers, but none of them.
    OthersAnswer,
    /// It is an error that names no request.
    ErrorOfNone,
    /// It is no answer.
    NoAnswer,
}

impl Heard {
    /// What two members of a batch are together. No answer to another comes through because a
    /// notification stands beside it.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Answer, _) | (_, Self::Answer) => Self::Answer,
            (Self::ErrorOfNone, _) | (_, Self::ErrorOfNone) => Self::ErrorOfNone,
            (Self::OthersAnswer, _) | (_, Self::OthersAnswer) => Self::OthersAnswer,
            (Self::NoAnswer, Self::NoAnswer) => Self::NoAnswer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;
    use std::format;

    fn pending(ids: &[&str]) -> PendingAnswers {
        PendingAnswers::of(&ids.iter().map(|&id| id.to_owned()).collect::<Vec<_>>())
    }

    fn answer(id: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"id":1}}}}"#)
    }

    fn alone(answer: &str) -> Readable {
        Readable::alone(answer.as_bytes().to_vec())
    }

    #[test]
    fn an_answer_bears_the_id_of_its_request_as_a_value_or_as_the_text_of_the_same_integer() {
        for (asked, answered) in [
            ("7", "7"),
            ("7", "7.0"),
            ("7", "70e-1"),
            ("7", r#""7""#),
            ("7", r#""07""#),
            ("7", r#"" 7\n""#),
            ("7", r#""\u00a0+7\u001f""#),
            ("17", r#""+01_7""#),
            ("-7", r#""-7 ""#),
            ("-7", r#""-7""#),
            (r#""7""#, "7"),
            (r#""7""#, r#""\u0037""#),
            (r#""7""#, r#""7""#),
        ] {
            let mut pending = pending(&[asked]);

            let seen = pending.saw(answer(answered).as_bytes());

            let own = (asked != answered).then(|| alone(&answer(asked)));
            assert_eq!((Heard::Answer, own), seen, "{answered} to {asked}");
            assert!(pending.is_empty());
        }
        for (asked, other) in [
            ("7", "8"),
            ("7", r#""8""#),
            ("7", r#""7.0""#),
            ("7", r#""+-7""#),
            ("7", r#""+ 7""#),
            ("7", r#""_7""#),
            ("7", r#""7_""#),
            ("17", r#""1__7""#),
            ("17", r#""1 7""#),
            ("7", r#""0x7""#),
            ("7", r#""""#),
            (r#""7""#, "7.0"),
            (r#""a""#, r#""A""#),
        ] {
            let seen = pending(&[asked]).saw(answer(other).as_bytes());
            assert_eq!((Heard::OthersAnswer, None), seen, "{other} to {asked}");
        }
    }

    #[cfg(feature = "client")]
    #[test]
    fn what_may_answer_an_id_too_long_to_be_remembered_is_not_left_out_with_its_batch() {
        let long = answer(&format!(r#""{:0>1100}""#, 7));
        let batch = format!("[{},{long}]", answer("99"));
        let mut pending = pending(&["7", "8"]);

        assert_eq!(Heard::OthersAnswer, pending.saw(batch.as_bytes()).0);
        assert_eq!([long.as_str()].as_slice(), pending.others_in(batch.as_bytes()));
    }

    #[test]
    fn an_id_too_long_to_be_remembered_is_that_of_no_request_that_is_awaited_alone() {
        let long = answer(&format!(r#""{:0>1100}""#, 7));
        let heard = |pending: &mut PendingAnswers| pending.saw(long.as_bytes()).0;

        assert_eq!(Heard::OthersAnswer, heard(&mut pending(&["7"])));
        assert_eq!(Heard::NoAnswer, heard(&mut pending(&["7", "8"])));
        assert_eq!(Heard::NoAnswer, heard(&mut pending(&[&format!("{:9>1100}", 7)])));
    }

    #[test]
    fn of_two_requests_each_gets_the_answer_of_its_own_type() {
        let mut pending = pending(&["7", r#""7""#]);

        assert_eq!((Heard::Answer, None), pending.saw(answer(r#""7""#).as_bytes()));
        assert_eq!(["7"], *pending.unanswered().collect::<Vec<_>>());
    }

    #[test]
    fn what_is_no_response_by_the_schema_answers_nothing() {
        for (answers, message) in [
            (true, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#),
            (true, r#"{"id":1,"result":{},"error":null,"jsonrpc":"\u0032.0"}"#),
            (true, r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":""}}"#),
            (false, r#"{"id":1,"result":{}}"#),
            (false, r#"{"jsonrpc":"1.0","id":1,"result":{}}"#),
            (false, r#"{"jsonrpc":2.0,"id":1,"result":{}}"#),
            (false, r#"{"jsonrpc":"2.0","id":1,"result":5}"#),
            (false, r#"{"jsonrpc":"2.0","id":1,"result":null}"#),
            (false, r#"{"jsonrpc":"2.0","id":1,"error":null}"#),
            (false, r#"{"jsonrpc":"2.0","id":1,"error":"no"}"#),
            (false, r#"{"jsonrpc":"2.0","id":1,"error":{"code":1}}"#),
            (false, r#"{"jsonrpc":"2.0","id":1,"error":{"message":"no"}}"#),
            (false, r#"{"jsonrpc":"2.0","id":1,"error":{"code":"x","message":"no"}}"#),
            (false, r#"{"jsonrpc":"2.0","id":1,"error":{"code":1.5,"message":"no"}}"#),
        ] {
            for message in [message.to_owned(), format!("[{message}]")] {
                let mut pending = pending(&["1"]);
                let (heard, _) = pending.saw(message.as_bytes());
                let expected = if answers { Heard::Answer } else { Heard::NoAnswer };
                assert_eq!((expected, answers), (heard, pending.is_empty()), "{message}");
            }
        }
    }

    #[test]
    fn what_the_sdks_read_though_it_is_no_json_is_an_answer_as_it_stands() {
        for (id, message) in [
            ("1", r#"{"jsonrpc":"2.0","id":1,"result":{"a":[NaN,-Infinity,"NaN"]}}"#),
            ("1", r#"{"jsonrpc":"2.0","id":1,"method":null,"result":{"a":1},"error":null}"#),
        ] {
            let mut pending = pending(&[id]);
            assert_eq!((Heard::Answer, None), pending.saw(message.as_bytes()), "{message}");
            assert!(pending.is_empty());
        }
        let other = r#"{"jsonrpc":"2.0","id":"1","result":{"a":NaN,"b":Infinity}}"#;
        let respelled = Readable::alone(other.replace(r#""1""#, "1").into_bytes());
        let of_one = format!("[{other}]");
        for message in [other, &of_one] {
            let seen = pending(&["1"]).saw(message.as_bytes());
            assert_eq!((Heard::Answer, Some(respelled.clone())), seen);
        }
        let notification = r#"{"jsonrpc":"2.0","method":"m","params":[NaN]}"#;
        let of_two = format!("[{notification}, {other}]");
        let with_it = Readable { others: [notification.into()].into(), ..respelled };
        assert_eq!((Heard::Answer, Some(with_it)), pending(&["1"]).saw(of_two.as_bytes()));
        for message in [
            r#"{"jsonrpc":"2.0","id":1,"result":{"a":-NaN}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"a":nan}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":null}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":1,"result":{}}"#,
        ] {
            assert_eq!((Heard::NoAnswer, None), pending(&["1"]).saw(message.as_bytes()));
        }
    }

    #[test]
    fn half_a_character_in_an_answer_is_read_as_one_that_is_missing() {
        let message = |id: &str, text: &str| {
            format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"text":"{text}"}}}}"#)
        };
        let own = alone(&message("1", r"a\ufffd"));
        for (id, text) in [("1", r"a\ud83d"), ("1.0", r"a\ud83d")] {
            let seen = pending(&["1"]).saw(message(id, text).as_bytes());
            assert_eq!((Heard::Answer, Some(own.clone())), seen);
        }
        let whole = message("1", r"\ud83d\ude00");
        assert_eq!((Heard::Answer, None), pending(&["1"]).saw(whole.as_bytes()));
        let others = message("2", r"\ud83d");
        assert_eq!((Heard::OthersAnswer, None), pending(&["1"]).saw(others.as_bytes()));
    }

    #[test]
    fn a_request_that_was_in_no_batch_gets_its_answer_out_of_any_batch() {
        let batch = |members: &[&str]| format!("[ {} ]", members.join(" , ")).into_bytes();
        let question = r#"{"jsonrpc":"2.0","id":1,"method":"m"}"#;
        let notification = r#"{"jsonrpc":"2.0","method":"\ud83d"}"#;
        let others_answer = answer("2");
        for answered in ["1", r#""1""#] {
            let answered = &answer(answered);
            let seen = |members: &[&str]| pending(&["1"]).saw(&batch(members));
            let with = |others: &[&str]| {
                let others = others.iter().map(|&it| it.into()).collect();
                (Heard::Answer, Some(Readable { others, ..alone(&answer("1")) }))
            };
            assert_eq!(with(&[]), seen(&[answered]));
            assert_eq!(with(&[question]), seen(&[answered, question]));
            assert_eq!(with(&[]), seen(&[&others_answer, "7", answered, "{}"]));
            let repaired = notification.replace(r"\ud83d", r"\ufffd");
            assert_eq!(with(&[question, &repaired]), seen(&[question, answered, notification]));
        }
    }

    #[test]
    fn the_batch_that_answers_a_batch_stays_one() {
        let batch = |id: &str| format!("[{},{{}}]", answer(id)).into_bytes();
        for (answered, readable) in [("1", None), ("1.0", Some(batch("1")))] {
            let mut of_batch = PendingAnswers::of_batch(&["1".to_owned()]);
            let expected = readable.map(|batch| Readable { answer: batch, others: Vec::new() });
            assert_eq!((Heard::Answer, expected), of_batch.saw(&batch(answered)));
        }
    }
}
