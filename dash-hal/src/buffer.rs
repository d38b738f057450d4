//! One frame in the port's memory.

use crate::PortId;

/// Free bytes in front of a received frame, or of an empty buffer, at least. Encapsulation in VXLAN
/// over IPv6 takes 70 less what decapsulation freed; the rest lets a port keep its frames aligned.
pub const HEADROOM: usize = 128;

/// Free bytes behind the start of an empty buffer, at least.
pub const TAILROOM: usize = 1500;

/// The buffer has fewer bytes in front of (or behind) the frame than were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

bitflags::bitflags! {
    /// What a NIC says of a frame that it received. Of a checksum it says nothing when it did not
    /// look; one that is good and bad is bad.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct ReceiveFlags: u8 {
        /// The checksum of the outermost IPv4 header is right.
        const L3_GOOD = 1;
        /// The checksum of the outermost IPv4 header is wrong.
        const L3_BAD = 2;
        /// The checksum of the outermost TCP or UDP header is right. A UDP checksum of zero is none,
        /// and not wrong.
        const L4_GOOD = 4;
        /// The checksum of the outermost TCP or UDP header is wrong.
        const L4_BAD = 8;
        /// A VLAN tag was taken off the frame.
        const VLAN_STRIPPED = 16;
        /// The frame on the wire was longer than the bytes in the buffer.
        const TRUNCATED = 32;
    }
}

/// What the port knows of a received frame besides its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiveMetadata {
    /// The port that the frame came in at.
    pub port: PortId,
    /// Facts.
    pub flags: ReceiveFlags,
    /// Tag control information (PCP, DEI, VID) of the tag that was taken off, if one was.
    pub vlan: u16,
    /// The NIC's receive-side-scaling value, if it computed one. It chooses queues; it is never
    /// used as the hash of a table, whose seed is secret.
    pub rss: Option<u32>,
}

impl ReceiveMetadata {
    /// Of a frame that was not received; all bytes are zero, for static storage.
    pub const NONE: Self =
        Self { port: PortId(0), flags: ReceiveFlags::empty(), vlan: 0, rss: None };
}

/// One frame: a contiguous segment of bytes without FCS, with free bytes in front and behind.
///
/// **Ownership**: moved by value, one owner. Whoever holds it hands it to [`Ports::transmit`] or
/// [`Pool::recycle`]; the engine never forgets one.
/// **Alignment**: none is assumed. A received frame goes fastest at a multiple of 4 and slowest at an
/// odd address. A frame may leave from an odd address: a port whose device cannot read there moves
/// the bytes. **Headroom**: a received frame
/// has [`HEADROOM`] bytes or more. `headroom`, the frame's length and `tailroom` always add up to
/// the same; bytes that stay inside the frame keep their content while its edges move. A frame of
/// more than 65,535 bytes is refused by the parser.
///
/// No method blocks, and none panics whatever the count.
///
/// [`Ports::transmit`]: crate::Ports::transmit
/// [`Pool::recycle`]: crate::Pool::recycle
pub trait PacketBuffer: Sized {
    /// The frame, from its Ethernet header to its last byte.
    fn bytes(&self) -> &[u8];

    /// The frame, to be changed in place.
    fn bytes_mut(&mut self) -> &mut [u8];

    /// Free bytes in front of the frame.
    fn headroom(&self) -> usize;

    /// Free bytes behind the frame.
    fn tailroom(&self) -> usize;

    /// Grows the frame by `count` bytes at its front; their content is unspecified.
    ///
    /// # Errors
    /// [`NoRoom`] when `count` exceeds the headroom; the frame is as before.
    fn push_front(&mut self, count: usize) -> Result<(), NoRoom>;

    /// Takes `count` bytes off the front; they become headroom.
    ///
    /// # Errors
    /// [`NoRoom`] when the frame is shorter than `count`; the frame is as before.
    fn pull_front(&mut self, count: usize) -> Result<(), NoRoom>;

    /// Grows the frame by `count` bytes at its end; their content is unspecified.
    ///
    /// # Errors
    /// [`NoRoom`] when `count` exceeds the tailroom; the frame is as before.
    fn push_back(&mut self, count: usize) -> Result<(), NoRoom>;

    /// Cuts the frame to its first `length` bytes; a longer `length` changes nothing.
    fn truncate(&mut self, length: usize);

    /// What the port knows of the frame.
    fn metadata(&self) -> &ReceiveMetadata;
}
