//! Configurations that are replaced whole: two images in one region, and which of them counts.

mod address;
mod error;
mod host;
mod publication;
mod records;
mod region;

pub use self::{error::ConfigurationError, host::Host};

pub(super) use self::{
    address::{octets, share_bits, share_prefix},
    error::wrong,
    host::Hosts,
    publication::{Epoch, Publication, Side},
    records::Records,
    region::Region,
};
