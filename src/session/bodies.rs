//! The members of batches, and where they stand.

use core::ops::Range;

use crate::jsonrpc::{Message, range_of};

/// Looks at each member of a batch, and at where it stands in the body.
pub(super) fn for_each_member<'a>(
    body: &'a [u8],
    batch: &Message<'a>,
    mut look: impl FnMut(Range<usize>, &Message<'a>),
) {
    for (text, member) in batch.members_with_text() {
        if let Some(range) = range_of(body, text.as_bytes()) {
            look(range, &member);
        }
    }
}
