//! Ed25519 keys and signatures: `verify_strict` for everything, one signature at a time.
//!
//! `verify_batch` answers differently from run to run on crafted signatures, so nodes that used it could disagree.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer, VerifyingKey};
use kvitto_merkle::sha256;
use thiserror::Error;

use crate::ids::{KeyBytes, Signature, Thumbprint};

/// The 32 bytes are no usable Ed25519 key: not a curve point, not in canonical form, or of small order.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not a usable Ed25519 public key")]
pub struct KeyInvalid;

/// A public key that is a canonically written curve point of large order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Checks a published key.
    ///
    /// # Errors
    /// [`KeyInvalid`].
    pub fn new(bytes: &KeyBytes) -> Result<Self, KeyInvalid> {
        let key = VerifyingKey::from_bytes(&bytes.0).map_err(|_| KeyInvalid)?;
        if key.is_weak() || !is_canonical(&bytes.0) {
            return Err(KeyInvalid);
        }
        Ok(Self(key))
    }

    /// The key as published.
    pub fn bytes(&self) -> KeyBytes {
        KeyBytes(self.0.to_bytes())
    }

    /// Whether `signature` is this key's over `message`, by the strict rules (RFC 8032, no small-order component).
    pub fn verifies(&self, message: &[u8], signature: &Signature) -> bool {
        self.0.verify_strict(message, &ed25519_dalek::Signature::from_bytes(&signature.0)).is_ok()
    }
}

/// Whether the y coordinate is less than p = 2^255 - 19.
///
/// The other non-canonical spellings, x = 0 with the sign bit set, are of points of small order.
fn is_canonical(bytes: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = bytes;
    let y_is_p_or_more = *first >= 0xed && middle.iter().all(|byte| *byte == 0xff) && last & 0x7f == 0x7f;
    !y_is_p_or_more
}

/// A private key; forgotten bytes are overwritten.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key that follows from 32 random bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The seed, for writing a key file.
    pub fn seed(&self) -> zeroize::Zeroizing<[u8; 32]> {
        zeroize::Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs `message`.
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey(of {})", self.public().bytes())
    }
}

/// RFC 7638 thumbprint of an Ed25519 key (RFC 8037 form).
pub fn thumbprint(key: &KeyBytes) -> Thumbprint {
    let x = URL_SAFE_NO_PAD.encode(key.0);
    Thumbprint(sha256(&[format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#).as_bytes()]).0)
}

/// RFC 7638 thumbprint of an elliptic-curve key with this JWK curve name.
pub fn thumbprint_ec(curve: &str, x: &[u8; 32], y: &[u8; 32]) -> Thumbprint {
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    Thumbprint(sha256(&[format!(r#"{{"crv":"{curve}","kty":"EC","x":"{x}","y":"{y}"}}"#).as_bytes()]).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_rfc_8037() {
        // RFC 8037, appendix A.3.
        let x = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let key = KeyBytes(x.try_into().unwrap());
        assert_eq!(URL_SAFE_NO_PAD.encode(thumbprint(&key).0), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn small_order_and_non_canonical_keys_are_refused() {
        for bytes in [
            "0100000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "0200000000000000000000000000000000000000000000000000000000000000",
        ] {
            assert_eq!(PublicKey::new(&bytes.parse().unwrap()), Err(KeyInvalid), "{bytes}");
        }
    }

    /// `is_canonical` is a shortcut for writing the point again, for every spelling that could differ.
    #[test]
    fn canonical_keys_are_those_that_are_written_as_they_were_read() {
        for first in 0..=255_u8 {
            for last in [0x00, 0x7f, 0x80, 0xff] {
                for fill in [0x00, 0xff] {
                    let mut bytes = [fill; 32];
                    (bytes[0], bytes[31]) = (first, last);
                    let Ok(key) = VerifyingKey::from_bytes(&bytes) else { continue };
                    let written = key.to_edwards().compress().to_bytes();
                    assert_eq!(
                        !key.is_weak() && written == bytes,
                        PublicKey::new(&KeyBytes(bytes)).is_ok(),
                        "{bytes:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_signature_verifies_only_with_its_key_and_message() {
        let (key, other) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]));
        let signature = key.sign(b"a");
        assert!(key.public().verifies(b"a", &signature));
        assert!(!key.public().verifies(b"b", &signature));
        assert!(!other.public().verifies(b"a", &signature));
    }
}
