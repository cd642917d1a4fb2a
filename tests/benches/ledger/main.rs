//! What a ledger of four members does per second on this machine, beside what the machine could do at all: `cargo bench -p kvitto-tests`.
//!
//! ```text
//!   (nothing)          everything, on a new ledger, in about a minute
//!   -- growth [COUNT]  memory and disk while COUNT commitments are anchored (default 1,000,000), in statements of 1,000
//! ```
//!
//! Members, stores (sled, on the disk that holds the build's target folder), network and client are real, all in this process and on
//! loopback. Load is made by `kvitto load`, so that anyone can repeat it against any ledger. It prints a table and fails only
//! when something does not work, never because it is slow. `BENCHMARKS.md` holds figures, and what holds them back.

mod report;

mod process;

mod load;

mod reads;

mod growth;

use std::path::Path;

use anyhow::{Context, Result, bail};
use kvitto_tests::world::World;

use load::Load;
use process::Stores;
use report::{Figure, Floors, Table, Target};

/// Members of the ledger.
const MEMBERS: usize = 4;
/// The type of credentials that the school may anchor.
const TYPE: &str = "EuropeanDigitalCredential";
/// Statements of one commitment each.
const SINGLES: u32 = 10_000;
/// Statements of 1,000 commitments each.
const THOUSANDS: u32 = 100;
/// Submissions on the idle ledger, one after the other.
const IDLE: u32 = 100;
/// Commitments of the growth, unless said otherwise.
const GROWTH: u64 = 1_000_000;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Cargo names itself: built as a test, this is not worth a minute.
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("skipped: run it with `cargo bench -p kvitto-tests`");
        return Ok(());
    }
    let words: Vec<&str> = arguments.iter().map(String::as_str).filter(|word| *word != "--bench").collect();
    // The system's folder for temporary files may lie in memory; this one does not.
    let disk = Path::new(env!("CARGO_TARGET_TMPDIR"));
    if tempfile::env::override_temp_dir(disk).is_err() {
        bail!("temporary files have been made before the benchmark began");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match words[..] {
            [] => everything().await,
            ["growth"] => growth::run(GROWTH).await,
            ["growth", count] => growth::run(count.parse().context("growth takes a number")?).await,
            _ => bail!("usage: cargo bench -p kvitto-tests [-- growth [COUNT]]"),
        }
    })
}

/// A new ledger with an accredited school.
async fn world() -> Result<World> {
    eprintln!("starting {MEMBERS} members");
    World::new(MEMBERS, &[TYPE]).await
}

async fn everything() -> Result<()> {
    let world = world().await?;
    let mut table = Table::default();
    let floors = anchoring(&world, &mut table).await?;
    eprintln!("{IDLE} submissions, one by one");
    let (idle, _) = Load { idle: IDLE, ..Load::default() }.run(&world).await?;
    table.add(
        Figure::new("one idle submission, submit to receipt: median", idle.idle("p50_ms")?, "ms"),
        Target::AtMost(150.0),
    );
    table.add(
        Figure::new("one idle submission, submit to receipt: 99 %", idle.idle("p99_ms")?, "ms"),
        Target::AtMost(400.0),
    );
    eprintln!("status with proof");
    table.add(
        Figure::new("GetStatus with full proof, from one node", reads::statuses_per_s(&world).await?, "/s"),
        Target::AtLeast(5_000.0),
    );
    table.add(
        Figure::new("offline verification of a receipt", reads::verification_ms(&world).await?, "ms"),
        Target::AtMost(1.0),
    );
    println!("{floors}{table}");
    world.cluster.stop().await
}

/// Full speed: statements of one commitment, then of 1,000, and what they need on disk and in memory.
async fn anchoring(world: &World, table: &mut Table) -> Result<Floors> {
    let before = Stores::measure(world).await?;
    eprintln!("{SINGLES} statements of one commitment");
    let (singles, floors) = Load { statements: SINGLES, items: 1, ..Load::default() }.run(world).await?;
    let after_singles = Stores::measure(world).await?;
    eprintln!("{THOUSANDS} statements of 1,000 commitments");
    let load = Load { statements: THOUSANDS, items: 1_000, ..Load::default() };
    let (thousands, _) = load.run(world).await?;
    let after_thousands = Stores::measure(world).await?;

    let share = singles.bulk("of_verification_floor")? * 100.0;
    table.note(Figure::new("statements of one commitment, final", singles.bulk("statements_per_s")?, "/s"));
    table.add(Figure::new("  of the verification floor", share, "%"), Target::AtLeast(30.0));
    let per_s = thousands.bulk("commitments_per_s")?;
    table.add(
        Figure::new("commitments in statements of 1,000, final", per_s, "/s"),
        Target::AtLeast(50_000.0),
    );
    table.note(Figure::new(
        "  of SHA-256 leaves on one core",
        thousands.bulk("of_leaf_hashes")? * 100.0,
        "%",
    ));
    let commitments = u64::from(THOUSANDS) * 1_000;
    let each = after_thousands.bytes_since(&before, u64::from(SINGLES) + commitments);
    table.note(Figure::new(
        "commitments on the ledger when the following was measured",
        (u64::from(SINGLES) + commitments) as f64,
        "",
    ));
    table.add(
        Figure::new("memory per node: this process / 4, client included", after_thousands.memory_mib, "MiB"),
        Target::AtMost(512.0),
    );
    table.add(Figure::new("disk per node and commitment", each, "bytes"), Target::AtMost(600.0));
    let each = after_singles.bytes_since(&before, SINGLES.into());
    table.note(Figure::new("  in statements of one", each, "bytes"));
    let each = after_thousands.bytes_since(&after_singles, commitments);
    table.note(Figure::new("  in statements of 1,000", each, "bytes"));
    Ok(floors)
}
