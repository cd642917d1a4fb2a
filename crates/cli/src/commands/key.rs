//! `kvitto key`: makes and shows key files.

use std::io::{self, Write};
use std::path::PathBuf;

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
    /// Keep the salt key of this key file, so that what was anchored with it is not anchored a second time.
    #[arg(long, value_name = "FILE", requires = "did")]
    pub salt_key_from: Option<PathBuf>,
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
    let path = context.key_path()?.to_owned();
    let (key, is_new) = match command {
        KeyCommand::New(args) => {
            let key = KeyFile::generate(args.did)?;
            let key = match &args.salt_key_from {
                Some(from) => key.with_salt_key_of(&KeyFile::read(from)?),
                None => key,
            };
            key.create(&path)?;
            if args.did.is_some() && args.salt_key_from.is_none() {
                context.output.note(
                    "This key file has a new salt key: a credential that was anchored with another one would be anchored again. \
                     To keep that one: --salt-key-from FILE.",
                );
            }
            (key, true)
        }
        KeyCommand::Show => (KeyFile::read(&path)?, false),
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
