//! What a fragment says of its datagram, of either IP version (RFC 791, RFC 8200 section 4.5).

use super::{Layer, LayerFlags, Network, ipv6};

/// One fragment of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Identification: 16 bits of IPv4, 32 of IPv6.
    pub id: u32,
    /// Protocol, the same in all fragments: of IPv6 the first header of the fragmented part.
    pub protocol: u8,
    /// Offset in units of 8 bytes; 0: the first one, with the upper-layer header.
    pub offset: u16,
    /// Whether others follow.
    pub more: bool,
}

impl Layer {
    /// What the layer says, if it is a fragment.
    #[must_use]
    pub fn fragment(&self, frame: &[u8]) -> Option<Fragment> {
        if !self.flags.contains(LayerFlags::FRAGMENT) {
            return None;
        }
        if self.kind == Network::Ipv4 {
            let header = self.ipv4(frame)?;
            return Some(Fragment {
                id: header.ident().into(),
                protocol: header.protocol(),
                offset: header.fragment_offset(),
                more: header.more_fragments(),
            });
        }
        let packet = self.datagram(frame)?;
        let header = ipv6::find_fragment(packet, self.ipv6(frame)?.next_header())?;
        Some(Fragment {
            id: header.ident(),
            protocol: header.next_header(),
            offset: header.fragment_offset(),
            more: header.more_fragments(),
        })
    }
}
