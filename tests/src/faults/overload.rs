//! Clients of one school submit twice as much as the ledger can take, for minutes: it takes what it can, refuses the rest with a time to
//! come back, loses nothing, serves readers and another school's clients meanwhile, and is itself again soon after.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kvitto_cli::commands::load::Latencies;
use kvitto_client::{Client, ClientError, ManyOptions, Options, SignedStatement};
use tokio::task::JoinSet;

use super::{Outcome, Plan};
use crate::live::load::{Writer, options};
use crate::live::{Checker, Ledger, Load, Pace, on_ledger};

/// Members of the ledger.
const MEMBERS: usize = 4;
/// A node may have so much memory at once.
const MEMORY_MAX: u64 = 768 * 1024 * 1024;
/// So many statements one by one on the idle ledger give its latency.
const IDLE: usize = 20;
/// So long the knee is looked for.
const KNEE: Duration = Duration::from_secs(20);
/// So many clients submit too much: more than the requests that the nodes answer at once fit through their connections.
const CLIENTS: u64 = 128;
/// Between two reads.
const READ_PAUSE: Duration = Duration::from_millis(10);
/// They wait longer than a node lets them.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the ledger may need to be itself again.
const RECOVERS: Duration = Duration::from_secs(60);

/// What became of what was submitted.
#[derive(Default)]
struct Counts {
    accepted: AtomicU64,
    refused: AtomicU64,
    /// Refused without a time to come back.
    untold: AtomicU64,
    unanswered: AtomicU64,
    /// From submission to an answer of either kind.
    times: Mutex<Vec<Duration>>,
}

/// Too much, in every round for so long.
///
/// # Errors
/// When the ledger does not start.
pub fn run(plan: &Plan, lasts: Duration) -> Result<Outcome> {
    on_ledger(plan, MEMBERS, async |ledger, outcome| overload(plan, lasts, ledger, outcome).await)
}

async fn overload(plan: &Plan, lasts: Duration, ledger: &mut Ledger, outcome: &mut Outcome) -> Result<()> {
    let progress = plan.progress(plan.rounds);
    // The modest ones; they keep account of what they are told meanwhile.
    let mut load = Load::start(ledger, Pace { writers: 2, pause: Duration::from_millis(200) }).await?;
    let writer = load.writer_of(ledger.second_school().await?, ledger.client(0, options())?);
    let idle = one_by_one(&writer).await?;
    outcome.times("idle: from submission to receipt", idle.clone());
    let idle_ms = Latencies::of(idle).context("some were measured")?.p50_ms;
    let knee = knee(&writer).await?;
    outcome.add("statements per second at the knee", knee);
    for _ in 0..plan.rounds {
        for index in 0..MEMBERS {
            ledger.member(index)?.forget_peak()?;
        }
        let before = load.accounts.times().len();
        let counts = Arc::new(Counts::default());
        let submitting = submit_too_much(ledger, &writer, 2 * knee, lasts, &counts);
        let (submitted, read) = tokio::join!(submitting, read(direct(ledger, 0)?, lasts));
        submitted?;
        let (read, unread) = read?;
        outcome.times("overload: reads", read);
        outcome.add("reads refused or without an answer in 30 s", unread);
        report(&counts, outcome)?;
        let modest = load.accounts.times().split_off(before);
        ensure!(!modest.is_empty(), "nothing of another school's was taken meanwhile");
        outcome.add("statements of another school acknowledged meanwhile", modest.len() as u64);
        outcome.times("overload: another school, from submission to receipt", modest);
        for index in 0..MEMBERS {
            let peak = ledger.member(index)?.peak_bytes()?;
            ensure!(peak <= MEMORY_MAX, "member {} had {} MiB", index + 1, peak >> 20);
            outcome.highest("MiB that a node had at most", peak >> 20);
        }
        outcome.times("overload: from its end to the idle latency", vec![recovers(&writer, idle_ms).await?]);
        load.more(1, RECOVERS).await?;
        progress.inc(1);
    }
    let accounts = load.stop().await?;
    Checker::new(ledger)?.finish(ledger, &accounts).await?.report(outcome);
    Ok(())
}

async fn one_by_one(writer: &Writer) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    for _ in 0..IDLE {
        let start = Instant::now();
        writer.anchor(1).await?;
        times.push(start.elapsed());
    }
    Ok(times)
}

/// What the ledger makes final per second, as much as it can.
async fn knee(writer: &Writer) -> Result<u64> {
    let start = Instant::now();
    let done = writer.all_it_can(1, ManyOptions::default().in_flight, KNEE).await?;
    Ok(((done as f64 / start.elapsed().as_secs_f64()) as u64).max(1))
}

/// Submits at this rate, whatever becomes of it.
async fn submit_too_much(
    ledger: &Ledger,
    writer: &Writer,
    per_second: u64,
    lasts: Duration,
    counts: &Arc<Counts>,
) -> Result<()> {
    let every = Duration::from_secs(1).mul_f64(CLIENTS as f64 / per_second as f64);
    let end = tokio::time::Instant::now() + lasts;
    let mut clients = JoinSet::new();
    for index in 0..CLIENTS as usize {
        let client = direct(ledger, index % MEMBERS)?;
        let (writer, counts) = (writer.clone(), Arc::clone(counts));
        clients.spawn(async move {
            let mut ticks = tokio::time::interval(every);
            let mut sent = JoinSet::new();
            while ticks.tick().await < end {
                let statement = writer.statement(1)?;
                sent.spawn(submit(client.clone(), statement, Arc::clone(&counts)));
                while sent.try_join_next().is_some() {}
            }
            sent.join_all().await;
            anyhow::Ok(())
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    Ok(())
}

/// A patient client of one member, past the relays: they share this process with the clients.
fn direct(ledger: &Ledger, index: usize) -> Result<Client> {
    let url = format!("http://{}", ledger.member(index)?.api);
    Ok(Client::connect(&[url], ledger.trust().clone(), Options { timeout: PATIENCE, ..options() })?)
}

/// How long reads take meanwhile, and how many come to nothing.
async fn read(client: Client, lasts: Duration) -> Result<(Vec<Duration>, u64)> {
    let end = Instant::now() + lasts;
    let (mut times, mut unread) = (Vec::new(), 0);
    while Instant::now() < end {
        let start = Instant::now();
        match client.checkpoint().await {
            Ok(_) => times.push(start.elapsed()),
            Err(ClientError::Unavailable(_)) => unread += 1,
            Err(error) => return Err(error).context("an honest read"),
        }
        tokio::time::sleep(READ_PAUSE).await;
    }
    Ok((times, unread))
}

async fn submit(client: Client, statement: SignedStatement, counts: Arc<Counts>) {
    let start = Instant::now();
    let counted = match client.submit(&statement).await {
        Ok(_) => &counts.accepted,
        Err(ClientError::Unavailable(why)) if is_refusal(&why.reason) => {
            if why.retry_after.is_none() {
                counts.untold.fetch_add(1, Ordering::Relaxed);
            }
            &counts.refused
        }
        Err(_) => {
            counts.unanswered.fetch_add(1, Ordering::Relaxed);
            return;
        }
    };
    counts.times.lock().unwrap_or_else(PoisonError::into_inner).push(start.elapsed());
    counted.fetch_add(1, Ordering::Relaxed);
}

/// The reasons of too much that come with RESOURCE_EXHAUSTED.
fn is_refusal(reason: &str) -> bool {
    ["MEMPOOL_FULL", "SIGNER_QUOTA", "OVERLOADED"].contains(&reason)
}

fn report(counts: &Counts, outcome: &mut Outcome) -> Result<()> {
    let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
    outcome.add("statements accepted under overload", of(&counts.accepted));
    outcome.add("statements refused as too many", of(&counts.refused));
    outcome.add("statements without an answer in time", of(&counts.unanswered));
    outcome.times("overload: from submission to acceptance or refusal", take(&counts.times));
    ensure!(of(&counts.refused) > 0, "nothing was refused: that was not too much");
    ensure!(of(&counts.untold) == 0, "{} were refused without a time to come back", of(&counts.untold));
    Ok(())
}

fn take(times: &Mutex<Vec<Duration>>) -> Vec<Duration> {
    std::mem::take(&mut times.lock().unwrap_or_else(PoisonError::into_inner))
}

/// How long until five statements in a row take no longer than twice what they do on the idle ledger.
async fn recovers(writer: &Writer, idle_ms: f64) -> Result<Duration> {
    let start = Instant::now();
    let mut fast = 0;
    while fast < 5 {
        ensure!(start.elapsed() < 4 * RECOVERS, "the ledger is not itself again");
        let begun = Instant::now();
        writer.anchor(1).await?;
        fast = if begun.elapsed().as_secs_f64() * 1000.0 <= 2.0 * idle_ms { fast + 1 } else { 0 };
    }
    Ok(start.elapsed())
}
