//! What core and device share: registers and descriptors. A porter writes here what the manual of
//! the NIC says.

use core::sync::atomic::{AtomicU32, AtomicUsize};

use safe_mmio::fields::{ReadPure, WriteOnly};

/// Registers of one port.
#[derive(Debug)]
#[repr(C)]
pub struct PortRegisters {
    /// Address of the receive ring.
    pub receive_ring: WriteOnly<usize>,
    /// Address of the transmit ring.
    pub transmit_ring: WriteOnly<usize>,
    /// Descriptors of each ring. Written last: the device starts.
    pub descriptors: WriteOnly<u32>,
    /// Any value: the transmit ring has work.
    pub doorbell: WriteOnly<u32>,
    /// Frames that found no receive descriptor, modulo 2³².
    pub missed: ReadPure<u32>,
}

/// The timer: microseconds since reset, modulo 2³².
pub type Timer = ReadPure<u32>;

/// One entry of a ring.
#[derive(Debug)]
#[repr(C)]
pub struct Descriptor {
    /// Address of the first byte of the frame, or of the room for one.
    pub address: AtomicUsize,
    /// Owner, flags and length: see the constants. Its store hands the descriptor over.
    pub word: AtomicU32,
}

impl Descriptor {
    /// Of the core.
    #[must_use]
    pub const fn idle() -> Self {
        Self { address: AtomicUsize::new(0), word: AtomicU32::new(0) }
    }
}

/// The descriptor is the device's.
pub const OWNED: u32 = 1 << 31;
/// The frame goes on in the next descriptor.
pub const MORE: u32 = 1 << 30;
/// The device looked at the IPv4 header's checksum.
pub const L3_SEEN: u32 = 1 << 29;
/// It is wrong.
pub const L3_BAD: u32 = 1 << 28;
/// The device looked at the checksum of TCP or UDP.
pub const L4_SEEN: u32 = 1 << 27;
/// It is wrong.
pub const L4_BAD: u32 = 1 << 26;
/// Bytes of the frame in this descriptor, or of the room.
pub const LENGTH: u32 = 0xffff;

/// A ring of `N` descriptors, in memory that core and device see alike.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Descriptors<const N: usize>(pub [Descriptor; N]);

impl<const N: usize> Descriptors<N> {
    /// All of the core.
    #[must_use]
    pub const fn new() -> Self {
        Self([const { Descriptor::idle() }; N])
    }
}

impl<const N: usize> Default for Descriptors<N> {
    fn default() -> Self {
        Self::new()
    }
}
