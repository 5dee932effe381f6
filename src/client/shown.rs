//! What a server said, fit to be shown: in an error of ours, an event, a line of a log.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

/// How much of a server's text is read, so that what is hidden in it is seen whole.
pub(super) const READ_BYTES: usize = 64 * 1024;
/// How much of it is shown.
const QUOTED_CHARACTERS: usize = 500;
const REDACTED: &str = "<redacted>";

/// A text of at most [`READ_BYTES`], bounded, with control characters escaped, and without a
/// secret in any spelling: in either case, percent-encoded, with other signs between its letters
/// and digits. Of a text that was cut there the end is not shown: a secret may have begun in it.
pub(super) fn shown<'a>(text: &str, secrets: impl Iterator<Item = &'a str>) -> String {
    let secrets: Vec<&str> = secrets.filter(|secret| !secret.is_empty()).collect();
    let essence = Essence::of(text);
    let mut hidden: Vec<Range<usize>> =
        secrets.iter().flat_map(|secret| essence.places_of(text, secret)).collect();
    // It was cut between two characters.
    if text.len() > READ_BYTES - char::MAX.len_utf8() {
        let longest = secrets.iter().map(|secret| secret.len()).max().unwrap_or(0);
        // Each byte may stand as three, percent-encoded.
        hidden.push(text.len().saturating_sub(longest.saturating_mul(3))..text.len());
    }
    hidden.sort_by_key(|range| range.start);
    quoted(text, &hidden)
}

/// The text, with what is hidden left out.
fn quoted(text: &str, hidden: &[Range<usize>]) -> String {
    let mut shown = String::new();
    let (mut count, mut past) = (0, 0);
    let mut hidden = hidden.iter().peekable();
    for (at, character) in text.char_indices() {
        if count >= QUOTED_CHARACTERS {
            shown.push_str("...");
            break;
        }
        while let Some(range) = hidden.next_if(|range| range.start <= at) {
            if range.end > past {
                if at >= past {
                    shown.push_str(REDACTED);
                    count += REDACTED.len();
                }
                past = range.end;
            }
        }
        if at < past {
            continue;
        }
        count += 1;
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// The letters and digits of a text in one case, percent-encoding undone, and where each stands:
/// what all spellings of a secret have in common.
struct Essence {
    letters: String,
    places: Vec<Range<usize>>,
}

impl Essence {
    fn of(text: &str) -> Self {
        let mut essence = Self { letters: String::new(), places: Vec::new() };
        let mut rest = text.as_bytes();
        let mut at = 0;
        while let Some((&byte, behind)) = rest.split_first() {
            let (byte, length) = match (byte, encoded(behind)) {
                (b'%', Some(encoded)) => (encoded, 3),
                (byte, _) => (byte, 1),
            };
            if byte.is_ascii_alphanumeric() {
                essence.letters.push(char::from(byte.to_ascii_lowercase()));
                essence.places.push(at..at + length);
            }
            at += length;
            rest = rest.get(length..).unwrap_or_default();
        }
        essence
    }

    /// Where a secret stands in the text that this is of.
    fn places_of(&self, text: &str, secret: &str) -> Vec<Range<usize>> {
        let wanted = Self::of(secret).letters;
        if wanted.is_empty() {
            // Of signs alone: as it is.
            return text.match_indices(secret).map(|(at, it)| at..at + it.len()).collect();
        }
        self.letters
            .match_indices(&*wanted)
            .filter_map(|(first, found)| {
                let start = self.places.get(first)?.start;
                let end = self.places.get(first + found.len() - 1)?.end;
                Some(start..end)
            })
            .collect()
    }
}

/// The byte that two digits behind a percent sign stand for.
fn encoded(behind: &[u8]) -> Option<u8> {
    let digits = behind.get(..2)?;
    let text = core::str::from_utf8(digits).ok()?;
    u8::from_str_radix(text, 16).ok().filter(|_| digits.iter().all(u8::is_ascii_hexdigit))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "ab/cd+ef==:1f0c";

    fn of(text: &str) -> String {
        shown(text, [ID, "", "=="].into_iter())
    }

    #[test]
    fn a_secret_shows_in_no_spelling() {
        for spelling in [
            ID,
            "AB/CD+EF==:1F0C",
            "ab%2Fcd%2bef%3D%3D%3A1f0c",
            "%61%62%2Fcd+ef==:1f0c",
            "ab cd ef 1f0c",
            "abcdef1f0c",
        ] {
            let shown = of(&std::format!("Session {spelling} is gone"));
            assert_eq!("Session <redacted> is gone", shown, "{spelling}");
        }
        assert_eq!("a<redacted>b", of("a==b"));
    }

    #[test]
    fn several_secrets_and_those_within_each_other_are_hidden() {
        let secrets = || ["one-two", "two-three", "two"].into_iter();

        assert_eq!("<redacted>!", shown("one-two-three!", secrets()));
        assert_eq!("<redacted>, <redacted>", shown("two-three, ONE_TWO", secrets()));
    }

    #[test]
    fn a_text_without_a_secret_is_shown_as_it_is_bounded_and_escaped() {
        assert_eq!("50 % off, 100%zz, é\\n", of("50 % off, 100%zz, é\n"));
        let long = "é".repeat(QUOTED_CHARACTERS);
        assert_eq!(long, of(&long));
        assert_eq!(std::format!("{long}..."), of(&std::format!("{long}é")));
    }

    #[test]
    fn of_a_text_that_was_cut_no_beginning_of_a_secret_shows() {
        // So long that the one that was cut would be within what is shown.
        let secret = "s3cr3t".repeat(1000);
        for cut in [1, 10, 5999] {
            let beginning = &secret[..cut];
            let whole = secret.repeat((READ_BYTES - cut) / secret.len());
            let text =
                std::format!("{whole}{:_>1$}{beginning}", "", READ_BYTES - cut - whole.len());
            assert_eq!(READ_BYTES, text.len());
            let shown = shown(&text, [&*secret].into_iter());
            assert!(!shown.contains("s3"), "{shown}");
        }
    }
}
