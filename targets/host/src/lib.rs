//! The command `dash`: the data plane on Linux, on captures.
//!
//! A library with a thin `main`, so that tests call its parts. In the order of a run: [`cli`] and
//! [`config`] are read into a [`plan`] before the first frame; [`capture`] gives the frames, at
//! their times, and [`schedule`] the changes in between; a [`session`] takes each through the
//! engine; [`run`] writes [`outputs`] and the [`report`], [`explain`] shows one frame. A
//! [file of a service](service_file) is of [service chains](chain), of the
//! [reactive router](router), of the [flow cache](flow_cache), or of a [state machine](efsm); the
//! last two run on one [device].

pub mod capture;
pub mod chain;
pub mod cli;
pub mod config;
pub mod device;
pub mod efsm;
pub mod error;
pub mod explain;
pub mod flow_cache;
pub mod headers;
mod live;
pub mod outputs;
pub mod plan;
pub mod platform;
pub mod port;
pub mod report;
pub mod router;
pub mod run;
pub mod schedule;
pub mod script;
pub mod service_file;
pub mod session;
pub mod summary;
pub mod text;
pub mod trace;
pub mod up;

use std::{
    io::{BufWriter, Write},
    process::ExitCode,
};

use clap::Parser;

use cli::{Cli, Command};

/// The command. Exit codes: 0, 2 when the input is wrong, 1 when it could not be carried out.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = BufWriter::new(std::io::stdout().lock());
    let done = match &cli.command {
        Command::Run(args) => run::run(args, &mut out, &mut std::io::stderr()),
        Command::Explain(args) => explain::explain(args, &mut out, &mut std::io::stderr()),
        Command::Up(args) => up::up(args, &mut out),
    };
    let done = done.and_then(|()| out.flush().map_err(error::Error::output));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Tells why a command fails.
pub fn complain(error: &impl std::fmt::Display) {
    let lines: Vec<_> = error.to_string().lines().map(|line| format!("error: {line}")).collect();
    // Nobody may be listening; the exit code tells it too.
    let _ = writeln!(std::io::stderr(), "{}", lines.join("\n"));
}
