//! Everything that is read and checked before the first frame.

use std::path::Path;

use dash_core::pipeline::vnet::policy::Capacity;
use dash_hal::PortId;

use crate::{
    cli::InputArgs,
    config::{
        Reader,
        image::{Image, larger},
        numbers::Names,
        problem::Problem,
        state::State,
    },
    error::Error,
};

/// The configuration over time.
#[derive(Debug)]
pub struct Plan {
    /// Names of what the images number.
    pub names: Names,
    /// The port of each capture; several captures may feed one port.
    pub inputs: Vec<PortId>,
    /// The last state, for what only names objects: identifiers in the report.
    pub state: State,
    /// The configuration at the start.
    pub first: Image,
    /// Later ones, each with its nanoseconds after the first frame, in order.
    pub later: Vec<(u64, Image)>,
    /// What the policy must hold.
    pub capacity: Capacity,
    /// What was accepted and is not acted on.
    pub warnings: Vec<String>,
}

impl Plan {
    /// Reads and checks all files of a command.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn read(input: &InputArgs) -> Result<Self, Error> {
        if !input.wire.is_empty() || input.control.is_some() {
            return Err(Error::Input("--wire and --control are not for DASH".to_owned()));
        }
        let mut reader = Reader::default();
        let mut names = Names::default();
        let inputs = input.inputs.iter().map(|(port, _)| names.ports.number(port)).collect();
        let state = reader.transaction(&State::default(), &input.config).map_err(Error::Config)?;
        let image = |state: &State, names: &mut Names, path: &Path| {
            let file = path.display().to_string().into();
            Image::of(state, names)
                .map_err(|message| Error::Config(vec![Problem::of_file(&file, message)]))
        };
        let first = image(&state, &mut names, &input.config[0])?;
        let mut changes: Vec<_> = input.at.iter().collect();
        // Stable: of equal times the one named first goes first.
        changes.sort_by_key(|(time, _)| *time);
        let mut last = state;
        let mut later = Vec::new();
        for (time, path) in changes {
            last = reader.transaction(&last, &[path]).map_err(Error::Config)?;
            later.push((*time, image(&last, &mut names, path)?));
        }
        // Only now are all names known.
        let empty = Image::default();
        let mut before = &first;
        let mut capacity = empty.capacity_to(&first, &names);
        for (_, after) in &later {
            capacity = larger(&capacity, &before.capacity_to(after, &names));
            before = after;
        }
        let warnings = reader.warnings().collect();
        Ok(Self { names, inputs, state: last, first, later, capacity, warnings })
    }
}
