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
    let [(version, one), (other_version, other)] = [octets(one), octets(other)];
    version == other_version && share_bits(&one, &other, length)
}

/// The same of octets of one IP version.
pub(in crate::pipeline) fn share_bits(one: &[u8; 16], other: &[u8; 16], length: u8) -> bool {
    let mut same = 0;
    for (one, other) in one.iter().zip(other) {
        let agree = (one ^ other).leading_zeros();
        same += agree;
        if agree < u8::BITS {
            break;
        }
    }
    same >= length.into()
}
