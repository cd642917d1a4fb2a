//! RULES 8.3: the `Block` records that everything about statuses is read from, and the times that they cover.

use kvitto_ledger::record::BlockRecord;
use kvitto_ledger::{Record, TimeMs};

use super::quorum::Signed;
use super::tree::{Tree, body_of};
use crate::receipt::{AsOf, Receipt};
use crate::refusal::{Leaf, Refusal};

/// A `Block` record in the tree.
pub(super) struct Block {
    pub(super) index: u64,
    pub(super) time: TimeMs,
    pub(super) record: BlockRecord,
}

/// The blocks of a receipt.
pub(super) struct Blocks {
    /// The tree's last leaf.
    pub(super) last: Block,
    /// Block h and the time of block h + 1.
    pub(super) earlier: Option<(Block, TimeMs)>,
}

/// The block whose state answers the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Period {
    /// The last one.
    Last,
    /// That of "as of".
    Earlier,
}

pub(super) fn check(tree: &Tree, receipt: &Receipt) -> Result<Blocks, Refusal> {
    let index = tree.size - 1;
    let last = tree.record(Leaf::Block, &receipt.block.leaf, index, &receipt.block.path)?;
    let last = block(Leaf::Block, last, index)?;
    let earlier = receipt.as_of.as_ref().map(|as_of| earlier(tree, as_of)).transpose()?;
    Ok(Blocks { last, earlier })
}

fn earlier(tree: &Tree, as_of: &AsOf) -> Result<(Block, TimeMs), Refusal> {
    let this = block(Leaf::AsOfBlock, tree.proven(Leaf::AsOfBlock, &as_of.block)?, as_of.block.index)?;
    let next =
        block(Leaf::NextBlock, tree.proven(Leaf::NextBlock, &as_of.next_block)?, as_of.next_block.index)?;
    let consecutive = this.record.height.0.checked_add(1) == Some(next.record.height.0)
        && next.record.first_leaf.0 == this.index + 1
        && this.time < next.time;
    if consecutive { Ok((this, next.time)) } else { Err(Refusal::BlocksNotConsecutive) }
}

fn block(leaf: Leaf, record: Record, index: u64) -> Result<Block, Refusal> {
    let time = record.time;
    let record = body_of!(record, Block, leaf);
    if record.first_leaf.0 > index {
        return Err(Refusal::BlockMisplaced { leaf });
    }
    Ok(Block { index, time, record })
}

/// Which block tells what was true at `as_of_s`; the last one where no time is asked about.
///
/// The last block's state holds until the checkpoint's freshness: no block decided before that is missing.
pub(super) fn period(blocks: &Blocks, signed: &Signed, as_of_s: Option<u64>) -> Result<Period, Refusal> {
    let Some(as_of_s) = as_of_s else { return Ok(Period::Last) };
    let asked = TimeMs(as_of_s.saturating_mul(1000));
    let by_last = blocks.last.time <= asked && as_of_s <= signed.fresh_at_s;
    let by_earlier = blocks.earlier.as_ref().is_some_and(|(this, next)| this.time <= asked && asked < *next);
    match (by_last, by_earlier) {
        (true, _) => Ok(Period::Last),
        (false, true) => Ok(Period::Earlier),
        (false, false) => Err(Refusal::TimeNotCovered),
    }
}
