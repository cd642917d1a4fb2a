//! Credentials as files: from bytes to the digests that are committed to and the facts that a verdict compares.
//!
//! ```text
//! bytes ─ size ─┬─ JSON, strictly read ─┬─ JWS as JSON, JAdES ─ payload ─┐
//!               │   (unwrap a member)   └─ credential, wrapper, ... ─────┤
//!               └─ JWS compact, SD-JWT ─ payload ────────────────────────┴─ shape ─ facts
//!
//! digest targets:  jcs = RFC 8785 form of the JSON    payload = bytes under the seal    bytes = the file
//! ```
//!
//! Specifications: W3C Verifiable Credentials Data Model 1.1 and 2.0, European Learning Model 3, Open Badges 3.0,
//! RFC 7515, 7519, 7797 (JWS, JWT, unencoded payload), ETSI TS 119 182-1 (JAdES), SD-JWT VC, RFC 8785 (JCS).
//! Deliberately not here: checking a seal, JSON-LD processing, JSON schemas, the elements of a micro-credential.
//!
//! Nothing is normalised on the way to a digest but what RFC 8785 says: no Unicode forms, no dates, no contexts.

use kvitto_merkle::Hash;
use serde_json::{Map, Value};

use crate::commitment::{DigestAlgorithm, DigestTarget};

mod error;
mod facts;
mod number;
mod seal;
mod shape;
mod strict_json;
mod text;
mod validity;

pub use error::CredentialError;
pub use facts::{Facts, Issuer, IssuerIdentifier, StatusEntry};
pub use seal::Seal;
pub use text::{Text, best_text};
pub use validity::{Moment, Timing, Validity};

use seal::Sealed;

/// A credential that was read: its bytes for each digest target, and what it says about itself.
///
/// It holds the credential's content, which is personal data; only digests of it may leave the machine.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    file: Vec<u8>,
    canonical: Option<Vec<u8>>,
    payload: Option<Vec<u8>>,
    seal: Seal,
    facts: Facts,
}

/// How to read a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOptions {
    /// Take the credential under this member of a wrapper, instead of the whole file.
    ///
    /// Targets `jcs` and `payload` are then those of the inner credential; `bytes` stays the whole file.
    pub unwrap: Option<String>,
    /// Take a file that cannot be read as a credential for its bytes: target `bytes` only, no facts.
    pub opaque: bool,
    /// The largest file that is read, in bytes.
    pub bytes_max: usize,
}

impl Default for ReadOptions {
    fn default() -> ReadOptions {
        ReadOptions { unwrap: None, opaque: false, bytes_max: Credential::BYTES_MAX_DEFAULT }
    }
}

impl Credential {
    /// The default of [`ReadOptions::bytes_max`]: 8 MiB, far above the largest credential seen (under 1 MiB).
    pub const BYTES_MAX_DEFAULT: usize = 8 * 1024 * 1024;

    /// Reads a file that holds one credential.
    ///
    /// # Errors
    /// [`CredentialError`] says what the file is instead. With [`ReadOptions::opaque`] only
    /// [`CredentialError::FileTooLarge`] and [`CredentialError::EmptyFile`] remain.
    pub fn read(bytes: &[u8], options: &ReadOptions) -> Result<Credential, CredentialError> {
        if bytes.len() > options.bytes_max {
            return Err(CredentialError::FileTooLarge { bytes: bytes.len(), bytes_max: options.bytes_max });
        }
        let text = bytes.trim_ascii();
        let read = match text.first() {
            None => return Err(CredentialError::EmptyFile),
            Some(b'{' | b'[' | b'"') => read_json(text, options.unwrap.as_deref()),
            Some(_) => read_compact(text, options.unwrap.as_deref()),
        };
        let content = match read {
            Ok(content) => content,
            Err(_) if options.opaque => Content::opaque(),
            Err(error) => return Err(error),
        };
        let Content { canonical, payload, seal, facts } = content;
        Ok(Credential { file: bytes.to_vec(), canonical, payload, seal, facts })
    }

    /// The target that suits this file: `payload` under a seal, `jcs` for JSON, `bytes` for anything else.
    pub fn default_target(&self) -> DigestTarget {
        match (&self.payload, &self.canonical) {
            (Some(_), _) => DigestTarget::Payload,
            (None, Some(_)) => DigestTarget::Jcs,
            (None, None) => DigestTarget::Bytes,
        }
    }

    /// The bytes that a digest of this target covers.
    ///
    /// # Errors
    /// [`CredentialError::TargetNotAvailable`]: `jcs` of a compact JWS, `payload` of a file without a seal around it.
    pub fn content(&self, target: DigestTarget) -> Result<&[u8], CredentialError> {
        let content = match target {
            DigestTarget::Jcs => self.canonical.as_deref(),
            DigestTarget::Payload => self.payload.as_deref(),
            DigestTarget::Bytes => Some(self.file.as_slice()),
        };
        content.ok_or(CredentialError::TargetNotAvailable { target, default: self.default_target() })
    }

    /// The digest that an opening holds.
    ///
    /// # Errors
    /// As [`Credential::content`].
    pub fn digest(&self, algorithm: DigestAlgorithm, target: DigestTarget) -> Result<Hash, CredentialError> {
        self.content(target).map(|content| algorithm.digest(content))
    }

    /// How the file is sealed. The seal itself is not checked here.
    pub fn seal(&self) -> Seal {
        self.seal
    }

    /// What the credential says about itself; under a seal, what the sealed payload says.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The title for people, by [`best_text`].
    pub fn display_name(&self, preferred_languages: &[&str]) -> Option<&str> {
        best_text(&self.facts.titles, preferred_languages)
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Credential")
            .field("bytes", &self.file.len())
            .field("seal", &self.seal)
            .finish()
    }
}

/// What was found in a file.
struct Content {
    canonical: Option<Vec<u8>>,
    payload: Option<Vec<u8>>,
    seal: Seal,
    facts: Facts,
}

impl Content {
    fn opaque() -> Content {
        Content { canonical: None, payload: None, seal: Seal::None, facts: Facts::none() }
    }

    /// A seal's payload, which must be a credential or the claims of a token around one.
    fn sealed(sealed: Sealed, canonical: Option<Vec<u8>>) -> Result<Content, CredentialError> {
        let claims = sealed_claims(&sealed.payload)?;
        let credential = match claims.get("vc") {
            Some(Value::Object(_)) if shape::is_credential(&claims) => {
                let found = "the sealed content and its claim `vc`".to_owned();
                return Err(CredentialError::SeveralCredentials { found });
            }
            Some(Value::Object(credential)) => credential,
            _ => &claims,
        };
        shape::check_credential(credential)?;
        let facts = Facts::read(credential, &claims);
        Ok(Content { canonical, payload: Some(sealed.payload), seal: sealed.seal, facts })
    }
}

fn read_json(text: &[u8], unwrap: Option<&str>) -> Result<Content, CredentialError> {
    let value = strict_json::parse(text)?;
    let credential = match unwrap {
        Some(member) => unwrapped(value, member)?,
        None => value,
    };
    match credential {
        Value::Object(object) => read_object(object),
        // A wrapper may hold a compact JWS as a string; a file that is only a JSON string is none.
        Value::String(token) if unwrap.is_some() => Content::sealed(seal::open_compact(&token)?, None),
        other => Err(CredentialError::NotACredential { found: shape::describe(&other) }),
    }
}

fn unwrapped(mut value: Value, member: &str) -> Result<Value, CredentialError> {
    match value.as_object_mut().and_then(|object| object.remove(member)) {
        Some(inner) => Ok(inner),
        None => {
            let found = shape::describe(&value);
            Err(CredentialError::UnwrapMemberMissing { member: error::shortened(member), found })
        }
    }
}

fn read_object(object: Map<String, Value>) -> Result<Content, CredentialError> {
    if let Some(opened) = seal::open_json(&object) {
        return Content::sealed(opened?, Some(canonical_form(&object)?));
    }
    shape::check_credential(&object).map_err(|error| match error {
        CredentialError::NotACredential { .. } => shape::wrapper_fault(&object).unwrap_or(error),
        other => other,
    })?;
    let has_proof = object.get("proof").is_some_and(|proof| proof.is_object() || proof.is_array());
    let seal = if has_proof { Seal::DataIntegrity } else { Seal::None };
    Ok(Content {
        canonical: Some(canonical_form(&object)?),
        payload: None,
        seal,
        facts: Facts::read(&object, &object),
    })
}

fn read_compact(text: &[u8], unwrap: Option<&str>) -> Result<Content, CredentialError> {
    let text = std::str::from_utf8(text).map_err(|_| CredentialError::UnknownFormat)?;
    let opened = seal::open_compact(text)?;
    if let Some(member) = unwrap {
        let found = format!("a seal ({})", opened.seal.name());
        return Err(CredentialError::UnwrapMemberMissing { member: error::shortened(member), found });
    }
    Content::sealed(opened, None)
}

/// The JSON object under a seal.
fn sealed_claims(payload: &[u8]) -> Result<Map<String, Value>, CredentialError> {
    match strict_json::parse(payload) {
        Ok(Value::Object(claims)) => Ok(claims),
        Ok(other) => Err(CredentialError::SealedContentNotJson { detail: shape::describe(&other) }),
        Err(CredentialError::MalformedJson { detail }) => {
            Err(CredentialError::SealedContentNotJson { detail })
        }
        Err(error) => Err(error),
    }
}

/// The RFC 8785 form.
fn canonical_form(object: &Map<String, Value>) -> Result<Vec<u8>, CredentialError> {
    serde_json_canonicalizer::to_vec(object)
        .map_err(|error| CredentialError::MalformedJson { detail: error.to_string() })
}
