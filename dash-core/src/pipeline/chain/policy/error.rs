//! Why a configuration was refused.

use crate::pipeline::ConfigurationError;

/// Kinds of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Kind {
    /// [`Host`](super::Host).
    Host,
    /// [`Switch`](super::Switch).
    Switch,
    /// [`Port`](super::Port).
    Port,
    /// [`Pair`](super::Pair).
    Pair,
    /// [`Group`](super::Group).
    Group,
    /// [`Chain`](super::Chain).
    Chain,
    /// [`Classifier`](super::Classifier).
    Classifier,
}

/// What is wrong with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Fault {
    /// There are more such objects, or more of what they hold, than [`Capacity`](super::Capacity).
    TooMany,
    /// It names an object that is not there.
    Missing,
    /// A key of 0 or beyond its range; for a pair, group or chain nothing else.
    Key,
    /// Its key, MAC address or device port is another one's too.
    Duplicate,
    /// Ports are not in ascending order of switch and key.
    Disordered,
    /// A port appears twice in one chain, other than as both ports of one pair.
    PortTwice,
    /// Its port has a classifier already.
    SecondClassifier,
    /// A pair on a localnet port.
    PairOnLocalnet,
    /// Port security on the port of a pair.
    PairSecured,
    /// A pair, or a port of it, that one group passes frames through and another copies to.
    PairOfTwoModes,
    /// It joins ports of different switches.
    OtherSwitch,
    /// A rule names a tag.
    Tag,
}

/// Why a change was refused; nothing of it is applied.
pub type PolicyError = ConfigurationError<Kind, Fault>;
