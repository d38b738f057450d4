//! A virtio-net device: two rings and a MAC address.

use dash_hal::ReceiveMetadata;
use virtio_drivers::{
    Error,
    transport::{DeviceType, Transport, mmio::MmioTransport},
};

use crate::{
    buffer::{FrameBuffer, HEADER},
    pool::SlotPool,
    ring::{RING, Ring},
};

bitflags::bitflags! {
    /// What is asked of a device (virtio 1.2, 5.1.3 and 6). No offload, no merged buffers: a frame
    /// is one segment, as it was on the wire.
    #[derive(Clone, Copy, Debug)]
    struct Features: u64 {
        const MAC = 1 << 5;
        const VERSION_1 = 1 << 32;
    }
}

const RECEIVE: u16 = 0;
const TRANSMIT: u16 = 1;

/// Where the device's configuration has its MAC address.
const MAC_AT: usize = 0;

/// A network device.
pub(crate) struct Nic {
    transport: MmioTransport<'static>,
    mac: [u8; 6],
    receive: Ring,
    transmit: Ring,
}

impl Nic {
    /// Sets a device up. It receives nothing before it is given buffers.
    ///
    /// # Errors
    /// It is no network device, or of the time before virtio 1.0, or has no MAC address, or refuses
    /// its queues.
    pub(crate) fn new(mut transport: MmioTransport<'static>) -> Result<Self, Error> {
        if transport.device_type() != DeviceType::Network {
            return Err(Error::Unsupported);
        }
        let features = transport.begin_init(Features::all());
        if !features.contains(Features::all()) {
            return Err(Error::Unsupported);
        }
        let mac = transport.read_consistent(|| transport.read_config_space(MAC_AT))?;
        let receive = Ring::new(&mut transport, RECEIVE)?;
        let transmit = Ring::new(&mut transport, TRANSMIT)?;
        transport.finish_init();
        Ok(Self { transport, mac, receive, transmit })
    }

    /// Its MAC address.
    pub(crate) const fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// Gives the device as many empty buffers as it takes and `pool` has.
    pub(crate) fn refill<const N: usize>(&mut self, pool: &mut SlotPool<N>) {
        while self.receive.room() > 0 {
            let Some(buffer) = pool.take() else { break };
            if let Err(buffer) = self.receive.give_empty(buffer) {
                pool.give(buffer);
                break;
            }
        }
        self.receive.notify(&mut self.transport);
    }

    /// The next frame that came in. The caller [refills](Self::refill) when it has what it wants.
    pub(crate) fn receive(&mut self, metadata: ReceiveMetadata) -> Option<FrameBuffer> {
        self.receive.take_filled(metadata)
    }

    /// Whether the transmit ring takes one more frame.
    pub(crate) fn has_room(&self) -> bool {
        self.transmit.room() > 0
    }

    /// Gives the device a frame to send, which [`flush`](Self::flush) tells it of.
    ///
    /// # Errors
    /// A full ring gives the frame back as it was.
    pub(crate) fn transmit(&mut self, mut buffer: FrameBuffer) -> Result<(), FrameBuffer> {
        if self.transmit.room() == 0 || buffer.prepend(&[0; HEADER]).is_err() {
            return Err(buffer);
        }
        self.transmit.give_frame(buffer)
    }

    /// Tells the device of the frames that it was given.
    pub(crate) fn flush(&mut self) {
        self.transmit.notify(&mut self.transport);
    }

    /// Takes back the buffers of frames that were sent.
    pub(crate) fn reclaim<const N: usize>(&mut self, pool: &mut SlotPool<N>) {
        while let Some(buffer) = self.transmit.take_sent() {
            pool.give(buffer);
        }
    }

    /// Whether the device has sent everything that it was given, once [reclaimed](Self::reclaim).
    pub(crate) fn is_idle(&self) -> bool {
        self.transmit.room() == RING
    }
}
