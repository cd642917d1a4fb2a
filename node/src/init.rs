//! Making a member: keys, configuration, and the entry for the genesis that the members put together.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use kvitto_replica::signer::Guard;

use crate::config::{ApiConfig, Config, LogConfig, NetworkConfig, StoreConfig};
use crate::file::{self, Access};
use crate::genesis_file::{GenesisFile, MemberEntry};
use crate::keys::{MemberKeys, random_key};

/// Name of the file with the entry for the genesis.
pub const MEMBER_FILE: &str = "member.toml";
/// Name of the genesis, beside the configuration.
pub const GENESIS_FILE: &str = "genesis.toml";
/// Name of the configuration.
pub const CONFIG_FILE: &str = "node.toml";
/// Name of the member's key file.
pub const KEYS_FILE: &str = "member.keys";
/// Name of the operator's key file; it belongs on another machine.
pub const OPERATOR_KEY_FILE: &str = "operator.key";

/// What a new member is.
#[derive(Clone, Debug)]
pub struct NewMember {
    /// The ledger's name.
    pub origin: String,
    /// The member's name.
    pub name: String,
    /// Where its node listens for peers.
    pub listen: SocketAddr,
    /// Where peers reach it: `host:port`.
    pub address: String,
    /// Where its node listens for clients.
    pub api: SocketAddr,
    /// Where its node listens for its operator.
    pub operator: SocketAddr,
}

/// Makes the folder of a new member: keys, guard, configuration, `member.toml`. The genesis is still to come.
///
/// # Errors
/// When something is there already or cannot be written.
pub fn init(folder: &Path, new: &NewMember) -> Result<MemberEntry> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let keys = MemberKeys::generate()?;
    let operator = random_key()?;
    keys.write(&folder.join(KEYS_FILE))?;
    let operator_seed = zeroize::Zeroizing::new(hex::encode(*operator.seed()) + "\n");
    file::create(&folder.join(OPERATOR_KEY_FILE), operator_seed.as_bytes(), Access::Private)?;

    let config = Config {
        genesis: PathBuf::from(GENESIS_FILE),
        keys: PathBuf::from(KEYS_FILE),
        data: PathBuf::from("data"),
        guard: PathBuf::from("guard"),
        network: NetworkConfig { listen: vec![new.listen] },
        api: ApiConfig { listen: new.api, operator: new.operator, tls: None },
        store: StoreConfig::default(),
        log: LogConfig::default(),
    };
    // The guard is made once, with the keys: a member that finds none later has lost it, and must not sign (RULES 2.3).
    crate::signer::create_guard(&folder.join(&config.guard), &Guard::default())?;
    file::create(&folder.join(CONFIG_FILE), config.to_toml().as_bytes(), Access::Public)?;

    let member = keys.member(&new.origin, &new.name, &operator);
    let entry = MemberEntry::new(&member, vec![new.address.clone()]);
    let text = toml::to_string_pretty(&entry).context("cannot write the member's entry")?;
    file::create(&folder.join(MEMBER_FILE), text.as_bytes(), Access::Public)?;
    Ok(entry)
}

/// Reads the entries that members have sent.
///
/// # Errors
/// When a file is none.
pub fn read_members(paths: &[PathBuf]) -> Result<Vec<MemberEntry>> {
    let read = |path: &PathBuf| {
        let text = file::read_text(path)?;
        toml::from_str(&text).with_context(|| format!("{} is not a member's entry", path.display()))
    };
    paths.iter().map(read).collect()
}

/// Writes the genesis into a member's folder.
///
/// # Errors
/// When it is not usable, or another one is there.
pub fn put_genesis(folder: &Path, genesis: &GenesisFile) -> Result<()> {
    genesis.genesis()?;
    let path = folder.join(GENESIS_FILE);
    let text = genesis.to_toml();
    if path.exists() {
        ensure!(file::read_text(&path)? == text, "{} holds another genesis", path.display());
        return Ok(());
    }
    file::create(&path, text.as_bytes(), Access::Public)
}
