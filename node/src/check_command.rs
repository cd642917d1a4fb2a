//! `kvitto-node check`: audits the store of a stopped node, from its first record to its last.
//!
//! | check | what it recomputes |
//! |---|---|
//! | `store.open` | HEAD beside the newest block, the newest blocks' headers and roots |
//! | `log` | every record's hash, the log's and the status tree's root after every block, all stored nodes, the indexes of records |
//! | `blocks` | every block executed again from its body, with its statements' signatures; its commit certificate; what it changes |
//! | `checkpoint` | the published checkpoint's root, and its cosignatures counted |
//! | `set_aside` | databases that were damaged before, and are kept |

use anyhow::{Context, Result, anyhow, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use kvitto_ledger::{Genesis, Height};
use kvitto_merkle::{Checkpoint, Note};
use kvitto_replica::is_certified;
use kvitto_storage::disk::set_aside;
use kvitto_storage::{Read, SledReader, Store, StoreError, audit};
use kvitto_verifier::{TrustFile, signed_by_quorum};
use serde::Serialize;

use crate::config::Config;
use crate::core::now;
use crate::node::open_store_to_read;
use crate::shell::say;

/// Is told of every block that is in order.
type Progress<'a> = &'a mut dyn FnMut(Height);

/// What one check came to.
#[derive(Debug, Serialize)]
struct Outcome {
    check: &'static str,
    is_good: bool,
    message: String,
}

#[derive(Serialize)]
struct Report {
    outcomes: Vec<Outcome>,
}

impl Report {
    fn add(&mut self, check: &'static str, found: Result<String>) {
        let is_good = found.is_ok();
        let message = found.unwrap_or_else(|error| format!("{error:#}"));
        self.outcomes.push(Outcome { check, is_good, message });
    }
}

/// Makes every check, each whatever the others came to, and says what they came to. Changes nothing: a damaged store stays where it is.
///
/// # Errors
/// What does not hold, or that the store cannot be read.
pub fn run(config: &Config, genesis: &Genesis, json: bool) -> Result<()> {
    let mut report = Report { outcomes: Vec::new() };
    match open_store_to_read(&config.data, genesis, config.store.cache_bytes()) {
        Ok(store) => {
            let reader = store.reader();
            let head = store.head();
            report.add("store.open", Ok(format!("HEAD and the store agree: block {}", head.height)));
            audit_all(&reader, genesis, json, &mut report)?;
        }
        Err(error) => report.add("store.open", Err(error)),
    }
    match set_aside(&config.data) {
        Ok(kept) if kept.is_empty() => {}
        Ok(kept) => {
            let kept: Vec<String> = kept.iter().map(|path| path.display().to_string()).collect();
            report.add("set_aside", Ok(format!("kept since they were found damaged: {}", kept.join(", "))));
        }
        Err(error) => report.add("set_aside", Err(error.into())),
    }
    print(&report, json)?;
    match report.outcomes.iter().find(|outcome| !outcome.is_good) {
        None => Ok(()),
        Some(Outcome { check, message, .. }) => bail!("the check {check} found: {message}"),
    }
}

fn audit_all(reader: &SledReader, genesis: &Genesis, json: bool, report: &mut Report) -> Result<()> {
    let blocks = reader.committed().0 + 1;
    let with_bar = |what: &'static str, audit: &dyn Fn(Progress) -> Result<(), StoreError>| {
        let bar = bar(blocks, what, json)?;
        let audited = audit(&mut |height: Height| bar.set_position(height.0 + 1));
        bar.finish_and_clear();
        anyhow::Ok(audited.map_err(|error| anyhow!(error)))
    };
    let log = with_bar("records", &|progress| audit::everything(reader, progress))?;
    report.add("log", log.map(|()| format!("the records of {blocks} blocks are as they were written")));
    let certified = |header: &_, certificate: &[u8]| is_certified(genesis, header, certificate);
    let executed =
        with_bar("execution", &|progress| audit::executed_again(reader, genesis, &certified, progress))?;
    let executed = executed.map(|()| format!("{blocks} blocks, executed again, lead to what is stored"));
    report.add("blocks", executed);
    report.add("checkpoint", check_published(reader, genesis));
    Ok(())
}

/// The published checkpoint is that of a stored block, and a quorum cosigned it.
fn check_published(reader: &SledReader, genesis: &Genesis) -> Result<String> {
    let Some(published) = reader.published() else { return Ok("none is published yet".to_owned()) };
    let header = reader.header(published.height)?.context("the published block is not stored")?;
    let note: Note =
        published.note.parse().map_err(|_| anyhow!("the published checkpoint is no signed note"))?;
    let tree: Checkpoint = note.text().parse().map_err(|_| anyhow!("the published note is no checkpoint"))?;
    ensure!(
        (tree.size, tree.root) == (header.tree_size, header.log_root) && tree.size == published.size,
        "the published checkpoint is not that of block {}",
        published.height
    );
    let trust = TrustFile::from_genesis(genesis.clone())?;
    let signed = signed_by_quorum(&note, trust.epoch_at(tree.size), now().seconds())?;
    let members = signed.members.len();
    Ok(format!("that of block {} is cosigned by {members} members", published.height))
}

fn bar(blocks: u64, what: &'static str, json: bool) -> Result<ProgressBar> {
    if json {
        return Ok(ProgressBar::hidden());
    }
    let style = ProgressStyle::with_template("{msg:10} {bar:40} {pos} of {len} blocks, {eta} left")
        .context("progress bar")?;
    Ok(ProgressBar::new(blocks).with_style(style).with_message(what))
}

fn print(report: &Report, json: bool) -> Result<()> {
    if json {
        return say(&serde_json::to_string_pretty(report)?);
    }
    for Outcome { check, is_good, message } in &report.outcomes {
        say(&format!("{} {check}: {message}", if *is_good { "ok     " } else { "FAILED " }))?;
    }
    Ok(())
}
