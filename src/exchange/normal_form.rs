//! The normal form in which the texts of misreports are compared.
//!
//! ASCII lower case; a run of ASCII white space counts as one blank; one final full stop and
//! one leading "bad request: ", "invalid request: " or "unauthorized: " are left out. Nothing
//! else: a text is compared whole, never searched for.

/// The leading words that say no more than the status does.
const LEADS: [&[u8]; 3] = [b"bad request: ", b"invalid request: ", b"unauthorized: "];

/// The normal form of a text, byte by byte.
pub(crate) fn normal_form(text: &[u8]) -> impl Iterator<Item = u8> + Clone + use<'_> {
    let folded = folded(text.strip_suffix(b".").unwrap_or(text));
    LEADS.iter().find_map(|lead| behind(folded.clone(), lead)).unwrap_or(folded)
}

/// Whether a text that begins with `start`, white space around it aside, can have this normal
/// form.
pub(crate) fn may_become(start: &[u8], normal: &[u8]) -> bool {
    // A text that keeps its lead has had two.
    let bare = LEADS.iter().all(|lead| !normal.starts_with(lead)).then_some(&b""[..]);
    let start = folded(start.trim_ascii_start());
    bare.into_iter().chain(LEADS).any(|lead| {
        let mut rest = start.clone();
        for byte in lead.iter().chain(normal) {
            match rest.next() {
                Some(next) if next == *byte => {}
                Some(_) => return false,
                None => return true,
            }
        }
        match (rest.next(), rest.next(), rest.next()) {
            (None, _, _) | (Some(b'.'), None | Some(b' '), None) => true,
            (Some(b' '), None, _) => !normal.ends_with(b"."),
            (Some(_), _, _) => false,
        }
    })
}

/// In lower case, and each run of white space as one blank.
fn folded(text: &[u8]) -> impl Iterator<Item = u8> + Clone + use<'_> {
    let mut behind_blank = false;
    text.iter().filter_map(move |byte| {
        let is_blank = byte.is_ascii_whitespace();
        let is_kept = !(is_blank && behind_blank);
        behind_blank = is_blank;
        is_kept.then(|| if is_blank { b' ' } else { byte.to_ascii_lowercase() })
    })
}

/// What stands behind `lead`, if a text begins with it.
fn behind<I: Iterator<Item = u8>>(mut text: I, lead: &[u8]) -> Option<I> {
    lead.iter().all(|byte| text.next() == Some(*byte)).then_some(text)
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec::Vec;
    use std::format;

    use super::*;

    fn normal(text: &str) -> String {
        String::from_utf8(normal_form(text.as_bytes()).collect()).unwrap()
    }

    #[test]
    fn case_blanks_one_full_stop_and_one_lead_make_no_difference() {
        for (text, expected) in [
            ("Session not found", "session not found"),
            ("SESSION \t\r\n Not\u{c}found.", "session not found"),
            ("Bad Request: Session not found.", "session not found"),
            ("bad  request:  session not found", "session not found"),
            ("Invalid Request: x", "x"),
            ("Unauthorized: x", "x"),
            ("Bad Request: Unauthorized: x", "unauthorized: x"),
            ("x..", "x."),
            ("x. ", "x. "),
            (" x", " x"),
            ("Bad Request:x", "bad request:x"),
            ("Not Found: x", "not found: x"),
            ("É\u{a0} X", "É\u{a0} x"),
            ("Bad Request: .", ""),
            (".", ""),
            ("", ""),
        ] {
            assert_eq!(expected, normal(text), "{text:?}");
        }
    }

    /// Tried with every text of up to five characters that the form is about, behind each lead;
    /// the beginnings are so short that the shortest way on from them is among those.
    #[test]
    fn a_beginning_may_become_exactly_the_forms_of_the_bodies_that_begin_with_it() {
        let leads = ["", "bad request:", "bad request: ", "Unauthorized: "];
        let mut texts = Vec::from([String::new()]);
        for length in 0..5 {
            let longest: Vec<String> =
                texts.iter().filter(|text| text.len() == length).cloned().collect();
            for text in longest {
                texts.extend(["a", "A", " ", "."].map(|more| format!("{text}{more}")));
            }
        }
        let all = |longest| {
            let texts = texts.iter().filter(move |text| text.len() <= longest);
            texts.flat_map(|text| leads.map(|lead| format!("{lead}{text}")))
        };
        for form in ["a", "aa", "a a", "a.", "a "] {
            // A body is trimmed before its form is taken.
            let bodies: Vec<String> = all(5).filter(|text| normal(text.trim()) == form).collect();
            for start in all(2) {
                let begun = start.trim_start();
                let is_begun = bodies.iter().any(|body| body.trim_start().starts_with(begun));

                let becomes = may_become(start.as_bytes(), form.as_bytes());

                assert_eq!(is_begun, becomes, "{start:?} {form:?}");
            }
        }
    }

    #[test]
    fn a_beginning_that_no_continuation_saves_may_not_become_the_form() {
        for (start, form) in [
            ("x", "session not found"),
            ("session not found!", "session not found"),
            ("session not found..", "session not found"),
            ("session not found. x", "session not found"),
            ("session not found x", "session not found"),
            ("bad request: bad request: s", "session not found"),
            ("not found: s", "session not found"),
            ("bad request: a ", "a."),
            ("a ", "a."),
            ("a", "bad request: a"),
            ("bad request: a", "bad request: a"),
        ] {
            assert!(!may_become(start.as_bytes(), form.as_bytes()), "{start:?} {form:?}");
        }
        for start in
            ["", " ", "s", " Session", "BAD REQ", "session not found", "session not found. "]
        {
            assert!(may_become(start.as_bytes(), b"session not found"), "{start:?}");
        }
        for start in
            ["bad request:", "BAD request:  ", "unauthorized: bad", "bad request: bad request: a."]
        {
            assert!(may_become(start.as_bytes(), b"bad request: a"), "{start:?}");
        }
    }
}
