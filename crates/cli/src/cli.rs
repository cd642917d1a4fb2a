//! The command line: what can be typed, and which command it leads to.

use clap::{Parser, Subcommand};

use crate::commands::{bundle, digest, key, trust, verify};
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
    /// Put a credential and its receipt into one file for the holder.
    Bundle(bundle::BundleArgs),
    /// Show the digest that would be anchored, and what the credential says about itself.
    Digest(digest::DigestArgs),
    /// Make or show a key file.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Fetch or show the trust file: which ledger, and who its members are.
    #[command(subcommand)]
    Trust(trust::TrustCommand),
}

/// Runs a command; prints its result or its failure, and says how the process ends.
pub async fn run(cli: &Cli, output: &mut Output) -> Exit {
    let mut context = Context { global: &cli.global, output };
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
        Command::Bundle(args) => bundle::run(args, context),
        Command::Digest(args) => digest::run(args, context),
        Command::Key(command) => key::run(command, context),
        Command::Trust(command) => trust::run(command, context).await,
    }
}
