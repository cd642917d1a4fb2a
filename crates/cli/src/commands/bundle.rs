//! `kvitto bundle`: puts a credential and its receipt into one file for the holder. Needs no network.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use kvitto_ledger::Commitment;
use kvitto_ledger::commitment::{DigestTarget, Opening};
use kvitto_ledger::credential::{Credential, ReadOptions};
use kvitto_verifier::Receipt;
use serde::Serialize;

use crate::bundle::Bundle;
use crate::context::Context;
use crate::credentials::credential_failure;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::input_file::{self, CREDENTIAL_BYTES_MAX};
use crate::output::Report;
use crate::{private_file, receipt_file};

/// Options of `kvitto bundle`.
#[derive(Args, Debug)]
pub struct BundleArgs {
    /// The credential.
    pub credential: PathBuf,
    /// Its receipt.
    pub receipt: PathBuf,
    /// The file to write.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Take the credential under this member of a wrapper, instead of the whole file.
    #[arg(long, value_name = "MEMBER")]
    pub unwrap: Option<String>,
}

#[derive(Serialize)]
struct BundleReport {
    file: String,
    commitment: Commitment,
}

pub(crate) fn run(args: &BundleArgs, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let bytes = input_file::read(&args.credential, CREDENTIAL_BYTES_MAX)?;
    let receipt = receipt_file::read(&args.receipt)?;
    let commitment = check_belongs(args, &bytes, &receipt)?;
    let name = args.credential.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bundle = Bundle { name, unwrap: args.unwrap.clone(), credential: bytes, receipt };
    private_file::create(&args.output, bundle.to_json().as_bytes())
        .map_err(|error| Failure::unwritable(&args.output, &error))?;
    context.output.result(&BundleReport { file: args.output.display().to_string(), commitment })?;
    Ok(Exit::Ok)
}

/// The commitment that the credential and the receipt's opening give, which must be the anchored one.
fn check_belongs(args: &BundleArgs, credential: &[u8], receipt: &Receipt) -> Result<Commitment, Failure> {
    let Some(opening) = &receipt.opening else {
        let message = format!("{} has no opening: it is not for a credential", args.receipt.display());
        let next = "use the receipt that the issuer's kvitto anchor or kvitto receipt wrote";
        return Err(Failure::new(Exit::Input, "NO_OPENING", message, next));
    };
    let options = ReadOptions {
        unwrap: args.unwrap.clone(),
        opaque: opening.target == DigestTarget::Bytes,
        ..ReadOptions::default()
    };
    let refusal = |error| credential_failure(&args.credential, &error);
    let read = Credential::read(credential, &options).map_err(refusal)?;
    let digest = read.digest(opening.algorithm, opening.target).map_err(refusal)?;
    let salt = opening.salt.clone();
    let opening = Opening { algorithm: opening.algorithm, target: opening.target, salt, digest };
    let commitment = opening.commitment();
    if receipt_file::commitment_of(receipt) == Some(commitment) {
        return Ok(commitment);
    }
    let message = format!("{} is not the receipt of {}", args.receipt.display(), args.credential.display());
    Err(Failure::new(
        Exit::Input,
        "COMMITMENT_DIFFERS",
        message,
        "check that the two belong together, both unchanged; a credential in a wrapper needs --unwrap",
    ))
}

impl Report for BundleReport {
    fn write_words(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Written to {}.", self.file)?;
        writeln!(out, "It holds the credential and what opens its commitment: give it to the holder only.")?;
        writeln!(out, "The holder checks it with: kvitto verify {} --trust FILE", self.file)
    }
}
