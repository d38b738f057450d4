//! The control socket: lines of JSON in, events and answers out, to everybody who is connected.

use std::{
    fs,
    io::{self, Read, Write},
    os::{
        fd::{AsRawFd, RawFd},
        unix::net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

/// Bytes of a line at most: a whole configuration.
const LONGEST: usize = 16 << 20;

/// Somebody who is connected.
#[derive(Debug)]
struct Client {
    stream: UnixStream,
    /// A line that has not ended.
    line: Vec<u8>,
}

impl Client {
    /// The lines that ended; `None`: it is gone.
    fn read(&mut self) -> Option<Vec<String>> {
        let mut bytes = [0; 4096];
        let mut gone = false;
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => gone = true,
                Ok(count) => {
                    self.line.extend_from_slice(bytes.get(..count).unwrap_or_default());
                    if self.line.len() <= LONGEST {
                        continue;
                    }
                    gone = true;
                }
                Err(error) => gone |= error.kind() != io::ErrorKind::WouldBlock,
            }
            break;
        }
        let end = self.line.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines: Vec<_> = self.line.drain(..end).collect();
        let lines = String::from_utf8_lossy(&lines);
        let lines: Vec<_> =
            lines.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
        (!gone || !lines.is_empty()).then_some(lines)
    }
}

/// The socket, and who is connected.
#[derive(Debug)]
pub(crate) struct Clients {
    listener: Option<(UnixListener, PathBuf)>,
    clients: Vec<Client>,
}

impl Clients {
    /// Nobody, with a socket at `path` if there is one.
    ///
    /// # Errors
    /// The system refuses: there is something at `path`.
    pub(crate) fn new(path: Option<&Path>) -> io::Result<Self> {
        let listener = match path {
            None => None,
            Some(path) => {
                let listener = UnixListener::bind(path)?;
                listener.set_nonblocking(true)?;
                Some((listener, path.to_owned()))
            }
        };
        Ok(Self { listener, clients: Vec::new() })
    }

    /// What to wait for.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        let listener = self.listener.iter().map(|(listener, _)| listener.as_raw_fd());
        listener.chain(self.clients.iter().map(|client| client.stream.as_raw_fd()))
    }

    /// Lets in who waits; answers the lines that came.
    pub(crate) fn read(&mut self) -> Vec<String> {
        if let Some((listener, _)) = &self.listener {
            while let Ok((stream, _)) = listener.accept() {
                if stream.set_nonblocking(true).is_ok() {
                    self.clients.push(Client { stream, line: Vec::new() });
                }
            }
        }
        let mut lines = Vec::new();
        self.clients.retain_mut(|client| match client.read() {
            Some(more) => {
                lines.extend(more);
                true
            }
            None => false,
        });
        lines
    }

    /// Tells everybody; who does not listen is disconnected.
    pub(crate) fn tell(&mut self, event: &serde_json::Value) {
        let line = format!("{event}\n");
        self.clients.retain_mut(|client| client.stream.write_all(line.as_bytes()).is_ok());
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        if let Some((_, path)) = &self.listener {
            // Nothing more can be done about it.
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;

    #[test]
    fn lines_come_in_whole_and_everybody_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control");
        let mut clients = Clients::new(Some(&path)).unwrap();
        assert!(Clients::new(Some(&path)).is_err(), "there is one");
        let mut one = UnixStream::connect(&path).unwrap();
        let mut other = UnixStream::connect(&path).unwrap();
        one.write_all(b"{\"stats\":").unwrap();
        assert!(clients.read().is_empty());
        assert_eq!(clients.descriptors().count(), 3);
        one.write_all(b"{}}\n\nsecond\nthi").unwrap();
        other.write_all(b"last words\n").unwrap();
        assert_eq!(clients.read(), ["{\"stats\":{}}", "second", "last words"]);
        clients.tell(&serde_json::json!({ "t_ns": 1 }));
        for stream in [&one, &other] {
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line).unwrap();
            assert_eq!(line, "{\"t_ns\":1}\n");
        }
        other.write_all(b"and gone\n").unwrap();
        drop(other);
        assert_eq!(clients.read(), ["and gone"]);
        clients.read();
        assert_eq!(clients.descriptors().count(), 2);
        drop(clients);
        assert!(!path.exists());
    }
}
