//! `kvitto digest`: shows what would be anchored for a credential, and what it says about itself. Needs no network.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use kvitto_ledger::Commitment;
use kvitto_ledger::commitment::Opening;
use serde::Serialize;

use crate::context::Context;
use crate::credentials::{CredentialFile, ReadingArgs, expand};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::keyfile::KeyFile;
use crate::output::Report;

/// Options of `kvitto digest`.
#[derive(Args, Debug)]
pub struct DigestArgs {
    /// Credential files, or directories of them.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// How they are read.
    #[command(flatten)]
    pub reading: ReadingArgs,
}

#[derive(Serialize)]
struct DigestReport {
    credentials: Vec<DigestRow>,
}

#[derive(Serialize)]
struct DigestRow {
    file: String,
    digest: String,
    algorithm: &'static str,
    target: &'static str,
    seal: &'static str,
    title: Option<String>,
    types: Vec<String>,
    issuers: Vec<String>,
    /// With a key file: the commitment that it gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    commitment: Option<Commitment>,
}

pub(crate) fn run(args: &DigestArgs, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let key = context.global.key.as_deref().map(KeyFile::read).transpose()?;
    let files = expand(&args.paths)?;
    let row = |path: &PathBuf| args.reading.read(path).map(|file| DigestRow::of(&file, key.as_ref()));
    let credentials = files.iter().map(row).collect::<Result<_, _>>()?;
    context.output.result(&DigestReport { credentials })?;
    Ok(Exit::Ok)
}

impl DigestRow {
    fn of(file: &CredentialFile, key: Option<&KeyFile>) -> Self {
        let facts = file.credential.facts();
        let salt_key = key.and_then(KeyFile::salt_key);
        let opening = salt_key.map(|salt_key| salt_key.opening_for(file.algorithm, file.target, file.digest));
        Self {
            file: file.path.display().to_string(),
            digest: file.digest.to_string(),
            algorithm: file.algorithm.name(),
            target: file.target.name(),
            seal: file.credential.seal().name(),
            title: file.credential.display_name(&["en", "sv"]).map(str::to_owned),
            types: facts.types.clone(),
            issuers: facts.issuer.ids.clone(),
            commitment: opening.as_ref().map(Opening::commitment),
        }
    }
}

impl Report for DigestReport {
    fn write_words(&self, out: &mut dyn Write) -> io::Result<()> {
        for row in &self.credentials {
            writeln!(out, "{}", row.file)?;
            writeln!(out, "  {} over {}: {}", row.algorithm, row.target, row.digest)?;
            writeln!(out, "  seal: {}", row.seal)?;
            if let Some(title) = &row.title {
                writeln!(out, "  title: {}", printable(title))?;
            }
            if !row.types.is_empty() {
                writeln!(out, "  types: {}", printable(&row.types.join(", ")))?;
            }
            if !row.issuers.is_empty() {
                writeln!(out, "  names as issuer: {}", printable(&row.issuers.join(", ")))?;
            }
            if let Some(commitment) = row.commitment {
                writeln!(out, "  commitment with your salt key: {commitment}")?;
            }
        }
        Ok(())
    }
}

/// A text from a file, without what could move the cursor or turn the line around.
fn printable(text: &str) -> String {
    let is_tame = |c: char| {
        !c.is_control()
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
    };
    text.chars().map(|c| if is_tame(c) { c } else { '\u{fffd}' }).collect()
}
