//! `kvitto load`: measures a ledger under load from the client's side, beside the floors of this machine, in one run.
//!
//! Statements are signed beforehand, so that the client's own signing does not count. They anchor random commitments, which is real
//! load and stays on the ledger: for test ledgers.

mod floors;
mod latencies;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use futures::{StreamExt, stream};
use kvitto_client::{Answer, Client, ManyOptions, Moment, Organisation, SignedStatement};
use kvitto_ledger::commitment::{DigestAlgorithm, DigestTarget};
use kvitto_ledger::scope::Role;
use kvitto_ledger::statement::{Anchor, AnchorItem};
use kvitto_ledger::{AccreditationId, Commitment, TimeMs};
use serde::Serialize;

use crate::anchoring::no_randomness;
use crate::commands::accredit::{Choice, choose};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Report;

pub use floors::Floors;
pub use latencies::Latencies;

const FLOOR_TIME: Duration = Duration::from_secs(1);

/// Options of `kvitto load`.
#[derive(Args, Debug)]
pub struct LoadArgs {
    /// How many statements are sent at full speed; 0 for none.
    #[arg(long, default_value_t = 2000, value_name = "COUNT")]
    pub statements: u32,
    /// Commitments of each statement.
    #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub items: u16,
    /// Most statements under way at once.
    #[arg(long, default_value_t = 4096, value_name = "COUNT")]
    pub in_flight: u32,
    /// After that, so many statements one by one on the idle ledger, each from submission to receipt.
    #[arg(long, default_value_t = 20, value_name = "COUNT")]
    pub idle: u32,
    /// Credential type; default: one that the accreditation covers.
    #[arg(long = "type", value_name = "TYPE")]
    pub credential_type: Option<String>,
    /// The own accreditation to anchor under; needed only where there are several.
    #[arg(long, value_name = "ID")]
    pub accreditation: Option<AccreditationId>,
    /// Directory in which durable writes are measured; default: the system's temporary one.
    #[arg(long, value_name = "DIR")]
    pub floor_dir: Option<PathBuf>,
}

#[derive(Serialize)]
struct LoadReport {
    cores: usize,
    members: usize,
    floors: Floors,
    /// What the members of one machine could verify at most: cores x verifications per second / members.
    verification_floor_per_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    bulk: Option<Bulk>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle: Option<Latencies>,
}

#[derive(Serialize)]
struct Bulk {
    statements: u64,
    items_per_statement: u16,
    seconds: f64,
    statements_per_s: f64,
    commitments_per_s: f64,
    /// Statements per second over the verification floor.
    of_verification_floor: f64,
    /// Commitments per second over leaf hashes per second of one core.
    of_leaf_hashes: f64,
    refused: u64,
    latency: Option<Latencies>,
}

/// What is anchored, and by whom.
struct Source {
    signer: Organisation,
    accreditation: AccreditationId,
    credential_type: String,
}

pub(crate) async fn run(args: &LoadArgs, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let (key, client) = (context.key()?, context.client()?);
    let source =
        Source::find(args, &client, context.organisation(&key, client.trust().ledger_id()), context.now())
            .await?;
    let directory = args.floor_dir.clone().unwrap_or_else(std::env::temp_dir);
    let floors =
        Floors::measure(&directory, FLOOR_TIME).map_err(|error| Failure::unwritable(&directory, &error))?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let members = client.trust().epochs().last().map_or(1, |epoch| epoch.config().members.len());
    let mut report = LoadReport {
        cores,
        members,
        floors,
        verification_floor_per_s: floors.verifications_per_s * cores as f64 / members as f64,
        bulk: None,
        idle: None,
    };
    if args.statements > 0 {
        report.bulk = Some(bulk(args, &client, &source, &report, context).await?);
    }
    if args.idle > 0 {
        report.idle = idle(args, &client, &source, context).await?;
    }
    let is_refused = report.bulk.as_ref().is_some_and(|bulk| bulk.refused > 0);
    context.output.result(&report)?;
    Ok(if is_refused { Exit::Refused } else { Exit::Ok })
}

impl Source {
    async fn find(
        args: &LoadArgs,
        client: &Client,
        signer: Organisation,
        now: TimeMs,
    ) -> Result<Self, Failure> {
        let (_, held) = client.issuer(&signer.did(), Moment::Newest).await?.value;
        let choice = Choice { wanted: args.accreditation, option: "--accreditation", now };
        let named = args.credential_type.as_deref();
        let suits = |held: &kvitto_ledger::state::Accreditation| {
            held.role == Role::Ti && named.is_none_or(|name| held.scope.covers_type(name))
        };
        let held = choose(held, &choice, suits)?;
        let first = held.scope.types.first().cloned();
        let credential_type = args.credential_type.clone().or(first).ok_or_else(|| {
            Failure::usage(
                "TYPE_UNCLEAR",
                "the accreditation covers no type",
                "name another with --accreditation",
            )
        })?;
        Ok(Self { signer, accreditation: held.key.id, credential_type })
    }

    /// A statement with `items` random commitments.
    fn statement(&self, items: u16) -> Result<SignedStatement, Failure> {
        let mut drawn = Vec::with_capacity(usize::from(items));
        for _ in 0..items {
            let mut commitment = Commitment::default();
            getrandom::fill(&mut commitment.0).map_err(|error| no_randomness(&error))?;
            drawn.push(AnchorItem { commitment, reserved: None });
        }
        Ok(self.signer.anchor(Anchor {
            accreditation: self.accreditation,
            credential_type: self.credential_type.clone(),
            algorithm: DigestAlgorithm::Sha256,
            target: DigestTarget::Jcs,
            bare: false,
            items: drawn,
        })?)
    }
}

async fn bulk(
    args: &LoadArgs,
    client: &Client,
    source: &Source,
    report: &LoadReport,
    context: &Context<'_>,
) -> Result<Bulk, Failure> {
    let bar = context.output.progress(args.statements.into(), "signing beforehand");
    let mut statements = Vec::with_capacity(args.statements as usize);
    for _ in 0..args.statements {
        statements.push(source.statement(args.items)?);
        bar.inc(1);
    }
    bar.finish_and_clear();

    // When each statement was taken for sending, in the order of the input.
    let taken: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let clock = Arc::clone(&taken);
    let input = stream::iter(statements).map(move |statement| {
        clock.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
        statement
    });
    let options = ManyOptions { in_flight: args.in_flight as usize, receipts: false };
    let bar = context.output.progress(args.statements.into(), "anchoring");
    let (start, mut done, mut refused) = (Instant::now(), 0u64, 0u64);
    let mut latencies = Vec::with_capacity(args.statements as usize);
    let mut answers = client.submit_many(input, options);
    while let Some(answered) = answers.next().await {
        let answered = answered?;
        let index = usize::try_from(answered.index).unwrap_or(usize::MAX);
        let begun = taken.lock().unwrap_or_else(PoisonError::into_inner).get(index).copied();
        match answered.answer {
            Answer::Final(_) => done += 1,
            _ => refused += 1,
        }
        latencies.extend(begun.map(|begun| begun.elapsed()));
        bar.inc(1);
    }
    let seconds = start.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let statements_per_s = done as f64 / seconds;
    let commitments_per_s = statements_per_s * f64::from(args.items);
    Ok(Bulk {
        statements: done,
        items_per_statement: args.items,
        seconds,
        statements_per_s,
        commitments_per_s,
        of_verification_floor: statements_per_s / report.verification_floor_per_s,
        of_leaf_hashes: commitments_per_s / report.floors.leaf_hashes_per_s,
        refused,
        latency: Latencies::of(latencies),
    })
}

async fn idle(
    args: &LoadArgs,
    client: &Client,
    source: &Source,
    context: &Context<'_>,
) -> Result<Option<Latencies>, Failure> {
    let bar = context.output.progress(args.idle.into(), "one by one");
    let mut times = Vec::with_capacity(args.idle as usize);
    for _ in 0..args.idle {
        let statement = source.statement(1)?;
        let start = Instant::now();
        client.submit_final(&statement).await?;
        times.push(start.elapsed());
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(Latencies::of(times))
}

impl Report for LoadReport {
    fn write_words(&self, out: &mut dyn Write) -> io::Result<()> {
        let Floors { verifications_per_s, leaf_hashes_per_s, fdatasync_ms } = self.floors;
        writeln!(out, "{} cores, {} members", self.cores, self.members)?;
        writeln!(out, "floors of this machine, one core each:")?;
        writeln!(out, "  Ed25519 verify_strict  {verifications_per_s:.0}/s")?;
        writeln!(out, "  SHA-256 leaf           {leaf_hashes_per_s:.0}/s")?;
        writeln!(out, "  fdatasync of 4 KiB     {fdatasync_ms:.2} ms")?;
        writeln!(
            out,
            "  verification floor     {:.0} statements/s (cores x verify / members)",
            self.verification_floor_per_s
        )?;
        if let Some(bulk) = &self.bulk {
            writeln!(
                out,
                "{} statements of {} commitments, signed beforehand:",
                bulk.statements, bulk.items_per_statement
            )?;
            writeln!(
                out,
                "  {:.0} statements/s final ({:.0} % of the verification floor)",
                bulk.statements_per_s,
                bulk.of_verification_floor * 100.0
            )?;
            writeln!(
                out,
                "  {:.0} commitments/s final ({:.1} % of leaf hashes)",
                bulk.commitments_per_s,
                bulk.of_leaf_hashes * 100.0
            )?;
            if bulk.refused > 0 {
                writeln!(out, "  {} were refused", bulk.refused)?;
            }
            write_latencies(out, "sent to final", bulk.latency.as_ref())?;
        }
        if self.idle.is_some() {
            writeln!(out, "one by one, on the idle ledger:")?;
            write_latencies(out, "submit to receipt", self.idle.as_ref())?;
        }
        Ok(())
    }
}

fn write_latencies(out: &mut dyn Write, what: &str, latencies: Option<&Latencies>) -> io::Result<()> {
    let Some(Latencies { count, p50_ms, p90_ms, p99_ms, max_ms }) = latencies else { return Ok(()) };
    writeln!(
        out,
        "  {what}: median {p50_ms:.0} ms, 90 % {p90_ms:.0} ms, 99 % {p99_ms:.0} ms, slowest {max_ms:.0} ms ({count} measured)"
    )
}
