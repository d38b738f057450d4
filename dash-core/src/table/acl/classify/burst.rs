//! A burst: each step for all packets, without a branch that depends on one packet, so that loads of
//! several packets overlap and little is predicted wrongly.

use super::{
    super::{
        super::atomic::{AtomicU32, Ordering::Relaxed},
        Headers,
        image::{
            DESTINATION, FIRST_BYTES, LEVEL_WORDS, MAX_LEVELS, NARROW_WINDOW, PORT_RANGES,
            PROTOCOL_BITS, PROTOCOL_WORDS, SERVICE_LEVEL, SOURCE, WIDE_WINDOW, WINDOW,
            address_ranges, bucket, half, header, of, of_mut, protocols_at, record, record_words,
            run, side, word,
        },
        key::{BurstKey, Window},
    },
    Classifier, NO_RULE, port_in,
};
use core::hint::select_unpredictable;

/// Packets that are classified together.
pub(in super::super) const BURST: usize = 32;
/// Records that wait to be verified.
const PENDING: usize = 64;

/// Records to verify: the number of a record, in the last eight bits the packet and above it the side
/// whose interval led to the record.
struct Pending {
    candidates: [u32; PENDING],
    count: usize,
}

const CANDIDATE_BITS: u32 = 8;
const SIDE: u32 = 1 << 7;

/// What a rule may look at of one packet, and what has been found so far.
#[derive(Clone, Copy, Default)]
struct Probe<K> {
    numbers: [K; 2],
    /// Index of the interval of each number.
    intervals: [u32; 2],
    /// The bit of the protocol in a record.
    protocol: u32,
    source_port: u16,
    destination_port: u16,
    /// Class of the protocol.
    class: u8,
    /// Whether a number is in the window of its side, one bit a side.
    inside: u8,
    /// The first rule known to match.
    best: u32,
}

impl Classifier<'_> {
    /// The first rule of each of at most [`BURST`] headers, or [`NO_RULE`]. Whether all of them are
    /// known to be of the family of the group; of others the answer means nothing.
    #[inline]
    pub(in super::super) fn classify(&self, headers: &[Headers], best: &mut [u32; BURST]) -> bool {
        match self.word(header::KEY_WORDS) {
            1 => self.burst::<u32>(headers, best),
            2 => self.burst::<u64>(headers, best),
            _ => self.burst::<u128>(headers, best),
        }
    }

    fn burst<K: BurstKey>(&self, headers: &[Headers], best: &mut [u32; BURST]) -> bool {
        let mut probes = [Probe::<K>::default(); BURST];
        let probes = probes.get_mut(..headers.len()).unwrap_or_default();
        let inside = self.probe(headers, probes);
        for side in [SOURCE, DESTINATION] {
            self.search(side, probes, inside);
        }
        if self.word(header::LEVELS) > 0 {
            self.diagram(probes);
        }
        if self.word(header::RECORDS) > 0 {
            self.lists(headers, probes);
        }
        for (best, probe) in best.iter_mut().zip(probes) {
            *best = probe.best;
        }
        inside
    }

    /// Takes out of the headers what is looked at; whether all numbers are inside.
    #[inline]
    fn probe<K: BurstKey>(&self, headers: &[Headers], probes: &mut [Probe<K>]) -> bool {
        let windows = [SOURCE, DESTINATION].map(|side| self.window::<K>(side));
        let protocols = self.words.get(protocols_at(self.word(header::RULES) as usize)..);
        let Some(protocols) = protocols.and_then(<[_]>::first_chunk) else { return false };
        let [sources, destinations] = &windows;
        if K::WIDE || self.word(header::VERSION) != 0 {
            take(headers, probes, protocols, |headers| {
                let source = sources.place(&headers.source);
                let destination = destinations.place(&headers.destination);
                [source, destination].map(|(bits, inside)| (K::of(bits), inside))
            })
        } else {
            take(headers, probes, protocols, |headers| {
                [K::of_v4(&headers.source), K::of_v4(&headers.destination)]
            })
        }
    }

    #[inline(never)]
    fn window<K: BurstKey>(&self, side: usize) -> Window {
        let skip = self.side(side, side::SKIP) as u32;
        let common = (0..3).fold(0, |common, index| {
            common << 32 | u128::from(self.word(header::side(side) + side::COMMON + index))
        });
        Window { skip, words: self.width::<K>() as u32, common: common << 32 }
    }

    /// The intervals of one side.
    #[inline(never)]
    fn search<K: BurstKey>(&self, side: usize, probes: &mut [Probe<K>], inside: bool) {
        let width = self.width::<K>();
        let from = |field| self.words.get(self.side(side, field)..).unwrap_or_default();
        let (keys, buckets) = (from(side::KEYS), from(side::BUCKETS));
        let Some(first_bytes) = from(side::FIRST_BYTES).first_chunk::<FIRST_BYTES>() else {
            return;
        };
        let window = 1_usize << (self.side(side, side::WINDOW_BITS) & 31);
        let search = Search { keys, buckets, first_bytes, width, window };
        match self.digest(side) {
            Some(digest) if K::WIDE => {
                let mut digests = [0; BURST];
                for (place, probe) in digests.iter_mut().zip(&*probes) {
                    *place = digest.of(of(&probe.numbers, side).top());
                }
                search.all(side, probes, &digests, |digest, _| digest);
            }
            _ => search.all(side, probes, &[0; BURST], |_, top| (top >> 32) as u32),
        }
        if !inside {
            let count = self.side(side, side::COUNT) as u32;
            for probe in probes.iter_mut().filter(|probe| probe.inside >> side & 1 == 0) {
                *of_mut(&mut probe.intervals, side) = count;
            }
        }
    }

    /// The way through the diagram.
    fn diagram<K: BurstKey>(&self, probes: &mut [Probe<K>]) {
        let from = |at: usize| self.words.get(at..).unwrap_or_default();
        let row_side = self.word(header::ROW_SIDE) as usize & 1;
        let [rows, classes] =
            [row_side, 1 - row_side].map(|side| from(self.side(side, side::CELLS)));
        let services = from(self.word(header::SERVICES) as usize);
        let tables = [SOURCE, DESTINATION].map(|side| self.ports(side));
        let mut nodes = [0; BURST];
        let mut others = [0; BURST];
        let mut cells = [0; BURST];
        let places = nodes.iter_mut().zip(&mut others).zip(&mut cells);
        for (probe, ((node, other), service)) in probes.iter().zip(places) {
            *node = word(rows, *of(&probe.intervals, row_side) as usize);
            *other = word(classes, *of(&probe.intervals, 1 - row_side) as usize);
            let [sources, destinations] = &tables;
            let cell =
                u32::from(probe.class) * sources.count + self.port(sources, probe.source_port);
            let cell = cell * destinations.count + self.port(destinations, probe.destination_port);
            *service = word(services, cell as usize);
        }
        let levels = (self.word(header::LEVELS) as usize).min(MAX_LEVELS);
        for level in 0..levels {
            let at = header::LEVEL + level * LEVEL_WORDS;
            let shift = self.word(at);
            let digits = if shift & SERVICE_LEVEL == 0 { &others } else { &cells };
            let shift = shift & 31;
            let mask = self.word(at + 1);
            let level = from(self.word(at + 2) as usize);
            let stride = self.word(at + 3);
            for (node, digits) in nodes.iter_mut().zip(digits).take(probes.len()) {
                *node = half(level, (*node * stride + (digits >> shift & mask)) as usize);
            }
        }
        for (probe, node) in probes.iter_mut().zip(&nodes) {
            // 0, where no rule matches, becomes NO_RULE.
            probe.best = node.wrapping_sub(1);
        }
    }

    /// The records that the intervals of both sides lead to.
    fn lists<K: BurstKey>(&self, headers: &[Headers], probes: &mut [Probe<K>]) {
        let mut pending = Pending { candidates: [0; PENDING], count: 0 };
        let lists = [self.side(SOURCE, side::LISTS), self.side(DESTINATION, side::LISTS)];
        for packet in 0..probes.len() {
            let Some(Probe { intervals, .. }) = probes.get(packet) else { break };
            for ((side, interval), lists) in [0, SIDE].into_iter().zip(*intervals).zip(lists) {
                let found = self.word(lists + interval as usize);
                self.collect(found, packet as u32 | side, &mut pending, headers, probes);
            }
        }
        for side in [SOURCE, DESTINATION] {
            let map = self.word(header::tags(side)) as usize;
            if map == 0 {
                continue;
            }
            let mut walk = self.tags.of_addresses::<BURST>();
            for headers in headers {
                walk.push(headers.address(side));
            }
            for (number, chunk) in walk {
                let packet = number as u32 | if side == SOURCE { 0 } else { SIDE };
                let (mut there, tags, lists) = self.tagged(map, chunk);
                while there != 0 {
                    let before = tags & ((there & there.wrapping_neg()) - 1);
                    let found = self.word(lists + before.count_ones() as usize);
                    there &= there - 1;
                    // Records are in the order of their rules, so this one's is no lower.
                    let first = probes.get(number).map_or(0, |probe| probe.best);
                    if found & run::ONE == 0 || found & run::REST <= first {
                        self.collect(found, packet, &mut pending, headers, probes);
                    }
                }
            }
        }
        self.verify(&pending, headers, probes);
    }

    /// Adds the records of a list, and verifies those that wait when they are many.
    #[inline]
    fn collect<K: BurstKey>(
        &self,
        found: u32,
        packet: u32,
        pending: &mut Pending,
        headers: &[Headers],
        probes: &mut [Probe<K>],
    ) {
        if pending.count >= PENDING {
            self.verify(pending, headers, probes);
            pending.count = 0;
        }
        // Without a branch: most intervals have one record or none.
        if let Some(place) = pending.candidates.get_mut(pending.count) {
            *place = found << CANDIDATE_BITS | packet;
        }
        pending.count += usize::from(found & run::ONE != 0);
        let mut at = if found & run::ONE == 0 { found } else { 0 };
        // Ends: a run leads to its end or to the run of a shorter prefix.
        while at != 0 {
            let entry = self.word(at as usize);
            if entry & run::LINK != 0 {
                at = entry & run::REST;
                continue;
            }
            if pending.count >= PENDING {
                self.verify(pending, headers, probes);
                pending.count = 0;
            }
            if let Some(place) = pending.candidates.get_mut(pending.count) {
                *place = entry << CANDIDATE_BITS | packet;
            }
            pending.count += 1;
            at = if entry & run::LAST == 0 { at + 1 } else { 0 };
        }
    }

    /// Looks at records; a lower rule that matches becomes the best one.
    fn verify<K: BurstKey>(&self, pending: &Pending, headers: &[Headers], probes: &mut [Probe<K>]) {
        let width = self.width::<K>();
        let room = address_ranges(width);
        let stride = record_words(width);
        let records = self.words.get(self.word(header::RECORDS) as usize..).unwrap_or_default();
        let mut checked = [0; PENDING];
        let mut open_count = 0;
        for candidate in pending.candidates.get(..pending.count).unwrap_or_default() {
            let packet = (candidate & (SIDE - 1)) as usize;
            let Some(probe) = probes.get_mut(packet) else { continue };
            let other = usize::from(candidate & SIDE == 0);
            let number = *of(&probe.numbers, other);
            let at = (candidate >> CANDIDATE_BITS) as usize * stride;
            let Some((record, addresses)) = records
                .get(at..)
                .and_then(|words| words.get(..stride))
                .and_then(|record| record.split_first_chunk::<{ record::ADDRESSES }>())
            else {
                continue;
            };
            let [rule, protocols, source_ports, _, ports @ ..] = record;
            let port = probe.destination_port;
            let range = last_start(PORT_RANGES, |place| word(ports, place) as u16 <= port);
            let in_port = port_in(word(ports, range), port);
            let range = last_start(room, |place| K::load(addresses, width, 0, place) <= number);
            let within = (K::load(addresses, width, 0, range) <= number)
                & (number <= K::load(addresses, width, 0, room + range));
            let rule = rule.load(Relaxed);
            let inside = probe.inside >> other & 1 != 0;
            let index = rule & record::INDEX;
            let matches = ((rule & record::ANY != 0) | (inside & within))
                & in_port
                & port_in(source_ports.load(Relaxed), probe.source_port)
                & (protocols.load(Relaxed) & probe.protocol != 0)
                & (index < probe.best);
            let open = matches & (rule & record::CHECKED != 0);
            probe.best = select_unpredictable(matches & !open, index, probe.best);
            // Without a branch: which ones have checks could not be predicted.
            if let Some(place) = checked.get_mut(open_count) {
                *place = *candidate;
            }
            open_count += usize::from(open);
        }
        for candidate in checked.get(..open_count).unwrap_or_default() {
            let packet = (candidate & (SIDE - 1)) as usize;
            let at = (candidate >> CANDIDATE_BITS) as usize * stride;
            let record = records.get(at..).unwrap_or_default();
            let rule = word(record, record::RULE) & record::INDEX;
            let checks = word(record, record::CHECKS) as usize;
            let (Some(probe), Some(headers)) = (probes.get_mut(packet), headers.get(packet)) else {
                continue;
            };
            if rule < probe.best && self.checks(checks, headers, &probe.numbers, probe.inside) {
                probe.best = rule;
            }
        }
    }
}

/// Takes out of the headers what is looked at; whether all numbers are inside.
#[inline]
fn take<K: BurstKey>(
    headers: &[Headers],
    probes: &mut [Probe<K>],
    protocols: &[AtomicU32; PROTOCOL_WORDS],
    numbers: impl Fn(&Headers) -> [(K, bool); 2],
) -> bool {
    let mut all = true;
    for (headers, probe) in headers.iter().zip(probes) {
        let [(source, source_inside), (destination, destination_inside)] = numbers(headers);
        all &= source_inside & destination_inside;
        let class = class(protocols, headers.protocol);
        *probe = Probe {
            numbers: [source, destination],
            intervals: [0; 2],
            protocol: 1 << class.min(PROTOCOL_BITS - 1),
            source_port: headers.source_port,
            destination_port: headers.destination_port,
            class: class as u8,
            inside: u8::from(source_inside) | u8::from(destination_inside) << 1,
            best: NO_RULE,
        };
    }
    all
}

/// The class of a protocol.
#[inline]
fn class(classes: &[AtomicU32; PROTOCOL_WORDS], protocol: u8) -> u32 {
    word(classes, usize::from(protocol / 4)) >> (protocol % 4 * 8) & 0xff
}

/// The keys of a side, and their index.
struct Search<'a> {
    keys: &'a [AtomicU32],
    buckets: &'a [AtomicU32],
    first_bytes: &'a [AtomicU32; FIRST_BYTES],
    width: usize,
    /// Keys that are looked at.
    window: usize,
}

impl Search<'_> {
    /// `first` makes what leads to the bucket from the digest or from the first 64 bits.
    #[inline]
    fn all<K: BurstKey>(
        &self,
        side: usize,
        probes: &mut [Probe<K>],
        digests: &[u32; BURST],
        first: impl Fn(u32, u64) -> u32,
    ) {
        match self.window {
            NARROW_WINDOW => self.search::<K, NARROW_WINDOW>(side, probes, digests, first),
            WINDOW => self.search::<K, WINDOW>(side, probes, digests, first),
            _ => self.search::<K, WIDE_WINDOW>(side, probes, digests, first),
        }
    }

    /// The last `W` keys that are looked at without leaving them.
    #[inline]
    fn search<K: BurstKey, const W: usize>(
        &self,
        side: usize,
        probes: &mut [Probe<K>],
        digests: &[u32; BURST],
        first: impl Fn(u32, u64) -> u32,
    ) {
        let Self { keys, buckets, first_bytes, width, window } = *self;
        for (probe, digest) in probes.iter_mut().zip(digests) {
            let number = *of(&probe.numbers, side);
            let bucket = bucket(first_bytes, first(*digest, number.top()));
            let mut at = word(buckets, bucket) as usize;
            let mut step = if W < WIDE_WINDOW { 0 } else { window / 2 };
            while step >= W {
                let below = K::load(keys, width, 0, at + step) < number;
                at += usize::from(below) * step;
                step /= 2;
            }
            let start = at * width;
            // Always there; a slice of known length needs no checks.
            let Some(keys) = keys.get(start..start + W * width) else { continue };
            let place = last_start(W, |place| K::load(keys, width, 0, place) < number);
            *of_mut(&mut probe.intervals, side) = (at + place) as u32;
        }
    }
}

/// The last of `count` sorted places, a power of two, at which `starts`, or the first.
#[inline]
fn last_start(count: usize, starts: impl Fn(usize) -> bool) -> usize {
    let mut place = 0;
    let mut step = count / 2;
    while step > 0 {
        // A product, as a choice may be compiled to a branch, which could not be predicted.
        place |= usize::from(starts(place | step)) * step;
        step /= 2;
    }
    place
}
