//! `kvitto accreditation`: lists, suspends, reinstates and withdraws accreditations.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use kvitto_client::Moment;
use kvitto_ledger::state::Accreditation;
use kvitto_ledger::statement::SetAccreditationStatus;
use kvitto_ledger::statement::body::StatusCode;
use kvitto_ledger::{AccreditationId, Did, TimeMs};
use kvitto_merkle::status::StatusValue;
use serde::Serialize;

use crate::commands::change::ReasonArg;
use crate::context::{Context, parse_time};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::online::{Recorded, record};
use crate::output::Report;
use crate::words::{reason_name, time_text};

/// `kvitto accreditation`.
#[derive(Debug, Subcommand)]
pub enum AccreditationCommand {
    /// List what an organisation is accredited for, with proof from the ledger.
    List(ListArgs),
    /// Suspend an accreditation, and with it everything below.
    Suspend(ChangeArgs),
    /// Lift a suspension.
    Reinstate(ChangeArgs),
    /// Withdraw an accreditation, for good.
    Withdraw(WithdrawArgs),
}

/// Options of `kvitto accreditation list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Which organisation; default: the owner of --key.
    pub did: Option<Did>,
    /// As of this time.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub at: Option<TimeMs>,
}

/// Which accreditation, and why it changes.
#[derive(Args, Debug)]
pub struct ChangeArgs {
    /// Who is accredited.
    pub subject: Did,
    /// The accreditation's id.
    pub id: AccreditationId,
    /// Why.
    #[arg(long, default_value = "unspecified")]
    pub reason: ReasonArg,
}

/// Options of `kvitto accreditation withdraw`.
#[derive(Args, Debug)]
pub struct WithdrawArgs {
    /// Which accreditation, and why.
    #[command(flatten)]
    pub change: ChangeArgs,
    /// From when; it may lie in the past. Default: from now.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub effective_from: Option<TimeMs>,
}

#[derive(Serialize)]
struct ListReport {
    did: Did,
    legal_name: String,
    as_of_height: u64,
    as_of: String,
    accreditations: Vec<AccreditationRow>,
}

#[derive(Serialize)]
struct AccreditationRow {
    id: AccreditationId,
    role: &'static str,
    types: Vec<String>,
    schemas: Vec<String>,
    jurisdictions: Vec<String>,
    valid_from: String,
    valid_until: String,
    accreditor: Did,
    parent: Option<AccreditationId>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawn_from: Option<String>,
}

#[derive(Serialize)]
struct ChangedReport {
    subject: Did,
    id: AccreditationId,
    status: &'static str,
    reason: &'static str,
    #[serde(flatten)]
    recorded: Recorded,
}

pub(crate) async fn run(command: &AccreditationCommand, context: &mut Context<'_>) -> Result<Exit, Failure> {
    match command {
        AccreditationCommand::List(args) => list(args, context).await,
        AccreditationCommand::Suspend(args) => change(args, StatusValue::Suspended, None, context).await,
        AccreditationCommand::Reinstate(args) => change(args, StatusValue::Valid, None, context).await,
        AccreditationCommand::Withdraw(args) => {
            change(&args.change, StatusValue::Revoked, args.effective_from, context).await
        }
    }
}

async fn list(args: &ListArgs, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let did = match args.did {
        Some(did) => did,
        None => context.key()?.did(),
    };
    let found = context.client()?.issuer(&did, args.at.map_or(Moment::Newest, Moment::Time)).await?;
    context.output.result(&ListReport {
        did,
        legal_name: found.value.0.legal_name.clone(),
        as_of_height: found.as_of.height.0,
        as_of: time_text(found.as_of.time),
        accreditations: found.value.1.iter().map(AccreditationRow::of).collect(),
    })?;
    Ok(Exit::Ok)
}

async fn change(
    args: &ChangeArgs,
    status: StatusValue,
    effective_from: Option<TimeMs>,
    context: &mut Context<'_>,
) -> Result<Exit, Failure> {
    let (key, client) = (context.key()?, context.client()?);
    let change = SetAccreditationStatus {
        subject: args.subject,
        id: args.id,
        status: StatusCode(status),
        effective_from,
        reason: args.reason.reason(),
    };
    let statement =
        context.organisation(&key, client.trust().ledger_id()).set_accreditation_status(change)?;
    let recorded = record(&client, &statement).await?;
    context.output.result(&ChangedReport {
        subject: args.subject,
        id: args.id,
        status: status_word(status),
        reason: reason_name(args.reason.reason()),
        recorded,
    })?;
    Ok(Exit::Ok)
}

fn status_word(status: StatusValue) -> &'static str {
    match status {
        StatusValue::Valid => "reinstated",
        StatusValue::Revoked => "withdrawn",
        StatusValue::Suspended => "suspended",
        StatusValue::Superseded => "superseded",
    }
}

impl AccreditationRow {
    fn of(accreditation: &Accreditation) -> Self {
        let list = |set: &std::collections::BTreeSet<String>| set.iter().cloned().collect();
        let (status, reason) = match (&accreditation.withdrawal, &accreditation.suspension) {
            (Some(withdrawal), _) => ("withdrawn", Some(reason_name(withdrawal.reason))),
            (None, Some(suspension)) => ("suspended", Some(reason_name(suspension.reason))),
            (None, None) => ("in_force", None),
        };
        Self {
            id: accreditation.key.id,
            role: accreditation.role.name(),
            types: list(&accreditation.scope.types),
            schemas: list(&accreditation.scope.schemas),
            jurisdictions: list(&accreditation.scope.jurisdictions),
            valid_from: time_text(accreditation.valid_from),
            valid_until: time_text(accreditation.valid_until),
            accreditor: accreditation.accreditor,
            parent: accreditation.parent,
            status,
            reason,
            withdrawn_from: accreditation.withdrawal.as_ref().map(|w| time_text(w.effective_from)),
        }
    }
}

impl Report for ListReport {
    fn write_words(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}, {}", self.legal_name, self.did)?;
        if self.accreditations.is_empty() {
            writeln!(out, "  was never accredited")?;
        }
        for row in &self.accreditations {
            writeln!(out, "  {} {}", row.role, row.id)?;
            writeln!(out, "    types  {}", row.types.join(", "))?;
            writeln!(out, "    from   {} until {}, by {}", row.valid_from, row.valid_until, row.accreditor)?;
            match (&row.withdrawn_from, row.reason) {
                (Some(from), _) => writeln!(out, "    withdrawn from {from} on")?,
                (None, Some(reason)) => writeln!(out, "    {}: {reason}", row.status)?,
                (None, None) => {}
            }
        }
        writeln!(out, "As of block {} of {}, proved by the ledger's members.", self.as_of_height, self.as_of)
    }
}

impl Report for ChangedReport {
    fn write_words(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "The accreditation {} of {} is {}.", self.id, self.subject, self.status)?;
        self.recorded.write_line(out)
    }
}
