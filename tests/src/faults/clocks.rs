//! One member's clock jumps by an hour and by a day, both ways, while it runs: the ledger goes on, and no record has a wrong time.
//!
//! Needs libfaketime, which stands between the process and the system's clock; monotonic time stays true.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use kvitto_client::{Client, ClientError, system_clock};
use kvitto_ledger::{Rejection, TimeMs};

use super::{Outcome, Plan};
use crate::live::load::{Writer, options};
use crate::live::{Checker, Launch, Ledger, Load, on_ledger};

/// Members of the ledger.
const MEMBERS: usize = 4;
/// Jumps of a clock, in seconds, as libfaketime reads them.
const JUMPS: [&str; 4] = ["+3600", "-3600", "+86400", "-86400"];
/// Statements that are final while the clock is wrong; every member proposes some of their blocks.
const STATEMENTS: usize = 12;
/// Honest members accept a block's time so far from their clocks (RULES 2.1).
const NEAR_MS: u64 = 5_000;

/// Where distributions put the library.
const FOLDERS: [&str; 3] =
    ["/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime", "/usr/lib/faketime"];

/// Lets the clock of one member jump in every round, each time differently.
///
/// # Errors
/// When the ledger does not start.
pub fn run(plan: &Plan) -> Result<Outcome> {
    let library = FOLDERS.iter().map(|folder| Path::new(folder).join("libfaketimeMT.so.1"));
    let Some(library) = library.into_iter().find(|path| path.exists()) else {
        return Ok(Outcome::skipped("libfaketime is not here"));
    };
    on_ledger(plan, MEMBERS, async |ledger, outcome| jump(plan, &library, ledger, outcome).await)
}

async fn jump(plan: &Plan, library: &Path, ledger: &mut Ledger, outcome: &mut Outcome) -> Result<()> {
    let load = Load::quiet(ledger).await?;
    let mut checker = Checker::new(ledger)?;
    let progress = plan.progress(plan.rounds * JUMPS.len() as u64);
    let clock = ledger.folder().join("clock");
    for round in 0..plan.rounds {
        let victim = plan.random(round).below(MEMBERS as u64) as usize;
        set(&clock, "+0")?;
        ledger.set_launch(victim, launch(library, &clock));
        ledger.kill_member(victim).await?;
        ledger.start_member(victim).await?;
        load.until_served_by(ledger, victim).await?;
        let urls: Vec<_> =
            (0..MEMBERS).filter(|index| *index != victim).map(|index| ledger.url(index)).collect();
        // A member whose clock is wrong tells its own clients so: what they sign is not valid yet.
        let writer = load.writer(Client::connect(&urls, ledger.trust().clone(), options())?);
        for jump in JUMPS {
            set(&clock, jump)?;
            if jump.starts_with('-') {
                ensure_it_is_behind(ledger, victim, &writer).await?;
            }
            write(&writer)
                .await
                .with_context(|| format!("round {round}, member {} is off by {jump} s", victim + 1))?;
            set(&clock, "+0")?;
            load.until_served_by(ledger, victim).await.context("its clock is true again")?;
            checker.compare(&load.accounts).await?;
            outcome.count("jumps of a clock there and back");
            progress.inc(1);
        }
        ledger.set_launch(victim, Launch::default());
        ledger.kill_member(victim).await?;
        ledger.start_member(victim).await?;
    }
    let accounts = load.stop().await?;
    checker.finish(ledger, &accounts).await?.report(outcome);
    outcome.times("from submission to receipt", accounts.times());
    Ok(())
}

/// That its clock has jumped, as its clients see: what they sign now is for later, it says.
async fn ensure_it_is_behind(ledger: &Ledger, victim: usize, writer: &Writer) -> Result<()> {
    let submitted = ledger.client(victim, options())?.submit(&writer.statement(1)?).await;
    let Err(ClientError::Refused(refusal)) = &submitted else { bail!("its clock is true: {submitted:?}") };
    ensure!(refusal.reason == Rejection::StatementNotYet.reason(), "{refusal:?}");
    Ok(())
}

/// Makes statements final, whose records have the time at which that happened.
async fn write(writer: &Writer) -> Result<()> {
    let now = system_clock();
    for _ in 0..STATEMENTS {
        let TimeMs(before) = now();
        let done = writer.anchor(1).await?;
        let TimeMs(after) = now();
        for (index, record) in &done.records {
            let time = record.time.0;
            ensure!(
                (before.saturating_sub(NEAR_MS)..=after + NEAR_MS).contains(&time),
                "leaf {} says it was written at {time} ms; it was between {before} and {after}",
                index.0
            );
        }
    }
    Ok(())
}

fn launch(library: &Path, clock: &Path) -> Launch {
    let set = |name: &str, value: PathBuf| (name.into(), value.into());
    let environment = vec![
        set("LD_PRELOAD", library.to_owned()),
        set("FAKETIME_TIMESTAMP_FILE", clock.to_owned()),
        set("FAKETIME_NO_CACHE", "1".into()),
        set("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        set("DONT_FAKE_MONOTONIC", "1".into()),
    ];
    Launch { within: Vec::new(), environment }
}

/// In one step, so that no process reads half of it.
fn set(clock: &Path, offset: &str) -> Result<()> {
    let next = clock.with_extension("next");
    std::fs::write(&next, offset)?;
    Ok(std::fs::rename(next, clock)?)
}
