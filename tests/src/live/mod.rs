//! A live ledger under faults: its members are processes of their own, its links can be cut, and clients never cease to write to it.
//!
//! ```text
//!  Load (clients) ──► fronts ──► Member (process) ◄──► relays or namespaces ◄──► Member …
//!      │ acknowledged                │ killed, stopped, wiped, its clock changed
//!      ▼                             ▼
//!  Accounts ─────────────────► check: one log on all nodes, everything acknowledged in it, revoked stays revoked
//! ```
//!
//! Whatever the fault, the [`Checker`] decides. Faults come from this process, so a ledger ends with it.

pub mod accounts;
pub mod check;
pub mod ledger;
pub mod load;
pub mod member;
pub mod namespaces;
pub mod relay;

pub use accounts::Accounts;
pub use check::Checker;
pub use ledger::Ledger;
pub use load::{Load, Pace};
pub use member::{Launch, Program};

use anyhow::{Context, Result};

use crate::faults::{Outcome, Plan};

/// Starts a ledger joined by relays, does something to it, and says what came of it. After a violation its folder stays, and is named.
///
/// # Errors
/// When it does not start.
pub fn on_ledger(
    plan: &Plan,
    members: usize,
    work: impl AsyncFnOnce(&mut Ledger, &mut Outcome) -> Result<()>,
) -> Result<Outcome> {
    runtime()?.block_on(async {
        let ledger = Ledger::start(&Program::at(&plan.program), members).await?;
        Ok(on(ledger, plan, work).await)
    })
}

/// As [`on_ledger`], on a ledger that runs already.
pub async fn on(
    mut ledger: Ledger,
    plan: &Plan,
    work: impl AsyncFnOnce(&mut Ledger, &mut Outcome) -> Result<()>,
) -> Outcome {
    let mut outcome = Outcome::default();
    if let Err(error) = work(&mut ledger, &mut outcome).await {
        let kept = ledger.keep();
        outcome.violation(format!("{error:#} (seed {}; logs and stores: {})", plan.seed, kept.display()));
    }
    outcome
}

/// A runtime for this process's part.
///
/// # Errors
/// When the operating system refuses.
pub fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")
}
