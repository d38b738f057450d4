//! What the tables tell a trace, by their numbers of 2015.

use dash_hal::PortId;
use smoltcp::wire::{EthernetAddress, IpAddress};

use super::{Arrival, DropReason, FlowKey};

/// What a row does with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// On to a table.
    Goto(u8),
    /// On to table 40, with the network's id as metadata.
    Metadata(u32),
    /// The learning switch.
    Normal,
    /// Answered in place.
    Reply,
    /// The slow path of this core, or a controller elsewhere.
    Controller {
        /// Whether it is elsewhere.
        remote: bool,
    },
    /// An end.
    Drop(DropReason),
}

/// What one table did for a frame. A frame with a flow skips all but `Tunnel` and `Key`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// The VXLAN header of a frame from the underlay.
    Tunnel(Arrival),
    /// The name of the frame's flow.
    Key(FlowKey),
    /// Port security: what it refuses, if anything.
    PortSecurity(Option<DropReason>),
    /// A row of a table matched.
    Row {
        /// The table.
        table: u8,
        /// The row's priority.
        priority: u16,
        /// What it says.
        action: Action,
    },
    /// The learning switch looked for an address.
    Lookup {
        /// Destination MAC address.
        mac: EthernetAddress,
        /// Key of the port behind which it is; `None`: all ports.
        port: Option<u16>,
        /// Whether that was learnt.
        learned: bool,
    },
    /// The slow path found where an address is.
    Host {
        /// The next hop.
        ip: IpAddress,
        /// The id of its network.
        network: u32,
        /// Key of its port.
        port: u16,
    },
    /// Table 60: to a port of another host.
    Remote {
        /// Number of the host.
        host: u16,
        /// Key of the port.
        port: u16,
    },
    /// To a port of this host.
    Deliver {
        /// Its key.
        port: u16,
        /// The port of the device.
        id: PortId,
    },
}
