//! `kvitto-node genesis`: from members' entries and roots to the file that begins a ledger.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use kvitto_verifier::TrustFile;
use serde::Deserialize;

use crate::core::now;
use crate::file::{self, Access};
use crate::genesis_file::{GenesisFile, LimitsEntry, RootEntry, Timeouts, format_time};
use crate::init::read_members;
use crate::shell::say;

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

impl RootsFile {
    fn read(path: &Path) -> Result<Self> {
        toml::from_str(&file::read_text(path)?)
            .with_context(|| format!("{} is not a file with roots", path.display()))
    }
}

/// Writes the genesis and its trust file.
///
/// # Errors
/// When an entry is not usable, or a file is there already.
pub fn run(args: &GenesisArgs) -> Result<()> {
    let roots = RootsFile::read(&args.roots)?;
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
    say(&format!("Wrote {} and {}.", args.out.display(), trust_path.display()))?;
    say(&format!("Ledger id, for every member to compare: {}", genesis.ledger_id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_genesis_can_be_made_with_the_sample_of_roots() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = crate::sandbox::Sandbox::make(
            &folder.path().join("ledger"),
            &[crate::sandbox::Ports { peers: 1, api: 2, operator: 3 }],
            Timeouts::default(),
        );
        let args = GenesisArgs {
            origin: crate::sandbox::ORIGIN.into(),
            members: vec![ledger.unwrap().member_folder(0).join(crate::init::MEMBER_FILE)],
            roots: Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/sample/roots.toml"),
            public_base_url: "https://kvitto.example".into(),
            out: folder.path().join("genesis.toml"),
        };
        run(&args).unwrap();
        assert!(folder.path().join("trust.json").exists());
    }
}
