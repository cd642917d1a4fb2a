//! The status tree of a replayed log: which positions there are, what is on them, and the root after each block.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use kvitto_ledger::RecordBody;
use kvitto_ledger::execute::BLOCK_POSITIONS_MAX;
use kvitto_ledger::record::StatusRecord;
use kvitto_merkle::Hash;
use kvitto_merkle::status::{self, Chunk, StatusValue, UpdateError, chunk_index};

use super::{FaultKind, ensure};

#[derive(Clone, Debug, Default)]
pub(super) struct Statuses {
    /// Number of positions, and as it was after the block before.
    positions: u64,
    positions_before: u64,
    /// Chunks that are not zero.
    chunks: BTreeMap<u64, Chunk>,
    /// Of them, those that the open block changes.
    changed: BTreeSet<u64>,
    /// Nodes above the chunks, after the block before.
    nodes: BTreeMap<(u8, u64), Hash>,
    /// Positions of accreditations.
    accreditations: BTreeSet<u64>,
    /// Reserved and unused: first position to the one after the last.
    reserved: BTreeMap<u64, u64>,
}

impl Statuses {
    pub(super) fn positions(&self) -> u64 {
        self.positions
    }

    /// Takes what a record says about positions.
    pub(super) fn apply(&mut self, body: &RecordBody) -> Result<(), FaultKind> {
        match body {
            RecordBody::Genesis(_) | RecordBody::Block(_) | RecordBody::Identifier(_) => Ok(()),
            RecordBody::Accreditation(record) => self.accredit(record.position.0),
            RecordBody::AccreditationStatus(record) => {
                let position = record.position.0;
                ensure(self.accreditations.contains(&position), FaultKind::Position)?;
                self.set(position, record.status.0, |from, to| {
                    use StatusValue::{Revoked, Suspended, Valid};
                    matches!((from, to), (Valid, Suspended | Revoked) | (Suspended, Valid | Revoked))
                })
            }
            RecordBody::Reservation(record) => {
                ensure(record.first.0 == self.positions && record.count > 0, FaultKind::Position)?;
                let first = self.positions;
                self.allocate(u64::from(record.count))?;
                self.reserved.insert(first, self.positions);
                Ok(())
            }
            RecordBody::Anchored(record) => match record.position.0 {
                position if position == self.positions => self.allocate(1),
                position => self.use_reserved(position),
            },
            RecordBody::Status(record) => self.change(record),
        }
    }

    /// The status root after the block that ends here.
    pub(super) fn end_block(&mut self) -> Result<Hash, FaultKind> {
        let changed = std::mem::take(&mut self.changed);
        let chunks = changed.into_iter().filter_map(|index| Some((index, self.chunks.get(&index)?.clone())));
        let update = status::update(
            &self.nodes,
            self.positions_before,
            self.positions,
            &chunks.collect::<BTreeMap<_, _>>(),
        );
        let update = update.map_err(|error: UpdateError<Infallible>| match error {
            UpdateError::Source(never) => match never {},
            _ => FaultKind::Position,
        })?;
        self.nodes.extend(update.nodes.into_iter().map(|node| ((node.level, node.index), node.hash)));
        self.positions_before = self.positions;
        // A chunk that has become zero again stays: it has to be written once more.
        Ok(update.root)
    }

    /// A new accreditation, or a revision of one.
    fn accredit(&mut self, position: u64) -> Result<(), FaultKind> {
        if position == self.positions {
            self.accreditations.insert(position);
            return self.allocate(1);
        }
        ensure(self.accreditations.contains(&position), FaultKind::Position)
    }

    /// A credential's status (RULES 5.7).
    fn change(&mut self, record: &StatusRecord) -> Result<(), FaultKind> {
        let position = record.position.0;
        let anchored = |position: u64| {
            position < self.positions
                && !self.accreditations.contains(&position)
                && self.reservation_of(position).is_none()
        };
        let successor_fits = match (record.status.0, record.successor) {
            (StatusValue::Superseded, Some(successor)) => successor.0 != position && anchored(successor.0),
            (StatusValue::Superseded, None) => false,
            (_, successor) => successor.is_none(),
        };
        ensure(anchored(position) && successor_fits, FaultKind::Position)?;
        self.set(position, record.status.0, |from, to| {
            use StatusValue::{Revoked, Superseded, Suspended, Valid};
            matches!(
                (from, to),
                (Valid, Suspended | Superseded | Revoked)
                    | (Suspended, Valid | Superseded | Revoked)
                    | (Superseded, Revoked)
            )
        })
    }

    fn set(
        &mut self,
        position: u64,
        to: StatusValue,
        allowed: impl Fn(StatusValue, StatusValue) -> bool,
    ) -> Result<(), FaultKind> {
        let index = chunk_index(position);
        let chunk = self.chunks.entry(index).or_insert(Chunk::ZERO);
        ensure(allowed(chunk.value(position), to), FaultKind::Transition)?;
        chunk.set(position, to);
        self.changed.insert(index);
        Ok(())
    }

    fn allocate(&mut self, count: u64) -> Result<(), FaultKind> {
        let positions = self.positions.saturating_add(count);
        ensure(positions - self.positions_before <= BLOCK_POSITIONS_MAX, FaultKind::TooLarge)?;
        self.positions = positions;
        Ok(())
    }

    /// The reservation that a position is in: its first position and the one after its last.
    fn reservation_of(&self, position: u64) -> Option<(u64, u64)> {
        let (first, end) = self.reserved.range(..=position).next_back()?;
        (position < *end).then_some((*first, *end))
    }

    /// Takes one position out of its reservation.
    fn use_reserved(&mut self, position: u64) -> Result<(), FaultKind> {
        let (first, end) = self.reservation_of(position).ok_or(FaultKind::Position)?;
        self.reserved.remove(&first);
        for (first, end) in [(first, position), (position + 1, end)] {
            if first < end {
                self.reserved.insert(first, end);
            }
        }
        Ok(())
    }
}
