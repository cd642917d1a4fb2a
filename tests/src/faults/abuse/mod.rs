//! Strangers abuse the public listener of one node, each in another way, while honest clients read from it and write to the ledger.

mod attacks;
mod frames;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use kvitto_client::{Answer, Client, ManyOptions, SignedStatement};
use tokio::task::JoinSet;

use super::{Outcome, Plan};
use crate::live::load::{Writer, options};
use crate::live::{Checker, Ledger, Load, Pace, on_ledger};
use attacks::Attack;

/// Members of the ledger; strangers attack the first one.
const MEMBERS: usize = 4;
const VICTIM: usize = 0;
/// The attacked node may have so much memory at once.
const MEMORY_MAX: u64 = 512 * 1024 * 1024;
/// How long the ledger may need to make something final meanwhile.
const GOES_ON: Duration = Duration::from_secs(60);
/// Between two reads of an honest client.
const READ_PAUSE: Duration = Duration::from_millis(10);
/// Statements with bad signatures under way at once.
const BAD_UNDER_WAY: usize = 1024;

/// How many attack, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Strength {
    /// Connections that say nothing.
    pub idle: usize,
    /// Connections that are slow, in each of two ways.
    pub slow: usize,
    /// Connections that flood, in each of five ways.
    pub floods: usize,
    /// Each attack lasts so long.
    pub lasts: Duration,
}

impl Strength {
    /// What is measured.
    pub const FULL: Self = Self { idle: 2000, slow: 250, floods: 32, lasts: Duration::from_secs(20) };
}

/// Every attack in every round.
///
/// # Errors
/// When the ledger does not start.
pub fn run(plan: &Plan, strength: Strength) -> Result<Outcome> {
    on_ledger(plan, MEMBERS, async |ledger, outcome| abuse(plan, strength, ledger, outcome).await)
}

async fn abuse(plan: &Plan, strength: Strength, ledger: &mut Ledger, outcome: &mut Outcome) -> Result<()> {
    let Strength { idle, slow, floods, lasts } = strength;
    let attacks = [
        ("idle connections", Attack::Idle, idle),
        ("slow HTTP/2", Attack::SlowHttp2, slow),
        ("slow HTTP/1.1", Attack::SlowHttp1, slow),
        ("CONTINUATION without end", Attack::Continuation, floods),
        ("blocks of many headers", Attack::ManyHeaders, floods),
        ("rapid reset", Attack::RapidReset, floods),
        ("empty DATA frames", Attack::EmptyData, floods),
        ("messages of 10 MB", Attack::Oversized, floods),
    ];
    let progress = plan.progress(plan.rounds * (attacks.len() as u64 + 1));
    let mut load = Load::start(ledger, Pace::default()).await?;
    let target = ledger.member(VICTIM)?.api;
    let direct = || Client::connect(&[format!("http://{target}")], ledger.trust().clone(), options());
    let reader = direct()?;
    outcome.times("reads, quiet", reads(&reader, lasts).await.context("quiet")?);
    for _ in 0..plan.rounds {
        for (name, attack, count) in attacks {
            progress.set_message(name);
            let mut attackers = JoinSet::new();
            for number in 0..count {
                attackers.spawn(attack.run(target, number));
            }
            let suffered = suffer(name, lasts, ledger, &reader, &mut load, outcome).await;
            let strangers = direct()?;
            outcome.add(
                "new honest connections served while attacked",
                u64::from(strangers.checkpoint().await.is_ok()),
            );
            attackers.shutdown().await;
            suffered.context(name)?;
            progress.inc(1);
        }
        let bad = BadSignatures::start(&load.writer(direct()?), direct()?, lasts)?;
        suffer("bad signatures", lasts, ledger, &reader, &mut load, outcome)
            .await
            .context("bad signatures")?;
        outcome.add("bad signatures refused per second", bad.stop().await / lasts.as_secs().max(1));
        progress.inc(1);
    }
    let accounts = load.stop().await?;
    Checker::new(ledger)?.finish(ledger, &accounts).await?.report(outcome);
    Ok(())
}

/// Reads and waits for blocks while something goes on.
async fn suffer(
    name: &str,
    lasts: Duration,
    ledger: &Ledger,
    reader: &Client,
    load: &mut Load,
    outcome: &mut Outcome,
) -> Result<()> {
    let victim = ledger.member(VICTIM)?;
    victim.forget_peak()?;
    let (times, goes_on) = tokio::join!(reads(reader, lasts), load.more(1, GOES_ON));
    goes_on?;
    outcome.times(format!("reads, {name}"), times?);
    let peak = victim.peak_bytes()?;
    ensure!(peak <= MEMORY_MAX, "the node had {} MiB", peak >> 20);
    outcome.highest("MiB that the node had at most", peak >> 20);
    outcome.count("attacks that honest clients did not suffer from");
    Ok(())
}

/// An honest client that reads the newest checkpoint over its connection, again and again; every read must be answered.
async fn reads(client: &Client, lasts: Duration) -> Result<Vec<Duration>> {
    let end = Instant::now() + lasts;
    let mut times = Vec::new();
    while Instant::now() < end {
        let start = Instant::now();
        client.checkpoint().await.context("an honest read")?;
        times.push(start.elapsed());
        tokio::time::sleep(READ_PAUSE).await;
    }
    Ok(times)
}

/// Somebody who sends statements with bad signatures as fast as the node refuses them.
struct BadSignatures {
    refused: Arc<AtomicU64>,
    sending: JoinSet<()>,
}

impl BadSignatures {
    fn start(writer: &Writer, client: Client, lasts: Duration) -> Result<Self> {
        let good = writer.statement(1)?;
        let last = good.bytes().len() - 1;
        let end = Instant::now() + lasts;
        // Every one differs, in the signature's first half, so that it stays a signature by its form.
        let bad = move |number: u64| {
            let mut bytes = good.bytes().to_vec();
            for (at, byte) in (number + 1).to_be_bytes().into_iter().enumerate() {
                bytes[last - 40 - at] ^= byte;
            }
            SignedStatement::known(good.id(), bytes)
        };
        let statements = futures::stream::iter(0..).map(bad);
        let statements = statements.take_while(move |_| std::future::ready(Instant::now() < end));
        let options = ManyOptions { in_flight: BAD_UNDER_WAY, receipts: false };
        let mut answers = client.submit_many(statements, options);
        let refused = Arc::new(AtomicU64::new(0));
        let (count, mut sending) = (Arc::clone(&refused), JoinSet::new());
        sending.spawn(async move {
            while let Some(Ok(answered)) = answers.next().await {
                if matches!(answered.answer, Answer::Refused(_)) {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Ok(Self { refused, sending })
    }

    /// How many were refused.
    async fn stop(mut self) -> u64 {
        self.sending.shutdown().await;
        self.refused.load(Ordering::Relaxed)
    }
}
