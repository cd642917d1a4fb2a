//! What several of these tests need: the example log, keys, and the folder of larger vectors.

#![allow(dead_code, reason = "each test program uses a part of this module")]

#[path = "../../../../tests/src/shared.rs"]
#[allow(unreachable_pub, reason = "public where it is at home")]
mod shared;

use std::collections::BTreeMap;
use std::path::PathBuf;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use kvitto_merkle::log::{Frontier, NodeSource, PerfectNode};
use kvitto_merkle::note::{KeyName, SignatureType, VerifierKey};
use kvitto_merkle::{Hash, leaf_hash, sha256};

/// Every perfect node of a log, in memory.
#[derive(Default)]
pub(crate) struct MemoryLog {
    pub(crate) frontier: Frontier,
    pub(crate) leaves: Vec<Hash>,
    pub(crate) nodes: BTreeMap<(u8, u64), Hash>,
}

impl MemoryLog {
    pub(crate) fn of(leaves: impl IntoIterator<Item = Hash>) -> MemoryLog {
        let mut log = MemoryLog::default();
        for leaf in leaves {
            log.leaves.push(leaf);
            log.frontier.push_reporting(leaf, |PerfectNode { level, index, hash }| {
                assert_eq!(log.nodes.insert((level, index), hash), None, "each node is reported once");
            });
        }
        log
    }

    /// A log whose leaves are their own indexes.
    pub(crate) fn counting(size: u64) -> MemoryLog {
        MemoryLog::of((0..size).map(|index| leaf_hash(&index.to_be_bytes())))
    }
}

impl NodeSource for MemoryLog {
    type Error = String;

    fn node(&self, level: u8, index: u64) -> Result<Hash, String> {
        self.nodes.get(&(level, index)).copied().ok_or_else(|| format!("no node {level} {index}"))
    }
}

/// Entry `index` of the log whose checkpoint, proof and policy are in `tests/data`.
pub(crate) fn example_entry(index: u64) -> Vec<u8> {
    let number = index.to_string();
    [b"entry ", number.as_bytes(), b" ", sha256(&[number.as_bytes()]).as_bytes()].concat()
}

/// A key pair from a seed: the hash of a text.
pub(crate) fn signing_key(seed: &str) -> SigningKey {
    SigningKey::from_bytes(sha256(&[seed.as_bytes()]).as_bytes())
}

pub(crate) fn sign(seed: &str, message: &[u8]) -> [u8; 64] {
    signing_key(seed).sign(message).to_bytes()
}

pub(crate) fn key(name: &str, signature_type: SignatureType, seed: &str) -> VerifierKey {
    VerifierKey::new(name_of(name), signature_type, signing_key(seed).verifying_key().to_bytes())
}

pub(crate) fn name_of(name: &str) -> KeyName {
    name.parse().expect("a key name")
}

pub(crate) fn verify(public_key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    VerifyingKey::from_bytes(public_key)
        .is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
}

/// A file or folder of the larger sets of vectors beside the repository; says so when it is not there.
pub(crate) fn vectors(part: &str) -> Option<PathBuf> {
    shared::shared(&format!("vectors/{part}"))
}
