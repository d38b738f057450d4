//! Our side of the benchmarks beside peers: `peers PART [ARGUMENTS]`, run by `benches/peers/run`.
//!
//! A part is a module with a `start` that prepares its work and gives a [`turns::Part`]; it prints
//! the lines that the C programs in `benches/peers` print, for the same queries.

mod acl;
mod hash;
mod latency;
mod lpm;
mod mapping;
mod memory;
mod packet;
mod turns;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let part = arguments.next().unwrap_or_default();
    let arguments: Vec<String> = arguments.collect();
    let done = match part.as_str() {
        "hash" => hash::start(&arguments).and_then(turns::take),
        "mapping" => mapping::start(&arguments).and_then(turns::take),
        "packet" => packet::start(&arguments).and_then(turns::take),
        "lpm" => lpm::start(&arguments).and_then(turns::take),
        "acl" => acl::start(&arguments).and_then(turns::take),
        "tags" => acl::tags::start(&arguments).and_then(turns::take),
        "stages" => acl::start_stages(&arguments).and_then(turns::take),
        _ => Err("usage: peers hash|mapping|packet|lpm|acl|tags|stages [ARGUMENTS]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers {part}: {error}");
            ExitCode::FAILURE
        }
    }
}
