//! Making a member: keys, configuration, and the entry for the genesis that the members put together.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use kvitto_cli::KeyFile;
use kvitto_replica::signer::Guard;

use crate::config::{ApiConfig, Config, LogConfig, NetworkConfig, StoreConfig};
use crate::core::now;
use crate::file::{self, Access};
use crate::genesis_file::{GenesisFile, LimitsEntry, MemberEntry, Timeouts, format_time};
use crate::keys::{MemberKeys, random_key};
use crate::sandbox::root_entry;

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
    /// The store's folder; relative to the member's.
    pub data: PathBuf,
    /// The guard's folder; relative to the member's.
    pub guard: PathBuf,
}

/// Makes the folder of a new member: keys, guard, configuration, `member.toml`. The genesis is still to come.
///
/// # Errors
/// When something is there already or cannot be written.
pub fn init(folder: &Path, new: &NewMember) -> Result<MemberEntry> {
    let keys = MemberKeys::generate()?;
    let operator = random_key()?;
    let member = keys.member(&new.origin, &new.name, &operator);
    let entry = MemberEntry::new(&member, vec![new.address.clone()]);
    check(new, &entry)?;
    let config = Config {
        genesis: PathBuf::from(GENESIS_FILE),
        keys: PathBuf::from(KEYS_FILE),
        data: new.data.clone(),
        guard: new.guard.clone(),
        network: NetworkConfig { listen: vec![new.listen] },
        api: ApiConfig { listen: new.api, operator: new.operator, tls: None },
        store: StoreConfig::default(),
        log: LogConfig::default(),
    };
    config.check()?;

    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    keys.write(&folder.join(KEYS_FILE))?;
    let operator_seed = zeroize::Zeroizing::new(hex::encode(*operator.seed()) + "\n");
    file::create(&folder.join(OPERATOR_KEY_FILE), operator_seed.as_bytes(), Access::Private)?;
    // The guard is made once, with the keys: a member that finds none later has lost it, and must not sign (RULES 2.3).
    crate::signer::create_guard(&folder.join(&config.guard), &Guard::default())?;
    file::create(&folder.join(CONFIG_FILE), config.to_toml().as_bytes(), Access::Public)?;

    let text = toml::to_string_pretty(&entry).context("cannot write the member's entry")?;
    file::create(&folder.join(MEMBER_FILE), text.as_bytes(), Access::Public)?;
    Ok(entry)
}

/// Refuses now what the genesis would refuse later, after the entry has been sent around: tries a ledger of this member alone.
fn check(new: &NewMember, entry: &MemberEntry) -> Result<()> {
    let trial = GenesisFile {
        origin: new.origin.clone(),
        time: format_time(now()),
        public_base_url: String::new(),
        limits: LimitsEntry::default(),
        timeouts: Timeouts::default(),
        members: vec![entry.clone()],
        roots: vec![root_entry(&KeyFile::generate(None)?)],
    };
    trial.genesis().map(drop)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn member() -> NewMember {
        NewMember {
            origin: "kvitto.example/pilot".into(),
            name: "agency.example/kvitto".into(),
            listen: ([127, 0, 0, 1], 7000).into(),
            address: "node.agency.example:7000".into(),
            api: ([127, 0, 0, 1], 7100).into(),
            operator: ([127, 0, 0, 1], 7200).into(),
            data: "data".into(),
            guard: "guard".into(),
        }
    }

    #[test]
    fn a_member_that_no_genesis_would_take_is_refused_before_anything_is_written() {
        type Break = fn(&mut NewMember);
        let cases: [(Break, &str); 6] = [
            (|new| new.name.clear(), "no usable name"),
            (|new| new.origin = "x y".into(), "no usable name"),
            (|new| new.name.clone_from(&new.origin), "twice"),
            (|new| new.address = "nonsense".into(), "host:port"),
            (|new| new.guard = "data/guard".into(), "outside the data folder"),
            (|new| new.operator = ([192, 0, 2, 1], 7200).into(), "loopback"),
        ];
        let parent = tempfile::tempdir().unwrap();
        for (break_it, expected) in cases {
            let mut new = member();
            break_it(&mut new);
            let error = format!("{:#}", init(&parent.path().join("member"), &new).unwrap_err());
            assert!(error.contains(expected), "{error} should speak of {expected}");
            assert!(!parent.path().join("member").exists());
        }
    }

    #[test]
    fn the_guard_and_the_store_can_lie_elsewhere() {
        let parent = tempfile::tempdir().unwrap();
        let (etc, state) = (parent.path().join("etc"), parent.path().join("state"));
        let new = NewMember { data: state.join("data"), guard: state.join("guard"), ..member() };
        init(&etc, &new).unwrap();
        let config = Config::read(&etc.join(CONFIG_FILE)).unwrap();
        assert_eq!(config.data, state.join("data"));
        let keys = MemberKeys::read(&config.keys).unwrap();
        let found = crate::signer::FileSigner::open(keys, &config.guard).unwrap();
        assert!(matches!(found, crate::signer::Found::Guard(_)));
    }
}
