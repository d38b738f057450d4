//! Configurations that are replaced whole: two images in one region, and which of them counts.

mod address;
mod host;
mod publication;
mod records;
mod region;

pub(super) use self::{
    address::{octets, share_bits, share_prefix},
    host::HostRecord,
    publication::{Epoch, Publication, Side},
    records::Records,
    region::Region,
};
