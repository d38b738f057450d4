//! Reading a service's configuration and its control objects.

use std::{fs, path::Path};

use dash_core::flow::WhenFull;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Limits, Service};
use crate::{
    cli::{FRAGMENT_TIMEOUT, InputArgs},
    error::Error,
    port::PortNames,
};

/// Largest MTU: what a captured frame has room for.
pub const MAX_MTU: u16 = 65_521;

/// What a service's object says.
///
/// # Errors
/// Where it is wrong, and how.
pub fn document<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value)
        .map_err(|error| format!("{}: {}", error.path(), error.inner()))
}

/// What a control object asks for.
pub enum Control<S> {
    /// Another configuration.
    Replace(Box<S>),
    /// The counters.
    Stats,
}

/// A service, the names of its ports, and what will happen to it.
pub struct Plan<S> {
    /// The first configuration.
    pub service: S,
    /// Ports of all configurations.
    pub ports: PortNames,
    /// Control objects in the order of their times.
    pub control: Vec<(u64, Control<S>)>,
}

/// Options that override configurations, where they are given.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overrides {
    /// Most flows.
    pub flows: Option<u32>,
    /// Milliseconds without a frame after which a flow ends.
    pub idle_timeout: Option<u32>,
    /// Most bytes after the Ethernet header that a port sends.
    pub mtu: Option<u16>,
}

/// What a file holds, if it is a configuration of this service.
fn object_of<S: Service>(path: &Path) -> Option<Value> {
    let value: Value = serde_json::from_str(&fs::read_to_string(path).ok()?).ok()?;
    value.get(S::NAME).is_some().then_some(value)
}

/// Reads a configuration, if it is one of this service, and gives numbers to its ports.
///
/// # Errors
/// It is one, and wrong.
pub fn read_service<S: Service>(
    path: &Path,
    overrides: Overrides,
) -> Result<Option<(S, PortNames)>, Error> {
    let Some(value) = object_of::<S>(path) else { return Ok(None) };
    let mut ports = PortNames::default();
    let service = whole_file(value, &mut ports, overrides)
        .map_err(|message| Error::Input(format!("{}: {message}", path.display())))?;
    Ok(Some((service, ports)))
}

/// Reads what a command says, if its configuration is one of this service.
///
/// # Errors
/// It is one, and wrong; or so is a control object.
pub fn read<S: Service>(input: &InputArgs) -> Result<Option<Plan<S>>, Error> {
    let [path] = &input.config[..] else {
        for path in &input.config {
            if object_of::<S>(path).is_some() {
                let (path, name) = (path.display(), S::NAME);
                return Err(Error::Input(format!("{path}: {name} is one configuration file")));
            }
        }
        return Ok(None);
    };
    let InputArgs { flows, idle_timeout, mtu, .. } = *input;
    let overrides = Overrides { flows, idle_timeout, mtu };
    let Some((service, mut ports)) = read_service(path, overrides)? else { return Ok(None) };
    let other = [
        (!input.at.is_empty(), "--at"),
        (input.when_full != WhenFull::Forward, "--when-full"),
        (input.fragment_timeout != FRAGMENT_TIMEOUT, "--fragment-timeout"),
        (input.flows_per_eni != 0, "--flows-per-eni"),
        (input.tcp_strict, "--tcp-strict"),
    ];
    if let Some((_, option)) = other.iter().find(|(given, _)| *given) {
        return Err(Error::Input(format!("{option} is for DASH, not for {}", S::NAME)));
    }
    let control = control(input, &mut ports, overrides)?;
    Ok(Some(Plan { service, ports, control }))
}

/// What a whole file says, with the options that override it.
fn whole_file<S: Service>(
    value: Value,
    ports: &mut PortNames,
    overrides: Overrides,
) -> Result<S, String> {
    let Value::Object(mut file) = value else { return Err("expected an object".to_owned()) };
    let object = file.remove(S::NAME).ok_or_else(|| format!("expected \"{}\"", S::NAME))?;
    if let Some((name, _)) = file.iter().next() {
        return Err(format!("unknown field \"{name}\""));
    }
    let service = S::read(object, ports);
    let mut service = service.map_err(|message| format!("{}: {message}", S::NAME))?;
    let Limits { flows, idle_timeout, mtu, .. } = service.limits();
    *flows = overrides.flows.unwrap_or(*flows);
    *idle_timeout = overrides.idle_timeout.unwrap_or(*idle_timeout);
    *mtu = overrides.mtu.unwrap_or(*mtu);
    Ok(service)
}

fn control<S: Service>(
    input: &InputArgs,
    ports: &mut PortNames,
    overrides: Overrides,
) -> Result<Vec<(u64, Control<S>)>, Error> {
    let Some(path) = &input.control else { return Ok(Vec::new()) };
    let text = fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
    let mut objects = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let object = serde_json::from_str(line).map_err(|error| error.to_string());
        let object = object.and_then(|mut object: Map<String, Value>| {
            let time = object.remove("at_ns").and_then(|time| time.as_u64());
            let time = time.ok_or("expected at_ns, a number of nanoseconds")?;
            Ok((time, control_object(object, ports, overrides)?))
        });
        objects.push(object.map_err(|message: String| {
            Error::Input(format!("{}: line {}: {message}", path.display(), number + 1))
        })?);
    }
    // Stable: of equal times the one named first goes first.
    objects.sort_by_key(|(time, _)| *time);
    Ok(objects)
}

/// What a control object without its time asks for.
///
/// # Errors
/// It is not known, or wrong.
pub fn control_object<S: Service>(
    object: Map<String, Value>,
    ports: &mut PortNames,
    overrides: Overrides,
) -> Result<Control<S>, String> {
    let mut members = object.into_iter();
    match (members.next(), members.next()) {
        (Some((name, Value::Object(empty))), None) if name == "stats" && empty.is_empty() => {
            Ok(Control::Stats)
        }
        (Some((name, value)), None) if name == "config" => {
            let mut named = ports.clone();
            let service = whole_file(value, &mut named, overrides)?;
            *ports = named;
            Ok(Control::Replace(Box::new(service)))
        }
        _ => Err("expected one of config, stats".to_owned()),
    }
}
