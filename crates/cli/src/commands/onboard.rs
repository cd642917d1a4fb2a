//! `kvitto onboard`: registers an organisation, in two steps between two organisations, or in one where both keys are at hand.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use kvitto_client::{ClientError, Moment};
use kvitto_ledger::state::Identifier;
use kvitto_ledger::statement::LegalIdentifier;
use kvitto_ledger::{AccreditationId, Did};
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::keyfile::KeyFile;
use crate::onboard_request::{Names, OnboardRequest, RequestIdentifier};
use crate::online::{Recorded, record};
use crate::output::Report;
use crate::private_file;

/// `kvitto onboard`.
#[derive(Debug, Subcommand)]
pub enum OnboardCommand {
    /// The organisation's step: write a signed request for its sponsor (needs --key and --trust, no node).
    Request(RequestArgs),
    /// The sponsor's step: check a request and register the organisation.
    Accept(AcceptArgs),
    /// Both steps at once, where the sponsor holds the organisation's key file too.
    Direct(DirectArgs),
}

/// Who the organisation is.
#[derive(Args, Debug)]
pub struct NamesArgs {
    /// Legal name, as in the official register.
    #[arg(long, value_name = "NAME")]
    pub legal_name: String,
    /// Official identifier, as SCHEME:VALUE, e.g. VATRegistration:SE556000000001.
    #[arg(long, value_name = "SCHEME:VALUE", value_parser = parse_identifier)]
    pub legal_id: RequestIdentifier,
    /// Country, as two letters (ISO 3166-1).
    #[arg(long, value_name = "CC")]
    pub country: String,
}

/// Options of `kvitto onboard request`.
#[derive(Args, Debug)]
pub struct RequestArgs {
    /// Who the organisation is.
    #[command(flatten)]
    pub names: NamesArgs,
    /// The sponsor's identifier.
    #[arg(long, value_name = "DID")]
    pub sponsor: Did,
    /// The sponsor's accreditation, which the sponsor names.
    #[arg(long, value_name = "ID")]
    pub sponsor_accreditation: AccreditationId,
    /// The file to write.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
}

/// Options of `kvitto onboard accept`.
#[derive(Args, Debug)]
pub struct AcceptArgs {
    /// The organisation's request.
    pub request: PathBuf,
}

/// Options of `kvitto onboard direct`.
#[derive(Args, Debug)]
pub struct DirectArgs {
    /// The organisation's key file; --key is the sponsor's.
    #[arg(long, value_name = "FILE")]
    pub subject_key: PathBuf,
    /// Who the organisation is.
    #[command(flatten)]
    pub names: NamesArgs,
    /// The sponsor's accreditation.
    #[arg(long, value_name = "ID")]
    pub sponsor_accreditation: AccreditationId,
}

#[derive(Serialize)]
struct RequestReport {
    file: String,
    subject: Did,
}

#[derive(Serialize)]
struct OnboardReport {
    subject: Did,
    legal_name: String,
    legal_identifier: RequestIdentifier,
    country: String,
    /// What it was called before, where this corrects it.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<NamesBefore>,
    #[serde(flatten)]
    recorded: Recorded,
}

#[derive(Serialize)]
struct NamesBefore {
    legal_name: String,
    legal_identifier: Option<RequestIdentifier>,
    country: String,
}

pub(crate) async fn run(command: &OnboardCommand, context: &mut Context<'_>) -> Result<Exit, Failure> {
    match command {
        OnboardCommand::Request(args) => request(args, context),
        OnboardCommand::Accept(args) => {
            let ledger_id = context.trust()?.ledger_id();
            let request = OnboardRequest::read(&args.request, &ledger_id)?;
            request.check_sponsor(context.key()?.did())?;
            onboard(&request, context).await
        }
        OnboardCommand::Direct(args) => {
            let ledger_id = context.trust()?.ledger_id();
            let (subject, sponsor) = (KeyFile::read(&args.subject_key)?, context.key()?.did());
            let (names, accreditation) = (args.names.names(), args.sponsor_accreditation);
            let request = OnboardRequest::new(&subject, names, sponsor, accreditation, ledger_id);
            onboard(&request, context).await
        }
    }
}

fn request(args: &RequestArgs, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let (key, ledger_id) = (context.key()?, context.trust()?.ledger_id());
    let (names, accreditation) = (args.names.names(), args.sponsor_accreditation);
    let request = OnboardRequest::new(&key, names, args.sponsor, accreditation, ledger_id);
    private_file::create(&args.output, request.to_json().as_bytes())
        .map_err(|error| Failure::unwritable(&args.output, &error))?;
    let report = RequestReport { file: args.output.display().to_string(), subject: key.did() };
    context.output.result(&report)?;
    Ok(Exit::Ok)
}

async fn onboard(request: &OnboardRequest, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let (key, client) = (context.key()?, context.client()?);
    let before = match client.identifier(&request.subject, Moment::Newest).await {
        Ok(known) => Some(NamesBefore::of(known.value)),
        Err(ClientError::NotFound { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let statement = context.organisation(&key, request.ledger_id).sign(request.onboard())?;
    let recorded = record(&client, &statement).await?;
    context.output.result(&OnboardReport {
        subject: request.subject,
        legal_name: request.legal_name.clone(),
        legal_identifier: request.legal_identifier.clone(),
        country: request.country.clone(),
        before,
        recorded,
    })?;
    Ok(Exit::Ok)
}

impl NamesBefore {
    fn of(known: Identifier) -> Self {
        let identifier = |LegalIdentifier { scheme, value }| RequestIdentifier { scheme, value };
        Self {
            legal_name: known.legal_name,
            legal_identifier: known.legal_identifier.map(identifier),
            country: known.country,
        }
    }
}

impl NamesArgs {
    fn names(&self) -> Names {
        Names {
            legal_name: self.legal_name.clone(),
            legal_identifier: self.legal_id.clone(),
            country: self.country.clone(),
        }
    }
}

fn parse_identifier(text: &str) -> Result<RequestIdentifier, String> {
    match text.split_once(':') {
        Some((scheme, value)) if !scheme.is_empty() && !value.is_empty() => {
            Ok(RequestIdentifier { scheme: scheme.to_owned(), value: value.to_owned() })
        }
        _ => Err("expected SCHEME:VALUE, e.g. VATRegistration:SE556000000001".to_owned()),
    }
}

impl Report for RequestReport {
    fn write_words(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Request of {} written to {}.", self.subject, self.file)?;
        writeln!(
            out,
            "It holds no secret. Give it to the sponsor, who checks your names by other means and runs:"
        )?;
        writeln!(out, "  kvitto onboard accept {}", self.file)
    }
}

impl Report for OnboardReport {
    fn write_words(&self, out: &mut dyn Write) -> io::Result<()> {
        let what = if self.before.is_some() { "Corrected" } else { "Registered" };
        writeln!(out, "{what} {} ({}) as {}.", self.legal_name, self.country, self.subject)?;
        writeln!(out, "  {} {}", self.legal_identifier.scheme, self.legal_identifier.value)?;
        if let Some(NamesBefore { legal_name, legal_identifier, country }) = &self.before {
            let identifier = legal_identifier.as_ref().map(|of| format!(", {} {}", of.scheme, of.value));
            writeln!(out, "  before: {legal_name} ({country}){}", identifier.unwrap_or_default())?;
        }
        self.recorded.write_line(out)
    }
}
