//! Finds the machine's devices.

use core::ptr::NonNull;

use dash_protocol::{CONTROL_MAC, DATA_PORTS, data_mac};
use virtio_drivers::transport::{
    DeviceType, Transport,
    mmio::{MmioTransport, VirtIOHeader},
};

use crate::{machine::Machine, nic::Nic, seeds::Seeds, storage::NICS};

/// Devices of the data ports; those that the machine does not have are `None`.
pub(crate) type DataPorts = [Option<&'static mut Nic>; DATA_PORTS];

/// What the program uses of the machine.
#[derive(Default)]
pub(crate) struct Devices {
    pub(crate) ports: DataPorts,
    pub(crate) control: Option<&'static mut Nic>,
    pub(crate) seeds: Option<Seeds>,
    /// Devices that could not be set up.
    pub(crate) lost: u32,
}

impl Devices {
    /// Finds each device by what it is, a network device by its MAC address; the order of their
    /// windows is of no matter. Devices of other kinds are left alone.
    ///
    /// # Safety
    /// Called once: the devices are the caller's.
    // Not inlined: what is built on the stack and moved to a static leaves the stack with it.
    #[inline(never)]
    pub(crate) unsafe fn find<M: Machine>() -> Self {
        let mut found = Self::default();
        let nics = NICS.take();
        // SAFETY: The caller promises that this is called once.
        for transport in unsafe { transports::<M>() } {
            let set_up = match transport.device_type() {
                DeviceType::Network => Nic::new(transport).is_ok_and(|nic| nics.push(nic).is_ok()),
                DeviceType::EntropySource => {
                    found.seeds = Seeds::draw(transport).ok();
                    found.seeds.is_some()
                }
                _ => true,
            };
            found.lost += u32::from(!set_up);
        }
        for nic in nics {
            let mac = nic.mac();
            let mut numbered = (0..).zip(&mut found.ports);
            if mac == CONTROL_MAC {
                found.control = Some(nic);
            } else if let Some((_, port)) = numbered.find(|(number, _)| mac == data_mac(*number)) {
                *port = Some(nic);
            }
        }
        found
    }
}

/// The devices of `M` that answer, in the order of their windows.
///
/// # Safety
/// Called once: each transport is the only one of its window.
unsafe fn transports<M: Machine>() -> impl Iterator<Item = MmioTransport<'static>> {
    (0..M::WINDOWS.count).filter_map(|index| {
        let address = M::WINDOWS.base + index * M::WINDOWS.size;
        let header = NonNull::new(core::ptr::with_exposed_provenance_mut::<VirtIOHeader>(address))?;
        // SAFETY: `Machine` promises a register window at this address; the caller promises that
        // no other transport uses it.
        unsafe { MmioTransport::new(header, M::WINDOWS.size) }.ok()
    })
}
