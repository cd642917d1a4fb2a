//! `sim N`: simulates whole ledgers under faults, one for each seed, and says what did not hold.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use clap::Parser;
use kvitto_replica::testing::Disks;
use kvitto_tests::faults::bar;
use kvitto_tests::sim::{Run, Setting, run};

/// Simulates whole ledgers under faults, one for each seed.
#[derive(Debug, Parser)]
struct Args {
    /// How many seeds.
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Number of members.
    #[arg(long, default_value_t = 4)]
    members: usize,
    /// How many of them lie; without it every second seed has as many as may.
    #[arg(long)]
    liars: Option<usize>,
    /// Disks forget: `journal`, `sync` or `guard`.
    #[arg(long)]
    without: Vec<String>,
    /// Seeds at a time.
    #[arg(long, default_value_t = std::thread::available_parallelism().map_or(1, usize::from))]
    threads: usize,
    /// Goes on after the first violation.
    #[arg(long)]
    all: bool,
}

impl Args {
    fn setting(&self, seed: u64) -> Setting {
        let mut setting = Setting::new(self.members, 0);
        let every_second = if seed % 2 == 1 { setting.faulty_max() } else { 0 };
        setting.liars = self.liars.unwrap_or(every_second);
        let keeps = |what: &str| !self.without.iter().any(|without| without == what);
        setting.disks = Disks { journal: keeps("journal"), sync: keeps("sync"), guard: keeps("guard") };
        setting
    }
}

#[derive(Default)]
struct Sum {
    seeds: u64,
    blocks: u64,
    finals: u64,
    receipts: u64,
    crashes: u64,
    evidence: u64,
    violations: Vec<(u64, String)>,
}

impl Sum {
    fn add(&mut self, seed: u64, run: Run) {
        self.seeds += 1;
        self.blocks += run.blocks;
        self.finals += run.finals;
        self.receipts += run.receipts;
        self.crashes += run.crashes;
        self.evidence += run.evidence;
        self.violations.extend(run.violation.map(|violation| (seed, violation.to_string())));
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    // Violations are values here; a panic is one more, and its place is of use to who repeats the seed alone.
    if args.seeds > 1 {
        std::panic::set_hook(Box::new(|_| {}));
    }
    let bar = bar(args.seeds);
    let (next, end) = (AtomicU64::new(args.from), args.from + args.seeds);
    let sum = Mutex::new(Sum::default());
    std::thread::scope(|scope| {
        for _ in 0..args.threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        break;
                    }
                    let result = run(&args.setting(seed), seed);
                    let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
                    sum.add(seed, result);
                    bar.inc(1);
                    bar.set_message(format!("{} violations", sum.violations.len()));
                    if !sum.violations.is_empty() && !args.all {
                        next.store(end, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    bar.finish_and_clear();
    let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (seed, violation) in &sum.violations {
        println!("seed {seed}: {violation}");
    }
    println!(
        "{} members, seeds {}..{}: {} run, {} violations; {} blocks, {} final statements, {} receipts, {} crashes, {} proofs \
         against liars",
        args.members,
        args.from,
        end,
        sum.seeds,
        sum.violations.len(),
        sum.blocks,
        sum.finals,
        sum.receipts,
        sum.crashes,
        sum.evidence
    );
    ExitCode::from(u8::from(!sum.violations.is_empty()))
}
