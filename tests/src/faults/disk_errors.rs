//! Disks that fail: every write and fsync of a store's writer fails once, with EIO and with ENOSPC; and a disk that is really full.
//!
//! After the first failure nothing more is acknowledged, and the process ends by itself; the next one finds everything that was
//! acknowledged and goes on. On a full disk a store still opens and answers, and goes on when there is room again.

use std::fs;
use std::process::Command;

use anyhow::{Result, ensure};
use kvitto_ledger::Height;
use kvitto_ledger::execute::ExecutedBlock;

use super::chain::Chain;
use super::crash_points::{Start, acknowledged, check};
use super::tools::{self, Mounted};
use super::trace::{Injection, Tracer, WRITES, What};
use super::writer::{Said, Task, Writer};
use super::{Outcome, Plan};

const BLOCKS: u64 = 3;
const TRIES: u64 = 2;
const ERRORS: [&str; 2] = ["EIO", "ENOSPC"];
/// The disk that is really full.
const DISK_BYTES: u64 = 4 * 1024 * 1024;

/// Lets the first `rounds` calls of each kind fail, one at a time.
///
/// # Errors
/// When processes cannot be run.
pub fn run(plan: &Plan) -> Result<Outcome> {
    let blocks = Chain::default().blocks(Height(400))?;
    let mut outcome = Outcome::default();
    let tracing = tools::missing_for_tracing();
    if tracing.is_none() {
        fail_calls(plan, &blocks, &mut outcome)?;
    }
    let mounting = tools::missing_for_root();
    if mounting.is_none() {
        match fill_disk(plan, &blocks) {
            Ok(written) => outcome.add("blocks on a disk until it was full", written),
            Err(error) => outcome.violation(format!("a full disk: {error:#}")),
        }
    }
    Ok(match (tracing, mounting) {
        (Some(tracing), Some(mounting)) => Outcome::skipped(format!("{tracing}; {mounting}")),
        _ => outcome,
    })
}

fn fail_calls(plan: &Plan, blocks: &[ExecutedBlock], outcome: &mut Outcome) -> Result<()> {
    let start = Start::new(plan, 30, true)?;
    let progress = plan.progress((ERRORS.len() * WRITES.len()) as u64);
    for error in ERRORS {
        for call in WRITES.iter().copied() {
            for nth in 1..=plan.rounds {
                let mut reached = false;
                for _ in 0..TRIES {
                    let injection = Injection { call, nth, what: What::Error(error) };
                    match fail(plan, &start, &injection, blocks) {
                        Ok(None) => {}
                        Ok(Some(ended)) => {
                            reached = true;
                            outcome.count(ended);
                        }
                        Err(error) => {
                            reached = true;
                            outcome.violation(format!("{injection:?}: {error:#}"));
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
    progress.finish_and_clear();
    Ok(())
}

/// How the process took it; `None` where there is no such call.
fn fail(
    plan: &Plan,
    start: &Start,
    injection: &Injection,
    blocks: &[ExecutedBlock],
) -> Result<Option<&'static str>> {
    let (copy, before) = start.copy()?;
    let store = copy.path().join("store");
    let newest = Height(before.block.0 + BLOCKS);
    let tracer = Tracer::new(copy.path(), Vec::new());
    let writer = Writer::start(plan, &tracer.words(injection), Task::WriteStore { newest }, &store)?;
    let (said, succeeded, complaint) = writer.ended()?;
    let Some(after) = tracer.after_failure()? else { return Ok(None) };
    let durable = acknowledged(&said).unwrap_or(before);
    let spoke_on = after.iter().any(|line| line.contains("\"ack "));
    check(plan, &store, durable, newest.next(), blocks)?;
    if !succeeded {
        ensure!(!spoke_on, "it has acknowledged after the failure: {after:?}");
        ensure!(!complaint.contains("damaged"), "it takes a failure for damage: {complaint}");
        return Ok(Some("failures that ended the process"));
    }
    // What sled writes when it is closed, after the last acknowledgement, decides nothing; and neither does a call that only tidies.
    let is_harmless = !spoke_on || injection.call == "unlink" || injection.call == "mkdir";
    ensure!(is_harmless, "it went on as if nothing had failed: {after:?}");
    Ok(Some("failures after the last acknowledgement"))
}

/// Fills a small disk; gives the number of blocks that found room.
fn fill_disk(plan: &Plan, blocks: &[ExecutedBlock]) -> Result<u64> {
    let folder = tempfile::tempdir()?;
    let disk = Mounted::memory(DISK_BYTES, folder.path())?;
    let store = disk.path().join("store");
    let newest = Height(400);
    let (said, succeeded, complaint) =
        Writer::start(plan, &[], Task::WriteStore { newest }, &store)?.ended()?;
    ensure!(!succeeded, "400 blocks do not fit");
    ensure!(complaint.contains("No space left") || complaint.contains("full"), "{complaint}");
    let written = acknowledged(&said).unwrap_or_default();
    // Whoever else uses the disk fills it to the last byte.
    let rest = disk.path().join("rest");
    let filled = fs::write(&rest, vec![1; usize::try_from(DISK_BYTES)?]);
    ensure!(filled.is_err(), "the disk has more room than it should");
    let (said, succeeded, complaint) =
        Writer::start(plan, &[], Task::CheckStore { audit: true }, &store)?.ended()?;
    ensure!(succeeded, "on a full disk the store does not answer: {complaint}");
    for said in &said {
        if let Said::Open(found) = said {
            found.check(written, blocks)?;
        }
    }
    let (said, succeeded, complaint) =
        Writer::start(plan, &[], Task::WriteStore { newest }, &store)?.ended()?;
    ensure!(!succeeded && acknowledged(&said).is_none(), "a full disk takes no blocks: {said:?}");
    ensure!(complaint.contains("full"), "{complaint}");
    fs::remove_file(rest)?;
    tools::run(Command::new("mount").args(["-o", "remount,size=64m"]).arg(disk.path()))?;
    check(plan, &store, written, written.block.next().next(), blocks)?;
    Ok(written.block.0)
}
