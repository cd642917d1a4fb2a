//! `kvitto verify`: checks a receipt, with its credential, from files alone.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use kvitto_ledger::TimeMs;
use kvitto_verifier::verdict::Concern;
use kvitto_verifier::{Overall, Question, Refusal, Verdict, verify};
use serde::Serialize;

use crate::bundle::ReceiptOrBundle;
use crate::context::{Context, parse_duration_s, parse_time};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::input_file::{self, CREDENTIAL_BYTES_MAX};
use crate::output::Report;

/// Options of `kvitto verify`.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// A receipt, or a bundle of a credential and its receipt.
    #[arg(value_name = "RECEIPT|BUNDLE")]
    pub file: PathBuf,
    /// The credential that the receipt is said to be for; not needed with a bundle.
    #[arg(long, value_name = "FILE")]
    pub credential: Option<PathBuf>,
    /// Take the credential under this member of a wrapper, instead of the whole file.
    #[arg(long, value_name = "MEMBER")]
    pub unwrap: Option<String>,
    /// The time it is, instead of this machine's clock.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub at: Option<TimeMs>,
    /// Answer for this earlier time, which the receipt must cover (kvitto receipt --at fetches such a one).
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub as_of: Option<TimeMs>,
    /// How old the ledger's checkpoint in the receipt may be, e.g. 24h.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration_s, default_value = "24h")]
    pub max_age: u64,
}

/// What `kvitto verify` answers.
#[derive(Serialize)]
struct VerifyReport {
    overall: Overall,
    exit: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Box<Verdict>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Refusal>,
    /// What to do next, where there is something to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'static str>,
}

pub(crate) fn run(args: &VerifyArgs, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let trust = context.trust()?;
    let given = ReceiptOrBundle::read(&args.file)?;
    let credential = match (&args.credential, &given) {
        (Some(path), _) => Some(input_file::read(path, CREDENTIAL_BYTES_MAX)?),
        (None, ReceiptOrBundle::Bundle(bundle)) => Some(bundle.credential.clone()),
        (None, ReceiptOrBundle::Receipt(_)) => None,
    };
    let unwrap_in_bundle = match &given {
        ReceiptOrBundle::Bundle(bundle) if args.credential.is_none() => bundle.unwrap.clone(),
        _ => None,
    };
    let question = Question {
        as_of_s: args.as_of.map(TimeMs::seconds),
        unwrap: args.unwrap.clone().or(unwrap_in_bundle),
        ..Question::now(args.at.unwrap_or(context.now()).seconds(), args.max_age)
    };
    let answer = verify(given.receipt(), credential.as_deref(), &trust, &question);
    let exit = exit_of(&answer);
    context.output.result(&VerifyReport::of(answer, exit))?;
    Ok(exit)
}

/// The exit code of an answer.
pub fn exit_of(answer: &Result<Verdict, Refusal>) -> Exit {
    let overall = match answer {
        Ok(verdict) if verdict.concerns == [Concern::TooOld] => return Exit::TooOld,
        Ok(verdict) => verdict.overall,
        Err(Refusal::TrustFileOutOfDate) => return Exit::TrustOutOfDate,
        Err(refusal) => refusal.overall(),
    };
    match overall {
        Overall::InOrder => Exit::Ok,
        Overall::NotInOrder => Exit::NotInOrder,
        Overall::CannotTell => Exit::CannotTell,
    }
}

impl VerifyReport {
    fn of(answer: Result<Verdict, Refusal>, exit: Exit) -> Self {
        let next = match &answer {
            Ok(verdict) => next_after_verdict(verdict),
            Err(refusal) => Some(next_after_refusal(refusal)),
        };
        let (overall, verdict, refusal) = match answer {
            Ok(verdict) => (verdict.overall, Some(Box::new(verdict)), None),
            Err(refusal) => (refusal.overall(), None, Some(refusal)),
        };
        Self { overall, exit: exit.code(), verdict, refusal, next }
    }
}

fn next_after_verdict(verdict: &Verdict) -> Option<&'static str> {
    verdict.concerns.iter().find_map(|concern| match concern {
        Concern::TooOld => {
            Some("ask the ledger for the newest state: kvitto receipt --renew FILE --node URL")
        }
        Concern::NoCredential => Some("name the credential: --credential FILE"),
        Concern::NoOpening => Some("ask the issuer or the holder for the receipt with its opening"),
        _ => None,
    })
}

fn next_after_refusal(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::TrustFileOutOfDate => {
            "get the newest trust file from where the consortium publishes it, or check that it is of the same ledger"
        }
        Refusal::SignedByRetiredKeys => {
            "confirm it with the ledger: kvitto receipt --renew FILE --node URL, with the newest trust file"
        }
        Refusal::OtherLedger { .. } => "use the trust file of the ledger that the receipt is from",
        Refusal::FromTheFuture => "set this machine's clock, then run the command again",
        Refusal::TimeNotCovered => "fetch a receipt for that time: kvitto receipt --at TIME --node URL",
        Refusal::CredentialUnreadable(_) => {
            "check that this is the credential's file, or use --unwrap MEMBER"
        }
        Refusal::CommitmentDiffers => "check that credential and receipt belong together, both unchanged",
        _ => "do not rely on this receipt; ask the issuer for another one",
    }
}

impl Report for VerifyReport {
    fn write_words(&self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(verdict) = &self.verdict {
            writeln!(out, "{}", verdict.to_string().trim_end())?;
        }
        if let Some(refusal) = &self.refusal {
            let word = match self.overall {
                Overall::InOrder => "IN ORDER",
                Overall::NotInOrder => "NOT IN ORDER",
                Overall::CannotTell => "CANNOT TELL",
            };
            writeln!(out, "{word}: {refusal}.")?;
        }
        match self.next {
            Some(next) => writeln!(out, "What to do: {next}"),
            None => Ok(()),
        }
    }
}
