//! The bundle: a credential and its receipt in one file, for the holder.
//!
//! ```json
//! { "format": "kvitto/bundle/v1",
//!   "credential": { "name": "diploma.json", "unwrap": "credential", "bytes": "<base64>" },
//!   "receipt": { "format": "kvitto/receipt/v1", … } }
//! ```
//!
//! The credential stands in it byte for byte, because its seal and a digest over its bytes must survive. `unwrap` is there only
//! for a credential inside a wrapper.

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD};
use kvitto_ledger::credential::{Credential, ReadOptions};
use kvitto_verifier::Receipt;
use kvitto_verifier::receipt::RECEIPT_BYTES_MAX;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::exit::Exit;
use crate::failure::{Failure, chain};
use crate::input_file;

const FORMAT: &str = "kvitto/bundle/v1";
/// Longest bundle, in bytes: a credential in base64 and a receipt.
pub const BUNDLE_BYTES_MAX: usize = Credential::BYTES_MAX_DEFAULT / 3 * 4 + RECEIPT_BYTES_MAX + 4096;

/// A credential with its receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Name of the credential's file, without a path.
    pub name: String,
    /// Member of a wrapper under which the credential is.
    pub unwrap: Option<String>,
    /// The credential's file, byte for byte.
    pub credential: Vec<u8>,
    /// Its receipt.
    pub receipt: Receipt,
}

/// What a verifier was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiptOrBundle {
    /// A receipt alone.
    Receipt(Receipt),
    /// A receipt with its credential.
    Bundle(Bundle),
}

/// Why a file is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// It is longer than [`BUNDLE_BYTES_MAX`].
    #[error("it has {0} bytes, more than a bundle can have")]
    TooLarge(usize),
    /// It is not JSON of the expected form, or not as it would be written. Says where, never what: it holds personal data.
    #[error("not of the expected form at line {line}, column {column}")]
    Malformed {
        /// Line, from 1; 0 where the whole is meant.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
}

impl Bundle {
    /// Reads a bundle.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, BundleError> {
        if bytes.len() > BUNDLE_BYTES_MAX {
            return Err(BundleError::TooLarge(bytes.len()));
        }
        let file: File = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
        let read: Value = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
        let whole = BundleError::Malformed { line: 0, column: 0 };
        if file.format != FORMAT || serde_json::to_value(&file).ok() != Some(read) {
            return Err(whole);
        }
        let credential = STANDARD.decode(&file.credential.bytes).map_err(|_| whole)?;
        let FileCredential { name, unwrap, .. } = file.credential;
        Ok(Self { name, unwrap, credential, receipt: file.receipt })
    }

    /// The file's text.
    pub fn to_json(&self) -> String {
        let credential = FileCredential {
            name: self.name.clone(),
            unwrap: self.unwrap.clone(),
            bytes: STANDARD.encode(&self.credential),
        };
        let file = File { format: FORMAT.to_owned(), credential, receipt: self.receipt.clone() };
        serde_json::to_string_pretty(&file).expect("texts and numbers can be written") + "\n"
    }

    /// How the credential in it is read.
    pub fn read_options(&self) -> ReadOptions {
        ReadOptions { unwrap: self.unwrap.clone(), ..ReadOptions::default() }
    }
}

impl ReceiptOrBundle {
    /// Reads a receipt file or a bundle.
    ///
    /// # Errors
    /// That the file cannot be read, or is neither.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = input_file::read(path, BUNDLE_BYTES_MAX)?;
        let failure = |reason: &str, detail: String| {
            let message = format!("{}: {detail}", path.display());
            Failure::new(Exit::Input, reason, message, "ask the issuer or the holder for the file again")
        };
        if is_bundle(&bytes) {
            let bundle = Bundle::from_json(&bytes);
            return bundle.map(Self::Bundle).map_err(|error| failure("BUNDLE_MALFORMED", chain(&error)));
        }
        let receipt = Receipt::from_json(&bytes);
        receipt.map(Self::Receipt).map_err(|error| {
            let detail = format!("neither a receipt nor a bundle: {}", chain(&error));
            failure("RECEIPT_MALFORMED", detail)
        })
    }

    /// The receipt.
    pub fn receipt(&self) -> &Receipt {
        match self {
            Self::Receipt(receipt) => receipt,
            Self::Bundle(bundle) => &bundle.receipt,
        }
    }
}

/// Whether a file calls itself a bundle.
pub fn is_bundle(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Head<'a> {
        format: &'a str,
    }
    bytes.len() <= BUNDLE_BYTES_MAX
        && serde_json::from_slice::<Head<'_>>(bytes).is_ok_and(|head| head.format == FORMAT)
}

fn malformed(error: &serde_json::Error) -> BundleError {
    BundleError::Malformed { line: error.line(), column: error.column() }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    credential: FileCredential,
    receipt: Receipt,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileCredential {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unwrap: Option<String>,
    bytes: String,
}
