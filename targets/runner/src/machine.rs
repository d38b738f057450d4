//! A machine that QEMU emulates, with a Unix socket behind each network device.

use std::{
    io::{self, ErrorKind},
    os::{fd::AsRawFd, unix::net::UnixStream},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use command_fds::CommandFdExt;
use dash_protocol::{CONTROL_MAC, DATA_PORTS, data_mac};

use crate::{
    cli::Arch,
    error::Error,
    log::{self, Log},
    wire::Wires,
};

/// Between two looks at what comes without a call.
const PAUSE: Duration = Duration::from_millis(5);

/// From the end of a machine's sockets to its own.
const GRACE: Duration = Duration::from_millis(500);

/// Memory of the machine.
const MEMORY: &str = "128M";

/// A running machine; it is ended when this is dropped.
#[derive(Debug)]
pub struct Machine {
    command: &'static str,
    child: Child,
    log: Log,
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Machine {
    /// Boots `image`; its devices are connected before it runs. With `show` its log is printed.
    ///
    /// # Errors
    /// QEMU is missing, the image is none, or the system refuses the sockets.
    pub fn boot(arch: Arch, image: &Path, show: bool) -> Result<(Self, Wires), Error> {
        let (command, arguments) = arch.qemu();
        let failed = |message: String| Error::Qemu { command, message };
        let elf = std::fs::read(image).map_err(|error| Error::io(image, error))?;
        let table = log::table(&elf).map_err(failed)?;
        let mut qemu = Command::new(command);
        qemu.args(arguments)
            .args(["-m", MEMORY, "-display", "none", "-monitor", "none", "-serial", "none"])
            .args(["-semihosting-config", "enable=on,target=native"])
            .args(["-global", "virtio-mmio.force-legacy=false", "-device", "virtio-rng-device"])
            .arg("-kernel")
            .arg(image)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let wires = connect(&mut qemu).map_err(|error| failed(error.to_string()))?;
        let mut child = qemu.spawn().map_err(|error| {
            failed(match error.kind() {
                ErrorKind::NotFound => "QEMU is not installed".to_owned(),
                _ => error.to_string(),
            })
        })?;
        let log = Log::of(&mut child, table, show);
        Ok((Self { command, child, log }, wires))
    }

    fn error(&self, message: &str) -> Error {
        Error::Qemu { command: self.command, message: message.to_owned() }
    }

    /// Waits until the machine has ended by itself.
    ///
    /// # Errors
    /// It has failed, or goes on after `timeout`.
    pub fn end(&mut self, timeout: Duration) -> Result<(), Error> {
        match self.end_within(timeout) {
            Some(status) if status.success() => Ok(()),
            Some(_) => Err(self.error("the firmware has failed at its end")),
            None => Err(self.error("the firmware does not end")),
        }
    }

    fn end_within(&mut self, timeout: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + timeout;
        loop {
            let ended = self.ended();
            if ended.is_some() || Instant::now() > until {
                return ended;
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        // A child that cannot be waited for is gone.
        self.child.try_wait().unwrap_or_else(|_| Some(ExitStatus::default()))
    }

    fn kill(&mut self) -> ExitStatus {
        // It may have ended by itself.
        let _ = self.child.kill();
        self.child.wait().unwrap_or_default()
    }

    /// `error` and, unless the input is to blame, how the machine ended and its last log lines. It
    /// is ended if it runs.
    #[must_use]
    pub fn explain(mut self, error: Error) -> Error {
        if matches!(error, Error::Host(_)) {
            return error;
        }
        // Its sockets close a little before it has ended.
        let ended = self.end_within(GRACE);
        let status = self.kill();
        let end = match ended {
            Some(_) => format!("{} ended: {status}", self.command),
            None => format!("{} was running, and was ended", self.command),
        };
        let log = match self.log.last() {
            lines if lines.is_empty() => "nothing was logged".to_owned(),
            lines => lines.join("\n"),
        };
        Error::Machine { error: Box::new(error), machine: format!("{end}; its log:\n{log}") }
    }
}

/// Gives the machine its network devices: the data ports by number, and the control port. QEMU
/// drops what is sent to a socket that it has yet to connect, so it gets connected ones.
fn connect(qemu: &mut Command) -> io::Result<Wires> {
    let mut its_ends = Vec::new();
    let mut device = |mac: [u8; 6]| {
        let (ours, its) = UnixStream::pair()?;
        let fd = its.as_raw_fd();
        let mac = mac.map(|byte| format!("{byte:02x}")).join(":");
        qemu.args(["-netdev", &format!("socket,id=n{fd},fd={fd}")])
            .args(["-device", &format!("virtio-net-device,netdev=n{fd},mac={mac}")]);
        its_ends.push(its.into());
        Ok(ours)
    };
    let data = (0..DATA_PORTS as u8).map(data_mac).map(&mut device).collect::<io::Result<_>>()?;
    let control = device(CONTROL_MAC)?;
    qemu.preserved_fds(its_ends);
    Ok(Wires { control, data })
}
