//! Receipt files beside credentials: their names, and writing them without overwriting another credential's.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use kvitto_ledger::{Commitment, Record, RecordBody};
use kvitto_verifier::Receipt;
use kvitto_verifier::receipt::RECEIPT_BYTES_MAX;

use crate::exit::Exit;
use crate::failure::{Failure, chain};
use crate::{input_file, private_file};

/// Extension of receipt files.
pub const EXTENSION: &str = "kvitto";

/// Where receipts go.
#[derive(Clone, Debug)]
pub struct ReceiptPlace {
    directory: Option<PathBuf>,
    taken: BTreeSet<PathBuf>,
}

impl ReceiptPlace {
    /// In `directory`, or beside each credential.
    pub fn new(directory: Option<PathBuf>) -> Self {
        Self { directory, taken: BTreeSet::new() }
    }

    /// The path of the receipt for a credential file: `NAME.kvitto`; with the credential's own extension in front where
    /// that name belongs to another credential.
    pub fn path_for(&mut self, credential: &Path, commitment: &Commitment) -> PathBuf {
        let whole = credential.file_name().unwrap_or_default();
        let stem = credential.file_stem().unwrap_or_default();
        let beside = credential.parent().unwrap_or(Path::new("")).to_owned();
        let directory = self.directory.clone().unwrap_or(beside);
        let named = |name: &std::ffi::OsStr| {
            let mut name = OsString::from(name);
            name.push(".");
            name.push(EXTENSION);
            directory.join(name)
        };
        let is_free = |path: &PathBuf| !self.taken.contains(path) && !holds_another(path, commitment);
        let path = Some(named(stem)).filter(is_free).unwrap_or_else(|| named(whole));
        self.taken.insert(path.clone());
        path
    }

    /// Writes a receipt, in place of an older one of the same commitment.
    ///
    /// # Errors
    /// The disk's; [`Exit::Usage`] where another credential's receipt is there.
    pub fn write(&self, path: &Path, receipt: &Receipt) -> Result<(), Failure> {
        if commitment_of(receipt).is_some_and(|commitment| holds_another(path, &commitment)) {
            let message = format!("{} is not an older receipt of the same credential", path.display());
            return Err(Failure::usage("RECEIPT_EXISTS", message, "move that file away, or use --out DIR"));
        }
        if let Some(directory) = &self.directory {
            fs::create_dir_all(directory).map_err(|error| Failure::unwritable(directory, &error))?;
        }
        private_file::replace(path, receipt.to_json().as_bytes())
            .map_err(|error| Failure::unwritable(path, &error))
    }
}

/// The commitment that a receipt is about.
pub fn commitment_of(receipt: &Receipt) -> Option<Commitment> {
    match Record::decode(&receipt.anchored.leaf).ok()?.body {
        RecordBody::Anchored(anchored) => Some(anchored.commitment),
        _ => None,
    }
}

/// Reads a receipt file.
///
/// # Errors
/// That it cannot be read, or is none.
pub fn read(path: &Path) -> Result<Receipt, Failure> {
    let bytes = input_file::read(path, RECEIPT_BYTES_MAX)?;
    Receipt::from_json(&bytes).map_err(|error| {
        let message = format!("{} is not a receipt: {}", path.display(), chain(&error));
        Failure::new(Exit::Input, "RECEIPT_MALFORMED", message, "ask the issuer for the receipt again")
    })
}

/// Whether there is a file at `path` that is not a receipt of `commitment`.
fn holds_another(path: &Path, commitment: &Commitment) -> bool {
    match input_file::read(path, RECEIPT_BYTES_MAX) {
        Ok(bytes) => {
            let receipt = Receipt::from_json(&bytes).ok();
            receipt.and_then(|receipt| commitment_of(&receipt)) != Some(*commitment)
        }
        Err(_) => path.exists(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_credentials_never_share_a_receipt_file() {
        let directory = tempfile::tempdir().unwrap();
        let credential = |name: &str| directory.path().join(name);
        let mut place = ReceiptPlace::new(None);
        let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!(name(place.path_for(&credential("a.json"), &Commitment([1; 32]))), "a.kvitto");
        assert_eq!(name(place.path_for(&credential("a.jwt"), &Commitment([2; 32]))), "a.jwt.kvitto");
        fs::write(directory.path().join("b.kvitto"), "something else").unwrap();
        assert_eq!(name(place.path_for(&credential("b.json"), &Commitment([3; 32]))), "b.json.kvitto");
    }

    #[test]
    fn receipts_can_go_to_a_directory_of_their_own() {
        let mut place = ReceiptPlace::new(Some(PathBuf::from("receipts")));
        let path = place.path_for(Path::new("in/a.json"), &Commitment([1; 32]));
        assert_eq!(path, Path::new("receipts").join("a.kvitto"));
    }
}
