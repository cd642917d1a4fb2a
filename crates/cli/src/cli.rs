//! The command line: what can be typed, and which command it leads to.

use std::ffi::OsString;
use std::io::Write;

use clap::{Parser, Subcommand};
use kvitto_client::{Clock, system_clock};

use crate::commands::{accredit, accreditation, anchor, bundle, change, did, digest, key, load, onboard};
use crate::commands::{audit, evidence, receipt, status, trust, verify};
use crate::context::{Context, Global};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// Anchors micro-credentials on a Kvitto ledger, changes their status, and checks receipts.
#[derive(Debug, Parser)]
#[command(name = "kvitto", version, propagate_version = true, disable_help_subcommand = true)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check a receipt, with its credential, without any network.
    Verify(verify::VerifyArgs),
    /// Ask the ledger for a credential's status, with proof.
    Status(status::StatusArgs),
    /// Fetch receipts, renew them, or prove what was true at an earlier time.
    Receipt(receipt::ReceiptArgs),
    /// Put a credential and its receipt into one file for the holder.
    Bundle(bundle::BundleArgs),
    /// Anchor credentials, keeping the issuer's register.
    Anchor(anchor::AnchorArgs),
    /// Revoke credentials, for good.
    Revoke(change::ChangeArgs),
    /// Suspend credentials, until they are reinstated.
    Suspend(change::ChangeArgs),
    /// Reinstate suspended credentials.
    Reinstate(change::ChangeArgs),
    /// Say that another anchored credential takes a credential's place.
    Supersede(change::SupersedeArgs),
    /// Show the digest that would be anchored, and what the credential says about itself.
    Digest(digest::DigestArgs),
    /// Make or show a key file.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Register an organisation.
    #[command(subcommand)]
    Onboard(onboard::OnboardCommand),
    /// Show, change or deactivate an organisation's DID document.
    #[command(subcommand)]
    Did(did::DidCommand),
    /// Accredit an organisation.
    Accredit(accredit::AccreditArgs),
    /// List, suspend, reinstate or withdraw accreditations.
    #[command(subcommand)]
    Accreditation(accreditation::AccreditationCommand),
    /// Fetch or show the trust file: which ledger, and who its members are.
    #[command(subcommand)]
    Trust(trust::TrustCommand),
    /// Read a node's whole log, and compute again everything that its members signed.
    Audit(audit::AuditArgs),
    /// List, fetch and check evidence that members contradicted themselves.
    #[command(subcommand)]
    Evidence(evidence::EvidenceCommand),
    /// Measure a ledger under load, beside what this machine can do at all.
    Load(load::LoadArgs),
}

impl Cli {
    /// Reads a command line. What is wrong with it goes to `err`, as one JSON object where `--json` is in it; help that it asks for
    /// is printed.
    ///
    /// # Errors
    /// How the process ends.
    pub fn read(words: impl IntoIterator<Item = OsString>, err: &mut dyn Write) -> Result<Self, Exit> {
        let words: Vec<OsString> = words.into_iter().collect();
        let error = match Self::try_parse_from(&words) {
            Ok(cli) => return Ok(cli),
            Err(error) => error,
        };
        if !error.use_stderr() || !words.iter().any(|word| word == "--json") {
            // Nobody is left to tell.
            let _ = error.print();
            return Err(if error.use_stderr() { Exit::Usage } else { Exit::Ok });
        }
        let text = error.to_string();
        let message = text.trim_start_matches("error: ").split("\n\n").next().unwrap_or_default();
        let failure = Failure::usage("COMMAND_LINE", message, "see what can be typed: kvitto COMMAND --help");
        let _ = failure.print(true, err);
        Err(failure.exit)
    }
}

/// Runs a command; prints its result or its failure, and says how the process ends.
pub async fn run(cli: &Cli, output: &mut Output) -> Exit {
    run_at(cli, output, system_clock()).await
}

/// As [`run`], by another clock.
pub async fn run_at(cli: &Cli, output: &mut Output, clock: Clock) -> Exit {
    let mut context = Context { global: &cli.global, output, clock };
    match dispatch(&cli.command, &mut context).await {
        Ok(exit) => exit,
        Err(failure) => {
            output.failure(&failure);
            failure.exit
        }
    }
}

async fn dispatch(command: &Command, context: &mut Context<'_>) -> Result<Exit, Failure> {
    match command {
        Command::Verify(args) => verify::run(args, context),
        Command::Status(args) => status::run(args, context).await,
        Command::Receipt(args) => receipt::run(args, context).await,
        Command::Bundle(args) => bundle::run(args, context),
        Command::Anchor(args) => anchor::run(args, context).await,
        Command::Revoke(args) => change::run(change::Change::Revoke, args, context).await,
        Command::Suspend(args) => change::run(change::Change::Suspend, args, context).await,
        Command::Reinstate(args) => change::run(change::Change::Reinstate, args, context).await,
        Command::Supersede(args) => change::run_supersede(args, context).await,
        Command::Digest(args) => digest::run(args, context),
        Command::Key(command) => key::run(command, context),
        Command::Onboard(command) => onboard::run(command, context).await,
        Command::Did(command) => did::run(command, context).await,
        Command::Accredit(args) => accredit::run(args, context).await,
        Command::Accreditation(command) => accreditation::run(command, context).await,
        Command::Trust(command) => trust::run(command, context).await,
        Command::Audit(args) => audit::run(args, context).await,
        Command::Evidence(command) => evidence::run(command, context).await,
        Command::Load(args) => load::run(args, context).await,
    }
}
