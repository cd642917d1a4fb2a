//! A member whose store is gone follows a log of 100,000 records until it is in step with the others.

use std::time::Instant;

use anyhow::Result;

use super::{Outcome, Plan};
use crate::live::load::options;
use crate::live::{Checker, Ledger, Load, on_ledger};

/// Members of the ledger.
const MEMBERS: usize = 4;
/// Records to follow.
const RECORDS: u64 = 100_000;
/// Commitments of one statement: the most there may be.
const ITEMS: u64 = 4096;

/// Writes the log once, and wipes a member in every round.
///
/// # Errors
/// When the ledger does not start.
pub fn run(plan: &Plan) -> Result<Outcome> {
    on_ledger(plan, MEMBERS, async |ledger, outcome| wipe(plan, ledger, outcome).await)
}

async fn wipe(plan: &Plan, ledger: &mut Ledger, outcome: &mut Outcome) -> Result<()> {
    let load = Load::quiet(ledger).await?;
    let writer = load.writer(ledger.client(0, options())?);
    let progress = plan.progress(RECORDS.div_ceil(ITEMS) + plan.rounds);
    progress.set_message("anchoring");
    while load.accounts.size() < RECORDS {
        writer.record(ITEMS).await?;
        progress.inc(1);
    }
    let mut checker = Checker::new(ledger)?;
    checker.compare(&load.accounts).await?;
    let (mut ready, mut published, mut caught_up) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..plan.rounds {
        progress.set_message("catching up");
        let victim = plan.random(round).below(MEMBERS as u64) as usize;
        ledger.kill_member(victim).await?;
        ledger.wipe(victim)?;
        let start = Instant::now();
        ledger.start_member(victim).await?;
        ready.push(start.elapsed());
        checker.published(victim, load.accounts.size()).await?;
        published.push(start.elapsed());
        load.until_served_by(ledger, victim).await?;
        caught_up.push(start.elapsed());
        outcome.count("wiped members back in step");
        checker.compare(&load.accounts).await?;
        progress.inc(1);
    }
    let accounts = load.stop().await?;
    checker.finish(ledger, &accounts).await?.report(outcome);
    outcome.times("from start with an empty store to listening", ready);
    outcome.times("from start with an empty store to showing readers everything", published);
    outcome.times("from start with an empty store to serving in step", caught_up);
    Ok(())
}
