//! Loss of power: the writer of a store on ext4 is stopped right after an acknowledgement, and the disk as it is at that moment is
//! mounted anew, which replays the file system's journal.
//!
//! The disk is a file behind a loop device: what the file system had not yet handed to the disk is not in the file, and so lost.
//! This is kinder than a drive whose own cache loses power, too. The control is sled alone, whose flush does not reach the disk: if it
//! loses nothing, this way of losing power loses nothing, and proves nothing.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use kvitto_ledger::Height;
use kvitto_ledger::execute::ExecutedBlock;
use kvitto_replica::testing::Random;

use super::chain::Chain;
use super::tools::{self, Mounted};
use super::writer::{Durable, Said, Task, Writer};
use super::{Outcome, Plan};

const NEWEST: Height = Height(400);
const ACKS_MAX: u64 = 20;
const DISK_BYTES: u64 = 96 * 1024 * 1024;
/// Every so many rounds every record is audited.
const AUDIT_EVERY: u64 = 10;
/// One round of the control for so many, and never fewer than a few: now and then one loses nothing.
const CONTROL_EVERY: u64 = 8;
const CONTROLS_MIN: u64 = 4;
/// The control writes so little that it needs more acknowledgements to be caught with something unsynced.
const CONTROL_ACKS_MAX: u64 = 300;

/// See the module's head.
///
/// # Errors
/// When disks cannot be made or processes not run.
pub fn run(plan: &Plan) -> Result<Outcome> {
    if let Some(missing) = tools::missing_for_disks() {
        return Ok(Outcome::skipped(missing));
    }
    let blocks = Chain::default().blocks(NEWEST)?;
    let controls = plan.rounds.div_ceil(CONTROL_EVERY).max(CONTROLS_MIN);
    let progress = plan.progress(plan.rounds + controls);
    let mut outcome = Outcome::default();
    let bench = Bench::new()?;
    let mut durable = Durable::default();
    bench.format()?;
    for round in 0..plan.rounds {
        let begun = cut(&bench, plan, round, &blocks, durable, &mut outcome);
        match begun {
            Ok(now) => durable = now,
            Err(error) => outcome.violation(format!("seed {}, round {round}: {error:#}", plan.seed)),
        }
        if durable.block == NEWEST || !outcome.violations().is_empty() {
            durable = Durable::default();
            bench.format()?;
        }
        progress.inc(1);
    }
    for round in 0..controls {
        bench.format()?;
        control(&bench, plan, plan.random(round), &mut outcome)?;
        progress.inc(1);
    }
    outcome.add("of the control's cuts lost something", 0);
    if outcome.of("of the control's cuts lost something") == 0 {
        outcome.violation("the control has lost nothing, so these cuts prove nothing");
    }
    progress.finish_and_clear();
    Ok(outcome)
}

/// One loss of power; gives what is durable after it.
fn cut(
    bench: &Bench,
    plan: &Plan,
    round: u64,
    blocks: &[ExecutedBlock],
    mut durable: Durable,
    outcome: &mut Outcome,
) -> Result<Durable> {
    let mut random = plan.random(round);
    let mounted = bench.mount()?;
    let store = mounted.path().join("store");
    let mut writer = Writer::start(plan, &[], Task::WriteStore { newest: NEWEST }, &store)?;
    let mut said = writer.until(|said| matches!(said, Said::Open(_)))?;
    for _ in 0..random.below(ACKS_MAX) {
        said.extend(writer.next_line()?);
    }
    said.extend(bench.lose_power(writer, mounted)?);
    outcome.count("cuts");
    for said in said {
        match said {
            Said::Open(found) => durable = found.check(durable, blocks)?,
            Said::Ack(height) => {
                outcome.count("acknowledged blocks");
                durable = Durable { block: height, checkpoint: height };
            }
            Said::Opening | Said::End => {}
        }
    }
    let mounted = bench.mount()?;
    let audit = round.is_multiple_of(AUDIT_EVERY);
    let check = Writer::start(plan, &[], Task::CheckStore { audit }, &mounted.path().join("store"))?;
    let (said, succeeded, complaint) = check.ended()?;
    let found = said.into_iter().find_map(|said| match said {
        Said::Open(found) => Some(found),
        _ => None,
    });
    match found {
        Some(found) if succeeded => found.check(durable, blocks),
        _ => bail!("the store does not open: {complaint}"),
    }
}

/// The same with sled alone.
fn control(bench: &Bench, plan: &Plan, mut random: Random, outcome: &mut Outcome) -> Result<()> {
    let mounted = bench.mount()?;
    let path = mounted.path().join("sled");
    let mut writer = Writer::start(plan, &[], Task::WriteSled, &path)?;
    let mut said = Vec::new();
    for _ in 0..1 + random.below(CONTROL_ACKS_MAX) {
        said.extend(writer.next_line()?);
    }
    said.extend(bench.lose_power(writer, mounted)?);
    let newest = |said: &[Said]| match said.iter().rfind(|said| matches!(said, Said::Ack(_))) {
        Some(Said::Ack(number)) => *number,
        _ => Height(0),
    };
    let mounted = bench.mount()?;
    let check = Writer::start(plan, &[], Task::CheckSled, &mounted.path().join("sled"))?;
    let (found, succeeded, _) = check.ended()?;
    outcome.count("cuts of the control");
    if !succeeded || newest(&found) < newest(&said) {
        outcome.count("of the control's cuts lost something");
    }
    Ok(())
}

/// A disk, and where it is mounted.
struct Bench {
    _folder: tempfile::TempDir,
    empty: PathBuf,
    disk: PathBuf,
    copy: PathBuf,
    mount: PathBuf,
}

impl Bench {
    fn new() -> Result<Self> {
        // The disk's own medium loses nothing here, so the fastest will do.
        let memory = Path::new("/dev/shm");
        let above = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let folder = tempfile::tempdir_in(above)?;
        let path = |name: &str| folder.path().join(name);
        let bench = Self {
            empty: path("empty"),
            disk: path("disk"),
            copy: path("copy"),
            mount: path("mount"),
            _folder: folder,
        };
        fs::create_dir(&bench.mount)?;
        File::create(&bench.empty)?.set_len(DISK_BYTES)?;
        let options = ["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"];
        tools::run(Command::new("mkfs.ext4").args(options).arg(&bench.empty))?;
        Ok(bench)
    }

    /// Begins with an empty file system.
    fn format(&self) -> Result<()> {
        copy_sparse(&self.empty, &self.disk)
    }

    fn mount(&self) -> Result<Mounted> {
        Mounted::loop_disk(&self.disk, &self.mount)
    }

    /// Stops the writer, keeps the disk as it is now, and gives what the writer had said till then.
    fn lose_power(&self, writer: Writer, mounted: Mounted) -> Result<Vec<Said>> {
        writer.stop()?;
        // Until a copy is of one moment: the file system may be writing on its own.
        while {
            copy_sparse(&self.disk, &self.copy)?;
            !same(&self.disk, &self.copy)?
        } {}
        let said = writer.kill()?;
        drop(mounted);
        fs::rename(&self.copy, &self.disk)?;
        Ok(said)
    }
}

fn copy_sparse(from: &Path, to: &Path) -> Result<()> {
    tools::run(Command::new("cp").arg("--sparse=always").arg(from).arg(to))
}

fn same(one: &Path, other: &Path) -> Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    ensure!(one.metadata()?.len() == other.metadata()?.len(), "a copy is as long as what was copied");
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let read = one.read(&mut left).context("cannot read the disk")?;
        if read == 0 {
            return Ok(true);
        }
        other.read_exact(&mut right[..read])?;
        if left[..read] != right[..read] {
            return Ok(false);
        }
    }
}
