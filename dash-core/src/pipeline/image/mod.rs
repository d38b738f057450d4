//! Configurations that are replaced whole: two images in one region, and which of them counts.

mod address;
mod publication;
mod records;
mod region;

pub(super) use self::{
    address::{octets, share_bits, share_prefix},
    publication::{Epoch, Publication, Side},
    records::Records,
    region::Region,
};
