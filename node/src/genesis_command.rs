//! `kvitto-node genesis`: from members' entries and roots to the file that begins a ledger.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use kvitto_verifier::TrustFile;
use serde::Deserialize;

use crate::core::now;
use crate::file::{self, Access};
use crate::genesis_file::{GenesisFile, LimitsEntry, RootEntry, Timeouts, format_time};
use crate::init::read_members;

/// What `kvitto-node genesis` takes.
#[derive(Debug, Args)]
pub struct GenesisArgs {
    /// Name of the ledger, the same that the members gave to `init`.
    #[arg(long)]
    origin: String,
    /// A member's entry (`member.toml`); in the order in which members take turns to propose. Repeat for each.
    #[arg(long = "member", required = true)]
    members: Vec<PathBuf>,
    /// A TOML file with `[[roots]]`: did, key, legal_name, country, accreditation, types, schemas, jurisdictions, valid_from,
    /// valid_until.
    #[arg(long)]
    roots: PathBuf,
    /// Base URL under which the consortium serves reads.
    #[arg(long)]
    public_base_url: String,
    /// File to write; the trust file for verifiers is written beside it as trust.json.
    #[arg(long, default_value = "genesis.toml")]
    out: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RootsFile {
    roots: Vec<RootEntry>,
}

/// Writes the genesis and its trust file.
///
/// # Errors
/// When an entry is not usable, or a file is there already.
pub fn run(args: &GenesisArgs) -> Result<()> {
    let roots: RootsFile = toml::from_str(&file::read_text(&args.roots)?)
        .with_context(|| format!("{} is not a file with roots", args.roots.display()))?;
    let genesis_file = GenesisFile {
        origin: args.origin.clone(),
        time: format_time(now()),
        public_base_url: args.public_base_url.clone(),
        limits: LimitsEntry::default(),
        timeouts: Timeouts::default(),
        members: read_members(&args.members)?,
        roots: roots.roots,
    };
    let genesis = genesis_file.genesis()?;
    file::create(&args.out, genesis_file.to_toml().as_bytes(), Access::Public)?;
    let trust_path = args.out.with_file_name("trust.json");
    file::create(
        &trust_path,
        TrustFile::from_genesis(genesis.clone())?.to_json().as_bytes(),
        Access::Public,
    )?;
    println!("Wrote {} and {}.", args.out.display(), trust_path.display());
    println!("Ledger id, for every member to compare: {}", genesis.ledger_id());
    Ok(())
}
