//! Control objects of service chains.

use std::path::Path;

use serde::Deserialize;

use super::{document::File, network::Network};
use crate::{
    error::Error,
    service_file::{self, Stats},
};

/// A control object without its time.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ControlEntry {
    PairUp(PairUp),
    Config(Box<File>),
    Stats(Stats),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PairUp {
    name: String,
    up: bool,
}

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
pub fn read(path: Option<&Path>) -> Result<Vec<(u64, Control)>, Error> {
    service_file::control(path, |entry| match entry {
        ControlEntry::PairUp(PairUp { name, up }) => Ok(Control::PairUp(name, up)),
        ControlEntry::Config(file) => {
            Network::new(&file.chain).map(|network| Control::Replace(Box::new(network)))
        }
        ControlEntry::Stats(Stats {}) => Ok(Control::Stats),
    })
}
