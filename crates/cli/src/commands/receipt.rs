//! `kvitto receipt`: fetches receipts, renews them under the newest checkpoint, or proves what was true at an earlier time.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use kvitto_client::{CredentialName, Moment, ProvenReceipt};
use kvitto_ledger::{Position, TimeMs};
use kvitto_verifier::Receipt;
use serde::Serialize;

use crate::bundle::Bundle;
use crate::commands::change::{open_register, status_name_of};
use crate::commands::status::words_of;
use crate::context::{Context, parse_time};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::keyfile::KeyFile;
use crate::ledger::ask_each;
use crate::output::Report;
use crate::private_file;
use crate::receipt_file::ReceiptPlace;
use crate::selection::{Candidate, Selected, SelectionArgs, Selector, Source};
use crate::words::{seconds_text, time_text};

/// So many credentials are asked about at once: their receipts are held in memory.
const GROUP: usize = 128;

/// Options of `kvitto receipt`.
#[derive(Args, Debug)]
pub struct ReceiptArgs {
    /// Which credentials.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Replace the receipts or bundles that were named by newer ones.
    #[arg(long, conflicts_with = "at")]
    pub renew: bool,
    /// Prove what was true at this earlier time.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub at: Option<TimeMs>,
    /// Write receipts into this directory, instead of beside the files.
    #[arg(long, value_name = "DIR", conflicts_with = "renew")]
    pub out: Option<PathBuf>,
}

#[derive(Serialize)]
struct ReceiptReport {
    receipts: Vec<ReceiptRow>,
    missing: Vec<String>,
}

#[derive(Serialize)]
struct ReceiptRow {
    credential: String,
    file: String,
    position: Position,
    status: &'static str,
    fresh: String,
    /// With `--at`: the time that `status` is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<String>,
    #[serde(skip)]
    words: &'static str,
}

pub(crate) async fn run(args: &ReceiptArgs, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let client = context.client()?;
    let key = context.global.key.as_deref().map(KeyFile::read).transpose()?;
    let register = match &key {
        Some(key) => open_register(args.selection.register.as_ref(), key, &client)?,
        None => None,
    };
    let selector = Selector {
        issuer: key.as_ref().map(KeyFile::did),
        salt_key: key.as_ref().and_then(KeyFile::salt_key),
        register: register.as_ref(),
        reading: &args.selection.reading,
    };
    let selected = args.selection.select(&selector)?;
    check_renewal(args, &selected)?;

    let at = args.at.map_or(Moment::Newest, Moment::Time);
    let mut writer = Writer { args, place: ReceiptPlace::new(args.out.clone()) };
    let mut report = ReceiptReport { receipts: Vec::new(), missing: Vec::new() };
    let bar = context.output.progress(selected.len() as u64, "receipts");
    for group in selected.chunks(GROUP) {
        let names: Vec<CredentialName> =
            group.iter().flat_map(|selected| &selected.candidates).map(Candidate::name).collect();
        let mut answers = Vec::with_capacity(names.len());
        let keep = |_, proven| {
            answers.push(proven);
            Ok(())
        };
        ask_each(&client, &names, at, keep).await?;
        let mut answers = answers.into_iter();
        for selected in group {
            let answers = answers.by_ref().take(selected.candidates.len());
            writer.write_all(selected, answers, &mut report)?;
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let exit = if report.missing.is_empty() { Exit::Ok } else { Exit::NotFound };
    context.output.result(&report)?;
    Ok(exit)
}

/// A receipt that was named is overwritten only when that was asked for.
fn check_renewal(args: &ReceiptArgs, selected: &[Selected]) -> Result<(), Failure> {
    let is_file = |selected: &&Selected| matches!(selected.source, Source::Receipt(_) | Source::Bundle(..));
    let elsewhere = args.renew || args.at.is_some() || args.out.is_some();
    match selected.iter().find(is_file) {
        Some(receipt) if !elsewhere => {
            let message = format!("{} is a receipt already", receipt.label);
            Err(Failure::usage("RECEIPT_EXISTS", message, "use --renew to replace it, --at, or --out DIR"))
        }
        _ => Ok(()),
    }
}

/// Where receipts are written.
struct Writer<'a> {
    args: &'a ReceiptArgs,
    place: ReceiptPlace,
}

impl Writer<'_> {
    /// Writes the receipt of everything that was found for one credential.
    fn write_all(
        &mut self,
        selected: &Selected,
        answers: impl Iterator<Item = Option<ProvenReceipt>>,
        report: &mut ReceiptReport,
    ) -> Result<(), Failure> {
        let candidates = selected.candidates.iter().zip(answers);
        let found: Vec<(&Candidate, ProvenReceipt)> =
            candidates.filter_map(|(candidate, answer)| Some((candidate, answer?))).collect();
        if found.is_empty() {
            report.missing.push(selected.label.clone());
        }
        let several = found.len() > 1;
        for (candidate, proven) in found {
            report.receipts.push(self.write(selected, candidate, proven, several)?);
        }
        Ok(())
    }

    fn write(
        &mut self,
        selected: &Selected,
        candidate: &Candidate,
        proven: ProvenReceipt,
        several: bool,
    ) -> Result<ReceiptRow, Failure> {
        let (position, status) = (proven.position(), proven.status());
        let fresh = seconds_text(proven.verdict.checkpoint.fresh_at_s);
        let as_of = self.args.at.map(time_text);
        let receipt = Receipt { opening: candidate.opening.clone(), ..proven.receipt };
        let file = match &selected.source {
            Source::Receipt(path) if self.args.renew => {
                self.place.write(path, &receipt)?;
                path.clone()
            }
            Source::Bundle(path, bundle) if self.args.renew => {
                let bundle = Bundle { receipt, ..(**bundle).clone() };
                private_file::replace(path, bundle.to_json().as_bytes())
                    .map_err(|error| Failure::unwritable(path, &error))?;
                path.clone()
            }
            _ => {
                let path =
                    self.place.path_for(&self.named(selected, position, several), &candidate.commitment);
                self.place.write(&path, &receipt)?;
                path
            }
        };
        let (file, credential) = (file.display().to_string(), selected.label.clone());
        Ok(ReceiptRow {
            credential,
            file,
            position,
            status: status_name_of(status),
            fresh,
            as_of,
            words: words_of(status),
        })
    }

    /// The file that the receipt's name is made from: with the time, where it is about one, and the position, where there
    /// are several.
    fn named(&self, selected: &Selected, position: Position, several: bool) -> PathBuf {
        let path = match &selected.source {
            Source::Credential(path) | Source::Receipt(path) | Source::Bundle(path, _) => path.clone(),
            Source::Reference => PathBuf::from(format!("{}.json", file_name_of(&selected.label))),
        };
        let mut name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(at) = self.args.at {
            let is_plain = |c: &char| c.is_ascii_alphanumeric();
            name = format!("{name}.{}", time_text(at).chars().filter(is_plain).collect::<String>());
        }
        if several {
            name = format!("{name}.position-{position}");
        }
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        path.parent().unwrap_or(Path::new("")).join(format!("{name}.{extension}"))
    }
}

/// A reference as a file's name: letters, digits, `-`, `_` and `.` stay.
fn file_name_of(reference: &str) -> String {
    let tame = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    reference.chars().map(tame).collect::<String>().trim_start_matches('.').to_owned()
}

impl Report for ReceiptReport {
    fn write_words(&self, out: &mut dyn Write) -> io::Result<()> {
        for row in &self.receipts {
            match &row.as_of {
                None => writeln!(out, "{}: {} (as of {})", row.file, row.words, row.fresh)?,
                Some(then) => writeln!(out, "{}: at {then}: {}", row.file, row.words)?,
            }
        }
        for label in &self.missing {
            writeln!(out, "{label}: not anchored, as far as the node knows (that cannot be proved)")?;
        }
        Ok(())
    }
}
