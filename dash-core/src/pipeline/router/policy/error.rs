//! Why a configuration was refused.

use crate::pipeline::ConfigurationError;

/// Kinds of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Kind {
    /// [`Host`](super::Host).
    Host,
    /// [`Network`](super::Network).
    Network,
    /// [`Port`](super::Port).
    Port,
    /// [`Router`](super::Router), its interfaces and routes.
    Router,
}

/// What is wrong with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Fault {
    /// There are more such objects, or more of what they hold, than [`Capacity`](super::Capacity).
    TooMany,
    /// It names an object that is not there.
    Missing,
    /// An id, key or VLAN of 0 or beyond its range.
    Key,
    /// Its id, address or device port is another one's too.
    Duplicate,
    /// Ports are not in ascending order of network and key.
    Disordered,
    /// Subnets of one network, or of networks that one router joins, overlap.
    Overlap,
    /// An address is in no subnet of its network, or the next hop of a route in none of the router.
    Unreachable,
    /// Its network is another router's, or its subnet has an interface already.
    Joined,
    /// A second provider port of one network.
    SecondProvider,
}

/// Why a change was refused; nothing of it is applied.
pub type PolicyError = ConfigurationError<Kind, Fault>;
