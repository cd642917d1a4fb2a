//! strace around a process: it kills the process, or lets a call fail, at the n-th call of a kind.
//!
//! strace counts for each thread by itself, and sled writes its log on threads of its own, whichever is free. So the n-th call is that
//! of whichever thread comes to n first, and the same n is tried several times.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

/// The calls by which a store, a journal and a guard change what is on a disk.
pub const WRITES: &[&str] = &[
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "sync_file_range",
    "ftruncate",
    "rename",
    "renameat",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
];

/// What happens at the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The process is killed before the call does anything.
    Kill,
    /// The call does nothing, and fails with this error.
    Error(&'static str),
}

/// One injected fault.
#[derive(Clone, Debug)]
pub struct Injection {
    /// The call's name.
    pub call: &'static str,
    /// At which one, from 1.
    pub nth: u64,
    /// What happens.
    pub what: What,
}

/// A tracer with a log of its own.
#[derive(Debug)]
pub struct Tracer {
    log: PathBuf,
    /// Calls on these files only; all, when there are none.
    only: Vec<PathBuf>,
}

impl Tracer {
    /// A tracer that writes what it sees into `folder`.
    pub fn new(folder: &Path, only: Vec<PathBuf>) -> Self {
        Self { log: folder.join("trace"), only }
    }

    /// The words to put before a program's.
    pub fn words(&self, injection: &Injection) -> Vec<String> {
        let what = match injection.what {
            What::Kill => "signal=KILL".to_owned(),
            What::Error(name) => format!("error={name}"),
        };
        // A question mark: where the machine has no such call, nothing is traced.
        let calls: Vec<String> = WRITES.iter().map(|call| format!("?{call}")).collect();
        let mut words = vec!["strace".into(), "-f".into(), "-qq".into(), "-s".into(), "16".into()];
        words.extend(["-o".into(), self.log.display().to_string()]);
        words.extend(["-e".into(), format!("trace={}", calls.join(","))]);
        words.extend(["-e".into(), format!("inject=?{}:{what}:when={}", injection.call, injection.nth)]);
        for path in &self.only {
            words.extend(["-P".into(), path.display().to_string()]);
        }
        words
    }

    /// Whether a call was made to fail, and what the process wrote to its standard output afterwards.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn after_failure(&self) -> Result<Option<Vec<String>>> {
        let log = fs::read_to_string(&self.log)?;
        let mut lines = log.lines().skip_while(|line| !line.contains("(INJECTED)"));
        let speaks = |line: &&str| line.contains("write(1, ");
        Ok(match lines.next() {
            None => None,
            // What could not be said is said again when the process ends; nothing on the disk has failed.
            Some(failed) if speaks(&failed) => Some(Vec::new()),
            Some(_) => Some(lines.filter(speaks).map(str::to_owned).collect()),
        })
    }
}
