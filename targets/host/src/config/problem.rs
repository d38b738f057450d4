//! What is wrong with a configuration, and where.

use std::{fmt, sync::Arc};

/// Where an object stands: its file and its member name (`DASH_X_TABLE:key`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file, as the command named it.
    pub file: Arc<str>,
    /// The member name.
    pub object: Arc<str>,
}

impl Origin {
    /// A problem of the object as a whole.
    #[must_use]
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        Problem {
            file: Arc::clone(&self.file),
            object: Some(Arc::clone(&self.object)),
            field: None,
            message: message.into(),
        }
    }

    /// A problem of one field.
    #[must_use]
    pub fn field_problem(&self, field: &str, message: impl Into<String>) -> Problem {
        Problem { field: Some(field.to_owned()), ..self.problem(message) }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    /// The file.
    pub file: Arc<str>,
    /// The object, unless the file as a whole is wrong.
    pub object: Option<Arc<str>>,
    /// The field, unless the object as a whole is wrong.
    pub field: Option<String>,
    /// What is wrong.
    pub message: String,
}

impl Problem {
    /// A problem of a file as a whole.
    #[must_use]
    pub fn of_file(file: &Arc<str>, message: impl Into<String>) -> Self {
        Self { file: Arc::clone(file), object: None, field: None, message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.file)?;
        if let Some(object) = &self.object {
            write!(formatter, "{object}: ")?;
        }
        if let Some(field) = &self.field {
            write!(formatter, "field {field}: ")?;
        }
        formatter.write_str(&self.message)
    }
}
