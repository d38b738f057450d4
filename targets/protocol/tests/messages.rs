//! Messages come back as they were sent, fit their frame, and damaged ones are refused.

use dash_core::{
    flow::WhenFull,
    pipeline::vnet::{
        DropReason, EniCounters, FlowKey, Settings, Traffic,
        policy::{EniId, PolicyError},
    },
    table::TableError,
};
use dash_protocol::{
    Answer, CHUNK, ClockMode, DATA_PORTS, DecodeError, DropCount, EniStatistics, FLOWS_PER_ANSWER,
    FlowEntry, Hello, MESSAGE, PortProgress, Refusal, Request, STAMP, Stamp, Start, drop_counts,
};
use proptest::{collection::vec, prelude::*};
use zerocopy::FromBytes;

fn start(seed: Option<[u64; 2]>) -> Start {
    Start {
        clock: ClockMode::Capture,
        settings: Settings {
            tcp_strict: true,
            idle_timeout: u32::MAX,
            fragment_timeout: 500,
            flows_per_eni: 1 << 25,
        },
        when_full: WhenFull::Evict,
        mtu: 9100,
        flows: 65_536,
        seed,
    }
}

/// One of each kind, and the longest ones.
fn requests() -> Vec<Request<'static>> {
    vec![
        Request::Hello,
        Request::Start(start(None)),
        Request::Start(Start { clock: ClockMode::Live, ..start(Some([1, u64::MAX])) }),
        Request::Chunk { offset: 7, bytes: &[1, 2, 3] },
        Request::Chunk { offset: u32::MAX, bytes: &[0xa5; CHUNK] },
        Request::Commit { time: u64::MAX },
        Request::Progress,
        Request::Drops,
        Request::Eni(EniId(3)),
        Request::Flows { skip: 22 },
        Request::Stop,
    ]
}

fn answers() -> Vec<Answer> {
    let mut drops = drop_counts(&EniCounters::ZERO.drops);
    for reason in DropReason::all() {
        drops.push(DropCount { reason, frames: u64::MAX }).unwrap();
    }
    let traffic = Traffic { packets: 1, bytes: 1500 };
    let eni = EniStatistics {
        rx: traffic,
        tx: traffic,
        outbound_rx: traffic,
        outbound_tx: traffic,
        inbound_rx: traffic,
        inbound_tx: traffic,
        flow_create_failed: 9,
        flow_limit_reached: 8,
        drops: drops.clone(),
    };
    let key = FlowKey::read_from_bytes(&[0x5a; size_of::<FlowKey>()]).unwrap();
    let flow = FlowEntry { key, packets: 1, bytes: u64::MAX };
    let hello = Hello { frame: 9216, flows: 1 << 16, transaction: 1 << 20, rules: 1 << 18 };
    let mut answers = vec![
        Answer::Hello(hello),
        Answer::Done,
        Answer::Progress([PortProgress { received: 1, sent: u64::MAX }; DATA_PORTS]),
        Answer::Drops(drops),
        Answer::Eni(eni),
        Answer::Flows([flow; FLOWS_PER_ANSWER].into()),
    ];
    let tables = [
        TableError::Full,
        TableError::Busy,
        TableError::StorageTooSmall,
        TableError::CapacityTooLarge,
    ];
    let errors = [
        PolicyError::VniTooLarge,
        PolicyError::EmptyRange,
        PolicyError::Disordered,
        PolicyError::AclGroupBound,
        PolicyError::AclGroupVersion,
    ];
    let errors = errors.into_iter().chain(tables.map(PolicyError::Table));
    answers.extend(errors.map(|error| Answer::Rejected { index: 4, error }));
    let damages = [
        DecodeError::Truncated,
        DecodeError::Trailing,
        DecodeError::Value,
        DecodeError::TooLong,
        DecodeError::Memory,
        DecodeError::Version,
    ];
    let refusals = [
        Refusal::Order,
        Refusal::Gap,
        Refusal::TooLong,
        Refusal::TooMany,
        Refusal::Storage,
        Refusal::Entropy,
    ];
    let refusals = refusals.into_iter().chain(damages.map(Refusal::Damaged));
    answers.extend(refusals.map(Answer::Refused));
    answers
}

#[test]
fn requests_come_back_and_no_part_of_one_does() {
    for request in requests() {
        let mut buffer = [0; MESSAGE];
        let bytes = request.encode(&mut buffer).unwrap();
        assert_eq!(Request::decode(bytes), Ok(request));
        for cut in 0..bytes.len() {
            assert_eq!(Request::decode(&bytes[..cut]), Err(DecodeError::Truncated), "{request:?}");
        }
        let longer = [bytes, &[0]].concat();
        assert_eq!(Request::decode(&longer), Err(DecodeError::Trailing));
    }
}

#[test]
fn answers_come_back_and_no_part_of_one_does() {
    for answer in answers() {
        let mut buffer = [0; MESSAGE];
        let bytes = answer.encode(&mut buffer).unwrap();
        assert_eq!(Answer::decode(bytes), Ok(answer.clone()));
        for cut in 0..bytes.len() {
            assert_eq!(Answer::decode(&bytes[..cut]), Err(DecodeError::Truncated), "{answer:?}");
        }
    }
}

#[test]
fn another_version_is_refused() {
    let mut buffer = [0; MESSAGE];
    let mut bytes = Request::Start(start(None)).encode(&mut buffer).unwrap().to_vec();
    bytes[1] ^= 1;
    assert_eq!(Request::decode(&bytes), Err(DecodeError::Version));
}

#[test]
fn a_chunk_that_is_too_long_is_not_sent() {
    let bytes = [0; MESSAGE];
    assert!(Request::Chunk { offset: 0, bytes: &bytes }.encode(&mut [0; MESSAGE]).is_err());
}

#[test]
fn a_longer_list_than_fits_is_refused() {
    let mut bytes = vec![6];
    bytes.extend((FLOWS_PER_ANSWER as u32 + 1).to_le_bytes());
    bytes.extend([0; MESSAGE * 2]);
    assert_eq!(Answer::decode(&bytes), Err(DecodeError::TooLong));
}

#[test]
fn stamps_come_back() {
    for (time, truncated) in [(0, false), (1, true), (u64::MAX >> 1, true)] {
        let stamp = Stamp { time, truncated };
        let frame = [&stamp.to_bytes()[..], &[1, 2]].concat();
        assert_eq!(Stamp::split(&frame), Some((stamp, &[1, 2][..])));
        assert_eq!(Stamp::split(&frame[..STAMP]), Some((stamp, &[][..])));
        assert_eq!(Stamp::split(&frame[..STAMP - 1]), None);
    }
}

proptest! {
    /// What is accepted is what was meant: it is written again as the same bytes.
    #[test]
    fn random_bytes_are_refused_or_mean_something(
        kind in 0..10_u8,
        rest in vec(prop_oneof![0..3_u8, any::<u8>()], 0..64),
    ) {
        let bytes: Vec<u8> = std::iter::once(kind).chain(rest).collect();
        let mut buffer = [0; MESSAGE];
        if let Ok(request) = Request::decode(&bytes) {
            prop_assert_eq!(request.encode(&mut buffer).unwrap(), &bytes[..]);
        }
        if let Ok(answer) = Answer::decode(&bytes) {
            prop_assert_eq!(answer.encode(&mut buffer).unwrap(), &bytes[..]);
        }
    }

    #[test]
    fn damaged_answers_are_refused_or_mean_something(
        answer in proptest::sample::select(answers()),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut buffer = [0; MESSAGE];
        let mut bytes = answer.encode(&mut buffer).unwrap().to_vec();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(answer) = Answer::decode(&bytes) {
            prop_assert_eq!(answer.encode(&mut buffer).unwrap(), &bytes[..]);
        }
    }
}
