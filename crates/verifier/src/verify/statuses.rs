//! RULES 8.4: one status for each position, from chunks under a block's status root.

use std::collections::BTreeSet;

use kvitto_ledger::record::StatusRecord;
use kvitto_ledger::{Position, TimeMs};
use kvitto_merkle::status::{StatusProofError, StatusValue, chunk_index, verify_chunk};

use super::anchored::Anchor;
use super::block::{Block, Blocks};
use super::chain::LinkLeaf;
use super::tree::{Tree, body_of};
use crate::receipt::{ChunkProof, Receipt, StatusProof};
use crate::refusal::{Leaf, Refusal};

/// Statuses at the checkpoint, and at the block of "as of".
pub(super) struct Statuses {
    pub(super) now: AtBlock,
    pub(super) earlier: Option<AtBlock>,
}

/// Statuses after one block.
pub(super) struct AtBlock {
    /// The credential's.
    pub(super) credential: StatusValue,
    /// The accreditations', in the order of the chain.
    pub(super) links: Vec<StatusValue>,
    /// The credential's newest `Status` record, as far as the receipt brings one, with its time.
    pub(super) change: Option<(TimeMs, StatusRecord)>,
}

pub(super) fn check(
    tree: &Tree,
    receipt: &Receipt,
    blocks: &Blocks,
    anchored: &Anchor,
    links: &[LinkLeaf],
) -> Result<Statuses, Refusal> {
    let positions: Vec<Position> = std::iter::once(anchored.record.position)
        .chain(links.iter().map(|link| link.record.position))
        .collect();
    let now = at_block(tree, &blocks.last, &receipt.status, Leaf::Status, &positions)?;
    let earlier = match (&blocks.earlier, &receipt.as_of) {
        (Some((block, _)), Some(as_of)) => {
            if anchored.index > block.index {
                return Err(Refusal::NotAnchoredYet);
            }
            Some(at_block(tree, block, &as_of.status, Leaf::AsOfStatus, &positions)?)
        }
        _ => None,
    };
    Ok(Statuses { now, earlier })
}

/// `positions` begins with the credential's.
fn at_block(
    tree: &Tree,
    block: &Block,
    proof: &StatusProof,
    leaf: Leaf,
    positions: &[Position],
) -> Result<AtBlock, Refusal> {
    check_chunk_places(&proof.chunks, positions)?;
    let mut values = Vec::with_capacity(positions.len());
    for position in positions {
        values.push(value(block, &proof.chunks, position.0)?);
    }
    let links = values.split_off(1);
    let credential = values[0];
    let change = match &proof.record {
        None => None,
        Some(record) => {
            let proven = tree.proven(leaf, record)?;
            let time = proven.time;
            let body = body_of!(proven, Status, leaf);
            let agrees =
                body.position == positions[0] && body.status.0 == credential && record.index < block.index;
            if !agrees {
                return Err(Refusal::StatusRecordContradicts { leaf });
            }
            Some((time, body))
        }
    };
    Ok(AtBlock { credential, links, change })
}

/// Each needed chunk once, ascending, and no other.
fn check_chunk_places(chunks: &[ChunkProof], positions: &[Position]) -> Result<(), Refusal> {
    let needed: BTreeSet<u64> = positions.iter().map(|position| chunk_index(position.0)).collect();
    let mut after = None;
    for chunk in chunks {
        if after.is_some_and(|after| chunk.index <= after) || !needed.contains(&chunk.index) {
            return Err(Refusal::ChunkUnexpected { index: chunk.index });
        }
        after = Some(chunk.index);
    }
    Ok(())
}

fn value(block: &Block, chunks: &[ChunkProof], position: u64) -> Result<StatusValue, Refusal> {
    let chunk = chunks.iter().find(|chunk| chunk.index == chunk_index(position));
    let chunk = chunk.ok_or(Refusal::ChunkMissing { position })?;
    let signed = &block.record;
    let read = verify_chunk(&signed.status_root, signed.positions, position, &chunk.bytes, &chunk.path);
    read.map_err(|error| match error {
        StatusProofError::PositionOutOfRange { .. } => Refusal::PositionOutOfRange { position },
        StatusProofError::ChunkLength(_) => Refusal::ChunkLength { position },
        StatusProofError::ValuePastEnd => Refusal::ChunkPastEnd { position },
        StatusProofError::NotIncluded(_) => Refusal::ChunkNotIncluded { position },
    })
}
