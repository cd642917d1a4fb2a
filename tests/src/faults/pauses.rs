//! Each member in turn is stopped (SIGSTOP) for a while under load, and continued: to the others it is there and silent.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{Outcome, Plan};
use crate::live::member::signal;
use crate::live::{Checker, Ledger, Load, Pace, on_ledger};

/// Members of the ledger.
const MEMBERS: usize = 4;
/// How long the others may need to make something final without the stopped one.
const WITHOUT_ONE: Duration = Duration::from_secs(60);

/// Stops every member once in every round, each for so long.
///
/// # Errors
/// When the ledger does not start.
pub fn run(plan: &Plan, lasts: Duration) -> Result<Outcome> {
    on_ledger(plan, MEMBERS, async |ledger, outcome| stop(plan, lasts, ledger, outcome).await)
}

async fn stop(plan: &Plan, lasts: Duration, ledger: &mut Ledger, outcome: &mut Outcome) -> Result<()> {
    let progress = plan.progress(plan.rounds * MEMBERS as u64);
    let mut load = Load::start(ledger, Pace::default()).await?;
    let mut checker = Checker::new(ledger)?;
    let mut back = Vec::new();
    for round in 0..plan.rounds {
        for index in 0..MEMBERS {
            let mut doing = async || {
                load.more(1, WITHOUT_ONE).await?;
                signal("STOP", [ledger.member(index)?]).await?;
                let end = tokio::time::Instant::now() + lasts;
                load.more(1, WITHOUT_ONE).await.context("one of the members is stopped")?;
                tokio::time::sleep_until(end).await;
                signal("CONT", [ledger.member(index)?]).await?;
                let start = Instant::now();
                load.until_served_by(ledger, index).await?;
                back.push(start.elapsed());
                checker.compare(&load.accounts).await
            };
            doing().await.with_context(|| format!("round {round}, member {}", index + 1))?;
            outcome.count("members stopped and continued");
            progress.inc(1);
        }
    }
    let accounts = load.stop().await?;
    checker.finish(ledger, &accounts).await?.report(outcome);
    outcome.times("from continuing to serving in step", back);
    Ok(())
}
