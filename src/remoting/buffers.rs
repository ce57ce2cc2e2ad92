//! Buffers of one size, lent to connections while they have something to read or write, so that an idle
//! connection holds none and a busy one allocates none. Not for frames larger than a buffer: those grow their
//! own.

use std::cell::RefCell;

use bytes::BytesMut;

/// A buffer's size: some hundreds of small requests.
pub(super) const BUFFER_BYTES: usize = 64 * 1024;
/// Buffers that a thread keeps for the next connection.
const KEPT_MAX: usize = 8;

thread_local! {
    static KEPT: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer.
pub(super) fn take() -> BytesMut {
    KEPT.with_borrow_mut(Vec::pop).unwrap_or_else(|| BytesMut::with_capacity(BUFFER_BYTES))
}

/// Takes a buffer back, leaving one without memory in its place. One whose bytes somebody still holds, or that
/// has grown, is not kept.
pub(super) fn put_back(buffer: &mut BytesMut) {
    let mut buffer = std::mem::take(buffer);
    buffer.clear();
    if buffer.try_reclaim(BUFFER_BYTES) && buffer.capacity() <= 2 * BUFFER_BYTES {
        KEPT.with_borrow_mut(|kept| {
            if kept.len() < KEPT_MAX {
                kept.push(buffer);
            }
        });
    }
}
