//! A kill at every write, fsync, rename and the like, of opening a store, of committing to it, and of the snapshot that sled writes
//! when it opens: enumerated, until the process comes to its end.
//!
//! After each the store opens, has everything acknowledged, takes further blocks, and every record in it is right.

use std::path::Path;

use anyhow::{Result, ensure};
use kvitto_ledger::Height;
use kvitto_ledger::execute::ExecutedBlock;

use super::chain::Chain;
use super::member;
use super::tools::{self, copy_folder};
use super::trace::{Injection, Tracer, WRITES, What};
use super::writer::{Durable, Said, Task, Writer};
use super::{Outcome, Plan};

/// Blocks that the process writes before it ends by itself.
const BLOCKS: u64 = 3;
/// How often each call is tried: see [`super::trace`].
const TRIES: u64 = 3;

/// Kills at the first `rounds` calls of each kind, in each of the stores: one that is begun, one that was closed, and one whose
/// writer was killed.
///
/// # Errors
/// When processes cannot be run.
pub fn run(plan: &Plan) -> Result<Outcome> {
    if let Some(missing) = tools::missing_for_tracing() {
        return Ok(Outcome::skipped(missing));
    }
    let blocks = Chain::default().blocks(Height(60))?;
    let stores = [Start::new(plan, 0, false)?, Start::new(plan, 30, false)?, Start::new(plan, 30, true)?];
    let progress = plan.progress((stores.len() * WRITES.len()) as u64);
    let mut outcome = Outcome::default();
    for start in &stores {
        for call in WRITES.iter().copied() {
            for nth in 1..=plan.rounds {
                let mut reached = false;
                for _ in 0..TRIES {
                    let injection = Injection { call, nth, what: What::Kill };
                    match start.kill(plan, &injection, &blocks) {
                        Ok(Some(acknowledged)) => {
                            reached = true;
                            outcome.count("kills");
                            outcome.add("acknowledged blocks", acknowledged);
                        }
                        Ok(None) => {}
                        Err(error) => {
                            let name = start.name();
                            outcome.violation(format!("{name}, killed at {call} {nth}: {error:#}"));
                        }
                    }
                }
                if !reached {
                    break;
                }
                outcome.count("points");
            }
            progress.inc(1);
        }
    }
    kill_member(plan, &mut outcome)?;
    progress.finish_and_clear();
    Ok(outcome)
}

/// The same for the node of a lone member: at each call on its guard, its journal, HEAD, checkpoint and database.
fn kill_member(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let ledger = folder.path().join("ledger");
    member::make(&ledger)?;
    let (_, succeeded, complaint) = Writer::start(plan, &[], Task::RunMember, &ledger)?.ended()?;
    ensure!(succeeded, "the member does not work: {complaint}");
    for index in 0..member::files(&ledger)?.len() {
        for call in WRITES.iter().copied() {
            let mut nth = 1;
            while nth <= plan.rounds {
                let injection = Injection { call, nth, what: What::Kill };
                match kill_member_at(plan, &ledger, index, &injection) {
                    Ok(true) => outcome.count("points of a member"),
                    Ok(false) => break,
                    Err(error) => {
                        outcome.violation(format!("a member, file {index}, {call} {nth}: {error:#}"));
                    }
                }
                nth += 1;
            }
        }
    }
    Ok(())
}

/// Whether it was killed at such a call on the file with this number in [`member::files`].
fn kill_member_at(plan: &Plan, ledger: &Path, file: usize, injection: &Injection) -> Result<bool> {
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("ledger");
    copy_folder(ledger, &copy)?;
    let tracer = Tracer::new(folder.path(), vec![member::files(&copy)?.swap_remove(file)]);
    let (said, succeeded, complaint) =
        Writer::start(plan, &tracer.words(injection), Task::RunMember, &copy)?.ended()?;
    if succeeded {
        return Ok(false);
    }
    ensure!(complaint.is_empty(), "it complains: {complaint}");
    let durable = acknowledged(&said).unwrap_or_default();
    let (said, succeeded, complaint) = Writer::start(plan, &[], Task::CheckMember, &copy)?.ended()?;
    ensure!(succeeded, "it does not go on: {complaint}");
    for said in said {
        if let Said::Open(found) = said {
            let found = found.durable();
            let is_there = found.block > durable.block && found.checkpoint > durable.checkpoint;
            ensure!(is_there, "{durable:?} was acknowledged, but found is {found:?}");
        }
    }
    Ok(true)
}

/// What a process finds when it starts.
pub(super) struct Start {
    folder: tempfile::TempDir,
    blocks: u64,
    killed: bool,
    durable: Durable,
}

impl Start {
    /// A store of so many blocks (0: none yet), whose writer has ended, or was `killed` after one more acknowledgement.
    pub(super) fn new(plan: &Plan, blocks: u64, killed: bool) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut durable = Durable::default();
        if blocks > 0 {
            let newest = Height(if killed { blocks + 10 } else { blocks });
            let mut writer =
                Writer::start(plan, &[], Task::WriteStore { newest }, &folder.path().join("store"))?;
            let mut said = writer.until(|said| *said == Said::Ack(Height(blocks)))?;
            said.extend(if killed { writer.kill()? } else { writer.ended()?.0 });
            durable = acknowledged(&said).unwrap_or(durable);
            ensure!(durable.block >= Height(blocks), "the store was not filled: {said:?}");
        }
        Ok(Self { folder, blocks, killed, durable })
    }

    pub(super) fn name(&self) -> &'static str {
        match (self.blocks, self.killed) {
            (0, _) => "a new store",
            (_, false) => "a closed store",
            (_, true) => "the store of a killed writer",
        }
    }

    /// A copy of it, with what is durable in it.
    pub(super) fn copy(&self) -> Result<(tempfile::TempDir, Durable)> {
        let copy = tempfile::tempdir()?;
        copy_folder(self.folder.path(), copy.path())?;
        Ok((copy, self.durable))
    }

    /// Number of blocks acknowledged before the process was killed; `None` when it was not.
    fn kill(&self, plan: &Plan, injection: &Injection, blocks: &[ExecutedBlock]) -> Result<Option<u64>> {
        let (copy, before) = self.copy()?;
        let store = copy.path().join("store");
        let newest = Height(before.block.0 + BLOCKS);
        let tracer = Tracer::new(copy.path(), Vec::new());
        let writer = Writer::start(plan, &tracer.words(injection), Task::WriteStore { newest }, &store)?;
        let (said, succeeded, complaint) = writer.ended()?;
        if succeeded {
            return Ok(None);
        }
        ensure!(complaint.is_empty(), "it complains: {complaint}");
        let durable = acknowledged(&said).unwrap_or(before);
        check(plan, &store, durable, newest.next(), blocks)?;
        Ok(Some(durable.block.0 - before.block.0))
    }
}

/// A store with what is `durable` is opened, written up to block `newest`, and audited.
pub(super) fn check(
    plan: &Plan,
    store: &Path,
    durable: Durable,
    newest: Height,
    blocks: &[ExecutedBlock],
) -> Result<()> {
    let (said, succeeded, complaint) =
        Writer::start(plan, &[], Task::WriteStore { newest }, store)?.ended()?;
    ensure!(succeeded, "it does not open again, or takes no blocks: {complaint}");
    for said in said {
        if let Said::Open(found) = said {
            found.check(durable, blocks)?;
        }
    }
    let audit = Writer::start(plan, &[], Task::CheckStore { audit: true }, store)?;
    let (_, succeeded, complaint) = audit.ended()?;
    ensure!(succeeded, "a record is wrong: {complaint}");
    Ok(())
}

/// What a writer has acknowledged, if anything.
pub(super) fn acknowledged(said: &[Said]) -> Option<Durable> {
    said.iter().rev().find_map(|said| match said {
        Said::Ack(height) => Some(Durable { block: *height, checkpoint: *height }),
        _ => None,
    })
}
