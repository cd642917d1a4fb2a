//! `kvitto evidence`: lists and fetches evidence that members contradicted themselves, and checks such a file without any network.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use kvitto_client::ProvenEvidence;
use kvitto_merkle::Hash;
use kvitto_verifier::evidence::{EVIDENCE_BYTES_MAX, Misconduct};
use kvitto_verifier::{Evidence, EvidenceError, TrustFile};
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, chain};
use crate::output::Report;
use crate::{input_file, private_file};

/// `kvitto evidence`.
#[derive(Debug, Subcommand)]
pub enum EvidenceCommand {
    /// List the evidence against members that a node has.
    List,
    /// Fetch evidence from a node, check it, and write it into files.
    Fetch(FetchArgs),
    /// Check evidence files, without any network.
    Check(CheckArgs),
}

/// Options of `kvitto evidence fetch`.
#[derive(Args, Debug)]
pub struct FetchArgs {
    /// Which, by their ids; without any, all that the node has.
    #[arg(value_name = "ID")]
    pub ids: Vec<Hash>,
    /// The folder to write into; made where it does not exist.
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
}

/// Options of `kvitto evidence check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// The files.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

#[derive(Serialize)]
struct ListReport {
    evidence: Vec<ListRow>,
}

#[derive(Serialize)]
struct ListRow {
    id: String,
    kind: String,
    members: Vec<String>,
}

#[derive(Serialize)]
struct ProvenReport {
    evidence: Vec<ProvenRow>,
    #[serde(skip)]
    fetched: bool,
}

#[derive(Serialize)]
struct ProvenRow {
    file: String,
    id: String,
    #[serde(flatten)]
    misconduct: Misconduct,
}

pub(crate) async fn run(command: &EvidenceCommand, context: &mut Context<'_>) -> Result<Exit, Failure> {
    match command {
        EvidenceCommand::List => list(context).await,
        EvidenceCommand::Fetch(args) => fetch(args, context).await,
        EvidenceCommand::Check(args) => check(args, context),
    }
}

async fn list(context: &mut Context<'_>) -> Result<Exit, Failure> {
    let (client, mut evidence, mut after) = (context.client()?, Vec::new(), None);
    loop {
        let page = client.list_evidence(after).await?.into_said();
        evidence.extend(page.evidence.into_iter().map(|one| ListRow {
            id: one.id.to_string(),
            kind: one.kind,
            members: one.members,
        }));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    context.output.result(&ListReport { evidence })?;
    Ok(Exit::Ok)
}

async fn fetch(args: &FetchArgs, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let client = context.client()?;
    std::fs::create_dir_all(&args.output).map_err(|error| Failure::unwritable(&args.output, &error))?;
    let (mut ids, mut after) = (args.ids.clone(), None);
    while args.ids.is_empty() {
        let page = client.list_evidence(after).await?.into_said();
        ids.extend(page.evidence.iter().map(|one| one.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let mut evidence = Vec::new();
    for id in ids {
        let ProvenEvidence { file, evidence: read, misconduct } = client.evidence(id).await?;
        let path = write(&args.output, &read, &file)?;
        evidence.push(ProvenRow { file: path.display().to_string(), id: id.to_string(), misconduct });
    }
    context.output.result(&ProvenReport { evidence, fetched: true })?;
    Ok(Exit::Ok)
}

fn check(args: &CheckArgs, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let trust = context.trust()?;
    let row = |path: &PathBuf| {
        let file = input_file::read(path, EVIDENCE_BYTES_MAX)?;
        let misconduct = check_one(path, &file, &trust)?;
        let id = Evidence::id(&file).to_string();
        Ok(ProvenRow { file: path.display().to_string(), id, misconduct })
    };
    let evidence = args.files.iter().map(row).collect::<Result<_, Failure>>()?;
    context.output.result(&ProvenReport { evidence, fetched: false })?;
    Ok(Exit::Ok)
}

fn check_one(path: &Path, file: &[u8], trust: &TrustFile) -> Result<Misconduct, Failure> {
    let evidence = Evidence::from_json(file).map_err(|error| {
        let message = format!("{} is not an evidence file: {}", path.display(), chain(&error));
        let next = "check that this is the file you mean, unchanged";
        Failure::new(Exit::Input, "EVIDENCE_MALFORMED", message, next)
    })?;
    evidence.check(trust).map_err(|error| {
        let message = format!("{} proves nothing: {error}", path.display());
        let next = match error {
            EvidenceError::OtherLedger => "check that file and --trust are of the same ledger",
            EvidenceError::UnknownMember => "check that --trust is the newest trust file",
            _ => "accuse nobody: it shows nothing against any member",
        };
        Failure::new(Exit::Input, error.reason(), message, next)
    })
}

/// Writes evidence under a name of its own, which says nothing that a node could choose. What is there already stays.
///
/// # Errors
/// [`Exit::Io`].
pub(crate) fn write(folder: &Path, evidence: &Evidence, file: &[u8]) -> Result<PathBuf, Failure> {
    let id = Evidence::id(file).to_string();
    let path = folder.join(format!("{}-{}.evidence.json", evidence.kind(), &id[..16]));
    match private_file::create(&path, file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(path),
        written => written.map(|()| path.clone()).map_err(|error| Failure::unwritable(&path, &error)),
    }
}

impl Report for ListReport {
    fn write_words(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.evidence.is_empty() {
            return writeln!(out, "The node has no evidence against any member.");
        }
        writeln!(out, "On the node's word; kvitto evidence fetch checks it:")?;
        for row in &self.evidence {
            writeln!(out, "  {}  {} by {}", row.id, row.kind, row.members.join(", "))?;
        }
        Ok(())
    }
}

impl Report for ProvenReport {
    fn write_words(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.evidence.is_empty() {
            return writeln!(out, "The node has no evidence against any member.");
        }
        for row in &self.evidence {
            writeln!(out, "{}", row.file)?;
            writeln!(out, "  proved: {}", row.misconduct)?;
        }
        if self.fetched {
            writeln!(out, "Others check it with: kvitto evidence check FILE --trust TRUST")?;
        }
        Ok(())
    }
}
