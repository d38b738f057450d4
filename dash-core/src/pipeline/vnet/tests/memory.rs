//! What a core remembers of the small tables: nothing old, nothing of another, and no frame passes
//! by it that the tables would not let pass.

use dash_hal::ReceiveFlags;

use super::*;
use crate::wire::UsualFrame;

/// What is said of a frame in the current burst: of which ENI it is, and in which direction.
fn look(
    world: &mut World,
    frame: &[u8],
    metadata: ReceiveMetadata,
) -> Result<(EniId, Direction), DropReason> {
    let buffer = Buffer::new(frame, metadata).unwrap();
    assert!(UsualFrame::of(buffer.bytes()).is_some(), "remembered answers are for usual frames");
    match key(&mut world.vnet, &buffer, &mut ()).lookup.unwrap() {
        Lookup::Flow { context, .. } => Ok((context.eni, context.direction)),
        Lookup::Drop { reason, .. } => Err(reason),
        Lookup::NoFlow { .. } => unreachable!("each frame has a flow"),
    }
}

/// Lets `frame` pass, changes policy, and answers what the same frame meets in the next burst.
fn changed(
    world: &mut World,
    frame: &[u8],
    change: impl FnOnce(&mut PolicyWriter<'static>),
) -> Result<(EniId, Direction), DropReason> {
    let metadata = ReceiveMetadata::default();
    world.vnet.burst();
    let before = look(world, frame, metadata);
    assert!(before.is_ok());
    change(&mut world.writer);
    world.writer.commit();
    assert_eq!(look(world, frame, metadata), before, "the burst goes on as it began");
    world.vnet.burst();
    look(world, frame, metadata)
}

#[test]
fn a_change_is_seen_with_the_next_burst() {
    let world = &mut World::new();
    let out = Ok((ENI, Direction::Outbound));
    let down = Eni { enabled: false, ..eni() };
    let answer = changed(world, &request(), |writer| writer.set_eni(ENI, &down).unwrap());
    assert_eq!(answer, Err(DropReason::EniAdminDown));
    world.set_eni(|_| ());
    let answer = changed(world, &request(), |writer| {
        writer.remove_eni(ENI).unwrap();
        writer.set_eni(EniId(2), &eni()).unwrap();
    });
    assert_eq!(answer, Ok((EniId(2), Direction::Outbound)));
    let answer = changed(world, &request(), |writer| writer.remove_eni(EniId(2)).unwrap());
    assert_eq!(answer, Err(DropReason::EniMiss));

    world.set_eni(|_| ());
    let answer = changed(world, &request(), |writer| {
        let by_destination =
            DirectionEntry { direction: Direction::Outbound, mac: MacOverride::Destination };
        writer.set_direction(OUTBOUND_VNI, by_destination).unwrap();
    });
    assert_eq!(answer, Err(DropReason::EniMiss));
    // To itself, so that either of its MACs names the ENI.
    let mut own = request();
    own.copy_within(56..62, 50);
    let answer = changed(world, &own, |writer| writer.remove_direction(OUTBOUND_VNI).unwrap());
    assert_eq!(answer, Ok((ENI, Direction::Inbound)));
    let entry = DirectionEntry { direction: Direction::Outbound, mac: MacOverride::None };
    let answer = changed(world, &own, |writer| writer.set_direction(OUTBOUND_VNI, entry).unwrap());
    assert_eq!(answer, out);

    let moved = Appliance { sip: v4("172.16.1.101"), ..appliance() };
    let answer =
        changed(world, &request(), |writer| writer.set_appliance(ApplianceId(0), &moved).unwrap());
    assert_eq!(answer, Err(DropReason::VipMiss));
}

#[test]
fn a_new_vip_that_is_refused_is_forgotten() {
    let world = &mut World::new();
    let other = Appliance { sip: v4("9.9.9.9"), ..appliance() };
    world.writer.set_appliance(ApplianceId(1), &other).unwrap();
    let before = world.writer.policy().version();
    let full =
        world.writer.set_appliance(ApplianceId(2), &Appliance { sip: v4("8.8.8.8"), ..other });
    assert_eq!(full, Err(PolicyError::Table(crate::table::TableError::Full)));
    assert_ne!(world.writer.policy().version(), before);
}

#[test]
fn answers_that_share_a_place_are_kept_apart() {
    let world = &mut World::new();
    // The last byte of a MAC address, and the lowest bits of a VNI, are the place.
    assert_eq!(OUTBOUND_VNI % 8, PEER_VNI % 8);
    let mac = EthernetAddress([2, 0, 0, 0, 0, ENI_MAC.0[5]]);
    world.writer.set_eni(EniId(2), &Eni { mac, ..eni() }).unwrap();
    world.writer.commit();
    let stranger = EthernetAddress([3, 0, 0, 0, 0, ENI_MAC.0[5]]);
    let from = |mac: EthernetAddress| {
        let mut frame = request();
        frame[56..62].copy_from_slice(&mac.0);
        frame
    };
    let to = |mac: EthernetAddress| {
        let mut frame = inbound();
        frame[50..56].copy_from_slice(&mac.0);
        frame
    };
    let mut other_vip = request();
    other_vip[33] = 101;
    let metadata = ReceiveMetadata::default();
    world.vnet.burst();
    for _ in 0..3 {
        for (mac, id) in [(ENI_MAC, ENI), (mac, EniId(2))] {
            assert_eq!(look(world, &from(mac), metadata), Ok((id, Direction::Outbound)));
            assert_eq!(look(world, &to(mac), metadata), Ok((id, Direction::Inbound)));
        }
        assert_eq!(look(world, &from(stranger), metadata), Err(DropReason::EniMiss));
        assert_eq!(look(world, &to(stranger), metadata), Err(DropReason::EniMiss));
        assert_eq!(look(world, &other_vip, metadata), Err(DropReason::VipMiss));
    }
}

#[test]
fn mac_addresses_that_no_eni_has_name_none() {
    for mac in [[0; 6], [0xff; 6]] {
        let world = &mut World::new();
        let mut frame = request();
        frame[56..62].copy_from_slice(&mac);
        for known in [false, true] {
            world.vnet.burst();
            assert_eq!(known, known && look(world, &request(), ReceiveMetadata::default()).is_ok());
            assert_eq!(world.run(&frame).dropped(), DropReason::EniMiss);
            let mut frame = inbound();
            frame[50..56].copy_from_slice(&mac);
            assert_eq!(world.run(&frame).dropped(), DropReason::EniMiss);
        }
    }
}

#[test]
fn what_the_port_says_counts_also_for_a_frame_that_is_remembered() {
    let world = &mut World::new();
    let good = ReceiveMetadata::default();
    world.vnet.burst();
    for frame in [request(), inbound()] {
        let known = look(world, &frame, good);
        assert!(known.is_ok());
        for (flags, reason) in [
            (ReceiveFlags::L3_BAD, DropReason::ChecksumBad),
            (ReceiveFlags::L4_BAD, DropReason::ChecksumBad),
            (ReceiveFlags::VLAN_STRIPPED, DropReason::VipMiss),
            (ReceiveFlags::TRUNCATED, DropReason::TruncatedCapture),
        ] {
            let metadata = ReceiveMetadata { flags, ..good };
            assert_eq!(look(world, &frame, metadata), Err(reason));
            assert_eq!(look(world, &frame, good), known);
        }
    }
}

/// The same frame at an odd address is walked, with the same answers.
#[test]
fn usual_and_walked_frames_are_named_alike() {
    for frame in [request(), inbound(), request_to("10.1.2.50", 6, &tcp(2))] {
        let mut storage = std::vec![0; frame.len() + 2];
        let even = storage.as_ptr().align_offset(2);
        let [usual, walked] = [even, even + 1].map(|start| {
            let bytes = &mut storage[start..start + frame.len()];
            bytes.copy_from_slice(&frame);
            assert_eq!(UsualFrame::of(bytes).is_some(), start == even);
            let (metadata, ingress) = (&ReceiveMetadata::default(), PortId(0));
            let mut world = World::new();
            let mut names = [Name::NONE, Name::NONE];
            // Asked for, and remembered.
            let (mut first, mut second) = (Vec::new(), Vec::new());
            world.vnet.burst();
            for (name, events) in names.iter_mut().zip([&mut first, &mut second]) {
                let entering = Entering { bytes, metadata, ingress, entry: 3 };
                world.vnet.key(entering, name, 0, &mut Log(events));
            }
            assert_eq!(first, second, "the trace");
            let [first, second] = names.map(|name| {
                let Some(Lookup::Flow { context, epoch }) = name.lookup else { panic!("no flow") };
                (context, epoch, name.key, name.edges)
            });
            assert_eq!(first, second);
            first
        });
        assert_eq!(usual, walked);
    }
}
