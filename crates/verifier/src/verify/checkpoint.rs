//! RULES 8.1: one checkpoint for everything, of this ledger, in an epoch that the trust file knows.

use kvitto_ledger::{Record, RecordBody};
use kvitto_merkle::log::verify_consistency;
use kvitto_merkle::{Checkpoint, Note};

use super::tree::Tree;
use crate::receipt::Receipt;
use crate::refusal::Refusal;
use crate::trust::{Epoch, TrustFile};

/// With a tree of one leaf a path is empty, so nothing would be shown.
const TREE_SIZE_MIN: u64 = 2;

/// The checkpoint of a receipt, not yet known to be signed.
pub(super) struct Head<'a> {
    pub(super) note: &'a Note,
    pub(super) tree: Tree,
    pub(super) epoch: &'a Epoch,
}

pub(super) fn open<'a>(receipt: &'a Receipt, trust: &'a TrustFile) -> Result<Head<'a>, Refusal> {
    let proof = &receipt.anchored.tlog_proof;
    let note = &proof.checkpoint;
    let checkpoint: Checkpoint = note.text().parse().map_err(|_| Refusal::CheckpointMalformed)?;
    if !proof.extra.is_empty() {
        return Err(Refusal::ProofExtra);
    }
    if checkpoint.origin.as_str() != trust.origin() {
        return Err(Refusal::OtherLedger { ledger_id: trust.ledger_id() });
    }
    if checkpoint.size < TREE_SIZE_MIN {
        return Err(Refusal::TreeTooSmall { size: checkpoint.size });
    }
    // The block is only a claim here; that it is the tree's last leaf is shown in 8.3.
    let claimed = Record::decode(&receipt.block.leaf).map_err(|_| Refusal::LastLeafNotBlock)?;
    let RecordBody::Block(block) = claimed.body else { return Err(Refusal::LastLeafNotBlock) };
    let epoch = trust.epoch_of(checkpoint.size, block.config_hash).ok_or(Refusal::TrustFileOutOfDate)?;
    check_confirmed(receipt, &checkpoint, epoch)?;
    Ok(Head { note, tree: Tree { size: checkpoint.size, root: checkpoint.root }, epoch })
}

/// Keys of a closed epoch may have been given away since: only the closing checkpoint in the trust file counts.
fn check_confirmed(receipt: &Receipt, checkpoint: &Checkpoint, epoch: &Epoch) -> Result<(), Refusal> {
    let Some(closing) = epoch.closing() else { return Ok(()) };
    let last = closing.checkpoint();
    let path = receipt.consistency.clone().map(|consistency| consistency.path).unwrap_or_default();
    verify_consistency(checkpoint.size, &checkpoint.root, last.size, &last.root, &path)
        .map_err(|_| Refusal::SignedByRetiredKeys)
}
