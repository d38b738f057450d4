//! Many flows read at once, against filters over a list of all of them.

use dash_core::pipeline::vnet::{
    Attribute, AttributeError, BulkRead, Comparison, FILTERS, Filter, FlowKey, KeyFields,
    TableAttributes, TooManyFilters,
    policy::{Direction, VnetId},
};
use proptest::{collection::vec, prelude::*, sample::select};
use smoltcp::wire::{EthernetAddress, IpAddress};

use crate::{
    bench::{Bench, Storage},
    frame::{ACK, Arrival, Upper},
    model::SECOND,
    scene::{SETTINGS, VM_MAC, policy, request},
};

const FLOWS: usize = 64;

/// Conversations of the VM, of both IP versions and three protocols.
fn fill(bench: &mut Bench<'_>) {
    bench.change(&policy());
    for host in 2..9_u16 {
        let upper = match host % 3 {
            0 => Upper::Udp(1000 + host, 53),
            1 => Upper::Tcp(2000, 80 + host, ACK),
            _ => Upper::Icmp,
        };
        for destination in [format!("8.8.8.{host}"), "fd00::2".to_owned(), "10.0.0.2".to_owned()] {
            bench.frame(0, &Arrival::new(0, request(&destination, upper).bytes()));
        }
    }
}

fn addresses() -> Vec<IpAddress> {
    let texts = ["10.0.0.1", "10.0.0.2", "8.8.8.5", "255.255.255.255", "fd00::1", "fd00::2", "::"];
    texts.map(|text| text.parse::<std::net::IpAddr>().unwrap().into()).to_vec()
}

fn attribute() -> impl Strategy<Value = Attribute> {
    let macs = [VM_MAC, [0; 6], [0xff; 6], [2, 0, 0, 0, 0, 2]].map(EthernetAddress);
    let directions = [Direction::Outbound, Direction::Inbound];
    prop_oneof![
        select(macs.to_vec()).prop_map(Attribute::Eni),
        (0_u16..3).prop_map(|vnet| Attribute::Vnet(VnetId(vnet))),
        select(directions.to_vec()).prop_map(Attribute::Direction),
        select(vec![1_u8, 6, 17, 58]).prop_map(Attribute::Protocol),
        select(addresses()).prop_map(Attribute::Source),
        select(addresses()).prop_map(Attribute::Destination),
        select(vec![0_u16, 53, 1003, 2000]).prop_map(Attribute::SourcePort),
        select(vec![0_u16, 53, 84, 2000]).prop_map(Attribute::DestinationPort),
    ]
}

fn filter() -> impl Strategy<Value = Filter> {
    use Comparison::{Eq, Ge, Gt, Le, Lt};
    (attribute(), select(vec![Eq, Gt, Ge, Lt, Le]))
        .prop_map(|(attribute, comparison)| Filter { attribute, comparison })
}

/// The plainest reading: bytes in the order of the wire.
fn passes(filter: &Filter, key: &FlowKey) -> bool {
    let octets = |address: IpAddress| match address {
        IpAddress::Ipv4(address) => address.octets().to_vec(),
        IpAddress::Ipv6(address) => address.octets().to_vec(),
    };
    let (own, value) = match filter.attribute {
        Attribute::Eni(mac) => (key.eni().0.to_vec(), mac.0.to_vec()),
        Attribute::Vnet(vnet) => (key.vnet().0.to_be_bytes().into(), vnet.0.to_be_bytes().into()),
        Attribute::Direction(direction) => {
            let byte = |direction| vec![u8::from(direction == Direction::Inbound)];
            (byte(key.direction()), byte(direction))
        }
        Attribute::Protocol(protocol) => (vec![key.protocol()], vec![protocol]),
        Attribute::Source(address) => (octets(key.source()), octets(address)),
        Attribute::Destination(address) => (octets(key.destination()), octets(address)),
        Attribute::SourcePort(port) => {
            (key.source_port().to_be_bytes().into(), port.to_be_bytes().into())
        }
        Attribute::DestinationPort(port) => {
            (key.destination_port().to_be_bytes().into(), port.to_be_bytes().into())
        }
    };
    let order = own.cmp(&value);
    own.len() == value.len()
        && match filter.comparison {
            Comparison::Eq => order.is_eq(),
            Comparison::Gt => order.is_gt(),
            Comparison::Ge => order.is_ge(),
            Comparison::Lt => order.is_lt(),
            Comparison::Le => order.is_le(),
        }
}

fn read(bench: &Bench<'_>, mut session: BulkRead, now: u64, budget: usize) -> Vec<FlowKey> {
    let (flows, mut keys) = (bench.engine.flows(), Vec::new());
    while !session.is_finished(flows) {
        session.step(flows, now, budget, |key, _| keys.push(*key));
    }
    keys
}

#[test]
fn filters_let_pass_what_they_say() {
    let mut storage = Storage::new(FLOWS);
    let mut bench = Bench::new(&mut storage, &SETTINGS);
    fill(&mut bench);
    let all = read(&bench, BulkRead::new(&[], usize::MAX).unwrap(), 0, 1000);
    assert_eq!(all.len(), bench.engine.flows().len());
    assert!(all.len() > 30);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        failure_persistence: None,
        cases: 2_000,
        ..ProptestConfig::default()
    });
    let session = (vec(filter(), 0..=FILTERS), 1_usize..70, 0_usize..70);
    let done = runner.run(&session, |(filters, budget, limit)| {
        let mut expected = all.clone();
        expected.retain(|key| filters.iter().all(|filter| passes(filter, key)));
        expected.truncate(limit);
        let session = BulkRead::new(&filters, limit).unwrap();
        prop_assert_eq!(read(&bench, session, 0, budget), expected);
        Ok(())
    });
    done.unwrap();
}

#[test]
fn attributes_of_the_table_are_read_and_set() {
    let mut storage = Storage::new(FLOWS);
    let mut bench = Bench::new(&mut storage, &SETTINGS);
    let first = bench.engine.attributes();
    let expected = TableAttributes { max_flows: FLOWS, enabled_key: KeyFields::all(), ttl: 30_000 };
    assert_eq!((first, first.enabled_key.bits()), (expected, 0x7f));
    let mut set = |wanted: TableAttributes| bench.engine.set_attributes(&wanted);
    let few = TableAttributes { max_flows: 8, ..first };
    assert_eq!(set(few), Err(AttributeError::MaxFlows));
    let ports = KeyFields::SOURCE_PORT | KeyFields::DESTINATION_PORT;
    let masked = TableAttributes { enabled_key: KeyFields::all() - ports, ttl: 1, ..first };
    assert_eq!(set(masked), Err(AttributeError::EnabledKey));
    assert_eq!(set(TableAttributes { ttl: 5_000, ..first }), Ok(()));
    assert_eq!(bench.engine.attributes().ttl, 5_000);
    fill(&mut bench);
    assert_eq!(bench.live(5 * SECOND + 1).len(), 0);
}

#[test]
fn six_filters_are_refused() {
    let one = Filter { attribute: Attribute::Protocol(6), comparison: Comparison::Eq };
    assert_eq!(BulkRead::new(&[one; FILTERS + 1], 1).err(), Some(TooManyFilters));
}

#[test]
fn flows_that_are_over_are_not_read() {
    let mut storage = Storage::new(FLOWS);
    let mut bench = Bench::new(&mut storage, &SETTINGS);
    fill(&mut bench);
    bench.frame(20 * SECOND, &Arrival::new(0, request("10.0.0.2", Upper::Icmp).bytes()));
    let session = BulkRead::new(&[], usize::MAX).unwrap();
    assert_eq!(read(&bench, session, 31 * SECOND, 7).len(), 2);
}

#[test]
fn a_session_goes_on_while_flows_come_and_go() {
    let mut storage = Storage::new(FLOWS);
    let mut bench = Bench::new(&mut storage, &SETTINGS);
    fill(&mut bench);
    let before = read(&bench, BulkRead::new(&[], usize::MAX).unwrap(), 0, 64);
    let (mut session, mut keys) = (BulkRead::new(&[], usize::MAX).unwrap(), Vec::new());
    let mut port = 0;
    while !session.is_finished(bench.engine.flows()) {
        session.step(bench.engine.flows(), 0, 5, |key, _| keys.push(*key));
        port += 1;
        bench.frame(0, &Arrival::new(0, request("8.8.4.4", Upper::Udp(port, 53)).bytes()));
    }
    assert!(before.iter().all(|key| keys.contains(key)));
    let once = |key: &FlowKey| keys.iter().filter(|other| *other == key).count() == 1;
    assert!(keys.iter().all(once));
}
