//! A service's configuration, and its control objects.

use serde::Deserialize;

use super::{Limits, Service};
use crate::{
    cli::{InputArgs, Overrides},
    error::Error,
    port::PortNames,
    service_file::{self, ServiceFile, Stats, deserialize},
};

/// A control object without its time.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ControlEntry<F> {
    Config(F),
    Stats(Stats),
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

/// Reads a configuration, and gives numbers to its ports.
///
/// # Errors
/// What is wrong with it.
pub fn service<S: Service>(
    file: &ServiceFile,
    overrides: Overrides,
) -> Result<(S, PortNames), Error> {
    let mut ports = PortNames::default();
    let service = overridden(file.parse()?, &mut ports, overrides);
    Ok((service.map_err(|message| file.wrong(message))?, ports))
}

/// Reads what a command says.
///
/// # Errors
/// The configuration is wrong, or a control object is.
pub fn plan<S: Service>(input: &InputArgs, file: &ServiceFile) -> Result<Plan<S>, Error> {
    let overrides = input.overrides();
    let (service, mut ports) = service(file, overrides)?;
    let control = service_file::control(input.control.as_deref(), |entry| {
        control(entry, &mut ports, overrides)
    })?;
    Ok(Plan { service, ports, control })
}

/// What a control object without its time asks for.
///
/// # Errors
/// It is not known, or wrong.
pub fn control_object<S: Service>(
    line: &str,
    ports: &mut PortNames,
    overrides: Overrides,
) -> Result<Control<S>, String> {
    control(deserialize(service_file::json(line)?)?, ports, overrides)
}

fn control<S: Service>(
    entry: ControlEntry<S::File>,
    ports: &mut PortNames,
    overrides: Overrides,
) -> Result<Control<S>, String> {
    match entry {
        ControlEntry::Config(file) => {
            let mut named = ports.clone();
            let service = overridden(file, &mut named, overrides)?;
            *ports = named;
            Ok(Control::Replace(Box::new(service)))
        }
        ControlEntry::Stats(Stats {}) => Ok(Control::Stats),
    }
}

/// What a whole file says, with the options that override it.
fn overridden<S: Service>(
    file: S::File,
    ports: &mut PortNames,
    overrides: Overrides,
) -> Result<S, String> {
    let service = S::new(file, ports);
    let mut service = service.map_err(|message| format!("{}: {message}", S::NAME))?;
    let Limits { flows, idle_timeout, mtu, .. } = service.limits();
    *flows = overrides.flows.unwrap_or(*flows);
    *idle_timeout = overrides.idle_timeout.unwrap_or(*idle_timeout);
    *mtu = overrides.mtu.unwrap_or(*mtu);
    Ok(service)
}
