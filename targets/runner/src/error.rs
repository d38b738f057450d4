//! Why a run fails, and its exit code.

use std::{io, path::Path};

use dash_host::capture::CaptureError;

use crate::firmware::FirmwareError;

/// Why a run fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// As `dash run` fails: bad input, or the system.
    #[error(transparent)]
    Host(#[from] dash_host::error::Error),
    /// There is no image.
    #[error("building the firmware: {0}")]
    Build(String),
    /// The machine does not start, or not end.
    #[error("{command}: {message}")]
    Qemu {
        /// Of QEMU.
        command: &'static str,
        /// Why.
        message: String,
    },
    /// The firmware does not do its part.
    #[error(transparent)]
    Firmware(#[from] FirmwareError),
    /// The firmware does not do its part, and what its machine says of it.
    #[error("{error}\n{machine}")]
    Machine {
        /// What it does not do.
        error: Box<Error>,
        /// How the machine ended, and its last log lines.
        machine: String,
    },
}

impl From<CaptureError> for Error {
    fn from(error: CaptureError) -> Self {
        Self::Host(error.into())
    }
}

impl Error {
    /// Bad input.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::Host(dash_host::error::Error::Input(message.into()))
    }

    /// The system refuses `path`.
    #[must_use]
    pub fn io(path: &Path, source: io::Error) -> Self {
        Self::Host(dash_host::error::Error::io(path, source))
    }

    /// 2: the input is wrong; 1: it could not be carried out.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Host(error) => error.exit_code(),
            Self::Machine { error, .. } => error.exit_code(),
            Self::Build(_) | Self::Qemu { .. } | Self::Firmware(_) => 1,
        }
    }
}
