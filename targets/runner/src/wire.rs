//! The socket behind a network device: QEMU's `-netdev socket`, which has the length of each frame
//! in front of it, 32 bits in network order. It loses nothing and holds the sender back.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
};

/// Longest frame that QEMU passes on: its `NET_BUFSIZE`.
const LONGEST: u32 = 4096 + 65_536;

/// The sockets of a machine's devices.
#[derive(Debug)]
pub struct Wires {
    /// Of the control port.
    pub control: UnixStream,
    /// Of the data ports, by number.
    pub data: Vec<UnixStream>,
}

/// Sends a frame whose bytes are `parts` one after the other.
///
/// # Errors
/// The socket refuses, or takes nothing for its time-out.
pub fn send(mut stream: &UnixStream, parts: &[&[u8]]) -> io::Result<()> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut bytes = (length as u32).to_be_bytes().to_vec();
    for part in parts {
        bytes.extend_from_slice(part);
    }
    stream.write_all(&bytes)
}

/// The next frame.
///
/// # Errors
/// `UnexpectedEof`: the other side has closed; `InvalidData`: a length that no frame has.
pub fn receive(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut frame = vec![0; length as usize];
    stream.read_exact(&mut frame)?;
    Ok(frame)
}
