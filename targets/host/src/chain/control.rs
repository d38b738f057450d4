//! Control objects of service chains.

use std::{fs, path::Path};

use serde::Deserialize;

use super::{document::File, network::Network};
use crate::error::Error;

/// A line of a control file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ControlEntry {
    at_ns: u64,
    pair_up: Option<PairUp>,
    config: Option<File>,
    stats: Option<Stats>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PairUp {
    name: String,
    up: bool,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stats {}

/// What a control object asks for.
#[derive(Clone, Debug)]
pub enum Control {
    /// The health of the pair of this name.
    PairUp(String, bool),
    /// Another configuration.
    Replace(Box<Network>),
    /// The counters.
    Stats,
}

/// Reads control objects, in the order of their times.
///
/// # Errors
/// One is wrong.
pub fn read(path: &Path) -> Result<Vec<(u64, Control)>, Error> {
    let text = fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
    let mut objects = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |message: String| {
            Error::Input(format!("{}: line {}: {message}", path.display(), number + 1))
        };
        let entry: ControlEntry =
            serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
        let control = match (entry.pair_up, entry.config, entry.stats) {
            (Some(PairUp { name, up }), None, None) => Control::PairUp(name, up),
            (None, Some(file), None) => {
                Control::Replace(Box::new(Network::new(&file.chain).map_err(wrong)?))
            }
            (None, None, Some(Stats {})) => Control::Stats,
            _ => return Err(wrong("expected one of pair_up, config, stats".to_owned())),
        };
        objects.push((entry.at_ns, control));
    }
    // Stable: of equal times the one named first goes first.
    objects.sort_by_key(|(time, _)| *time);
    Ok(objects)
}
