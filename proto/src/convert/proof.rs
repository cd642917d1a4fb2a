//! Proofs of registry answers, and receipts in parts. Leaves and chunks are the receipt format's own types.

use bytes::Bytes;
use kvitto_ledger::Height;
use kvitto_merkle::log::InclusionProof;
use kvitto_verifier::receipt::{ChunkProof, LeafProof};

use super::{ConvertError, hash_bytes, hashes, present};
use crate::v1;

/// A checkpoint as a node publishes it. What its note says counts; `height` and `tree_size` are a convenience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedCheckpoint {
    /// The signed note.
    pub note: String,
    /// Number of leaves.
    pub tree_size: u64,
    /// Number of the newest block.
    pub height: Height,
}

/// What makes a registry answer checkable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryProof {
    /// A checkpoint.
    pub checkpoint: PublishedCheckpoint,
    /// The `Block` leaf of the block the answer is as of.
    pub block: LeafProof,
    /// The records that the answer says again, in its order.
    pub records: Vec<LeafProof>,
    /// Status chunks, ascending.
    pub chunks: Vec<ChunkProof>,
    /// The `Block` leaf of the block after it; `None` where the answer is as of the checkpoint's own.
    pub next_block: Option<LeafProof>,
}

/// A path of sibling hashes.
pub(super) fn path(path: &[Bytes]) -> Result<InclusionProof, ConvertError> {
    InclusionProof::new(hashes("path", path)?).map_err(|_| ConvertError::Unknown("path"))
}

impl From<PublishedCheckpoint> for v1::Checkpoint {
    fn from(checkpoint: PublishedCheckpoint) -> Self {
        Self { note: checkpoint.note, tree_size: checkpoint.tree_size, height: checkpoint.height.0 }
    }
}

impl TryFrom<Option<v1::Checkpoint>> for PublishedCheckpoint {
    type Error = ConvertError;

    fn try_from(checkpoint: Option<v1::Checkpoint>) -> Result<Self, ConvertError> {
        let checkpoint = present("checkpoint", checkpoint)?;
        Ok(Self { note: checkpoint.note, tree_size: checkpoint.tree_size, height: Height(checkpoint.height) })
    }
}

impl From<LeafProof> for v1::LeafProof {
    fn from(proof: LeafProof) -> Self {
        Self { index: proof.index, leaf: proof.leaf.into(), path: hash_bytes(proof.path.hashes()) }
    }
}

impl TryFrom<v1::LeafProof> for LeafProof {
    type Error = ConvertError;

    fn try_from(proof: v1::LeafProof) -> Result<Self, ConvertError> {
        Ok(Self { index: proof.index, path: path(&proof.path)?, leaf: proof.leaf.into() })
    }
}

impl From<ChunkProof> for v1::ChunkProof {
    fn from(proof: ChunkProof) -> Self {
        Self { index: proof.index, chunk: proof.bytes.into(), path: hash_bytes(proof.path.hashes()) }
    }
}

impl TryFrom<v1::ChunkProof> for ChunkProof {
    type Error = ConvertError;

    fn try_from(proof: v1::ChunkProof) -> Result<Self, ConvertError> {
        Ok(Self { index: proof.index, path: path(&proof.path)?, bytes: proof.chunk.into() })
    }
}

impl From<RegistryProof> for v1::RegistryProof {
    fn from(proof: RegistryProof) -> Self {
        Self {
            checkpoint: Some(proof.checkpoint.into()),
            block: Some(proof.block.into()),
            records: proof.records.into_iter().map(Into::into).collect(),
            chunks: proof.chunks.into_iter().map(Into::into).collect(),
            next_block: proof.next_block.map(Into::into),
        }
    }
}

impl TryFrom<Option<v1::RegistryProof>> for RegistryProof {
    type Error = ConvertError;

    fn try_from(proof: Option<v1::RegistryProof>) -> Result<Self, ConvertError> {
        let proof = present("proof", proof)?;
        Ok(Self {
            checkpoint: proof.checkpoint.try_into()?,
            block: present("block", proof.block)?.try_into()?,
            records: proof.records.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            chunks: proof.chunks.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            next_block: proof.next_block.map(TryInto::try_into).transpose()?,
        })
    }
}
