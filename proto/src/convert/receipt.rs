//! Receipts in parts, as streams send them.

use kvitto_verifier::receipt::{
    AsOf, ChainLink, ChunkProof, LastLeaf, LeafProof, ReceiptItem, ReceiptShared, StatusProof,
};

use super::{ConvertError, PublishedCheckpoint, hash_bytes, present};
use crate::v1;

/// A shared part for the wire, with its number within a stream; `checkpoint` is the one that it is under.
pub fn receipt_shared(
    shared_id: u32,
    checkpoint: PublishedCheckpoint,
    shared: &ReceiptShared,
) -> v1::ReceiptShared {
    v1::ReceiptShared {
        shared_id,
        block: Some(v1::LeafProof {
            index: checkpoint.tree_size.saturating_sub(1),
            leaf: shared.block.leaf.clone().into(),
            path: hash_bytes(shared.block.path.hashes()),
        }),
        checkpoint: Some(checkpoint.into()),
        chain: shared.chain.iter().cloned().map(write_link).collect(),
        identifiers: shared.identifiers.iter().cloned().map(Into::into).collect(),
        chunks: shared.chunks.iter().cloned().map(Into::into).collect(),
        as_of: shared.as_of.clone().map(|as_of| v1::ReceiptAsOf {
            block: Some(as_of.block.into()),
            next_block: Some(as_of.next_block.into()),
            chunks: as_of.status.chunks.into_iter().map(Into::into).collect(),
        }),
    }
}

impl TryFrom<v1::ReceiptShared> for ReceiptShared {
    type Error = ConvertError;

    fn try_from(shared: v1::ReceiptShared) -> Result<Self, ConvertError> {
        let checkpoint = PublishedCheckpoint::try_from(shared.checkpoint)?;
        let note = checkpoint.note.parse().map_err(|_| ConvertError::Unknown("checkpoint.note"))?;
        let LeafProof { leaf, path, .. } = present("block", shared.block)?.try_into()?;
        Ok(Self {
            note,
            block: LastLeaf { leaf, path },
            chain: shared.chain.into_iter().map(read_link).collect::<Result<_, _>>()?,
            identifiers: shared.identifiers.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            chunks: read_chunks(shared.chunks)?,
            as_of: shared.as_of.map(read_as_of).transpose()?,
        })
    }
}

/// An item part for the wire, naming the shared part that completes it.
pub fn receipt_item(shared_id: u32, item: ReceiptItem) -> v1::ReceiptItem {
    v1::ReceiptItem {
        shared_id,
        anchored: Some(item.anchored.into()),
        chunk: item.chunk.map(Into::into),
        status_record: item.status_record.map(Into::into),
        as_of_chunk: item.as_of_chunk.map(Into::into),
        as_of_status_record: item.as_of_status_record.map(Into::into),
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
