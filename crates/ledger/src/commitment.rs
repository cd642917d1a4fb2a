//! Commitments: what the ledger holds instead of a credential, and the opening that shows which credential it was.
//!
//! ```text
//! commitment = SHA-256("kvitto/commitment/v1"      || 0x00 || algorithm (1) || target (1) || salt (32) || digest (32))
//! bare       = SHA-256("kvitto/commitment-bare/v1" || 0x00 || algorithm (1) || target (1)              || digest (32))
//! ```
//!
//! The opening (algorithm, target, salt, digest) never reaches a node: it stays with the issuer and travels to the
//! holder in the receipt. A bare commitment has no salt and can be guessed by anyone who can guess the credential;
//! it is for organisations' own records and for test ledgers.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use kvitto_merkle::{Hash, Sha256, sha256};
use serde::{Deserialize, Serialize};
use sha3::{Digest, Sha3_256};
use zeroize::Zeroize;

use crate::ids::Commitment;

/// Sets a salted commitment apart from every other hash of the ledger; the 0x00 ends it.
const SALTED_TAG: &[u8] = b"kvitto/commitment/v1\0";

/// Sets a bare commitment apart, so that it can never pass for a salted one.
const BARE_TAG: &[u8] = b"kvitto/commitment-bare/v1\0";

/// What opens a commitment: whoever holds it and the credential can show that the one is in the other.
///
/// Without a salt it opens a bare commitment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The hash function that made `digest`.
    pub algorithm: DigestAlgorithm,
    /// Which bytes of the credential were hashed.
    pub target: DigestTarget,
    /// The salt, absent in a bare commitment.
    pub salt: Option<Salt>,
    /// The digest of the credential's target bytes.
    pub digest: Hash,
}

/// The hash function over the digest target. The numbers are part of every commitment and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
#[repr(u8)]
pub enum DigestAlgorithm {
    /// SHA-256 (FIPS 180-4).
    Sha256 = 1,
    /// SHA3-256 (FIPS 202), the second one named by (EU) 2025/2531.
    Sha3_256 = 2,
}

/// Which bytes of a credential are hashed. The numbers are part of every commitment and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
#[repr(u8)]
pub enum DigestTarget {
    /// The RFC 8785 canonical form of the JSON credential.
    Jcs = 1,
    /// The payload bytes of a JWS or JAdES seal, exactly as sealed; neither the seal nor its protected header.
    Payload = 2,
    /// The file, byte for byte.
    Bytes = 3,
}

/// A number or a name that stands for no digest algorithm or digest target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} {given:?}; known are {known}")]
pub struct UnknownDigestTerm {
    /// `digest algorithm` or `digest target`.
    pub what: &'static str,
    /// What was given.
    pub given: String,
    /// The known numbers or names.
    pub known: &'static str,
}

/// 32 secret bytes that keep a commitment from being guessed. Overwritten when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Salt([u8; Salt::BYTES]);

/// An issuer's secret from which it derives the salt of each credential. Overwritten when dropped, never printed.
///
/// The same credential gets the same salt again, so anchoring it twice is seen as a duplicate.
pub struct SaltKey([u8; SaltKey::BYTES]);

impl Opening {
    /// The commitment that this opens.
    pub fn commitment(&self) -> Commitment {
        let terms = [self.algorithm.code(), self.target.code()];
        let hash = match &self.salt {
            Some(salt) => sha256(&[SALTED_TAG, &terms, &salt.0, self.digest.as_bytes()]),
            None => sha256(&[BARE_TAG, &terms, self.digest.as_bytes()]),
        };
        Commitment(hash.0)
    }

    /// Whether the commitment has no salt.
    pub fn is_bare(&self) -> bool {
        self.salt.is_none()
    }
}

impl DigestAlgorithm {
    /// Every algorithm, by ascending code.
    pub const ALL: [DigestAlgorithm; 2] = [DigestAlgorithm::Sha256, DigestAlgorithm::Sha3_256];

    /// The number that stands in commitments and receipts.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The multihash name: `sha2-256` or `sha3-256`.
    pub const fn name(self) -> &'static str {
        match self {
            DigestAlgorithm::Sha256 => "sha2-256",
            DigestAlgorithm::Sha3_256 => "sha3-256",
        }
    }

    /// The digest of `content`.
    pub fn digest(self, content: &[u8]) -> Hash {
        match self {
            DigestAlgorithm::Sha256 => sha256(&[content]),
            DigestAlgorithm::Sha3_256 => Hash(Sha3_256::digest(content).into()),
        }
    }
}

impl DigestTarget {
    /// Every target, by ascending code.
    pub const ALL: [DigestTarget; 3] = [DigestTarget::Jcs, DigestTarget::Payload, DigestTarget::Bytes];

    /// The number that stands in commitments and records.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// `jcs`, `payload` or `bytes`.
    pub const fn name(self) -> &'static str {
        match self {
            DigestTarget::Jcs => "jcs",
            DigestTarget::Payload => "payload",
            DigestTarget::Bytes => "bytes",
        }
    }
}

/// Number and name of a closed list, both ways and strictly.
macro_rules! digest_term {
    ($type:ident, $what:literal, $codes:literal, $names:literal) => {
        impl From<$type> for u8 {
            fn from(term: $type) -> u8 {
                term.code()
            }
        }

        impl TryFrom<u8> for $type {
            type Error = UnknownDigestTerm;

            fn try_from(code: u8) -> Result<$type, UnknownDigestTerm> {
                let known = $type::ALL.into_iter().find(|term| term.code() == code);
                known.ok_or_else(|| UnknownDigestTerm { what: $what, given: code.to_string(), known: $codes })
            }
        }

        impl FromStr for $type {
            type Err = UnknownDigestTerm;

            fn from_str(name: &str) -> Result<$type, UnknownDigestTerm> {
                let known = $type::ALL.into_iter().find(|term| term.name() == name);
                known.ok_or_else(|| UnknownDigestTerm { what: $what, given: name.to_owned(), known: $names })
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.name())
            }
        }
    };
}

digest_term!(DigestAlgorithm, "digest algorithm", "1 and 2", "sha2-256 and sha3-256");
digest_term!(DigestTarget, "digest target", "1, 2 and 3", "jcs, payload and bytes");

impl Salt {
    /// The length in bytes.
    pub const BYTES: usize = 32;

    /// A salt of these bytes: from a receipt, from the issuer's register, or from the system's random source.
    pub const fn new(bytes: [u8; Salt::BYTES]) -> Salt {
        Salt(bytes)
    }

    /// The secret bytes, for the receipt and the issuer's register.
    pub const fn as_bytes(&self) -> &[u8; Salt::BYTES] {
        &self.0
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Salt(secret)")
    }
}

impl Drop for Salt {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl SaltKey {
    /// The length in bytes.
    pub const BYTES: usize = 32;

    /// A key of these bytes, which must come from a cryptographic random source.
    pub const fn new(bytes: [u8; SaltKey::BYTES]) -> SaltKey {
        SaltKey(bytes)
    }

    /// The salt of the credential with this digest: `HMAC-SHA256(key, algorithm || target || digest)`.
    pub fn salt_for(&self, algorithm: DigestAlgorithm, target: DigestTarget, digest: &Hash) -> Salt {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(&[algorithm.code(), target.code()]);
        mac.update(digest.as_bytes());
        Salt(mac.finalize().into_bytes().into())
    }

    /// The opening of the credential with this digest, salted with [`SaltKey::salt_for`].
    pub fn opening_for(&self, algorithm: DigestAlgorithm, target: DigestTarget, digest: Hash) -> Opening {
        let salt = self.salt_for(algorithm, target, &digest);
        Opening { algorithm, target, salt: Some(salt), digest }
    }
}

impl fmt::Debug for SaltKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SaltKey(secret)")
    }
}

impl Drop for SaltKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENT: &[u8] = br#"{"type":"VerifiableCredential"}"#;

    /// algorithm, target, digest of [`CONTENT`], derived salt, commitment (salt 00..1f), commitment (derived salt),
    /// bare commitment; the key is 20..3f. Made with Python's hashlib and hmac.
    const VECTORS: [[&str; 7]; 4] = [
        [
            "sha2-256",
            "jcs",
            "1fbe37d31912446b3e9520451847c03b4849b0cb67b1d67eb2563cbad135362e",
            "7ce2d1b5e40fe0dbf5a0353c7590aabdccd0d26b67c0a872675c8d2827f020b6",
            "6536ef318a460e3b883dc12f624b16091570143f63da784d8e5bbfe7d913a8b5",
            "03de970c4f5d3a764bb5a386c0f30d44078d885b02b16abd1857f3787558b2c9",
            "f1fb7654b68d1bf28d0592b242b0f2bb9c0dd4b32bf5020f01b1614b0eb09831",
        ],
        [
            "sha2-256",
            "payload",
            "1fbe37d31912446b3e9520451847c03b4849b0cb67b1d67eb2563cbad135362e",
            "607db7db65afb28c7b32da1e90206f9926bec4b1417b2da498d7b35985e2e261",
            "a10cb2a93292e22860444ace3d91485ffc02db9a239597a1a3defc0e4c796229",
            "85c27a1b52b583678ce4ad7643c08151c6c85fb2efa967a6aa0d06322de8eee7",
            "3fe5c53c788c6bcf0313c7ff3015a66115ad3a142928492e85a3899d14013f66",
        ],
        [
            "sha2-256",
            "bytes",
            "1fbe37d31912446b3e9520451847c03b4849b0cb67b1d67eb2563cbad135362e",
            "cea83198353b48c2873c2c02608eb32217b89332e7692ac5854f4bf210b80f44",
            "808f75ab664be7c21a2537ce5df959544de116046fbdb4880a46fd70083cb62d",
            "2d39af8db5502fad4d5151121bfbe8ed7b862ec4304a12556760adefbed83c56",
            "50e619aea8ab7e33bcfbed7c934e39fb9663a2213cf45fad89ed5074a56c8590",
        ],
        [
            "sha3-256",
            "jcs",
            "c9e5a4f41f7e122a9870c55f3b86684e2659da787447a9a2da657ea357b40b71",
            "133243ff762f91c650753c88d1d05490ee096f05968301e37495390315be63fb",
            "c27fe25542850895be1b9d2d11050471facf939be5a535e7c590e74167082bd1",
            "6d0b4e6e3bdaac78347d4c71f514bb40075cd6032b3d013b567cdb071ce04c65",
            "270c465d969e1c6d44d36d551256907a87c6616a15c124ac2531c9f71a3f805b",
        ],
    ];

    fn counting_from(start: u8) -> [u8; 32] {
        std::array::from_fn(|index| start + index as u8)
    }

    #[test]
    fn commitments_equal_the_frozen_vectors() {
        let key = SaltKey::new(counting_from(32));
        for [algorithm, target, digest, derived_salt, fixed, derived, bare] in VECTORS {
            let algorithm: DigestAlgorithm = algorithm.parse().unwrap();
            let target: DigestTarget = target.parse().unwrap();
            assert_eq!(algorithm.digest(CONTENT).to_string(), digest);

            let opening = key.opening_for(algorithm, target, algorithm.digest(CONTENT));
            assert_eq!(hex::encode(opening.salt.as_ref().unwrap().as_bytes()), derived_salt);
            assert_eq!(opening.commitment().to_string(), derived);

            let salted = Opening { salt: Some(Salt::new(counting_from(0))), ..opening.clone() };
            assert_eq!(salted.commitment().to_string(), fixed);
            let unsalted = Opening { salt: None, ..opening };
            assert!(unsalted.is_bare());
            assert_eq!(unsalted.commitment().to_string(), bare);
        }
    }

    #[test]
    fn every_term_of_an_opening_changes_the_commitment() {
        let digest = DigestAlgorithm::Sha256.digest(CONTENT);
        let salt = Some(Salt::new([7; 32]));
        let base = Opening { algorithm: DigestAlgorithm::Sha256, target: DigestTarget::Jcs, salt, digest };
        let others = [
            Opening { algorithm: DigestAlgorithm::Sha3_256, ..base.clone() },
            Opening { target: DigestTarget::Bytes, ..base.clone() },
            Opening { salt: Some(Salt::new([8; 32])), ..base.clone() },
            Opening { salt: None, ..base.clone() },
            Opening { digest: Hash([0; 32]), ..base.clone() },
        ];
        for other in others {
            assert_ne!(other.commitment(), base.commitment(), "{other:?}");
        }
    }

    #[test]
    fn codes_and_names_are_read_strictly() {
        for algorithm in DigestAlgorithm::ALL {
            assert_eq!(DigestAlgorithm::try_from(algorithm.code()), Ok(algorithm));
            assert_eq!(algorithm.name().parse(), Ok(algorithm));
        }
        for target in DigestTarget::ALL {
            assert_eq!(DigestTarget::try_from(target.code()), Ok(target));
            assert_eq!(target.name().parse(), Ok(target));
        }
        assert!(DigestAlgorithm::try_from(0).is_err() && DigestAlgorithm::try_from(3).is_err());
        assert!(DigestTarget::try_from(0).is_err() && DigestTarget::try_from(4).is_err());
        assert!("SHA2-256".parse::<DigestAlgorithm>().is_err());
        let error = "file".parse::<DigestTarget>().unwrap_err();
        assert_eq!(error.to_string(), r#"unknown digest target "file"; known are jcs, payload and bytes"#);
    }

    #[test]
    fn serde_carries_the_number_and_refuses_others() {
        assert_eq!(serde_json::to_string(&DigestTarget::Payload).unwrap(), "2");
        assert_eq!(serde_json::from_str::<DigestAlgorithm>("2").unwrap(), DigestAlgorithm::Sha3_256);
        for text in ["0", "3", "256", "-1", "1.0", "\"jcs\"", "null"] {
            assert!(serde_json::from_str::<DigestAlgorithm>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let opening =
            SaltKey::new([1; 32]).opening_for(DigestAlgorithm::Sha256, DigestTarget::Jcs, Hash([2; 32]));
        let printed = format!("{opening:?} {:?}", SaltKey::new([1; 32]));
        assert!(printed.contains("Salt(secret)") && printed.contains("SaltKey(secret)"), "{printed}");
        assert!(!printed.contains(&hex::encode(opening.salt.unwrap().as_bytes())));
    }
}
