//! Names and numbers of the ledger, each its own type, so that none can stand in for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A value of fixed length, written as a byte string in CBOR and as lower-case hexadecimal elsewhere.
macro_rules! byte_id {
    ($($(#[$meta:meta])* pub struct $name:ident([u8; $len:literal]);)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl Default for $name {
            fn default() -> Self {
                Self([0; $len])
            }
        }

        impl $name {
            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = hex::FromHexError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut bytes = [0; $len];
                hex::decode_to_slice(text, &mut bytes)?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_bytes(&self.0)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
                } else {
                    serde_bytes::ByteArray::<$len>::deserialize(deserializer).map(|bytes| Self(bytes.into_array()))
                }
            }
        }
    )*};
}

byte_id! {
    /// SHA-256 of the genesis: which ledger this is.
    pub struct LedgerId([u8; 32]);
    /// SHA-256 of members, roots, limits and rules version in force.
    pub struct ConfigHash([u8; 32]);
    /// SHA-256 of a statement's `Sig_structure`; it does not depend on the signature bytes.
    pub struct StatementId([u8; 32]);
    /// SHA-256 of a block header.
    pub struct HeaderId([u8; 32]);
    /// A salted commitment to a credential.
    pub struct Commitment([u8; 32]);
    /// An accreditation's identifier, unique per subject.
    pub struct AccreditationId([u8; 32]);
    /// RFC 7638 thumbprint of a key.
    pub struct Thumbprint([u8; 32]);
    /// An Ed25519 public key as published; [`crate::keys::PublicKey`] is one that was checked.
    pub struct KeyBytes([u8; 32]);
    /// An Ed25519 signature.
    pub struct Signature([u8; 64]);
    /// Makes two statements with the same content different.
    pub struct Nonce([u8; 16]);
}

/// A counted thing.
macro_rules! number {
    ($($(#[$meta:meta])* pub struct $name:ident($repr:ty);)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $repr);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )*};
}

number! {
    /// Number of a block; the genesis block is 0.
    pub struct Height(u64);
    /// Place of a record in the log, from 0.
    pub struct LeafIndex(u64);
    /// Place in the status tree, from 0.
    pub struct Position(u64);
    /// The how-manieth registered organisation, from 0 in the order of registration.
    pub struct RegistrantNumber(u32);
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub struct TimeMs(u64);
}

impl Height {
    /// The next block's. (No block has the greatest number: a header from outside may name it.)
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl TimeMs {
    /// Whole seconds.
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }
}
