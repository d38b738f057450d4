//! Why a frame is malformed.
use core::fmt;

macro_rules! parse_errors {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// Each way in which a frame can be malformed, in the order in which a frame is read.
        ///
        /// `Truncated`: the bytes end before the header does. A length that is less than its own
        /// header is `…Short`; one that is more than the bytes present has the field's plain name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[repr(u8)]
        pub enum ParseError {
            $($(#[$doc])* $variant,)+
        }

        impl ParseError {
            /// Each error once, at its [`index`](Self::index).
            pub const ALL: [Self; Self::COUNT] = [$(Self::$variant,)+];
            /// How many there are.
            pub const COUNT: usize = [$($name,)+].len();

            /// Name of its counter, behind `parse.`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

parse_errors! {
    /// More than 65,535 bytes.
    FrameTooLong = "frame_too_long",
    /// The outermost Ethernet header: under 14 bytes.
    EthernetTruncated = "ethernet_truncated",
    /// The Ethernet header behind an encapsulation: under 14 bytes.
    InnerEthernetTruncated = "inner_ethernet_truncated",
    /// A VLAN tag and the ethertype behind it: under 4 bytes.
    VlanTruncated = "vlan_truncated",
    /// Under 20 bytes.
    Ipv4Truncated = "ipv4_truncated",
    /// Version not 4 behind ethertype 0x0800.
    Ipv4Version = "ipv4_version",
    /// Header length under 20 bytes.
    Ipv4HeaderLength = "ipv4_header_length",
    /// The options run past the bytes present.
    Ipv4OptionsTruncated = "ipv4_options_truncated",
    /// Total length under the header length.
    Ipv4TotalLengthShort = "ipv4_total_length_short",
    /// Total length over the bytes present.
    Ipv4TotalLength = "ipv4_total_length",
    /// Under 40 bytes.
    Ipv6Truncated = "ipv6_truncated",
    /// Version not 6 behind ethertype 0x86dd.
    Ipv6Version = "ipv6_version",
    /// Payload length over the bytes present.
    Ipv6PayloadLength = "ipv6_payload_length",
    /// An extension header runs past the payload.
    Ipv6ExtensionTruncated = "ipv6_extension_truncated",
    /// More than [`MAX_EXTENSION_HEADERS`](super::ipv6::MAX_EXTENSION_HEADERS).
    Ipv6ExtensionCount = "ipv6_extension_count",
    /// Under 8 bytes.
    UdpTruncated = "udp_truncated",
    /// Length under 8.
    UdpLengthShort = "udp_length_short",
    /// Length over the IP payload.
    UdpLength = "udp_length",
    /// Under 20 bytes.
    TcpTruncated = "tcp_truncated",
    /// Data offset under 20 bytes.
    TcpDataOffset = "tcp_data_offset",
    /// The options run past the IP payload.
    TcpOptionsTruncated = "tcp_options_truncated",
    /// Under 4 bytes.
    Icmpv4Truncated = "icmpv4_truncated",
    /// Under 4 bytes.
    Icmpv6Truncated = "icmpv6_truncated",
    /// Under 8 bytes of UDP payload.
    VxlanTruncated = "vxlan_truncated",
    /// I flag clear: there is no VNI.
    VxlanFlags = "vxlan_flags",
    /// Under 8 bytes of UDP payload.
    GeneveTruncated = "geneve_truncated",
    /// Version not 0.
    GeneveVersion = "geneve_version",
    /// Protocol type not 0x6558, Ethernet.
    GeneveProtocol = "geneve_protocol",
    /// The options run past the UDP payload.
    GeneveOptionsTruncated = "geneve_options_truncated",
    /// One option runs past the options.
    GeneveOption = "geneve_option",
    /// GRE: under 4 bytes.
    GreTruncated = "gre_truncated",
    /// GRE version not 0 in front of an Ethernet frame.
    NvgreVersion = "nvgre_version",
    /// K flag clear (there is no VSID), or C or S set.
    NvgreFlags = "nvgre_flags",
    /// Under 8 bytes.
    NvgreTruncated = "nvgre_truncated",
}

impl ParseError {
    /// Its place in [`ALL`](Self::ALL), and in an array of [`COUNT`](Self::COUNT) counters.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl core::error::Error for ParseError {}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::collections::BTreeSet;

    #[test]
    fn each_has_its_index_and_its_own_snake_case_name() {
        let mut names = BTreeSet::new();
        for (index, error) in ParseError::ALL.into_iter().enumerate() {
            assert_eq!(error.index(), index);
            assert!(names.insert(error.name()), "{error} twice");
            // FrameTooLong -> frame_too_long
            let mut snake = std::string::String::new();
            for c in std::format!("{error:?}").chars() {
                if c.is_uppercase() && !snake.is_empty() {
                    snake.push('_');
                }
                snake.extend(c.to_lowercase());
            }
            assert_eq!(error.name(), snake);
        }
    }
}
