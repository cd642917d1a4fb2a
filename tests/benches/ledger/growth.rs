//! Memory and disk while the ledger grows.

use anyhow::{Result, ensure};
use kvitto_tests::world::World;

use crate::load::Load;
use crate::process::Stores;
use crate::report::{Figure, Table, Target, grouped};

/// Commitments of each statement.
const ITEMS: u16 = 1_000;
/// Statements of one call: it holds them all while it runs, 35 KB each.
const STATEMENTS_AT_ONCE: u64 = 250;
/// Lines that are printed on the way.
const STEPS: u64 = 10;

/// Anchors `count` commitments on a new ledger, and says after each tenth what it takes.
pub(crate) async fn run(count: u64) -> Result<()> {
    let statements = count / u64::from(ITEMS);
    ensure!(statements >= STEPS, "growth takes a count of at least {}", STEPS * u64::from(ITEMS));
    let world = crate::world().await?;
    let before = Stores::measure(&world).await?;
    println!(
        "{:>14}  {:>16}  {:>16}  {:>22}",
        "commitments", "final per second", "memory per node", "disk per commitment"
    );
    let (mut sent, mut after) = (0, Stores::measure(&world).await?);
    for step in 1..=STEPS {
        let (until, from) = (statements * step / STEPS, sent);
        let mut seconds = 0.0;
        while sent < until {
            let some = (until - sent).min(STATEMENTS_AT_ONCE);
            seconds += anchor(&world, u32::try_from(some)?).await?;
            sent += some;
        }
        after = Stores::measure(&world).await?;
        let commitments = |statements: u64| statements * u64::from(ITEMS);
        println!(
            "{:>14}  {:>16}  {:>12} MiB  {:>16} bytes",
            grouped(commitments(sent) as f64),
            grouped(commitments(sent - from) as f64 / seconds),
            grouped(after.memory_mib),
            grouped(after.bytes_since(&before, commitments(sent))),
        );
    }
    let each = after.bytes_since(&before, sent * u64::from(ITEMS));
    let mut table = Table::default();
    table.add(
        Figure::new("memory per node: this process / 4, client included", after.memory_mib, "MiB"),
        Target::AtMost(512.0),
    );
    table.add(Figure::new("disk per node and commitment", each, "bytes"), Target::AtMost(600.0));
    println!("\n{table}");
    world.cluster.stop().await
}

/// Seconds until so many statements were final.
async fn anchor(world: &World, statements: u32) -> Result<f64> {
    let (loaded, _) = Load { statements, items: ITEMS, idle: 0 }.run(world).await?;
    loaded.bulk("seconds")
}
