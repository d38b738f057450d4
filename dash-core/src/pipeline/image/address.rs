//! IP addresses as images keep them, and prefixes.

use smoltcp::wire::IpAddress;

/// IP version, and the address left-aligned.
pub(in crate::pipeline) fn octets(address: IpAddress) -> (u8, [u8; 16]) {
    match address {
        IpAddress::Ipv4(address) => {
            let mut octets = [0; 16];
            for (to, from) in octets.iter_mut().zip(address.octets()) {
                *to = from;
            }
            (4, octets)
        }
        IpAddress::Ipv6(address) => (6, address.octets()),
    }
}

/// Whether the first `length` bits of two addresses are the same.
pub(in crate::pipeline) fn share_prefix(one: IpAddress, other: IpAddress, length: u8) -> bool {
    let [(version, bits), (other_version, other_bits)] = [octets(one), octets(other)];
    let differ = u128::from_be_bytes(bits) ^ u128::from_be_bytes(other_bits);
    version == other_version && differ.leading_zeros() >= length.into()
}
