//! The processes that things happen to: one opens a store, says what it found, and commits one block after the other; others only
//! look, or do the same with sled alone.
//!
//! ```text
//! opening                                                  before it touches anything
//! open HEIGHT LOG-ROOT STATUS-ROOT PUBLISHED-HEIGHT        what it found
//! ack HEIGHT                                               block, HEAD and checkpoint are durable
//! end                                                      all is done
//! ```

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use kvitto_ledger::Height;
use kvitto_ledger::execute::ExecutedBlock;
use kvitto_storage::disk::{Opened, Options};
use kvitto_storage::{Head, Read, SledStore, Store, StoreError};

use super::chain::{self, Chain};
use super::{Plan, tools};

/// Enough to open sled on a full disk: it fills up half a mebibyte.
const BALLAST_BYTES: u64 = 768 * 1024;
const CACHE_BYTES: u64 = 8 * 1024 * 1024;

/// Opens a store of the chain.
///
/// # Errors
/// Those of [`SledStore::open`].
pub fn open(directory: &Path, chain: &Chain) -> Result<Opened, StoreError> {
    let options = Options { cache_bytes: CACHE_BYTES, ballast_bytes: BALLAST_BYTES, ..Options::default() };
    SledStore::open(directory, &options, &chain.genesis(), &chain::certificate_holds)
}

/// The hidden command `write-store`: what the process does. It ends after block `newest`.
///
/// # Errors
/// Whatever fails ends it.
pub fn write_store(directory: &Path, newest: Height) -> Result<()> {
    let chain = Chain::default();
    say("opening")?;
    let Opened { mut store, set_aside, disk_full, .. } = open(directory, &chain)?;
    if let Some(set_aside) = set_aside {
        bail!("the store was damaged: {}", set_aside.damage);
    }
    say(&found(&store))?;
    ensure!(!disk_full, "the disk is full");
    while store.head().height < newest {
        let block = chain.next(&store)?;
        let height = block.header.height;
        store.commit(&block, &chain::certificate(height))?;
        store.put_checkpoint(&chain::checkpoint(&block.header))?;
        say(&format!("ack {height}"))?;
    }
    say("end")
}

/// The hidden command `check-store`: opens a store and says what it found; with `audit`, looks at every record.
///
/// # Errors
/// Whatever is wrong.
pub fn check_store(directory: &Path, audit: bool) -> Result<()> {
    let chain = Chain::default();
    say("opening")?;
    let Opened { store, set_aside, .. } = open(directory, &chain)?;
    if let Some(set_aside) = set_aside {
        bail!("the store was damaged: {}", set_aside.damage);
    }
    say(&found(&store))?;
    if audit {
        chain::check(&store.reader(), &chain.blocks(store.head().height)?)?;
    }
    say("end")
}

/// The hidden command `write-sled`: sled alone, as its own documentation has it, with a flush before each acknowledgement.
///
/// # Errors
/// Whatever fails ends it.
pub fn write_sled(directory: &Path) -> Result<()> {
    let db = sled::open(directory)?;
    for number in 1_u64.. {
        db.insert(number.to_be_bytes(), vec![7; 400])?;
        db.flush()?;
        say(&format!("ack {number}"))?;
    }
    Ok(())
}

/// The hidden command `check-sled`: says the newest entry that it finds.
///
/// # Errors
/// When there is nothing to be read.
pub fn check_sled(directory: &Path) -> Result<()> {
    let db = sled::open(directory)?;
    let last = db.last()?.and_then(|(key, _)| Some(u64::from_be_bytes(key.as_ref().try_into().ok()?)));
    say(&format!("ack {}", last.unwrap_or_default()))
}

pub(super) fn found(store: &SledStore) -> String {
    let Head { height, log_root, status_root, .. } = store.head();
    let published = store.reader().published().map_or(0, |published| published.height.0);
    format!("open {height} {log_root} {status_root} {published}")
}

pub(super) fn say(line: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// What a process is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// [`write_store`].
    WriteStore {
        /// The block to end after.
        newest: Height,
    },
    /// [`check_store`].
    CheckStore {
        /// Whether to look at every record.
        audit: bool,
    },
    /// [`write_sled`].
    WriteSled,
    /// [`check_sled`].
    CheckSled,
    /// [`super::member::run`].
    RunMember,
    /// [`super::member::check`].
    CheckMember,
}

impl Task {
    fn words(self) -> Vec<String> {
        match self {
            Self::WriteStore { newest } => vec!["write-store".into(), "--newest".into(), newest.to_string()],
            Self::CheckStore { audit: true } => vec!["check-store".into(), "--audit".into()],
            Self::CheckStore { audit: false } => vec!["check-store".into()],
            Self::WriteSled => vec!["write-sled".into()],
            Self::CheckSled => vec!["check-sled".into()],
            Self::RunMember => vec!["run-member".into()],
            Self::CheckMember => vec!["check-member".into()],
        }
    }
}

/// Such a process, and what it has said.
#[derive(Debug)]
pub struct Writer {
    child: Child,
    lines: BufReader<ChildStdout>,
}

/// One line of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// See the module's head.
    Opening,
    /// What it found.
    Open(Found),
    /// A block is acknowledged.
    Ack(Height),
    /// All is written.
    End,
}

/// The store as a process found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    durable: Durable,
    roots: [String; 2],
}

/// What must never be missing again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Durable {
    /// The newest block.
    pub block: Height,
    /// The block of the newest checkpoint.
    pub checkpoint: Height,
}

impl Writer {
    /// Starts the plan's program with a task, wrapped into the words of `wrapper`, e.g. those of a tracer.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(plan: &Plan, wrapper: &[String], task: Task, directory: &Path) -> Result<Self> {
        let mut words: Vec<OsString> = wrapper.iter().map(OsString::from).collect();
        words.push(plan.program.clone().into());
        words.extend(task.words().into_iter().map(OsString::from));
        words.push(directory.into());
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", words[0].display()))?;
        let out = child.stdout.take().context("standard output is piped")?;
        Ok(Self { child, lines: BufReader::new(out) })
    }

    /// Its next line; `None` when it has ended.
    ///
    /// # Errors
    /// When it cannot be read, or says something else.
    pub fn next_line(&mut self) -> Result<Option<Said>> {
        let mut line = String::new();
        self.lines.read_line(&mut line)?;
        // Killed in the middle of a line: that was not said.
        line.strip_suffix('\n').map(Said::read).transpose()
    }

    /// Waits for a line of this kind, and gives all that came before it.
    ///
    /// # Errors
    /// Those of [`Writer::next_line`].
    pub fn until(&mut self, is_last: impl Fn(&Said) -> bool) -> Result<Vec<Said>> {
        let mut said = Vec::new();
        while let Some(next) = self.next_line()? {
            let last = is_last(&next);
            said.push(next);
            if last {
                break;
            }
        }
        Ok(said)
    }

    /// Kills it, as `kill -9` does, and gives the rest of what it said.
    ///
    /// # Errors
    /// The operating system's.
    pub fn kill(mut self) -> Result<Vec<Said>> {
        self.child.kill()?;
        Ok(self.ended()?.0)
    }

    /// Stops all its threads.
    ///
    /// # Errors
    /// The operating system's.
    pub fn stop(&self) -> Result<()> {
        let id = self.child.id();
        tools::run(Command::new("kill").args(["-STOP", &id.to_string()]))?;
        while !has_stopped(id)? {
            std::thread::yield_now();
        }
        Ok(())
    }

    /// Waits until it has ended by itself: the rest of what it said, whether it succeeded, and its complaint.
    ///
    /// # Errors
    /// Those of [`Writer::next_line`].
    pub fn ended(mut self) -> Result<(Vec<Said>, bool, String)> {
        let said = self.until(|_| false)?;
        let output = self.child.wait_with_output()?;
        let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Ok((said, output.status.success(), complaint))
    }
}

/// Whether every thread of the process is stopped: one in the middle of a write stops only after it.
fn has_stopped(id: u32) -> Result<bool> {
    for thread in std::fs::read_dir(format!("/proc/{id}/task"))? {
        let line = std::fs::read_to_string(thread?.path().join("stat"))?;
        // The state follows the name, which is in parentheses.
        let state = line.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        if !matches!(state, Some('T' | 'Z' | 'X')) {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Said {
    fn read(line: &str) -> Result<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        Ok(match words[..] {
            ["opening"] => Self::Opening,
            ["open", block, log_root, status_root, checkpoint] => Self::Open(Found {
                durable: Durable { block: Height(block.parse()?), checkpoint: Height(checkpoint.parse()?) },
                roots: [log_root.to_owned(), status_root.to_owned()],
            }),
            ["ack", height] => Self::Ack(Height(height.parse()?)),
            ["end"] => Self::End,
            _ => bail!("the writer says {line:?}"),
        })
    }
}

impl Found {
    /// What is durable in it.
    pub fn durable(&self) -> Durable {
        self.durable
    }

    /// What a store was found to hold in this process.
    pub fn of(store: &SledStore) -> Self {
        match Said::read(&found(store)) {
            Ok(Said::Open(found)) => found,
            other => unreachable!("just written: {other:?}"),
        }
    }

    /// Whether it holds everything durable, at most one block more, and is this chain. Gives what is durable now.
    ///
    /// # Errors
    /// What is missing or different.
    pub fn check(&self, before: Durable, blocks: &[ExecutedBlock]) -> Result<Durable> {
        let Self { durable: found, roots } = self;
        ensure!(found.block >= before.block, "{before:?} was acknowledged, but found is {found:?}");
        ensure!(found.block <= before.block.next(), "only {before:?} was begun, but found is {found:?}");
        ensure!(found.checkpoint >= before.checkpoint, "{before:?} was acknowledged, but found is {found:?}");
        let header = &blocks[usize::try_from(found.block.0)?].header;
        let expected = [header.log_root.to_string(), header.status_root.to_string()];
        ensure!(*roots == expected, "the roots of block {} are {roots:?}, not {expected:?}", found.block);
        Ok(*found)
    }
}
