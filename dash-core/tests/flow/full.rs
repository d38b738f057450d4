//! A full flow table: who makes room for whom.

use std::collections::BTreeMap;

use dash_core::{
    flow::{
        Arrival, Egress, Flow, FlowSettings, FlowTable, Install, NewFlow, Timeouts, WhenFull,
        full::CANDIDATES,
    },
    rewrite::{NextHop, Rewrite},
    table::cuckoo::{Bucket, Slot},
    wire::tcp::TcpFlags,
};
use dash_hal::SoftwareHints;
use proptest::prelude::*;

use crate::name::Name;

type Table = FlowTable<'static, Name, ()>;

const SYN: TcpFlags = TcpFlags::SYN;
const RST: TcpFlags = TcpFlags::RST;
const FIN: TcpFlags = TcpFlags::FIN;
const ACK: TcpFlags = TcpFlags::ACK;

fn table(capacity: usize, when_full: WhenFull) -> Table {
    let buckets = vec![Bucket::EMPTY; Table::buckets_for(capacity)].leak();
    let slots = vec![Slot::empty(Flow::EMPTY); capacity].leak();
    let next_hops = vec![NextHop::FREE; 64].leak();
    let mut table = FlowTable::new(buckets, slots, next_hops, [1, 2]).unwrap();
    table.set(FlowSettings { when_full, ..FlowSettings::default() });
    table
}

/// A pair whose first frame has these flags; whether it found places.
fn arrive(table: &mut Table, number: u64, tcp: Option<TcpFlags>, now: u64) -> bool {
    let half = |reverse| NewFlow {
        key: Name([number, reverse]),
        rewrite: Rewrite::NONE,
        egress: Egress::INGRESS,
        state: (),
        timeouts: Timeouts { idle: 30_000, hard: 0 },
    };
    let arrival = Arrival { epoch: 1, now, bytes: 60, tcp };
    let pair = Install::Pair(half(0), half(1));
    table.install(&pair, &arrival, &SoftwareHints, &mut ()).is_ok()
}

fn is_there(table: &Table, number: u64) -> bool {
    let halves = [0, 1].map(|reverse| table.find(&Name([number, reverse]), &SoftwareHints));
    assert_eq!(halves[0].is_some(), halves[1].is_some(), "both or none");
    halves[0].is_some()
}

#[test]
fn syn_flood_at_a_full_table_loses_0_established_flows() {
    let mut table = table(2_000, WhenFull::Evict);
    // Three quarters of the table are open conversations.
    for number in 0..750 {
        assert!(arrive(&mut table, number, Some(ACK), number));
    }
    let mut cached = 0;
    for number in 1_000..101_000 {
        cached += u32::from(arrive(&mut table, number, Some(SYN), number));
    }
    assert!((0..750).all(|number| is_there(&table, number)));
    let counters = *table.counters();
    assert_eq!(counters.evicted, 2 * u64::from(cached) - 500);
    assert_eq!(counters.full, u64::from(100_000 - cached));
    // Of 16 entries, 4 are of the flood on average.
    assert!(cached > 90_000, "{cached} found places");
}

#[test]
fn a_table_of_open_conversations_takes_no_more() {
    let mut table = table(256, WhenFull::Evict);
    for number in 0..128 {
        assert!(arrive(&mut table, number, Some(ACK), 0));
    }
    assert!(!(200..300).any(|number| arrive(&mut table, number, None, 1)));
    assert_eq!((table.counters().evicted, table.counters().full), (0, 100));
    assert!((0..128).all(|number| is_there(&table, number)));
}

#[test]
fn others_evict_nothing() {
    for when_full in [WhenFull::Forward, WhenFull::Drop] {
        let mut table = table(64, when_full);
        for number in 0..100 {
            assert_eq!(arrive(&mut table, number, Some(SYN), 0), number < 32);
        }
        assert_eq!((table.counters().evicted, table.counters().full), (0, 68));
    }
}

#[test]
fn the_least_goes_first() {
    // All entries are candidates.
    let mut table = table(CANDIDATES, WhenFull::Evict);
    let kinds = [None, Some(ACK), Some(FIN), Some(SYN), Some(RST), None, Some(SYN), Some(ACK)];
    for (number, tcp) in (0..).zip(kinds) {
        assert!(arrive(&mut table, number, tcp, number));
    }
    // Closed, half-open by age, closing, not TCP by age.
    for (new, gone) in (10..).zip([4, 3, 6, 2, 0, 5]) {
        assert!(is_there(&table, gone));
        assert!(arrive(&mut table, new, Some(ACK), new));
        assert!(!is_there(&table, gone), "{gone} goes when {new} comes");
    }
    assert!(!arrive(&mut table, 20, Some(ACK), 20));
    assert!(is_there(&table, 1) && is_there(&table, 7));
}

#[test]
fn a_pair_does_not_make_room_at_its_own_cost() {
    // One place is left for two.
    let mut table = table(3, WhenFull::Evict);
    assert!(arrive(&mut table, 0, Some(ACK), 0));
    for number in 1..10 {
        assert!(!arrive(&mut table, number, None, 0));
        assert_eq!(table.len(), 2);
    }
    assert_eq!(table.counters().created, 2);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 128, ..ProptestConfig::default() })]
    /// Against a list of what came: an open conversation stays, what is there came once, and a new
    /// flow costs at most two others.
    #[test]
    fn open_conversations_stay(
        kinds in prop::collection::vec(0_usize..5, 1..400),
        capacity in 1_usize..100,
    ) {
        let mut table = table(capacity, WhenFull::Evict);
        let mut open: BTreeMap<u64, bool> = BTreeMap::new();
        for (number, kind) in (0..).zip(kinds) {
            let tcp = [None, Some(SYN), Some(ACK), Some(FIN), Some(RST)][kind];
            let before = table.len();
            let evicted = table.counters().evicted;
            let cached = arrive(&mut table, number, tcp, number);
            open.insert(number, cached && tcp == Some(ACK));
            let evicted = table.counters().evicted - evicted;
            prop_assert!(evicted <= 4);
            prop_assert_eq!(table.len(), before + 2 * usize::from(cached) - evicted as usize);
            prop_assert_eq!(is_there(&table, number), cached);
            prop_assert!(cached || before + 2 > capacity);
            for (number, open) in &open {
                prop_assert!(!open || is_there(&table, *number), "{number} was open");
            }
        }
    }
}
