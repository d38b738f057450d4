//! What happens in a scripted run, in the order of time: of one time control objects first, then
//! frames of captures, then those of wires.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
    iter::Peekable,
    vec::IntoIter,
};

use crate::{
    capture::{Merge, Record},
    cli::InputArgs,
    error::Error,
};

/// How long a frame takes from one end of a wire to the other, ns.
const WIRE: u64 = 1_000;
/// Wires that a frame may cross, beside those that it has reason to. One that goes on goes in a
/// circle.
const MORE_CROSSINGS: usize = 64;
/// Frames on wires at one time: a flood that goes in circles grows without end.
const ON_WIRES: usize = 1 << 20;

/// When a frame on a wire comes in, its number, the port, the frame, and how many it has crossed.
type OnWire = (u64, u64, String, Vec<u8>, usize);

/// What happens next.
pub enum Item<C> {
    /// A control object.
    Control(C),
    /// A frame comes in.
    Frame(Frame),
}

/// A frame that comes in.
pub struct Frame {
    /// The name of its port.
    pub port: String,
    /// The frame.
    pub bytes: Vec<u8>,
    /// Whether it was longer.
    pub truncated: bool,
}

/// The captures, control objects of type `C`, and frames on wires.
pub struct Timeline<C> {
    control: Peekable<IntoIter<(u64, C)>>,
    captures: Merge,
    /// The next record of the captures, and the number of its capture.
    record: Option<(usize, Record)>,
    inputs: Vec<String>,
    wires: Vec<(String, String)>,
    on_wires: BinaryHeap<Reverse<OnWire>>,
    /// Frames that went on wires.
    sent: u64,
    /// Wires that the newest frame has crossed.
    crossed: usize,
}

impl<C> Timeline<C> {
    /// Opens the captures of a command. `control` is in the order of time; `is_port` knows ports,
    /// and `may_be_wired` those that a wire may join.
    ///
    /// # Errors
    /// A capture cannot be read, a port is not there, or has two wires.
    pub fn new(
        input: &InputArgs,
        control: Vec<(u64, C)>,
        is_port: impl Fn(&str) -> bool,
        may_be_wired: impl Fn(&str) -> bool,
    ) -> Result<Self, Error> {
        for (name, _) in &input.inputs {
            if !is_port(name) {
                return Err(Error::Input(format!("there is no port \"{name}\"")));
            }
        }
        check_wires(&input.wire, may_be_wired)?;
        Ok(Self {
            control: control.into_iter().peekable(),
            captures: input.captures()?,
            record: None,
            inputs: input.inputs.iter().map(|(name, _)| name.clone()).collect(),
            wires: input.wire.clone(),
            on_wires: BinaryHeap::new(),
            sent: 0,
            crossed: 0,
        })
    }

    /// The next item, and its time.
    ///
    /// # Errors
    /// A capture is damaged.
    pub fn next_item(&mut self) -> Result<Option<(u64, Item<C>)>, Error> {
        if self.record.is_none() {
            self.record = self.captures.next_record()?;
        }
        let control = self.control.peek().map(|(time, _)| (*time, 0));
        let record = self.record.as_ref().map(|(_, record)| (record.time, 1));
        let wire = self.on_wires.peek().map(|Reverse((time, ..))| (*time, 2));
        let Some((time, kind)) = [control, record, wire].into_iter().flatten().min() else {
            return Ok(None);
        };
        let item = match kind {
            0 => self.control.next().map(|(_, control)| Item::Control(control)),
            1 => self.record.take().and_then(|(capture, record)| {
                self.crossed = 0;
                let port = self.inputs.get(capture)?.clone();
                let Record { bytes, truncated, .. } = record;
                Some(Item::Frame(Frame { port, bytes, truncated }))
            }),
            _ => self.on_wires.pop().map(|Reverse((_, _, port, bytes, crossed))| {
                self.crossed = crossed;
                Item::Frame(Frame { port, bytes, truncated: false })
            }),
        };
        Ok(item.map(|item| (time, item)))
    }

    /// The newest frame left by the port `name` at `time`, as `frame`: if that is wired, it will come
    /// in at the other end. It has reason to cross so many wires.
    ///
    /// # Errors
    /// It goes in a circle.
    pub fn left(
        &mut self,
        time: u64,
        name: &str,
        frame: &[u8],
        crossings: usize,
    ) -> Result<(), Error> {
        let end = self.wires.iter().find_map(|(one, other)| {
            if one == name {
                Some(other)
            } else if other == name {
                Some(one)
            } else {
                None
            }
        });
        if let Some(end) = end {
            if self.crossed == crossings + MORE_CROSSINGS || self.on_wires.len() == ON_WIRES {
                return Err(Error::Input(format!("--wire: frames go in a circle by \"{end}\"")));
            }
            self.sent += 1;
            let frame = (time + WIRE, self.sent, end.clone(), frame.to_vec(), self.crossed + 1);
            self.on_wires.push(Reverse(frame));
        }
        Ok(())
    }
}

/// A wire joins two ports; a port has one.
fn check_wires(
    wires: &[(String, String)],
    may_be_wired: impl Fn(&str) -> bool,
) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    for (one, other) in wires {
        for name in [one, other] {
            if !may_be_wired(name) {
                return Err(Error::Input(format!("--wire: there is no port \"{name}\"")));
            }
        }
        if !seen.insert(one) || one != other && !seen.insert(other) {
            return Err(Error::Input(format!("--wire: a port of {one}={other} has another wire")));
        }
    }
    Ok(())
}
