//! `kvitto status`: asks the ledger what has become of credentials; every answer was verified.

use std::io::{self, Write};

use clap::Args;
use kvitto_client::{CredentialName, Moment, ProvenReceipt};
use kvitto_ledger::{Did, Height, Position, TimeMs};
use kvitto_verifier::verdict::{AsOfFinding, Status};
use serde::Serialize;

use crate::commands::change::{open_register, status_name_of};
use crate::context::{Context, parse_time};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::keyfile::KeyFile;
use crate::ledger::ask_each;
use crate::output::Report;
use crate::selection::{SelectionArgs, Selector};
use crate::words::{duration_text, seconds_text, status_named, status_words};

/// Options of `kvitto status`.
#[derive(Args, Debug)]
pub struct StatusArgs {
    /// Which credentials.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// A credential by its position; may be repeated.
    #[arg(long = "position", value_name = "NUMBER")]
    pub positions: Vec<Position>,
    /// As of this time.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub at: Option<TimeMs>,
}

#[derive(Serialize)]
struct StatusReport {
    credentials: Vec<StatusRow>,
}

#[derive(Serialize)]
struct StatusRow {
    credential: String,
    /// What the ledger has for it; usually one.
    anchors: Vec<AnchorStatus>,
}

#[derive(Serialize)]
struct AnchorStatus {
    position: Position,
    status: &'static str,
    credential_type: String,
    anchored_by: String,
    anchored_by_did: Did,
    anchored: String,
    accredited_now: bool,
    checkpoint_height: u64,
    fresh: String,
    age_s: u64,
    signed_by: usize,
    members: usize,
    /// With `--at`: the block that `status` is as of. Everything else is as of the checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<AsOf>,
}

/// What a receipt says about an earlier time.
#[derive(Serialize)]
struct AsOf {
    /// The time that was asked about.
    time: String,
    height: Height,
    /// Time of the block, and of the next one: until then nothing changed.
    from: String,
    until: String,
    /// `null` where it cannot be told.
    accredited: Option<bool>,
}

pub(crate) async fn run(args: &StatusArgs, context: &mut Context<'_>) -> Result<Exit, Failure> {
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
    let mut questions: Vec<(String, Vec<CredentialName>)> = Vec::new();
    if args.positions.is_empty() || args.selection.names_any() {
        for selected in args.selection.select(&selector)? {
            let names = selected.candidates.iter().map(|candidate| candidate.name()).collect();
            questions.push((selected.label, names));
        }
    }
    let by_position = |position: &Position| (position.to_string(), vec![CredentialName::Position(*position)]);
    questions.extend(args.positions.iter().map(by_position));

    let names: Vec<CredentialName> = questions.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    let bar = context.output.progress(names.len() as u64, "asking");
    let at = args.at.map_or(Moment::Newest, Moment::Time);
    let mut answers: Vec<Option<AnchorStatus>> = Vec::with_capacity(names.len());
    let keep = |_, proven: Option<ProvenReceipt>| {
        bar.inc(1);
        answers.push(proven.as_ref().map(AnchorStatus::of));
        Ok(())
    };
    ask_each(&client, &names, at, keep).await?;
    bar.finish_and_clear();
    let mut answers = answers.into_iter();
    let row = |(credential, names): (String, Vec<CredentialName>)| StatusRow {
        credential,
        anchors: answers.by_ref().take(names.len()).flatten().collect(),
    };
    let report = StatusReport { credentials: questions.into_iter().map(row).collect() };
    let is_missing = report.credentials.iter().any(|row| row.anchors.is_empty());
    context.output.result(&report)?;
    Ok(if is_missing { Exit::NotFound } else { Exit::Ok })
}

impl AnchorStatus {
    fn of(proven: &ProvenReceipt) -> Self {
        let verdict = &proven.verdict;
        Self {
            position: proven.position(),
            status: status_name_of(proven.status()),
            credential_type: verdict.anchored.credential_type.clone(),
            anchored_by: verdict.anchored.by.legal_name.clone(),
            anchored_by_did: verdict.anchored.by.did,
            anchored: seconds_text(verdict.anchored.at_s),
            accredited_now: verdict.accredited.now,
            checkpoint_height: verdict.checkpoint.height.0,
            fresh: seconds_text(verdict.checkpoint.fresh_at_s),
            age_s: verdict.checkpoint.age_s,
            signed_by: verdict.checkpoint.signed_by.len(),
            members: verdict.checkpoint.members,
            as_of: verdict.as_of.as_ref().map(AsOf::of),
        }
    }

    fn write_words(&self, credential: &str, out: &mut dyn Write) -> io::Result<()> {
        let words = status_named(self.status).map_or("", status_words);
        match &self.as_of {
            None => writeln!(out, "{credential}: {words}")?,
            Some(then) => writeln!(out, "{credential}: at {}: {words}", then.time)?,
        }
        writeln!(
            out,
            "  anchored by {} ({}) at {} as {}, position {}",
            self.anchored_by, self.anchored_by_did, self.anchored, self.credential_type, self.position
        )?;
        if let Some(AsOf { height, from, until, accredited, .. }) = &self.as_of {
            let accredited = match accredited {
                Some(true) => "the organisation was accredited then",
                Some(false) => "the organisation was not accredited then",
                None => "whether the organisation was accredited then cannot be told",
            };
            writeln!(out, "  so it was from {from} (block {height}) to {until}; {accredited}")?;
        }
        writeln!(
            out,
            "  {} of {} ({} ago), block {}, signed by {} of {} members",
            if self.as_of.is_some() { "shown under the checkpoint" } else { "as" },
            self.fresh,
            duration_text(self.age_s),
            self.checkpoint_height,
            self.signed_by,
            self.members
        )?;
        if !self.accredited_now {
            writeln!(out, "  the anchoring organisation is not accredited now")?;
        }
        Ok(())
    }
}

impl AsOf {
    fn of(finding: &AsOfFinding) -> Self {
        Self {
            time: seconds_text(finding.asked_s.unwrap_or(finding.from_s)),
            height: finding.height,
            from: seconds_text(finding.from_s),
            until: seconds_text(finding.until_s),
            accredited: finding.accredited,
        }
    }
}

impl Report for StatusReport {
    fn write_words(&self, out: &mut dyn Write) -> io::Result<()> {
        for row in &self.credentials {
            if row.anchors.is_empty() {
                writeln!(
                    out,
                    "{}: not anchored, as far as the node knows (that cannot be proved)",
                    row.credential
                )?;
            }
            for anchor in &row.anchors {
                anchor.write_words(&row.credential, out)?;
            }
        }
        Ok(())
    }
}

/// A status that a receipt proves, for other commands' words.
pub(crate) fn words_of(status: Status) -> &'static str {
    status_named(status_name_of(status)).map_or("", status_words)
}
