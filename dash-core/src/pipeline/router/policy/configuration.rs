//! What the control core hands in: hosts, networks, their ports, and the routers between them.
//!
//! Objects are named by their places in the slices; names of text are the caller's.

use dash_hal::PortId;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

use crate::pipeline::image::Host;

/// All of it, as one host sees it.
#[derive(Clone, Copy, Debug)]
pub struct Configuration<'c> {
    /// Which of `hosts` this is.
    pub host: u16,
    /// Hosts that networks span.
    pub hosts: &'c [Host],
    /// Networks.
    pub networks: &'c [Network<'c>],
    /// Ports of all hosts, in ascending order of network (those without one first) and key.
    pub ports: &'c [Port<'c>],
    /// Routers.
    pub routers: &'c [Router<'c>],
}

impl Configuration<'_> {
    /// Nothing, to name only what is there.
    pub const NONE: Self = Self { host: 0, hosts: &[], networks: &[], ports: &[], routers: &[] };
}

/// A network: one broadcast domain.
#[derive(Clone, Copy, Debug)]
pub struct Network<'c> {
    /// Its segmentation id: the metadata of its frames, and the VNI between hosts; 24 bits, not 0.
    pub id: u32,
    /// Its subnets.
    pub subnets: &'c [IpCidr],
    /// The VLAN that it has on its provider port, 1 to 4,094.
    pub vlan: Option<u16>,
}

/// A port.
#[derive(Clone, Copy, Debug)]
pub struct Port<'c> {
    /// Its network; `None`: that of metadata 0, which no router joins and no tunnel carries.
    pub network: Option<u16>,
    /// Its key in the network, not 0.
    pub key: u16,
    /// The port of the device on its host.
    pub id: PortId,
    /// Its host.
    pub host: u16,
    /// The MAC address behind it.
    pub mac: EthernetAddress,
    /// The IP addresses behind it.
    pub ips: &'c [IpAddress],
    /// Whether it leads to the physical network.
    pub provider: bool,
    /// Whether frames from it must have its own addresses, or a pair of `allowed`.
    pub port_security: bool,
    /// Further pairs of addresses that frames from it may have.
    pub allowed: &'c [(EthernetAddress, IpAddress)],
}

/// A router.
#[derive(Clone, Copy, Debug)]
pub struct Router<'c> {
    /// Its ports, one for each subnet.
    pub interfaces: &'c [Interface],
    /// Its routes beyond those subnets.
    pub routes: &'c [Route],
}

/// A port of a router: the gateway of one subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The network, which is no other router's.
    pub network: u16,
    /// Its address, in one of the network's subnets.
    pub ip: IpAddress,
    /// Its MAC address.
    pub mac: EthernetAddress,
}

/// A static route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Which destinations.
    pub prefix: IpCidr,
    /// The next hop, in a subnet of one of the router's ports.
    pub via: IpAddress,
}
