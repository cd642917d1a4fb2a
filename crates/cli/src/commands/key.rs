//! `kvitto key`: makes and shows key files.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use kvitto_ledger::{Did, KeyBytes, KeyId};
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::keyfile::KeyFile;
use crate::output::Report;

/// `kvitto key`.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a new key file (named by --key): a ledger key, a salt key and, unless given, a new identifier.
    New(NewArgs),
    /// Show whose key file it is (named by --key); never a secret.
    Show,
}

/// Options of `kvitto key new`.
#[derive(Args, Debug)]
pub struct NewArgs {
    /// Make a new key of this organisation, instead of a new organisation.
    #[arg(long, value_name = "DID")]
    pub did: Option<Did>,
}

#[derive(Serialize)]
struct KeyReport {
    file: String,
    did: Did,
    key_id: KeyId,
    public_key: KeyBytes,
    has_salt_key: bool,
    #[serde(skip)]
    is_new: bool,
}

pub(crate) fn run(command: &KeyCommand, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let path = context.key_path()?;
    let (key, is_new) = match command {
        KeyCommand::New(args) => {
            let key = KeyFile::generate(args.did)?;
            key.create(path)?;
            (key, true)
        }
        KeyCommand::Show => (KeyFile::read(path)?, false),
    };
    let report = KeyReport {
        file: path.display().to_string(),
        did: key.did(),
        key_id: key.key_id(),
        public_key: key.key().public().bytes(),
        has_salt_key: key.salt_key().is_some(),
        is_new,
    };
    context.output.result(&report)?;
    Ok(Exit::Ok)
}

impl Report for KeyReport {
    fn write_words(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.did)?;
        writeln!(out, "  key id      {}", self.key_id)?;
        writeln!(out, "  public key  {}", self.public_key)?;
        writeln!(out, "  salt key    {}", if self.has_salt_key { "yes" } else { "no (cannot anchor)" })?;
        if self.is_new {
            writeln!(out, "Written to {}, for you only. Keep a copy in a safe place.", self.file)?;
        }
        Ok(())
    }
}
