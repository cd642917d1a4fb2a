//! JSON read strictly, and bytes in it as standard base64: one file, one meaning.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Why a file is not the expected JSON. Says where, never what: the file holds a secret salt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The file is longer than such files are.
    #[error("the file has {bytes} bytes, at most {bytes_max} are read")]
    TooLarge {
        /// Length of the file.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// Not JSON, a member is missing, unknown, doubled or of the wrong form, or the version is another one.
    #[error("not of the expected form at line {line}, column {column}")]
    Malformed {
        /// Line, from 1; 0 where the whole is meant.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// Readable, but not as it would be written: an array for an object, a `null` for an absent member.
    #[error("a member is not written as the format has it")]
    NotCanonical,
}

/// Reads `bytes` as a `T`, writes it again, and compares the two as JSON values.
///
/// `T` must hold structs that refuse unknown members, and no maps: then doubled members are refused too.
pub(crate) fn read_strict<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    bytes_max: usize,
) -> Result<T, JsonError> {
    if bytes.len() > bytes_max {
        return Err(JsonError::TooLarge { bytes: bytes.len(), bytes_max });
    }
    let value: T = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
    let read: Value = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
    let written = serde_json::to_value(&value).map_err(|error| malformed(&error))?;
    if read == written { Ok(value) } else { Err(JsonError::NotCanonical) }
}

/// Writes `value` with line breaks and a final newline.
pub(crate) fn write<T: Serialize>(value: &T) -> String {
    let mut text =
        serde_json::to_string_pretty(value).expect("our types have text keys and finite numbers only");
    text.push('\n');
    text
}

fn malformed(error: &serde_json::Error) -> JsonError {
    JsonError::Malformed { line: error.line(), column: error.column() }
}

/// Bytes as standard base64 with padding (RFC 4648, 4).
pub(crate) mod base64_bytes {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(|_| D::Error::custom("not standard base64"))
    }
}

/// A list of hashes, each as standard base64, as in a C2SP tlog-proof.
pub(crate) mod base64_hashes {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use kvitto_merkle::Hash;
    use serde::ser::{SerializeSeq, Serializer};
    use serde::{Deserialize, Deserializer, de::Error};

    pub(crate) fn serialize<S, T>(proof: &T, serializer: S) -> Result<S::Ok, S::Error>
    where
        S: Serializer,
        T: Clone + Into<Vec<Hash>>,
    {
        let hashes: Vec<Hash> = proof.clone().into();
        let mut list = serializer.serialize_seq(Some(hashes.len()))?;
        for hash in &hashes {
            list.serialize_element(&STANDARD.encode(hash))?;
        }
        list.end()
    }

    pub(crate) fn deserialize<'de, D, T>(deserializer: D) -> Result<T, D::Error>
    where
        D: Deserializer<'de>,
        T: TryFrom<Vec<Hash>>,
    {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let hash = |text: &String| STANDARD.decode(text).ok()?.try_into().ok().map(Hash);
        let hashes: Option<Vec<Hash>> = texts.iter().map(hash).collect();
        let hashes = hashes.ok_or_else(|| D::Error::custom("not a list of hashes in base64"))?;
        T::try_from(hashes).map_err(|_| D::Error::custom("too many hashes"))
    }
}

/// A value as the text that `Display` writes and `FromStr` reads.
pub(crate) mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer, T: Display>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: FromStr>(deserializer: D) -> Result<T, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(|_| D::Error::custom("not of the expected form"))
    }
}

/// The `format` member of a file: one constant text.
macro_rules! format_tag {
    ($(#[$meta:meta])* $vis:vis $name:ident = $text:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        $vis struct $name;

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str($text)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                if text == $text { Ok(Self) } else { Err(serde::de::Error::custom("another format or version")) }
            }
        }
    };
}
pub(crate) use format_tag;
