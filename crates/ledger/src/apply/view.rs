//! A copy-on-write view of the state: the committed state, what the block has changed so far, and what the present statement changes.

use std::sync::Arc;

use kvitto_merkle::status::{Chunk, StatusValue, chunk_index};

use crate::did::Did;
use crate::ids::{Commitment, LeafIndex, Position, RegistrantNumber, StatementId, TimeMs};
use crate::record::{AnchoredRecord, AnchoredTemplate, LEAF_BYTES_MAX, Record, RecordBody};
use crate::state::{
    Accreditation, AccreditationKey, Changes, Identifier, Outcome, Place, ReadState, StateError, Tip, Usage,
};

/// What was done so far, by the block's earlier statements or by the present one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Effects {
    pub(crate) changes: Changes,
    pub(crate) leaves: Vec<Vec<u8>>,
    pub(crate) positions: u64,
    pub(crate) registrants: u32,
    pub(crate) compromised: u64,
}

/// See the module's head. Reads look at the statement's changes first, then the block's, then the state.
pub(crate) struct View<'a, S> {
    state: &'a S,
    first_leaf: u64,
    first_position: u64,
    block: Effects,
    pending: Effects,
    statement_id: StatementId,
    time: TimeMs,
    /// Whether only the verdict counts.
    is_trial: bool,
}

impl<'a, S: ReadState> View<'a, S> {
    /// The state after `tip`, with nothing done yet.
    pub(crate) fn new(state: &'a S, tip: &Tip) -> Self {
        let nothing = Effects {
            positions: tip.positions,
            registrants: tip.registrants,
            compromised: tip.compromised,
            ..Effects::default()
        };
        Self {
            state,
            first_leaf: tip.frontier.size(),
            first_position: tip.positions,
            pending: nothing.clone(),
            block: nothing,
            statement_id: StatementId::default(),
            time: TimeMs::default(),
            is_trial: false,
        }
    }

    /// The same for the verdict on one statement: `Anchored` records, of which there may be thousands, are counted, not encoded.
    pub(crate) fn trial(state: &'a S, tip: &Tip) -> Self {
        Self { is_trial: true, ..Self::new(state, tip) }
    }

    /// Records that follow are caused by this statement, at this time.
    pub(crate) fn begin(&mut self, statement_id: StatementId, time: TimeMs) {
        (self.statement_id, self.time) = (statement_id, time);
    }

    /// Number of records that the block would have with the pending ones.
    pub(crate) fn records(&self) -> usize {
        self.block.leaves.len() + self.pending.leaves.len()
    }

    /// Number of positions that the block would allocate with the pending ones.
    pub(crate) fn positions_allocated(&self) -> u64 {
        self.pending.positions - self.first_position
    }

    /// Makes the pending effects part of the block.
    pub(crate) fn keep(&mut self) {
        let Effects { changes, leaves, positions, registrants, compromised } =
            std::mem::take(&mut self.pending);
        self.block.changes.absorb(changes);
        self.block.leaves.extend(leaves);
        (self.block.positions, self.block.registrants) = (positions, registrants);
        self.block.compromised = compromised;
        self.discard();
    }

    /// Forgets the pending effects.
    pub(crate) fn discard(&mut self) {
        self.pending = Effects {
            positions: self.block.positions,
            registrants: self.block.registrants,
            compromised: self.block.compromised,
            ..Effects::default()
        };
    }

    /// Ends the block: everything that was kept.
    pub(crate) fn into_effects(self) -> Effects {
        self.block
    }

    /// The index that the next record will have.
    pub(crate) fn next_leaf(&self) -> LeafIndex {
        LeafIndex(self.first_leaf + self.records() as u64)
    }

    /// Appends a record of the present statement.
    pub(crate) fn record(&mut self, body: RecordBody) -> LeafIndex {
        self.append(Record { time: self.time, statement_id: self.statement_id, body }.encode())
    }

    /// What the `Anchored` records of the present statement share.
    pub(crate) fn anchored_template(&self, record: AnchoredRecord) -> AnchoredTemplate {
        AnchoredTemplate::new(self.time, self.statement_id, record)
    }

    /// Appends one of the `Anchored` records of the present statement.
    pub(crate) fn record_anchored(
        &mut self,
        template: &AnchoredTemplate,
        position: Position,
        commitment: &Commitment,
    ) -> LeafIndex {
        // Nothing of the same statement reads them, and a trial ends with it.
        let bytes = if self.is_trial { Vec::new() } else { template.encode(position, commitment) };
        self.append(bytes)
    }

    fn append(&mut self, bytes: Vec<u8>) -> LeafIndex {
        assert!(bytes.len() <= LEAF_BYTES_MAX, "form bounds everything that a record holds");
        let leaf = self.next_leaf();
        self.pending.leaves.push(bytes);
        leaf
    }

    pub(crate) fn identifier(&self, did: &Did) -> Result<Option<Arc<Identifier>>, StateError> {
        match self.changed(|changes| changes.identifiers.get(did)) {
            Some(changed) => Ok(Some(Arc::new(changed.clone()))),
            None => self.state.identifier(did),
        }
    }

    pub(crate) fn accreditation(
        &self,
        key: &AccreditationKey,
    ) -> Result<Option<Arc<Accreditation>>, StateError> {
        match self.changed(|changes| changes.accreditations.get(key)) {
            Some(changed) => Ok(Some(Arc::new(changed.clone()))),
            None => self.state.accreditation(key),
        }
    }

    /// Where these commitments of one issuer are, in the order asked.
    pub(crate) fn anchors(
        &self,
        issuer: RegistrantNumber,
        commitments: &[Commitment],
    ) -> Result<Vec<Option<Position>>, StateError> {
        let mut found = self.state.anchors(issuer, commitments)?;
        for (position, commitment) in found.iter_mut().zip(commitments) {
            if position.is_none() {
                *position = self.changed(|changes| changes.anchors.get(&(issuer, *commitment))).copied();
            }
        }
        Ok(found)
    }

    pub(crate) fn place(&self, position: Position) -> Result<Option<Place>, StateError> {
        match self.changed(|changes| changes.places.get(&position)) {
            Some(place) => Ok(Some(*place)),
            None => self.state.place(position),
        }
    }

    /// A record of the log, of the block so far or of the present statement.
    pub(crate) fn leaf(&self, index: LeafIndex) -> Result<Option<Vec<u8>>, StateError> {
        let Some(new) = index.0.checked_sub(self.first_leaf) else { return self.state.log_leaf(index) };
        let mut leaves = self.block.leaves.iter().chain(&self.pending.leaves);
        Ok(usize::try_from(new).ok().and_then(|new| leaves.nth(new)).cloned())
    }

    /// The newest record that changed the status of this position.
    pub(crate) fn status_leaf(&self, position: Position) -> Result<Option<LeafIndex>, StateError> {
        match self.changed(|changes| changes.status_leaves.get(&position)) {
            Some(leaf) => Ok(Some(*leaf)),
            None => self.state.status_leaf(position),
        }
    }

    pub(crate) fn status(&self, position: Position) -> Result<StatusValue, StateError> {
        Ok(self.chunk(chunk_index(position.0))?.value(position.0))
    }

    pub(crate) fn usage(&self, registrant: RegistrantNumber) -> Result<Usage, StateError> {
        match self.changed(|changes| changes.usage.get(&registrant)) {
            Some(usage) => Ok(*usage),
            None => self.state.usage(registrant),
        }
    }

    pub(crate) fn outcome(&self, id: &StatementId) -> Result<Option<Outcome>, StateError> {
        match self.changed(|changes| changes.outcomes.get(id)) {
            Some(outcome) => Ok(Some(outcome.clone())),
            None => self.state.outcome(id),
        }
    }

    pub(crate) fn put_identifier(&mut self, identifier: Identifier) {
        self.pending.changes.identifiers.insert(identifier.did, identifier);
    }

    /// Whether any accreditation is suspended for key compromise now.
    pub(crate) fn any_compromised(&self) -> bool {
        self.pending.compromised > 0
    }

    /// An accreditation's suspension for key compromise began or ended.
    pub(crate) fn count_compromised(&mut self, before: bool, after: bool) {
        let others = self.pending.compromised.checked_sub(before.into());
        let others = others.expect("every such suspension was counted when it began");
        self.pending.compromised = others + u64::from(after);
    }

    pub(crate) fn put_accreditation(&mut self, accreditation: Accreditation) {
        self.pending.changes.accreditations.insert(accreditation.key, accreditation);
    }

    pub(crate) fn put_anchor(
        &mut self,
        issuer: RegistrantNumber,
        commitment: Commitment,
        position: Position,
    ) {
        self.pending.changes.anchors.insert((issuer, commitment), position);
    }

    pub(crate) fn put_place(&mut self, position: Position, place: Place) {
        self.pending.changes.places.insert(position, place);
    }

    pub(crate) fn put_usage(&mut self, registrant: RegistrantNumber, usage: Usage) {
        self.pending.changes.usage.insert(registrant, usage);
    }

    pub(crate) fn put_outcome(&mut self, id: StatementId, outcome: Outcome) {
        self.pending.changes.outcomes.insert(id, outcome);
    }

    /// Sets a position's bits; `leaf` is the record that says so.
    pub(crate) fn put_status(
        &mut self,
        position: Position,
        value: StatusValue,
        leaf: LeafIndex,
    ) -> Result<(), StateError> {
        let index = chunk_index(position.0);
        let mut chunk = self.chunk(index)?;
        chunk.set(position.0, value);
        self.pending.changes.chunks.insert(index, chunk);
        self.pending.changes.status_leaves.insert(position, leaf);
        Ok(())
    }

    /// Takes the next `count` positions; gives the first one.
    pub(crate) fn allocate(&mut self, count: u32) -> Position {
        let first = Position(self.pending.positions);
        self.pending.positions += u64::from(count);
        first
    }

    /// Takes the next organisation's number.
    pub(crate) fn next_registrant(&mut self) -> RegistrantNumber {
        let number = RegistrantNumber(self.pending.registrants);
        self.pending.registrants += 1;
        number
    }

    fn chunk(&self, index: u64) -> Result<Chunk, StateError> {
        match self.changed(|changes| changes.chunks.get(&index)) {
            Some(chunk) => Ok(chunk.clone()),
            None => Ok(self.state.status_chunk(index)?.unwrap_or(Chunk::ZERO)),
        }
    }

    /// What the present statement, or else the block so far, has made of something.
    fn changed<T>(&self, find: impl Fn(&Changes) -> Option<&T>) -> Option<&T> {
        find(&self.pending.changes).or_else(|| find(&self.block.changes))
    }
}
