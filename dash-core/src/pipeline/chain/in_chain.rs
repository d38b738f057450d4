//! Ingress stage 10, `ls_in_chain`: where a frame stands in a chain, and where it goes next.
//!
//! | rule | priority | frame | goes to |
//! |---|---|---|---|
//! | Fj, j ≥ 1 | 150 | forward, from the output of group j | input of the next group; behind the last: on, or home |
//! | Rj | 150 | reverse, from the input of group j | output of the group before; before the first: home, or on |
//! | guard | 140 | from the port of a pair where it cannot have come out | nowhere |
//! | F0, R0 | 100 | forward, reverse, from elsewhere, and what the classifier asks for | the first group, the last |
//!
//! A frame is forward for a classifier by its destination MAC address (`entry-lport`) or its source
//! (`exit-lport`), reverse by the other one. "Home" is the application's own port, which sends it
//! on from there, so that its MAC address is seen behind its own host alone. The higher priority
//! wins; of two the destination's. Both are found with one look-up for each MAC address and one
//! for the port.

use super::{
    DropReason, Frame, hash,
    policy::{ClassifierRecord, GroupRecord, Image, NO_CLASSIFIER, PairRecord, PortRecord},
};
use crate::table::acl::Headers;

/// A rule, for its counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The chain.
    pub chain: u16,
    /// Whether it is of the reverse direction.
    pub reverse: bool,
    /// 0: F0 or R0; j: the rule for frames that come out of group j, counted from 1.
    pub hop: u16,
}

/// What the stage says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Go on with the next stage.
    Next,
    /// Leave by the port of this number.
    Output(u32),
    /// Leave by the application's port, as if it had come from there.
    Home(u32),
    /// End.
    Drop(DropReason),
}

/// Tap groups that a frame passes on its way, in this order of their positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taps {
    chain: u16,
    reverse: bool,
    /// The next position in the frame's direction.
    next: u16,
    /// How many positions are left.
    left: u16,
    hash: u32,
}

/// What the stage says of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Steering {
    pub(super) action: Action,
    pub(super) rule: Option<Rule>,
    pub(super) taps: Option<Taps>,
    /// A forward and a reverse rule had the same priority.
    pub(super) conflict: bool,
}

/// The best rule of one classifier.
struct Candidate {
    classifier: u32,
    record: ClassifierRecord,
    app: u32,
    forward: bool,
    priority: u8,
    /// The group that the frame comes out of.
    from: Option<u16>,
}

const CONTINUES: u8 = 150;
const GUARD: u8 = 140;
const BEGINS: u8 = 100;

/// Asks the rules about a unicast frame that came in at the port number `inport` of the device.
pub(super) fn steer(
    image: &Image<'_>,
    (inport, port): (u32, &PortRecord),
    frame: &Frame<'_>,
) -> Steering {
    let candidate = |mac, of_destination| {
        let app = image.port_of_mac(port.switch, mac)?;
        candidate(image, app, of_destination, inport, frame)
    };
    let by_destination = candidate(frame.destination, true);
    let by_source = candidate(frame.source, false);
    let (best, conflict) = match (by_destination, by_source) {
        (Some(one), Some(other)) => {
            let tie = one.priority == other.priority
                && one.forward != other.forward
                && one.classifier != other.classifier;
            let best = if other.priority > one.priority { other } else { one };
            (best, tie)
        }
        (Some(one), None) | (None, Some(one)) => (one, false),
        (None, None) => {
            return Steering { action: Action::Next, rule: None, taps: None, conflict: false };
        }
    };
    Steering { conflict, ..follow(image, &best, frame) }
}

fn candidate(
    image: &Image<'_>,
    app: u32,
    of_destination: bool,
    inport: u32,
    frame: &Frame<'_>,
) -> Option<Candidate> {
    let classifier = image.port(app)?.classifier;
    if classifier == NO_CLASSIFIER {
        return None;
    }
    let record = image.classifier(classifier)?;
    let forward = of_destination != record.is_exit();
    if !forward && !record.is_bidirectional() || image.length(record.chain) == 0 {
        return None;
    }
    let (priority, from) = match image.hop(record.chain, inport) {
        None => {
            let headers =
                frame.headers.map(|headers| if forward { headers } else { swapped(&headers) });
            if !image.steers(record, headers.as_ref()) {
                return None;
            }
            (BEGINS, None)
        }
        Some(hop) if (if forward { hop.output } else { hop.input }) => {
            (CONTINUES, Some(hop.position))
        }
        Some(hop) => (GUARD, Some(hop.position)),
    };
    Some(Candidate { classifier, record, app, forward, priority, from })
}

/// With source and destination exchanged.
const fn swapped(headers: &Headers) -> Headers {
    Headers {
        source: headers.destination,
        destination: headers.source,
        protocol: headers.protocol,
        source_port: headers.destination_port,
        destination_port: headers.source_port,
    }
}

/// The action of the rule that counts.
fn follow(image: &Image<'_>, best: &Candidate, frame: &Frame<'_>) -> Steering {
    let (chain, reverse) = (best.record.chain, !best.forward);
    let nothing = Steering { action: Action::Next, rule: None, taps: None, conflict: false };
    if best.priority == GUARD {
        return Steering { action: Action::Drop(DropReason::VnfWrongPort), ..nothing };
    }
    let hop = best.from.map_or(0, |position| position.saturating_add(1));
    let rule = Some(Rule { chain, reverse, hop });
    let length = image.length(chain);
    let (first, left) = match (best.from, reverse) {
        (None, false) => (0, length),
        (None, true) => (length.saturating_sub(1), length),
        (Some(position), false) => {
            (position.saturating_add(1), length.saturating_sub(position.saturating_add(1)))
        }
        (Some(position), true) => (position.saturating_sub(1), position),
    };
    let hash = hash::symmetric(frame.headers.as_ref(), [frame.destination, frame.source]);
    let mut taps = None;
    let mut action = None;
    for (left, position) in (1..).zip(positions(first, left, reverse)) {
        let Some(group) = image.group(chain, position) else { break };
        let pair = choose(image, group, hash);
        if group.is_tap() {
            if pair.is_some() {
                taps = Some(Taps { chain, reverse, next: first, left, hash });
            }
        } else if let Some(pair) = pair {
            action = Some(Action::Output(entrance(pair, reverse)));
            break;
        } else if !group.fails_open() {
            action = Some(Action::Drop(DropReason::VnfDown));
            break;
        }
    }
    // Behind the last group, in the frame's direction. One that went through none goes on.
    let goes_home = best.from.is_some() && best.forward == best.record.is_exit();
    let end = if goes_home { Action::Home(best.app) } else { Action::Next };
    Steering { action: action.unwrap_or(end), rule, taps, conflict: false }
}

/// Positions of a chain in the direction of a frame.
fn positions(first: u16, count: u16, reverse: bool) -> impl Iterator<Item = u16> {
    (0..count).map(
        move |step| {
            if reverse { first.saturating_sub(step) } else { first.saturating_add(step) }
        },
    )
}

/// Where a frame enters a network function.
fn entrance(pair: PairRecord, reverse: bool) -> u32 {
    u32::from(if reverse { pair.output } else { pair.input })
}

/// The pair that a group chooses among those that work.
fn choose(image: &Image<'_>, group: GroupRecord, hash: u32) -> Option<PairRecord> {
    let mut working = image.working(group);
    if !group.selects_by_hash() {
        return working.next();
    }
    let count = working.clone().count() as u32;
    working.nth(hash.checked_rem(count)? as usize)
}

impl Taps {
    /// The next port that gets a copy.
    pub(super) fn next(&mut self, image: &Image<'_>) -> Option<u32> {
        let Self { chain, reverse, hash, .. } = *self;
        let mut found = None;
        for position in positions(self.next, self.left, reverse) {
            self.left -= 1;
            self.next =
                if reverse { position.saturating_sub(1) } else { position.saturating_add(1) };
            let group = image.group(chain, position)?;
            let pair = if group.is_tap() { choose(image, group, hash) } else { None };
            if let Some(pair) = pair {
                found = Some(entrance(pair, reverse));
                break;
            }
        }
        found
    }
}
