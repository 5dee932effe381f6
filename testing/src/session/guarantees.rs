//! The guarantees as predicates over what happened, each without the model: they look at the
//! machine's own answers only.
//!
//! Every one says of each event whether it may follow what came before it, so to check the
//! whole history once is to check it after every operation.

use std::collections::BTreeSet;
use std::fmt::Debug;

use mcp_session_core::session::{Options, Reason, ResendPolicy};

use super::past::{Past, request_of, sending_of, step_of};
use super::words::{Sending, Step, What, is_one_way, is_reply};
use super::world::{CREDENTIAL, Happened};

/// Whether an event may follow its past.
type Guarantee = fn(&Past, &Happened) -> bool;

/// Those that a history shows, by number.
const GUARANTEES: [(u8, Guarantee); 12] = [
    (1, guarantee_1_a_404_ends_only_the_generation_it_was_attached_to),
    (2, guarantee_2_one_replacement_at_a_time),
    (3, guarantee_3_no_leader_wedges_anyone),
    (4, guarantee_4_each_request_ends_once_and_is_sent_at_most_twice),
    (5, guarantee_5_nothing_new_is_made_at_the_bound),
    (6, guarantee_6_a_get_replaces_nothing_without_a_stream),
    (7, guarantee_7_ids_come_from_the_last_initialize_issued),
    (8, guarantee_8_what_belonged_to_the_dead_stays_there),
    (9, guarantee_9_after_a_delete_all_goes_out_as_it_is),
    (11, guarantee_11_a_new_session_is_told_what_the_old_one_was),
    (12, guarantee_12_a_refused_replacement_does_not_bury_the_old_session),
    (13, guarantee_13_questions_keep_apart),
];

pub fn check_all(history: &[Happened], options: &Options, resumed: Option<&str>) {
    if let Some((number, broken)) = first_broken(history, options, resumed) {
        panic!("guarantees {broken:?}, event {number} in {}", told(history));
    }
}

/// The first event that breaks a guarantee, and which it breaks.
pub fn first_broken(
    history: &[Happened],
    options: &Options,
    resumed: Option<&str>,
) -> Option<(usize, BTreeSet<u8>)> {
    let mut past = Past::new(*options, resumed);
    for (number, event) in history.iter().enumerate() {
        let broken = GUARANTEES.iter().filter(|(_, holds)| !holds(&past, event));
        let broken: BTreeSet<u8> = broken.map(|(guarantee, _)| *guarantee).collect();
        if !broken.is_empty() {
            return Some((number, broken));
        }
        past.note(event);
    }
    None
}

/// To be asked once nothing is left to do.
pub fn everything_has_ended(history: &[Happened], options: &Options, resumed: Option<&str>) {
    let mut past = Past::new(*options, resumed);
    for event in history {
        past.note(event);
    }
    for request in past.whats.keys() {
        assert!(
            past.ended.contains(request),
            "guarantee 4: {request} never ends: {}",
            told(history)
        );
    }
}

/// A late 404 leaves the living alone: nothing leads or waits while a generation lives, but
/// for what the leader has still to tell it.
fn guarantee_1_a_404_ends_only_the_generation_it_was_attached_to(
    past: &Past,
    event: &Happened,
) -> bool {
    let living = past.lives && !past.restoring;
    match event {
        // What the answer itself has ended.
        Happened::Answered { request, answer, step, ended, revived } => {
            let living = living || *revived;
            let of_it = past.is_of_the_living(*request) && past.terminated(*request, answer);
            let waits = matches!(step, Step::Lead | Step::Hold);
            (!ended || of_it) && (*ended || !living || !waits)
        }
        _ => !(living && matches!(step_of(event), Some(Step::Lead | Step::Hold))),
    }
}

fn guarantee_2_one_replacement_at_a_time(past: &Past, event: &Happened) -> bool {
    !((past.leader || past.trial.is_some()) && matches!(step_of(event), Some(Step::Lead)))
        || past.ends_trial(event)
}

/// A failure is shared, a cancelled leader hands over, and a new request always goes on.
fn guarantee_3_no_leader_wedges_anyone(past: &Past, event: &Happened) -> bool {
    let somebody_leads = past.leader || past.trial.is_some();
    match event {
        Happened::Asked { request, step } => {
            let excused = past.closed || past.cancelled.contains(request);
            let replays = past.whats[request] == What::Initialize;
            match past.failures.get(request) {
                Some(reason) if !excused && !replays => {
                    matches!(step, Step::GiveUp(given, _) if given == reason)
                }
                _ if excused || somebody_leads => true,
                // Nobody leads, so whoever asks goes on, one way or the other.
                _ => *step != Step::Hold,
            }
        }
        Happened::Began { what: What::Call, step, .. } if !past.closed => match step {
            Step::Send(sending) => past.lives || sending.trial,
            Step::Lead => !past.lives && !somebody_leads,
            Step::Hold => somebody_leads,
            Step::GiveUp(Reason::NoInitialize, _) => !past.replayable,
            Step::GiveUp(Reason::BoundReached, cooldown) => cooldown.is_some(),
            Step::GiveUp(..) | Step::Resend(_) | Step::Drop | Step::Deliver(_) => false,
        },
        _ => true,
    }
}

fn guarantee_4_each_request_ends_once_and_is_sent_at_most_twice(
    past: &Past,
    event: &Happened,
) -> bool {
    let Some(request) = request_of(event) else { return true };
    let sends = past.sends.get(&request).map_or(0, Vec::len);
    let second_404_is_delivered = match event {
        Happened::Answered { answer, step, .. } if past.terminated(request, answer) => {
            sends < 2 || *step == Step::Deliver(None)
        }
        // Only what was not processed is sent again.
        Happened::Answered { step: Step::Resend(_), .. } => false,
        _ => true,
    };
    let sends_again = sending_of(event).is_some() && sends >= 2;
    !past.ended.contains(&request) && !sends_again && second_404_is_delivered
}

/// Nothing is resent, nobody leads before the time is over, and a 404 of a request's own ends
/// nothing.
fn guarantee_5_nothing_new_is_made_at_the_bound(past: &Past, event: &Happened) -> bool {
    let Some(request) = request_of(event) else { return true };
    let again = past.sends.contains_key(&request);
    let ended = matches!(event, Happened::Answered { ended: true, .. });
    let reached = past.strikes + u32::from(ended && !past.succeeded) >= past.options.bound;
    let step = step_of(event);
    let goes_on = matches!(step, Some(Step::Lead | Step::Resend(_) | Step::Send(_)));
    let is_resent = again && reached && goes_on;
    let is_early = step == Some(&Step::Lead) && (past.is_open || (ended && reached));
    let ends_by_its_own = again && past.sends[&request].len() > 1 && ended && past.succeeded;
    past.closed || !(is_resent || is_early || ends_by_its_own)
}

fn guarantee_6_a_get_replaces_nothing_without_a_stream(past: &Past, event: &Happened) -> bool {
    let Some(request) = request_of(event) else { return true };
    match event {
        Happened::Answered { answer, step, .. } if past.opens(request) => {
            let again = past.sends[&request].len() > 1;
            let streamed = again || past.streamed.contains(&past.generation_of(request));
            !past.terminated(request, answer) || streamed || *step == Step::Deliver(None)
        }
        _ => match (past.what_of(event), sending_of(event)) {
            (Some(What::Resume(event)), Some(Sending { keeps_event_id: true, .. })) => {
                past.events.get(&event).is_none_or(|seen| seen.contains(&past.generation()))
            }
            _ => true,
        },
    }
}

fn guarantee_7_ids_come_from_the_last_initialize_issued(past: &Past, event: &Happened) -> bool {
    let sends_rightly = match (past.what_of(event), sending_of(event)) {
        (Some(What::Initialize), Some(sending)) => {
            sending.id.is_none() && sending.version.is_none()
        }
        (Some(what), Some(sending)) => {
            let closes = past.closed || what == What::Delete;
            let stands = past.lives_after(event) || sending.trial || closes;
            stands && sending.id == *past.ids.last().unwrap()
        }
        (None, Some(_)) => false,
        (_, None) => true,
    };
    let returns_rightly = match event {
        Happened::Answered { request, answer, step, .. }
            if past.whats[request] == What::Initialize && answer.is_success() =>
        {
            // To DELETE the living session's own ID would end it.
            let living =
                past.ids.last().filter(|_| past.lives && !past.closed).and_then(Option::as_ref);
            let orphan = answer.id.clone().filter(|id| {
                let adopts = past.adopts(*request) && !answer.says_error;
                !adopts && living != Some(id) && !past.after_close.contains(request)
            });
            *step == Step::Deliver(orphan)
        }
        Happened::Failed { issued_id, orphan, .. } => issued_id == orphan,
        _ => true,
    };
    sends_rightly && returns_rightly
}

fn guarantee_8_what_belonged_to_the_dead_stays_there(past: &Past, event: &Happened) -> bool {
    let Some(request) = request_of(event) else { return true };
    let what = past.what_of(event).unwrap();
    let is_sent = sending_of(event).is_some();
    let again = is_sent && past.sends.contains_key(&request);
    let may_go_again = match what {
        What::Get | What::Resume(_) => true,
        What::Call
        | What::BatchWithCall
        | What::SetLevel(_)
        | What::Subscribe(_)
        | What::Unsubscribe(_) => past.options.resend == ResendPolicy::All,
        What::Read | What::BatchOfReads => past.options.resend != ResendPolicy::Never,
        _ => false,
    };
    let is_dropped = match event {
        Happened::Answered { answer, step, .. } if is_one_way(what) => {
            past.closed || !past.terminated(request, answer) || *step == Step::Drop
        }
        _ => true,
    };
    let is_cancelled = past.cancelled.contains(&request);
    let ends_when_cancelled = match event {
        Happened::Asked { step, .. } if is_cancelled => {
            matches!(step, Step::GiveUp(Reason::Cancelled, _))
        }
        Happened::Answered { step, .. } if is_cancelled => {
            !matches!(step, Step::Resend(_) | Step::Hold | Step::Lead)
        }
        _ => true,
    };
    (!again || may_go_again) && is_dropped && ends_when_cancelled
}

/// Nothing is answered here, but for what must not go to a session that did not ask.
fn guarantee_9_after_a_delete_all_goes_out_as_it_is(past: &Past, event: &Happened) -> bool {
    match (past.what_of(event), step_of(event)) {
        (Some(What::Delete), Some(step)) => matches!(step, Step::Send(_) | Step::Deliver(None)),
        (_, Some(Step::Resend(_) | Step::Hold | Step::Lead)) => !past.closed,
        (Some(what), Some(Step::Drop)) if past.closed => {
            is_reply(what) || matches!(what, What::Cancelled(_))
        }
        (_, Some(Step::GiveUp(reason, _))) if past.closed => match event {
            // Who waited is let go.
            Happened::Asked { .. } => matches!(reason, Reason::Closed | Reason::Cancelled),
            _ => *reason == Reason::StreamLost,
        },
        _ => !(past.closed && matches!(event, Happened::Stands { .. })),
    }
}

pub fn guarantee_10_no_id_is_shown(shown: &impl Debug) {
    let text = format!("{shown:?}");
    assert!(!text.contains(CREDENTIAL), "guarantee 10: {text}");
}

/// The first that is told is what was told first; nobody is released before all is told.
fn guarantee_11_a_new_session_is_told_what_the_old_one_was(past: &Past, event: &Happened) -> bool {
    match event {
        Happened::Stands { restores } => *restores == past.kept.first().copied(),
        Happened::Began { what, step: Step::Send(_), .. } => {
            !past.restoring || past.closed || is_one_way(*what) || *what == What::Delete
        }
        Happened::Asked { step: Step::Send(_) | Step::Resend(_), .. }
        | Happened::Answered { step: Step::Resend(_), .. } => !past.restoring,
        _ => true,
    }
}

/// A session that was taken for dead is tried out by one request, and only where its server
/// answered, or a 404 may have been a request's own.
fn guarantee_12_a_refused_replacement_does_not_bury_the_old_session(
    past: &Past,
    event: &Happened,
) -> bool {
    let tries = sending_of(event).is_some_and(|sending| sending.trial);
    let leads = matches!(event, Happened::Began { step: Step::Lead, .. });
    let revives_rightly = match event {
        Happened::Answered { request, answer, revived: true, .. } => {
            past.trial == Some(*request) && answer.is_success() && past.is_doubted
        }
        _ => true,
    };
    let tries_rightly = !tries || (past.is_doubted && past.trial.is_none() && !past.lives);
    let leads_rightly = !leads || !past.is_doubted;
    revives_rightly && tries_rightly && leads_rightly
}

/// No two open questions look the same to the caller; a reply goes to who asked, under the id
/// that was asked by, and every reply that the living wait for goes out.
fn guarantee_13_questions_keep_apart(past: &Past, event: &Happened) -> bool {
    match event {
        Happened::ServerAsked { generation, own, shown } => past
            .questions
            .iter()
            .all(|it| it.shown != *shown || (it.generation == *generation && it.own == *own)),
        Happened::Began { what, step, reply: Some(shown), .. } if is_reply(*what) => {
            let asked = past.questions.iter().find(|it| it.shown == *shown);
            let goes_as = match step {
                Step::Send(sending) => sending.reply.as_ref(),
                _ => None,
            };
            match asked {
                Some(question) if question.generation == past.generation() => {
                    goes_as == Some(&question.own) || !(past.lives || past.closed)
                }
                Some(_) => goes_as.is_none(),
                None => goes_as.is_none_or(|it| it == shown && past.generation() <= 1),
            }
        }
        Happened::Voided { shown } => shown.iter().all(|it| {
            past.questions.iter().any(|question| {
                let is_dead = question.generation != past.generation() || !past.lives;
                question.shown == *it && is_dead && !question.is_void
            })
        }),
        _ => true,
    }
}

pub fn told(history: &[Happened]) -> String {
    history.iter().map(|it| format!("\n  {it:?}")).collect()
}
