//! Turns the configuration that the environment names into static data of the image.
//!
//! Read as `dash run` reads it, with the same numbers for the same names: `DASH_CONFIG` (files,
//! default: the example VNET-to-VNET), `DASH_CHANGES` and `DASH_PORTS`, see `dash-protocol`.
//! `DASH_FLOWS` is the most flows, default 65,536. `DEFMT_LOG` is what is logged, default `info`. Relative paths begin at the workspace.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use dash_core::{flow::WhenFull, pipeline::vnet::policy::Capacity};
use dash_host::{
    cli::InputArgs,
    config::{difference::Difference, image::Image},
    plan::Plan,
};
use dash_protocol::{CHANGES, CONFIG, Changes, DATA_PORTS, PORTS};

const EXAMPLE: &str = "examples/vnet-to-vnet/published.json";
const FLOWS: &str = "DASH_FLOWS";
const DEFAULT_FLOWS: usize = 65_536;
const LEVEL: &str = "DEFMT_LOG";

fn main() -> ExitCode {
    match configure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            for line in error.to_string().lines() {
                println!("cargo::error={line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn configure() -> Result<(), Box<dyn std::error::Error>> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    env::set_current_dir(&workspace)?;
    let files = |name: &str, default: &str| -> Vec<PathBuf> {
        let list = variable(name).unwrap_or_else(|| default.to_owned());
        env::split_paths(&list).filter(|file| !file.as_os_str().is_empty()).collect()
    };
    let config = files(CONFIG, EXAMPLE);
    let changes = files(CHANGES, "");
    for file in config.iter().chain(&changes) {
        println!("cargo::rerun-if-changed={}", workspace.join(file).display());
    }
    let ports = variable(PORTS).unwrap_or_else(|| "0".to_owned());
    let flows = variable(FLOWS).map_or(Ok(DEFAULT_FLOWS), |flows| flows.parse())?;

    // Without a choice defmt would leave out all but errors.
    let level = variable(LEVEL).unwrap_or_else(|| "info".to_owned());
    println!("cargo::rustc-env={LEVEL}={level}");

    let plan = Plan::read(&InputArgs {
        config,
        inputs: ports.split('/').map(|port| (port.to_owned(), PathBuf::new())).collect(),
        wire: Vec::new(),
        control: None,
        at: (0..).zip(changes).collect(),
        flows: None,
        when_full: WhenFull::Forward,
        flows_per_eni: 0,
        idle_timeout: None,
        fragment_timeout: 0,
        tcp_strict: false,
        mtu: Some(0),
    })?;
    let count = plan.names.ports.iter().count();
    if count > DATA_PORTS {
        return Err(format!("{count} ports are named; the machine has {DATA_PORTS}").into());
    }
    for warning in &plan.warnings {
        println!("cargo::warning={warning}");
    }
    let mut first = Vec::new();
    let nothing = Image::default();
    dash_protocol::encode(Difference::new(&nothing, &plan.first).changes(), &mut first);
    let rules = Changes::memory(&first).map_err(|error| format!("{error:?}"))?;

    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("no OUT_DIR")?);
    fs::write(out.join("first.changes"), first)?;
    fs::write(out.join("configuration.rs"), constants(&with_spare(&plan.capacity), rules, flows))?;
    Ok(())
}

/// A variable that the build depends on; an empty one is as good as none.
fn variable(name: &str) -> Option<String> {
    println!("cargo::rerun-if-env-changed={name}");
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Words for images of ACL groups that a transaction replaces or adds, and to compile them in.
const SPARE_WORDS: usize = 32 * 1024;

/// Room for changes that the build does not know: twice what it knows, and 8 of each kind.
fn with_spare(known: &Capacity) -> Capacity {
    let spare = |count: usize| 2 * count + 8;
    let mut capacity = Capacity {
        appliances: spare(known.appliances),
        directions: spare(known.directions),
        enis: spare(known.enis),
        vnets: spare(known.vnets),
        routing_types: spare(known.routing_types),
        route_groups: spare(known.route_groups),
        routes: spare(known.routes),
        overlay_routes: spare(known.overlay_routes),
        mappings: spare(known.mappings),
        mapping_underlays: spare(known.mapping_underlays),
        inbound_sets: spare(known.inbound_sets),
        pa_vnis: spare(known.pa_vnis),
        pa_prefixes: spare(known.pa_prefixes),
        trusted_ranges: spare(known.trusted_ranges),
        underlay_routes: spare(known.underlay_routes),
        acl: known.acl,
    };
    capacity.acl.groups = spare(known.acl.groups);
    capacity.acl.words = known.acl.words + SPARE_WORDS;
    capacity.acl.tags = spare(known.acl.tags);
    capacity.acl.tag_prefixes = spare(known.acl.tag_prefixes);
    capacity
}

/// The constants, in Rust.
fn constants(capacity: &Capacity, rules: usize, flows: usize) -> String {
    let Capacity { acl, .. } = capacity;
    // `acl` has a type of the same name as its owner.
    let members = format!("{capacity:?}").replace(&format!("{acl:?}"), &format!("acl::{acl:?}"));
    format!(
        "/// How much policy the image holds.\n\
         pub const CAPACITY: Capacity = {members};\n\
         /// Most flows.\n\
         pub const FLOWS: usize = {flows};\n\
         /// Bytes for the lists of rules of the image's own configuration.\n\
         const FIRST_RULES: usize = {rules};\n"
    )
}
