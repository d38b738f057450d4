//! The time in front of a frame.

/// Bytes of a [`Stamp`].
pub const STAMP: usize = 8;

const TRUNCATED: u64 = 1 << 63;

/// What is known of a captured frame: 8 bytes, little-endian, the highest bit for `truncated`.
///
/// The firmware's clock is the latest time of all stamps so far. A frame that it sends has the
/// stamp of the frame that it was made of, also where the clock is later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Nanoseconds, below 2^63.
    pub time: u64,
    /// Whether the frame on the wire was longer than what follows.
    pub truncated: bool,
}

impl Stamp {
    /// As it stands in front of a frame.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; STAMP] {
        let flag = if self.truncated { TRUNCATED } else { 0 };
        (self.time & !TRUNCATED | flag).to_le_bytes()
    }

    /// The stamp, and the frame behind it; `None`: there are fewer bytes than a stamp has.
    #[must_use]
    pub const fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let Some((stamp, frame)) = bytes.split_first_chunk() else { return None };
        let word = u64::from_le_bytes(*stamp);
        Some((Self { time: word & !TRUNCATED, truncated: word & TRUNCATED != 0 }, frame))
    }
}
