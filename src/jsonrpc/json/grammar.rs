//! Where the values of JSON end, by the grammar of [RFC 8259].
//!
//! Nothing recurses, and nothing is built. A level of nesting costs one bit, and the first 63
//! of them no allocation. Strings are passed over by the word and then by the chunk; the caller
//! has seen to it that they are UTF-8.
//!
//! Space is looked for only where something else stands than the grammar wants: most messages
//! have none. What is rare is a call, so that the rest stays small enough to be fast.
//!
//! [RFC 8259]: https://www.rfc-editor.org/rfc/rfc8259

use alloc::vec::Vec;

/// Where something ends, or why it does not.
pub(super) type End = Result<usize, Fault>;

/// Why a value does not end in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The text does: all of it may be the beginning of JSON.
    Cut,
    /// No JSON begins so, or it nests too deeply.
    Broken,
}

/// Where the value ends that stands at `start`, space before it passed over.
///
/// It may nest so many levels deep, itself included. A number ends where its digits do; whether
/// what follows belongs there is the caller's to see.
#[inline(always)]
pub(super) fn value_end(text: &[u8], start: usize, depth_limit: usize) -> End {
    match byte(text, start)? {
        b'"' => Ok(string(text, start)?.behind),
        b'1'..=b'9' => whole_number_end(text, start),
        b'0' => behind_digits(text, start + 1),
        first @ (b'{' | b'[')
            if depth_limit > 0 && text.get(start + 1) == Some(&closing(first)) =>
        {
            Ok(start + 2)
        }
        _ => any_value_end(text, start, depth_limit),
    }
}

/// As [`value_end`], which spares short values the call.
#[inline(never)]
fn any_value_end(text: &[u8], start: usize, depth_limit: usize) -> End {
    let mut levels = Levels::NONE;
    let mut further_out = Vec::new();
    let mut at = start;
    let mut before_name = false;
    'value: loop {
        if before_name {
            at = name(text, at)?.behind;
            before_name = false;
        }
        let first = byte(text, at)?;
        at = match first {
            b'"' => string(text, at)?.behind,
            b'0' => behind_digits(text, at + 1)?,
            b'1'..=b'9' => {
                if levels.innermost_is_array() {
                    numbers_end(text, at)?
                } else {
                    whole_number_end(text, at)?
                }
            }
            b'{' | b'[' => {
                before_name = first == b'{';
                levels.open(before_name, &mut further_out, depth_limit)?;
                at += 1;
                let mut next = byte(text, at)?;
                while next == b'[' && !before_name {
                    levels.open(false, &mut further_out, depth_limit)?;
                    at += 1;
                    next = byte(text, at)?;
                }
                if next <= b' ' {
                    at = space_end(text, at);
                    next = byte(text, at)?;
                }
                if next != closing(first) {
                    continue 'value;
                }
                levels.close();
                at + 1
            }
            b't' | b'f' | b'n' => word_end(text, at)?,
            b'-' => negative_end(text, at)?,
            b' ' => {
                at += 1;
                continue 'value;
            }
            _ => {
                at = behind_space(text, at)?;
                continue 'value;
            }
        };
        while !levels.are_closed(&mut further_out) {
            let next = byte(text, at)?;
            if next == b',' {
                at += 1;
                before_name = levels.innermost_is_object();
                continue 'value;
            } else if next == levels.closing() {
                at += 1;
                levels.close();
            } else if next == b' ' {
                at += 1;
            } else {
                at = behind_space(text, at)?;
            }
        }
        return Ok(at);
    }
}

/// What ends an object or array that begins so. Of both pairs of brackets one stands two behind the
/// other in ASCII.
#[inline(always)]
fn closing(opening: u8) -> u8 {
    opening + 2
}

/// A string, by the places of its quotes.
pub(super) struct Quoted {
    pub(super) start: usize,
    pub(super) behind: usize,
    pub(super) has_escape: bool,
}

/// The name of a member, and the place behind the colon.
pub(super) struct Name {
    pub(super) quoted: Quoted,
    pub(super) behind: usize,
}

/// The name that stands at `at`, space before it and before its colon passed over.
#[inline(always)]
pub(super) fn name(text: &[u8], mut at: usize) -> Result<Name, Fault> {
    if text.get(at) != Some(&b'"') {
        at = expected(text, at, b'"')?;
    }
    let quoted = string(text, at)?;
    let mut colon = quoted.behind;
    if text.get(colon) != Some(&b':') {
        colon = expected(text, colon, b':')?;
    }
    Ok(Name { quoted, behind: colon + 1 })
}

/// The byte at a place.
#[inline(always)]
pub(super) fn byte(text: &[u8], at: usize) -> Result<u8, Fault> {
    text.get(at).copied().ok_or(Fault::Cut)
}

/// Where the space ends that may stand at `at`.
#[inline(always)]
pub(super) fn space_end(text: &[u8], mut at: usize) -> usize {
    while let Some(byte) = text.get(at) {
        // Most bytes are beyond all space.
        if *byte > b' ' || !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            break;
        }
        at += 1;
    }
    at
}

/// Where this byte stands behind space.
#[cold]
#[inline(never)]
fn expected(text: &[u8], at: usize, wanted: u8) -> End {
    let at = space_end(text, at);
    if byte(text, at)? == wanted { Ok(at) } else { Err(Fault::Broken) }
}

/// Where the space ends that has to stand at `at`.
#[cold]
#[inline(never)]
fn behind_space(text: &[u8], at: usize) -> End {
    let end = space_end(text, at);
    if end > at { Ok(end) } else { Err(Fault::Broken) }
}

/// Which of the levels around a place are objects: the innermost ones, as many as fit a word.
/// Full words of those further out are a list apart, so that this stays in registers.
#[derive(Clone, Copy)]
struct Levels {
    /// A bit for each, set for an object, behind those of `base`.
    kinds: u64,
    /// What `kinds` is when all of its levels are closed.
    base: u64,
}

impl Levels {
    /// A word holds one level less than it has bits: the first bit set tells how many.
    const IN_A_WORD: usize = 63;
    const NONE: Self = Self { kinds: 1, base: 1 };

    #[inline(always)]
    fn open(
        &mut self,
        is_object: bool,
        further_out: &mut Vec<u64>,
        depth_limit: usize,
    ) -> Result<(), Fault> {
        if !self.have_room() {
            self.base = another_word(further_out, self.kinds, depth_limit)?;
            self.kinds = self.base;
        }
        self.kinds = self.kinds << 1 | u64::from(is_object);
        Ok(())
    }

    /// Whether one more level fits the word at hand; that of the last is within the limit.
    #[inline(always)]
    fn have_room(&self) -> bool {
        self.kinds >> Self::IN_A_WORD == 0
    }

    #[inline(always)]
    fn close(&mut self) {
        self.kinds >>= 1;
    }

    /// It may say no of a level that is in the word further out.
    #[inline(always)]
    fn innermost_is_array(&self) -> bool {
        !self.innermost_is_object() && self.kinds != self.base
    }

    #[inline(always)]
    fn innermost_is_object(&self) -> bool {
        self.kinds & 1 == 1
    }

    #[inline(always)]
    fn closing(&self) -> u8 {
        if self.innermost_is_object() { b'}' } else { b']' }
    }

    /// Whether there are none. Goes back to the word further out if need be.
    #[inline(always)]
    fn are_closed(&mut self, further_out: &mut Vec<u64>) -> bool {
        if self.kinds != self.base {
            return false;
        }
        if further_out.is_empty() {
            return true;
        }
        *self = Self { kinds: last_word(further_out), base: 1 };
        false
    }
}

/// Stores a word that is full; returns the base of the next one.
#[cold]
#[inline(never)]
fn another_word(further_out: &mut Vec<u64>, full: u64, depth_limit: usize) -> Result<u64, Fault> {
    let (words, rest) = (depth_limit / Levels::IN_A_WORD, depth_limit % Levels::IN_A_WORD);
    if further_out.len() == words {
        return Err(Fault::Broken);
    }
    further_out.push(full);
    // The last word is full before its bits are, where the limit is.
    Ok(if further_out.len() == words { 1 << (Levels::IN_A_WORD - rest) } else { 1 })
}

#[cold]
#[inline(never)]
fn last_word(further_out: &mut Vec<u64>) -> u64 {
    // It is asked for only where there is one.
    further_out.pop().unwrap_or(1)
}

/// The string whose opening quote stands at `start`.
#[inline(always)]
pub(super) fn string(text: &[u8], start: usize) -> Result<Quoted, Fault> {
    let at = special(text, start + 1);
    if text.get(at) == Some(&b'"') {
        return Ok(Quoted { start, behind: at + 1, has_escape: false });
    }
    string_with_escape(text, start, at)
}

/// As [`string`], where the first special character is no quote; it stands at `at`.
#[inline(never)]
fn string_with_escape(text: &[u8], start: usize, mut at: usize) -> Result<Quoted, Fault> {
    loop {
        match byte(text, at)? {
            b'"' => return Ok(Quoted { start, behind: at + 1, has_escape: true }),
            b'\\' => at = escape_end(text, at)?,
            _ => return Err(Fault::Broken),
        }
        // Escapes often stand together.
        if !matches!(text.get(at), Some(b'\\' | b'"')) {
            at = special(text, at);
        }
    }
}

/// Where the escape ends whose backslash stands at `at`.
#[inline(always)]
fn escape_end(text: &[u8], at: usize) -> End {
    match byte(text, at + 1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(at + 2),
        b'u' => {
            let (behind, digits) = (at + 6, text.get(at + 2..).unwrap_or_default());
            match digits.first_chunk::<4>() {
                Some(digits) if are_hex_digits(*digits) => Ok(behind),
                None if digits.iter().all(u8::is_ascii_hexdigit) => Err(Fault::Cut),
                Some(_) | None => Err(Fault::Broken),
            }
        }
        _ => Err(Fault::Broken),
    }
}

/// Whether all of these are hexadecimal digits; the four are looked at together.
#[inline(always)]
fn are_hex_digits(digits: [u8; 4]) -> bool {
    const EACH: u32 = u32::from_le_bytes([1; 4]);
    const HIGH: u32 = EACH * 0x80;
    // What is added to a byte below 0x80 sets its highest bit from a bound on, and carries nothing.
    let from = |word: u32, bound: u8| word + EACH * (0x80 - u32::from(bound));
    let word = u32::from_le_bytes(digits);
    if word & HIGH != 0 {
        return false;
    }
    let lower = word | (EACH * 0x20);
    let is_digit = from(word, b'0') & !from(word, b'9' + 1);
    let is_letter = from(lower, b'a') & !from(lower, b'f' + 1);
    (is_digit | is_letter) & HIGH == HIGH
}

/// Where the next byte stands that is more than a character of a string, or the end.
#[inline(always)]
fn special(text: &[u8], at: usize) -> usize {
    let Some(word) = chunk(text, at) else { return special_bytewise(text, at) };
    let found = special_in(*word);
    if found < WORD { at + found } else { special_far(text, at + WORD) }
}

#[inline(never)]
fn special_far(text: &[u8], mut at: usize) -> usize {
    // Names and methods end within two words.
    if let Some(word) = chunk(text, at) {
        let found = special_in(*word);
        if found < WORD {
            return at + found;
        }
        at += WORD;
    }
    // As many bytes as the compiler compares at once on any machine, twice.
    while let Some(chunk) = chunk::<32>(text, at) {
        if chunk.iter().fold(0, |any, byte| any | u8::from(is_special(*byte))) != 0 {
            break;
        }
        at += chunk.len();
    }
    while let Some(word) = chunk(text, at) {
        let found = special_in(*word);
        if found < WORD {
            return at + found;
        }
        at += WORD;
    }
    special_bytewise(text, at)
}

#[inline(never)]
fn special_bytewise(text: &[u8], mut at: usize) -> usize {
    while text.get(at).is_some_and(|byte| !is_special(*byte)) {
        at += 1;
    }
    at
}

/// Whether a byte within a string is a quote, a backslash or a control character.
///
/// With one bit turned, the quote stands right behind the control characters, and a blank
/// behind the quote.
#[inline(always)]
fn is_special(byte: u8) -> bool {
    (byte ^ TURN <= b'"' ^ TURN) | (byte == b'\\')
}

const TURN: u8 = b'"' ^ 0x20;
const WORD: usize = size_of::<u64>();

/// The place of the first byte of a word that [`is_special`], or [`WORD`].
#[inline(always)]
fn special_in(word: [u8; WORD]) -> usize {
    const EACH: u64 = u64::from_le_bytes([1; WORD]);
    const TURNS: u64 = EACH * TURN as u64;
    const QUOTES: u64 = EACH * (b'"' ^ TURN) as u64;
    const BACKSLASHES: u64 = EACH * b'\\' as u64;
    let word = u64::from_le_bytes(word);
    // To subtract from a byte that is too small borrows into its highest bit. The lowest such
    // bit is right; a higher one may be there because of the borrow alone.
    let too_small =
        (word ^ TURNS).wrapping_sub(QUOTES + EACH) | (word ^ BACKSLASHES).wrapping_sub(EACH);
    let specials = too_small & !word & (EACH << 7);
    (specials.trailing_zeros() / u8::BITS) as usize
}

/// The bytes at a place, if there are so many.
#[inline(always)]
pub(super) fn chunk<const N: usize>(text: &[u8], at: usize) -> Option<&[u8; N]> {
    text.get(at..at.wrapping_add(N))?.first_chunk()
}

/// Where the number ends that begins with a digit at `at` other than zero.
#[inline(always)]
fn whole_number_end(text: &[u8], mut at: usize) -> End {
    at += 1;
    while let Some(b'0'..=b'9') = text.get(at) {
        at += 1;
    }
    behind_digits(text, at)
}

/// Where the number ends of whose whole part `at` is the end.
#[inline(always)]
fn behind_digits(text: &[u8], at: usize) -> End {
    match text.get(at) {
        Some(b'.' | b'e' | b'E') => fraction_end(text, at),
        Some(_) | None => Ok(at),
    }
}

/// Where a row of numbers ends that begins with a digit at `at`, in an array.
#[inline(always)]
pub(super) fn numbers_end(text: &[u8], mut at: usize) -> End {
    loop {
        at = if text.get(at) == Some(&b'0') {
            behind_digits(text, at + 1)?
        } else {
            whole_number_end(text, at)?
        };
        let (Some(b','), Some(b'0'..=b'9')) = (text.get(at), text.get(at + 1)) else {
            return Ok(at);
        };
        at += 1;
    }
}

#[inline(never)]
fn fraction_end(text: &[u8], mut at: usize) -> End {
    if text.get(at) == Some(&b'.') {
        at = digits_end(text, at + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        at += 1;
        if let Some(b'+' | b'-') = text.get(at) {
            at += 1;
        }
        at = digits_end(text, at)?;
    }
    Ok(at)
}

#[inline(never)]
fn negative_end(text: &[u8], at: usize) -> End {
    match byte(text, at + 1)? {
        b'0' => behind_digits(text, at + 2),
        _ => behind_digits(text, digits_end(text, at + 1)?),
    }
}

/// Where the digits end of which one has to stand at `start`.
fn digits_end(text: &[u8], start: usize) -> End {
    let mut at = start;
    while let Some(b'0'..=b'9') = text.get(at) {
        at += 1;
    }
    if at > start { Ok(at) } else { byte(text, at).and(Err(Fault::Broken)) }
}

/// Where the literal ends that stands at `at`.
#[inline(always)]
fn word_end(text: &[u8], at: usize) -> End {
    match chunk(text, at) {
        Some(b"true" | b"null") => Ok(at + 4),
        Some(b"fals") if text.get(at + 4) == Some(&b'e') => Ok(at + 5),
        Some(_) | None => Err(fault_in_word(text, at)),
    }
}

#[cold]
fn fault_in_word(text: &[u8], at: usize) -> Fault {
    let rest = text.get(at..).unwrap_or_default();
    let is_cut = ["true", "false", "null"].iter().any(|word| word.as_bytes().starts_with(rest));
    if is_cut { Fault::Cut } else { Fault::Broken }
}
