//! A state on which the rules break, as on a defect in them.

use std::sync::Arc;

use kvitto_ledger::ids::RegistrantNumber;
use kvitto_ledger::state::{Accreditation, AccreditationKey, Identifier, Outcome, Place, Usage};
use kvitto_ledger::testing::MemoryState;
use kvitto_ledger::{
    AccreditationId, Commitment, Did, LeafIndex, Position, ReadState, StateError, StatementId, Tip,
};
use kvitto_merkle::Hash;
use kvitto_merkle::status::Chunk;

/// A state that breaks where this organisation is looked up.
pub(super) struct Defect<'a> {
    pub(super) state: &'a MemoryState,
    pub(super) breaks_on: Option<Did>,
}

impl ReadState for Defect<'_> {
    fn tip(&self) -> Result<Tip, StateError> {
        self.state.tip()
    }

    fn identifier(&self, did: &Did) -> Result<Option<Arc<Identifier>>, StateError> {
        assert_ne!(Some(*did), self.breaks_on, "a defect in the rules");
        self.state.identifier(did)
    }

    fn accreditation(&self, key: &AccreditationKey) -> Result<Option<Arc<Accreditation>>, StateError> {
        self.state.accreditation(key)
    }

    fn accreditations_of(&self, subject: &Did) -> Result<Vec<AccreditationId>, StateError> {
        self.state.accreditations_of(subject)
    }

    fn anchors(
        &self,
        issuer: RegistrantNumber,
        commitments: &[Commitment],
    ) -> Result<Vec<Option<Position>>, StateError> {
        self.state.anchors(issuer, commitments)
    }

    fn place(&self, position: Position) -> Result<Option<Place>, StateError> {
        self.state.place(position)
    }

    fn log_leaf(&self, index: LeafIndex) -> Result<Option<Vec<u8>>, StateError> {
        self.state.log_leaf(index)
    }

    fn log_hash(&self, level: u8, index: u64) -> Result<Option<Hash>, StateError> {
        self.state.log_hash(level, index)
    }

    fn status_chunk(&self, index: u64) -> Result<Option<Chunk>, StateError> {
        self.state.status_chunk(index)
    }

    fn status_node(&self, level: u8, index: u64) -> Result<Option<Hash>, StateError> {
        self.state.status_node(level, index)
    }

    fn usage(&self, registrant: RegistrantNumber) -> Result<Usage, StateError> {
        self.state.usage(registrant)
    }

    fn outcome(&self, id: &StatementId) -> Result<Option<Outcome>, StateError> {
        self.state.outcome(id)
    }
}
