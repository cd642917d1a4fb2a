//! Receipts in parts: what many have in common is sent once, and each is put together from it and its own part.

use kvitto_merkle::{Note, TlogProof};
use kvitto_verifier::Receipt;
use kvitto_verifier::receipt::{
    AnchoredLeaf, AsOf, ChainLink, ChunkProof, LastLeaf, LeafProof, ReceiptFormat, StatusProof,
};

use super::{ConvertError, PublishedCheckpoint, present};
use crate::v1;

/// What the receipts of one issuer's accreditation have in common under one checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptShared {
    /// The checkpoint.
    pub checkpoint: PublishedCheckpoint,
    /// Its note, read.
    pub note: Note,
    /// The `Block` leaf that the checkpoint's tree ends with.
    pub block: LastLeaf,
    /// Accreditations, root first.
    pub chain: Vec<ChainLink>,
    /// Newest `Identifier` records of the organisations in the chain.
    pub identifiers: Vec<LeafProof>,
    /// Status chunks of the chain's positions, ascending.
    pub chunks: Vec<ChunkProof>,
    /// In answers as of an earlier block: that block, the next one, and the chain's chunks then. `record` is not used.
    pub as_of: Option<AsOf>,
}

/// One receipt's own part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptItem {
    /// The `Anchored` record.
    pub anchored: LeafProof,
    /// Status chunk of its position; `None` where it is among the shared ones.
    pub chunk: Option<ChunkProof>,
    /// Newest `Status` record of its position.
    pub status_record: Option<LeafProof>,
    /// As `chunk`, as of the earlier block.
    pub as_of_chunk: Option<ChunkProof>,
    /// As `status_record`, up to the earlier block.
    pub as_of_status_record: Option<LeafProof>,
}

impl ReceiptShared {
    /// The receipt of `item`, without an opening.
    pub fn complete(&self, item: ReceiptItem) -> Receipt {
        let tlog_proof = TlogProof {
            extra: Vec::new(),
            index: item.anchored.index,
            proof: item.anchored.path,
            checkpoint: self.note.clone(),
        };
        let as_of = self.as_of.as_ref().map(|shared| AsOf {
            block: shared.block.clone(),
            next_block: shared.next_block.clone(),
            status: status(&shared.status.chunks, item.as_of_chunk, item.as_of_status_record),
        });
        Receipt {
            format: ReceiptFormat,
            opening: None,
            anchored: AnchoredLeaf { leaf: item.anchored.leaf, tlog_proof },
            block: self.block.clone(),
            chain: self.chain.clone(),
            identifiers: self.identifiers.clone(),
            status: status(&self.chunks, item.chunk, item.status_record),
            as_of,
            consistency: None,
        }
    }

    /// For the wire, with its number within a stream.
    pub fn to_wire(&self, shared_id: u32) -> v1::ReceiptShared {
        let as_of = self.as_of.clone();
        v1::ReceiptShared {
            shared_id,
            checkpoint: Some(self.checkpoint.clone().into()),
            block: Some(v1::LeafProof {
                index: self.checkpoint.tree_size.saturating_sub(1),
                leaf: self.block.leaf.clone().into(),
                path: super::hash_bytes(self.block.path.hashes()),
            }),
            chain: self.chain.iter().cloned().map(write_link).collect(),
            identifiers: self.identifiers.iter().cloned().map(Into::into).collect(),
            chunks: self.chunks.iter().cloned().map(Into::into).collect(),
            as_of: as_of.map(|as_of| v1::ReceiptAsOf {
                block: Some(as_of.block.into()),
                next_block: Some(as_of.next_block.into()),
                chunks: as_of.status.chunks.into_iter().map(Into::into).collect(),
            }),
        }
    }
}

impl TryFrom<v1::ReceiptShared> for ReceiptShared {
    type Error = ConvertError;

    fn try_from(shared: v1::ReceiptShared) -> Result<Self, ConvertError> {
        let checkpoint = PublishedCheckpoint::try_from(shared.checkpoint)?;
        let note = checkpoint.note.parse().map_err(|_| ConvertError::Unknown("checkpoint.note"))?;
        let LeafProof { leaf, path, .. } = present("block", shared.block)?.try_into()?;
        Ok(Self {
            checkpoint,
            note,
            block: LastLeaf { leaf, path },
            chain: shared.chain.into_iter().map(read_link).collect::<Result<_, _>>()?,
            identifiers: shared.identifiers.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            chunks: read_chunks(shared.chunks)?,
            as_of: shared.as_of.map(read_as_of).transpose()?,
        })
    }
}

impl ReceiptItem {
    /// For the wire, naming the shared part that completes it.
    pub fn into_wire(self, shared_id: u32) -> v1::ReceiptItem {
        v1::ReceiptItem {
            shared_id,
            anchored: Some(self.anchored.into()),
            chunk: self.chunk.map(Into::into),
            status_record: self.status_record.map(Into::into),
            as_of_chunk: self.as_of_chunk.map(Into::into),
            as_of_status_record: self.as_of_status_record.map(Into::into),
        }
    }
}

impl TryFrom<v1::ReceiptItem> for ReceiptItem {
    type Error = ConvertError;

    fn try_from(item: v1::ReceiptItem) -> Result<Self, ConvertError> {
        Ok(Self {
            anchored: present("anchored", item.anchored)?.try_into()?,
            chunk: item.chunk.map(TryInto::try_into).transpose()?,
            status_record: item.status_record.map(TryInto::try_into).transpose()?,
            as_of_chunk: item.as_of_chunk.map(TryInto::try_into).transpose()?,
            as_of_status_record: item.as_of_status_record.map(TryInto::try_into).transpose()?,
        })
    }
}

/// The shared chunks with the item's own in its place.
fn status(shared: &[ChunkProof], own: Option<ChunkProof>, record: Option<LeafProof>) -> StatusProof {
    let mut chunks = shared.to_vec();
    if let Some(own) = own {
        let place = chunks.partition_point(|chunk| chunk.index < own.index);
        chunks.insert(place, own);
    }
    StatusProof { chunks, record }
}

fn write_link(link: ChainLink) -> v1::ReceiptLink {
    v1::ReceiptLink {
        accreditation: Some(link.accreditation.into()),
        withdrawal: link.withdrawal.map(Into::into),
    }
}

fn read_link(link: v1::ReceiptLink) -> Result<ChainLink, ConvertError> {
    Ok(ChainLink {
        accreditation: present("accreditation", link.accreditation)?.try_into()?,
        withdrawal: link.withdrawal.map(TryInto::try_into).transpose()?,
    })
}

fn read_chunks(chunks: Vec<v1::ChunkProof>) -> Result<Vec<ChunkProof>, ConvertError> {
    chunks.into_iter().map(TryInto::try_into).collect()
}

fn read_as_of(as_of: v1::ReceiptAsOf) -> Result<AsOf, ConvertError> {
    Ok(AsOf {
        block: present("block", as_of.block)?.try_into()?,
        next_block: present("next_block", as_of.next_block)?.try_into()?,
        status: StatusProof { chunks: read_chunks(as_of.chunks)?, record: None },
    })
}
