//! The small numbers that the library names objects by, for the names of a configuration.

use std::collections::BTreeMap;

use smoltcp::wire::EthernetAddress;

use super::{acl::IpVersion, key::ApplianceId};
use crate::port::PortNames;

/// Numbers of one kind of name, given in the order of first appearance and never taken back.
#[derive(Clone, Debug)]
pub struct Numbers<K> {
    numbers: BTreeMap<K, usize>,
    names: Vec<K>,
}

impl<K> Default for Numbers<K> {
    fn default() -> Self {
        Self { numbers: BTreeMap::new(), names: Vec::new() }
    }
}

impl<K: Ord + Clone> Numbers<K> {
    /// The number of `name`, the next one when it is new.
    pub fn number(&mut self, name: &K) -> usize {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.names.len();
        self.numbers.insert(name.clone(), number);
        self.names.push(name.clone());
        number
    }

    /// The name of `number`.
    #[must_use]
    pub fn name(&self, number: usize) -> Option<&K> {
        self.names.get(number)
    }

    /// Names so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// The numbers of all kinds of names.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Appliances.
    pub appliances: Numbers<ApplianceId>,
    /// VNETs.
    pub vnets: Numbers<String>,
    /// ENIs by key.
    pub enis: Numbers<EthernetAddress>,
    /// Route groups.
    pub route_groups: Numbers<String>,
    /// ACL groups. Of a name that comes back as of the other IP version it is another group: a
    /// group that is bound keeps its version.
    pub acl_groups: Numbers<(String, IpVersion)>,
    /// Tags.
    pub tags: Numbers<String>,
    /// Ports.
    pub ports: PortNames,
}
