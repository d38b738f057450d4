//! A machine that QEMU emulates, with a Unix socket behind each network device.

use std::{
    io::{self, ErrorKind},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

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
    listeners: Vec<UnixListener>,
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Machine {
    /// Boots `image`, with sockets in `folder`. With `show` its log is printed.
    ///
    /// # Errors
    /// QEMU is missing, the image is none, or the system refuses the sockets.
    pub fn boot(arch: Arch, image: &Path, folder: &Path, show: bool) -> Result<Self, Error> {
        let (command, arguments) = arch.qemu();
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
        let mut listeners = Vec::new();
        for device in Device::all() {
            let path = folder.join(device.name());
            let listener = UnixListener::bind(&path).and_then(|listener| {
                listener.set_nonblocking(true)?;
                Ok(listener)
            });
            listeners.push(listener.map_err(|error| Error::io(&path, error))?);
            device.attach(&mut qemu, &path)?;
        }
        let elf = std::fs::read(image).map_err(|error| Error::io(image, error))?;
        let failed = |message: String| Error::Qemu { command, message };
        let table = log::table(&elf).map_err(failed)?;
        let mut child = qemu.spawn().map_err(|error| {
            failed(match error.kind() {
                ErrorKind::NotFound => "QEMU is not installed".to_owned(),
                _ => error.to_string(),
            })
        })?;
        let log = Log::of(&mut child, table, show);
        Ok(Self { command, child, log, listeners })
    }

    /// Waits until all devices are connected.
    ///
    /// # Errors
    /// The machine ends, or takes longer than `timeout`.
    pub fn connect(&mut self, timeout: Duration) -> Result<Wires, Error> {
        let until = Instant::now() + timeout;
        let mut streams = Vec::new();
        for listener in std::mem::take(&mut self.listeners) {
            streams.push(self.accept(&listener, until)?);
        }
        let control = streams.pop();
        let data = <[UnixStream; DATA_PORTS]>::try_from(streams).ok();
        control
            .zip(data)
            .map(|(control, data)| Wires { control, data })
            .ok_or_else(|| self.error("it has been connected already"))
    }

    fn accept(&mut self, listener: &UnixListener, until: Instant) -> Result<UnixStream, Error> {
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    let blocking = stream.set_nonblocking(false);
                    return blocking
                        .map(|()| stream)
                        .map_err(|error| self.error(&error.to_string()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(self.error(&error.to_string())),
            }
            if self.ended().is_some() {
                return Err(self.error("it has ended at once"));
            }
            if Instant::now() > until {
                return Err(self.error("it does not connect its devices"));
            }
            std::thread::sleep(PAUSE);
        }
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

/// A network device.
#[derive(Clone, Copy)]
enum Device {
    Data(u8),
    Control,
}

impl Device {
    /// The data ports by number, then the control port.
    fn all() -> impl Iterator<Item = Self> {
        (0..DATA_PORTS as u8).map(Self::Data).chain([Self::Control])
    }

    fn name(self) -> String {
        match self {
            Self::Data(port) => format!("port{port}"),
            Self::Control => "control".to_owned(),
        }
    }

    fn mac(self) -> [u8; 6] {
        match self {
            Self::Data(port) => data_mac(port),
            Self::Control => CONTROL_MAC,
        }
    }

    fn attach(self, qemu: &mut Command, path: &Path) -> Result<(), Error> {
        // QEMU's options have commas between them.
        let Some(path) = path.to_str().filter(|path| !path.contains(',')) else {
            let unfit = io::Error::other("this path cannot be named to QEMU");
            return Err(Error::io(path, unfit));
        };
        let name = self.name();
        let mac = self.mac().map(|byte| format!("{byte:02x}")).join(":");
        qemu.arg("-netdev")
            .arg(format!("stream,id={name},server=off,addr.type=unix,addr.path={path}"))
            .arg("-device")
            .arg(format!("virtio-net-device,netdev={name},mac={mac}"));
        Ok(())
    }
}
