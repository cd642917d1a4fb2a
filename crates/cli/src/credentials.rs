//! Credential files on the command line: finding them, reading them, and the options that say how.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use kvitto_ledger::commitment::{DigestAlgorithm, DigestTarget};
use kvitto_ledger::credential::{Credential, CredentialError, ReadOptions};
use kvitto_merkle::Hash;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::input_file::{self, CREDENTIAL_BYTES_MAX};
use crate::receipt_file::EXTENSION;

/// How credential files are read.
#[derive(Args, Clone, Debug)]
pub struct ReadingArgs {
    /// Take the credential under this member of a wrapper, instead of the whole file.
    #[arg(long, value_name = "MEMBER")]
    pub unwrap: Option<String>,
    /// Hash function: sha2-256 or sha3-256.
    #[arg(long, default_value = "sha2-256", value_name = "NAME")]
    pub algorithm: DigestAlgorithm,
    /// What is hashed: jcs (JSON in canonical form), payload (under a seal) or bytes (the file). Default: what suits the file.
    #[arg(long, value_name = "TARGET")]
    pub target: Option<DigestTarget>,
}

/// A credential file with the digest that is anchored.
pub struct CredentialFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds.
    pub credential: Credential,
    /// What was hashed.
    pub target: DigestTarget,
    /// With what.
    pub algorithm: DigestAlgorithm,
    /// The digest.
    pub digest: Hash,
}

impl ReadingArgs {
    /// For the ledger's reader of credentials.
    pub fn options(&self) -> ReadOptions {
        let opaque = self.target == Some(DigestTarget::Bytes);
        ReadOptions { unwrap: self.unwrap.clone(), opaque, ..ReadOptions::default() }
    }

    /// Reads one file.
    ///
    /// # Errors
    /// That it cannot be read, or what it is instead of a credential.
    pub fn read(&self, path: &Path) -> Result<CredentialFile, Failure> {
        let bytes = input_file::read(path, CREDENTIAL_BYTES_MAX)?;
        let refusal = |error| credential_failure(path, &error);
        let credential = Credential::read(&bytes, &self.options()).map_err(refusal)?;
        let target = self.target.unwrap_or(credential.default_target());
        let digest = credential.digest(self.algorithm, target).map_err(refusal)?;
        Ok(CredentialFile { path: path.to_owned(), credential, target, algorithm: self.algorithm, digest })
    }
}

/// What is wrong with a credential file, and what helps.
pub fn credential_failure(path: &Path, error: &CredentialError) -> Failure {
    let next = match error {
        CredentialError::WrappedCredential { member } => format!("run again with --unwrap {member}"),
        CredentialError::UnknownFormat | CredentialError::SealedContentNotJson { .. } => {
            "if this file itself is the credential, run again with --target bytes".to_owned()
        }
        CredentialError::TargetNotAvailable { default, .. } => {
            format!("leave --target out, or use --target {default}")
        }
        CredentialError::UnwrapMemberMissing { .. } => "check the member's name after --unwrap".to_owned(),
        _ => "leave this file out, or get the credential again from the system that made it".to_owned(),
    };
    Failure::new(Exit::Input, error.reason(), format!("{}: {error}", path.display()), next)
}

/// The files that paths name: files themselves, and the files directly in directories, in the order of their names,
/// without hidden files and receipts.
///
/// # Errors
/// A path that is not there or cannot be read; that nothing is left.
pub fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        let metadata = fs::metadata(path).map_err(|error| Failure::unreadable(path, &error))?;
        if metadata.is_dir() {
            files.extend(files_in(path)?);
        } else {
            files.push(path.clone());
        }
    }
    if files.is_empty() {
        let next = "name files, or a directory that holds some";
        return Err(Failure::usage("NO_CREDENTIALS", "there is no credential file in what was named", next));
    }
    Ok(files)
}

fn files_in(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let fault = |error| Failure::unreadable(directory, &error);
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let path = entry.path();
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        let is_receipt = path.extension().is_some_and(|extension| extension == EXTENSION);
        if path.is_file() && !is_hidden && !is_receipt {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_give_their_files_in_order_without_receipts_and_hidden_ones() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["b.json", "a.json", "a.kvitto", ".hidden"] {
            fs::write(directory.path().join(name), "{}").unwrap();
        }
        fs::create_dir(directory.path().join("sub")).unwrap();
        let files = expand(&[directory.path().to_owned()]).unwrap();
        let names: Vec<_> = files.iter().filter_map(|path| path.file_name()?.to_str()).collect();
        assert_eq!(names, ["a.json", "b.json"]);
    }

    #[test]
    fn nothing_to_do_is_said() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(expand(&[directory.path().to_owned()]).unwrap_err().reason, "NO_CREDENTIALS");
        let missing = directory.path().join("missing.json");
        assert_eq!(expand(&[missing]).unwrap_err().exit, Exit::Usage);
    }
}
