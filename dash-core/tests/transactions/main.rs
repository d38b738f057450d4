//! Transactions of the policy against plain maps and counts.
//!
//! The model says which change of a transaction is refused and why, and what each look-up answers
//! afterwards. Capacities are tiny, so that most transactions meet an end of some table.
#![allow(missing_docs)]
// No unsafe code here or in the library: an interpreter would be slow and find nothing.
#![cfg(not(miri))]

mod acl_groups;
mod choices;
mod lookups;
mod model;
mod refusals;

use std::{cell::Cell, sync::atomic::AtomicU32};

use dash_core::{
    pipeline::vnet::policy::{Capacity, Change, EniId, PolicyError, PolicyWriter, Rejected},
    table::{TableError, quiescence::Readers},
};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};

use choices::{capacity, change};
use lookups::answers;
use model::Model;

/// What nobody may see move when a transaction is refused.
fn versions(writer: &PolicyWriter<'_>, capacity: &Capacity) -> (Vec<u32>, u32) {
    let policy = writer.policy();
    let epochs = (0..capacity.enis as u16).map(|id| policy.epoch(EniId(id)));
    (epochs.collect(), policy.underlay_generation())
}

/// How transactions ended.
#[derive(Default)]
struct Totals {
    made: Cell<u64>,
    refused: Cell<u64>,
    waited: Cell<u64>,
    for_readers: Cell<u64>,
}

fn count(total: &Cell<u64>) {
    total.set(total.get() + 1);
}

/// Applies `changes`, and again when a reader was in the way; `pass` lets it pass.
fn apply(
    writer: &mut PolicyWriter<'_>,
    changes: &[Change<'static>],
    totals: &Totals,
    pass: impl Fn(),
) -> Result<(), Rejected> {
    let result = writer.apply(changes.iter().copied());
    if !matches!(result, Err(Rejected { error: PolicyError::Table(TableError::Busy), .. })) {
        return result;
    }
    count(&totals.waited);
    pass();
    writer.apply(changes.iter().copied())
}

/// Runs transactions with or without a reader, which passes after `passes` of them.
fn run(
    capacity: &Capacity,
    transactions: &[(Vec<Change<'static>>, bool)],
    with_reader: bool,
    totals: &Totals,
) -> Result<(), TestCaseError> {
    let words: Vec<_> = (0..capacity.words()).map(|_| AtomicU32::new(0xdead_beef)).collect();
    let counters = [AtomicU32::new(0)];
    let readers = Readers::new(if with_reader { &counters } else { &[] });
    let mut writer = PolicyWriter::new(&words, capacity, [1, 2], readers).unwrap();
    let mut model = Model::new(*capacity);
    for (changes, passes) in transactions {
        let before = (answers(&writer.policy()), versions(&writer, capacity));
        let expected = model.check(changes);
        let result = apply(&mut writer, changes, totals, || readers.quiescent(0));
        match result {
            Ok(()) => {
                prop_assert_eq!(expected, Ok(()));
                model.make(changes);
                prop_assert_eq!(answers(&writer.policy()), answers(&model));
                count(&totals.made);
            }
            Err(rejected) => {
                prop_assert_eq!(&before.1, &versions(&writer, capacity));
                prop_assert_eq!(&before.0, &answers(&writer.policy()));
                if with_reader && result != expected {
                    // What a reader may still look at takes room that the model does not know of.
                    prop_assert_eq!(rejected.error, PolicyError::Table(TableError::Full));
                    let before_other = |other: Rejected| rejected.index < other.index;
                    prop_assert!(expected.is_ok() || expected.is_err_and(before_other));
                    count(&totals.for_readers);
                } else {
                    prop_assert_eq!(result, expected);
                    count(&totals.refused);
                }
            }
        }
        if *passes {
            readers.quiescent(0);
        }
    }
    Ok(())
}

fn transactions(with_reader: bool) {
    let totals = Totals::default();
    // Some transactions are the same changes again and again, so that objects come and go.
    let again =
        (vec(change(), 1..4), 2..12_usize).prop_map(|(changes, times)| changes.repeat(times));
    let changes = prop_oneof![2 => vec(change(), 1..16), 1 => again];
    let story = (capacity(), vec((changes, any::<bool>()), 1..16));
    TestRunner::new(Config { failure_persistence: None, ..Config::default() })
        .run(&story, |(capacity, story)| run(&capacity, &story, with_reader, &totals))
        .unwrap_or_else(|error| panic!("{error}"));
    let Totals { made, refused, waited, for_readers } = totals;
    println!(
        "{} made, {} refused, {} waited for the reader, {} refused because of it",
        made.get(),
        refused.get(),
        waited.get(),
        for_readers.get()
    );
    let all = made.get() + refused.get();
    assert!(made.get() * 10 > all && refused.get() * 10 > all);
    assert!(with_reader || waited.get() == 0);
    // A short run may meet no reader.
    assert!(!with_reader || waited.get() > 0 || all < 1_000);
}

#[test]
fn a_transaction_is_made_whole_or_not_at_all() {
    transactions(false);
}

#[test]
fn a_reader_delays_a_transaction_and_never_cuts_it() {
    transactions(true);
}
