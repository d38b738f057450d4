//! The name of a flow: the values of the fields that a program chose, whole, in 64 bytes.

use dash_hal::{HashKey, Hints};

use super::field::{Field, Fields};
use crate::table::cuckoo::Key;

/// Bytes of values.
const BYTES: usize = 56;

/// Epoch, and which of the fields the frame has; the values one after the other. A field that the
/// frame lacks is none that has the value 0. Flows of an older program have another epoch, so they
/// are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowKey {
    facts: [u32; 2],
    values: [u8; BYTES],
}

impl Key for FlowKey {
    const EMPTY: Self = Self { facts: [0; 2], values: [0; BYTES] };

    fn hash<H: Hints>(&self, secret: &HashKey, hints: &H) -> u64 {
        let [epoch, there] = self.facts.map(u64::from);
        let mut words = [epoch << 32 | there; 8];
        let [_, values @ ..] = &mut words;
        for (word, octets) in values.iter_mut().zip(self.values.as_chunks::<8>().0) {
            *word = u64::from_ne_bytes(*octets);
        }
        hints.keyed_hash(secret, &words)
    }
}

impl FlowKey {
    /// Whether the values of these fields have room.
    pub(super) fn has_room(fields: &[Field]) -> bool {
        fields.len() <= u32::BITS as usize
            && fields.iter().map(|field| field.width()).sum::<usize>() <= BYTES
    }

    pub(super) fn new(epoch: u32, fields: &[Field], frame: &Fields<'_>) -> Self {
        let mut key = Self { facts: [epoch, 0], ..Self::EMPTY };
        let mut rest = &mut key.values[..];
        for field in fields {
            let Some((place, behind)) = rest.split_at_mut_checked(field.width()) else { break };
            rest = behind;
            key.facts[1] <<= 1;
            let Some(value) = frame.get(*field) else { continue };
            key.facts[1] |= 1;
            for (to, octet) in place.iter_mut().rev().zip(value.to_le_bytes()) {
                *to = octet;
            }
        }
        key
    }

    pub(super) const fn epoch(&self) -> u32 {
        self.facts[0]
    }

    /// The values of the fields of the program that made it; `None`: the frames lack it.
    pub fn values(&self, fields: &[Field]) -> impl Iterator<Item = Option<u128>> {
        let mut rest = &self.values[..];
        let places = (0..fields.len()).rev();
        fields.iter().zip(places).map(move |(field, place)| {
            let (octets, behind) = rest.split_at_checked(field.width())?;
            rest = behind;
            let value = octets.iter().fold(0, |number, octet| number << 8 | u128::from(*octet));
            let there = self.facts[1].checked_shr(place as u32).unwrap_or(0) & 1 != 0;
            there.then_some(value)
        })
    }
}
