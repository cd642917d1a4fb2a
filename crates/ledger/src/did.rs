//! Names of organisations: `did:ebsi` version 1 for legal entities, and the DID URLs of their keys.
//!
//! Layout (EBSI DID method for legal entities): `did:ebsi:z` + base58btc(`0x01` || 16 bytes).

use std::fmt;
use std::str::FromStr;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ids::Thumbprint;

const PREFIX: &str = "did:ebsi:z";
const VERSION: u8 = 0x01;
/// 17 bytes are at most 24 base58 characters.
const METHOD_ID_CHARS_MAX: usize = 24;

/// Not a `did:ebsi` version 1 identifier, or not the DID URL of a key.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("must be did:ebsi version 1{}", if *.key { " followed by # and a key thumbprint" } else { "" })]
pub struct DidSyntax {
    key: bool,
}

/// A legal entity's identifier.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Did([u8; 16]);

impl Did {
    /// The identifier with these 16 (random) bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes behind the version.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [VERSION; 17];
        bytes[1..].copy_from_slice(&self.0);
        // On the stack: every record spells its issuer.
        let mut method_id = [0; METHOD_ID_CHARS_MAX];
        let len = bs58::encode(bytes).onto(&mut method_id[..]).expect("17 bytes are at most 24 characters");
        f.write_str(PREFIX)?;
        f.write_str(std::str::from_utf8(&method_id[..len]).expect("base58 is ASCII"))
    }
}

impl fmt::Debug for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Did {
    type Err = DidSyntax;

    fn from_str(text: &str) -> Result<Self, DidSyntax> {
        let syntax = DidSyntax { key: false };
        let method_id = text.strip_prefix(PREFIX).ok_or(syntax)?;
        if method_id.len() > METHOD_ID_CHARS_MAX {
            return Err(syntax);
        }
        let mut bytes = [0; 17];
        let len = bs58::decode(method_id).onto(&mut bytes).map_err(|_| syntax)?;
        let [version, id @ ..] = bytes;
        // Base58 writes every 17 bytes that begin with 1 in exactly one way, so no second spelling is left to refuse.
        if len != bytes.len() || version != VERSION {
            return Err(syntax);
        }
        Ok(Self(id))
    }
}

/// The DID URL of an organisation's key: `did#thumbprint`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId {
    /// Whose key.
    pub did: Did,
    /// RFC 7638 thumbprint of the key.
    pub thumbprint: Thumbprint,
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.did, URL_SAFE_NO_PAD.encode(self.thumbprint.0))
    }
}

impl FromStr for KeyId {
    type Err = DidSyntax;

    fn from_str(text: &str) -> Result<Self, DidSyntax> {
        let syntax = DidSyntax { key: true };
        let (did, fragment) = text.split_once('#').ok_or(syntax)?;
        let did = did.parse().map_err(|_| syntax)?;
        let mut thumbprint = [0; 32];
        // 43 characters; the decoder refuses non-zero trailing bits, so the spelling is unique.
        if fragment.len() != 43 || URL_SAFE_NO_PAD.decode_slice(fragment, &mut thumbprint) != Ok(32) {
            return Err(syntax);
        }
        Ok(Self { did, thumbprint: Thumbprint(thumbprint) })
    }
}

macro_rules! serde_as_text {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(stringify!($name))
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    )*};
}
serde_as_text!(Did, KeyId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_identifier_is_read_and_written() {
        let text = "did:ebsi:zZeKyEJfUTGwajhNyNX928z";
        assert_eq!(text.parse::<Did>().unwrap().to_string(), text);
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            "did:ebsi:z",
            "did:ebsi:zeKyEJfUTGwajhNyNX928z0",
            "DID:ebsi:zZeKyEJfUTGwajhNyNX928z",
            "did:EBSI:zZeKyEJfUTGwajhNyNX928z",
            " did:ebsi:zZeKyEJfUTGwajhNyNX928z",
            "did:ebsi:zZeKyEJfUTGwajhNyNX928z ",
            "did:ebsi:zZeKyEJfUTGwajhNyNX928z#a",
            "did:ebsi:z1ZeKyEJfUTGwajhNyNX928z",
            "did:ebsi:zZeKyEJfUTGwajhNyNX928zz",
            "did:ebsi:z2111111111111111111111111111111",
            "did:ebsi:zZeKyEJfUTGwajhNyNX928\u{200b}z",
            "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
        ] {
            assert_eq!(text.parse::<Did>(), Err(DidSyntax { key: false }), "{text}");
        }
    }

    #[test]
    fn key_identifiers_have_one_spelling() {
        let key = KeyId { did: Did::new([7; 16]), thumbprint: Thumbprint([9; 32]) };
        let text = key.to_string();
        assert_eq!(text.parse(), Ok(key));
        assert_eq!(format!("{text}=").parse::<KeyId>(), Err(DidSyntax { key: true }));
        // The last character's two unused bits must be zero.
        let tampered = format!("{}l", &text[..text.len() - 1]);
        assert_eq!(tampered.parse::<KeyId>(), Err(DidSyntax { key: true }));
    }
}
