//! A stream of operations on the flow cache: frames of servers and of the tunnel router, and time, as
//! the naive model of the tests has them; and any bytes from each port, alone or in the place of
//! bytes of a right frame, of which a naive reading says what becomes of them.
#![no_main]
// The tests use more of these modules.
#![allow(dead_code)]

#[path = "../../dash-core/tests/flow_cache/bench.rs"]
mod bench;
#[path = "../../dash-core/tests/flow_cache/frames.rs"]
mod frames;
#[path = "../../dash-core/tests/flow_cache/model.rs"]
mod model;
#[path = "../../dash-core/tests/platform/mod.rs"]
mod platform;
#[path = "../../dash-core/tests/flow_cache/reading.rs"]
mod reading;

use dash_core::{
    flow::WhenFull,
    pipeline::flow_cache::{DropReason, Note, Order, Settings, Vtep},
};
use dash_hal::PortId;
use libfuzzer_sys::fuzz_target;

use bench::{Bench, DC, MS, OTR, SETTINGS, SRV, Storage, vtep};
use frames::{fc, from_router, from_server, sum_ip, tenant};
use model::{Model, Name};

const PASSES: [u64; 8] = [1, MS, 50 * MS, 100 * MS, 101 * MS, 900 * MS, 30_000 * MS, 30_001 * MS];

fn name(byte: u8) -> Name {
    let number = u32::from(byte & 7);
    let v6 = 0x2001_0db8_u128 << 96 | u128::from(number);
    let address =
        if byte & 8 == 0 { tenant(number) } else { smoltcp::wire::IpAddress::Ipv6(v6.into()) };
    (if byte & 16 == 0 { 10 } else { 20 }, address)
}

/// One frame for a switch of its own: what becomes of it is what the reading says, and what is dropped
/// changes nothing.
fn alone(bench: &mut Bench<'_>, port: PortId, frame: &[u8]) {
    let drops = |bench: &Bench<'_>| DropReason::ALL.map(|reason| bench.dropped(reason));
    let (before, flows) = (drops(bench), bench.engine.flows().len());
    let sent = bench.send(port, frame);
    let mut after = before;
    if port == DC || port == OTR {
        let read = reading::outer(frame).and_then(|outer| {
            if port == OTR {
                return Ok((DC, frame.to_vec()));
            }
            let known = outer.destination == [10, 10, 10, 10];
            let vlan = match outer.vni {
                _ if !known => return Err(DropReason::NoVtep),
                100 => 10,
                200 => 20,
                _ => return Err(DropReason::UnknownVni),
            };
            Ok((SRV, [&outer.inside[..12], &[0x81, 0, 0, vlan], &outer.inside[12..]].concat()))
        });
        match read {
            Ok(right) => assert_eq!(sent, [right]),
            Err(reason) => {
                after[reason as usize] += 1;
                assert_eq!(sent, [], "{reason}");
            }
        }
        assert_eq!(drops(bench), after);
    } else if sent.is_empty() {
        let reason = if frame.len() < 18 { DropReason::Truncated } else { DropReason::Untagged };
        // A frame that would be too long directly has a flow.
        after[reason as usize] += 1;
        let mtu = drops(bench)[DropReason::Mtu as usize] != before[DropReason::Mtu as usize];
        assert!(mtu || drops(bench) == after);
    } else if sent[0].0 == OTR {
        assert_eq!(sent, [(OTR, frame.to_vec())]);
    } else {
        // Directly: 50 bytes on, 4 off; and what a receiver reads of it is the frame without its tag.
        let outer = reading::outer(&sent[0].1).unwrap();
        assert_eq!(outer.inside, [&frame[..12], &frame[16..]].concat());
    }
    if sent.is_empty() {
        assert_eq!(bench.engine.flows().len(), flows);
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((flags, mut rest)) = bytes.split_first() else { return };
    let order = match flags & 3 {
        0 => None,
        1 => Some(Order { guard: 100, force_after: 0 }),
        _ => SETTINGS.order,
    };
    let settings = Settings { order, relearn: flags & 4 != 0, ..SETTINGS };
    let vteps = [vtep(), Vtep { vni: Some(200), vlan: 20, ..vtep() }];
    let (mut one, mut other) = (Storage::new(64), Storage::new(4));
    let mut bench = Bench::on(&mut one, settings, &vteps, WhenFull::Forward);
    let mut alike = Bench::on(&mut other, settings, &vteps, WhenFull::EvictLeastUsed);
    let mut model = Model::new(settings);
    let mut number = 0_u32;
    while let Some((&[operation, argument], behind)) = rest.split_first_chunk() {
        rest = behind;
        number += 1;
        let (name, payload) = (name(argument), number.to_be_bytes());
        match operation % 8 {
            0 | 1 => {
                let frame = from_server(name.0.into(), name.1, &payload);
                let right = model.server(name, &payload, bench.now);
                assert_eq!(bench.send(SRV, &frame), [right]);
            }
            2 | 3 => {
                let vni = 100 + u32::from(operation >> 7);
                let frame = from_router(name.0, vni, name.1, &payload);
                let right = model.router(name, vni, &payload, bench.now);
                assert_eq!(bench.send(OTR, &frame), [right]);
            }
            4 => {
                let time = PASSES[usize::from(argument) % PASSES.len()];
                (bench.now, alike.now) = (bench.now + time, alike.now + time);
            }
            5 => {
                let (frame, behind) = rest.split_at(rest.len().min(argument.into()));
                rest = behind;
                alone(&mut alike, PortId(u16::from(operation >> 3) % 3), frame);
            }
            _ => {
                // A right frame, cut, with other bytes at some place.
                let port = PortId(u16::from(argument) % 3);
                let mut frame = fc([1, 4, 3][usize::from(port.0)]);
                let Some((&[place, count, cut, kind], behind)) = rest.split_first_chunk() else {
                    break;
                };
                let (new, behind) = behind.split_at(behind.len().min(usize::from(count) % 8));
                rest = behind;
                let place = usize::from(place) % frame.len();
                for (octet, new) in frame[place..].iter_mut().zip(new) {
                    *octet = *new;
                }
                frame.truncate(frame.len() - usize::from(cut) % frame.len() / 2);
                let network = if port == SRV { 18 } else { 14 };
                if kind & 1 == 0
                    && frame.len()
                        >= network + usize::from(frame[network.min(frame.len() - 1)] & 15) * 4
                    && frame[network] & 15 >= 5
                {
                    sum_ip(&mut frame, network);
                }
                alone(&mut alike, port, &frame);
            }
        }
    }
    assert_eq!(bench.noted(Note::OrderForced), model.forced);
});
