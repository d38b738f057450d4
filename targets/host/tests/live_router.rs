//! `dash up` with the reactive router, between the kernels of two network namespaces.

mod command;

use std::process::Command;

use command::examples;

/// Whether this machine lets us make network namespaces. Where it does, nothing else is an excuse.
fn namespaces() -> bool {
    let alone = Command::new("unshare").args(["--net", "true"]).output();
    alone.is_ok_and(|output| output.status.success())
}

#[test]
fn machines_reach_each_other() {
    if !namespaces() {
        println!("no network namespaces here: nothing was shown");
        return;
    }
    let script = examples().join("reactive-router/demo.sh");
    let output = Command::new(script).arg(env!("CARGO_BIN_EXE_dash")).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, complained) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{said}\n{complained}");
    assert!(said.contains("1000000 bytes arrived whole"), "{said}");
    assert_eq!(said.matches("from 10.1.0.3: ").count(), 5, "{said}");
}
