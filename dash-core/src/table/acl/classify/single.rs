//! One packet: little code, which stops where a field differs.

use super::{
    super::{
        super::atomic::Ordering::Relaxed,
        Headers,
        image::{
            DESTINATION, FIRST_BYTES, LEVEL_WORDS, MAX_LEVELS, PROTOCOL_BITS, SERVICE_LEVEL,
            SOURCE, address_ranges, bucket, half, header, of, protocols_at, record, record_words,
            run, side,
        },
        key::{Key, Wide},
        tags::END,
    },
    Classifier, Links, NO_RULE, TagMap, Tagged, port_in,
};
use dash_hal::SoftwareHints;
use smoltcp::wire::IpAddress;

/// What rules look at, and what has been found so far.
struct Probe<'h> {
    headers: &'h Headers,
    numbers: [Wide; 2],
    /// Whether a number is in the window of its side, one bit a side.
    inside: u8,
    /// Class of the protocol.
    class: u32,
    /// The first rule known to match.
    best: u32,
    links: Links,
}

impl Classifier<'_, SoftwareHints> {
    /// The first rule of headers of the group's family, or [`NO_RULE`].
    pub(in super::super) fn classify_one(&self, headers: &Headers) -> u32 {
        let (source, source_inside) = self.number(SOURCE, headers);
        let (destination, destination_inside) = self.number(DESTINATION, headers);
        let protocols = protocols_at(self.word(header::RULES) as usize);
        let classes = self.word(protocols + usize::from(headers.protocol / 4));
        let mut probe = Probe {
            headers,
            numbers: [source, destination],
            inside: u8::from(source_inside) | u8::from(destination_inside) << 1,
            class: classes >> (headers.protocol % 4 * 8) & 0xff,
            best: NO_RULE,
            links: Links::default(),
        };
        let intervals = [SOURCE, DESTINATION].map(|side| self.interval(side, &probe));
        if self.word(header::LEVELS) > 0 {
            probe.best = self.descend(&intervals, &probe);
        }
        if self.word(header::RECORDS) > 0 {
            for (side, interval) in [SOURCE, DESTINATION].into_iter().zip(intervals) {
                let lists = self.side(side, side::LISTS);
                self.follow(self.word(lists + interval), side, &mut probe);
                if let Some(map) = self.tag_map(side) {
                    self.follow_tags(&map, side, &mut probe);
                }
            }
        }
        probe.best
    }

    /// The number of an address, and whether it is inside.
    #[inline]
    fn number(&self, side: usize, headers: &Headers) -> (Wide, bool) {
        match headers.address(side) {
            IpAddress::Ipv4(address) => (Wide::of_v4(address), true),
            IpAddress::Ipv6(address) => {
                let skip = self.side(side, side::SKIP);
                let common = header::side(side) + side::COMMON;
                let common = (common..common + skip).map(|at| self.word(at));
                Wide::of_v6(address, skip, self.width::<Wide>(), common)
            }
        }
    }

    /// The interval of one side.
    fn interval(&self, side: usize, probe: &Probe<'_>) -> usize {
        let mut length = self.side(side, side::COUNT);
        if probe.inside >> side & 1 == 0 {
            return length;
        }
        let number = of(&probe.numbers, side);
        let mut interval = 0;
        // A digest is not worth its code for one packet.
        if length > FIRST_BYTES
            && self.side(side, side::CHOSEN) | self.side(side, side::CHOSEN + 1) == 0
            && let Some(first_bytes) = self.from(self.side(side, side::FIRST_BYTES)).first_chunk()
        {
            let place = self.side(side, side::BUCKETS) + bucket(first_bytes, number.first());
            interval = self.word(place) as usize;
            length -= interval.min(length);
            length = length.min(1 << (self.side(side, side::WINDOW_BITS) & 31));
        }
        let (keys, width) = (self.side(side, side::KEYS), self.width::<Wide>());
        while length > 1 {
            let step = length / 2;
            if Wide::load(self.words, width, keys, interval + step) < *number {
                interval += step;
            }
            length -= step;
        }
        interval
    }

    /// The way through the diagram.
    #[inline(never)]
    fn descend(&self, intervals: &[usize; 2], probe: &Probe<'_>) -> u32 {
        let row_side = self.word(header::ROW_SIDE) as usize & 1;
        let [mut node, class] = [row_side, 1 - row_side]
            .map(|side| self.word(self.side(side, side::CELLS) + *of(intervals, side)));
        let [sources, destinations] = [SOURCE, DESTINATION].map(|side| self.ports(side));
        let cell = probe.class * sources.count + self.port(&sources, probe.headers.source_port);
        let cell =
            cell * destinations.count + self.port(&destinations, probe.headers.destination_port);
        let service = self.word((self.word(header::SERVICES) + cell) as usize);
        for level in 0..(self.word(header::LEVELS) as usize).min(MAX_LEVELS) {
            let at = header::LEVEL + level * LEVEL_WORDS;
            let shift = self.word(at);
            let digits = if shift & SERVICE_LEVEL == 0 { class } else { service };
            let digit = digits >> (shift & 31) & self.word(at + 1);
            let place = node * self.word(at + 3) + digit;
            node = half(self.from(self.word(at + 2) as usize), place as usize);
        }
        // 0, where no rule matches, becomes NO_RULE.
        node.wrapping_sub(1)
    }

    /// Looks at the records of a list.
    fn follow(&self, found: u32, side: usize, probe: &mut Probe<'_>) {
        if found == 0 {
            return;
        }
        let mut at = 0;
        let mut entry = found;
        // Ends: a run leads to its end or to the run of a shorter prefix.
        loop {
            if entry & run::LINK != 0 {
                at = (entry & run::REST) as usize;
            } else {
                self.look(entry & run::RECORD, side, probe);
                if entry & run::LAST != 0 {
                    return;
                }
                at += 1;
            }
            entry = self.word(at);
        }
    }

    /// Looks at the records of the tags of an address.
    #[inline(never)]
    fn follow_tags(&self, map: &TagMap<'_>, side: usize, probe: &mut Probe<'_>) {
        let address = probe.headers.address(side);
        let mut walk = self.tags.of_addresses::<_, 1>(self.hints, address.version());
        walk.start([address]);
        let port = probe.headers.destination_port;
        for (_, link) in walk.values() {
            let mut tagged = Tagged { next: link, ..Tagged::NONE };
            for _ in 0..self.tags.most_chunks() {
                if tagged.next == END {
                    break;
                }
                tagged = self.tagged(map, tagged.next, port);
                while let Some([found, behind]) = tagged.next_list(map) {
                    self.follow(found, side, probe);
                    if behind >= probe.best {
                        tagged = Tagged::NONE;
                    }
                }
            }
        }
    }

    /// Looks at a record that `side` led to; a lower rule that matches becomes the best one.
    #[inline(never)]
    fn look(&self, number: u32, side: usize, probe: &mut Probe<'_>) {
        let width = self.width::<Wide>();
        let at = self.word(header::RECORDS) as usize + number as usize * record_words(width);
        let Some(record) = self.from(at).first_chunk::<{ record::ADDRESSES }>() else { return };
        let [rule, protocols, source_ports, checks, ports @ ..] = record;
        let rule = rule.load(Relaxed);
        let index = rule & record::INDEX;
        let protocol = 1 << probe.class.min(PROTOCOL_BITS - 1);
        let Headers { source_port, destination_port, .. } = *probe.headers;
        // Ranges are sorted.
        let in_ports = || {
            let ranges = ports.iter().map(|range| range.load(Relaxed));
            let mut ranges = ranges.take_while(|range| *range as u16 <= destination_port);
            ranges.any(|range| port_in(range, destination_port))
        };
        if index >= probe.best
            || protocols.load(Relaxed) & protocol == 0
            || !port_in(source_ports.load(Relaxed), source_port)
            || !in_ports()
        {
            return;
        }
        let other = 1 - side;
        let addresses = at + record::ADDRESSES;
        let within = rule & record::ANY != 0
            || probe.inside >> other & 1 != 0
                && self.within(addresses, address_ranges(width), *of(&probe.numbers, other));
        let checks = checks.load(Relaxed) as usize;
        if within
            && (rule & record::CHECKED == 0
                || self.checks(
                    checks,
                    probe.headers,
                    &probe.numbers,
                    probe.inside,
                    &mut probe.links,
                ))
        {
            probe.best = index;
        }
    }
}
