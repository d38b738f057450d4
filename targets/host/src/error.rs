//! Why the command fails, and its exit code.

use std::{io, path::Path};

use crate::{
    capture::CaptureError,
    config::{apply::Refused, problem::Problem},
};

/// Why the command fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration is wrong; nothing was applied.
    #[error("{}", lines(.0))]
    Config(Vec<Problem>),
    /// The arguments or a capture are wrong.
    #[error("{0}")]
    Input(String),
    /// The system refuses.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The data plane refuses what was checked.
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl Error {
    /// The system refuses `path`.
    #[must_use]
    pub fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.display().to_string(), source }
    }

    /// The system refuses standard output.
    #[must_use]
    pub fn output(source: io::Error) -> Self {
        Self::io(Path::new("standard output"), source)
    }

    /// The same error; where the input is wrong, in `place`.
    #[must_use]
    pub fn at(self, place: &str) -> Self {
        match self {
            Self::Input(message) => Self::Input(format!("{place}: {message}")),
            other => other,
        }
    }

    /// 2: the input is wrong; 1: it could not be carried out.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Input(_) => 2,
            Self::Io { .. } | Self::Refused(_) => 1,
        }
    }
}

impl From<CaptureError> for Error {
    /// A capture that is missing or damaged is bad input.
    fn from(error: CaptureError) -> Self {
        Self::Input(error.to_string())
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
