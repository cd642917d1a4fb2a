//! One node after the other is killed (SIGKILL) under load; the others go on, and it comes back into step.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{Outcome, Plan};
use crate::live::{Checker, Ledger, Load, Pace, on_ledger};

/// Members of the ledger.
const MEMBERS: usize = 4;
/// How long the others may need to make something final without the killed one.
const WITHOUT_ONE: Duration = Duration::from_secs(60);
/// In three of ten rounds the victim is killed again while it starts, at most so long after its start.
const START_MS: u64 = 300;

/// Kills a node in every round.
///
/// # Errors
/// When the ledger does not start.
pub fn run(plan: &Plan) -> Result<Outcome> {
    on_ledger(plan, MEMBERS, async |ledger, outcome| kill(plan, ledger, outcome).await)
}

async fn kill(plan: &Plan, ledger: &mut Ledger, outcome: &mut Outcome) -> Result<()> {
    let progress = plan.progress(plan.rounds);
    let mut load = Load::start(ledger, Pace::default()).await?;
    let mut checker = Checker::new(ledger)?;
    let mut back = Vec::new();
    for round in 0..plan.rounds {
        let mut chance = plan.random(round);
        let mut doing = async || {
            load.more(1 + chance.below(8), WITHOUT_ONE).await?;
            let victim = chance.below(MEMBERS as u64) as usize;
            ledger.kill_member(victim).await?;
            outcome.count("kills of a running node");
            load.more(1 + chance.below(8), WITHOUT_ONE).await.context("one of the members is down")?;
            if chance.chance(300) {
                ledger.start_and_kill(victim, Duration::from_millis(chance.below(START_MS))).await?;
                outcome.count("kills of a starting node");
            }
            let start = Instant::now();
            ledger.start_member(victim).await?;
            load.until_served_by(ledger, victim).await?;
            back.push(start.elapsed());
            checker.compare(&load.accounts).await
        };
        doing().await.with_context(|| format!("round {round}"))?;
        progress.inc(1);
    }
    let accounts = load.stop().await?;
    checker.finish(ledger, &accounts).await?.report(outcome);
    outcome.times("from start to serving in step", back);
    outcome.times("from submission to receipt", accounts.times());
    Ok(())
}
