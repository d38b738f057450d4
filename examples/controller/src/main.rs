//! `dash-controller CONFIG SOCKET`: answers the requests of a router that runs with
//! `"controller": "remote"`, as its own slow path would.
//!
//! It reads events from the socket, one JSON object a line, and writes control objects likewise.

use std::{
    error::Error,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
};

use dash_controller::Controller;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(config), Some(socket)) = (arguments.next(), arguments.next()) else {
        return Err("usage: dash-controller CONFIG SOCKET".into());
    };
    let mut controller = Controller::new(&std::fs::read_to_string(config)?)?;
    let mut stream = UnixStream::connect(socket)?;
    println!("connected");
    for line in BufReader::new(stream.try_clone()?).lines() {
        match controller.hear(&line?) {
            Ok(objects) => {
                for object in objects {
                    writeln!(stream, "{object}")?;
                }
            }
            // It goes without an answer; others have one.
            Err(error) => eprintln!("dash-controller: {error}"),
        }
    }
    Ok(())
}
