//! A burst: each step for all packets, without a branch that depends on one packet, so that loads of
//! several packets overlap and little is predicted wrongly. Only the records of tags are looked at
//! packet by packet: the filters of ports leave so few that the first one most often ends the list.

mod tags;

use super::{
    super::{
        super::atomic::{AtomicU32, Ordering::Relaxed},
        Headers,
        image::{
            DESTINATION, FIRST_BYTES, LEVEL_WORDS, MAX_LEVELS, PORT_RANGES, PROTOCOL_BITS,
            PROTOCOL_WORDS, SERVICE_LEVEL, SOURCE, bucket, half, header, protocols_at, record, run,
            side, word,
        },
        key::{BurstKey, Window, last_start},
        vector,
    },
    Classifier, Links, NO_RULE, port_in,
};
use core::hint::select_unpredictable;
use dash_hal::{Hints, VECTOR_WORDS};

/// Packets that are classified together.
pub(in super::super) const BURST: usize = 32;
/// Addresses of both sides.
const PLACES: usize = 2 * BURST;

/// Where the address of one side of a packet is.
const fn place(side: usize, packet: usize) -> usize {
    side * BURST + packet
}

/// What a rule may look at of each packet, and what has been found so far; what is of an address
/// stands at its [`place`].
struct Lanes<K> {
    /// Packets that there are.
    count: usize,
    numbers: [K; PLACES],
    /// Index of the interval of each number.
    intervals: [u32; PLACES],
    /// The bit of the protocol in a record.
    protocols: [u32; BURST],
    /// Source and destination ports.
    ports: [[u16; BURST]; 2],
    /// Class of the protocol.
    classes: [u8; BURST],
    /// Whether the numbers are in the windows of their sides, one bit a side; and all of them.
    insides: [u8; BURST],
    inside: bool,
    /// The first rule known to match.
    best: [u32; BURST],
    links: Links,
}

/// Records to verify: above [`CANDIDATE_BITS`] the number of a record, below them the place of the
/// address that did not lead to it.
struct Pending {
    candidates: [u32; PENDING],
    count: usize,
}

/// Room for a record of each address, and for as many of runs.
const PENDING: usize = 2 * PLACES;
const CANDIDATE_BITS: u32 = 8;

impl Pending {
    /// Adds record `number`, if it `is_one`; there is room.
    #[inline]
    fn push(&mut self, number: u32, place: usize, is_one: bool) {
        self.candidates[self.count % PENDING] = number << CANDIDATE_BITS | place as u32;
        self.count += usize::from(is_one);
    }
}

impl<H: Hints> Classifier<'_, H> {
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
        let mut lanes = Lanes {
            count: headers.len().min(BURST),
            numbers: [K::default(); PLACES],
            intervals: [0; PLACES],
            protocols: [0; BURST],
            ports: [[0; BURST]; 2],
            classes: [0; BURST],
            insides: [0; BURST],
            inside: false,
            best: [NO_RULE; BURST],
            links: Links::default(),
        };
        self.take(headers, &mut lanes);
        for side in [SOURCE, DESTINATION] {
            self.search(side, &mut lanes);
        }
        if self.word(header::LEVELS) > 0 {
            self.diagram(&mut lanes);
        }
        if self.word(header::RECORDS) > 0 {
            self.lists(headers, &mut lanes);
        }
        *best = lanes.best;
        lanes.inside
    }

    /// Takes out of the headers what is looked at.
    #[inline]
    fn take<K: BurstKey>(&self, headers: &[Headers], lanes: &mut Lanes<K>) {
        let protocols = self.words.get(protocols_at(self.word(header::RULES) as usize)..);
        let Some(protocols) = protocols.and_then(<[_]>::first_chunk) else { return };
        if K::WIDE || self.word(header::VERSION) != 0 {
            let [sources, destinations] = [SOURCE, DESTINATION].map(|side| self.window::<K>(side));
            lanes.take(headers, protocols, |headers| {
                [sources.number(&headers.source), destinations.number(&headers.destination)]
            });
        } else {
            lanes.take(headers, protocols, |headers| {
                [K::of_v4(&headers.source), K::of_v4(&headers.destination)]
            });
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
    fn search<K: BurstKey>(&self, side: usize, lanes: &mut Lanes<K>) {
        let Lanes { count, numbers, intervals, insides, inside, .. } = lanes;
        let half = |side| place(side, 0)..place(side, *count);
        let (Some(numbers), Some(intervals)) =
            (numbers.get(half(side)), intervals.get_mut(half(side)))
        else {
            return;
        };
        // One interval is what all addresses are in, and its number is there.
        if self.side(side, side::COUNT) > 1 {
            let (keys, buckets) =
                (self.of_side(side, side::KEYS), self.of_side(side, side::BUCKETS));
            let first_bytes = self.of_side(side, side::FIRST_BYTES).first_chunk();
            let Some(first_bytes) = first_bytes else { return };
            let window = 1_usize << (self.side(side, side::WINDOW_BITS) & 31);
            let search = Search { keys, buckets, first_bytes, window, hints: self.hints };
            match self.digest(side) {
                Some(digest) if K::WIDE => {
                    let mut digests = [0; BURST];
                    for (place, number) in digests.iter_mut().zip(numbers) {
                        *place = digest.of(number.top());
                    }
                    search.all(numbers, intervals, &digests, |digest, _| digest);
                }
                _ => search.all(numbers, intervals, &[0; BURST], |_, top| (top >> 32) as u32),
            }
        }
        if !*inside {
            let outside = self.side(side, side::COUNT) as u32;
            for (interval, inside) in intervals.iter_mut().zip(insides) {
                if *inside >> side & 1 == 0 {
                    *interval = outside;
                }
            }
        }
    }

    /// The way through the diagram.
    fn diagram<K: BurstKey>(&self, lanes: &mut Lanes<K>) {
        let row_side = self.word(header::ROW_SIDE) as usize & 1;
        let [rows, classes] = [row_side, 1 - row_side].map(|side| self.of_side(side, side::CELLS));
        let services = self.from(self.word(header::SERVICES) as usize);
        let [sources, destinations] = [SOURCE, DESTINATION].map(|side| self.ports(side));
        let mut nodes = [0; BURST];
        let mut others = [0; BURST];
        let mut cells = [0; BURST];
        for packet in 0..lanes.count.min(BURST) {
            let interval = |side| lanes.intervals[place(side, packet) % PLACES] as usize;
            nodes[packet] = word(rows, interval(row_side));
            others[packet] = word(classes, interval(1 - row_side));
            let [source_ports, destination_ports] = &lanes.ports;
            let cell = u32::from(lanes.classes[packet]) * sources.count
                + self.port(&sources, source_ports[packet]);
            let cell =
                cell * destinations.count + self.port(&destinations, destination_ports[packet]);
            cells[packet] = word(services, cell as usize);
        }
        let levels = (self.word(header::LEVELS) as usize).min(MAX_LEVELS);
        for level in 0..levels {
            let at = header::LEVEL + level * LEVEL_WORDS;
            let shift = self.word(at);
            let digits = if shift & SERVICE_LEVEL == 0 { &others } else { &cells };
            let shift = shift & 31;
            let mask = self.word(at + 1);
            let level = self.from(self.word(at + 2) as usize);
            let stride = self.word(at + 3);
            for (node, digits) in nodes.iter_mut().zip(digits).take(lanes.count) {
                *node = half(level, (*node * stride + (digits >> shift & mask)) as usize);
            }
        }
        for (best, node) in lanes.best.iter_mut().zip(&nodes) {
            // 0, where no rule matches, becomes NO_RULE.
            *best = node.wrapping_sub(1);
        }
    }

    /// The records that the intervals of both sides lead to.
    fn lists<K: BurstKey>(&self, headers: &[Headers], lanes: &mut Lanes<K>) {
        let mut pending = Pending { candidates: [0; PENDING], count: 0 };
        // Where there are more records than one: the run, and the place of the other address.
        let mut runs = [(0, 0); PLACES];
        let mut run_count = 0;
        for side in [SOURCE, DESTINATION] {
            let lists = self.of_side(side, side::LISTS);
            if self.side(side, side::COUNT) == 1 && word(lists, 0) | word(lists, 1) == 0 {
                continue;
            }
            let from = place(side, 0);
            let intervals = lanes.intervals.get(from..from + lanes.count).unwrap_or_default();
            for (packet, interval) in intervals.iter().enumerate() {
                let found = word(lists, *interval as usize);
                let other = place(1 - side, packet);
                pending.push(found, other, found & run::LAST != 0);
                runs[run_count % PLACES] = (found, other as u32);
                run_count += usize::from(found & run::LINK != 0);
            }
        }
        for (found, other) in runs.get(..run_count).unwrap_or_default() {
            self.collect(*found & run::REST, *other as usize, &mut pending, headers, lanes);
        }
        for side in [SOURCE, DESTINATION] {
            if let Some(map) = self.tag_map(side) {
                self.tags(&map, side, &mut pending, headers, lanes);
            }
        }
        self.verify(&mut pending, headers, lanes);
    }

    /// Adds the records of the run at `at`.
    #[inline]
    fn collect<K: BurstKey>(
        &self,
        at: u32,
        other: usize,
        pending: &mut Pending,
        headers: &[Headers],
        lanes: &mut Lanes<K>,
    ) {
        let mut at = at;
        // Ends: a run leads to its end or to the run of a shorter prefix.
        loop {
            self.make_room(pending, headers, lanes);
            let words = self.from(at as usize);
            let entry = word(words, 0);
            if entry & run::LINK != 0 {
                at = entry & run::REST;
                continue;
            }
            let count = run::count(entry);
            if let Some(records) = words.first_chunk::<{ run::SHORT }>().filter(|_| count > 0) {
                // Without a branch: how many could not be predicted.
                for (index, record) in records.iter().enumerate() {
                    pending.push(record.load(Relaxed), other, index < count);
                }
                return;
            }
            pending.push(entry, other, true);
            if entry & run::LAST != 0 {
                return;
            }
            at += 1;
        }
    }

    /// Verifies what waits when a run may not fit any more.
    #[inline]
    fn make_room<K: BurstKey>(
        &self,
        pending: &mut Pending,
        headers: &[Headers],
        lanes: &mut Lanes<K>,
    ) {
        if pending.count > PENDING - run::SHORT {
            self.verify(pending, headers, lanes);
        }
    }

    /// Looks at all records that wait; a lower rule that matches becomes the best one.
    fn verify<K: BurstKey>(
        &self,
        pending: &mut Pending,
        headers: &[Headers],
        lanes: &mut Lanes<K>,
    ) {
        if lanes.inside {
            self.verify_records::<K, true>(pending, headers, lanes);
        } else {
            self.verify_records::<K, false>(pending, headers, lanes);
        }
    }

    #[inline(never)]
    fn verify_records<K: BurstKey, const INSIDE: bool>(
        &self,
        pending: &mut Pending,
        headers: &[Headers],
        lanes: &mut Lanes<K>,
    ) {
        let records = K::records(self.from(self.word(header::RECORDS) as usize));
        let Pending { candidates, count } = pending;
        // Those that have checks are looked at again, from the front.
        let mut open_count = 0;
        for at in 0..core::mem::take(count) {
            let candidate = candidates[at % PENDING];
            let other = candidate as usize % PLACES;
            let packet = other % BURST;
            let Some(record) = records.get((candidate >> CANDIDATE_BITS) as usize) else {
                continue;
            };
            let (index, matches, open) = self.verify_record::<K, INSIDE>(record, other, lanes);
            // Without a branch: which ones have checks could not be predicted.
            candidates[open_count % PENDING] = candidate;
            open_count += usize::from(open);
            let best = lanes.best[packet];
            lanes.best[packet] = select_unpredictable(matches & !open, index, best);
        }
        for candidate in candidates.get(..open_count).unwrap_or_default() {
            let packet = *candidate as usize % BURST;
            let (Some(record), Some(headers)) = (
                records.get((candidate >> CANDIDATE_BITS) as usize).map(AsRef::as_ref),
                headers.get(packet),
            ) else {
                continue;
            };
            let rule = word(record, record::RULE) & record::INDEX;
            let numbers = [SOURCE, DESTINATION].map(|side| lanes.numbers[place(side, packet)]);
            let checks = word(record, record::CHECKS) as usize;
            if rule < lanes.best[packet]
                && self.checks(checks, headers, &numbers, lanes.insides[packet], &mut lanes.links)
            {
                lanes.best[packet] = rule;
            }
        }
    }

    /// The rule of a record; whether all that the record itself says of it matches, and that it is
    /// lower than the best one; and whether then there are checks. `other` is the place of the
    /// address that did not lead to it; `INSIDE`: all addresses are.
    #[inline]
    fn verify_record<K: BurstKey, const INSIDE: bool>(
        &self,
        record: &K::Record,
        other: usize,
        lanes: &Lanes<K>,
    ) -> (u32, bool, bool) {
        let packet = other % BURST;
        let Some((record, addresses)) =
            record.as_ref().split_first_chunk::<{ record::ADDRESSES }>()
        else {
            return (NO_RULE, false, false);
        };
        let [rule, protocols, source_ports, _, ports @ ..] = record;
        let [from_ports, to_ports] = &lanes.ports;
        let port = to_ports[packet];
        let in_port = if H::LOADS_VECTORS {
            vector::port_within(ports, port, self.hints)
        } else {
            let range = last_start(PORT_RANGES, |place| word(ports, place) as u16 <= port);
            port_in(word(ports, range), port)
        };
        let within = K::within(addresses, lanes.numbers[other % PLACES], self.hints);
        let rule = rule.load(Relaxed);
        let index = rule & record::INDEX;
        let inside = INSIDE
            || (rule & record::ANY != 0) | (lanes.insides[packet] >> (other / BURST) & 1 != 0);
        let matches = within
            & inside
            & in_port
            & port_in(source_ports.load(Relaxed), from_ports[packet])
            & (protocols.load(Relaxed) & lanes.protocols[packet] != 0)
            & (index < lanes.best[packet]);
        (index, matches, matches & (rule & record::CHECKED != 0))
    }

    /// What a side holds, from the word that `field` names.
    fn of_side(&self, side: usize, field: usize) -> &[AtomicU32] {
        self.from(self.side(side, field))
    }
}

impl<K: BurstKey> Lanes<K> {
    #[inline]
    fn take(
        &mut self,
        headers: &[Headers],
        protocols: &[AtomicU32; PROTOCOL_WORDS],
        numbers: impl Fn(&Headers) -> [(K, bool); 2],
    ) {
        let mut all = true;
        for (packet, headers) in headers.iter().enumerate().take(BURST) {
            let [(source, source_inside), (destination, destination_inside)] = numbers(headers);
            all &= source_inside & destination_inside;
            self.numbers[place(SOURCE, packet)] = source;
            self.numbers[place(DESTINATION, packet)] = destination;
            let class = class(protocols, headers.protocol);
            self.protocols[packet] = 1 << class.min(PROTOCOL_BITS - 1);
            self.classes[packet] = class as u8;
            let [source_ports, destination_ports] = &mut self.ports;
            source_ports[packet] = headers.source_port;
            destination_ports[packet] = headers.destination_port;
            self.insides[packet] = u8::from(source_inside) | u8::from(destination_inside) << 1;
        }
        self.inside = all;
    }
}

/// The class of a protocol.
#[inline]
fn class(classes: &[AtomicU32; PROTOCOL_WORDS], protocol: u8) -> u32 {
    word(classes, usize::from(protocol / 4)) >> (protocol % 4 * 8) & 0xff
}

/// The keys of a side, and their index.
struct Search<'a, H> {
    keys: &'a [AtomicU32],
    buckets: &'a [AtomicU32],
    first_bytes: &'a [AtomicU32; FIRST_BYTES],
    /// Keys that are looked at.
    window: usize,
    hints: &'a H,
}

impl<H: Hints> Search<'_, H> {
    /// `first` makes what leads to the bucket from the digest or from the first 64 bits.
    #[inline]
    fn all<K: BurstKey>(
        &self,
        numbers: &[K],
        intervals: &mut [u32],
        digests: &[u32; BURST],
        first: impl Fn(u32, u64) -> u32,
    ) {
        match self.window {
            8 => self.search::<K, 8, false>(numbers, intervals, digests, first),
            16 => self.search::<K, 16, false>(numbers, intervals, digests, first),
            32 => self.search::<K, 32, false>(numbers, intervals, digests, first),
            64 => self.search::<K, 64, false>(numbers, intervals, digests, first),
            _ => self.search::<K, 64, true>(numbers, intervals, digests, first),
        }
    }

    /// The last `W` keys that are looked at without leaving them; before them others if `MORE`.
    #[inline]
    fn search<K: BurstKey, const W: usize, const MORE: bool>(
        &self,
        numbers: &[K],
        intervals: &mut [u32],
        digests: &[u32; BURST],
        first: impl Fn(u32, u64) -> u32,
    ) {
        let Self { keys, buckets, first_bytes, window, hints } = *self;
        let width = K::WORDS;
        for ((number, interval), digest) in numbers.iter().zip(intervals).zip(digests) {
            let number = *number;
            let bucket = bucket(first_bytes, first(*digest, number.top()));
            let mut at = word(buckets, bucket) as usize;
            let mut step = window / 2;
            while MORE && step >= W {
                let below = K::load(keys, width, 0, at + step) < number;
                at += usize::from(below) * step;
                step /= 2;
            }
            let start = at * width;
            // Always there; a slice of known length needs no checks.
            let Some(keys) = keys.get(start..start + W * width) else { continue };
            let mut place = 0;
            let mut step = W / 2;
            while step >= VECTOR_WORDS {
                place |= usize::from(K::load(keys, width, 0, place | step) < number) * step;
                step /= 2;
            }
            let Some(keys) = keys.get(place * width..) else { continue };
            place += K::last_below(keys, number, hints);
            *interval = (at + place) as u32;
        }
    }
}
