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

/// What a NIC says of a checksum that it looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChecksumStatus {
    /// Not looked at.
    #[default]
    Unknown,
    /// Verified.
    Good,
    /// Found wrong.
    Bad,
}

/// What the port knows of a received frame besides its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiveMetadata {
    /// The port that the frame came in at.
    pub port: PortId,
    /// The NIC's receive-side-scaling value, if it computed one. It chooses queues; it is never
    /// used as the hash of a table, whose seed is secret.
    pub rss: Option<u32>,
    /// Checksum of the outermost IPv4 header.
    pub l3_checksum: ChecksumStatus,
    /// Checksum of the outermost TCP or UDP header. A UDP checksum of zero is none, and not bad.
    pub l4_checksum: ChecksumStatus,
    /// Tag control information (PCP, DEI, VID) of a tag that the NIC took off the frame.
    pub stripped_vlan: Option<u16>,
    /// The frame on the wire was longer than the bytes in the buffer.
    pub truncated: bool,
}

/// One frame: a contiguous segment of bytes without FCS, with free bytes in front and behind.
///
/// **Ownership**: moved by value, one owner. Whoever holds it hands it to [`Ports::transmit`] or
/// [`Pool::recycle`]; the engine never forgets one.
/// **Alignment**: none is assumed; headers are read bytewise, and a frame may leave from an odd
/// address: a port whose device cannot read there moves the bytes. **Headroom**: a received frame
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
