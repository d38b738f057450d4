//! Files of the services beside DASH. A configuration is a JSON object whose one member has the name
//! of its service; a control file has an object in each line, with its time.
//!
//! Where a member stands twice in an object, JSON does not say which one counts: that is refused.
//! Errors tell the file, and the path to the value that is wrong.

use std::{fs, path::Path};

use dash_core::{flow::WhenFull, pipeline::Host};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    cli::{FRAGMENT_TIMEOUT, InputArgs},
    config::text,
    error::Error,
    text::{mac, parse},
};

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Service chains.
    Chain,
    /// The reactive router.
    Router,
    /// The flow cache.
    FlowCache,
    /// A state machine.
    Efsm,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Chain, Self::Router, Self::FlowCache, Self::Efsm];

    /// Its top-level object.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Router => "router",
            Self::FlowCache => "flow_cache",
            Self::Efsm => "efsm",
        }
    }
}

/// The configuration of a service.
#[derive(Clone, Debug)]
pub struct ServiceFile {
    /// Which service it is of.
    pub kind: Kind,
    /// Its path, as errors tell it.
    pub path: String,
    text: String,
}

impl ServiceFile {
    /// Reads a file; `None`: it is no service's, or nothing that can be read.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        // Objects of DASH are a list, and may be many.
        let text =
            fs::read_to_string(path).ok().filter(|text| text.trim_start().starts_with('{'))?;
        let value: Value = serde_json::from_str(&text).ok()?;
        let kind = Kind::ALL.into_iter().find(|kind| value.get(kind.name()).is_some())?;
        Some(Self { kind, path: path.display().to_string(), text })
    }

    /// The configuration of a command, if it is a service's.
    ///
    /// # Errors
    /// It is one of several files, or there are options beside it that are not of its service.
    pub fn of(input: &InputArgs) -> Result<Option<Self>, Error> {
        let file = input.config.iter().find_map(|path| Self::read(path));
        let Some(file) = file else { return Ok(None) };
        let name = file.kind.name();
        if input.config.len() > 1 {
            return Err(file.wrong(format!("{name} is one configuration file")));
        }
        let says_itself = file.kind != Kind::Chain;
        let others = [
            (!input.at.is_empty(), "--at"),
            (says_itself && input.when_full != WhenFull::Forward, "--when-full"),
            (input.fragment_timeout != FRAGMENT_TIMEOUT, "--fragment-timeout"),
            (input.flows_per_eni != 0, "--flows-per-eni"),
            (input.tcp_strict, "--tcp-strict"),
        ];
        match others.iter().find(|(given, _)| *given) {
            Some((_, option)) => Err(Error::Input(format!("{option} is for DASH, not for {name}"))),
            None => Ok(Some(file)),
        }
    }

    /// What the whole file says.
    ///
    /// # Errors
    /// It is no `T`.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        json(&self.text).and_then(deserialize).map_err(|message| self.wrong(message))
    }

    /// What is wrong with it.
    #[must_use]
    pub fn wrong(&self, message: String) -> Error {
        Error::Input(message).at(&self.path)
    }
}

/// A host, as configurations write it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostEntry {
    /// Its name.
    pub name: String,
    ip: String,
    mac: String,
}

impl HostEntry {
    /// The tunnel endpoint that it is.
    ///
    /// # Errors
    /// An address is none.
    pub fn host(&self) -> Result<Host, String> {
        let at = |message| format!("host \"{}\": {message}", self.name);
        let ip = parse(&self.ip, "IPv4 address").map_err(at)?;
        Ok(Host { ip, mac: mac(&self.mac).map_err(at)? })
    }
}

/// The control object that asks for the counters has no members.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stats {}

/// Control objects in the order of their times, if there is a file of them; `accept` says what a
/// `T` asks for.
///
/// # Errors
/// One is wrong.
pub fn control<T: DeserializeOwned, C>(
    path: Option<&Path>,
    mut accept: impl FnMut(T) -> Result<C, String>,
) -> Result<Vec<(u64, C)>, Error> {
    let Some(path) = path else { return Ok(Vec::new()) };
    let text = fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
    let mut objects = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let object = at(line).and_then(|(time, object)| Ok((time, accept(deserialize(object)?)?)));
        let place = || format!("{}: line {number}", path.display());
        objects.push(object.map_err(|message| Error::Input(message).at(&place()))?);
    }
    // Stable: of equal times the one named first goes first.
    objects.sort_by_key(|(time, _)| *time);
    Ok(objects)
}

/// The time of a control object, and the object without it.
fn at(line: &str) -> Result<(u64, Value), String> {
    let mut object = json(line)?;
    let time = object.as_object_mut().and_then(|members| members.remove("at_ns"));
    let time = time.as_ref().and_then(Value::as_u64).ok_or("at_ns: expected nanoseconds")?;
    if object.as_object().is_none_or(|members| members.len() != 1) {
        return Err("expected one object beside at_ns".to_owned());
    }
    Ok((time, object))
}

/// Parses JSON.
///
/// # Errors
/// Where it is none; a member that stands twice in its object.
pub fn json(text: &str) -> Result<Value, String> {
    let written = text::parse(text).map_err(|error| error.to_string())?;
    if let Some(name) = written.duplicate() {
        return Err(format!("\"{name}\" is there twice"));
    }
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// What a value says.
///
/// # Errors
/// Where it is no `T`, and why.
pub fn deserialize<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| match error.path().iter().next() {
        Some(_) => format!("{}: {}", error.path(), error.inner()),
        None => error.inner().to_string(),
    })
}
