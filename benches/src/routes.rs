//! Route tables and the addresses that are looked up in them: the loader and the works of
//! `benches/peers/lpm_work.h`, with the same seeds, so that the same addresses come in the same
//! order.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    net::IpAddr,
    path::Path,
};

use flate2::read::GzDecoder;
use smoltcp::wire::{IpAddress, IpCidr};

use crate::Random;

/// Addresses of a work.
pub const ADDRESSES: usize = 1 << 22;

/// What is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Any IPv4 address, any address of `2000::/3`.
    Uniform,
    /// A uniformly chosen prefix of the table, then uniform host bits.
    InPrefix,
    /// 1,024 of these over and over.
    Hot,
}

/// All works, in the order of the peers.
pub const WORKS: [Work; 3] = [Work::Uniform, Work::InPrefix, Work::Hot];

impl Work {
    /// Its name in the lines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::InPrefix => "in-prefix",
            Self::Hot => "hot1k",
        }
    }

    /// Its addresses, left aligned.
    #[must_use]
    pub fn addresses(self, routes: &[Route], v6: bool) -> Vec<u128> {
        let mut random = Random::new(0x5eed_0000 + self as u64 + if v6 { 16 } else { 0 });
        let mut addresses = Vec::with_capacity(ADDRESSES);
        for index in 0..ADDRESSES {
            if self == Self::Hot && index >= 1024 {
                addresses.push(addresses[index % 1024]);
                continue;
            }
            let any = u128::from(random.next()) << 64 | u128::from(random.next());
            let address = match self {
                Self::Uniform if v6 => any >> 3 | 1 << 125,
                Self::Uniform => any,
                _ => in_prefix(&routes[random.below(routes.len() as u64) as usize], any),
            };
            addresses.push(if v6 { address } else { address >> 96 << 96 });
        }
        addresses
    }
}

/// A prefix, left aligned, and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The address.
    pub address: u128,
    /// The length.
    pub length: u8,
    /// The next hop.
    pub value: u32,
}

impl Route {
    /// As a prefix of its family.
    #[must_use]
    pub fn cidr(&self, v6: bool) -> IpCidr {
        let address = if v6 {
            IpAddress::Ipv6(self.address.into())
        } else {
            IpAddress::Ipv4(((self.address >> 96) as u32).into())
        };
        IpCidr::new(address, self.length)
    }
}

/// An address of a prefix whose host bits are those of `any`.
#[must_use]
pub fn in_prefix(route: &Route, any: u128) -> u128 {
    route.address | any.checked_shr(route.length.into()).unwrap_or(0)
}

/// The table `bgp4.txt.gz` or `bgp6.txt.gz` of a folder: a line `ADDRESS/LENGTH VALUE` a prefix.
///
/// # Errors
/// A file that is not there or not of this form.
pub fn load(folder: &Path, v6: bool) -> io::Result<Vec<Route>> {
    let file = File::open(folder.join(if v6 { "bgp6.txt.gz" } else { "bgp4.txt.gz" }))?;
    let bad = |line: &str| io::Error::new(io::ErrorKind::InvalidData, line.to_owned());
    BufReader::new(GzDecoder::new(file))
        .lines()
        .map(|line| {
            let line = line?;
            parse(&line).ok_or_else(|| bad(&line))
        })
        .collect()
}

fn parse(line: &str) -> Option<Route> {
    let (prefix, value) = line.split_once(' ')?;
    let (address, length) = prefix.split_once('/')?;
    let address = match address.parse().ok()? {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    };
    Some(Route { address, length: length.parse().ok()?, value: value.parse().ok()? })
}

/// A plain binary trie: the reference. Values are not 0.
#[derive(Clone, Debug)]
pub struct BinaryTrie(Vec<([u32; 2], u32)>);

impl BinaryTrie {
    /// Of all routes.
    #[must_use]
    pub fn new(routes: &[Route]) -> Self {
        let mut nodes = vec![([0; 2], 0)];
        for route in routes {
            let mut at = 0;
            for bit in 0..route.length {
                let side = (route.address >> (127 - bit) & 1) as usize;
                if nodes[at].0[side] == 0 {
                    nodes[at].0[side] = nodes.len() as u32;
                    nodes.push(([0; 2], 0));
                }
                at = nodes[at].0[side] as usize;
            }
            nodes[at].1 = route.value;
        }
        Self(nodes)
    }

    /// The value of the longest prefix that covers `address`, or 0.
    #[must_use]
    pub fn lookup(&self, address: u128) -> u32 {
        let (mut at, mut value) = (0, self.0[0].1);
        for bit in 0..128 {
            at = self.0[at].0[(address >> (127 - bit) & 1) as usize] as usize;
            if at == 0 {
                break;
            }
            if self.0[at].1 != 0 {
                value = self.0[at].1;
            }
        }
        value
    }
}
