//! Who signs notes: key names, key ids, and verifier keys in their text form ("vkey").

use std::fmt;
use std::str::FromStr;

use crate::hash::sha256;
use crate::text::{base64_decode, base64_encode};

/// The longest key name, in bytes of UTF-8 (the bound of ML-DSA cosignatures, taken for all).
pub const KEY_NAME_BYTES_MAX: usize = 255;

/// The name of a key, such as `example.com/log42`: 1 to 255 bytes of UTF-8 without Unicode white
/// space, control characters and `+`. The origin of a log is one too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

/// The text is no key name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key name has 1 to 255 bytes and neither white space nor control characters nor '+'")]
pub struct KeyNameError;

/// The short identifier of a key with its name and type; shown as 8 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub u32);

/// What a key signs, as the byte that C2SP assigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SignatureType {
    /// 0x01: Ed25519 over the note's text. A log's own line.
    Ed25519 = 0x01,
    /// 0x04: Ed25519 over [`cosignature_message`](super::cosignature_message), with a timestamp.
    CosignatureV1 = 0x04,
}

/// A key that notes are checked with.
///
/// Text form: `<name>+<key id, 8 hexadecimal digits>+<base64(type || public key)>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerifierKey {
    name: KeyName,
    signature_type: SignatureType,
    public_key: [u8; 32],
}

/// The text is no verifier key that we can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is not of the form `<name>+<key id>+<base64>`.
    #[error("a verifier key has the form <name>+<key id>+<base64>")]
    Form,
    /// The name is not one.
    #[error(transparent)]
    Name(#[from] KeyNameError),
    /// The signature type is neither 0x01 nor 0x04, or the key has not 32 bytes.
    #[error("only Ed25519 keys of type 0x01 or 0x04 are supported")]
    UnsupportedKey,
    /// The key id is not that of this name and key.
    #[error("the key id is {found}, but name and key give {expected}")]
    IdMismatch {
        /// The id that name and key give.
        expected: KeyId,
        /// The id in the text.
        found: KeyId,
    },
}

/// The id of a key: `SHA-256(name || 0x0A || type || public key)`, its first four bytes.
pub fn key_id(name: &KeyName, signature_type: SignatureType, public_key: &[u8; 32]) -> KeyId {
    let hash = sha256(&[name.as_str().as_bytes(), b"\n", &[signature_type as u8], public_key]);
    let [a, b, c, d, ..] = hash.0;
    KeyId(u32::from_be_bytes([a, b, c, d]))
}

impl KeyName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = KeyNameError;

    fn from_str(text: &str) -> Result<KeyName, KeyNameError> {
        let length_fits = (1..=KEY_NAME_BYTES_MAX).contains(&text.len());
        let forbidden = |c: char| c.is_whitespace() || c.is_control() || c == '+';
        if length_fits && !text.contains(forbidden) {
            Ok(KeyName(text.to_owned()))
        } else {
            Err(KeyNameError)
        }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:08x}", self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for KeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<KeyId, KeyError> {
        if text.len() != 8 || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(KeyError::Form);
        }
        u32::from_str_radix(text, 16).map(KeyId).map_err(|_| KeyError::Form)
    }
}

impl VerifierKey {
    /// A key from its parts. That `public_key` is a point of the curve, only using it shows.
    pub fn new(name: KeyName, signature_type: SignatureType, public_key: [u8; 32]) -> VerifierKey {
        VerifierKey { name, signature_type, public_key }
    }

    /// Whose key it is; for a log's key the log's origin.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// What it signs.
    pub fn signature_type(&self) -> SignatureType {
        self.signature_type
    }

    /// The Ed25519 public key.
    pub fn public_key(&self) -> &[u8; 32] {
        &self.public_key
    }

    /// Its id, by [`key_id`].
    pub fn id(&self) -> KeyId {
        key_id(&self.name, self.signature_type, &self.public_key)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![self.signature_type as u8];
        key.extend_from_slice(&self.public_key);
        write!(formatter, "{}+{}+{}", self.name, self.id(), base64_encode(&key))
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<VerifierKey, KeyError> {
        // Base64 may contain '+', names cannot: the first two divide.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::Form);
        };
        let name: KeyName = name.parse()?;
        let found: KeyId = id.parse()?;
        let bytes = base64_decode(key).ok_or(KeyError::Form)?;
        let (&type_byte, public_key) = bytes.split_first().ok_or(KeyError::Form)?;
        let signature_type = match type_byte {
            0x01 => SignatureType::Ed25519,
            0x04 => SignatureType::CosignatureV1,
            _ => return Err(KeyError::UnsupportedKey),
        };
        let public_key = public_key.try_into().map_err(|_| KeyError::UnsupportedKey)?;
        let key = VerifierKey { name, signature_type, public_key };
        let expected = key.id();
        if found == expected { Ok(key) } else { Err(KeyError::IdMismatch { expected, found }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

    #[test]
    fn the_key_of_the_specification_is_read_and_written() {
        let key: VerifierKey = VKEY.parse().expect("C2SP signed-note, verifier keys");
        assert_eq!(key.name().as_str(), "example.com/foo");
        assert_eq!(key.signature_type(), SignatureType::Ed25519);
        assert_eq!(key.id(), KeyId(0x530d_903a));
        assert_eq!(key.to_string(), VKEY);
    }

    #[test]
    fn keys_that_are_not_exactly_right_are_refused() {
        for (text, expected) in [
            ("", KeyError::Form),
            ("example.com/foo+530d903a", KeyError::Form),
            (&VKEY.replace("530d", "530D"), KeyError::Form),
            (&VKEY.replace("+530d", "+0530d"), KeyError::Form),
            (&VKEY.replace("+Aek", "+Aek="), KeyError::Form),
            (&VKEY.replace("example", "exa mple"), KeyError::Name(KeyNameError)),
            (&VKEY.replace("example.com/foo", ""), KeyError::Name(KeyNameError)),
            (&VKEY.replace("+Aek", "+Bek"), KeyError::UnsupportedKey),
            ("example.com/foo+530d903a+AQ==", KeyError::UnsupportedKey),
            (&VKEY.replace("+Aek", "+BOk"), KeyError::UnsupportedKey),
        ] {
            let found = text.parse::<VerifierKey>().expect_err(text);
            if text.contains("+BOk") {
                assert!(matches!(found, KeyError::IdMismatch { .. }), "{text}: {found:?}");
            } else {
                assert_eq!(found, expected, "{text}");
            }
        }
    }

    #[test]
    fn names_have_no_space_and_no_plus() {
        let longest = "é".repeat(127);
        for good in ["a", "node0.example/ledger", "日本", &longest] {
            assert_eq!(good.parse::<KeyName>().map(|name| name.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "a b", "a+b", "a\n", "a\u{a0}b", "a\u{2003}", "\u{7f}", &"é".repeat(128)] {
            assert_eq!(bad.parse::<KeyName>(), Err(KeyNameError), "{bad:?}");
        }
    }
}
