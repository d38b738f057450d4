//! A port in memory: rings of buffers on both sides.

use std::collections::VecDeque;
#[cfg(all(target_arch = "x86_64", target_feature = "avx2"))]
use std::sync::atomic::AtomicU32;

#[cfg(all(target_arch = "x86_64", target_feature = "avx2"))]
use dash_hal::VECTOR_WORDS;
use dash_hal::{
    Burst, Hints, Platform, Pool, PortId, Ports, ReceiveMetadata,
    software::{FixedEntropy, ManualClock},
};

use crate::frame::{Buffer, FlowFields, RECEIVED_BYTES, pristine};

/// Buffers of the port. Their frames' lines (1.5 MiB) do not stay in the caches next to a core.
pub const RING: usize = 8192;
/// Places for next hops, of which there are few.
pub(crate) const NEXT_HOPS: usize = 64;

/// One port, whose frames are written between measurements.
#[derive(Debug)]
pub struct Device<H> {
    pristine: [u8; RECEIVED_BYTES],
    idle: Vec<Buffer>,
    received: VecDeque<Buffer>,
    sent: Vec<Buffer>,
    recycled: usize,
    clock: ManualClock,
    entropy: FixedEntropy,
    hints: H,
}

impl<H: Hints + Copy> Device<H> {
    /// A port with [`RING`] idle buffers.
    #[must_use]
    pub fn new(hints: H) -> Self {
        Self {
            pristine: pristine(),
            idle: (0..RING).map(|_| Buffer::new(ReceiveMetadata::default())).collect(),
            received: VecDeque::with_capacity(RING),
            sent: Vec::with_capacity(RING),
            recycled: 0,
            clock: ManualClock::default(),
            entropy: FixedEntropy::default(),
            hints,
        }
    }

    /// Lets the frames of `flows` arrive, in this order, as many as there are idle buffers.
    pub fn arrive(&mut self, flows: impl Iterator<Item = FlowFields>) {
        for flow in flows {
            let Some(mut buffer) = self.idle.pop() else { break };
            buffer.receive(&self.pristine, &flow);
            self.received.push_back(buffer);
        }
    }

    /// Lets these frames arrive, each at its port, as many as there are idle buffers.
    pub fn arrive_at<const N: usize>(&mut self, frames: impl Iterator<Item = ([u8; N], PortId)>) {
        for (frame, port) in frames {
            let Some(mut buffer) = self.idle.pop() else { break };
            buffer.receive_at(&frame, port);
            self.received.push_back(buffer);
        }
    }

    /// Frames that no one has received yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.received.len()
    }

    /// The frames that were sent, oldest first.
    #[must_use]
    pub fn sent(&self) -> &[Buffer] {
        &self.sent
    }

    /// Frames that were dropped.
    #[must_use]
    pub const fn recycled(&self) -> usize {
        self.recycled
    }

    /// Makes the buffers of sent frames idle again.
    pub fn reclaim(&mut self) {
        // The oldest is received first again: over time every buffer is used.
        self.idle.extend(self.sent.drain(..).rev());
    }
}

impl<H: Hints + Copy> Ports for Device<H> {
    #[inline]
    fn receive(&mut self, _port: PortId, burst: &mut Burst<Buffer>, limit: usize) -> usize {
        let count = limit.min(self.received.len()).min(burst.room());
        for buffer in self.received.drain(..count) {
            buffer.prefetch(&self.hints);
            let _ = burst.push(buffer);
        }
        count
    }

    #[inline]
    fn transmit(&mut self, _port: PortId, burst: &mut Burst<Buffer>) -> usize {
        let count = burst.len();
        self.sent.extend(burst.drain(count));
        count
    }

    fn mtu(&self, _port: PortId) -> u16 {
        9100
    }
}

impl<H: Hints + Copy> Pool for Device<H> {
    type Buffer = Buffer;

    fn recycle(&mut self, mut buffer: Buffer) {
        buffer.clear();
        self.recycled += 1;
        self.idle.push(buffer);
    }

    fn copy(&mut self, _buffer: &Buffer) -> Option<Buffer> {
        None
    }

    fn empty(&mut self) -> Option<Buffer> {
        None
    }
}

impl<H: Hints + Copy> Platform for Device<H> {
    type Clock = ManualClock;
    type Entropy = FixedEntropy;
    type Hints = H;

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    fn entropy(&mut self) -> &mut FixedEntropy {
        &mut self.entropy
    }

    fn hints(&self) -> H {
        self.hints
    }
}

/// The software hints with the processor's prefetch, as a port gives them: all lines of an object,
/// since a flow has several; and with its vector load, where that is of eight words.
#[derive(Clone, Copy, Debug, Default)]
pub struct Prefetch;

impl Hints for Prefetch {
    #[cfg(all(target_arch = "x86_64", target_feature = "avx2"))]
    const LOADS_VECTORS: bool = true;

    #[cfg(all(target_arch = "x86_64", target_feature = "avx2"))]
    #[inline]
    fn load(&self, words: &[AtomicU32; VECTOR_WORDS]) -> [u32; VECTOR_WORDS] {
        let vector: core::arch::x86_64::__m256i;
        // SAFETY: it reads the words, each of which is aligned and so comes whole, as by a relaxed
        // load; AVX is there, or this would not be compiled. Any 32 bytes are eight numbers.
        unsafe {
            core::arch::asm!("vmovdqu {}, [{}]", out(ymm_reg) vector, in(reg) words,
                options(nostack, readonly, preserves_flags));
            core::mem::transmute(vector)
        }
    }

    #[inline]
    fn prefetch<T: ?Sized>(&self, at: &T) {
        for offset in (0..size_of_val(at)).step_by(LINE) {
            prefetch_line(core::ptr::from_ref(at).cast::<u8>().wrapping_add(offset));
        }
    }
}

/// Bytes of a cache line.
const LINE: usize = 64;

/// Starts to load the cache line of `address`, where the processor is one of those known here.
#[inline]
fn prefetch_line(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing that the program sees, and does not fault; SSE is part of
    // every x86-64.
    unsafe {
        use core::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // To the second level: the first has a dozen loads under way at most, a burst has more.
        _mm_prefetch::<_MM_HINT_T1>(address.cast());
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a prefetch reads nothing that the program sees, and does not fault.
    unsafe {
        core::arch::asm!("prfm pldl1keep, [{}]", in(reg) address,
            options(nostack, readonly, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = address;
}
