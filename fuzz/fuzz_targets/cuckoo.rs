//! A stream of operations on the flow table's hash table: the same answers as a map of the standard
//! library, whatever the hash; and what it refuses leaves it as it was.
#![no_main]

use std::collections::HashMap;

use dash_core::table::cuckoo::{Bucket, Cuckoo, Handle, InsertError, Key, Slot};
use dash_hal::{HashKey, Hints, SoftwareHints};
use libfuzzer_sys::fuzz_target;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Name(u8);

impl Key for Name {
    const EMPTY: Self = Self(0);
    fn hash<H: Hints>(&self, secret: &HashKey, hints: &H) -> u64 {
        hints.keyed_hash(secret, &[self.0.into()])
    }
}

/// A hash of which only some bits are left, so that keys share buckets and fingerprints.
struct Weak(u64);

impl Hints for Weak {
    fn keyed_hash(&self, key: &HashKey, data: &[u64]) -> u64 {
        SoftwareHints.keyed_hash(key, data) & self.0
    }
}

const MASKS: [u64; 4] = [!0, 0, 0xffff_ffff_0000_0003, 0x3800_0000_0000_0007];

type Table<'a> = Cuckoo<'a, Name, [u32; 1]>;

fuzz_target!(|bytes: &[u8]| {
    let Some((&[capacity, seed, mask], operations)) = bytes.split_first_chunk() else { return };
    let hints = Weak(MASKS[usize::from(mask) % MASKS.len()]);
    let mut buckets = vec![Bucket::EMPTY; Table::buckets_for(capacity.into())];
    let mut slots = vec![Slot::empty([0]); capacity.into()];
    let mut table = Table::new(&mut buckets, &mut slots, [seed.into(), 1]).unwrap();
    let mut model: HashMap<Name, (Handle, [u32; 1])> = HashMap::new();
    for (value, &[operation, name]) in (0_u32..).zip(operations.as_chunks().0) {
        let name = Name(name);
        let known = model.get(&name).map(|(handle, _)| *handle);
        match operation % 5 {
            0 | 1 => match (table.insert(&name, [value], &hints), known) {
                (Ok(handle), None) => {
                    model.insert(name, (handle, [value]));
                }
                (Err(InsertError::Exists(handle)), Some(known)) => assert_eq!(handle, known),
                (Err(InsertError::Full), None) => {
                    // Only a hash that does not spread stops it before all slots are in use.
                    let weak = hints.0 != !0 && table.capacity() > 64;
                    assert!(weak || model.len() == table.capacity());
                }
                (result, known) => panic!("{result:?} where {known:?} is known"),
            },
            2 => {
                let removed = known.and_then(|handle| table.remove(handle, &hints));
                assert_eq!(removed, model.remove(&name).map(|(_, value)| (name, value)));
                assert!(known.is_none_or(|handle| table.get(handle).is_none()));
            }
            3 => {
                let removed = table.remove_key(&name, &hints);
                assert_eq!(removed, model.remove(&name).map(|(_, value)| value));
            }
            _ => {
                let names: Vec<_> = (0..40).map(|step| Name(name.0.wrapping_add(step))).collect();
                let mut found = vec![None; names.len()];
                table.find_burst(&names, &mut found, &hints);
                for (name, found) in names.iter().zip(found) {
                    assert_eq!(found, model.get(name).map(|(handle, _)| *handle));
                    assert_eq!(found, table.find(name, &hints));
                }
            }
        }
        assert_eq!(table.len(), model.len());
    }
    let all = table.iter().map(|(handle, name, value)| (*name, (handle, *value)));
    assert_eq!(all.collect::<HashMap<_, _>>(), model);
});
