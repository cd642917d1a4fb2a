//! An organisation's DID document, in the form the ledger keeps it: keys with their relationships, and services.

use serde::{Deserialize, Serialize};

use crate::codec::{cbor_array, code_enum};
use crate::ids::{KeyBytes, Thumbprint};
use crate::keys;

/// Most verification methods of one identifier.
pub const METHODS_MAX: usize = 32;
/// Most services of one identifier.
pub const SERVICES_MAX: usize = 16;
/// Longest URL, in bytes.
pub const URL_BYTES_MAX: usize = 2048;

code_enum! {
    /// Kinds of keys a DID document may list. Only Ed25519 keys sign statements.
    pub enum KeyType: u8 {
        /// RFC 8032; 32 bytes.
        Ed25519 = 1,
        /// NIST P-256; 64 bytes: x, then y.
        P256 = 2,
        /// secp256k1; 64 bytes: x, then y.
        Secp256k1 = 3,
    }
}

/// A set of DID core verification relationships, as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Relationships(pub u8);

impl Relationships {
    /// `authentication`.
    pub const AUTHENTICATION: Self = Self(1);
    /// `assertionMethod`: anchors, reserves, changes statuses.
    pub const ASSERTION_METHOD: Self = Self(2);
    /// `keyAgreement`.
    pub const KEY_AGREEMENT: Self = Self(4);
    /// `capabilityInvocation`: acts in the registry.
    pub const CAPABILITY_INVOCATION: Self = Self(8);
    /// `capabilityDelegation`.
    pub const CAPABILITY_DELEGATION: Self = Self(16);
    /// What a first ledger key gets: it may sign every kind of statement, and authenticate.
    pub const LEDGER_KEY: Self =
        Self(Self::AUTHENTICATION.0 | Self::ASSERTION_METHOD.0 | Self::CAPABILITY_INVOCATION.0);
    const ALL: u8 = 31;

    /// Whether every relationship of `other` is among them.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether at least one, and no unknown bit, is set.
    pub const fn is_well_formed(self) -> bool {
        self.0 != 0 && self.0 & !Self::ALL == 0
    }
}

cbor_array! {
    /// One key and what it may be used for. Its id is `did#thumbprint`, so an id never names another key.
    pub struct VerificationMethod {
        /// Kind of key.
        pub key_type: KeyType,
        /// The public key; length and layout follow from the kind.
        pub key: serde_bytes::ByteBuf,
        /// What it may be used for.
        pub relationships: Relationships,
    }
}

impl VerificationMethod {
    /// A first ledger key.
    pub fn ledger_key(key: KeyBytes) -> Self {
        Self {
            key_type: KeyType::Ed25519,
            key: serde_bytes::ByteBuf::from(key.0),
            relationships: Relationships::LEDGER_KEY,
        }
    }

    /// The key, where it is an Ed25519 key.
    pub fn ed25519(&self) -> Option<KeyBytes> {
        match self.key_type {
            KeyType::Ed25519 => self.key.as_slice().try_into().ok().map(KeyBytes),
            KeyType::P256 | KeyType::Secp256k1 => None,
        }
    }

    /// RFC 7638 thumbprint; `None` where the key has the wrong length.
    pub fn thumbprint(&self) -> Option<Thumbprint> {
        let curve = match self.key_type {
            KeyType::Ed25519 => return self.ed25519().map(|key| keys::thumbprint(&key)),
            KeyType::P256 => "P-256",
            KeyType::Secp256k1 => "secp256k1",
        };
        let (x, y) = self.key.split_first_chunk::<32>()?;
        Some(keys::thumbprint_ec(curve, x, y.try_into().ok()?))
    }
}

cbor_array! {
    /// A place where the organisation can be reached.
    pub struct Service {
        /// Fragment of the service's DID URL.
        pub id: String,
        /// Type, as registered for DID services.
        pub service_type: String,
        /// An https URL.
        pub url: String,
    }
}

/// Whether `url` has the one form that may be recorded: `https://`, a lower-case host name, an optional port, and an
/// optional path and query of unreserved characters; at most 2 KiB of ASCII.
///
/// The grammar is small on purpose: no user info, no fragment, no IP literals, nothing that two parsers read apart.
pub fn is_https_url(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("https://").filter(|_| url.len() <= URL_BYTES_MAX) else {
        return false;
    };
    let (authority, path) = match rest.find(['/', '?']) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let label_ok = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let port_ok = |port: &str| {
        !port.starts_with('0')
            && port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse::<u16>().is_ok_and(|port| port != 0)
    };
    let is_name =
        !host.rsplit('.').next().is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    host.len() <= 253
        && is_name
        && host.split('.').all(label_ok)
        && port.is_none_or(port_ok)
        && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/?&=%+:@!$,;()*'".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_one_small_grammar() {
        for (url, accepted) in [
            ("https://school.example", true),
            ("https://school.example/", true),
            ("https://school.example:8443/a/b?c=d&e=%20", true),
            ("https://school.example?x", true),
            ("http://school.example", false),
            ("https://", false),
            ("https:///path", false),
            ("https://School.example", false),
            ("https://user@school.example", false),
            ("https://school.example:0", false),
            ("https://school.example:99999", false),
            ("https://school.example:", false),
            ("https://school.example:+1", false),
            ("https://127.0.0.1/", false),
            ("https://[::1]/", false),
            ("https://-a.example", false),
            ("https://a..example", false),
            ("https://school.example/#fragment", false),
            ("https://school.example/\u{e5}", false),
            ("https://school.example/a b", false),
            ("https://school.example/a\\b", false),
        ] {
            assert_eq!(is_https_url(url), accepted, "{url}");
        }
        assert!(!is_https_url(&format!("https://a.example/{}", "a".repeat(URL_BYTES_MAX))));
    }

    #[test]
    fn thumbprints_need_keys_of_the_right_length() {
        let method = |key_type, len| VerificationMethod {
            key_type,
            key: serde_bytes::ByteBuf::from(vec![1; len]),
            relationships: Relationships::LEDGER_KEY,
        };
        for (key_type, len, has_thumbprint) in [
            (KeyType::Ed25519, 32, true),
            (KeyType::Ed25519, 64, false),
            (KeyType::P256, 64, true),
            (KeyType::P256, 33, false),
            (KeyType::Secp256k1, 64, true),
            (KeyType::Secp256k1, 65, false),
        ] {
            assert_eq!(method(key_type, len).thumbprint().is_some(), has_thumbprint, "{key_type:?} {len}");
        }
    }
}
