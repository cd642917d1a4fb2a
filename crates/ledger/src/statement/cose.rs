//! COSE_Sign1 (RFC 9052, 4.2) read strictly: only what statements need, and nothing nested is ever built.
//!
//! A general decoder follows counter-signatures into protected headers that hold counter-signatures; 256 KiB of them overflow
//! the stack. Here every part is read as the byte string that it must be, by a decoder of bounded depth. Whether the bytes are
//! the one deterministic form, the caller finds out by writing them again.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_bytes::ByteBuf;

use crate::ids::Signature;

/// Tag 18, in its shortest form.
const TAG: u8 = 0xd2;
const LABEL_ALG: i64 = 1;
const LABEL_KID: i64 = 4;

/// The parts of a COSE_Sign1.
pub(super) struct Parts {
    /// `alg` of the protected header, where it is there and an integer.
    pub(super) alg: Option<i64>,
    /// `kid` of the protected header, where it is there.
    pub(super) kid: Option<Vec<u8>>,
    /// The payload.
    pub(super) payload: Vec<u8>,
    /// The signature.
    pub(super) signature: Signature,
}

/// Reads a tagged COSE_Sign1 with a payload and a 64-byte signature; `None` where it is none.
pub(super) fn read(bytes: &[u8]) -> Option<Parts> {
    let (&TAG, array) = bytes.split_first()? else { return None };
    let (protected, _, payload, signature): (ByteBuf, Header, ByteBuf, ByteBuf) =
        serde_cbor::from_slice(array).ok()?;
    // An empty byte string stands for an empty map (RFC 9052, 3).
    let Header { alg, kid } =
        if protected.is_empty() { Header::default() } else { serde_cbor::from_slice(&protected).ok()? };
    let signature = signature.as_slice().try_into().map(Signature).ok()?;
    Some(Parts { alg, kid, payload: payload.into_vec(), signature })
}

/// A header map; other parameters than these two are passed over.
#[derive(Default)]
struct Header {
    alg: Option<i64>,
    kid: Option<Vec<u8>>,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of header parameters")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut header = Header::default();
                while let Some(Label(label)) = map.next_key()? {
                    match label {
                        Some(LABEL_ALG) => header.alg = map.next_value::<Label>()?.0,
                        Some(LABEL_KID) => header.kid = Some(map.next_value::<ByteBuf>()?.into_vec()),
                        _ => _ = map.next_value::<IgnoredAny>()?,
                    }
                }
                Ok(header)
            }
        }
        deserializer.deserialize_map(Map)
    }
}

/// A label or an algorithm: an integer, or (never ours) a text.
struct Label(Option<i64>);

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IntegerOrText;
        impl Visitor<'_> for IntegerOrText {
            type Value = Label;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer or a text")
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Label, E> {
                Ok(Label(Some(value)))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Label, E> {
                Ok(Label(i64::try_from(value).ok()))
            }

            fn visit_str<E: Error>(self, _: &str) -> Result<Label, E> {
                Ok(Label(None))
            }
        }
        deserializer.deserialize_any(IntegerOrText)
    }
}
