//! `kvitto accredit`: lets another organisation accredit or anchor, or extends what it has.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use kvitto_client::{Client, Moment};
use kvitto_ledger::scope::{Role, Scope};
use kvitto_ledger::state::Accreditation;
use kvitto_ledger::statement::{Accredit, Policy};
use kvitto_ledger::{AccreditationId, Did, TimeMs};
use kvitto_merkle::sha256;
use serde::Serialize;

use crate::anchoring::no_randomness;
use crate::context::{Context, parse_time};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::input_file::{self, FILE_BYTES_MAX};
use crate::online::{Recorded, record};
use crate::output::Report;
use crate::words::time_text;

/// Options of `kvitto accredit`.
#[derive(Args, Debug)]
pub struct AccreditArgs {
    /// Who is accredited.
    pub subject: Did,
    /// To do what: tao (accredit others) or ti (anchor credentials).
    #[arg(long)]
    pub role: RoleArg,
    /// A credential type it may anchor, or accredit others for; may be repeated.
    #[arg(long = "type", value_name = "TYPE", required_if_eq("role", "ti"))]
    pub types: Vec<String>,
    /// A schema id; may be repeated.
    #[arg(long = "schema", value_name = "ID")]
    pub schemas: Vec<String>,
    /// A jurisdiction; may be repeated.
    #[arg(long = "jurisdiction", value_name = "NAME")]
    pub jurisdictions: Vec<String>,
    /// Limit to this level of the European Qualifications Framework; may be repeated.
    #[arg(long = "eqf", value_name = "LEVEL")]
    pub eqf_levels: Vec<u8>,
    /// Limit to this ISCED-F field; may be repeated.
    #[arg(long = "isced", value_name = "CODE")]
    pub isced_fields: Vec<String>,
    /// First moment of validity; default: now.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub valid_from: Option<TimeMs>,
    /// Last moment of validity; default: the parent's.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub valid_until: Option<TimeMs>,
    /// The own accreditation that this one hangs on; needed only where there are several.
    #[arg(long, value_name = "ID")]
    pub parent: Option<AccreditationId>,
    /// The accreditation's id; default: a new one. An existing one is extended.
    #[arg(long, value_name = "ID")]
    pub id: Option<AccreditationId>,
    /// Where the policy is that it is given under.
    #[arg(long, value_name = "URL", requires = "policy_file")]
    pub policy_url: Option<String>,
    /// The policy itself; its digest is recorded.
    #[arg(long, value_name = "FILE", requires = "policy_url")]
    pub policy_file: Option<PathBuf>,
    /// An accreditation credential; its digest is recorded.
    #[arg(long, value_name = "FILE")]
    pub credential: Option<PathBuf>,
}

/// Roles that are given.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum RoleArg {
    /// Accreditation organisation.
    Tao,
    /// Trusted issuer.
    Ti,
}

#[derive(Serialize)]
struct AccreditReport {
    subject: Did,
    id: AccreditationId,
    role: &'static str,
    parent: AccreditationId,
    valid_from: String,
    valid_until: String,
    types: BTreeSet<String>,
    #[serde(flatten)]
    recorded: Recorded,
}

pub(crate) async fn run(args: &AccreditArgs, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let (key, client) = (context.key()?, context.client()?);
    let parent = parent(args, &client, key.did(), context.now()).await?;
    let accredit = body(args, &parent, context.now())?;
    let statement = context.organisation(&key, client.trust().ledger_id()).accredit(accredit.clone())?;
    let recorded = record(&client, &statement).await?;
    context.output.result(&AccreditReport {
        subject: accredit.subject,
        id: accredit.id,
        role: accredit.role.name(),
        parent: accredit.parent,
        valid_from: time_text(accredit.valid_from),
        valid_until: time_text(accredit.valid_until),
        types: accredit.scope.types,
        recorded,
    })?;
    Ok(Exit::Ok)
}

/// The accreditation that the new one hangs on.
async fn parent(
    args: &AccreditArgs,
    client: &Client,
    did: Did,
    now: TimeMs,
) -> Result<Accreditation, Failure> {
    let (_, held) = client.issuer(&did, Moment::Newest).await?.value;
    let choice = Choice { wanted: args.parent, option: "--parent", now };
    choose(held, &choice, |held| held.role.accredits())
}

/// How an own accreditation is named.
pub(crate) struct Choice {
    /// The one that was named.
    pub(crate) wanted: Option<AccreditationId>,
    /// The option that names one.
    pub(crate) option: &'static str,
    /// When it has to be effective.
    pub(crate) now: TimeMs,
}

/// The accreditation that was named, or the only effective one that suits.
pub(crate) fn choose(
    held: Vec<Accreditation>,
    choice: &Choice,
    suits: impl Fn(&Accreditation) -> bool,
) -> Result<Accreditation, Failure> {
    if let Some(wanted) = choice.wanted {
        let message = format!("this organisation holds no accreditation {wanted}");
        let next = "see which it holds: kvitto accreditation list";
        let named = held.into_iter().find(|held| held.key.id == wanted);
        return named.ok_or_else(|| Failure::new(Exit::NotFound, "ACCREDITATION_MISSING", message, next));
    }
    let now = choice.now;
    let is_effective = |held: &Accreditation| {
        held.suspension.is_none()
            && held.withdrawal.is_none()
            && held.valid_from <= now
            && now <= held.valid_until
    };
    let mut suitable: Vec<_> = held.into_iter().filter(|held| is_effective(held) && suits(held)).collect();
    match (suitable.pop(), suitable.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(Failure::new(
            Exit::NotFound,
            "ACCREDITATION_MISSING",
            "this organisation holds no effective accreditation for that",
            "see what it holds: kvitto accreditation list; its accreditor can give another one",
        )),
        (Some(last), false) => {
            let ids: Vec<String> =
                suitable.iter().chain([&last]).map(|held| held.key.id.to_string()).collect();
            let message = format!("several accreditations suit: {}", ids.join(", "));
            let next = format!("name one with {}", choice.option);
            Err(Failure::usage("ACCREDITATION_AMBIGUOUS", message, next))
        }
    }
}

fn body(args: &AccreditArgs, parent: &Accreditation, now: TimeMs) -> Result<Accredit, Failure> {
    let digest_of = |path: &PathBuf| input_file::read(path, FILE_BYTES_MAX).map(|bytes| sha256(&[&bytes]));
    let policy = match (&args.policy_url, &args.policy_file) {
        (Some(url), Some(file)) => Some(Policy { url: url.clone(), digest: digest_of(file)? }),
        _ => None,
    };
    let id = match args.id {
        Some(id) => id,
        None => {
            let mut id = AccreditationId::default();
            getrandom::fill(&mut id.0).map_err(|error| no_randomness(&error))?;
            id
        }
    };
    Ok(Accredit {
        id,
        subject: args.subject,
        role: match args.role {
            RoleArg::Tao => Role::Tao,
            RoleArg::Ti => Role::Ti,
        },
        scope: args.scope(),
        valid_from: args.valid_from.unwrap_or(now).max(parent.valid_from),
        valid_until: args.valid_until.unwrap_or(parent.valid_until),
        parent: parent.key.id,
        policy,
        credential_digest: args.credential.as_ref().map(digest_of).transpose()?,
    })
}

impl AccreditArgs {
    fn scope(&self) -> Scope {
        let set = |texts: &[String]| texts.iter().cloned().collect();
        Scope {
            types: set(&self.types),
            schemas: set(&self.schemas),
            jurisdictions: set(&self.jurisdictions),
            eqf_levels: (!self.eqf_levels.is_empty()).then(|| self.eqf_levels.iter().copied().collect()),
            isced_fields: (!self.isced_fields.is_empty()).then(|| set(&self.isced_fields)),
        }
    }
}

impl Report for AccreditReport {
    fn write_words(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Accredited {} as {}.", self.subject, self.role)?;
        writeln!(out, "  id     {}", self.id)?;
        writeln!(out, "  types  {}", self.types.iter().cloned().collect::<Vec<_>>().join(", "))?;
        writeln!(out, "  from   {} until {}", self.valid_from, self.valid_until)?;
        self.recorded.write_line(out)
    }
}
