//! What the stages tell a trace, by the names of OVN's stages.

use dash_hal::PortId;
use smoltcp::wire::EthernetAddress;

use super::{Action, Arrival, DropReason, FlowKey, Rule};

/// What one stage did for a frame. A frame with a flow skips all but `Tunnel` and `Key`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// The Geneve header of a frame from the underlay.
    Tunnel(Arrival),
    /// The name of the frame's flow.
    Key(FlowKey),
    /// Ingress stages 0 to 2, `ls_in_port_sec_l2`, `_ip`, `_nd`: what they refuse, if anything.
    PortSecurity(Option<DropReason>),
    /// Ingress stage 10, `ls_in_chain`.
    InChain {
        /// The rule that matched.
        rule: Option<Rule>,
        /// What it says.
        action: Action,
    },
    /// Ingress stage 16, `ls_in_l2_lkup`.
    Lookup {
        /// Destination MAC address.
        mac: EthernetAddress,
        /// Key of the port behind which it is.
        port: Option<u16>,
        /// Whether that was learnt.
        learned: bool,
    },
    /// The frame is for all ports of the switch, or all that are marked `unknown`.
    Flood {
        /// Only those.
        unknown: bool,
    },
    /// Egress stage 0, `ls_out_chain`: on to ingress stage 11 as if it had come in here.
    OutChain {
        /// Key of the application's port.
        port: u16,
    },
    /// Table 32: to a port of another host.
    Remote {
        /// Number of the host.
        host: u16,
        /// Key of the port.
        port: u16,
    },
    /// Table 65: to a port of this host.
    Deliver {
        /// Its key.
        port: u16,
        /// The port of the device.
        id: PortId,
    },
}
