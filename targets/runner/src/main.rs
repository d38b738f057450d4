//! The command `dash-runner`.

use std::process::ExitCode;

fn main() -> ExitCode {
    dash_runner::main()
}
