//! A state that says what is looked up in it, and fails where it is told to.

use std::sync::Arc;

use kvitto_merkle::Hash;
use kvitto_merkle::status::Chunk;

use super::memory::MemoryState;
use crate::did::Did;
use crate::ids::{Commitment, LeafIndex, Position, RegistrantNumber, StatementId};
use crate::state::{
    Accreditation, AccreditationKey, Identifier, Outcome, Place, ReadState, StateError, Tip, Usage,
};

/// What is looked up: one for each function of [`ReadState`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the functions of `ReadState` say it")]
pub enum LookUp {
    Tip,
    Identifier(Did),
    Accreditation(AccreditationKey),
    Anchors(RegistrantNumber),
    Place(Position),
    LogLeaf(LeafIndex),
    LogHash(u8, u64),
    StatusLeaf(Position),
    StatusChunk(u64),
    StatusNode(u8, u64),
    Usage(RegistrantNumber),
    Outcome(StatementId),
}

/// A state whose every look-up is first shown to `watch`, which may refuse it.
#[derive(Clone, Debug)]
pub struct Watched<'a, F> {
    /// What answers.
    pub state: &'a MemoryState,
    /// Who watches.
    pub watch: F,
}

impl<F: Fn(LookUp) -> Result<(), StateError>> ReadState for Watched<'_, F> {
    fn tip(&self) -> Result<Tip, StateError> {
        (self.watch)(LookUp::Tip)?;
        self.state.tip()
    }

    fn identifier(&self, did: &Did) -> Result<Option<Arc<Identifier>>, StateError> {
        (self.watch)(LookUp::Identifier(*did))?;
        self.state.identifier(did)
    }

    fn accreditation(&self, key: &AccreditationKey) -> Result<Option<Arc<Accreditation>>, StateError> {
        (self.watch)(LookUp::Accreditation(*key))?;
        self.state.accreditation(key)
    }

    fn anchors(
        &self,
        issuer: RegistrantNumber,
        commitments: &[Commitment],
    ) -> Result<Vec<Option<Position>>, StateError> {
        (self.watch)(LookUp::Anchors(issuer))?;
        self.state.anchors(issuer, commitments)
    }

    fn place(&self, position: Position) -> Result<Option<Place>, StateError> {
        (self.watch)(LookUp::Place(position))?;
        self.state.place(position)
    }

    fn log_leaf(&self, index: LeafIndex) -> Result<Option<Vec<u8>>, StateError> {
        (self.watch)(LookUp::LogLeaf(index))?;
        self.state.log_leaf(index)
    }

    fn log_hash(&self, level: u8, index: u64) -> Result<Option<Hash>, StateError> {
        (self.watch)(LookUp::LogHash(level, index))?;
        self.state.log_hash(level, index)
    }

    fn status_leaf(&self, position: Position) -> Result<Option<LeafIndex>, StateError> {
        (self.watch)(LookUp::StatusLeaf(position))?;
        self.state.status_leaf(position)
    }

    fn status_chunk(&self, index: u64) -> Result<Option<Chunk>, StateError> {
        (self.watch)(LookUp::StatusChunk(index))?;
        self.state.status_chunk(index)
    }

    fn status_node(&self, level: u8, index: u64) -> Result<Option<Hash>, StateError> {
        (self.watch)(LookUp::StatusNode(level, index))?;
        self.state.status_node(level, index)
    }

    fn usage(&self, registrant: RegistrantNumber) -> Result<Usage, StateError> {
        (self.watch)(LookUp::Usage(registrant))?;
        self.state.usage(registrant)
    }

    fn outcome(&self, id: &StatementId) -> Result<Option<Outcome>, StateError> {
        (self.watch)(LookUp::Outcome(*id))?;
        self.state.outcome(id)
    }
}
