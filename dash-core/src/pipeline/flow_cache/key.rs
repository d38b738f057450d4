//! The name of a flow: epoch, VLAN and the address of the remote end, 24 bytes.

use dash_hal::{HashKey, Hints};
use smoltcp::wire::IpAddress;

use crate::table::cuckoo::Key;

const V6: u64 = 1 << 16;
const EPOCH: u32 = 32;

/// VLAN, family and epoch; the address.
///
/// Both directions have one flow: from a server the remote end is the destination, and the frame
/// that the tunnel router makes of it has the same. Flows of an older configuration have another
/// epoch, so they are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowKey([u64; 3]);

impl Key for FlowKey {
    const EMPTY: Self = Self([0; 3]);

    fn hash<H: Hints>(&self, secret: &HashKey, hints: &H) -> u64 {
        let [words @ .., _] = &self.0;
        if self.is_v6() {
            hints.keyed_hash(secret, &self.0)
        } else {
            hints.keyed_hash(secret, words)
        }
    }
}

impl FlowKey {
    pub(super) fn new(epoch: u32, vlan: u16, remote: IpAddress) -> Self {
        let facts = u64::from(epoch) << EPOCH | u64::from(vlan);
        match remote {
            IpAddress::Ipv4(remote) => Self([facts, remote.to_bits().into(), 0]),
            IpAddress::Ipv6(remote) => {
                let bits = remote.to_bits();
                Self([facts | V6, bits as u64, (bits >> 64) as u64])
            }
        }
    }

    const fn is_v6(&self) -> bool {
        self.0[0] & V6 != 0
    }

    /// The VLAN of the server.
    #[must_use]
    pub const fn vlan(&self) -> u16 {
        self.0[0] as u16
    }

    /// The address of the remote end.
    #[must_use]
    pub fn remote(&self) -> IpAddress {
        let Self([_, low, high]) = *self;
        if self.is_v6() {
            IpAddress::Ipv6((u128::from(high) << 64 | u128::from(low)).into())
        } else {
            IpAddress::Ipv4((low as u32).into())
        }
    }

    pub(super) const fn epoch(&self) -> u32 {
        (self.0[0] >> EPOCH) as u32
    }
}
