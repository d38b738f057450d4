//! The tags of a burst: a walk down the prefixes of all addresses, then the first chunk of each list
//! of tags, so that these loads overlap; then packet by packet, since the filters of ports leave so
//! few records that the first one most often ends the list.
//!
//! Cost, where that one matches and lies in the first chunk: a line each for direct pointing, bucket
//! and chunk, which all groups share, and one each for the chunk's words in the map, its filter and
//! its list, and two for the record, which are of the group.

use super::{
    super::{
        super::{
            Headers,
            image::{header, run},
            key::BurstKey,
            tags::END,
        },
        Classifier, TagMap, Tagged,
    },
    BURST, Lanes, Pending, place,
};
use core::hint::select_unpredictable;
use dash_hal::Hints;
use smoltcp::wire::IpVersion;

/// How the tags of one side are looked at.
struct Visit<'a, K: BurstKey> {
    map: &'a TagMap<'a>,
    records: &'a [K::Record],
    other_side: usize,
}

impl<H: Hints> Classifier<'_, H> {
    /// The rules that the tags of the addresses of a side lead to.
    #[inline(never)]
    pub(super) fn tags<K: BurstKey>(
        &self,
        map: &TagMap<'_>,
        side: usize,
        pending: &mut Pending,
        headers: &[Headers],
        lanes: &mut Lanes<K>,
    ) {
        let version =
            if self.word(header::VERSION) == 0 { IpVersion::Ipv4 } else { IpVersion::Ipv6 };
        let mut walk = self.tags.of_addresses::<_, BURST>(self.hints, version);
        walk.start(headers.iter().map(|headers| headers.address(side)));
        let visit = Visit {
            map,
            records: K::records(self.from(self.word(header::RECORDS) as usize)),
            other_side: 1 - side,
        };
        // A rule that has been found spares records.
        self.verify(pending, headers, lanes);
        let mut chunks = [(0, Tagged::default()); BURST];
        loop {
            let links = walk.more();
            if links.is_empty() {
                return;
            }
            for links in links.chunks(BURST) {
                let mut count = 0;
                for (packet, link) in links {
                    let lane = *packet as usize % BURST;
                    let [_, ports] = &lanes.ports;
                    let tagged = self.tagged(map, *link, ports[lane]);
                    chunks[count % BURST] = (lane as u32, tagged);
                    count += usize::from((tagged.left != 0) | (tagged.next != END));
                }
                for (lane, tagged) in chunks.iter().take(count) {
                    self.visit_tags(
                        &visit,
                        *tagged,
                        *lane as usize % BURST,
                        pending,
                        headers,
                        lanes,
                    );
                }
            }
        }
    }

    /// The records that a chunk and those behind it lead to. A rule that matches most often spares
    /// those behind it, so packets come one by one.
    #[inline]
    fn visit_tags<K: BurstKey>(
        &self,
        visit: &Visit<'_, K>,
        mut tagged: Tagged,
        lane: usize,
        pending: &mut Pending,
        headers: &[Headers],
        lanes: &mut Lanes<K>,
    ) {
        let Visit { map, records, other_side } = *visit;
        let other = place(other_side, lane);
        let mut more = self.tags.most_chunks();
        loop {
            while let Some([found, behind]) = tagged.next_list(map) {
                if found & run::LINK != 0 {
                    self.follow_run(found, other, pending, headers, lanes);
                } else if let Some(record) = records.get((found & run::RECORD) as usize) {
                    let (index, matches, open) =
                        self.verify_record::<K, false>(record, other, lanes);
                    let best = lanes.best[lane];
                    lanes.best[lane] = select_unpredictable(matches & !open, index, best);
                    if open {
                        pending.push(found, other, true);
                        self.verify(pending, headers, lanes);
                    }
                }
                // Most often this is the end.
                if behind >= lanes.best[lane] {
                    return;
                }
            }
            if tagged.next == END || more == 0 {
                return;
            }
            more -= 1;
            let [_, ports] = &lanes.ports;
            tagged = self.tagged(map, tagged.next, ports[lane]);
        }
    }

    /// The records of the run that `link` leads to.
    #[inline(never)]
    fn follow_run<K: BurstKey>(
        &self,
        link: u32,
        other: usize,
        pending: &mut Pending,
        headers: &[Headers],
        lanes: &mut Lanes<K>,
    ) {
        self.collect(link & run::REST, other, pending, headers, lanes);
        self.verify(pending, headers, lanes);
    }
}
