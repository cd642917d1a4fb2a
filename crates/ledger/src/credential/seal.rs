//! Seals, opened and not checked: JSON Web Signatures (RFC 7515) in all their forms, JAdES (ETSI TS 119 182-1)
//! among them, and SD-JWT; unencoded payloads as RFC 7797 has them.
//!
//! A payload comes out exactly as it was sealed, so that its digest stands whatever is added to the seal later.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::error::{CredentialError, shortened};
use super::strict_json;

/// How a credential is sealed. Nothing here says that the seal is genuine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// No seal that is known here.
    None,
    /// A W3C Data Integrity `proof` inside the credential, part of its canonical form.
    DataIntegrity,
    /// A JSON Web Signature in compact form, `header.payload.signature`; JSON Web Tokens among them.
    JwsCompact,
    /// An SD-JWT: a compact JSON Web Signature with disclosures behind it, which are no part of the payload.
    SdJwt,
    /// A JSON Web Signature as flattened JSON; JAdES among them.
    JwsFlattened,
    /// A JSON Web Signature as general JSON; JAdES, and so the sealed European Digital Credentials, among them.
    JwsGeneral,
}

impl Seal {
    /// The seal's name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Seal::None => "not sealed",
            Seal::DataIntegrity => "Data Integrity proof",
            Seal::JwsCompact => "JWS, compact",
            Seal::SdJwt => "SD-JWT",
            Seal::JwsFlattened => "JWS, flattened JSON (JAdES)",
            Seal::JwsGeneral => "JWS, general JSON (JAdES)",
        }
    }

    /// Whether the credential is the payload of a seal around it.
    pub const fn has_payload(self) -> bool {
        matches!(self, Seal::JwsCompact | Seal::SdJwt | Seal::JwsFlattened | Seal::JwsGeneral)
    }
}

/// A seal's form and the bytes that it covers.
pub(super) struct Sealed {
    pub(super) seal: Seal,
    pub(super) payload: Vec<u8>,
}

/// Opens a text of base64url parts between dots, with or without disclosures behind `~`.
pub(super) fn open_compact(text: &str) -> Result<Sealed, CredentialError> {
    let (token, disclosures) = match text.split_once('~') {
        Some((token, disclosures)) => (token, Some(disclosures)),
        None => (text, None),
    };
    let parts: Vec<&str> = token.splitn(6, '.').collect();
    let &[header, payload, signature] = parts.as_slice() else { return Err(wrong_number_of_parts(&parts)) };
    if let Some(disclosures) = disclosures {
        check_disclosures(disclosures)?;
    }
    let encoding = protected_encoding(header)?;
    check_signature(signature)?;
    let seal = if disclosures.is_some() { Seal::SdJwt } else { Seal::JwsCompact };
    Ok(Sealed { seal, payload: payload_bytes(payload, encoding)? })
}

/// Opens a JSON Web Signature in a JSON form; `None` where the object is none.
pub(super) fn open_json(object: &Map<String, Value>) -> Option<Result<Sealed, CredentialError>> {
    let signed = object.contains_key("signatures")
        || (object.contains_key("signature")
            && (object.contains_key("payload") || object.contains_key("protected")));
    signed.then(|| open_json_form(object))
}

fn open_json_form(object: &Map<String, Value>) -> Result<Sealed, CredentialError> {
    let (seal, signatures) = match (object.get("signatures"), object.contains_key("signature")) {
        (Some(_), true) => return Err(malformed("it has both `signature` and `signatures`")),
        (Some(Value::Array(signatures)), false) => {
            let objects: Option<Vec<_>> = signatures.iter().map(Value::as_object).collect();
            (Seal::JwsGeneral, objects.ok_or_else(|| malformed("an item of `signatures` is not an object"))?)
        }
        (Some(_), false) => return Err(malformed("`signatures` is not an array")),
        (None, _) => (Seal::JwsFlattened, vec![object]),
    };
    let mut encodings = Vec::new();
    for signature in &signatures {
        encodings.push(signature_encoding(signature)?);
    }
    let Some(encoding) = encodings.first() else { return Err(CredentialError::NotSealed) };
    if encodings.iter().any(|other| other != encoding) {
        return Err(malformed("its signatures disagree about `b64`"));
    }
    match object.get("payload") {
        None => Err(CredentialError::DetachedSeal),
        Some(Value::String(payload)) => Ok(Sealed { seal, payload: payload_bytes(payload, *encoding)? }),
        Some(_) => Err(malformed("`payload` is not a string")),
    }
}

/// How the payload stands in the file (RFC 7797, 3): base64url, or as it is where `b64` is false.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PayloadEncoding {
    Base64Url,
    Unencoded,
}

fn signature_encoding(signature: &Map<String, Value>) -> Result<PayloadEncoding, CredentialError> {
    match signature.get("signature") {
        Some(Value::String(text)) => check_signature(text)?,
        _ => return Err(malformed("a `signature` is missing or not a string")),
    }
    match signature.get("protected") {
        None => Ok(PayloadEncoding::Base64Url),
        Some(Value::String(header)) => protected_encoding(header),
        Some(_) => Err(malformed("`protected` is not a string")),
    }
}

/// Reads a protected header for what decides about the payload: `alg`, `b64` and `crit`.
fn protected_encoding(header: &str) -> Result<PayloadEncoding, CredentialError> {
    let header = read_header(header)?;
    if header.get("alg").and_then(Value::as_str) == Some("none") {
        return Err(CredentialError::NotSealed);
    }
    match header.get("b64") {
        None | Some(Value::Bool(true)) => Ok(PayloadEncoding::Base64Url),
        Some(Value::Bool(false)) if is_critical(&header, "b64") => Ok(PayloadEncoding::Unencoded),
        Some(Value::Bool(false)) => Err(malformed("its header has `b64` false without naming it in `crit`")),
        Some(_) => Err(malformed("`b64` in its header is neither true nor false")),
    }
}

fn is_critical(header: &Map<String, Value>, name: &str) -> bool {
    let names = header.get("crit").and_then(Value::as_array);
    names.is_some_and(|names| names.iter().any(|critical| critical.as_str() == Some(name)))
}

/// The JSON object in a base64url header.
pub(super) fn read_header(header: &str) -> Result<Map<String, Value>, CredentialError> {
    let bytes = base64url(header).ok_or_else(|| malformed("its header is not strict base64url"))?;
    match strict_json::parse(&bytes) {
        Ok(Value::Object(header)) => Ok(header),
        Ok(_) => Err(malformed("its header is not a JSON object")),
        Err(error) => Err(malformed(&format!("its header: {error}"))),
    }
}

fn payload_bytes(payload: &str, encoding: PayloadEncoding) -> Result<Vec<u8>, CredentialError> {
    if payload.is_empty() {
        return Err(CredentialError::DetachedSeal);
    }
    match encoding {
        PayloadEncoding::Unencoded => Ok(payload.as_bytes().to_vec()),
        PayloadEncoding::Base64Url => {
            base64url(payload).ok_or_else(|| malformed("its payload is not strict base64url"))
        }
    }
}

fn check_signature(signature: &str) -> Result<(), CredentialError> {
    match base64url(signature) {
        Some(bytes) if bytes.is_empty() => Err(CredentialError::NotSealed),
        Some(_) => Ok(()),
        None => Err(malformed("its signature is not strict base64url")),
    }
}

/// Disclosures end with `~`; behind the last one there may be a key binding token.
fn check_disclosures(disclosures: &str) -> Result<(), CredentialError> {
    let (key_binding, disclosures) = match disclosures.rsplit_once('~') {
        Some((disclosures, key_binding)) => (key_binding, disclosures.split('~').collect()),
        None => (disclosures, Vec::new()),
    };
    if !disclosures.iter().all(|part| base64url(part).is_some_and(|bytes| !bytes.is_empty())) {
        return Err(malformed("a disclosure is not strict base64url"));
    }
    if key_binding.is_empty() {
        return Ok(());
    }
    let parts: Vec<&str> = key_binding.splitn(4, '.').collect();
    let complete =
        parts.len() == 3 && parts.iter().all(|part| base64url(part).is_some_and(|bytes| !bytes.is_empty()));
    if complete { Ok(()) } else { Err(malformed("what follows the last `~` is no key binding token")) }
}

fn wrong_number_of_parts(parts: &[&str]) -> CredentialError {
    match parts {
        [only] => match read_header(only) {
            Ok(header) => {
                let algorithm = header.get("alg").and_then(Value::as_str).unwrap_or("not named");
                CredentialError::HeaderOnly { algorithm: shortened(algorithm) }
            }
            Err(_) => CredentialError::UnknownFormat,
        },
        [header, _, _, _, _] if read_header(header).is_ok() => CredentialError::Encrypted,
        _ if read_header(parts.first().unwrap_or(&"")).is_ok() => {
            malformed(&format!("it has {} parts between dots instead of three", parts.len()))
        }
        _ => CredentialError::UnknownFormat,
    }
}

/// Strict base64url (RFC 4648, 5): no padding, no stray bits, no white space.
fn base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

fn malformed(detail: &str) -> CredentialError {
    CredentialError::MalformedSeal { detail: detail.to_owned() }
}
