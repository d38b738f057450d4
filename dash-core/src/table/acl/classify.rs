//! Classification of a burst by one image.
//!
//! First every address becomes the number of its interval, by a binary search without branches
//! whose steps depend on the group alone. From there two ways lead to rules, and the lower rule of
//! both counts.
//!
//! *Lists.* An interval has a list of records of the rules whose prefixes cover it; a record
//! verifies the other fields of its rule.
//!
//! *Diagram.* A multi-terminal decision diagram (a decision tree with equal parts shared; Bahar
//! and others, "Algebraic decision diagrams and their applications", ICCAD 1993) from the classes
//! of source, destination and of protocol and ports to the rule. Each level costs one load.
//!
//! Cost: log₂ of the intervals for each address, one load for each level of the diagram, and a
//! record for each rule whose prefix covers the address. Bounded by the number of rules.

use super::{
    super::atomic::{AtomicU32, Ordering::Relaxed},
    Headers,
    image::{
        DESTINATION, LEVEL_WORDS, MAX_LEVELS, PAGE_BITS, PORT_DIGIT, PROTOCOL_BITS, SOURCE, check,
        half, header, of, protocols_at, record, record_words, run, side, word,
    },
    key::{Key, Window},
};
use core::hint::select_unpredictable;
use smoltcp::wire::IpAddress;

/// Packets that are classified together.
pub(super) const BURST: usize = 32;
/// The index of no rule.
pub(super) const NO_RULE: u32 = u32::MAX;
/// Packets whose searches take turns, so that the loads of one hide behind those of the others.
const LANES: usize = 8;
/// Records that wait to be verified.
const PENDING: usize = 64;

/// An image and the tags that its rules name.
#[derive(Clone, Copy)]
pub(super) struct Classifier<'a, T> {
    pub(super) words: &'a [AtomicU32],
    /// Whether an address is in a tag.
    pub(super) tags: T,
}

/// A record to verify.
#[derive(Clone, Copy, Default)]
struct Candidate {
    /// The packet, and above it the side whose interval led to the record.
    packet: u8,
    record: u32,
}

const SIDE_BIT: u32 = 7;
const PACKET: u8 = (1 << SIDE_BIT) - 1;

/// One side of all packets.
struct Numbers<K, const N: usize> {
    values: [K; N],
    /// Index of the interval.
    intervals: [u32; N],
    /// Whether the number is in the window, one bit a packet.
    inside: u32,
}

impl<T: Fn(u32, IpAddress) -> bool> Classifier<'_, T> {
    /// The first rule of each of at most `N` headers; `best` is [`NO_RULE`] before. Whether all of
    /// them are known to be of the family of the group; of others the answer means nothing.
    #[inline]
    pub(super) fn classify<const N: usize>(
        &self,
        headers: &[Headers],
        best: &mut [u32; N],
    ) -> bool {
        match self.word(header::KEY_WORDS) {
            1 => self.burst::<u32, N>(headers, best),
            2 => self.burst::<u64, N>(headers, best),
            _ => self.burst::<u128, N>(headers, best),
        }
    }

    fn burst<K: Key, const N: usize>(&self, headers: &[Headers], best: &mut [u32; N]) -> bool {
        let sides = [SOURCE, DESTINATION].map(|side| self.numbers::<K, N>(side, headers));
        if self.word(header::LEVELS) > 0 {
            self.diagram(headers, [&sides[SOURCE].intervals, &sides[DESTINATION].intervals], best);
        }
        if self.word(header::RECORDS) > 0 {
            self.lists(headers, &sides, best);
        }
        let [source, destination] = sides.map(|side| side.inside);
        (source & destination).count_ones() as usize == headers.len()
    }

    /// Numbers and intervals of one side.
    fn numbers<K: Key, const N: usize>(&self, side: usize, headers: &[Headers]) -> Numbers<K, N> {
        let count = self.side(side, side::COUNT);
        let keys = self.words.get(self.side(side, side::KEYS)..).unwrap_or_default();
        let keys = keys.get(..count * K::WORDS).unwrap_or_default();
        let common = (0..3).fold(0, |common, index| {
            common << 32 | u128::from(self.word(header::side(side) + side::COMMON + index))
        });
        let window = Window {
            skip: self.side(side, side::SKIP) as u32,
            words: K::WORDS as u32,
            common,
            v6: self.word(header::VERSION) != 0,
        };
        let mut all = Numbers { values: [K::default(); N], intervals: [0; N], inside: 0 };
        for (index, (headers, number)) in headers.iter().zip(&mut all.values).enumerate() {
            let address = if side == SOURCE { &headers.source } else { &headers.destination };
            if let Some(inside) = K::of(address, &window) {
                *number = inside;
                all.inside |= 1 << index;
            }
        }
        if N.is_multiple_of(LANES) {
            let (numbers, intervals) = (all.values.as_chunks().0, all.intervals.as_chunks_mut().0);
            let turns = numbers.iter().zip(intervals).take(headers.len().div_ceil(LANES));
            for (numbers, intervals) in turns {
                *intervals = search::<K, LANES>(keys, count, numbers);
            }
        } else {
            for (number, interval) in all.values.iter().zip(&mut all.intervals) {
                [*interval] = search(keys, count, &[*number]);
            }
        }
        if all.inside.count_ones() < headers.len() as u32 {
            for (index, interval) in all.intervals.iter_mut().enumerate() {
                if all.inside >> index & 1 == 0 {
                    *interval = count as u32;
                }
            }
        }
        all
    }

    /// The way through the diagram.
    fn diagram<const N: usize>(
        &self,
        headers: &[Headers],
        intervals: [&[u32; N]; 2],
        best: &mut [u32; N],
    ) {
        let row_side = self.word(header::ROW_SIDE) as usize & 1;
        let rows = self.side(row_side, side::CELLS);
        let classes = self.side(1 - row_side, side::CELLS);
        let services = self.word(header::SERVICES) as usize;
        let mut nodes = [0; N];
        let mut others = [0; N];
        let mut ports = [0; N];
        let packets =
            headers.iter().zip(*of(&intervals, row_side)).zip(*of(&intervals, 1 - row_side));
        let places = nodes.iter_mut().zip(&mut others).zip(&mut ports);
        for (((headers, row), class), ((node, other), ports)) in packets.zip(places) {
            *node = self.word(rows + *row as usize);
            *other = self.word(classes + *class as usize);
            let protocol = self.protocol(headers.protocol);
            let (source_ports, source) = self.port(header::ports(0), headers.source_port);
            let (destination_ports, destination) =
                self.port(header::ports(1), headers.destination_port);
            let cell = (protocol * source_ports + source) * destination_ports + destination;
            *ports = self.word(services + cell as usize);
        }
        let levels = (self.word(header::LEVELS) as usize).min(MAX_LEVELS);
        for level in 0..levels {
            let at = header::LEVEL + level * LEVEL_WORDS;
            let shift = self.word(at);
            let digits = if shift & PORT_DIGIT == 0 { &others } else { &ports };
            let shift = shift & 31;
            let mask = self.word(at + 1);
            let start = self.word(at + 2);
            let stride = self.word(at + 3);
            for (node, digits) in nodes.iter_mut().zip(digits).take(headers.len()) {
                let digit = digits >> shift & mask;
                *node = half(self.words, (start + *node * stride + digit) as usize);
            }
        }
        for (best, node) in best.iter_mut().zip(&nodes).take(headers.len()) {
            // 0, where no rule matches, becomes NO_RULE.
            *best = node.wrapping_sub(1);
        }
    }

    /// Number of classes of a port, and the class of one.
    #[inline]
    fn port(&self, at: usize, port: u16) -> (u32, u32) {
        let classes = self.word(at);
        if classes == 1 {
            return (1, 0);
        }
        let page = self.word(self.word(at + 1) as usize + usize::from(port >> PAGE_BITS));
        (classes, self.word(page as usize + usize::from(port & ((1 << PAGE_BITS) - 1))))
    }

    #[inline]
    fn protocol(&self, protocol: u8) -> u32 {
        let at = protocols_at(self.word(header::RULES) as usize);
        self.word(at + usize::from(protocol / 4)) >> (protocol % 4 * 8) & 0xff
    }

    /// The records that the intervals of both sides lead to.
    fn lists<K: Key, const N: usize>(
        &self,
        headers: &[Headers],
        sides: &[Numbers<K, N>; 2],
        best: &mut [u32; N],
    ) {
        let mut pending = [Candidate::default(); PENDING];
        let mut count = 0;
        let lists = [self.side(SOURCE, side::LISTS), self.side(DESTINATION, side::LISTS)];
        for packet in 0..headers.len().min(N) {
            for ((side, numbers), lists) in sides.iter().enumerate().zip(lists) {
                let interval = numbers.intervals.get(packet).copied().unwrap_or_default();
                let found = self.word(lists + interval as usize);
                let packet = packet as u8 | (side as u8) << SIDE_BIT;
                // Without a branch: most intervals have one record or none.
                if let Some(place) = pending.get_mut(count) {
                    *place = Candidate { packet, record: found & run::REST };
                }
                count += usize::from(found & run::ONE != 0);
                let mut at = if found & run::ONE == 0 { found } else { 0 };
                // Ends: a run leads to its end or to the run of a shorter prefix.
                while at != 0 {
                    let entry = self.word(at as usize);
                    if entry & run::LINK != 0 {
                        at = entry & run::REST;
                        continue;
                    }
                    if count >= PENDING {
                        self.verify(&pending, headers, sides, best);
                        count = 0;
                    }
                    if let Some(place) = pending.get_mut(count) {
                        *place = Candidate { packet, record: entry & run::REST };
                    }
                    count += 1;
                    at = if entry & run::LAST == 0 { at + 1 } else { 0 };
                }
                if count >= PENDING {
                    self.verify(&pending, headers, sides, best);
                    count = 0;
                }
            }
        }
        self.verify(pending.get(..count).unwrap_or_default(), headers, sides, best);
    }

    /// Looks at records; a lower rule that matches becomes the best one.
    fn verify<K: Key, const N: usize>(
        &self,
        pending: &[Candidate],
        headers: &[Headers],
        sides: &[Numbers<K, N>; 2],
        best: &mut [u32; N],
    ) {
        let records = self.word(header::RECORDS) as usize;
        let bits = self.word(header::RANGE_BITS) as usize;
        let bits = [bits & 0xff, bits >> 8];
        let [ports, addresses] = bits.map(|bits| 1_usize << (bits & 31));
        let stride = record_words(K::WORDS, [bits[0] & 31, bits[1] & 31]);
        for candidate in pending {
            let packet = usize::from(candidate.packet & PACKET);
            let other = of(sides, usize::from(candidate.packet >> SIDE_BIT == 0));
            let (Some(headers), Some(number), Some(best)) =
                (headers.get(packet), other.values.get(packet), best.get_mut(packet))
            else {
                continue;
            };
            let at = records + candidate.record as usize * stride;
            let Some(record) = self.words.get(at..).and_then(|words| words.get(..stride)) else {
                continue;
            };
            let [rule, protocols, source_ports, checks, ranges @ ..] = record else { continue };
            let [rule, protocols, source_ports, checks] =
                [rule, protocols, source_ports, checks].map(|word| word.load(Relaxed));
            let port =
                last_start(ports, |place| word(ranges, place) as u16 <= headers.destination_port);
            let in_port = port_in(word(ranges, port), headers.destination_port);
            let range = last_start(addresses, |place| K::load(ranges, ports, place) <= *number);
            let within = (K::load(ranges, ports, range) <= *number)
                & (*number <= K::load(ranges, ports, addresses + range));
            let protocol = self.protocol(headers.protocol).min(PROTOCOL_BITS - 1);
            let inside = other.inside >> packet & 1 != 0;
            let matches = ((rule & record::ANY != 0) | (inside & within))
                & in_port
                & port_in(source_ports, headers.source_port)
                & (protocols >> protocol & 1 != 0)
                & (rule & record::INDEX < *best);
            let open = matches & (rule & record::CHECKED != 0);
            *best = select_unpredictable(matches & !open, rule & record::INDEX, *best);
            if open && self.checks(checks as usize, packet, headers, sides) {
                *best = rule & record::INDEX;
            }
        }
    }

    /// Whether all checks that start at `at` pass.
    fn checks<K: Key, const N: usize>(
        &self,
        mut at: usize,
        packet: usize,
        headers: &Headers,
        sides: &[Numbers<K, N>; 2],
    ) -> bool {
        loop {
            let kind = self.word(at);
            let ranges = self.word(at + 1) as usize;
            let tags = self.word(at + 2) as usize;
            at += check::WORDS;
            let value = match kind & !check::MORE {
                check::SOURCE_PORT => Some(u32::from(headers.source_port)),
                check::DESTINATION_PORT => Some(u32::from(headers.destination_port)),
                check::PROTOCOL => Some(u32::from(headers.protocol)),
                _ => None,
            };
            let passes = if let Some(value) = value {
                let passes = self.within(at, ranges, value);
                at += 2 * ranges;
                passes
            } else {
                let side = usize::from(kind & !check::MORE != check::SOURCE);
                let numbers = of(sides, side);
                let inside = numbers.inside >> packet & 1 != 0;
                let within = inside
                    && numbers.values.get(packet).is_some_and(|key| self.within(at, ranges, *key));
                at += 2 * ranges * K::WORDS;
                let address = if side == SOURCE { headers.source } else { headers.destination };
                let tagged = || (at..at + tags).any(|at| (self.tags)(self.word(at), address));
                let passes = within || tagged();
                at += tags;
                passes
            };
            if !passes || kind & check::MORE == 0 {
                return passes;
            }
        }
    }

    /// Whether one of the `count` ranges at `at`, first their starts, then their ends, has `number`.
    fn within<K: Key>(&self, at: usize, count: usize, number: K) -> bool {
        let mut base = 0;
        let mut length = count;
        while length > 1 {
            let step = length / 2;
            let starts = K::load(self.words, at, base + step) <= number;
            base = select_unpredictable(starts, base + step, base);
            length -= step;
        }
        count > 0
            && K::load(self.words, at, base) <= number
            && number <= K::load(self.words, at, count + base)
    }

    fn word(&self, at: usize) -> u32 {
        word(self.words, at)
    }

    fn side(&self, side: usize, field: usize) -> usize {
        self.word(header::side(side) + field) as usize
    }
}

/// For each number the last of the `count` intervals that starts at it or before.
#[inline]
fn search<K: Key, const L: usize>(keys: &[AtomicU32], count: usize, numbers: &[K; L]) -> [u32; L] {
    let mut at = [0_usize; L];
    let mut length = count;
    while length > 1 {
        let step = length / 2;
        for (at, number) in at.iter_mut().zip(numbers) {
            // A key is the last number before its interval.
            let before = K::load(keys, 0, *at + step) < *number;
            *at = select_unpredictable(before, *at + step, *at);
        }
        length -= step;
    }
    at.map(|at| at as u32)
}

/// The last of `count` sorted places, a power of two, at which `starts`, or the first.
#[inline]
fn last_start(count: usize, starts: impl Fn(usize) -> bool) -> usize {
    let mut place = 0;
    let mut step = count / 2;
    while step > 0 {
        // Without a branch, which could not be predicted.
        place += step & usize::from(starts(place + step)).wrapping_neg();
        step /= 2;
    }
    place
}

/// Whether a port is in a range: first port in the lower half word, last one in the upper.
#[inline]
fn port_in(range: u32, port: u16) -> bool {
    let (first, last) = (range as u16, (range >> 16) as u16);
    port.wrapping_sub(first) <= last.wrapping_sub(first)
}
