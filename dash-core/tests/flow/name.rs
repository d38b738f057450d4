//! What the flows of these tests are called.

use dash_core::table::cuckoo::Key;
use dash_hal::{HashKey, Hints};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name(pub(crate) [u64; 2]);

impl Key for Name {
    const EMPTY: Self = Self([0; 2]);

    fn hash<H: Hints>(&self, secret: &HashKey, hints: &H) -> u64 {
        hints.keyed_hash(secret, &self.0)
    }
}
