//! Receipts in parts: what many have in common is made, sent and written once; each is put together from it and its own part.

use kvitto_merkle::{Note, TlogProof};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    AnchoredLeaf, AsOf, ChainLink, ChunkProof, LastLeaf, LeafProof, Receipt, ReceiptFormat, StatusProof,
};
use crate::json::{self, base64_bytes};

/// What the receipts of one issuer's accreditation have in common under one checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptShared {
    /// The cosigned checkpoint.
    pub note: Note,
    /// The `Block` record that the checkpoint's tree ends with.
    pub block: LastLeaf,
    /// Accreditations, root first.
    pub chain: Vec<ChainLink>,
    /// Newest `Identifier` records of the organisations in the chain.
    pub identifiers: Vec<LeafProof>,
    /// Status chunks of the chain's positions, ascending, each once.
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

    /// Writes it once, for the text of many receipts.
    pub fn text(&self) -> SharedText {
        SharedText {
            note: self.note.to_string(),
            block: Written::new(&self.block, 1),
            chain: Written::new(&self.chain, 1),
            identifiers: Written::new(&self.identifiers, 1),
            chunks: Chunks::new(&self.chunks, 3),
            as_of: self.as_of.as_ref().map(|as_of| AsOfText {
                block: Written::new(&as_of.block, 2),
                next_block: Written::new(&as_of.next_block, 2),
                chunks: Chunks::new(&as_of.status.chunks, 4),
            }),
        }
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

/// A shared part as it stands in receipt files.
#[derive(Clone, Debug)]
pub struct SharedText {
    note: String,
    block: Written,
    chain: Written,
    identifiers: Written,
    chunks: Chunks,
    as_of: Option<AsOfText>,
}

#[derive(Clone, Debug)]
struct AsOfText {
    block: Written,
    next_block: Written,
    chunks: Chunks,
}

/// A member's text, with the line breaks and indentation of its place in the file.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
struct Written(Box<RawValue>);

impl Written {
    /// `depth`: how many objects and arrays are around it.
    fn new(member: &impl Serialize, depth: usize) -> Self {
        // No text inside JSON holds a line break as such.
        let text = json::write(member).trim_end().replace('\n', &format!("\n{}", "  ".repeat(depth)));
        Self(RawValue::from_string(text).expect("it was written as JSON just now"))
    }
}

/// Chunks with their indexes, ascending.
#[derive(Clone, Debug)]
struct Chunks(Vec<(u64, Written)>);

impl Chunks {
    fn new(chunks: &[ChunkProof], depth: usize) -> Self {
        Self(chunks.iter().map(|chunk| (chunk.index, Written::new(chunk, depth))).collect())
    }

    /// As [`status`] has it.
    fn with<'a>(&'a self, own: Option<&'a ChunkProof>, record: Option<&'a LeafProof>) -> StatusText<'a> {
        let place = own.map_or(self.0.len(), |own| self.0.partition_point(|(index, _)| *index < own.index));
        let (before, after) = self.0.split_at(place);
        let shared = |(_, chunk): &'a (u64, Written)| ChunkText::Shared(chunk);
        let chunks = before.iter().map(shared).chain(own.map(ChunkText::Own)).chain(after.iter().map(shared));
        StatusText { chunks: chunks.collect(), record }
    }
}

impl SharedText {
    /// The file of `item`'s receipt: the same bytes as [`ReceiptShared::complete`] and [`Receipt::to_json`] give.
    pub fn complete(&self, item: &ReceiptItem) -> String {
        let tlog_proof = TlogProof {
            extra: Vec::new(),
            index: item.anchored.index,
            proof: item.anchored.path.clone(),
            checkpoint: self.note.as_str(),
        };
        json::write(&ReceiptText {
            format: ReceiptFormat,
            anchored: AnchoredText { leaf: &item.anchored.leaf, tlog_proof },
            block: &self.block,
            chain: &self.chain,
            identifiers: &self.identifiers,
            status: self.chunks.with(item.chunk.as_ref(), item.status_record.as_ref()),
            as_of: self.as_of.as_ref().map(|as_of| AsOfItemText {
                block: &as_of.block,
                next_block: &as_of.next_block,
                status: as_of.chunks.with(item.as_of_chunk.as_ref(), item.as_of_status_record.as_ref()),
            }),
        })
    }
}

/// The members of [`Receipt`] that nodes write, in its order.
#[derive(Serialize)]
struct ReceiptText<'a> {
    format: ReceiptFormat,
    anchored: AnchoredText<'a>,
    block: &'a Written,
    chain: &'a Written,
    identifiers: &'a Written,
    status: StatusText<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<AsOfItemText<'a>>,
}

#[derive(Serialize)]
struct AnchoredText<'a> {
    #[serde(serialize_with = "base64_bytes::serialize")]
    leaf: &'a [u8],
    #[serde(serialize_with = "json::text::serialize")]
    tlog_proof: TlogProof<&'a str>,
}

#[derive(Serialize)]
struct StatusText<'a> {
    chunks: Vec<ChunkText<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<&'a LeafProof>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ChunkText<'a> {
    Shared(&'a Written),
    Own(&'a ChunkProof),
}

#[derive(Serialize)]
struct AsOfItemText<'a> {
    block: &'a Written,
    next_block: &'a Written,
    status: StatusText<'a>,
}
