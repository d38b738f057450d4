//! Edges, the words that lead to blocks: a value of 31 bits, nothing ([`NONE`]), or a pointer, with
//! bit 31 set, to the block that tells the addresses behind it apart. A pointer holds one less than the
//! granule that the block starts with, so that [`NONE`] in the place of a pointer to a node leads to
//! granule 0, where no block is.

/// The edge, and the value of a held place, that say nothing.
pub(super) const NONE: u32 = u32::MAX;

pub(super) const POINTER: u32 = 1 << 31;
const BUCKET: u32 = 1 << 30;
/// Three bits tell the form of a bucket.
const FORM_SHIFT: u32 = 27;
const START: u32 = (1 << FORM_SHIFT) - 1;
/// Most granules that blocks start at.
pub(super) const MAX_GRANULES: usize = START as usize;

#[inline]
pub(super) const fn is_pointer(edge: u32) -> bool {
    // NONE, the last number of all, wraps.
    edge.wrapping_add(1) > POINTER
}

#[inline]
pub(super) const fn is_node(edge: u32) -> bool {
    edge & (POINTER | BUCKET) == POINTER
}

#[inline]
pub(super) const fn is_bucket(edge: u32) -> bool {
    // NONE, the last number of all, wraps.
    edge.wrapping_add(1) > POINTER | BUCKET
}

pub(super) const fn node_edge(start: u32) -> u32 {
    POINTER | start.saturating_sub(1)
}

pub(super) const fn bucket_edge(start: u32, form: u32) -> u32 {
    POINTER | BUCKET | form << FORM_SHIFT | start.saturating_sub(1)
}

/// The granule that the block starts with.
#[inline]
pub(super) const fn start(edge: u32) -> u32 {
    (edge & START) + 1
}

/// The form of the bucket.
#[inline]
pub(super) const fn form(edge: u32) -> u32 {
    edge >> FORM_SHIFT & 7
}
