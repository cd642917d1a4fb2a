//! A desk for tests: a directory, and `kvitto` run in this process with its output caught.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::path::PathBuf;

use clap::Parser;
use kvitto_cli::{Cli, Collected, Exit, Output, run_at};
use kvitto_client::{Clock, system_clock};
use serde_json::Value;

/// A directory and a clock.
pub(crate) struct Desk {
    directory: tempfile::TempDir,
    clock: Clock,
}

/// How a command with `--json` ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) exit: Exit,
    /// Standard output; null where there was none.
    pub(crate) output: Value,
    /// Standard error; null where there was none.
    pub(crate) error: Value,
}

impl Ended {
    /// The stable reason of a failure, or nothing.
    pub(crate) fn reason(&self) -> &str {
        self.error["error"]["reason"].as_str().unwrap_or("")
    }
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self::with_clock(system_clock())
    }

    pub(crate) fn with_clock(clock: Clock) -> Self {
        Self { directory: tempfile::tempdir().unwrap(), clock }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Runs `kvitto --json`; a word that begins with `@` is a file on the desk.
    pub(crate) async fn run(&self, words: &[&str]) -> Ended {
        let (exit, out, err) = self.words(&[&["--json"], words].concat()).await;
        let value = |text: &str| match text.is_empty() {
            true => Value::Null,
            false => serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}")),
        };
        Ended { exit, output: value(&out), error: value(&err) }
    }

    /// Runs `kvitto`; gives what it printed.
    pub(crate) async fn words(&self, words: &[&str]) -> (Exit, String, String) {
        let place = |word: &&str| match word.strip_prefix('@') {
            Some(name) => self.path(name).into_os_string(),
            None => word.into(),
        };
        let line = std::iter::once("kvitto".into()).chain(words.iter().map(place));
        let cli = Cli::try_parse_from(line).unwrap_or_else(|error| panic!("{words:?}: {error}"));
        let (out, err) = (Collected::default(), Collected::default());
        let mut output = Output::new(cli.global.json, Box::new(out.clone()), Box::new(err.clone()), false);
        let exit = run_at(&cli, &mut output, self.clock.clone()).await;
        let text = |collected: Collected| String::from_utf8(collected.bytes()).unwrap();
        (exit, text(out), text(err))
    }
}

/// Asserts which members a JSON object has, in their order.
pub(crate) fn has_members(object: &Value, members: &[&str]) {
    let found: Vec<&str> = object.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(found, members);
}
