//! The store's contract: one writer, and any number of readers that each read as of a height.

use std::ops::Range;
use std::sync::Arc;

use kvitto_ledger::block::Header;
use kvitto_ledger::execute::ExecutedBlock;
use kvitto_ledger::ids::{AccreditationId, Commitment, RegistrantNumber};
use kvitto_ledger::state::{Accreditation, AccreditationKey, Identifier, Outcome, Place};
use kvitto_ledger::{Did, Height, LeafIndex, Position, ReadState, StatementId, TimeMs};
use kvitto_merkle::Hash;
use kvitto_merkle::status::Chunk;

use crate::error::StoreError;

/// What was acknowledged: a lower bound of what the store holds (RULES 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The newest block.
    pub height: Height,
    /// Leaves of the log after it.
    pub size: u64,
    /// Root of the log after it.
    pub log_root: Hash,
    /// Root of the status tree after it.
    pub status_root: Hash,
}

/// A checkpoint with the quorum of cosignatures: what the outside is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The block that it ends with.
    pub height: Height,
    /// Leaves of the log.
    pub size: u64,
    /// The signed note.
    pub note: Arc<str>,
}

/// The writer; a node has one. As [`ReadState`] it answers about its newest block.
///
/// *Durability.* What a method wrote is on the disk when it returns: everything of a block, then HEAD. A crash in between
/// leaves a store with the block and without, never with parts of it.
/// *Errors.* After the first write that failed every further one is answered with [`StoreError::Poisoned`]: the process ends
/// and opens the store again. Nothing is ever tried twice.
pub trait Store: ReadState {
    /// The concurrent half.
    type Reader: Read;

    /// What is durable.
    fn head(&self) -> Head;

    /// A reader; cheap.
    fn reader(&self) -> Self::Reader;

    /// Keeps the next block. `certificate` proves that it was decided; its bytes are not looked at.
    ///
    /// # Errors
    /// [`StoreError::Failed`], [`StoreError::Poisoned`], [`StoreError::Damaged`].
    ///
    /// # Panics
    /// When the block does not follow the newest one.
    fn commit(&mut self, block: &ExecutedBlock, certificate: &[u8]) -> Result<(), StoreError>;

    /// Replaces the certificate of a committed block by a fuller one.
    ///
    /// # Errors
    /// Those of [`Store::commit`]; [`StoreError::NotCommitted`].
    fn put_certificate(&mut self, height: Height, certificate: &[u8]) -> Result<(), StoreError>;

    /// Makes a checkpoint the published one. One of a smaller tree than the present one changes nothing; one of the same tree,
    /// with newer cosignatures, replaces it.
    ///
    /// # Errors
    /// Those of [`Store::commit`]; [`StoreError::NotCommitted`].
    fn put_checkpoint(&mut self, published: &Published) -> Result<(), StoreError>;
}

/// A reader: cheap to clone, used from many threads while the writer commits.
///
/// *Consistency.* A method that takes a height `at` answers exactly as it did when that block was the newest, whatever was
/// committed since; two calls with one height fit together. It may be any committed height: to serve the outside, take that of
/// [`Read::published`] once per request. What never changes (leaves, bodies, log nodes) is asked without a height and is `None`
/// where it is not committed. As [`ReadState`] a reader answers about the newest committed block, so two calls may be about
/// two blocks.
/// *Errors.* [`StoreError::NotCommitted`] for a height above [`Read::committed`]; [`StoreError::Failed`] and
/// [`StoreError::Damaged`] are the disk's. Who decides on what it reads must end; who answers others says that the store failed,
/// and tells the operator.
pub trait Read: ReadState + Clone + Send + Sync + 'static {
    /// The newest durable block.
    fn committed(&self) -> Height;

    /// The newest checkpoint with a quorum; none before the first.
    fn published(&self) -> Option<Published>;

    /// The header of a block.
    fn header(&self, height: Height) -> Result<Option<Header>, StoreError>;

    /// Number of positions after a block.
    fn positions_at(&self, at: Height) -> Result<u64, StoreError>;

    /// The block that a leaf is in.
    fn height_of_leaf(&self, leaf: LeafIndex) -> Result<Option<Height>, StoreError>;

    /// The last block whose time is not later; `None` before block 0.
    fn height_at(&self, time: TimeMs) -> Result<Option<Height>, StoreError>;

    /// The last block whose log is not larger than `size` leaves; `None` where block 0 is larger.
    fn height_of_size(&self, size: u64) -> Result<Option<Height>, StoreError>;

    /// A leaf of the log.
    fn leaf(&self, index: LeafIndex) -> Result<Option<Vec<u8>>, StoreError>;

    /// Leaves in order from `range.start`, until `range.end`, the end of the log, or the leaf with which they would be longer
    /// than `bytes_max` together. The first one is given however long it is.
    fn leaves(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<Vec<u8>>, StoreError>;

    /// The encoded body of a block.
    fn body(&self, height: Height) -> Result<Option<Vec<u8>>, StoreError>;

    /// The certificate of a block, as given last.
    fn certificate(&self, height: Height) -> Result<Option<Vec<u8>>, StoreError>;

    /// A perfect node of the log; level 0 is a leaf hash.
    fn log_node(&self, level: u8, index: u64) -> Result<Option<Hash>, StoreError>;

    /// A chunk of the status tree; `None` where all its bits are zero.
    fn status_chunk_at(&self, at: Height, index: u64) -> Result<Option<Chunk>, StoreError>;

    /// A perfect node of the status tree; `None` where it covers only zeros.
    fn status_node_at(&self, at: Height, level: u8, index: u64) -> Result<Option<Hash>, StoreError>;

    /// The newest `Status` or `AccreditationStatus` record of a position.
    fn status_leaf_at(&self, at: Height, position: Position) -> Result<Option<LeafIndex>, StoreError>;

    /// An organisation.
    fn identifier_at(&self, at: Height, did: &Did) -> Result<Option<Identifier>, StoreError>;

    /// Up to `limit` organisations with identifiers above `after`, ascending by the identifier's bytes.
    fn identifiers_at(
        &self,
        at: Height,
        after: Option<&Did>,
        limit: usize,
    ) -> Result<Vec<Identifier>, StoreError>;

    /// The organisation with this number.
    fn registrant_at(&self, at: Height, number: RegistrantNumber) -> Result<Option<Did>, StoreError>;

    /// An accreditation.
    fn accreditation_at(
        &self,
        at: Height,
        key: &AccreditationKey,
    ) -> Result<Option<Accreditation>, StoreError>;

    /// Ids of everything that an organisation was ever accredited for, ascending.
    fn accreditations_at(&self, at: Height, subject: &Did) -> Result<Vec<AccreditationId>, StoreError>;

    /// Up to `limit` accreditations that hang on this one, with keys above `after`, ascending.
    fn children_at(
        &self,
        at: Height,
        parent: &AccreditationKey,
        after: Option<&AccreditationKey>,
        limit: usize,
    ) -> Result<Vec<AccreditationKey>, StoreError>;

    /// What a position is used for.
    fn place_at(&self, at: Height, position: Position) -> Result<Option<Place>, StoreError>;

    /// Where these commitments of one issuer are, in the order asked.
    fn anchors_at(
        &self,
        at: Height,
        issuer: RegistrantNumber,
        commitments: &[Commitment],
    ) -> Result<Vec<Option<Position>>, StoreError>;

    /// What became of a statement, if it was executed.
    fn outcome_at(&self, at: Height, id: &StatementId) -> Result<Option<Outcome>, StoreError>;
}
