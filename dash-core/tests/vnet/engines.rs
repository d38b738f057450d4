//! A port that hashes, sums and prefetches in its own way: other algorithms with the same answers,
//! written from the documentation of `Hints`. It counts its calls.

use std::cell::Cell;

use dash_hal::{HASH_KEY_WORDS, HashKey, Hints, SoftwareHints};
use proptest::{collection::vec, prelude::*};

use crate::{
    bench::{Bench, Storage},
    frame::Arrival,
    scene::{QUESTION, SETTINGS, policy, request},
};

#[derive(Debug, Default)]
pub(crate) struct Calls {
    pub prefetch: Cell<u64>,
    pub keyed_hash: Cell<u64>,
    pub checksum: Cell<u64>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Engines<'c>(pub &'c Calls);

fn count(calls: &Cell<u64>) {
    calls.set(calls.get() + 1);
}

/// The low 64 bits of a product, in four limbs of 16 bits as a small multiplier makes it.
fn product(one: u64, other: u64) -> u64 {
    let limb = |value: u64, index: u32| value >> (16 * index) & 0xffff;
    let mut sum = 0_u64;
    for (i, j) in (0..4).flat_map(|i| (0..4 - i).map(move |j| (i, j))) {
        sum = sum.wrapping_add((limb(one, i) * limb(other, j)) << (16 * (i + j)));
    }
    sum
}

impl Hints for Engines<'_> {
    fn prefetch<T: ?Sized>(&self, _at: &T) {
        count(&self.0.prefetch);
    }

    fn keyed_hash(&self, key: &HashKey, data: &[u64]) -> u64 {
        count(&self.0.keyed_hash);
        let half = |index: usize| (data[index / 2] >> (index % 2 * 32)) as u32;
        let plus = |index: usize| u64::from(half(index).wrapping_add(key.words()[index]));
        let mut hash = (0..data.len().min(HASH_KEY_WORDS))
            .map(|pair| product(plus(2 * pair), plus(2 * pair + 1)))
            .fold(key.twist(), u64::wrapping_add);
        for factor in [0x9e37_79b9_7f4a_7c15, 1] {
            hash = product(hash ^ hash >> 32, factor);
        }
        hash
    }

    fn checksum(&self, data: &[u8]) -> u16 {
        count(&self.0.checksum);
        let of = |first: usize| {
            data.iter().skip(first).step_by(2).map(|byte| u32::from(*byte)).sum::<u32>()
        };
        let sum = of(0) * 256 + of(1);
        // Casting out: the remainder, but the zero of a sum that is none is 0xffff.
        if sum == 0 { 0 } else { ((sum - 1) % 0xffff + 1) as u16 }
    }
}

proptest! {
    #[test]
    fn answers_are_those_of_software(
        data in vec(any::<u8>(), 0..300),
        start in 0_usize..8,
        name in vec(any::<u64>(), 0..20),
        seed in any::<[u64; 2]>(),
        zeros in any::<bool>(),
    ) {
        let data = if zeros { vec![0; data.len()] } else { data };
        let data = &data[start.min(data.len())..];
        let (calls, key) = (Calls::default(), HashKey::new(seed));
        let engines = Engines(&calls);
        prop_assert_eq!(engines.checksum(data), SoftwareHints.checksum(data));
        prop_assert_eq!(engines.keyed_hash(&key, &name), SoftwareHints.keyed_hash(&key, &name));
    }
}

/// Both zeros of one's complement, and carries over every boundary.
#[test]
fn sums_at_the_edges_are_those_of_software() {
    let calls = Calls::default();
    for word in [0x0000_0000, 0xffff_ffff, 0xffff_0000, 0x0000_ffff, 0x0001_fffe, 0x8000_8000_u32] {
        for count in [0, 1, 2, 3, 5, 16_383] {
            for odd in [&[][..], &[0xff], &[1, 0, 0xff]] {
                let data = [word.to_be_bytes().repeat(count), odd.to_vec()].concat();
                let expected = Engines(&calls).checksum(&data);
                assert_eq!(
                    SoftwareHints.checksum(&data),
                    expected,
                    "{count} times {word:#x}, {odd:?}"
                );
            }
        }
    }
}

#[test]
fn the_port_hashes_and_prefetches_the_frames_of_a_flow() {
    let calls = Calls::default();
    let mut storage = Storage::new(8);
    let mut bench = Bench::with(&mut storage, &SETTINGS, (), Engines(&calls), ());
    bench.change(&policy());
    let arrival = Arrival::new(0, request("10.0.0.2", QUESTION).bytes());
    bench.frame(0, &arrival);
    let first = [calls.keyed_hash.take(), calls.prefetch.take()];
    assert!(first[0] > 0 && first[1] > 0, "{first:?}");
    bench.frame(1, &arrival);
    assert_eq!((calls.keyed_hash.get(), calls.prefetch.get()), (1, 3));
}
