//! `kvitto revoke`, `suspend`, `reinstate`, `supersede`: changes what has become of anchored credentials.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use futures::{StreamExt, stream};
use kvitto_client::{Answer, Client, CredentialName, ManyOptions, Moment, ProvenReceipt, SignedStatement};
use kvitto_ledger::state::{ItemOutcome, Outcome};
use kvitto_ledger::statement::body::{StatusCode, StatusItem};
use kvitto_ledger::statement::{Reason, StatusTarget};
use kvitto_ledger::{Commitment, Position, RecordBody};
use kvitto_merkle::status::StatusValue;
use kvitto_verifier::verdict::Status;
use serde::Serialize;

use crate::anchoring::shuffle;
use crate::context::Context;
use crate::credentials::ReadingArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::keyfile::KeyFile;
use crate::ledger::ask_each;
use crate::output::Report;
use crate::refusals::unmet;
use crate::register::{Register, RegisterEntry};
use crate::selection::{Candidate, Selected, SelectionArgs, Selector, Source, read_csv};
use crate::words::{reason_name, status_name};

/// So many status changes go into one statement.
const BATCH: usize = 1000;

/// What becomes of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// For good.
    Revoke,
    /// Until reinstated.
    Suspend,
    /// Lifts a suspension.
    Reinstate,
}

/// Options of `kvitto revoke`, `suspend` and `reinstate`.
#[derive(Args, Debug)]
pub struct ChangeArgs {
    /// Which credentials.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Why.
    #[arg(long, default_value = "unspecified")]
    pub reason: ReasonArg,
    /// Where several credentials have the same reference, change all of them.
    #[arg(long)]
    pub all: bool,
}

/// Options of `kvitto supersede`.
#[derive(Args, Debug)]
pub struct SupersedeArgs {
    /// The credential that is superseded.
    #[arg(value_name = "FILE", conflicts_with_all = ["references", "csv"])]
    pub file: Option<PathBuf>,
    /// The credential that is superseded, by the issuer's own reference.
    #[arg(long = "ref", value_name = "REFERENCE", id = "references")]
    pub reference: Option<String>,
    /// The anchored credential that takes its place.
    #[arg(long, value_name = "FILE")]
    pub by: Option<PathBuf>,
    /// The anchored credential that takes its place, by the issuer's own reference.
    #[arg(long, value_name = "REFERENCE", conflicts_with = "by")]
    pub by_ref: Option<String>,
    /// A CSV file with the columns `file` or `ref`, and `by_file` or `by_ref`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["by", "by_ref"])]
    pub csv: Option<PathBuf>,
    /// The issuer's register.
    #[arg(long, env = "KVITTO_REGISTER", hide_env_values = true, value_name = "DIR")]
    pub register: Option<PathBuf>,
    /// How credential files are read.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Why.
    #[arg(long, default_value = "superseded")]
    pub reason: ReasonArg,
}

/// Why a status changes: a closed list, never free text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReasonArg {
    /// Not said.
    Unspecified,
    /// The credential should not have been issued, or not like this.
    IssuedInError,
    /// Another one takes its place.
    Superseded,
    /// The authorisation behind it was withdrawn.
    AuthorisationWithdrawn,
    /// A signing key was in wrong hands.
    KeyCompromise,
    /// The organisation has ceased operating.
    CeasedOperating,
}

impl ReasonArg {
    /// The ledger's reason.
    pub fn reason(self) -> Reason {
        match self {
            Self::Unspecified => Reason::Unspecified,
            Self::IssuedInError => Reason::IssuedInError,
            Self::Superseded => Reason::Superseded,
            Self::AuthorisationWithdrawn => Reason::AuthorisationWithdrawn,
            Self::KeyCompromise => Reason::KeyCompromise,
            Self::CeasedOperating => Reason::CeasedOperating,
        }
    }
}

impl Change {
    fn status(self) -> StatusValue {
        match self {
            Self::Revoke => StatusValue::Revoked,
            Self::Suspend => StatusValue::Suspended,
            Self::Reinstate => StatusValue::Valid,
        }
    }
}

#[derive(Serialize)]
struct ChangeReport {
    status: &'static str,
    reason: &'static str,
    changed: usize,
    already: usize,
    refused: usize,
    open: usize,
    credentials: Vec<ChangedRow>,
}

#[derive(Serialize)]
struct ChangedRow {
    credential: String,
    commitment: Commitment,
    position: Position,
    before: &'static str,
    /// `changed`, `already`, `refused` or `open`.
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
}

/// An anchor that the ledger has.
#[derive(Clone, Copy)]
struct Found {
    position: Position,
    commitment: Commitment,
    status: Status,
}

/// One position to change.
struct Target {
    label: String,
    found: Found,
    successor: Option<Commitment>,
}

impl Found {
    fn of(proven: &ProvenReceipt) -> Self {
        let commitment = proven.verdict.anchored.commitment;
        Self { position: proven.position(), commitment, status: proven.status() }
    }
}

/// Who changes, what, why.
struct Run<'a> {
    key: &'a KeyFile,
    client: &'a Client,
    status: StatusValue,
    reason: Reason,
}

pub(crate) async fn run(
    change: Change,
    args: &ChangeArgs,
    context: &mut Context<'_>,
) -> Result<Exit, Failure> {
    let (key, client) = (context.key()?, context.client()?);
    let mut register = open_register(args.selection.register.as_ref(), &key, &client)?;
    let selector = Selector {
        issuer: Some(key.did()),
        salt_key: key.salt_key(),
        register: register.as_ref(),
        reading: &args.selection.reading,
    };
    let selected = args.selection.select(&selector)?;
    if !args.all {
        selected
            .iter()
            .try_for_each(|selected| check_reference(selected, ", or change all of them with --all"))?;
    }
    let targets = found(&client, &selected, context).await?;
    let targets =
        targets.into_iter().map(|(label, found)| Target { label, found, successor: None }).collect();
    let run = Run { key: &key, client: &client, status: change.status(), reason: args.reason.reason() };
    run.change(targets, register.as_mut(), context).await
}

pub(crate) async fn run_supersede(args: &SupersedeArgs, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let (key, client) = (context.key()?, context.client()?);
    let mut register = open_register(args.register.as_ref(), &key, &client)?;
    let selector = Selector {
        issuer: Some(key.did()),
        salt_key: key.salt_key(),
        register: register.as_ref(),
        reading: &args.reading,
    };
    let (olds, news): (Vec<Selected>, Vec<Selected>) = pairs(args, &selector)?.into_iter().unzip();
    olds.iter().chain(&news).try_for_each(|selected| check_reference(selected, ""))?;
    let mut targets = Vec::new();
    for (old, new) in olds.iter().zip(&news) {
        let successors = found(&client, std::slice::from_ref(new), context).await?;
        // Of several anchors of the new credential one that nothing was said against takes the place.
        let successor = successors.iter().find(|(_, found)| found.status == Status::NotRevoked);
        let successor = successor.or(successors.first()).map(|(_, found)| found.commitment);
        for (label, found) in found(&client, std::slice::from_ref(old), context).await? {
            targets.push(Target { label, found, successor });
        }
    }
    let run =
        Run { key: &key, client: &client, status: StatusValue::Superseded, reason: args.reason.reason() };
    run.change(targets, register.as_mut(), context).await
}

/// Old and new credentials.
fn pairs(args: &SupersedeArgs, selector: &Selector<'_>) -> Result<Vec<(Selected, Selected)>, Failure> {
    if let Some(csv) = &args.csv {
        let lines = read_csv(csv, &["file", "ref", "by_file", "by_ref"])?;
        let pair = |line| {
            let old = selector.csv_line(csv, line, "file", "ref")?;
            Ok((old, selector.csv_line(csv, line, "by_file", "by_ref")?))
        };
        return lines.iter().map(pair).collect();
    }
    let one = |file: &Option<PathBuf>, reference: &Option<String>, what: &str| match (file, reference) {
        (Some(file), _) => selector.file(file),
        (None, Some(reference)) => selector.reference(reference),
        (None, None) => {
            let message = format!("the {what} credential was not named");
            let next = "kvitto supersede FILE --by FILE, or --ref and --by-ref, or --csv";
            Err(Failure::usage("NOTHING_SELECTED", message, next))
        }
    };
    Ok(vec![(one(&args.file, &args.reference, "old")?, one(&args.by, &args.by_ref, "new")?)])
}

/// References are the issuer's own words: two credentials can have the same one, and a revocation is for good.
fn check_reference(selected: &Selected, or: &str) -> Result<(), Failure> {
    let count = selected.candidates.len();
    if selected.source != Source::Reference || count == 1 {
        return Ok(());
    }
    let commitments: Vec<String> =
        selected.candidates.iter().map(|candidate| candidate.commitment.to_string()).collect();
    let message = format!(
        "the register has {count} credentials with the reference {:?}: commitments {}",
        selected.label,
        commitments.join(", ")
    );
    Err(Failure::usage(
        "REFERENCE_AMBIGUOUS",
        message,
        format!("name one of them by its file or its receipt{or}"),
    ))
}

/// The issuer's register, where one was named.
pub(crate) fn open_register(
    directory: Option<&PathBuf>,
    key: &KeyFile,
    client: &Client,
) -> Result<Option<Register>, Failure> {
    let head = RegisterEntry::new(client.trust().ledger_id(), key.did());
    let register = directory.map(|directory| Register::open_existing(directory, &head)).transpose();
    register.map_err(Failure::from)
}

/// Every position that the ledger has for what was selected; it is an error if there is none for one of them.
async fn found(
    client: &Client,
    selected: &[Selected],
    context: &Context<'_>,
) -> Result<Vec<(String, Found)>, Failure> {
    let candidates: Vec<(usize, &Candidate)> = selected
        .iter()
        .enumerate()
        .flat_map(|(index, selected)| selected.candidates.iter().map(move |candidate| (index, candidate)))
        .collect();
    let name = |(_, candidate): &(usize, &Candidate)| candidate.name();
    let names: Vec<CredentialName> = candidates.iter().map(name).collect();
    let bar = context.output.progress(names.len() as u64, "looking up");
    let mut positions: BTreeMap<usize, Vec<Found>> = BTreeMap::new();
    let keep = |asked: usize, proven: Option<ProvenReceipt>| {
        bar.inc(1);
        if let (Some((index, _)), Some(proven)) = (candidates.get(asked), proven) {
            positions.entry(*index).or_default().push(Found::of(&proven));
        }
        Ok(())
    };
    ask_each(client, &names, Moment::Newest, keep).await?;
    bar.finish_and_clear();
    let mut targets = Vec::new();
    for (index, selected) in selected.iter().enumerate() {
        let found = positions.remove(&index).unwrap_or_default();
        if found.is_empty() {
            let message =
                format!("{}: not anchored by this issuer, as far as the node knows", selected.label);
            let next = "check the issuer's key file, --register, and how it is read (--unwrap, --target)";
            return Err(Failure::new(Exit::NotFound, "NOT_ANCHORED", message, next));
        }
        targets.extend(found.into_iter().map(|found| (selected.label.clone(), found)));
    }
    Ok(targets)
}

impl Run<'_> {
    async fn change(
        &self,
        targets: Vec<Target>,
        register: Option<&mut Register>,
        context: &mut Context<'_>,
    ) -> Result<Exit, Failure> {
        let mut rows: BTreeMap<Position, ChangedRow> = BTreeMap::new();
        let mut items = Vec::new();
        for target in targets {
            let Found { position, commitment, status: before } = target.found;
            let is_already = before == Status::from(self.status);
            let row = ChangedRow {
                credential: target.label,
                commitment,
                position,
                before: status_name_of(before),
                result: if is_already { "already" } else { "open" },
                refusal: None,
            };
            if rows.insert(position, row).is_none() && !is_already {
                let status = StatusCode(self.status);
                let target_name = StatusTarget::Position(position);
                items.push(StatusItem { target: target_name, status, successor: target.successor });
            }
        }
        self.submit(items, &mut rows, context).await?;
        let report = self.report(rows.into_values().collect());
        if let Some(register) = register {
            let now_so = report.credentials.iter().filter(|row| matches!(row.result, "changed" | "already"));
            let statuses: Vec<_> = now_so.map(|row| (row.commitment, self.status)).collect();
            register.statuses(&statuses)?;
        }
        let exit = match () {
            () if report.refused > 0 => Exit::Refused,
            () if report.open > 0 => Exit::Pending,
            () => Exit::Ok,
        };
        context.output.result(&report)?;
        Ok(exit)
    }

    /// Signs, sends, and notes in `rows` what became of each item.
    async fn submit(
        &self,
        mut items: Vec<StatusItem>,
        rows: &mut BTreeMap<Position, ChangedRow>,
        context: &Context<'_>,
    ) -> Result<(), Failure> {
        shuffle(&mut items)?;
        let signer = context.organisation(self.key, self.client.trust().ledger_id());
        let mut statements: Vec<(SignedStatement, Vec<StatusItem>)> = Vec::new();
        for chunk in items.chunks(BATCH) {
            let mut chunk = chunk.to_vec();
            chunk.sort_unstable_by_key(|item| item.target);
            statements.push((signer.set_status(chunk.clone(), self.reason)?, chunk));
        }
        let bar = context.output.progress(items.len() as u64, "changing");
        let input: Vec<_> = statements.iter().map(|(statement, _)| statement.clone()).collect();
        let mut answers = self.client.submit_many(stream::iter(input), ManyOptions::default());
        while let Some(answered) = answers.next().await {
            let answered = answered?;
            let index = usize::try_from(answered.index).unwrap_or(usize::MAX);
            let Some((statement, items)) = statements.get(index) else { continue };
            let changed = match &answered.answer {
                Answer::Final(outcome) => self.changed(statement, outcome.as_said()).await?,
                _ => BTreeSet::new(),
            };
            note(&answered.answer, items, &changed, rows);
            bar.inc(items.len() as u64);
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// The positions whose change is recorded.
    async fn changed(
        &self,
        statement: &SignedStatement,
        outcome: &Outcome,
    ) -> Result<BTreeSet<Position>, Failure> {
        let position = |body: RecordBody| match body {
            RecordBody::Status(changed) if changed.status.0 == self.status => Some(changed.position),
            _ => None,
        };
        let records = self.client.prove_outcome(statement, outcome).await?;
        Ok(records.into_iter().filter_map(|(_, record)| position(record.body)).collect())
    }

    fn report(&self, credentials: Vec<ChangedRow>) -> ChangeReport {
        let count = |result: &str| credentials.iter().filter(|row| row.result == result).count();
        ChangeReport {
            status: status_name(self.status),
            reason: reason_name(self.reason),
            changed: count("changed"),
            already: count("already"),
            refused: count("refused"),
            open: count("open"),
            credentials,
        }
    }
}

/// Notes what an answer means for each item of its statement: `changed` is proved, why others were not is the node's word.
fn note(
    answer: &Answer,
    items: &[StatusItem],
    changed: &BTreeSet<Position>,
    rows: &mut BTreeMap<Position, ChangedRow>,
) {
    for (index, item) in (0u32..).zip(items) {
        let StatusTarget::Position(position) = item.target else { continue };
        let Some(row) = rows.get_mut(&position) else { continue };
        (row.result, row.refusal) = match answer {
            Answer::Final(_) if changed.contains(&position) => ("changed", None),
            Answer::Final(outcome) => match outcome.as_said().item(index) {
                ItemOutcome::Skipped(rejection) => {
                    ("refused", Some(unmet(rejection.reason(), rejection.text())))
                }
                ItemOutcome::Recorded { .. } | ItemOutcome::Duplicate { .. } => ("open", None),
            },
            Answer::Refused(refusal) | Answer::Expired(refusal) => {
                ("refused", Some(unmet(&refusal.reason, &refusal.message)))
            }
            Answer::Accepted | Answer::NothingNew(_) => ("open", None),
        };
    }
}

/// Stable name of a status as the verifier has it.
pub(crate) fn status_name_of(status: Status) -> &'static str {
    match status {
        Status::NotRevoked => status_name(StatusValue::Valid),
        Status::Revoked => status_name(StatusValue::Revoked),
        Status::Suspended => status_name(StatusValue::Suspended),
        Status::Superseded => status_name(StatusValue::Superseded),
    }
}

/// A status as a state of a credential.
fn already(status: &str) -> &str {
    if status == status_name(StatusValue::Valid) { "in force" } else { status }
}

impl Report for ChangeReport {
    fn write_words(&self, out: &mut dyn Write) -> io::Result<()> {
        let status = match self.status {
            "not_revoked" => "reinstated",
            other => other,
        };
        for row in &self.credentials {
            let what = match (row.result, &row.refusal) {
                ("changed", _) => format!("{status} (before: {})", row.before),
                ("already", _) => format!("was {} already", already(self.status)),
                (_, Some(refusal)) => format!("refused, {refusal}"),
                _ => "not answered yet: run the same command again".to_owned(),
            };
            writeln!(out, "{}: position {}: {what}", row.credential, row.position)?;
        }
        writeln!(out, "{} {status}, {} already so, {} refused.", self.changed, self.already, self.refused)
    }
}
