//! C2SP signed notes: a text, and lines that say who signed it.
//!
//! ```text
//! <text, ending in a newline>
//! <empty line>
//! — <key name> base64(u32be key id || signature)          one line for each signature
//!
//! key id   = SHA-256(key name || 0x0A || type || public key)[:4]
//! type 01  = Ed25519 over the text
//! type 04  = timestamped Ed25519 cosignature/v1
//! ```
//!
//! Sources: <https://c2sp.org/signed-note@v1.0.0>, <https://c2sp.org/tlog-cosignature@v1.0.1>.
//! Signatures are checked by a function that the caller brings; other signature types are read
//! over, as the specification asks of unknown keys.

mod cosignature;
mod key;
mod signed;
mod verify;

pub use cosignature::{COSIGNATURE_BYTES, Cosignature, cosignature_message};
pub use key::{
    KEY_NAME_BYTES_MAX, KeyError, KeyId, KeyName, KeyNameError, SignatureType, VerifierKey, key_id,
};
pub use signed::{NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX, Note, NoteFormatError, NoteSignature};
pub use verify::{NoteError, VerifiedSignature, VerifySignature, verify_note};
