//! Configuration: files of DASH objects, as `SONiC` keeps them in its `APP_DB`, in JSON.
//!
//! The files of one command are one transaction. Each file becomes typed operations
//! ([`operation`]); they are applied to a copy of the [`state`], which is then [`check`]ed as a
//! whole; only what passes is handed to the data plane ([`apply`]), as the [`difference`] to what
//! it had. Nothing is applied when anything is wrong, and everything that is wrong is named.
//!
//! Choices: of an ENI, `mac_address` is mandatory beside its key, as `SONiC` writes both. A stage
//! without any group is an error. Rules and tags must be of their group's IP version.

pub mod acl;
pub mod apply;
pub mod check;
pub mod difference;
pub mod fields;
pub mod image;
pub mod inert;
pub mod key;
pub mod numbers;
pub mod object;
pub mod operation;
pub mod problem;
pub mod state;
pub mod text;
pub mod value;

use std::{path::Path, sync::Arc};

use fields::Ignored;
use problem::Problem;
use state::State;

/// Reads files, one transaction after the other.
#[derive(Debug, Default)]
pub struct Reader {
    ignored: Ignored,
}

impl Reader {
    /// The state after `paths` are applied to `before`, as one transaction.
    ///
    /// # Errors
    /// Everything that is wrong with the files or with the state that they lead to.
    pub fn transaction<P: AsRef<Path>>(
        &mut self,
        before: &State,
        paths: &[P],
    ) -> Result<State, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut state = before.clone();
        state.deleted.clear();
        for path in paths {
            let file: Arc<str> = path.as_ref().display().to_string().into();
            let text = match std::fs::read_to_string(path) {
                Ok(text) => text,
                Err(error) => {
                    problems.push(Problem::of_file(&file, error.to_string()));
                    continue;
                }
            };
            self.apply_text(&mut state, &file, &text, &mut problems);
        }
        Self::finish(state, problems)
    }

    /// As [`transaction`](Self::transaction), of one text.
    ///
    /// # Errors
    /// As there.
    pub fn text(&mut self, before: &State, file: &str, text: &str) -> Result<State, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut state = before.clone();
        state.deleted.clear();
        self.apply_text(&mut state, &file.into(), text, &mut problems);
        Self::finish(state, problems)
    }

    fn apply_text(
        &mut self,
        state: &mut State,
        file: &Arc<str>,
        text: &str,
        problems: &mut Vec<Problem>,
    ) {
        for operation in operation::read(file, text, &mut self.ignored, problems) {
            state.apply(operation);
        }
    }

    fn finish(state: State, mut problems: Vec<Problem>) -> Result<State, Vec<Problem>> {
        // A file that could not be read whole would only make references dangle.
        if problems.is_empty() {
            problems = check::check(&state);
        }
        if problems.is_empty() { Ok(state) } else { Err(problems) }
    }

    /// What the files hold that nothing acts on yet.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        self.ignored.warnings()
    }
}
