//! `kill -9` of the process that writes a store, at any moment: a third of the time while it starts, often several times in a row
//! with no clean start in between.
//!
//! After each: the store opens, holds everything that was acknowledged, and its roots are those of the same blocks executed anew.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use kvitto_ledger::Height;
use kvitto_ledger::execute::ExecutedBlock;
use kvitto_replica::testing::Random;
use kvitto_storage::Store;

use super::chain::{self, Chain};
use super::writer::{self, Durable, Found, Said, Task, Writer};
use super::{Outcome, Plan};

/// Blocks of a store before the next one is begun: fewer than an opening store audits.
const NEWEST: Height = Height(400);
/// Most blocks that a process may write before it is killed.
const ACKS_MAX: u64 = 12;

/// See the module's head.
///
/// # Errors
/// When processes cannot be run.
pub fn run(plan: &Plan) -> Result<Outcome> {
    let chain = Chain::default();
    let blocks = chain.blocks(NEWEST)?;
    let progress = plan.progress(plan.rounds);
    let mut outcome = Outcome::default();
    let mut victim = Victim::new(&chain, &blocks)?;
    for round in 0..plan.rounds {
        let repeat = format!("seed {}, round {round}", plan.seed);
        if let Err(error) = victim.round(plan, plan.random(round), &mut outcome) {
            outcome.violation(format!("{repeat}: {error:#}"));
            victim = Victim::new(&chain, &blocks)?;
        }
        progress.inc(1);
    }
    if let Err(error) = victim.check_all(&mut outcome) {
        outcome.violation(format!("seed {}, at the end: {error:#}", plan.seed));
    }
    progress.finish_and_clear();
    Ok(outcome)
}

struct Victim<'a> {
    chain: &'a Chain,
    blocks: &'a [ExecutedBlock],
    folder: tempfile::TempDir,
    durable: Durable,
    /// How long opening took last.
    opening: Duration,
}

impl<'a> Victim<'a> {
    fn new(chain: &'a Chain, blocks: &'a [ExecutedBlock]) -> Result<Self> {
        let opening = Duration::from_millis(50);
        Ok(Self { chain, blocks, folder: tempfile::tempdir()?, durable: Durable::default(), opening })
    }

    fn round(&mut self, plan: &Plan, mut random: Random, outcome: &mut Outcome) -> Result<()> {
        outcome.count("kills");
        let mut writer = Writer::start(plan, &[], Task::WriteStore { newest: NEWEST }, self.folder.path())?;
        let mut said = writer.until(|said| *said == Said::Opening)?;
        if random.below(3) == 0 {
            outcome.count("of them while starting");
            // A little more, so that the end of the start is hit, too.
            let moment = self.opening.mul_f64(random.below(1_100) as f64 / 1_000.0);
            std::thread::sleep(moment);
            said.extend(writer.kill()?);
        } else {
            let since = Instant::now();
            let opened = writer.until(|said| matches!(said, Said::Open(_)))?;
            if opened.is_empty() {
                bail!("the store did not open: {}", writer.ended()?.2);
            }
            self.opening = since.elapsed();
            said.extend(opened);
            let acks = random.below(ACKS_MAX);
            for _ in 0..acks {
                said.extend(writer.next_line()?);
            }
            std::thread::sleep(Duration::from_micros(random.below(10_000)));
            said.extend(writer.kill()?);
        }
        self.heard(said, outcome)?;
        if self.durable.block == NEWEST {
            self.check_all(outcome)?;
            *self = Self { opening: self.opening, ..Self::new(self.chain, self.blocks)? };
        }
        Ok(())
    }

    fn heard(&mut self, said: Vec<Said>, outcome: &mut Outcome) -> Result<()> {
        ensure!(said.first() == Some(&Said::Opening), "the process did not start: {said:?}");
        for said in said {
            match said {
                Said::Opening | Said::End => {}
                Said::Open(found) => {
                    outcome.count("stores found whole");
                    self.durable = found.check(self.durable, self.blocks)?;
                }
                Said::Ack(height) => {
                    outcome.count("acknowledged blocks");
                    self.durable = Durable { block: height, checkpoint: height };
                }
            }
        }
        Ok(())
    }

    /// Every record, body and outcome.
    fn check_all(&self, outcome: &mut Outcome) -> Result<()> {
        outcome.count("full audits");
        let opened = writer::open(self.folder.path(), self.chain)?;
        ensure!(opened.set_aside.is_none(), "the store was set aside: {:?}", opened.set_aside);
        Found::of(&opened.store).check(self.durable, self.blocks)?;
        chain::check(&opened.store.reader(), self.blocks)
    }
}
