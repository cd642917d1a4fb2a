//! `kvitto did`: shows, changes and deactivates organisations' DID documents.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use kvitto_client::Moment;
use kvitto_ledger::document::VerificationMethod;
use kvitto_ledger::state::Identifier;
use kvitto_ledger::statement::PutIdentifier;
use kvitto_ledger::{Did, KeyBytes, TimeMs};
use serde::Serialize;

use crate::context::{Context, parse_time};
use crate::did_document::DidDocument;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::input_file::{self, FILE_BYTES_MAX};
use crate::online::{Recorded, record};
use crate::output::Report;
use crate::words::time_text;

/// `kvitto did`.
#[derive(Debug, Subcommand)]
pub enum DidCommand {
    /// Show an organisation, with proof from the ledger.
    Show(ShowArgs),
    /// Replace the own DID document, or add a ledger key to it.
    Put(PutArgs),
    /// End an identifier's power to sign, for good. What it has signed stays.
    Deactivate(DeactivateArgs),
}

/// Options of `kvitto did show`.
#[derive(Args, Debug)]
pub struct ShowArgs {
    /// Which organisation; default: the owner of --key.
    pub did: Option<Did>,
    /// As of this time.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub at: Option<TimeMs>,
}

/// Options of `kvitto did put`.
#[derive(Args, Debug)]
pub struct PutArgs {
    /// The new document, as `kvitto did show --json` has it under `document`.
    #[arg(value_name = "FILE", required_unless_present = "add_key", conflicts_with = "add_key")]
    pub document: Option<PathBuf>,
    /// Keep the present document and add this Ed25519 ledger key (64 hexadecimal digits).
    #[arg(long, value_name = "HEX")]
    pub add_key: Option<KeyBytes>,
}

/// Options of `kvitto did deactivate`.
#[derive(Args, Debug)]
pub struct DeactivateArgs {
    /// Whose: the own one, or that of an organisation sponsored.
    pub did: Did,
}

#[derive(Serialize)]
struct IdentifierReport {
    did: Did,
    legal_name: String,
    legal_identifier: Option<String>,
    country: String,
    sponsor: Did,
    deactivated: bool,
    as_of_height: u64,
    as_of: String,
    document: DidDocument,
}

#[derive(Serialize)]
struct ChangedReport {
    did: Did,
    #[serde(skip)]
    what: &'static str,
    #[serde(flatten)]
    recorded: Recorded,
}

pub(crate) async fn run(command: &DidCommand, context: &mut Context<'_>) -> Result<Exit, Failure> {
    match command {
        DidCommand::Show(args) => show(args, context).await,
        DidCommand::Put(args) => put(args, context).await,
        DidCommand::Deactivate(args) => {
            let (key, client) = (context.key()?, context.client()?);
            let statement = context.organisation(&key, client.trust().ledger_id()).deactivate(args.did)?;
            let recorded = record(&client, &statement).await?;
            context.output.result(&ChangedReport { did: args.did, what: "Deactivated", recorded })?;
            Ok(Exit::Ok)
        }
    }
}

async fn show(args: &ShowArgs, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let did = match args.did {
        Some(did) => did,
        None => context.key()?.did(),
    };
    let found = context.client()?.identifier(&did, args.at.map_or(Moment::Newest, Moment::Time)).await?;
    let Identifier { legal_name, legal_identifier, country, sponsor, deactivated, .. } = found.value.clone();
    context.output.result(&IdentifierReport {
        did,
        legal_name,
        legal_identifier: legal_identifier.map(|legal| format!("{} {}", legal.scheme, legal.value)),
        country,
        sponsor,
        deactivated,
        as_of_height: found.as_of.height.0,
        as_of: time_text(found.as_of.time),
        document: DidDocument::of(did, &found.value.methods, &found.value.services),
    })?;
    Ok(Exit::Ok)
}

async fn put(args: &PutArgs, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let (key, client) = (context.key()?, context.client()?);
    let document = match (&args.document, args.add_key) {
        (Some(path), _) => read_document(path, key.did())?,
        (None, added) => {
            let mut present = client.identifier(&key.did(), Moment::Newest).await?.value;
            present.methods.extend(added.map(VerificationMethod::ledger_key));
            PutIdentifier { methods: present.methods, services: present.services }
        }
    };
    let statement = context.organisation(&key, client.trust().ledger_id()).put_identifier(document)?;
    let recorded = record(&client, &statement).await?;
    context.output.result(&ChangedReport { did: key.did(), what: "Changed the document of", recorded })?;
    Ok(Exit::Ok)
}

fn read_document(path: &Path, did: Did) -> Result<PutIdentifier, Failure> {
    let failure = |detail: String| {
        let message = format!("{} cannot be put on the ledger: {detail}", path.display());
        let next = "start from what kvitto did show --json prints under `document`";
        Failure::new(Exit::Input, "DOCUMENT_MALFORMED", message, next)
    };
    let bytes = input_file::read(path, FILE_BYTES_MAX)?;
    let document: DidDocument = serde_json::from_slice(&bytes).map_err(|error| failure(error.to_string()))?;
    let (methods, services) = document.open(did).map_err(|error| failure(error.to_string()))?;
    Ok(PutIdentifier { methods, services })
}

impl Report for IdentifierReport {
    fn write_words(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{} ({})", self.legal_name, self.country)?;
        writeln!(out, "  identifier  {}{}", self.did, if self.deactivated { " (deactivated)" } else { "" })?;
        if let Some(legal) = &self.legal_identifier {
            writeln!(out, "  registered  {legal}")?;
        }
        writeln!(out, "  sponsor     {}", self.sponsor)?;
        for (key, uses) in self.document.keys() {
            writeln!(out, "  key         {key}: {}", uses.join(", "))?;
        }
        for service in self.document.services() {
            writeln!(out, "  service     {service}")?;
        }
        writeln!(out, "As of block {} of {}, proved by the ledger's members.", self.as_of_height, self.as_of)
    }
}

impl Report for ChangedReport {
    fn write_words(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{} {}.", self.what, self.did)?;
        self.recorded.write_line(out)
    }
}
