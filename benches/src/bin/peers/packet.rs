//! Whole packets beside `rte_hash`: `hash.c`'s bulk hits, and its work of a connection.
//!
//! Both have 2^20 flows, the halves of 2^19 conversations, as the peer has 0.9 × 2^20 keys.
//! `look-up`: a frame of a random one of them, from receive to transmit; the world and what is inside
//! the clock are those of the benchmark `whole_packet`. `connection`: six packets, policy (a route, a
//! mapping, no ACL group) and a pair installed for the first, closed by FINs, removed by ticks, while
//! the others live.
#![allow(clippy::cast_precision_loss, reason = "numbers of operations are below 2⁵²")]

use dash_benches::{OTHER_HALF, Prefetch, Random, Shape, World, entries_at_90_percent};
use dash_core::{
    flow::{Flow, FlowTable},
    pipeline::vnet::{FlowKey, FlowState},
    table::cuckoo::{Bucket, Slot},
};

use crate::{
    memory::filled,
    turns::{Failure, Line, Part},
};

const PAIRS: u64 = 1 << 19;
/// Frames and connections of a round.
const FRAMES: u64 = 1 << 20;
const CONNECTIONS: u64 = 1 << 17;
/// Enough that as many end as begin: two slots of the wheel.
const WARM: u64 = 1 << 17;

type Flows = FlowTable<'static, FlowKey, FlowState>;

struct Packet {
    world: World<Prefetch>,
    bytes: u64,
    random: Random,
    warm: bool,
}

/// Prepares the part.
pub(crate) fn start(arguments: &[String]) -> Result<Box<dyn Part>, Failure> {
    if !arguments.is_empty() {
        return Err("usage: packet".into());
    }
    let entries = entries_at_90_percent(PAIRS as usize);
    let buckets = filled(Flows::buckets_for(entries), Bucket::EMPTY)?;
    let slots = filled(entries, Slot::<FlowKey, Flow<FlowState>>::empty(Flow::EMPTY))?;
    let bytes = (size_of_val(buckets) + size_of_val(slots)) as u64;
    let shape = Shape { rules: 0, routes: 10 };
    let mut world = World::over(shape, (buckets, slots), Prefetch);
    world.linger_shortly();
    world.install(PAIRS);
    // The other halves' first frames, which look up their underlay route.
    let mut halves = OTHER_HALF..;
    world.measure(PAIRS, || halves.next().unwrap_or(OTHER_HALF));
    // Policy is new, so the sweep looks at all flows once.
    world.tick(0, entries);
    Ok(Box::new(Packet { world, bytes, random: Random::new(5), warm: false }))
}

impl Part for Packet {
    fn round(&mut self, phase: &str) -> Result<(), Failure> {
        let Self { world, bytes, random, warm } = self;
        let line = |work: &str, queries| Line {
            program: "dash_engine",
            work: work.into(),
            entries: 2 * PAIRS,
            bytes: *bytes,
            queries,
        };
        match phase {
            "look-up" => {
                let time =
                    world.measure(FRAMES, || random.below(PAIRS) + OTHER_HALF * random.below(2));
                line("whole packet, 1M flows", FRAMES).print(time, FRAMES, FRAMES, "");
            }
            "connection" => {
                if !*warm {
                    world.connections(WARM, || random.below(1 << 28));
                    *warm = true;
                }
                let (time, count) = world.connections(CONNECTIONS, || random.below(1 << 28));
                let each = time.as_secs_f64() / count as f64;
                let more = format!(r#","per_second":{:.0}"#, 1.0 / each);
                line("new connection", count).print(time, count, count, &more);
            }
            // The peer fills its table.
            "fill" => {}
            _ => return Err("phase: fill, look-up, connection".into()),
        }
        Ok(())
    }
}
