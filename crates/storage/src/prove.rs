//! Making receipts and proofs from any reader, under one published checkpoint.
//!
//! ```text
//! Prover::new(reader, published, moment) ─┬─► anchored(subject) ────► Anchored ──────┐
//!                                         ├─► shared(accreditation) ► ReceiptShared ─┼─► item ─► Item   parts of a receipt
//!                                         ├─► receipt(subject) ─────► Receipt ◄──────┘          (format: kvitto-verifier)
//!                                         └─► leaf, block, chunks ──► proofs of registry answers
//! ```
//!
//! What a prover gives holds in the tree of its checkpoint, whatever is committed meanwhile.

mod shared;

use kvitto_ledger::ids::Commitment;
use kvitto_ledger::record::AnchoredRecord;
use kvitto_ledger::state::{AccreditationKey, Place, PlaceContent};
use kvitto_ledger::statement::Body;
use kvitto_ledger::{Checked, Did, Header, Height, LeafIndex, Position, Record, RecordBody, TimeMs};
use kvitto_merkle::log::{ConsistencyProof, InclusionProof, ProveError, consistency_path, inclusion_path};
use kvitto_merkle::status::{self, Chunk, StatusValue, chunk_index};
use kvitto_verifier::Receipt;
use kvitto_verifier::receipt::{ChunkProof, LeafProof, ReceiptItem, ReceiptShared};
use thiserror::Error;

use crate::error::{Damage, StoreError};
use crate::nodes::{LogNodes, StatusNodes};
use crate::store::{Published, Read};

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

/// For which time answers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// That of the checkpoint.
    Checkpoint,
    /// After this block.
    Height(Height),
    /// At this time. From the last block's time on it is that of the checkpoint: nothing later is known to anyone.
    Time(TimeMs),
    /// After the block that ends at exactly this size of the log.
    TreeSize(u64),
}

/// Why there is no proof. The store is fine.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Unprovable {
    /// Nobody had anchored that, at the moment asked about.
    #[error("nothing like that was anchored at that moment")]
    NotAnchored,
    /// The position is reserved, and no credential stood at it yet; or it is an accreditation's.
    #[error("the position was taken, but not by a credential")]
    NoCredential,
    /// Before block 0, after the checkpoint's last block, or a size at which no block ends.
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

/// Makes proofs under one checkpoint, as of one block.
#[derive(Clone, Debug)]
pub struct Prover<R> {
    reader: R,
    published: Published,
    /// The block that answers are as of, and the number of positions after it.
    header: Header,
    positions: u64,
}

/// An anchored credential as the log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchored {
    /// Place of its record.
    pub leaf: LeafIndex,
    /// The record's bytes.
    pub bytes: Vec<u8>,
    /// Block time of the anchor.
    pub time: TimeMs,
    /// The record.
    pub record: AnchoredRecord,
}

/// A credential's own part of its receipt, and what it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The part.
    pub part: ReceiptItem,
    /// The credential's status as of the prover's block.
    pub status: StatusValue,
}

impl Anchored {
    /// The accreditation that it was anchored under.
    pub fn accreditation(&self) -> AccreditationKey {
        AccreditationKey { subject: self.record.issuer, id: self.record.accreditation }
    }
}

impl<R: Read> Prover<R> {
    /// Proves under `published`, which ends with a committed block, as of `moment`.
    ///
    /// # Errors
    /// Those of the reader; [`StoreError::Damaged`] where the checkpoint's size is not that of its block.
    pub fn new(reader: R, published: Published, moment: Moment) -> Proven<Self> {
        let Some(header) = header_at(&reader, published.height, moment)? else {
            return Ok(Err(Unprovable::MomentOutside));
        };
        if header.height == published.height && header.tree_size != published.size {
            return Err(Damage::Mismatch { what: "checkpoint", height: published.height }.into());
        }
        let positions = reader.positions_at(header.height)?;
        Ok(Ok(Self { reader, published, header, positions }))
    }

    /// What it reads.
    pub fn reader(&self) -> &R {
        &self.reader
    }

    /// The checkpoint that everything is under.
    pub fn published(&self) -> &Published {
        &self.published
    }

    /// The block that answers are as of.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Its number.
    pub fn height(&self) -> Height {
        self.header.height
    }

    /// Whether that is the checkpoint's own block.
    pub fn is_newest(&self) -> bool {
        self.header.height == self.published.height
    }

    /// The credential that `subject` names. For an issuer that is not registered and for one that has not anchored the commitment
    /// the answer is the same, whoever else has (RULES 9).
    ///
    /// # Errors
    /// Those of the reader.
    pub fn anchored(&self, subject: Subject) -> Proven<Anchored> {
        let position = match subject {
            Subject::Position(position) => Some(position).filter(|position| position.0 < self.positions),
            Subject::Commitment { issuer, commitment } => {
                match self.reader.identifier_at(self.height(), &issuer)? {
                    None => None,
                    Some(issuer) => self.reader.anchors_at(self.height(), issuer.number, &[commitment])?[0],
                }
            }
        };
        let place = match position {
            None => None,
            Some(position) => self.reader.place_at(self.height(), position)?,
        };
        match place {
            None => Ok(Err(Unprovable::NotAnchored)),
            Some(Place { content: PlaceContent::Anchored { leaf }, .. }) => {
                let anchored = self.anchored_by(leaf)?;
                Ok(Ok(anchored.ok_or_else(|| Damage::unreadable("anchored record", leaf))?))
            }
            Some(_) => Ok(Err(Unprovable::NoCredential)),
        }
    }

    /// The credential that the record at `leaf` anchored; `None` where it is a record of another kind.
    ///
    /// # Errors
    /// Those of the reader; the leaf must be in the checkpoint's tree.
    pub fn anchored_by(&self, leaf: LeafIndex) -> Result<Option<Anchored>, StoreError> {
        let bytes = self.leaf(leaf)?;
        let record = Record::decode(&bytes).map_err(|_| Damage::unreadable("leaf", leaf))?;
        Ok(match record.body {
            RecordBody::Anchored(body) => Some(Anchored { leaf, bytes, time: record.time, record: body }),
            _ => None,
        })
    }

    /// The receipt for `subject`, without an opening.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn receipt(&self, subject: Subject) -> Proven<Receipt> {
        let anchored = match self.anchored(subject)? {
            Ok(anchored) => anchored,
            Err(unprovable) => return Ok(Err(unprovable)),
        };
        let shared = self.shared(&anchored.accreditation())?;
        Ok(Ok(shared.complete(self.item(&shared, &anchored)?.part)))
    }

    /// What a credential's receipt has besides `shared`, which is this prover's for its accreditation.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn item(&self, shared: &ReceiptShared, anchored: &Anchored) -> Result<Item, StoreError> {
        let position = anchored.record.position;
        let now = self.own_status(self.published.height, position, &shared.chunks)?;
        let then = shared.as_of.as_ref();
        let then = then.map(|as_of| self.own_status(self.height(), position, &as_of.status.chunks));
        let then = then.transpose()?;
        let status = then.as_ref().unwrap_or(&now).value;
        let (as_of_chunk, as_of_status_record) = then.map_or((None, None), |then| (then.chunk, then.record));
        Ok(Item {
            status,
            part: ReceiptItem {
                anchored: LeafProof {
                    index: anchored.leaf.0,
                    leaf: anchored.bytes.clone(),
                    path: self.path(anchored.leaf)?,
                },
                chunk: now.chunk,
                status_record: now.record,
                as_of_chunk,
                as_of_status_record,
            },
        })
    }

    /// What a position's bits say as of the prover's block.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn status(&self, position: Position) -> Result<StatusValue, StoreError> {
        let chunk = self.reader.status_chunk_at(self.height(), chunk_index(position.0))?;
        Ok(chunk.unwrap_or(Chunk::ZERO).value(position.0))
    }

    /// A leaf with its path to the checkpoint's root.
    ///
    /// # Errors
    /// Those of the reader; the leaf must be in the checkpoint's tree.
    pub fn leaf_proof(&self, index: LeafIndex) -> Result<LeafProof, StoreError> {
        Ok(LeafProof { index: index.0, leaf: self.leaf(index)?, path: self.path(index)? })
    }

    /// The `Block` record of the block that answers are as of.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn block(&self) -> Result<LeafProof, StoreError> {
        self.leaf_proof(LeafIndex(self.header.tree_size - 1))
    }

    /// The `Block` record after it, which shows until when that was the newest; none where it is the checkpoint's own.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn next_block(&self) -> Result<Option<LeafProof>, StoreError> {
        if self.is_newest() {
            return Ok(None);
        }
        let next = self.height().next();
        let header = self.reader.header(next)?.ok_or_else(|| Damage::missing("header", next))?;
        self.leaf_proof(LeafIndex(header.tree_size - 1)).map(Some)
    }

    /// The chunks of positions as of the prover's block: ascending, each once.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn chunks(
        &self,
        positions: impl IntoIterator<Item = Position>,
    ) -> Result<Vec<ChunkProof>, StoreError> {
        self.chunks_at(self.height(), positions)
    }

    fn chunks_at(
        &self,
        at: Height,
        positions: impl IntoIterator<Item = Position>,
    ) -> Result<Vec<ChunkProof>, StoreError> {
        let mut indexes: Vec<u64> = positions.into_iter().map(|position| chunk_index(position.0)).collect();
        indexes.sort_unstable();
        indexes.dedup();
        indexes.into_iter().map(|index| self.chunk(at, index)).collect()
    }

    fn chunk(&self, at: Height, index: u64) -> Result<ChunkProof, StoreError> {
        let positions = if at == self.height() { self.positions } else { self.reader.positions_at(at)? };
        let chunk = self.reader.status_chunk_at(at, index)?.unwrap_or(Chunk::ZERO);
        let path = status::prove(&StatusNodes { reader: &self.reader, at }, index, positions);
        let path = path.map_err(|error| match error {
            ProveError::Source(error) => error,
            ProveError::OutOfRange { .. } => Damage::missing("status chunk", index).into(),
        })?;
        Ok(ChunkProof { index, bytes: chunk.as_bytes().to_vec(), path })
    }

    /// What a credential's receipt says of its position after block `at`, besides the `shared` chunks.
    fn own_status(
        &self,
        at: Height,
        position: Position,
        shared: &[ChunkProof],
    ) -> Result<OwnStatus, StoreError> {
        let index = chunk_index(position.0);
        let (chunk, value) = match shared.iter().find(|chunk| chunk.index == index) {
            Some(shared) => (None, value(shared, position)?),
            None => {
                let own = self.chunk(at, index)?;
                let value = value(&own, position)?;
                (Some(own), value)
            }
        };
        let record = self.reader.status_leaf_at(at, position)?;
        Ok(OwnStatus { value, chunk, record: record.map(|leaf| self.leaf_proof(leaf)).transpose()? })
    }

    fn leaf(&self, index: LeafIndex) -> Result<Vec<u8>, StoreError> {
        self.reader.leaf(index)?.ok_or_else(|| Damage::missing("leaf", index).into())
    }

    fn path(&self, index: LeafIndex) -> Result<InclusionProof, StoreError> {
        let path = inclusion_path(&LogNodes(&self.reader), index.0, self.published.size);
        path.map_err(|error| match error {
            ProveError::Source(error) => error,
            ProveError::OutOfRange { .. } => Damage::missing("leaf", index).into(),
        })
    }
}

struct OwnStatus {
    value: StatusValue,
    /// `None` where it is among the shared ones.
    chunk: Option<ChunkProof>,
    record: Option<LeafProof>,
}

/// What a chunk says of one of its positions.
fn value(chunk: &ChunkProof, position: Position) -> Result<StatusValue, StoreError> {
    let bits = Chunk::try_from(&chunk.bytes[..]);
    Ok(bits.map_err(|_| Damage::unreadable("status chunk", chunk.index))?.value(position.0))
}

/// The header of the block that `moment` means, under a checkpoint that ends with block `newest`.
fn header_at<R: Read>(reader: &R, newest: Height, moment: Moment) -> Result<Option<Header>, StoreError> {
    let (height, exact_size) = match moment {
        Moment::Checkpoint => (Some(newest), None),
        Moment::Height(height) => (Some(height), None),
        Moment::Time(time) => (reader.height_at(time)?.map(|height| height.min(newest)), None),
        Moment::TreeSize(size) => (reader.height_of_size(size)?, Some(size)),
    };
    let Some(height) = height.filter(|height| *height <= newest) else { return Ok(None) };
    let header = reader.header(height)?;
    Ok(header.filter(|header| exact_size.is_none_or(|size| header.tree_size == size)))
}

/// Where the signer of a statement had anchored all its commitments after block `at`, in the order of its items: the answer to a
/// statement that holds nothing new (RULES 5.6). `None` where one of them is new, or it anchors nothing.
///
/// # Errors
/// Those of the reader.
pub fn anchored_before<R: Read>(
    reader: &R,
    at: Height,
    statement: &Checked,
) -> Result<Option<Vec<Position>>, StoreError> {
    let Body::Anchor(anchor) = &statement.statement().body else { return Ok(None) };
    let Some(signer) = reader.identifier_at(at, &statement.signer())? else { return Ok(None) };
    let commitments: Vec<_> = anchor.items.iter().map(|item| item.commitment).collect();
    Ok(reader.anchors_at(at, signer.number, &commitments)?.into_iter().collect())
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
