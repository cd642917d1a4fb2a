//! Proofs of registry answers.

use bytes::Bytes;
use kvitto_ledger::{Height, LeafIndex};
use kvitto_merkle::Hash;
use kvitto_merkle::status::CHUNK_BYTES;

use super::{ConvertError, array, hash_bytes, hashes, present};
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

/// A leaf with its inclusion proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafProof {
    /// Place in the log.
    pub index: LeafIndex,
    /// The record's bytes.
    pub leaf: Vec<u8>,
    /// Sibling hashes, from the leaf up.
    pub path: Vec<Hash>,
}

/// A chunk of the status tree with its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkProof {
    /// Number of the chunk.
    pub index: u64,
    /// Its bits.
    pub chunk: [u8; CHUNK_BYTES],
    /// Sibling hashes, from the chunk up.
    pub path: Vec<Hash>,
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
        Self { index: proof.index.0, leaf: proof.leaf.into(), path: hash_bytes(&proof.path) }
    }
}

impl TryFrom<v1::LeafProof> for LeafProof {
    type Error = ConvertError;

    fn try_from(proof: v1::LeafProof) -> Result<Self, ConvertError> {
        let path = hashes("path", &proof.path)?;
        Ok(Self { index: LeafIndex(proof.index), leaf: proof.leaf.to_vec(), path })
    }
}

impl From<ChunkProof> for v1::ChunkProof {
    fn from(proof: ChunkProof) -> Self {
        Self {
            index: proof.index,
            chunk: Bytes::copy_from_slice(&proof.chunk),
            path: hash_bytes(&proof.path),
        }
    }
}

impl TryFrom<v1::ChunkProof> for ChunkProof {
    type Error = ConvertError;

    fn try_from(proof: v1::ChunkProof) -> Result<Self, ConvertError> {
        Ok(Self {
            index: proof.index,
            chunk: array("chunk", &proof.chunk)?,
            path: hashes("path", &proof.path)?,
        })
    }
}

impl From<RegistryProof> for v1::RegistryProof {
    fn from(proof: RegistryProof) -> Self {
        Self {
            checkpoint: Some(proof.checkpoint.into()),
            block: Some(proof.block.into()),
            records: proof.records.into_iter().map(Into::into).collect(),
            chunks: proof.chunks.into_iter().map(Into::into).collect(),
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
        })
    }
}
