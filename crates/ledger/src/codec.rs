//! Deterministic CBOR (RFC 8949, 4.2.1): one way to write signed and stored bytes, one strict way to read them.
//!
//! Everything is an array, an integer, a byte or text string, a boolean or null. `serde_cbor` decodes leniently,
//! so [`decode_strict`] encodes again what it read and compares: two byte strings never mean the same thing.

use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

/// Why bytes are not the deterministic CBOR of the expected type.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Longer than this kind of object may be.
    #[error("{len} bytes, at most {max} are allowed")]
    TooLong {
        /// Length found, in bytes.
        len: usize,
        /// Greatest length allowed, in bytes.
        max: usize,
    },
    /// Not CBOR, or not of the expected shape.
    #[error("not well-formed, or not of the expected shape")]
    Malformed,
    /// Readable, but not in the one deterministic form.
    #[error("not in deterministic form")]
    NotCanonical,
}

/// The deterministic bytes of `value`.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    serde_cbor::to_vec(value).expect("our types hold nothing that CBOR cannot express")
}

/// Reads `bytes` as a `T`, at most `max` bytes long and in deterministic form.
///
/// # Errors
/// [`DecodeError`], in the order of its variants.
pub fn decode_strict<T: Serialize + DeserializeOwned>(bytes: &[u8], max: usize) -> Result<T, DecodeError> {
    if bytes.len() > max {
        return Err(DecodeError::TooLong { len: bytes.len(), max });
    }
    let value: T = serde_cbor::from_slice(bytes).map_err(|_| DecodeError::Malformed)?;
    if encode(&value) != bytes {
        return Err(DecodeError::NotCanonical);
    }
    Ok(value)
}

/// A struct whose CBOR form is the array of its fields, in the order written.
///
/// Besides `Serialize` and `Deserialize` it gives the pieces from which an array with a common head is put together.
macro_rules! cbor_array {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $type:ty),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name { $($(#[$field_meta])* pub $field: $type),* }

        impl $name {
            /// Number of array elements.
            #[allow(dead_code, reason = "needed only by types that stand behind a common head")]
            pub(crate) const FIELDS: usize = [$(stringify!($field)),*].len();

            pub(crate) fn serialize_fields<S: serde::ser::SerializeTuple>(&self, array: &mut S) -> Result<(), S::Error> {
                $(array.serialize_element(&self.$field)?;)*
                Ok(())
            }

            pub(crate) fn deserialize_fields<'de, A: serde::de::SeqAccess<'de>>(array: &mut A) -> Result<Self, A::Error> {
                Ok(Self { $($field: $crate::codec::next_field(array)?),* })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut array = serializer.serialize_tuple(Self::FIELDS)?;
                self.serialize_fields(&mut array)?;
                serde::ser::SerializeTuple::end(array)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Fields;
                impl<'de> serde::de::Visitor<'de> for Fields {
                    type Value = $name;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(concat!("the array of ", stringify!($name)))
                    }
                    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut array: A) -> Result<$name, A::Error> {
                        $name::deserialize_fields(&mut array)
                    }
                }
                deserializer.deserialize_tuple(Self::FIELDS, Fields)
            }
        }
    };
}
pub(crate) use cbor_array;

/// The next element of an array; a missing one is an error.
pub(crate) fn next_field<'de, T: serde::Deserialize<'de>, A: serde::de::SeqAccess<'de>>(
    array: &mut A,
) -> Result<T, A::Error> {
    array.next_element()?.ok_or_else(|| serde::de::Error::custom("array too short"))
}

/// An enum written as an unsigned integer; unknown numbers do not decode.
macro_rules! code_enum {
    ($(#[$meta:meta])* pub enum $name:ident: $repr:ty { $($(#[$variant_meta:meta])* $variant:ident = $code:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_meta])* $variant = $code),* }

        impl $name {
            /// Every variant, by code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The number that stands for it in signed bytes.
            pub const fn code(self) -> $repr {
                self as $repr
            }

            /// The variant with this number.
            pub const fn from_code(code: $repr) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.code().serialize(serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let code = <$repr as serde::Deserialize>::deserialize(deserializer)?;
                Self::from_code(code).ok_or_else(|| serde::de::Error::custom("unknown code"))
            }
        }
    };
}
pub(crate) use code_enum;

#[cfg(test)]
mod tests {
    use super::*;

    cbor_array! {
        /// Sample.
        #[allow(unreachable_pub, reason = "the macro makes public types")]
        pub struct Pair {
            /// First.
            pub first: u64,
            /// Second.
            pub second: Option<String>,
        }
    }

    fn check(hex_bytes: &str, expected: Result<(u64, Option<&str>), DecodeError>) {
        let got = decode_strict::<Pair>(&hex::decode(hex_bytes).unwrap(), 16);
        let expected = expected.map(|(first, second)| Pair { first, second: second.map(str::to_owned) });
        assert_eq!(got, expected, "{hex_bytes}");
    }

    #[test]
    fn only_the_deterministic_form_is_read() {
        check("8201f6", Ok((1, None)));
        check("82016161", Ok((1, Some("a"))));
        check("82180161 61".replace(' ', "").as_str(), Err(DecodeError::NotCanonical));
        check("9f0161 61ff".replace(' ', "").as_str(), Err(DecodeError::NotCanonical));
        check("c18201f6", Err(DecodeError::NotCanonical));
        check("8101", Err(DecodeError::Malformed));
        check("8301f6f6", Err(DecodeError::Malformed));
        check("8201f600", Err(DecodeError::Malformed));
        check("a2000101f6", Err(DecodeError::Malformed));
        check("", Err(DecodeError::Malformed));
        check(&"00".repeat(17), Err(DecodeError::TooLong { len: 17, max: 16 }));
    }
}
