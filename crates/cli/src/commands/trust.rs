//! `kvitto trust`: shows a trust file, or makes one from a node's genesis, to be compared with what the consortium publishes.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use kvitto_client::{Client, trust_as_said};
use kvitto_ledger::{Did, LedgerId};
use kvitto_verifier::TrustFile;
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Report;
use crate::private_file;

/// `kvitto trust`.
#[derive(Debug, Subcommand)]
pub enum TrustCommand {
    /// Show what a trust file says (named by --trust), after checking that it holds together.
    Show,
    /// Make a trust file from a node's genesis, to be compared with what the consortium publishes.
    Export(ExportArgs),
}

/// Options of `kvitto trust export`.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// The file to write.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// The ledger id that the consortium publishes: anything else is refused.
    #[arg(long, value_name = "ID")]
    pub ledger_id: Option<LedgerId>,
}

#[derive(Serialize)]
struct TrustReport {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    origin: String,
    ledger_id: LedgerId,
    epochs: usize,
    quorum: usize,
    members: Vec<String>,
    roots: Vec<RootRow>,
    /// Whether the ledger id is known to be the right one.
    #[serde(skip)]
    compared: bool,
}

#[derive(Serialize)]
struct RootRow {
    did: Did,
    legal_name: String,
    country: String,
}

pub(crate) async fn run(command: &TrustCommand, context: &mut Context<'_>) -> Result<Exit, Failure> {
    match command {
        TrustCommand::Show => {
            let trust = context.trust()?;
            context.output.result(&TrustReport::of(&trust, None, true))?;
            Ok(Exit::Ok)
        }
        TrustCommand::Export(args) => export(args, context).await,
    }
}

async fn export(args: &ExportArgs, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let (nodes, options) = (context.nodes()?, context.client_options()?);
    let trust = trust_as_said(nodes, &options).await?.into_said();
    if let Some(expected) = args.ledger_id.filter(|expected| *expected != trust.ledger_id()) {
        let message = format!("the node is of ledger {}, not of {expected}", trust.ledger_id());
        let next = "check --node and the ledger id; nothing was written";
        return Err(Failure::new(Exit::Untrusted, "OTHER_LEDGER", message, next));
    }
    // The members of that genesis must really sign what the node shows.
    Client::connect(nodes, trust.clone(), options)?.checkpoint().await?;
    private_file::create(&args.output, trust.to_json().as_bytes())
        .map_err(|error| Failure::unwritable(&args.output, &error))?;
    context.output.result(&TrustReport::of(&trust, Some(&args.output), args.ledger_id.is_some()))?;
    Ok(Exit::Ok)
}

impl TrustReport {
    fn of(trust: &TrustFile, file: Option<&PathBuf>, compared: bool) -> Self {
        let newest = trust.epochs().last().expect("a trust file has an epoch").config();
        let root = |root: &kvitto_ledger::genesis::Root| RootRow {
            did: root.did,
            legal_name: root.legal_name.clone(),
            country: root.country.clone(),
        };
        Self {
            file: file.map(|path| path.display().to_string()),
            origin: trust.origin().to_owned(),
            ledger_id: trust.ledger_id(),
            epochs: trust.epochs().len(),
            quorum: newest.quorum(),
            members: newest.members.iter().map(|member| member.name.clone()).collect(),
            roots: newest.roots.iter().map(root).collect(),
            compared,
        }
    }
}

impl Report for TrustReport {
    fn write_words(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.origin)?;
        writeln!(out, "  ledger id   {}", self.ledger_id)?;
        writeln!(out, "  members     {} (at least {} must sign)", self.members.join(", "), self.quorum)?;
        for root in &self.roots {
            writeln!(out, "  root        {} ({}), {}", root.legal_name, root.country, root.did)?;
        }
        if let Some(file) = &self.file {
            writeln!(out, "Written to {file}.")?;
        }
        if !self.compared {
            writeln!(
                out,
                "Before you rely on it, compare the ledger id with the one that the consortium publishes"
            )?;
            writeln!(out, "elsewhere: until then it is only the node's word.")?;
        }
        Ok(())
    }
}
