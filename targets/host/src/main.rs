//! The command `dash`.

use std::process::ExitCode;

fn main() -> ExitCode {
    dash_host::main()
}
