//! `kvitto anchor`: anchors credentials, keeping the issuer's register, and writes their receipts.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use kvitto_client::{Client, CredentialName, Moment, ProvenReceipt};
use kvitto_ledger::commitment::{Opening, Salt, SaltKey};
use kvitto_ledger::credential::Credential;
use kvitto_ledger::scope::Role;
use kvitto_ledger::state::Accreditation;
use kvitto_ledger::{AccreditationId, Commitment, Position, TimeMs};
use kvitto_verifier::Receipt;
use serde::Serialize;
use serde_json::Value;

use crate::anchoring::{Anchoring, Entered, Summary, enter, no_randomness};
use crate::commands::accredit::{Choice, choose};
use crate::context::Context;
use crate::credentials::{CredentialFile, ReadingArgs, expand};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::keyfile::KeyFile;
use crate::ledger::{Nodes, ask_each};
use crate::output::Report;
use crate::receipt_file::ReceiptPlace;
use crate::refusals::unmet;
use crate::register::{CredentialEntry, DigestKey, Register, RegisterEntry, RowState};
use crate::selection::{CsvLine, read_csv, receipt_opening};

/// Options of `kvitto anchor`.
#[derive(Args, Debug)]
pub struct AnchorArgs {
    /// Credential files, or directories of them.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// The issuer's register: made where there is none, and needed for ever.
    #[arg(long, env = "KVITTO_REGISTER", hide_env_values = true, value_name = "DIR")]
    pub register: PathBuf,
    /// Credential type to anchor as; default: the one type of the credential that the accreditation covers.
    #[arg(long = "type", value_name = "TYPE")]
    pub credential_type: Option<String>,
    /// The own accreditation to anchor under; needed only where several suit.
    #[arg(long, value_name = "ID")]
    pub accreditation: Option<AccreditationId>,
    /// How credential files are read.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Where salts come from.
    #[arg(long, value_enum, default_value = "derived", conflicts_with = "bare")]
    pub salt: SaltArg,
    /// Anchor the digest without a salt, so that anyone who can guess the content can find it: never for a person's credential.
    #[arg(long)]
    pub bare: bool,
    /// Take the issuer's own reference from this place in the credential, e.g. credentialSubject/id.
    #[arg(long, value_name = "MEMBER/PATH", conflicts_with = "ref_csv")]
    pub ref_from: Option<String>,
    /// Take the issuer's own references from a CSV file with the columns `file` (its name) and `ref`.
    #[arg(long, value_name = "FILE")]
    pub ref_csv: Option<PathBuf>,
    /// Write receipts into this directory, instead of beside the credentials.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write no receipts.
    #[arg(long, conflicts_with = "out")]
    pub no_receipts: bool,
    /// Leave out files that cannot be taken, instead of anchoring nothing.
    #[arg(long)]
    pub skip_faulty: bool,
    /// Most credentials of one statement.
    #[arg(long, default_value_t = 1000, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub batch: u16,
}

/// Where salts come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SaltArg {
    /// From the salt key and the digest: the same credential gets the same commitment again.
    Derived,
    /// Random: only the register and the receipt hold them.
    Random,
}

#[derive(Serialize)]
struct AnchorReport {
    new: usize,
    known: usize,
    resumed_statements: usize,
    statements: usize,
    open: usize,
    skipped: Vec<SkippedRow>,
    refused: Vec<RefusedRow>,
    credentials: Vec<AnchoredRow>,
}

#[derive(Serialize)]
struct SkippedRow {
    file: String,
    reason: String,
    message: String,
}

#[derive(Serialize)]
struct RefusedRow {
    reason: String,
    message: String,
    credentials: usize,
}

#[derive(Serialize)]
struct AnchoredRow {
    file: String,
    reference: String,
    commitment: Commitment,
    state: &'static str,
    position: Option<Position>,
    receipt: Option<String>,
    /// It is anchored, but the node has no receipt of it.
    #[serde(skip)]
    is_missing: bool,
}

/// A credential file without its content: a run may be about very many.
struct Item {
    path: PathBuf,
    key: DigestKey,
    /// What it calls itself.
    types: Vec<String>,
    /// The issuer's own reference.
    reference: String,
}

/// A receipt to be written.
struct Wanted<'a> {
    /// Index of its credential's row in the report.
    row: usize,
    /// The credential's file.
    path: &'a Path,
    opening: Opening,
}

/// What a run works with.
struct Run<'a> {
    args: &'a AnchorArgs,
    key: KeyFile,
    salt_key: Option<SaltKey>,
    client: Client,
    now: TimeMs,
    /// References by file name, where a CSV file gives them.
    references: Option<BTreeMap<String, String>>,
}

pub(crate) async fn run(args: &AnchorArgs, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let key = context.key()?;
    let run = Run {
        args,
        salt_key: key.salt_key(),
        key,
        client: context.client()?,
        now: context.now(),
        references: args.ref_csv.as_deref().map(read_references).transpose()?,
    };
    run.check_salt_key()?;
    let (files, mut skipped) = run.read_files(context)?;
    let head = RegisterEntry::new(run.client.trust().ledger_id(), run.key.did());
    let mut register = Register::open(&args.register, &head)?;
    let entries = run.entries(&files, &register, &mut skipped).await?;
    let entered = enter(&mut register, entries)?;

    let signer = context.organisation(&run.key, run.client.trust().ledger_id());
    let anchoring = Anchoring { signer, batch: usize::from(args.batch) };
    let mut nodes = Nodes { client: &run.client, issuer: run.key.did() };
    let bar = context.output.progress(open_rows(&register), "anchoring");
    let summary = anchoring.run(&mut register, &mut nodes, &mut |items| bar.inc(items)).await;
    bar.finish_and_clear();
    let summary = summary?;
    let credentials = run.receipts(&files, &register, context).await?;
    let exit = exit_of(&summary, &credentials);
    context.output.result(&AnchorReport::new(entered, summary, skipped, credentials))?;
    Ok(exit)
}

fn exit_of(summary: &Summary, credentials: &[AnchoredRow]) -> Exit {
    match () {
        () if credentials.iter().any(|row| row.state == "refused") || !summary.refused.is_empty() => {
            Exit::Refused
        }
        () if summary.open > 0 || credentials.iter().any(|row| row.is_missing) => Exit::Pending,
        () => Exit::Ok,
    }
}

fn open_rows(register: &Register) -> u64 {
    let is_open = |state: &RowState| matches!(state, RowState::Prepared | RowState::Sent { .. });
    register.rows().iter().filter(|row| is_open(&row.state)).count() as u64
}

impl Run<'_> {
    fn check_salt_key(&self) -> Result<(), Failure> {
        if self.args.bare || self.args.salt == SaltArg::Random || self.salt_key.is_some() {
            return Ok(());
        }
        let next = "use a key file with one (kvitto key new), or --salt random";
        Err(Failure::usage("SALT_KEY_MISSING", "this key file has no salt key", next))
    }

    /// All files, read; and those left out, where that was asked for.
    fn read_files(&self, context: &Context<'_>) -> Result<(Vec<Item>, Vec<SkippedRow>), Failure> {
        let paths = expand(&self.args.paths)?;
        let bar = context.output.progress(paths.len() as u64, "reading");
        let (mut files, mut faults) = (Vec::new(), Vec::new());
        for path in &paths {
            match self.args.reading.read(path).and_then(|file| self.item(&file)) {
                Ok(item) => files.push(item),
                Err(failure) => faults.push((path.display().to_string(), failure)),
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        match faults.first() {
            Some((_, first)) if !self.args.skip_faulty => {
                let more = match faults.len() - 1 {
                    0 => String::new(),
                    more => format!(" (and {more} more files cannot be taken)"),
                };
                let message = format!("nothing was anchored: {}{more}", first.message);
                let next = format!("{}; or leave such files out with --skip-faulty", first.next);
                Err(Failure::new(first.exit, first.reason.clone(), message, next))
            }
            _ => {
                let row = |(file, failure): (String, Failure)| SkippedRow::of(file, failure);
                Ok((files, faults.into_iter().map(row).collect()))
            }
        }
    }

    fn item(&self, file: &CredentialFile) -> Result<Item, Failure> {
        Ok(Item {
            path: file.path.clone(),
            key: (file.algorithm, file.target, file.digest),
            types: file.credential.facts().types.clone(),
            reference: self.reference(file)?,
        })
    }

    /// The issuer's own reference of a file.
    fn reference(&self, file: &CredentialFile) -> Result<String, Failure> {
        if let Some(pointer) = &self.args.ref_from {
            return reference_in(file, pointer);
        }
        let Some(references) = &self.references else {
            return Ok(file.path.file_stem().unwrap_or_default().to_string_lossy().into_owned());
        };
        let name = file.path.file_name().unwrap_or_default().to_string_lossy();
        references.get(name.as_ref()).cloned().ok_or_else(|| {
            let message = format!("the CSV file of references has no line for {name}");
            Failure::new(Exit::Input, "REFERENCE_MISSING", message, "add one, with the columns file and ref")
        })
    }

    /// What is new to the register, or was refused before.
    async fn entries(
        &self,
        files: &[Item],
        register: &Register,
        skipped: &mut Vec<SkippedRow>,
    ) -> Result<Vec<CredentialEntry>, Failure> {
        let is_settled = |file: &Item| {
            let row = register.row_of(&file.key);
            row.is_some_and(|row| !matches!(row.state, RowState::Refused { .. }))
        };
        // A register that knows everything needs no accreditation: a run after a withdrawal still brings receipts.
        if files.iter().all(is_settled) {
            return Ok(Vec::new());
        }
        let (_, held) = self.client.issuer(&self.key.did(), Moment::Newest).await?.value;
        let mut entries = Vec::with_capacity(files.len());
        for file in files.iter().filter(|file| !is_settled(file)) {
            match self.entry(file, &held) {
                Ok(entry) => entries.push(entry),
                Err(failure) if self.args.skip_faulty => {
                    skipped.push(SkippedRow::of(file.path.display().to_string(), failure));
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(entries)
    }

    fn entry(&self, file: &Item, held: &[Accreditation]) -> Result<CredentialEntry, Failure> {
        let (credential_type, accreditation) = self.type_and_accreditation(file, held)?;
        let (algorithm, target, digest) = file.key;
        let opening = if self.args.bare {
            Opening { algorithm, target, salt: None, digest }
        } else if let (SaltArg::Derived, Some(salt_key)) = (self.args.salt, &self.salt_key) {
            salt_key.opening_for(algorithm, target, digest)
        } else {
            let mut bytes = [0; Salt::BYTES];
            getrandom::fill(&mut bytes).map_err(|error| no_randomness(&error))?;
            Opening { algorithm, target, salt: Some(Salt::new(bytes)), digest }
        };
        let commitment = opening.commitment();
        Ok(CredentialEntry {
            reference: file.reference.clone(),
            algorithm,
            target,
            digest,
            salt: opening.salt.into(),
            commitment,
            credential_type,
            accreditation,
        })
    }

    /// The type that was named or that the credential has, and the accreditation that covers it.
    fn type_and_accreditation(
        &self,
        file: &Item,
        held: &[Accreditation],
    ) -> Result<(String, AccreditationId), Failure> {
        let covers = |accreditation: &Accreditation, name: &str| {
            accreditation.role == Role::Ti && accreditation.scope.covers_type(name)
        };
        let named = self.args.credential_type.iter().cloned();
        let own = file.types.iter().cloned();
        let mut candidates: Vec<String> = match &self.args.credential_type {
            Some(_) => named.collect(),
            None => {
                let is_chosen =
                    |held: &&Accreditation| self.args.accreditation.is_none_or(|id| held.key.id == id);
                let chosen: Vec<_> = held.iter().filter(is_chosen).collect();
                own.filter(|name| chosen.iter().any(|held| covers(held, name))).collect()
            }
        };
        // Every credential of the data model is of this type; an own one says more.
        let is_general = |name: &String| name == "VerifiableCredential";
        if !candidates.iter().all(is_general) {
            candidates.retain(|name| !is_general(name));
        }
        let [credential_type] = candidates.as_slice() else {
            return Err(self.type_unclear(file, &candidates));
        };
        let choice = Choice { wanted: self.args.accreditation, option: "--accreditation", now: self.now };
        let chosen = choose(held.to_vec(), &choice, |held| covers(held, credential_type))?;
        Ok((credential_type.clone(), chosen.key.id))
    }

    fn type_unclear(&self, file: &Item, candidates: &[String]) -> Failure {
        let path = file.path.display();
        let message = match candidates {
            [] => format!(
                "{path}: this organisation is accredited for none of its types ({})",
                file.types.join(", ")
            ),
            several => format!("{path}: it has several types that could be meant: {}", several.join(", ")),
        };
        let next = "name the type with --type; kvitto accreditation list shows what is covered";
        Failure::usage("TYPE_UNCLEAR", message, next)
    }

    /// Writes the receipts of all files that are anchored, and says where everything stands.
    async fn receipts(
        &self,
        files: &[Item],
        register: &Register,
        context: &Context<'_>,
    ) -> Result<Vec<AnchoredRow>, Failure> {
        let mut rows = Vec::with_capacity(files.len());
        let mut wanted = Vec::new();
        for file in files {
            let Some(row) = register.row_of(&file.key) else { continue };
            if row.position().is_some() && !self.args.no_receipts {
                wanted.push(Wanted { row: rows.len(), path: &file.path, opening: row.credential.opening() });
            }
            rows.push(AnchoredRow {
                file: file.path.display().to_string(),
                reference: row.credential.reference.clone(),
                commitment: row.credential.commitment,
                state: row.state.name(),
                position: row.position(),
                receipt: None,
                is_missing: false,
            });
        }
        let name = |wanted: &Wanted<'_>| CredentialName::Commitment {
            issuer: self.key.did(),
            commitment: wanted.opening.commitment(),
        };
        let names: Vec<CredentialName> = wanted.iter().map(name).collect();
        let bar = context.output.progress(names.len() as u64, "receipts");
        let mut place = ReceiptPlace::new(self.args.out.clone());
        let write = |asked: usize, proven: Option<ProvenReceipt>| -> Result<(), Failure> {
            bar.inc(1);
            let Some(Wanted { row, path, opening }) = wanted.get(asked) else { return Ok(()) };
            let Some(row) = rows.get_mut(*row) else { return Ok(()) };
            let Some(proven) = proven else {
                row.is_missing = true;
                return Ok(());
            };
            let path = place.path_for(path, &row.commitment);
            let receipt = Receipt { opening: Some(receipt_opening(opening)), ..proven.receipt };
            place.write(&path, &receipt)?;
            row.receipt = Some(path.display().to_string());
            Ok(())
        };
        ask_each(&self.client, &names, Moment::Newest, write).await?;
        bar.finish_and_clear();
        Ok(rows)
    }
}

/// References by file name.
fn read_references(csv: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let pair = |line: CsvLine| Some((line.values.get("file")?.clone(), line.values.get("ref")?.clone()));
    Ok(read_csv(csv, &["file", "ref"])?.into_iter().filter_map(pair).collect())
}

/// The text at a place in the credential.
fn reference_in(file: &CredentialFile, pointer: &str) -> Result<String, Failure> {
    let missing = || {
        let message = format!("{} has no text or number at {pointer}", file.path.display());
        let next = "check the place after --ref-from, e.g. credentialSubject/id";
        Failure::new(Exit::Input, "REFERENCE_MISSING", message, next)
    };
    let content = content(&file.credential).ok_or_else(missing)?;
    match content.pointer(&format!("/{pointer}")) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        _ => Err(missing()),
    }
}

/// The credential as JSON: the sealed content where there is a seal.
fn content(credential: &Credential) -> Option<Value> {
    use kvitto_ledger::commitment::DigestTarget::{Jcs, Payload};
    let bytes = credential.content(Payload).or_else(|_| credential.content(Jcs)).ok()?;
    serde_json::from_slice(bytes).ok()
}

impl SkippedRow {
    fn of(file: String, failure: Failure) -> Self {
        Self { file, reason: failure.reason, message: failure.message }
    }
}

impl AnchorReport {
    fn new(
        entered: Entered,
        summary: Summary,
        skipped: Vec<SkippedRow>,
        credentials: Vec<AnchoredRow>,
    ) -> Self {
        let refused = |(reason, (message, credentials)): (String, (String, usize))| RefusedRow {
            reason,
            message,
            credentials,
        };
        let new = entered.new;
        Self {
            new,
            known: credentials.len().saturating_sub(new),
            resumed_statements: summary.resumed,
            statements: summary.statements,
            open: summary.open,
            skipped,
            refused: summary.refused.into_iter().map(refused).collect(),
            credentials,
        }
    }
}

impl Report for AnchorReport {
    fn write_words(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.resumed_statements > 0 {
            writeln!(out, "Went on with {} statements of an earlier run.", self.resumed_statements)?;
        }
        for row in &self.skipped {
            writeln!(out, "left out: {}", row.message)?;
        }
        for row in &self.credentials {
            match (row.position, &row.receipt) {
                (Some(position), Some(receipt)) => {
                    writeln!(out, "{}: anchored at position {position}, receipt {receipt}", row.file)?;
                }
                (Some(position), None) => {
                    let receipt = if row.is_missing { ", but this node has no receipt of it" } else { "" };
                    writeln!(out, "{}: anchored at position {position}{receipt}", row.file)?;
                }
                (None, _) => writeln!(out, "{}: {}", row.file, row.state)?,
            }
        }
        for row in &self.refused {
            writeln!(out, "{} credentials refused: {}", row.credentials, unmet(&row.reason, &row.message))?;
        }
        if self.open > 0 {
            writeln!(out, "{} credentials are not answered yet: run the same command again.", self.open)?;
        }
        let missing = self.credentials.iter().filter(|row| row.is_missing).count();
        if missing > 0 {
            writeln!(
                out,
                "{missing} receipts are missing: run the same command again, or with another node."
            )?;
        }
        writeln!(out, "{} new, {} known before.", self.new, self.known)
    }
}
