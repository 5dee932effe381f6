//! Parts of bodies: where they stand, and how one takes the place of another.

use alloc::vec::Vec;
use core::ops::Range;

/// Where a part that was borrowed from `body` stands in it.
pub(crate) fn range_of(body: &[u8], part: &[u8]) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (end <= body.len()).then_some(start..end)
}

/// A body with other bytes in place of some ranges, which are in order.
pub(crate) fn spliced<'a>(
    body: &[u8],
    edits: impl Iterator<Item = (Range<usize>, &'a [u8])>,
) -> Vec<u8> {
    let mut edited = Vec::with_capacity(body.len());
    let mut copied = 0;
    for (range, replacement) in edits {
        edited.extend(body.get(copied..range.start).unwrap_or_default());
        edited.extend(replacement);
        copied = range.end;
    }
    edited.extend(body.get(copied..).unwrap_or_default());
    edited
}
