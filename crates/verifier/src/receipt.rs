//! The receipt file `NAME.kvitto`: what it holds and how it is read and written. `RECEIPT.md` describes every member.
//!
//! Everything in it is a claim until `verify` has checked it against one checkpoint. A node makes all but
//! the opening; the client adds that, because the salt never leaves the issuer and the holder.

mod parts;

use kvitto_ledger::commitment::{DigestAlgorithm, DigestTarget, Salt};
use kvitto_merkle::TlogProof;
use kvitto_merkle::log::{ConsistencyProof, InclusionProof};
use serde::{Deserialize, Serialize};

use crate::json::{self, JsonError, base64_bytes, base64_hashes, format_tag};

pub use parts::{ReceiptItem, ReceiptShared, SharedText};

/// Longest receipt file, in bytes: eight accreditations and seven identifiers of the longest leaf (65,535 bytes) in base64 are
/// 1.3 MB, all paths with 63 hashes and the longest note less than 0.4 MB.
pub const RECEIPT_BYTES_MAX: usize = 2 * 1024 * 1024;

format_tag! {
    /// `"kvitto/receipt/v1"`.
    pub ReceiptFormat = "kvitto/receipt/v1"
}

/// A receipt: one anchored commitment, who anchored it under which accreditations, and its status, all under one checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Name and version of the format.
    pub format: ReceiptFormat,
    /// What ties the commitment to a credential. Without it the receipt speaks about a commitment only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<ReceiptOpening>,
    /// The `Anchored` record, and the checkpoint that everything else is under too.
    pub anchored: AnchoredLeaf,
    /// The `Block` record that the checkpoint's tree ends with.
    pub block: LastLeaf,
    /// The accreditations, from a root to the one that the credential was anchored under; at most eight.
    pub chain: Vec<ChainLink>,
    /// The newest `Identifier` record of each organisation in the chain but the root. That of the anchoring one must be there.
    pub identifiers: Vec<LeafProof>,
    /// Statuses at the checkpoint.
    pub status: StatusProof,
    /// Statuses at an earlier block, to answer "as of" a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<AsOf>,
    /// From the checkpoint to the closing checkpoint of its epoch, once that epoch has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consistency: Option<Consistency>,
}

/// What, together with the credential, gives the commitment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptOpening {
    /// `sha2-256` or `sha3-256`.
    #[serde(with = "json::text")]
    pub algorithm: DigestAlgorithm,
    /// `jcs`, `payload` or `bytes`.
    #[serde(with = "json::text")]
    pub target: DigestTarget,
    /// 32 secret bytes, in base64; absent for a bare commitment.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "salt")]
    pub salt: Option<Salt>,
}

/// The `Anchored` record with its C2SP tlog-proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchoredLeaf {
    /// The leaf's bytes, in base64.
    #[serde(with = "base64_bytes")]
    pub leaf: Vec<u8>,
    /// A whole `c2sp.org/tlog-proof@v1` file: index, path and the cosigned checkpoint. Without extra bytes.
    #[serde(with = "json::text")]
    pub tlog_proof: TlogProof,
}

/// The last leaf of the tree; its index is the checkpoint's size - 1 and therefore not written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastLeaf {
    /// The leaf's bytes, in base64.
    #[serde(with = "base64_bytes")]
    pub leaf: Vec<u8>,
    /// Sibling hashes from the leaf up, in base64.
    #[serde(with = "base64_hashes")]
    pub path: InclusionProof,
}

/// A leaf of the log with its place and its path to the checkpoint's root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeafProof {
    /// Place in the log, from 0.
    pub index: u64,
    /// The leaf's bytes, in base64.
    #[serde(with = "base64_bytes")]
    pub leaf: Vec<u8>,
    /// Sibling hashes from the leaf up, in base64.
    #[serde(with = "base64_hashes")]
    pub path: InclusionProof,
}

/// One accreditation of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainLink {
    /// Its newest `Accreditation` record.
    pub accreditation: LeafProof,
    /// Where it was withdrawn: the `AccreditationStatus` record that says from when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawal: Option<LeafProof>,
}

/// Statuses after one block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusProof {
    /// The chunks of the credential's position and of every accreditation's, each once, ascending by index, no others.
    pub chunks: Vec<ChunkProof>,
    /// The newest `Status` record of the credential's position, where its status ever changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<LeafProof>,
}

/// A chunk of the status tree: 1,024 positions of two bits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChunkProof {
    /// Place in the status tree, from 0: position / 1024.
    pub index: u64,
    /// 256 bytes, in base64.
    #[serde(with = "base64_bytes")]
    pub bytes: Vec<u8>,
    /// Sibling hashes from the chunk up to the status root, in base64.
    #[serde(with = "base64_hashes")]
    pub path: InclusionProof,
}

/// What was true from the time of `block` until the time of `next_block`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AsOf {
    /// The `Block` record h, its time at or before the time asked about.
    pub block: LeafProof,
    /// The `Block` record h + 1, its time after it.
    pub next_block: LeafProof,
    /// Statuses after block h; `record` is the newest one up to there.
    pub status: StatusProof,
}

/// Shows that the checkpoint's tree is the beginning of the epoch's last one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consistency {
    /// Hashes of RFC 9162, 2.1.4, in base64.
    #[serde(with = "base64_hashes")]
    pub path: ConsistencyProof,
}

impl Receipt {
    /// Reads a receipt file of at most [`RECEIPT_BYTES_MAX`].
    ///
    /// # Errors
    /// [`JsonError`]: too large, malformed, unknown or doubled members, or not written as the format has it.
    pub fn from_json(bytes: &[u8]) -> Result<Self, JsonError> {
        json::read_strict(bytes, RECEIPT_BYTES_MAX)
    }

    /// The file's text.
    pub fn to_json(&self) -> String {
        json::write(self)
    }
}

mod salt {
    use kvitto_ledger::commitment::Salt;
    use serde::{Deserializer, Serializer, de::Error};

    use crate::json::base64_bytes;

    pub(super) fn serialize<S: Serializer>(salt: &Option<Salt>, serializer: S) -> Result<S::Ok, S::Error> {
        match salt {
            Some(salt) => base64_bytes::serialize(salt.as_bytes(), serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Salt>, D::Error> {
        let bytes = base64_bytes::deserialize(deserializer)?;
        let bytes = bytes.try_into().map_err(|_| D::Error::custom("a salt has 32 bytes"))?;
        Ok(Some(Salt::new(bytes)))
    }
}
