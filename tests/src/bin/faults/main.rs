//! `faults`: makes one kind of fault happen to real processes and disks, many times, and says what came of it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use kvitto_ledger::Height;
use kvitto_tests::faults::{
    Outcome, Plan, abuse, bit_rot, blackout, catch_up, clocks, crash_points, disk_errors, member, network,
    node_kills, overload, pauses, power_cuts, slow_disk, store_kills, writer,
};
use tokio::runtime::Runtime;

/// Organisations that a member registers before it ends by itself.
const MEMBER_ORGANISATIONS: usize = 2;

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
    /// Cut links between members of a live ledger, lose packets, slow them down; in network namespaces, which needs root.
    Network {
        #[command(flatten)]
        rounds: Rounds,
        /// Only this scenario, such as "halves apart".
        #[arg(long)]
        only: Option<String>,
    },
    /// Wipe a member of a live ledger, and let it follow a log of 100,000 records.
    CatchUp(Rounds),
    /// Stop (SIGSTOP) each member of a live ledger for 10 s, under load.
    Pauses(Rounds),
    /// Let the clock of one member of a live ledger jump by an hour and by a day; needs libfaketime.
    Clocks(Rounds),
    /// Abuse the public listener of one node of a live ledger: silence, slowness, floods, bad signatures.
    Abuse(Rounds),
    /// Submit twice as much as a live ledger can take.
    Overload {
        #[command(flatten)]
        rounds: Rounds,
        /// For so long, in seconds.
        #[arg(long, default_value_t = 600)]
        seconds: u64,
    },
    /// Let disks of members of a live ledger write 1 MB a second; needs root.
    SlowDisk {
        #[command(flatten)]
        rounds: Rounds,
        /// Each for so long, in seconds.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Be a node of a ledger that something happens to: takes what `kvitto-node` takes.
    #[command(hide = true)]
    Node(Box<kvitto_node::args::Args>),
    /// Kills the process that writes a store, at any moment, a third of the time while it starts.
    StoreKills(Rounds),
    /// Copies the disk under a stopped writer, and mounts the copy. Needs root.
    PowerCuts(Rounds),
    /// Kills the process that writes a store at every write, fsync, rename. Needs strace.
    CrashPoints(Rounds),
    /// Lets every write and fsync fail once, and fills a disk. Needs strace and root.
    DiskErrors(Rounds),
    /// Flips a bit of a file of a stopped node.
    BitRot(Rounds),
    #[command(hide = true)]
    WriteStore {
        #[arg(long)]
        newest: u64,
        directory: PathBuf,
    },
    #[command(hide = true)]
    CheckStore {
        #[arg(long)]
        audit: bool,
        directory: PathBuf,
    },
    #[command(hide = true)]
    WriteSled { directory: PathBuf },
    #[command(hide = true)]
    CheckSled { directory: PathBuf },
    #[command(hide = true)]
    RunMember { directory: PathBuf },
    #[command(hide = true)]
    CheckMember { directory: PathBuf },
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

/// `None` from the processes that things happen to: they have said themselves what there is to say.
fn run(fault: Fault) -> Result<Option<Outcome>> {
    match fault {
        Fault::NodeKills(rounds) => node_kills::run(&rounds.plan(500)?).map(Some),
        Fault::Blackout(rounds) => blackout::run(&rounds.plan(100)?).map(Some),
        Fault::Network { rounds, only } => network::run(&rounds.plan(3)?, only.as_deref()).map(Some),
        Fault::CatchUp(rounds) => catch_up::run(&rounds.plan(5)?).map(Some),
        Fault::Pauses(rounds) => pauses::run(&rounds.plan(5)?, Duration::from_secs(10)).map(Some),
        Fault::Clocks(rounds) => clocks::run(&rounds.plan(5)?).map(Some),
        Fault::Abuse(rounds) => abuse::run(&rounds.plan(1)?, abuse::Strength::FULL).map(Some),
        Fault::Overload { rounds, seconds } => {
            overload::run(&rounds.plan(1)?, Duration::from_secs(seconds)).map(Some)
        }
        Fault::SlowDisk { rounds, seconds } => {
            slow_disk::run(&rounds.plan(1)?, Duration::from_secs(seconds)).map(Some)
        }
        Fault::Node(args) => kvitto_node::args::run(*args).map(|_| None),
        Fault::StoreKills(rounds) => store_kills::run(&rounds.plan(10_000)?).map(Some),
        Fault::PowerCuts(rounds) => power_cuts::run(&rounds.plan(200)?).map(Some),
        Fault::CrashPoints(rounds) => crash_points::run(&rounds.plan(1_000)?).map(Some),
        Fault::DiskErrors(rounds) => disk_errors::run(&rounds.plan(1_000)?).map(Some),
        Fault::BitRot(rounds) => {
            // What the database panics about is caught, and counted.
            std::panic::set_hook(Box::new(|_| ()));
            bit_rot::run(&rounds.plan(2_000)?).map(Some)
        }
        Fault::WriteStore { newest, directory } => {
            writer::write_store(&directory, Height(newest)).map(|()| None)
        }
        Fault::CheckStore { audit, directory } => writer::check_store(&directory, audit).map(|()| None),
        Fault::WriteSled { directory } => writer::write_sled(&directory).map(|()| None),
        Fault::CheckSled { directory } => writer::check_sled(&directory).map(|()| None),
        Fault::RunMember { directory } => {
            Runtime::new()?.block_on(member::run(&directory, MEMBER_ORGANISATIONS)).map(|()| None)
        }
        Fault::CheckMember { directory } => {
            Runtime::new()?.block_on(member::check(&directory)).map(|()| None)
        }
    }
}

fn main() -> ExitCode {
    match run(Cli::parse().fault) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(outcome)) => {
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
