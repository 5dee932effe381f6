//! An event that lies whole in the bytes at hand, with one line of data: as nearly all of MCP
//! do. It is read where it lies.

use super::line::more_digits;

/// The fields of an event, as they lie in the stream. Of those that repeat, the last one.
pub(super) struct PlainEvent<'b> {
    pub(super) event: &'b str,
    pub(super) data: Option<&'b str>,
    /// Without those that do not count.
    pub(super) id: Option<&'b str>,
    pub(super) retry: Option<u64>,
    /// How many bytes it takes, the empty line at its end included.
    pub(super) length: usize,
    /// Whether a line feed that comes next would still be part of it.
    pub(super) ends_in_return: bool,
}

impl<'b> PlainEvent<'b> {
    /// Reads the event that `stream` begins with. An error says nothing about it but how far it was
    /// looked for: of what is before that, no line ends it.
    pub(super) fn read(stream: &'b [u8], id_limit: usize) -> Result<Self, usize> {
        let mut plain =
            Self { event: "", data: None, id: None, retry: None, length: 0, ends_in_return: false };
        let mut rest = stream;
        loop {
            let (line, behind) = rest.split_at_checked(line_length(rest)).unwrap_or((rest, &[]));
            let ([b'\r', b'\n', behind @ ..] | [b'\r' | b'\n', behind @ ..]) = behind else {
                return Err(stream.len());
            };
            if line.is_empty() {
                plain.length = stream.len() - behind.len();
                plain.ends_in_return = behind.is_empty() && stream.ends_with(b"\r");
                return Ok(plain);
            }
            if plain.take(line, id_limit).is_none() {
                return Err(stream.len() - rest.len());
            }
            rest = behind;
        }
    }

    fn take(&mut self, line: &'b [u8], id_limit: usize) -> Option<()> {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at_checked(colon)?;
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" if self.data.is_some() => return None,
            b"data" => self.data = Some(text(value)?),
            b"event" => self.event = text(value)?,
            b"id" if value.len() <= id_limit && !value.contains(&0) => self.id = Some(text(value)?),
            b"retry" => {
                if let Some(Some(retry)) = more_digits(None, value) {
                    self.retry = Some(retry);
                }
            }
            _ => {}
        }
        Some(())
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    simdutf8::basic::from_utf8(bytes).ok()
}

/// How many bytes stand before the next line end, or all of them.
pub(super) fn line_length(bytes: &[u8]) -> usize {
    const CHUNK: usize = 32;
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    // As many bytes as the compiler compares at once on any machine, twice.
    let has_end = |chunk: &&[u8]| chunk.iter().fold(0, |any, it| any | u8::from(is_end(it))) != 0;
    let before = bytes.chunks_exact(CHUNK).take_while(|chunk| !has_end(chunk)).count() * CHUNK;
    let rest = bytes.get(before..).unwrap_or_default();
    before + rest.iter().position(is_end).unwrap_or(rest.len())
}
