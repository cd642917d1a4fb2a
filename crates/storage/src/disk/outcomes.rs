//! Pages of outcomes: what became of 128 statements of a block, a few bytes each.

use kvitto_ledger::codec::{decode_strict, encode};
use kvitto_ledger::state::{ItemException, Outcome};
use kvitto_ledger::{Height, LeafIndex, StatementId, TimeMs};

use super::keys::{self, OUTCOMES_PER_PAGE};
use super::rows::Rows;
use super::trees::{TreeName, Trees};
use crate::error::{Damage, StoreError};

/// first leaf, number of leaves, exceptions.
type Row = (u64, u32, Vec<ItemException>);

const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Where an outcome is: the block, and the statement's place in it. As a number it fits into a row of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutcomePlace {
    pub(super) height: Height,
    pub(super) index: u32,
}

impl OutcomePlace {
    const INDEX_BITS: u32 = 24;

    pub(super) fn to_number(self) -> u64 {
        assert!(self.index >> Self::INDEX_BITS == 0, "a body of 1 MiB has fewer than 2^24 statements");
        assert!(self.height.0 >> (u64::BITS - Self::INDEX_BITS) == 0, "there are fewer than 2^40 blocks");
        self.height.0 << Self::INDEX_BITS | u64::from(self.index)
    }

    pub(super) fn from_number(number: u64) -> Self {
        let index = number & ((1 << Self::INDEX_BITS) - 1);
        Self { height: Height(number >> Self::INDEX_BITS), index: index as u32 }
    }
}

/// Adds the pages of a block.
pub(super) fn put_pages<'a>(
    rows: &mut Rows,
    height: Height,
    outcomes: impl Iterator<Item = (&'a StatementId, &'a Outcome)>,
) {
    let mut in_order: Vec<&Outcome> = outcomes.map(|(_, outcome)| outcome).collect();
    in_order.sort_unstable_by_key(|outcome| outcome.index);
    for (page, outcomes) in (0..).zip(in_order.chunks(OUTCOMES_PER_PAGE as usize)) {
        let first = page * OUTCOMES_PER_PAGE;
        let row = |(index, outcome): (u32, &&Outcome)| -> Row {
            assert_eq!(outcome.index, index, "every statement of a block has an outcome");
            assert!(
                outcome.leaves > 0,
                "every statement of a block has a record: it tells whose outcome this is"
            );
            (outcome.first_leaf.0, outcome.leaves, outcome.exceptions.clone())
        };
        let page_rows: Vec<Row> = (first..).zip(outcomes).map(row).collect();
        rows.put_blob(TreeName::Outcomes, &keys::outcomes(height, page), &encode(&page_rows));
    }
}

/// The outcome at a place, in a block of time `time`.
pub(super) fn read(trees: &Trees, place: OutcomePlace, time: TimeMs) -> Result<Outcome, StoreError> {
    let OutcomePlace { height, index } = place;
    let name = TreeName::Outcomes.name();
    let key = keys::outcomes(height, index / OUTCOMES_PER_PAGE);
    let page = trees.blob(TreeName::Outcomes, &key)?.ok_or_else(|| Damage::missing(name, height))?;
    let rows: Vec<Row> =
        decode_strict(&page, PAGE_BYTES_MAX).map_err(|_| Damage::unreadable(name, height))?;
    let row = rows.into_iter().nth((index % OUTCOMES_PER_PAGE) as usize);
    let (first_leaf, leaves, exceptions) = row.ok_or_else(|| Damage::missing(name, height))?;
    Ok(Outcome { height, time, index, first_leaf: LeafIndex(first_leaf), leaves, exceptions })
}
