//! `faults`: makes one kind of fault happen to real processes and disks, many times, and says what came of it.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use kvitto_tests::faults::{Outcome, Plan, blackout, node_kills};

/// Makes one kind of fault happen, many times. Ends with 1 where a promise was broken.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    fault: Fault,
}

#[derive(Debug, Subcommand)]
enum Fault {
    /// Kill one node of a live ledger after the other, under load.
    NodeKills(Rounds),
    /// Let all members of a live ledger lose power at once, again and again, under load.
    Blackout(Rounds),
    /// Be a node of a ledger that something happens to: takes what `kvitto-node` takes.
    #[command(hide = true)]
    Node(kvitto_node::args::Args),
}

#[derive(Clone, Copy, Debug, Args)]
struct Rounds {
    /// How many rounds; without it, as many as FAULTS.md says.
    #[arg(long)]
    rounds: Option<u64>,
    /// What everything random follows from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Rounds {
    fn plan(self, rounds: u64) -> Result<Plan> {
        let rounds = self.rounds.unwrap_or(rounds);
        Ok(Plan { rounds, seed: self.seed, program: std::env::current_exe()?, visible: true })
    }
}

fn run(fault: Fault) -> Result<Outcome> {
    match fault {
        Fault::NodeKills(rounds) => node_kills::run(&rounds.plan(500)?),
        Fault::Blackout(rounds) => blackout::run(&rounds.plan(100)?),
        Fault::Node(args) => kvitto_node::args::run(args).map(|()| Outcome::default()),
    }
}

fn main() -> ExitCode {
    match run(Cli::parse().fault) {
        Ok(outcome) => {
            outcome.violations().iter().for_each(|violation| eprintln!("violation: {violation}"));
            println!("{outcome}");
            ExitCode::from(u8::from(!outcome.violations().is_empty()))
        }
        Err(error) => {
            eprintln!("faults: {error:#}");
            ExitCode::from(2)
        }
    }
}
