//! Literal frames of the specification, the edges of each rule, and random frames against a model.

extern crate std;

mod literal;
mod model;
mod random;

use std::vec::Vec;

use dash_hal::software::ArrayBuffer;
use dash_hal::{PacketBuffer, ReceiveMetadata};

use super::{Outcome, Rewrite, apply};
use crate::wire::{Layer, Layout, Profile, parse};

type Buffer = ArrayBuffer<2048>;

/// `frame` behind `headroom` bytes.
fn buffer(frame: &[u8], headroom: usize) -> Buffer {
    Buffer::with_headroom(frame, ReceiveMetadata::default(), headroom).unwrap()
}

/// Applies, and checks that a refusal changed nothing: the frame and its headroom, or why not.
fn apply_to(
    rewrite: &Rewrite,
    frame: &[u8],
    headroom: usize,
    layers: (&Layer, Option<&Layer>),
    mtu: u16,
) -> Result<(Vec<u8>, usize), Outcome> {
    check(frame, headroom, |buffer| apply::apply(rewrite, buffer, layers.0, layers.1, mtu))
}

/// As [`apply_to`], from the front door: the layers are those that the parser finds.
fn apply_parsed(
    rewrite: &Rewrite,
    frame: &[u8],
    headroom: usize,
    profile: &Profile,
    mtu: u16,
) -> Result<(Vec<u8>, usize), Outcome> {
    apply_layout(rewrite, frame, headroom, &parse(frame, profile).unwrap(), mtu)
}

/// As [`apply_parsed`], with the layout of whatever frame.
fn apply_layout(
    rewrite: &Rewrite,
    frame: &[u8],
    headroom: usize,
    layout: &Layout,
    mtu: u16,
) -> Result<(Vec<u8>, usize), Outcome> {
    check(frame, headroom, |buffer| match rewrite.apply(buffer, layout, mtu) {
        Outcome::Done => Ok(()),
        refusal => Err(refusal),
    })
}

fn check(
    frame: &[u8],
    headroom: usize,
    apply: impl FnOnce(&mut Buffer) -> Result<(), Outcome>,
) -> Result<(Vec<u8>, usize), Outcome> {
    let mut buffer = buffer(frame, headroom);
    let tailroom = buffer.tailroom();
    let result = apply(&mut buffer);
    if result.is_err() {
        assert_eq!(buffer.bytes(), frame);
        assert_eq!((buffer.headroom(), buffer.tailroom()), (headroom, tailroom));
    }
    result.map(|()| (buffer.bytes().to_vec(), buffer.headroom()))
}
