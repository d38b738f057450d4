//! A frame in the caller's memory.

use core::{ffi::c_void, ptr::NonNull, slice};

use dash_hal::{NoRoom, PacketBuffer, PortId, ReceiveFlags, ReceiveMetadata};

use crate::{foreign, status::Status};

/// `flags`: the NIC verified the checksum of the outermost IPv4 header.
pub const DASH_FRAME_L3_GOOD: u16 = 1;
/// `flags`: the NIC found it wrong.
pub const DASH_FRAME_L3_BAD: u16 = 2;
/// `flags`: the NIC verified the checksum of the outermost TCP or UDP header.
pub const DASH_FRAME_L4_GOOD: u16 = 4;
/// `flags`: the NIC found it wrong.
pub const DASH_FRAME_L4_BAD: u16 = 8;
/// `flags`: the NIC took a VLAN tag off; `vlan` is its tag control information.
pub const DASH_FRAME_VLAN_STRIPPED: u16 = 16;
/// `flags`: the frame on the wire was longer than the bytes that are here.
pub const DASH_FRAME_TRUNCATED: u16 = 32;

/// All flags that are known.
/// They are the library's own.
const _: () = {
    use ReceiveFlags as Own;
    assert!(DASH_FRAME_L3_GOOD == Own::L3_GOOD.bits() as u16);
    assert!(DASH_FRAME_L3_BAD == Own::L3_BAD.bits() as u16);
    assert!(DASH_FRAME_L4_GOOD == Own::L4_GOOD.bits() as u16);
    assert!(DASH_FRAME_L4_BAD == Own::L4_BAD.bits() as u16);
    assert!(DASH_FRAME_VLAN_STRIPPED == Own::VLAN_STRIPPED.bits() as u16);
    assert!(DASH_FRAME_TRUNCATED == Own::TRUNCATED.bits() as u16);
};

/// A frame: one contiguous piece of memory, with free bytes in front of the frame and behind it.
///
/// Memory: the caller's, as is this struct; both belong to the library from the call that takes the
/// frame to the callback that ends it. The frame is changed in place, and grows to the front: in
/// front of it there should be 128 free bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_frame_t {
    /// The first byte of the memory. No alignment is assumed.
    pub memory: *mut u8,
    /// Bytes of the memory, less than 2 GiB.
    pub capacity: usize,
    /// Where the frame starts: its Ethernet header. Changed by the library.
    pub offset: usize,
    /// Bytes of the frame, without FCS. Changed by the library.
    pub length: usize,
    /// The caller's own; never looked at.
    pub cookie: *mut c_void,
    /// 1 while the library has the frame. The caller sets it to 0 once, when it makes the struct.
    pub held: u32,
    /// The port that the frame came in at.
    pub port: u16,
    /// What the NIC knows of it: `DASH_FRAME_...`; 0: nothing.
    pub flags: u16,
    /// Tag control information (PCP, DEI, VID) of the tag that was taken off.
    pub vlan: u16,
}

/// A frame that the library has. What bounds the memory is kept here, so that nothing that the
/// caller writes into its struct meanwhile moves an access.
#[derive(Debug)]
pub(crate) struct FrameBuffer {
    frame: NonNull<dash_frame_t>,
    memory: NonNull<u8>,
    // 32 bits each: a burst of these lies on the stack.
    capacity: u32,
    offset: u32,
    length: u32,
    metadata: ReceiveMetadata,
}

impl FrameBuffer {
    /// Takes a frame over.
    ///
    /// # Safety
    /// A pointer that is neither NULL nor misaligned points at an initialised frame whose memory
    /// is there, initialised where the frame lies, and used by nobody else until it is
    /// [given back](Self::give_back).
    pub(crate) unsafe fn take(pointer: *mut dash_frame_t) -> Result<Self, Status> {
        // SAFETY: the caller's promise.
        let frame = unsafe { foreign::read(pointer) }?;
        if frame.held != 0 {
            return Err(Status::DASH_IN_USE);
        }
        let end = frame.offset.checked_add(frame.length).ok_or(Status::DASH_BAD_FRAME)?;
        let capacity = i32::try_from(frame.capacity).map_err(|_| Status::DASH_BAD_FRAME)?;
        if end > frame.capacity {
            return Err(Status::DASH_BAD_FRAME);
        }
        let memory = NonNull::new(frame.memory).ok_or(Status::DASH_NULL)?;
        let taken = Self {
            frame: NonNull::new(pointer).ok_or(Status::DASH_NULL)?,
            memory,
            capacity: capacity.unsigned_abs(),
            offset: frame.offset as u32,
            length: frame.length as u32,
            metadata: metadata(&frame)?,
        };
        taken.hold();
        #[cfg(feature = "planted-overflow")]
        // SAFETY: there is none, for the test that a sanitizer sees the byte behind the memory.
        unsafe {
            taken.memory.as_ptr().add(frame.capacity).write_volatile(0);
        }
        Ok(taken)
    }

    /// Marks the frame as the library's, again after a callback refused it.
    pub(crate) fn hold(&self) {
        // SAFETY: the frame was initialised when it was taken, and is the library's.
        unsafe { (&raw mut (*self.frame.as_ptr()).held).write(1) };
    }

    /// Says where the frame is now, and answers it for a callback. Once that has taken it, this is
    /// dropped.
    pub(crate) fn give_back(&self) -> *mut dash_frame_t {
        let frame = self.frame.as_ptr();
        // SAFETY: as above.
        unsafe {
            (&raw mut (*frame).offset).write(self.offset as usize);
            (&raw mut (*frame).length).write(self.length as usize);
            (&raw mut (*frame).held).write(0);
        }
        frame
    }
}

fn metadata(frame: &dash_frame_t) -> Result<ReceiveMetadata, Status> {
    let flags = u8::try_from(frame.flags).ok().and_then(ReceiveFlags::from_bits);
    let flags = flags.ok_or(Status::DASH_BAD_FRAME)?;
    let l3 = ReceiveFlags::L3_GOOD | ReceiveFlags::L3_BAD;
    let l4 = ReceiveFlags::L4_GOOD | ReceiveFlags::L4_BAD;
    if flags.contains(l3) || flags.contains(l4) {
        return Err(Status::DASH_BAD_FRAME);
    }
    Ok(ReceiveMetadata { port: PortId(frame.port), flags, vlan: frame.vlan, rss: None })
}

impl PacketBuffer for FrameBuffer {
    fn bytes(&self) -> &[u8] {
        // SAFETY: offset + length ≤ capacity holds from `take` on; the memory is the library's by
        // the promise there.
        unsafe {
            let start = self.memory.as_ptr().add(self.offset as usize);
            slice::from_raw_parts(start, self.length as usize)
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe {
            let start = self.memory.as_ptr().add(self.offset as usize);
            slice::from_raw_parts_mut(start, self.length as usize)
        }
    }

    fn headroom(&self) -> usize {
        self.offset as usize
    }

    fn tailroom(&self) -> usize {
        (self.capacity - self.offset - self.length) as usize
    }

    fn push_front(&mut self, count: usize) -> Result<(), NoRoom> {
        if count > self.headroom() {
            return Err(NoRoom);
        }
        self.offset -= count as u32;
        self.length += count as u32;
        Ok(())
    }

    fn pull_front(&mut self, count: usize) -> Result<(), NoRoom> {
        if count > self.length as usize {
            return Err(NoRoom);
        }
        self.offset += count as u32;
        self.length -= count as u32;
        Ok(())
    }

    fn push_back(&mut self, count: usize) -> Result<(), NoRoom> {
        if count > self.tailroom() {
            return Err(NoRoom);
        }
        self.length += count as u32;
        Ok(())
    }

    fn truncate(&mut self, length: usize) {
        if length < self.length as usize {
            self.length = length as u32;
        }
    }

    fn metadata(&self) -> &ReceiveMetadata {
        &self.metadata
    }
}
