//! Making receipts and proofs from any reader, under one published checkpoint.
//!
//! ```text
//! Prover::new(reader, published) ──► chain(accreditation) ──► Chain        shared by everything that was anchored under it
//!                                └─► receipt(subject, as_of) ─► Receipt    format and checks: kvitto-verifier
//! ```
//!
//! What a prover gives holds in the tree of its checkpoint, whatever is committed meanwhile.

mod chain;

use kvitto_ledger::ids::Commitment;
use kvitto_ledger::state::{AccreditationKey, Place, PlaceContent};
use kvitto_ledger::{Did, Height, LeafIndex, Position, Record, RecordBody, TimeMs};
use kvitto_merkle::log::{ConsistencyProof, InclusionProof, ProveError, consistency_path, inclusion_path};
use kvitto_merkle::status::{self, Chunk, chunk_index};
use kvitto_merkle::{Note, TlogProof};
use kvitto_verifier::Receipt;
use kvitto_verifier::receipt::{
    AnchoredLeaf, AsOf, ChunkProof, LastLeaf, LeafProof, ReceiptFormat, StatusProof,
};
use thiserror::Error;

use crate::error::{Damage, StoreError};
use crate::nodes::{LogNodes, StatusNodes};
use crate::store::{Published, Read};

pub use chain::Chain;

/// What a receipt is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// What was anchored at a position.
    Position(Position),
    /// A commitment of an issuer.
    Commitment {
        /// Who anchored it.
        issuer: Did,
        /// The commitment.
        commitment: Commitment,
    },
}

/// For which time a receipt answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// That of the checkpoint.
    Checkpoint,
    /// After this block.
    Height(Height),
    /// At this time. From the last block's time on it is that of the checkpoint.
    Time(TimeMs),
}

/// Why there is no proof. The store is fine.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Unprovable {
    /// Nobody anchored that, as of this checkpoint.
    #[error("nothing like that is anchored in the published log")]
    NotAnchored,
    /// The position is reserved, and no credential stands at it yet; or it is an accreditation's.
    #[error("the position is taken, but not by a credential")]
    NoCredential,
    /// It was anchored after the moment asked about.
    #[error("it was anchored later, in block {0}")]
    AnchoredLater(Height),
    /// Before block 0, or after the checkpoint's last block.
    #[error("the moment is outside of the published log")]
    MomentOutside,
    /// An index or size beyond the log, or an older size of 0.
    #[error("there is no such proof in a tree of {size} leaves")]
    OutOfRange {
        /// Leaves of the larger tree.
        size: u64,
    },
}

/// What a proof is asked for: found, not there, or the store failed.
pub type Proven<T> = Result<Result<T, Unprovable>, StoreError>;

/// Makes receipts under one checkpoint.
#[derive(Debug)]
pub struct Prover<'a, R> {
    reader: &'a R,
    note: Note,
    at: Height,
    size: u64,
}

impl<'a, R: Read> Prover<'a, R> {
    /// Proves under `published`, which ends with a committed block.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where its note cannot be read, or its size is not that of the block.
    pub fn new(reader: &'a R, published: &Published) -> Result<Self, StoreError> {
        let note = Note::from_bytes(published.note.as_bytes());
        let note = note.map_err(|_| Damage::unreadable("checkpoint", published.height))?;
        let header = reader.header(published.height)?;
        if header.is_none_or(|header| header.tree_size != published.size) {
            return Err(Damage::Mismatch { what: "checkpoint", height: published.height }.into());
        }
        Ok(Self { reader, note, at: published.height, size: published.size })
    }

    /// The receipt for `subject`, without an opening.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn receipt(&self, subject: Subject, moment: Moment) -> Proven<Receipt> {
        let anchored = match self.anchored(subject)? {
            Ok(anchored) => anchored,
            Err(unprovable) => return Ok(Err(unprovable)),
        };
        let chain = self.chain(&anchored.accreditation)?;
        self.receipt_under(&chain, &anchored, moment)
    }

    /// Where `subject` is, and under which accreditation it was anchored.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn anchored(&self, subject: Subject) -> Proven<Anchored> {
        let position = match subject {
            Subject::Position(position) => Some(position),
            Subject::Commitment { issuer, commitment } => {
                match self.reader.identifier_at(self.at, &issuer)? {
                    None => None,
                    Some(issuer) => self.reader.anchors_at(self.at, issuer.number, &[commitment])?[0],
                }
            }
        };
        let place = match position {
            None => None,
            Some(position) => self.reader.place_at(self.at, position)?.map(|place| (position, place)),
        };
        let (position, leaf) = match place {
            None => return Ok(Err(Unprovable::NotAnchored)),
            Some((position, Place { content: PlaceContent::Anchored { leaf }, .. })) => (position, leaf),
            Some(_) => return Ok(Err(Unprovable::NoCredential)),
        };
        let bytes = self.leaf(leaf)?;
        let record = Record::decode(&bytes).map_err(|_| Damage::unreadable("leaf", leaf))?;
        let RecordBody::Anchored(record) = record.body else {
            return Err(Damage::unreadable("anchored record", leaf).into());
        };
        let accreditation = AccreditationKey { subject: record.issuer, id: record.accreditation };
        Ok(Ok(Anchored { position, leaf, bytes, accreditation }))
    }

    /// The receipt for what was anchored under the accreditation that `chain` ends with.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn receipt_under(&self, chain: &Chain, anchored: &Anchored, moment: Moment) -> Proven<Receipt> {
        let positions: Vec<Position> =
            std::iter::once(anchored.position).chain(chain.positions.iter().copied()).collect();
        let as_of = match self.as_of(anchored.leaf, &positions, moment)? {
            Ok(as_of) => as_of,
            Err(unprovable) => return Ok(Err(unprovable)),
        };
        let tlog_proof = TlogProof {
            extra: Vec::new(),
            index: anchored.leaf.0,
            proof: self.path(anchored.leaf)?,
            checkpoint: self.note.clone(),
        };
        Ok(Ok(Receipt {
            format: ReceiptFormat,
            opening: None,
            anchored: AnchoredLeaf { leaf: anchored.bytes.clone(), tlog_proof },
            block: self.last_leaf()?,
            chain: chain.links.clone(),
            identifiers: chain.identifiers.clone(),
            status: self.status(self.at, &positions)?,
            as_of,
            consistency: None,
        }))
    }

    /// The `Block` record that the checkpoint's tree ends with.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn last_leaf(&self) -> Result<LastLeaf, StoreError> {
        let LeafProof { leaf, path, .. } = self.leaf_proof(LeafIndex(self.size - 1))?;
        Ok(LastLeaf { leaf, path })
    }

    /// A leaf with its path to the checkpoint's root.
    ///
    /// # Errors
    /// Those of the reader; the leaf must be in the checkpoint's tree.
    fn leaf_proof(&self, index: LeafIndex) -> Result<LeafProof, StoreError> {
        Ok(LeafProof { index: index.0, leaf: self.leaf(index)?, path: self.path(index)? })
    }

    fn leaf(&self, index: LeafIndex) -> Result<Vec<u8>, StoreError> {
        self.reader.leaf(index)?.ok_or_else(|| Damage::missing("leaf", index).into())
    }

    fn path(&self, index: LeafIndex) -> Result<InclusionProof, StoreError> {
        inclusion_path(&LogNodes(self.reader), index.0, self.size).map_err(|error| match error {
            ProveError::Source(error) => error,
            ProveError::OutOfRange { .. } => Damage::missing("leaf", index).into(),
        })
    }

    /// Statuses after block `at` of positions that begin with a credential's.
    fn status(&self, at: Height, positions: &[Position]) -> Result<StatusProof, StoreError> {
        let mut indexes: Vec<u64> = positions.iter().map(|position| chunk_index(position.0)).collect();
        indexes.sort_unstable();
        indexes.dedup();
        let count = self.reader.positions_at(at)?;
        let chunks = indexes.into_iter().map(|index| self.chunk(at, index, count));
        let record = match positions.first() {
            None => None,
            Some(position) => self.reader.status_leaf_at(at, *position)?,
        };
        Ok(StatusProof {
            chunks: chunks.collect::<Result<_, _>>()?,
            record: record.map(|leaf| self.leaf_proof(leaf)).transpose()?,
        })
    }

    fn chunk(&self, at: Height, index: u64, positions: u64) -> Result<ChunkProof, StoreError> {
        let chunk = self.reader.status_chunk_at(at, index)?.unwrap_or(Chunk::ZERO);
        let path = status::prove(&StatusNodes { reader: self.reader, at }, index, positions);
        let path = path.map_err(|error| match error {
            ProveError::Source(error) => error,
            ProveError::OutOfRange { .. } => Damage::missing("status chunk", index).into(),
        })?;
        Ok(ChunkProof { index, bytes: chunk.as_bytes().to_vec(), path })
    }

    /// The part about an earlier block; none where the checkpoint itself answers.
    fn as_of(&self, anchored: LeafIndex, positions: &[Position], moment: Moment) -> Proven<Option<AsOf>> {
        let height = match moment {
            Moment::Checkpoint => return Ok(Ok(None)),
            Moment::Height(height) => Some(height).filter(|height| *height <= self.at),
            Moment::Time(time) => self.reader.height_at(time)?.map(|height| height.min(self.at)),
        };
        let Some(height) = height else { return Ok(Err(Unprovable::MomentOutside)) };
        if height == self.at {
            return Ok(Ok(None));
        }
        let anchored_in = self.reader.height_of_leaf(anchored)?;
        if let Some(later) = anchored_in.filter(|anchored_in| *anchored_in > height) {
            return Ok(Err(Unprovable::AnchoredLater(later)));
        }
        // An accreditation is older than what was anchored under it, so its position exists then, too.
        let (block, next_block) = (self.block_leaf(height)?, self.block_leaf(height.next())?);
        Ok(Ok(Some(AsOf { block, next_block, status: self.status(height, positions)? })))
    }

    fn block_leaf(&self, height: Height) -> Result<LeafProof, StoreError> {
        let header = self.reader.header(height)?.ok_or_else(|| Damage::missing("header", height))?;
        self.leaf_proof(LeafIndex(header.tree_size - 1))
    }
}

/// Where something was anchored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchored {
    /// Its place in the status tree.
    pub position: Position,
    /// Its record.
    pub leaf: LeafIndex,
    /// The record's bytes.
    pub bytes: Vec<u8>,
    /// Under which accreditation.
    pub accreditation: AccreditationKey,
}

/// The path of leaf `index` in the tree of `size` leaves.
///
/// # Errors
/// Those of the reader.
pub fn inclusion<R: Read>(reader: &R, index: LeafIndex, size: u64) -> Proven<InclusionProof> {
    if size > committed_size(reader)? {
        return Ok(Err(Unprovable::OutOfRange { size }));
    }
    in_range(inclusion_path(&LogNodes(reader), index.0, size))
}

/// What ties the tree of `old` leaves to the one of `new`.
///
/// # Errors
/// Those of the reader.
pub fn consistency<R: Read>(reader: &R, old: u64, new: u64) -> Proven<ConsistencyProof> {
    if new > committed_size(reader)? {
        return Ok(Err(Unprovable::OutOfRange { size: new }));
    }
    in_range(consistency_path(&LogNodes(reader), old, new))
}

fn committed_size<R: Read>(reader: &R) -> Result<u64, StoreError> {
    let newest = reader.committed();
    let header = reader.header(newest)?.ok_or_else(|| Damage::missing("header", newest))?;
    Ok(header.tree_size)
}

fn in_range<T>(proof: Result<T, ProveError<StoreError>>) -> Proven<T> {
    match proof {
        Ok(proof) => Ok(Ok(proof)),
        Err(ProveError::OutOfRange { size, .. }) => Ok(Err(Unprovable::OutOfRange { size })),
        Err(ProveError::Source(error)) => Err(error),
    }
}
