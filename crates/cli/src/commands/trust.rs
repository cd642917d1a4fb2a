//! `kvitto trust`: shows a trust file, or makes one from a node's genesis, to be compared with what the consortium publishes.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Subcommand;
use kvitto_ledger::{Did, LedgerId};
use kvitto_verifier::TrustFile;
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Report;

/// `kvitto trust`.
#[derive(Debug, Subcommand)]
pub enum TrustCommand {
    /// Show what a trust file says (named by --trust), after checking that it holds together.
    Show,
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
            context.output.result(&TrustReport::of(&trust, None))?;
            Ok(Exit::Ok)
        }
    }
}

impl TrustReport {
    fn of(trust: &TrustFile, file: Option<&PathBuf>) -> Self {
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
            writeln!(
                out,
                "It is worth what the node's word is worth, until you have compared the ledger id with what the\nconsortium publishes elsewhere."
            )?;
        }
        Ok(())
    }
}
