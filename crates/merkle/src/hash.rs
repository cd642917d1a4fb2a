//! SHA-256 values and the domain-separated hashes of an RFC 6962 tree.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// A SHA-256 value: 32 bytes, shown as 64 lower-case hexadecimal digits.
///
/// Serde: a byte string of exactly 32 bytes in binary formats (CBOR), the hexadecimal text in
/// human-readable ones (JSON, TOML). Upper-case digits are refused, so every value has one text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash(pub [u8; Hash::BYTES]);

/// The root of a tree without leaves: SHA-256 of nothing (RFC 6962, 2.1).
pub const EMPTY_ROOT: Hash = Hash([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

/// The text is not 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 value is 64 lower-case hexadecimal digits")]
pub struct HashTextError;

/// SHA-256 of the concatenation of `parts`.
pub fn sha256(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    Hash(hasher.finalize().into())
}

/// The hash of a leaf: `SHA-256(0x00 || data)` (RFC 6962, 2.1).
pub fn leaf_hash(data: &[u8]) -> Hash {
    sha256(&[&[0], data])
}

/// The hash of an inner node: `SHA-256(0x01 || left || right)` (RFC 6962, 2.1).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], &left.0, &right.0])
}

impl Hash {
    /// The length of a value in bytes.
    pub const BYTES: usize = 32;

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; Hash::BYTES] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for Hash {
    type Err = HashTextError;

    fn from_str(text: &str) -> Result<Hash, HashTextError> {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(HashTextError);
        }
        let mut bytes = [0; Hash::BYTES];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| HashTextError)?;
        Ok(Hash(bytes))
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<[u8; Hash::BYTES]> for Hash {
    fn from(bytes: [u8; Hash::BYTES]) -> Hash {
        Hash(bytes)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(HexVisitor)
        } else {
            deserializer.deserialize_bytes(BytesVisitor)
        }
    }
}

struct HexVisitor;

impl Visitor<'_> for HexVisitor {
    type Value = Hash;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("64 lower-case hexadecimal digits")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Hash, E> {
        text.parse().map_err(E::custom)
    }
}

struct BytesVisitor;

impl Visitor<'_> for BytesVisitor {
    type Value = Hash;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a byte string of 32 bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Hash, E> {
        let array = bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))?;
        Ok(Hash(array))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_root_is_the_hash_of_nothing() {
        assert_eq!(EMPTY_ROOT, sha256(&[]));
        assert_eq!(sha256(&[b"ab", b"", b"c"]), sha256(&[b"abc"]));
    }

    #[test]
    fn text_is_lower_case_hexadecimal_and_nothing_else() {
        let text = EMPTY_ROOT.to_string();
        assert_eq!(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(text.parse(), Ok(EMPTY_ROOT));
        assert_eq!(format!("{EMPTY_ROOT:?}"), text);
        for bad in ["", &text[2..], &format!("{text}00"), &text.to_uppercase(), &text.replace('e', "g")] {
            assert_eq!(bad.parse::<Hash>(), Err(HashTextError), "{bad}");
        }
    }

    #[test]
    fn json_has_text_and_cbor_has_a_byte_string_of_32_bytes() {
        let json = serde_json::to_string(&EMPTY_ROOT).expect("serialises");
        assert_eq!(json, format!("\"{EMPTY_ROOT}\""));
        assert_eq!(serde_json::from_str::<Hash>(&json).expect("parses"), EMPTY_ROOT);

        let cbor = serde_cbor::to_vec(&EMPTY_ROOT).expect("serialises");
        assert_eq!(cbor[..2], [0x58, 32]);
        assert_eq!(cbor[2..], EMPTY_ROOT.0);
        assert_eq!(serde_cbor::from_slice::<Hash>(&cbor).expect("parses"), EMPTY_ROOT);
        for short_or_other in [&[0x41, 0][..], &[0x78, 1, 0x61], &[0x81, 0], &[0x18, 32]] {
            assert!(serde_cbor::from_slice::<Hash>(short_or_other).is_err());
        }
    }
}
