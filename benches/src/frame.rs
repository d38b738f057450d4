//! Pointer-sized packet buffers, and the frames in them.

use dash_hal::{Hints, NoRoom, PacketBuffer, PortId, ReceiveMetadata};
use smoltcp::wire::Ipv4Address;

use crate::policy::{VIP, VM_ADDRESS, VM_HOST, VM_VNI, eni_mac};

/// Bytes of the customer frame, without FCS.
pub const CUSTOMER_BYTES: usize = 64;
/// Bytes of a received frame: VXLAN over IPv4.
pub const RECEIVED_BYTES: usize = 50 + CUSTOMER_BYTES;

/// Free bytes in front of a received frame. It begins on a cache line.
const HEADROOM: usize = 128;
/// 2 KiB with the metadata, and one cache line more, so that frames do not share cache sets.
const ROOM: usize = 2048;

/// A buffer: 8 bytes that are moved, as on a port whose driver hands out descriptors. Its memory is
/// a port's, for good.
#[derive(Debug)]
pub struct Buffer(&'static mut Memory);

/// Metadata on a cache line of its own, then headroom and frame.
#[derive(Debug)]
#[repr(C, align(64))]
struct Memory {
    head: Head,
    bytes: [u8; ROOM],
}

#[derive(Debug)]
#[repr(C, align(64))]
struct Head {
    metadata: ReceiveMetadata,
    start: usize,
    end: usize,
}

/// What tells the frames of two flows apart.
#[derive(Clone, Copy, Debug)]
pub struct FlowFields {
    /// Number of the ENI.
    pub eni: u8,
    /// Customer destination.
    pub destination: Ipv4Address,
    /// Source port of the customer frame.
    pub source_port: u16,
    /// To the VM.
    pub inbound: bool,
    /// TCP flags; `None`: UDP.
    pub flags: Option<u8>,
}

impl Buffer {
    /// A buffer without a frame.
    #[must_use]
    pub fn new(metadata: ReceiveMetadata) -> Self {
        let head = Head { metadata, start: HEADROOM, end: HEADROOM };
        Self(Box::leak(Box::new(Memory { head, bytes: [0; ROOM] })))
    }

    /// Writes the frame of a flow as it is received, over whatever an engine made of the last one.
    pub fn receive(&mut self, pristine: &[u8; RECEIVED_BYTES], flow: &FlowFields) {
        let memory = &mut *self.0;
        memory.head.start = HEADROOM;
        memory.head.end = HEADROOM + RECEIVED_BYTES;
        let frame = &mut memory.bytes[HEADROOM..HEADROOM + RECEIVED_BYTES];
        frame.copy_from_slice(pristine);
        frame[SOURCE_MAC..SOURCE_MAC + 6].copy_from_slice(&eni_mac(flow.eni).0);
        frame[DESTINATION..DESTINATION + 4].copy_from_slice(&flow.destination.octets());
        frame[SOURCE_PORT..SOURCE_PORT + 2].copy_from_slice(&flow.source_port.to_be_bytes());
        if let Some(flags) = flow.flags {
            frame[IP + 9] = 6;
            frame[TCP_OFFSET] = 5 << 4;
            frame[TCP_OFFSET + 1] = flags;
        }
        if flow.inbound {
            swap(frame, CUSTOMER, 6);
            swap(frame, DESTINATION - 4, 4);
            swap(frame, SOURCE_PORT, 2);
            frame[VNI + 2] = PEER_VNI;
        }
        write_checksum(&mut frame[IP..IP + 20]);
    }

    /// Writes a frame as it is received at `port`.
    pub fn receive_at<const N: usize>(&mut self, frame: &[u8; N], port: PortId) {
        let Memory { head, bytes } = &mut *self.0;
        head.metadata.port = port;
        head.start = HEADROOM;
        head.end = HEADROOM + N;
        bytes[HEADROOM..HEADROOM + N].copy_from_slice(frame);
    }

    /// Starts to load metadata and headers, without a look at them.
    #[inline]
    pub fn prefetch<H: Hints>(&self, hints: &H) {
        hints.prefetch(&self.0.head);
        hints.prefetch(&self.0.bytes[HEADROOM..HEADROOM + RECEIVED_BYTES]);
    }

    /// Drops the frame.
    pub fn clear(&mut self) {
        self.0.head.start = HEADROOM;
        self.0.head.end = HEADROOM;
    }
}

/// Offsets of customer headers and fields.
const CUSTOMER: usize = 50;
const SOURCE_MAC: usize = CUSTOMER + 6;
const IP: usize = CUSTOMER + 14;
const DESTINATION: usize = IP + 16;
const SOURCE_PORT: usize = IP + 20;
const TCP_OFFSET: usize = IP + 32;
const VNI: usize = 46;
/// The last byte of a VNI that is no VM's.
const PEER_VNI: u8 = VM_VNI as u8 + 1;

/// Swaps two neighbours of `bytes` bytes.
fn swap(frame: &mut [u8], at: usize, bytes: usize) {
    let (first, second) = frame[at..at + 2 * bytes].split_at_mut(bytes);
    first.swap_with_slice(second);
}

/// The received frame of all flows: 00…, then outer VXLAN to the VIP and a customer UDP datagram.
#[must_use]
pub(crate) fn pristine() -> [u8; RECEIVED_BYTES] {
    let mut bytes = Vec::with_capacity(RECEIVED_BYTES);
    // Outer Ethernet, IPv4, UDP, VXLAN.
    bytes.extend([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]);
    bytes.extend(ipv4(RECEIVED_BYTES - 14, VM_HOST, VIP));
    bytes.extend(udp(0xc000, 4789, RECEIVED_BYTES - 34));
    bytes.extend([8, 0, 0, 0]);
    bytes.extend((VM_VNI << 8).to_be_bytes());
    // Customer Ethernet, IPv4, UDP, payload.
    bytes.extend([0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc]);
    bytes.extend(eni_mac(0).0);
    bytes.extend([8, 0]);
    bytes.extend(ipv4(CUSTOMER_BYTES - 14, VM_ADDRESS, Ipv4Address::UNSPECIFIED));
    bytes.extend(udp(0, 80, CUSTOMER_BYTES - 34));
    let mut frame = [0; RECEIVED_BYTES];
    frame[..bytes.len()].copy_from_slice(&bytes);
    frame
}

fn ipv4(length: usize, source: Ipv4Address, destination: Ipv4Address) -> [u8; 20] {
    let mut header = [0; 20];
    header[0] = 0x45;
    header[2..4].copy_from_slice(&(length as u16).to_be_bytes());
    header[8..10].copy_from_slice(&[64, 17]);
    header[12..16].copy_from_slice(&source.octets());
    header[16..20].copy_from_slice(&destination.octets());
    write_checksum(&mut header);
    header
}

fn udp(source: u16, destination: u16, length: usize) -> [u8; 8] {
    let mut header = [0; 8];
    header[..2].copy_from_slice(&source.to_be_bytes());
    header[2..4].copy_from_slice(&destination.to_be_bytes());
    header[4..6].copy_from_slice(&(length as u16).to_be_bytes());
    header
}

fn write_checksum(header: &mut [u8]) {
    header[10..12].fill(0);
    let sum: u32 = header.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    header[10..12].copy_from_slice(&(!sum as u16).to_be_bytes());
}

impl PacketBuffer for Buffer {
    #[inline]
    fn bytes(&self) -> &[u8] {
        self.0.bytes.get(self.0.head.start..self.0.head.end).unwrap_or_default()
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        let Memory { head, bytes } = &mut *self.0;
        bytes.get_mut(head.start..head.end).unwrap_or_default()
    }

    #[inline]
    fn headroom(&self) -> usize {
        self.0.head.start
    }

    #[inline]
    fn tailroom(&self) -> usize {
        ROOM - self.0.head.end
    }

    #[inline]
    fn push_front(&mut self, count: usize) -> Result<(), NoRoom> {
        self.0.head.start = self.0.head.start.checked_sub(count).ok_or(NoRoom)?;
        Ok(())
    }

    #[inline]
    fn pull_front(&mut self, count: usize) -> Result<(), NoRoom> {
        if count > self.0.head.end - self.0.head.start {
            return Err(NoRoom);
        }
        self.0.head.start += count;
        Ok(())
    }

    #[inline]
    fn push_back(&mut self, count: usize) -> Result<(), NoRoom> {
        if count > self.tailroom() {
            return Err(NoRoom);
        }
        self.0.head.end += count;
        Ok(())
    }

    #[inline]
    fn truncate(&mut self, length: usize) {
        self.0.head.end = self.0.head.end.min(self.0.head.start.saturating_add(length));
    }

    #[inline]
    fn metadata(&self) -> &ReceiveMetadata {
        &self.0.head.metadata
    }
}
