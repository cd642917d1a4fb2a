//! How a command fails: what happened, and what to do next.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use serde_json::json;

use crate::exit::Exit;

/// A failed command. There is none without a next step for the person in front of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How the process ends.
    pub exit: Exit,
    /// Stable name of the reason, for scripts.
    pub reason: String,
    /// What happened.
    pub message: String,
    /// What to do next.
    pub next: String,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(
        exit: Exit,
        reason: impl Into<String>,
        message: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self { exit, reason: reason.into(), message: message.into(), next: next.into() }
    }

    /// The command line does not make sense.
    pub fn usage(reason: &str, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(Exit::Usage, reason, message, next)
    }

    /// A file cannot be read.
    pub fn unreadable(path: &Path, error: &io::Error) -> Self {
        let exit = if error.kind() == io::ErrorKind::NotFound { Exit::Usage } else { Exit::Io };
        let message = format!("cannot read {}: {error}", path.display());
        Self::new(exit, "FILE_UNREADABLE", message, "check the path and that you may read the file")
    }

    /// A file cannot be written.
    pub fn unwritable(path: &Path, error: &io::Error) -> Self {
        let message = format!("cannot write {}: {error}", path.display());
        if error.kind() == io::ErrorKind::AlreadyExists {
            let next = "choose another name, or move the existing file away";
            return Self::usage("FILE_EXISTS", message, next);
        }
        let next = "check the path, the rights and the free space, and run the command again";
        Self::new(Exit::Io, "FILE_UNWRITABLE", message, next)
    }

    /// Prints it: two lines for people, one JSON object for scripts.
    pub fn print(&self, as_json: bool, out: &mut dyn Write) -> io::Result<()> {
        if as_json {
            let error = json!({
                "exit": self.exit.code(), "kind": self.exit.name(), "reason": self.reason,
                "message": self.message, "next": self.next,
            });
            return writeln!(out, "{}", json!({ "error": error }));
        }
        writeln!(out, "kvitto: {}", self.message)?;
        writeln!(out, "  what to do: {}", self.next)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.next)
    }
}

impl Error for Failure {}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.ends_with(&message) {
            text = format!("{text}: {message}");
        }
        cause = error.source();
    }
    text
}
