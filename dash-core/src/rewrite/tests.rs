//! Literal frames of the specification, the edges of each rule, and random frames against a model.

extern crate std;

mod literal;
mod model;
mod random;

use std::vec::Vec;

use dash_hal::software::ArrayBuffer;
use dash_hal::{PacketBuffer, ReceiveMetadata};

use super::{NextHop, NextHops, Outcome, Rewrite};
use crate::wire::{Edges, Profile, parse};

type Buffer = ArrayBuffer<2048>;

/// `frame` behind `headroom` bytes.
fn buffer(frame: &[u8], headroom: usize) -> Buffer {
    Buffer::with_headroom(frame, ReceiveMetadata::default(), headroom).unwrap()
}

/// As [`apply_to`], from the front door: the edges are those that the parser finds.
fn apply_parsed(
    rewrite: &Rewrite,
    frame: &[u8],
    headroom: usize,
    profile: &Profile,
    mtu: u16,
) -> Result<(Vec<u8>, usize), Outcome> {
    let edges = parse(frame, profile).unwrap().edges(frame);
    apply_to(rewrite, frame, headroom, &edges, mtu)
}

/// Applies, whole and as a flow has it, and checks that a refusal changed nothing: the frame and its headroom, or why not.
fn apply_to(
    rewrite: &Rewrite,
    frame: &[u8],
    headroom: usize,
    edges: &Edges,
    mtu: u16,
) -> Result<(Vec<u8>, usize), Outcome> {
    let mut places = [NextHop::FREE; 2];
    let mut next_hops = NextHops::new(&mut places);
    let change = next_hops.hold(rewrite).unwrap();
    assert_eq!(next_hops.rewrite(&change), *rewrite);
    let mut by_flow = buffer(frame, headroom);
    let outcome = next_hops.apply(&change, &mut by_flow, edges, mtu);

    let mut buffer = buffer(frame, headroom);
    let tailroom = buffer.tailroom();
    let whole = rewrite.apply(&mut buffer, edges, mtu);
    assert_eq!(
        (whole, buffer.bytes(), buffer.headroom()),
        (outcome, by_flow.bytes(), by_flow.headroom())
    );
    match whole {
        Outcome::Done(length) => {
            assert_eq!(buffer.bytes().len(), length);
            Ok((buffer.bytes().to_vec(), buffer.headroom()))
        }
        refusal => {
            assert_eq!(buffer.bytes(), frame);
            assert_eq!((buffer.headroom(), buffer.tailroom()), (headroom, tailroom));
            Err(refusal)
        }
    }
}
