//! The committed header is the one that cbindgen makes. `DASH_HEADER=write` writes it.
#![cfg(not(miri))]

use std::{env, fs, path::Path};

#[test]
fn the_header_is_up_to_date() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(package.join("cbindgen.toml")).unwrap();
    let bindings =
        cbindgen::Builder::new().with_crate(package).with_config(config).generate().unwrap();
    let mut made = Vec::new();
    bindings.write(&mut made);
    let path = package.join("include/dash.h");
    if env::var_os("DASH_HEADER").is_some_and(|mode| mode == "write") {
        fs::write(&path, &made).unwrap();
    }
    let made = String::from_utf8(made).unwrap();
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        made == committed,
        "{} is not what cbindgen makes: DASH_HEADER=write cargo test -p dash-ffi --test header",
        path.display()
    );
}
