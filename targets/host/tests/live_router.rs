//! `dash up` with the reactive router, between the kernels of two network namespaces.

mod command;

use std::process::Command;

use command::examples;

/// Whether this machine lets us make network namespaces.
fn namespaces() -> bool {
    let name = format!("dash-probe-{}", std::process::id());
    let ip = |what| Command::new("ip").args(["netns", what, &name]).output();
    let made = ip("add").is_ok_and(|output| output.status.success());
    if made {
        ip("del").unwrap();
    }
    made
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
