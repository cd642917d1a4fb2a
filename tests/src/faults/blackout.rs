//! All members lose power at once (SIGKILL), again and again, under load; nothing that was acknowledged is lost, and they go on.
//!
//! What a disk loses with the power, too, is simulated at every write and fsync by `tests/power.rs`; here are real processes and
//! real time.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{Outcome, Plan};
use crate::live::{Checker, Ledger, Load, Pace, on_ledger};

/// Members of the ledger.
const MEMBERS: usize = 4;
/// How long the ledger may need to go on.
const GOES_ON: Duration = Duration::from_secs(120);
/// At most so many statements are final between two losses of power.
const BETWEEN: u64 = 12;

/// Cuts the power in every round.
///
/// # Errors
/// When the ledger does not start.
pub fn run(plan: &Plan) -> Result<Outcome> {
    on_ledger(plan, MEMBERS, async |ledger, outcome| cut(plan, ledger, outcome).await)
}

async fn cut(plan: &Plan, ledger: &mut Ledger, outcome: &mut Outcome) -> Result<()> {
    let progress = plan.progress(plan.rounds);
    let mut load = Load::start(ledger, Pace::default()).await?;
    let mut checker = Checker::new(ledger)?;
    let mut resumed = Vec::new();
    for round in 0..plan.rounds {
        let mut chance = plan.random(round);
        let mut doing = async || {
            load.more(1 + chance.below(BETWEEN), GOES_ON).await?;
            ledger.kill_all().await?;
            let start = Instant::now();
            ledger.start_all().await?;
            load.more(1, GOES_ON).await?;
            resumed.push(start.elapsed());
            checker.compare(&load.accounts).await
        };
        doing().await.with_context(|| format!("round {round}"))?;
        outcome.count("losses of power at all members");
        progress.inc(1);
    }
    let accounts = load.stop().await?;
    checker.finish(ledger, &accounts).await?.report(outcome);
    outcome.times("from start to the next receipt", resumed);
    Ok(())
}
