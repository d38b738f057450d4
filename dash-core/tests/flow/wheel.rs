//! The timing wheel of the flow table against a list of flows that is walked whole.

use std::collections::BTreeMap;

use dash_core::{
    flow::{
        Arrival, Egress, Flow, FlowRemoved, FlowTable, Install, NewFlow, Offered, Outside, Removal,
        Timeouts, wheel,
    },
    rewrite::{NextHop, Rewrite},
    table::cuckoo::{Bucket, Slot},
};
use dash_hal::{EventsLost, FlowId, Hits, SoftwareHints};
use proptest::prelude::*;

use crate::name::Name;

fn name(number: u8) -> Name {
    Name([number.into(), 0])
}

const CAPACITY: usize = 48;
const MILLISECOND: u64 = 1_000_000;
/// Of a slot of the wheel.
const SLOT: u64 = 1 << 28;
const TURN: u64 = SLOT * wheel::SLOTS as u64;

/// Writes down which flows ended.
#[derive(Default)]
struct Listener(Vec<(u8, Removal)>);

impl Outside<Name, ()> for Listener {
    const HARDWARE: bool = false;
    const OFFER_AFTER: u64 = 0;

    fn takes(&self, _: &Name, _: &Flow<()>) -> bool {
        false
    }
    fn offer(&mut self, _: FlowId, _: &Name, _: &Offered<()>) -> bool {
        false
    }
    fn hits(&mut self, _: FlowId, _: &Name, (): &()) -> Hits {
        Hits::default()
    }
    fn withdraw(&mut self, _: FlowId, _: &Name, (): &()) -> Hits {
        Hits::default()
    }
    fn removed(&mut self, flow: FlowRemoved<Name, ()>) -> Result<(), EventsLost> {
        self.0.push((flow.key.0[0] as u8, flow.why));
        Ok(())
    }
}

/// A flow of the model.
#[derive(Clone, Copy, Debug)]
struct Known {
    created: u64,
    used: u64,
    timeouts: Timeouts,
    /// When they were set.
    set: u64,
    peer: Option<u8>,
}

#[derive(Default)]
struct Model(BTreeMap<u8, Known>);

impl Model {
    /// Why a flow, by itself, is over.
    fn over(&self, number: u8, now: u64) -> Option<Removal> {
        let flow = self.0.get(&number)?;
        let peer = flow.peer.and_then(|peer| self.0.get(&peer));
        let used = peer.map_or(flow.used, |peer| peer.used.max(flow.used));
        let past = |since: u64, limit: u32| {
            limit != 0 && now.saturating_sub(since) > u64::from(limit) * MILLISECOND
        };
        if past(flow.created, flow.timeouts.hard) {
            Some(Removal::Hard)
        } else {
            past(used, flow.timeouts.idle).then_some(Removal::Idle)
        }
    }

    /// Whether the flow or its other half is over.
    fn conversation_is_over(&self, number: u8, now: u64) -> bool {
        let peer = self.0.get(&number).and_then(|flow| flow.peer);
        [Some(number), peer].into_iter().flatten().any(|half| self.over(half, now).is_some())
    }

    fn remove(&mut self, number: u8) {
        if let Some(peer) = self.0.remove(&number).and_then(|flow| flow.peer) {
            self.0.remove(&peer);
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Install {
        pair: bool,
        number: u8,
        timeouts: [Timeouts; 2],
    },
    /// A new evaluation changes the time-outs.
    Replace(u8, [Timeouts; 2]),
    Hit(u8),
    Remove(u8),
    Wait(u64),
    Expire(usize),
}

fn timeouts() -> impl Strategy<Value = Timeouts> {
    let limit = prop_oneof![Just(0), 1_u32..2_000, 20_000_u32..40_000, 60_000_u32..200_000];
    (limit.clone(), limit).prop_map(|(idle, hard)| Timeouts { idle, hard })
}

fn step() -> impl Strategy<Value = Step> {
    let number = 0..CAPACITY as u8;
    prop_oneof![
        4 => (any::<bool>(), number.clone(), [timeouts(), timeouts()])
            .prop_map(|(pair, number, timeouts)| Step::Install { pair, number, timeouts }),
        1 => (number.clone(), [timeouts(), timeouts()]).prop_map(|(n, to)| Step::Replace(n, to)),
        4 => number.clone().prop_map(Step::Hit),
        1 => number.prop_map(Step::Remove),
        3 => prop_oneof![0..SLOT / 4, 0..SLOT * 8, 0..TURN / 2, 0..TURN * 3].prop_map(Step::Wait),
        3 => prop_oneof![0_usize..4, Just(usize::MAX)].prop_map(Step::Expire),
    ]
}

struct World {
    table: FlowTable<'static, Name, ()>,
    model: Model,
    listener: Listener,
    now: u64,
}

fn new_flow(number: u8, timeouts: Timeouts) -> NewFlow<Name, ()> {
    let (rewrite, egress, state) = (Rewrite::NONE, Egress::INGRESS, ());
    NewFlow { key: name(number), rewrite, egress, state, timeouts }
}

impl World {
    fn new(now: u64) -> Self {
        let buckets = vec![Bucket::EMPTY; FlowTable::<Name, ()>::buckets_for(CAPACITY)].leak();
        let slots = vec![Slot::empty(Flow::EMPTY); CAPACITY].leak();
        let next_hops = vec![NextHop::FREE; 64].leak();
        let table = FlowTable::new(buckets, slots, next_hops, [1, 2]).unwrap();
        Self { table, model: Model::default(), listener: Listener::default(), now }
    }

    fn find(&self, number: u8) -> Option<dash_core::table::cuckoo::Handle> {
        self.table.find(&name(number), &SoftwareHints)
    }

    fn arrival(&self) -> Arrival {
        Arrival { epoch: 1, now: self.now, bytes: 60, tcp: None }
    }

    fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        let now = self.now;
        match step {
            // Even numbers lead pairs; what is there is left alone.
            Step::Install { pair, number, timeouts } => {
                let other = number ^ 1;
                if [number, other].iter().any(|number| self.find(*number).is_some()) {
                    return Ok(());
                }
                let (one, two) = (new_flow(number, timeouts[0]), new_flow(other, timeouts[1]));
                let install = if pair { Install::Pair(one, two) } else { Install::Two(one, two) };
                let arrival = self.arrival();
                let done =
                    self.table.install(&install, &arrival, &SoftwareHints, &mut self.listener);
                prop_assert!(done.is_ok());
                for (half, peer, timeouts) in
                    [(number, other, timeouts[0]), (other, number, timeouts[1])]
                {
                    let peer = pair.then_some(peer);
                    self.model
                        .0
                        .insert(half, Known { created: now, used: now, timeouts, set: now, peer });
                }
            }
            Step::Replace(number, timeouts) => {
                let Some(handle) = self.find(number) else { return Ok(()) };
                let known = self.model.0[&number];
                let (one, two) = (new_flow(number, timeouts[0]), new_flow(number ^ 1, timeouts[1]));
                let install =
                    if known.peer.is_some() { Install::Pair(one, two) } else { Install::One(one) };
                let arrival = self.arrival();
                let (hints, listener) = (&SoftwareHints, &mut self.listener);
                prop_assert!(
                    self.table.replace(handle, &install, &arrival, hints, listener).is_ok()
                );
                for (half, timeouts) in [(Some(number), timeouts[0]), (known.peer, timeouts[1])] {
                    if let Some(flow) = half.and_then(|half| self.model.0.get_mut(&half)) {
                        (flow.timeouts, flow.set) = (timeouts, now);
                    }
                }
                self.model.0.get_mut(&number).unwrap().used = now;
            }
            Step::Hit(number) => {
                if self.model.conversation_is_over(number, now) {
                    return Ok(());
                }
                let Some(handle) = self.find(number) else { return Ok(()) };
                self.table.get_mut(handle).unwrap().used = now;
                self.model.0.get_mut(&number).unwrap().used = now;
            }
            Step::Remove(number) => {
                let Some(handle) = self.find(number) else { return Ok(()) };
                let (hints, listener) = (&SoftwareHints, &mut self.listener);
                self.table.remove(handle, Removal::Deleted, now, hints, listener);
                self.listener.0.clear();
                self.model.remove(number);
            }
            Step::Wait(time) => self.now += time,
            Step::Expire(budget) => self.expire(budget)?,
        }
        Ok(())
    }

    fn expire(&mut self, budget: usize) -> Result<(), TestCaseError> {
        let now = self.now;
        let (hints, listener) = (&SoftwareHints, &mut self.listener);
        self.table.expire(now, budget, |_, _| Some(1), hints, listener);
        let ended: Vec<_> = self.listener.0.drain(..).collect();
        prop_assert!(ended.len() / 2 <= budget);
        for (number, why) in ended {
            prop_assert!(self.model.conversation_is_over(number, now), "{number} lived");
            let half =
                self.model.0[&number].peer.filter(|_| self.model.over(number, now).is_none());
            prop_assert!(
                [Some(number), self.model.0[&number].peer]
                    .into_iter()
                    .flatten()
                    .any(|half| self.model.over(half, now) == Some(why)),
                "{half:?} {why:?}"
            );
        }
        let gone: Vec<_> =
            self.model.0.keys().copied().filter(|number| self.find(*number).is_none()).collect();
        for number in gone {
            self.model.0.remove(&number);
        }
        if budget == usize::MAX {
            // What was over when the last whole slot ended.
            let due = (now / SLOT * SLOT).saturating_sub(1);
            for (number, flow) in &self.model.0 {
                let over = self.model.conversation_is_over(*number, due) && flow.set <= due;
                prop_assert!(!over, "{number} stayed");
            }
        }
        prop_assert_eq!(self.table.len(), self.model.0.len());
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 256, ..ProptestConfig::default() })]
    #[test]
    fn flows_end_when_their_time_has_come_and_not_before(
        steps in prop::collection::vec(step(), 1..600),
        start in prop_oneof![Just(0), 0..TURN * 4, Just(1_700_000_000_000_000_000_u64)],
    ) {
        let mut world = World::new(start);
        for step in steps {
            world.take(step)?;
        }
        // Whatever is left ends, by calls of one flow each.
        world.now += 10 * TURN;
        for _ in 0..20 * CAPACITY {
            world.expire(1)?;
        }
        let stays = |flow: &Known| flow.timeouts == Timeouts::default();
        let model = &world.model.0;
        for flow in model.values() {
            prop_assert!(stays(flow) && flow.peer.is_none_or(|peer| stays(&model[&peer])));
        }
    }
}

/// A flow that is hit again and again is looked at once for each time-out, not for each hit.
#[test]
fn a_flow_that_lives_is_looked_at_seldom() {
    let mut world = World::new(0);
    let timeouts = [Timeouts { idle: 30_000, hard: 0 }; 2];
    world.take(Step::Install { pair: true, number: 0, timeouts }).unwrap();
    let looked_at = std::cell::Cell::new(0);
    for _ in 0..6_000 {
        world.now += 100 * MILLISECOND;
        world.take(Step::Hit(1)).unwrap();
        let epoch = |_: &Listener, _: &Name| {
            looked_at.set(looked_at.get() + 1);
            Some(1)
        };
        world.table.expire(world.now, 100, epoch, &SoftwareHints, &mut world.listener);
    }
    // 600 s.
    assert!((19..=21).contains(&looked_at.get()), "{}", looked_at.get());
    assert_eq!(world.table.len(), 2);
}

/// What it belonged to is gone, and it would live for ever.
#[test]
fn a_flow_without_time_out_ends_with_its_policy() {
    let mut world = World::new(0);
    world.take(Step::Install { pair: true, number: 0, timeouts: Default::default() }).unwrap();
    world.now = TURN + SLOT;
    world.table.expire(world.now, 100, |_, _| None, &SoftwareHints, &mut world.listener);
    assert_eq!(world.listener.0, [(0, Removal::Orphaned), (1, Removal::Orphaned)]);
}
