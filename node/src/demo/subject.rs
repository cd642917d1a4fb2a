//! A credential that the demo anchors: read before anything is started.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Error, Result, anyhow, ensure};
use kvitto_ledger::commitment::DigestAlgorithm;
use kvitto_ledger::credential::{Credential, CredentialError, ReadOptions};
use kvitto_merkle::Hash;

/// See the module's head.
pub(super) struct Subject {
    /// Its path, as commands name it.
    pub(super) file: String,
    /// The member of the wrapper that it is under.
    unwrap: Option<String>,
    /// What it is anchored as: the last of its types, which is the most special one.
    pub(super) credential_type: String,
    digest: Hash,
}

impl Subject {
    /// Reads a credential; one in a wrapper is under its member `unwrap`.
    ///
    /// # Errors
    /// What it is instead.
    pub(super) fn read(path: &Path, unwrap: Option<&str>) -> Result<Self> {
        let bytes = read_bounded(path).with_context(|| format!("cannot read {}", path.display()))?;
        let as_it_is = Credential::read(&bytes, &ReadOptions::default());
        let (credential, unwrap) = match (as_it_is, unwrap) {
            (Err(_), Some(member)) => {
                let options = ReadOptions { unwrap: Some(member.to_owned()), ..ReadOptions::default() };
                (Credential::read(&bytes, &options), Some(member.to_owned()))
            }
            (read, _) => (read, None),
        };
        let credential = credential.map_err(|error| refusal(path, error))?;
        let credential_type = credential.facts().types.last().cloned();
        Ok(Self {
            file: path.to_str().with_context(|| format!("{} is no UTF-8 name", path.display()))?.to_owned(),
            unwrap,
            credential_type: credential_type.with_context(|| format!("{} names no type", path.display()))?,
            digest: credential.digest(DigestAlgorithm::Sha256, credential.default_target())?,
        })
    }

    /// Reads credentials that must all differ.
    ///
    /// # Errors
    /// As [`Subject::read`]; two that are the same.
    pub(super) fn read_all<'a>(
        paths: impl IntoIterator<Item = &'a Path>,
        unwrap: Option<&str>,
    ) -> Result<Vec<Self>> {
        let mut subjects: Vec<Self> = Vec::new();
        for path in paths {
            let subject = Self::read(path, unwrap)?;
            let same = subjects.iter().find(|other| other.is_same(&subject));
            ensure!(
                same.is_none(),
                "{} and {} hold the same credential",
                subject.file,
                same.map_or("", |same| &same.file)
            );
            subjects.push(subject);
        }
        Ok(subjects)
    }

    /// Whether both are one credential.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.digest == other.digest
    }

    /// `--unwrap MEMBER`, where it is needed.
    pub(super) fn reading(&self) -> Vec<&str> {
        self.unwrap.iter().flat_map(|member| ["--unwrap", member]).collect()
    }

    /// The name that its receipts get, those of `kvitto receipt --at TIME` with that time.
    pub(super) fn receipt_name(&self, at: Option<&str>) -> String {
        let stem = Path::new(&self.file).file_stem().unwrap_or_default().to_string_lossy();
        match at {
            None => format!("{stem}.kvitto"),
            Some(time) => format!("{stem}.{}.kvitto", time.replace(['-', ':'], "")),
        }
    }
}

/// Reads as much of a file as is needed to refuse it.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(Credential::BYTES_MAX_DEFAULT as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn refusal(path: &Path, error: CredentialError) -> Error {
    match error {
        CredentialError::WrappedCredential { member } => {
            anyhow!("{} is a wrapper around a credential: run again with --unwrap {member}", path.display())
        }
        error => Error::new(error).context(format!("{} cannot be anchored", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INNER: &str = r#"{"@context":["https://www.w3.org/ns/credentials/v2"],
        "type":["VerifiableCredential","A"],"issuer":"https://a.example","credentialSubject":{"id":"urn:x"}}"#;

    #[test]
    fn files_are_read_with_their_own_types_and_wrappers_before_anything_starts() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        let plain = write("plain.json", &INNER.replace("\"A\"", "\"B\""));
        let wrapped = write("wrapped.json", &format!(r#"{{"credential":{INNER},"deliveryDetails":{{}}}}"#));

        let subjects = Subject::read_all([&*plain, &*wrapped], Some("credential")).unwrap();
        assert_eq!(subjects[0].credential_type, "B");
        assert!(subjects[0].reading().is_empty());
        assert_eq!(subjects[1].credential_type, "A");
        assert_eq!(subjects[1].reading(), ["--unwrap", "credential"]);

        let refused = |paths: &[&Path], unwrap| {
            format!("{:#}", Subject::read_all(paths.iter().copied(), unwrap).err().unwrap())
        };
        assert!(refused(&[&wrapped], None).contains("--unwrap credential"), "{}", refused(&[&wrapped], None));
        let again = write("again.json", &INNER.replace("\"A\"", "\"B\""));
        assert!(refused(&[&plain, &again], None).contains("the same credential"));
        assert!(refused(&[folder.path().join("none").as_path()], None).contains("cannot read"));
    }
}
