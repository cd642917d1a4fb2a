//! `kvitto`: the command line of issuers, accreditors, verifiers and auditors. `COMMANDS.md` is the reference.
//!
//! ```text
//!  main ─► Cli (clap) ─► run ─► commands::* ─┬─► files: credentials, receipts, bundles, key and trust files
//!                         │                  ├─► register: the issuer's, fsynced before anything is sent
//!                         ▼                  └─► kvitto-client ─► nodes        kvitto-verifier (no network)
//!               Exit, Report, Failure ─► words or --json
//! ```
//!
//! Everything can be called from other programs: [`run`] takes a parsed command line and an [`Output`], and ends neither the
//! process nor a test.

pub mod cli;

pub mod commands;

pub mod context;
pub mod exit;
pub mod failure;
pub mod output;
pub mod words;

pub mod bundle;
pub mod credentials;
pub mod input_file;
pub mod receipt_file;
pub mod selection;

pub mod anchoring;
pub mod keyfile;
pub mod private_file;
pub mod register;

pub mod did_document;
pub mod ledger;
pub mod onboard_request;
pub mod online;
pub mod refusals;

pub use cli::{Cli, run, run_at};
pub use exit::Exit;
pub use failure::Failure;
pub use keyfile::KeyFile;
pub use output::{Collected, Output, Report};
