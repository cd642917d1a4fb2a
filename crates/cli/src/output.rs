//! What a command prints: words for people or one JSON object for scripts, and progress bars on a terminal.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;

/// The result of a command, in both forms.
pub trait Report: Serialize {
    /// Writes it in words.
    ///
    /// # Errors
    /// The writer's.
    fn write_words(&self, out: &mut dyn Write) -> io::Result<()>;
}

/// A place to print that keeps what was printed. Clones are the same place.
#[derive(Clone, Debug, Default)]
pub struct Collected(Arc<Mutex<Vec<u8>>>);

impl Collected {
    /// Everything so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.lock().clone()
    }

    /// The same as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock()).into_owned()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Collected {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where a command prints.
pub struct Output {
    /// One JSON object instead of words.
    json: bool,
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    /// Whether progress may be drawn.
    terminal: bool,
}

impl Output {
    /// Prints results to `out`, notes and failures to `err`; draws progress where `terminal` says that someone looks on.
    pub fn new(json: bool, out: Box<dyn Write + Send>, err: Box<dyn Write + Send>, terminal: bool) -> Self {
        Self { json, out, err, terminal }
    }

    /// Prints to the process's standard output and error.
    pub fn standard(json: bool) -> Self {
        use std::io::IsTerminal;
        let terminal = io::stderr().is_terminal();
        Self::new(json, Box::new(io::stdout()), Box::new(io::stderr()), terminal)
    }

    /// Whether one JSON object is wanted.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a result.
    ///
    /// # Errors
    /// [`Exit::Io`] where it cannot be written.
    pub fn result(&mut self, report: &impl Report) -> Result<(), Failure> {
        let written = if self.json {
            let text = serde_json::to_string_pretty(report).expect("reports are texts, numbers and lists");
            writeln!(self.out, "{text}")
        } else {
            report.write_words(&mut *self.out)
        };
        written.and_then(|()| self.out.flush()).map_err(|error| unprintable(&error))
    }

    /// Says something that is not the result: to people only.
    pub fn note(&mut self, text: &str) {
        if !self.json {
            // A note that cannot be shown is no reason to stop.
            let _ = writeln!(self.err, "{text}");
        }
    }

    /// Prints a failure.
    pub fn failure(&mut self, failure: &Failure) {
        // Nobody is left to tell.
        let _ = failure.print(self.json, &mut *self.err);
    }

    /// A bar for `length` steps of `what`.
    pub fn progress(&self, length: u64, what: &str) -> ProgressBar {
        let style = ProgressStyle::with_template("{msg:<24} {wide_bar} {human_pos}/{human_len} {eta}")
            .expect("the template is well-formed");
        let target = if self.terminal && !self.json {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        ProgressBar::with_draw_target(Some(length), target).with_style(style).with_message(what.to_owned())
    }
}

fn unprintable(error: &io::Error) -> Failure {
    let message = format!("cannot write the result: {error}");
    Failure::new(Exit::Io, "OUTPUT", message, "check where the output goes")
}
