//! Which of a set of known keys signed a note.

use super::cosignature::{Cosignature, cosignature_message};
use super::key::{KeyId, KeyName, SignatureType, VerifierKey};
use super::signed::{Note, NoteSignature};

/// Checks an Ed25519 signature: `(public key, message, signature)`. Must be the strict
/// verification (no small-order keys, canonical scalars), the same everywhere.
pub type VerifySignature<'a> = &'a dyn Fn(&[u8; 32], &[u8], &[u8; 64]) -> bool;

/// A known key whose signature on the note is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedSignature {
    /// The key.
    pub key: VerifierKey,
    /// When a cosigner signed, in seconds since the Unix epoch, in the order of its lines; empty for a key of type 0x01.
    pub times_s: Vec<u64>,
}

/// The note cannot be relied on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// A line names a known key, but its signature is not that key's over this text.
    #[error("the signature by {name} ({key_id}) does not verify")]
    BadSignature {
        /// The key's name.
        name: KeyName,
        /// The key's id.
        key_id: KeyId,
    },
    /// No known key signed.
    #[error("no known key has signed the note")]
    NoKnownSignature,
    /// Two of the known keys have the same name and id, so lines cannot tell them apart.
    #[error("two known keys are both called {name} ({key_id})")]
    AmbiguousKey {
        /// The name of both.
        name: KeyName,
        /// The id of both.
        key_id: KeyId,
    },
}

/// Finds which of `keys` signed the note.
///
/// Lines of unknown keys are ignored; one bad line of a known key rejects the whole note. Each key
/// is counted once, by its bytes and type, with the times of all its lines; the order is that of the
/// keys' first lines. Quorums and the age of timestamps are the caller's to judge.
///
/// # Errors
/// [`NoteError`]; in particular when not a single known key signed.
pub fn verify_note(
    note: &Note,
    keys: &[VerifierKey],
    verify: VerifySignature<'_>,
) -> Result<Vec<VerifiedSignature>, NoteError> {
    let mut verified: Vec<VerifiedSignature> = Vec::new();
    for line in note.signatures() {
        let Some(key) = key_of_line(line, keys)? else { continue };
        let found = verify_line(note.text(), line, key, verify);
        let found = found
            .ok_or_else(|| NoteError::BadSignature { name: line.name().clone(), key_id: line.key_id() })?;
        match verified.iter_mut().find(|earlier| same_signer(&earlier.key, key)) {
            Some(earlier) => earlier.times_s.extend(found.times_s),
            None => verified.push(found),
        }
    }
    if verified.is_empty() { Err(NoteError::NoKnownSignature) } else { Ok(verified) }
}

fn key_of_line<'a>(
    line: &NoteSignature,
    keys: &'a [VerifierKey],
) -> Result<Option<&'a VerifierKey>, NoteError> {
    let mut named = keys.iter().filter(|key| line.names(key));
    let Some(key) = named.next() else { return Ok(None) };
    if named.any(|other| other != key) {
        return Err(NoteError::AmbiguousKey { name: line.name().clone(), key_id: line.key_id() });
    }
    Ok(Some(key))
}

fn verify_line(
    text: &str,
    line: &NoteSignature,
    key: &VerifierKey,
    verify: VerifySignature<'_>,
) -> Option<VerifiedSignature> {
    let (message, signature, timestamp_s) = match key.signature_type() {
        SignatureType::Ed25519 => (text.as_bytes().to_vec(), line.signature().try_into().ok()?, None),
        SignatureType::CosignatureV1 => {
            let Cosignature { timestamp_s, signature } = Cosignature::from_bytes(line.signature())?;
            (cosignature_message(timestamp_s, text), signature, Some(timestamp_s))
        }
    };
    let good = verify(key.public_key(), &message, &signature);
    good.then(|| VerifiedSignature { key: key.clone(), times_s: timestamp_s.into_iter().collect() })
}

fn same_signer(one: &VerifierKey, other: &VerifierKey) -> bool {
    (one.signature_type(), one.public_key()) == (other.signature_type(), other.public_key())
}
