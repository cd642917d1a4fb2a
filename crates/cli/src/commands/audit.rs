//! `kvitto audit`: reads a running node's whole log from outside, recomputes every root, and remembers how far it came.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use kvitto_client::{Audit, AuditError, BadAnswer, ClientError, VerifiedCheckpoint};
use kvitto_ledger::{Height, LedgerId};
use kvitto_verifier::{Evidence, TrustFile};
use serde::{Deserialize, Serialize};

use crate::commands::evidence;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, chain};
use crate::output::Report;
use crate::words::{seconds_text, time_text};
use crate::{input_file, private_file};

const STATE_FORMAT: &str = "kvitto/audit/v1";
/// A note with all its signatures.
const STATE_BYTES_MAX: usize = 256 * 1024;

/// Options of `kvitto audit`.
#[derive(Args, Debug)]
pub struct AuditArgs {
    /// Remembers the audited checkpoint here: a later audit shows that nothing was taken back since.
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Where evidence is written, should members have signed two histories.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub evidence: PathBuf,
}

/// What is remembered of an audit.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    format: String,
    ledger_id: LedgerId,
    height: Height,
    /// The signed note.
    checkpoint: String,
}

#[derive(Serialize)]
struct AuditReport {
    ledger_id: LedgerId,
    leaves: u64,
    blocks: u64,
    positions: u64,
    log_root: String,
    status_root: String,
    block_time: String,
    fresh: String,
    signed_by: Vec<String>,
    /// Leaves of the checkpoint remembered before, which this log continues.
    #[serde(skip_serializing_if = "Option::is_none")]
    continues: Option<u64>,
}

pub(crate) async fn run(args: &AuditArgs, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let client = context.client()?;
    let seen = match &args.state {
        Some(path) => read_state(path, client.trust(), context.now().seconds())?,
        None => None,
    };
    let bar = context.output.progress(0, "leaves");
    let mut progress = |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    };
    let audited = client.audit(seen.as_ref(), &mut progress).await;
    bar.finish_and_clear();
    let audit = audited.map_err(|error| failure(error, &args.evidence))?;
    if let Some(path) = &args.state {
        write_state(path, client.trust(), &audit)?;
    }
    let report = AuditReport::of(client.trust(), &audit, seen.map(|seen| seen.size()));
    context.output.result(&report)?;
    Ok(Exit::Ok)
}

/// The checkpoint of the audit before; `None` where there was none.
fn read_state(path: &Path, trust: &TrustFile, at_s: u64) -> Result<Option<VerifiedCheckpoint>, Failure> {
    if !path.exists() {
        return Ok(None);
    }
    let unusable = |why: String| {
        let message = format!("{} cannot be used: {why}", path.display());
        let next = "name the file that an audit of this ledger wrote, or another name to begin anew";
        Failure::new(Exit::Input, "AUDIT_STATE", message, next)
    };
    let bytes = input_file::read(path, STATE_BYTES_MAX)?;
    let state: State = serde_json::from_slice(&bytes).map_err(|error| unusable(chain(&error)))?;
    if state.format != STATE_FORMAT || state.ledger_id != trust.ledger_id() {
        return Err(unusable("it is not of this version and of this ledger".to_owned()));
    }
    let note = state.checkpoint.parse().map_err(|_| unusable("it holds no signed note".to_owned()))?;
    let checkpoint = VerifiedCheckpoint::verify(note, trust, at_s);
    checkpoint.map(Some).map_err(|refusal| unusable(refusal.to_string()))
}

fn write_state(path: &Path, trust: &TrustFile, audit: &Audit) -> Result<(), Failure> {
    let state = State {
        format: STATE_FORMAT.to_owned(),
        ledger_id: trust.ledger_id(),
        height: audit.newest.header.height,
        checkpoint: audit.checkpoint.note().to_string(),
    };
    let mut text = serde_json::to_string_pretty(&state).expect("texts and numbers");
    text.push('\n');
    private_file::replace(path, text.as_bytes()).map_err(|error| Failure::unwritable(path, &error))
}

fn failure(error: AuditError, folder: &Path) -> Failure {
    let (reason, message) = (error.reason().to_owned(), chain(&error));
    match error {
        AuditError::Fault { .. } => {
            let next = "audit another node; if it shows the same, the members signed it: keep this message and tell the \
                        consortium, else tell the operator of this node";
            Failure::new(Exit::Untrusted, reason, message, next)
        }
        AuditError::Rewritten { evidence: Some(evidence), .. } => proved(&evidence, folder, reason, message),
        AuditError::Rewritten { evidence: None, .. } => {
            let next = "keep the state file, audit another node, and tell the consortium: the node does not give the proof \
                        that would show who signed both";
            Failure::new(Exit::Untrusted, reason, message, next)
        }
        AuditError::Behind { .. } => {
            let next = "audit another node, or this one once it has caught up";
            Failure::new(Exit::Unreachable, reason, message, next)
        }
        AuditError::Client(ClientError::BadAnswer { node, fault }) => match *fault {
            BadAnswer::Forked { evidence, .. } => proved(&evidence, folder, reason, message),
            fault => ClientError::BadAnswer { node, fault: Box::new(fault) }.into(),
        },
        AuditError::Client(error) => error.into(),
    }
}

/// Members signed two histories, and here is the proof.
fn proved(evidence: &Evidence, folder: &Path, reason: String, message: String) -> Failure {
    let written = std::fs::create_dir_all(folder)
        .map_err(|error| Failure::unwritable(folder, &error))
        .and_then(|()| evidence::write(folder, evidence, evidence.to_json().as_bytes()));
    match written {
        Err(failure) => failure,
        Ok(path) => {
            let next = format!(
                "give {} to the consortium: kvitto evidence check says what it proves",
                path.display()
            );
            Failure::new(Exit::Untrusted, reason, message, next)
        }
    }
}

impl AuditReport {
    fn of(trust: &TrustFile, audit: &Audit, continues: Option<u64>) -> Self {
        let Audit { checkpoint, newest } = audit;
        Self {
            ledger_id: trust.ledger_id(),
            leaves: checkpoint.size(),
            blocks: newest.header.height.0 + 1,
            positions: newest.positions,
            log_root: newest.header.log_root.to_string(),
            status_root: newest.header.status_root.to_string(),
            block_time: time_text(newest.header.time),
            fresh: seconds_text(checkpoint.fresh_at_s()),
            signed_by: checkpoint.signed_by().to_vec(),
            continues,
        }
    }
}

impl Report for AuditReport {
    fn write_words(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { leaves, blocks, positions, .. } = self;
        writeln!(
            out,
            "{leaves} leaves in {blocks} blocks are what was signed; every root was computed again."
        )?;
        writeln!(out, "  positions   {positions}")?;
        writeln!(out, "  log root    {}", self.log_root)?;
        writeln!(out, "  status root {}", self.status_root)?;
        writeln!(out, "  newest      block {} of {}", blocks - 1, self.block_time)?;
        writeln!(out, "  as of       {}, signed by {}", self.fresh, self.signed_by.join(", "))?;
        match self.continues {
            Some(seen) => writeln!(out, "  continues   the {seen} leaves that were audited before"),
            None => writeln!(out, "  continues   nothing: no earlier audit was remembered (--state FILE)"),
        }
    }
}
