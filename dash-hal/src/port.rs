//! Numbered ports, the pool that buffers go back to, and the bundle.

use crate::{Burst, Clock, Entropy, Hints, PacketBuffer};

/// A numbered port of the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PortId(pub u16);

/// Receives and transmits bursts. Nothing here blocks.
pub trait Ports: Pool {
    /// Appends at most `limit` frames of `port`, and no more than `burst` has room for, in the
    /// order of their arrival; returns how many. Frames stay in the device until a call takes them.
    /// A frame that the device holds in several segments is linearised, or dropped and counted by
    /// the port. An unknown port gives none.
    ///
    /// The call also gives the receive ring fresh buffers, one by one or in batches; with an empty
    /// pool it goes on with those that the ring still has, and recovers when buffers come back.
    ///
    /// A core with a [prefetch](crate::Hints::prefetch) starts here to load what the engine reads
    /// first of each frame: its headers, 128 bytes.
    fn receive(&mut self, port: PortId, burst: &mut Burst<Self::Buffer>, limit: usize) -> usize;

    /// Takes frames from the front of `burst` and sends them in that order; returns how many.
    /// Those that it does not take stay in `burst` in their order, still owned by the caller. The
    /// frame is complete, checksums included, FCS not, and leaves as it is; a device that needs
    /// 60 bytes pads it.
    ///
    /// The buffer of a taken frame goes back to the pool when the device has read it. A port may
    /// look for such buffers only when it is called, but then in `receive`, `empty` and `copy` too
    /// once it is out of buffers: nothing is transmitted while nothing is received.
    ///
    /// Only a ring that is full and empties by itself is a reason not to take a frame: frames that
    /// are not taken hold places of the engine's one queue, and once they hold all of them nothing
    /// is received from any port. What can never leave (port unknown or down, frame shorter than
    /// an Ethernet header or longer than the MTU allows) is taken, counted by the port, and its
    /// buffer goes back to the pool.
    fn transmit(&mut self, port: PortId, burst: &mut Burst<Self::Buffer>) -> usize;

    /// The most bytes after the Ethernet header and its tags that `port` sends. A port need not
    /// look for tags: it sends every frame of up to `mtu + 14` bytes and 4 more for each of at most
    /// two tags, and may let an untagged frame have these 8 bytes too.
    fn mtu(&self, port: PortId) -> u16;
}

/// Buffers that no frame uses.
pub trait Pool {
    /// The port's buffers.
    type Buffer: PacketBuffer;

    /// Takes back a buffer that the engine is done with, whichever port it came from.
    fn recycle(&mut self, buffer: Self::Buffer);

    /// A second buffer with the same bytes and metadata, for flood and mirror; `None` refuses,
    /// and the caller counts it. What happens to one of the two does not change the other. The
    /// copy's headroom is the original's or [`HEADROOM`](crate::HEADROOM), whichever is less, or
    /// more.
    fn copy(&mut self, buffer: &Self::Buffer) -> Option<Self::Buffer>;

    /// A buffer without bytes, for a frame that the engine itself makes; `None` refuses.
    /// It has [`HEADROOM`](crate::HEADROOM) bytes or more in front and
    /// [`TAILROOM`](crate::TAILROOM) or more behind.
    fn empty(&mut self) -> Option<Self::Buffer>;
}

/// Everything that one core of a port gives, bundled by associated types.
///
/// Each core has its own: nothing here is shared between cores.
pub trait Platform: Ports {
    /// The clock.
    type Clock: Clock;
    /// The source of seeds.
    type Entropy: Entropy;
    /// Prefetch, hash, checksum.
    type Hints: Hints + Copy;

    /// The clock.
    fn clock(&self) -> &Self::Clock;
    /// The source of seeds.
    fn entropy(&mut self) -> &mut Self::Entropy;
    /// Prefetch, hash, checksum.
    fn hints(&self) -> Self::Hints;
}
