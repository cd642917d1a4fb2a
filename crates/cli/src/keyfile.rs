//! The key file: who an organisation is, its ledger key, and the key from which it derives salts.
//!
//! ```json
//! { "format": "kvitto/key/v1", "did": "did:ebsi:z…", "seed": "<64 hex>", "salt_key": "<64 hex>" }
//! ```
//!
//! Only its owner may read it (mode 0600); it is written once and never overwritten.
//! Whoever loses `salt_key` cannot derive the salts of anchored credentials again: the receipts and the register still hold them.

use std::io;
use std::path::{Path, PathBuf};

use kvitto_ledger::commitment::SaltKey;
use kvitto_ledger::keys::thumbprint;
use kvitto_ledger::{Did, KeyId, SigningKey};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::private_file::{self, PrivateFileError};

const FORMAT: &str = "kvitto/key/v1";
const KEY_FILE_BYTES_MAX: u64 = 4096;

/// An organisation's secrets.
pub struct KeyFile {
    did: Did,
    key: SigningKey,
    salt_key: Option<Zeroizing<[u8; SaltKey::BYTES]>>,
}

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read, or others may read it.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// It is there already.
    #[error("{} is there already; a key file is never overwritten", .0.display())]
    Exists(PathBuf),
    /// It cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not a key file of this version.
    #[error("{} is not a key file of version 1: {detail}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong; never a secret.
        detail: String,
    },
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes")]
    Random(#[source] getrandom::Error),
}

impl KeyFile {
    /// A key file of these secrets; without `salt_key` for organisations that anchor nothing.
    pub fn new(did: Did, key: SigningKey, salt_key: Option<Zeroizing<[u8; SaltKey::BYTES]>>) -> Self {
        Self { did, key, salt_key }
    }

    /// New random secrets, for the organisation `did` or a new one.
    ///
    /// # Errors
    /// [`KeyFileError::Random`].
    pub fn generate(did: Option<Did>) -> Result<Self, KeyFileError> {
        let mut seed = Zeroizing::new([0; 32]);
        let mut salt_key = Zeroizing::new([0; SaltKey::BYTES]);
        let mut id = [0; 16];
        for secret in [seed.as_mut_slice(), salt_key.as_mut_slice(), id.as_mut_slice()] {
            getrandom::fill(secret).map_err(KeyFileError::Random)?;
        }
        Ok(Self::new(did.unwrap_or(Did::new(id)), SigningKey::from_seed(&seed), Some(salt_key)))
    }

    /// The same, but with the salt key of another key file.
    pub fn with_salt_key_of(self, other: &Self) -> Self {
        Self { salt_key: other.salt_key.clone(), ..self }
    }

    /// Reads a key file; refuses one that others than its owner may use.
    ///
    /// # Errors
    /// [`KeyFileError::File`], [`KeyFileError::Malformed`].
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let bytes = private_file::read(path, KEY_FILE_BYTES_MAX)?;
        Text::parse(&bytes)
            .and_then(|text| text.open())
            .map_err(|detail| KeyFileError::Malformed { path: path.to_owned(), detail })
    }

    /// Writes a new key file, for its owner only.
    ///
    /// # Errors
    /// [`KeyFileError::Exists`], [`KeyFileError::Write`].
    pub fn create(&self, path: &Path) -> Result<(), KeyFileError> {
        let text = Text::of(self);
        let json = Zeroizing::new(serde_json::to_string_pretty(&text).expect("texts can be written") + "\n");
        private_file::create(path, json.as_bytes()).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => KeyFileError::Exists(path.to_owned()),
            _ => KeyFileError::Write { path: path.to_owned(), source },
        })
    }

    /// The organisation.
    pub fn did(&self) -> Did {
        self.did
    }

    /// Its ledger key.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// The DID URL of its ledger key.
    pub fn key_id(&self) -> KeyId {
        KeyId { did: self.did, thumbprint: thumbprint(&self.key.public().bytes()) }
    }

    /// The key from which salts are derived; only issuers need one.
    pub fn salt_key(&self) -> Option<SaltKey> {
        self.salt_key.as_ref().map(|bytes| SaltKey::new(**bytes))
    }
}

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyFile(of {})", self.key_id())
    }
}

impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Self {
        let message = crate::failure::chain(&error);
        let (exit, reason, next) = match &error {
            KeyFileError::File(PrivateFileError::Open { path, .. }) => {
                (Exit::Input, "KEY_FILE_OPEN", format!("run: chmod 600 {}", path.display()))
            }
            KeyFileError::File(PrivateFileError::Read { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                (Exit::Usage, "KEY_FILE_MISSING", "check --key, or make one with: kvitto key new".to_owned())
            }
            KeyFileError::File(PrivateFileError::Read { source, .. })
                if source.kind() == io::ErrorKind::IsADirectory =>
            {
                (Exit::Usage, "KEY_FILE_MISSING", "name the file itself with --key".to_owned())
            }
            KeyFileError::File(PrivateFileError::Read { .. }) => {
                (Exit::Io, "KEY_FILE_UNREADABLE", "check that you are the file's owner".to_owned())
            }
            KeyFileError::File(PrivateFileError::TooLong { .. }) | KeyFileError::Malformed { .. } => {
                (Exit::Input, "KEY_FILE_MALFORMED", "use a file that kvitto key new has made".to_owned())
            }
            KeyFileError::Exists(_) => {
                (Exit::Usage, "KEY_FILE_EXISTS", "choose another name with --key".to_owned())
            }
            KeyFileError::Write { .. } => {
                (Exit::Io, "FILE_UNWRITABLE", "check the path and the free space".to_owned())
            }
            KeyFileError::Random(_) => {
                (Exit::Io, "NO_RANDOMNESS", "check this machine's random source".to_owned())
            }
        };
        Self::new(exit, reason, message, next)
    }
}

/// The file's content.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    format: String,
    did: Did,
    seed: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    salt_key: Option<String>,
}

impl Text {
    fn of(file: &KeyFile) -> Self {
        Self {
            format: FORMAT.to_owned(),
            did: file.did,
            seed: hex::encode(*file.key.seed()),
            salt_key: file.salt_key.as_ref().map(|bytes| hex::encode(**bytes)),
        }
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        // serde_json's own message may quote the file's content.
        serde_json::from_slice(bytes)
            .map_err(|error| format!("unexpected content in line {}", error.line().max(1)))
    }

    fn open(&self) -> Result<KeyFile, String> {
        if self.format != FORMAT {
            return Err("another format".to_owned());
        }
        let seed = secret("seed", &self.seed)?;
        let salt_key = self.salt_key.as_deref().map(|text| secret("salt_key", text)).transpose()?;
        Ok(KeyFile::new(self.did, SigningKey::from_seed(&seed), salt_key))
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        self.seed.zeroize();
        self.salt_key.zeroize();
    }
}

fn secret(name: &str, text: &str) -> Result<Zeroizing<[u8; 32]>, String> {
    let mut bytes = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text, bytes.as_mut_slice())
        .map_err(|_| format!("{name} is not 64 hexadecimal digits"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(directory: &tempfile::TempDir) -> PathBuf {
        directory.path().join("school.key")
    }

    #[test]
    fn what_was_written_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let made = KeyFile::generate(None).unwrap();
        made.create(&path(&directory)).unwrap();
        let read = KeyFile::read(&path(&directory)).unwrap();
        assert_eq!((read.key_id(), *read.key().seed()), (made.key_id(), *made.key().seed()));
        assert_eq!(read.salt_key, made.salt_key);
    }

    #[test]
    fn the_format_is_frozen() {
        let directory = tempfile::tempdir().unwrap();
        let salt_key = Some(Zeroizing::new([2; 32]));
        KeyFile::new(Did::new([7; 16]), SigningKey::from_seed(&[1; 32]), salt_key)
            .create(&path(&directory))
            .unwrap();
        let text = std::fs::read_to_string(path(&directory)).unwrap();
        let (one, two) = ("01".repeat(32), "02".repeat(32));
        let did = Did::new([7; 16]);
        assert_eq!(
            text,
            format!(
                "{{\n  \"format\": \"kvitto/key/v1\",\n  \"did\": \"{did}\",\n  \"seed\": \"{one}\",\n  \"salt_key\": \"{two}\"\n}}\n"
            )
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_use_is_refused_with_the_command_that_helps() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        KeyFile::generate(None).unwrap().create(&path(&directory)).unwrap();
        let mode = std::fs::metadata(path(&directory)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        for mode in [0o640, 0o604, 0o660, 0o610, 0o700 | 0o002] {
            std::fs::set_permissions(path(&directory), std::fs::Permissions::from_mode(mode)).unwrap();
            let failure = Failure::from(KeyFile::read(&path(&directory)).unwrap_err());
            assert_eq!(failure.reason, "KEY_FILE_OPEN", "{mode:o}");
            assert!(failure.next.contains("chmod 600"), "{}", failure.next);
        }
    }

    #[test]
    fn a_key_file_is_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let first = KeyFile::generate(None).unwrap();
        first.create(&path(&directory)).unwrap();
        let error = KeyFile::generate(None).unwrap().create(&path(&directory)).unwrap_err();
        assert!(matches!(error, KeyFileError::Exists(_)), "{error:?}");
        assert_eq!(KeyFile::read(&path(&directory)).unwrap().key_id(), first.key_id());
    }

    #[test]
    fn malformed_files_are_refused_without_showing_secrets() {
        let directory = tempfile::tempdir().unwrap();
        let did = Did::new([7; 16]);
        let good = "ab".repeat(32);
        for text in [
            String::new(),
            "{}".to_owned(),
            format!(r#"{{"format":"kvitto/key/v2","did":"{did}","seed":"{good}"}}"#),
            format!(r#"{{"format":"kvitto/key/v1","did":"{did}","seed":"{}"}}"#, &good[1..]),
            format!(r#"{{"format":"kvitto/key/v1","did":"did:key:x","seed":"{good}"}}"#),
            format!(r#"{{"format":"kvitto/key/v1","did":"{did}","seed":"{good}","{good}":1}}"#),
        ] {
            let file = directory.path().join("bad.key");
            private_file::replace(&file, text.as_bytes()).unwrap();
            let failure = Failure::from(KeyFile::read(&file).unwrap_err());
            assert_eq!(failure.reason, "KEY_FILE_MALFORMED", "{text}");
            assert!(!failure.message.contains(&good[1..]), "{}", failure.message);
        }
    }
}
