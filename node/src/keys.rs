//! A member's private keys: one for each purpose, in one private file; the operator's key apart from them.

use std::path::Path;

use anyhow::{Context, Result};
use kvitto_ledger::SigningKey;
use kvitto_ledger::genesis::{KeyRole, Member, MemberKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::file::{self, Access};

/// The keys that a running node needs.
#[derive(Clone, Debug)]
pub struct MemberKeys {
    /// Signs proposals and votes.
    pub consensus: SigningKey,
    /// Cosigns checkpoints.
    pub cosignature: SigningKey,
    /// Signs checkpoints as the log.
    pub log: SigningKey,
    /// Identifies the node to its peers.
    pub peer: SigningKey,
}

/// The file: seeds in hexadecimal.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysFile {
    consensus: Zeroizing<String>,
    cosignature: Zeroizing<String>,
    log: Zeroizing<String>,
    peer: Zeroizing<String>,
}

impl MemberKeys {
    /// New random keys.
    ///
    /// # Errors
    /// When the operating system has no randomness.
    pub fn generate() -> Result<Self> {
        Ok(Self {
            consensus: random_key()?,
            cosignature: random_key()?,
            log: random_key()?,
            peer: random_key()?,
        })
    }

    /// Reads a file made by [`MemberKeys::write`].
    ///
    /// # Errors
    /// When it is not one, or others may read it.
    pub fn read(path: &Path) -> Result<Self> {
        let text = file::read_private_text(path)?;
        // The parser's message would quote the line, and the line is a key.
        let keys: KeysFile = toml::from_str(&text)
            .map_err(|_| anyhow::anyhow!("{} is not a member's key file", path.display()))?;
        let key =
            |hex: &str| seed_key(hex).with_context(|| format!("a key in {} is damaged", path.display()));
        Ok(Self {
            consensus: key(&keys.consensus)?,
            cosignature: key(&keys.cosignature)?,
            log: key(&keys.log)?,
            peer: key(&keys.peer)?,
        })
    }

    /// Writes them to a new private file.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let seed = |key: &SigningKey| Zeroizing::new(hex::encode(*key.seed()));
        let keys = KeysFile {
            consensus: seed(&self.consensus),
            cosignature: seed(&self.cosignature),
            log: seed(&self.log),
            peer: seed(&self.peer),
        };
        let text = Zeroizing::new(toml::to_string(&keys).expect("four strings are TOML"));
        file::create(path, text.as_bytes(), Access::Private)
    }

    /// The member as the genesis names it.
    pub fn member(&self, origin: &str, name: &str, operator: &SigningKey) -> Member {
        let prove = |key, role| MemberKey::prove(key, origin, role, name);
        Member {
            name: name.to_owned(),
            consensus: prove(&self.consensus, KeyRole::Consensus),
            cosignature: prove(&self.cosignature, KeyRole::Cosignature),
            log: prove(&self.log, KeyRole::Log),
            operator: prove(operator, KeyRole::Operator),
            peer: prove(&self.peer, KeyRole::Peer),
        }
    }
}

/// A new random key.
///
/// # Errors
/// When the operating system has no randomness.
pub fn random_key() -> Result<SigningKey> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    Ok(SigningKey::from_seed(&seed))
}

fn seed_key(hex_seed: &str) -> Result<SigningKey> {
    let mut seed = Zeroizing::new([0; 32]);
    hex::decode_to_slice(hex_seed, &mut *seed)?;
    Ok(SigningKey::from_seed(&seed))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn keys_are_read_back_and_only_from_a_private_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("member.keys");
        let keys = MemberKeys::generate().unwrap();
        keys.write(&path).unwrap();
        assert_eq!(MemberKeys::read(&path).unwrap().consensus.public(), keys.consensus.public());
        assert!(keys.write(&path).is_err(), "an existing file stays");

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = MemberKeys::read(&path).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_damaged_file_is_refused_without_quoting_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("member.keys");
        file::create(&path, b"consensus = \"00ff\"\n", Access::Private).unwrap();
        let error = format!("{:#}", MemberKeys::read(&path).unwrap_err());
        assert!(!error.contains("00ff"), "{error}");
    }
}
