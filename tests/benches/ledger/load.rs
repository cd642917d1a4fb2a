//! Load on the ledger, by the command `kvitto load`, through the first member.

use anyhow::{Context, Result};
use kvitto_tests::world::World;
use serde_json::Value;

use crate::report::Floors;

/// What is sent.
#[derive(Default)]
pub(crate) struct Load {
    /// Statements at full speed, signed beforehand.
    pub(crate) statements: u32,
    /// Commitments of each.
    pub(crate) items: u16,
    /// Statements of one commitment, one by one on the idle ledger.
    pub(crate) idle: u32,
}

/// Most statements under way: one signer's share of the mempool holds 16,384, and 16 MiB.
fn in_flight(items: u16) -> u32 {
    if items > 1 { 256 } else { 4_096 }
}

/// The report of `kvitto load`.
pub(crate) struct Loaded(Value);

impl Load {
    pub(crate) async fn run(&self, world: &World) -> Result<(Loaded, Floors)> {
        let [statements, items, idle, in_flight] =
            [self.statements, self.items.max(1).into(), self.idle, in_flight(self.items)]
                .map(|number| number.to_string());
        let disk = env!("CARGO_TARGET_TMPDIR");
        let mut words = vec!["load", "--statements", &statements, "--items", &items, "--idle", &idle];
        words.extend(["--in-flight", &in_flight, "--floor-dir", disk]);
        let report = world.succeed(0, &world.school(), &words).await?;
        let floors = Floors::read(&report)?;
        Ok((Loaded(report), floors))
    }
}

impl Loaded {
    /// A number about the statements at full speed.
    pub(crate) fn bulk(&self, name: &str) -> Result<f64> {
        self.0["bulk"][name].as_f64().with_context(|| format!("the report holds {name}"))
    }

    /// A time of the submissions one by one.
    pub(crate) fn idle(&self, name: &str) -> Result<f64> {
        self.0["idle"][name].as_f64().with_context(|| format!("the report holds {name}"))
    }
}
