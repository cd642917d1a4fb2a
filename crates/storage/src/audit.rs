//! Checks that what a store holds follows from its records: the chain of headers, both roots, bodies and indexes; and that its
//! bodies, executed again, lead to it.

mod again;

use kvitto_ledger::block::BlockBody;
use kvitto_ledger::record::{AccreditationStatusRecord, BlockRecord, StatusRecord};
use kvitto_ledger::state::{AccreditationKey, Place, PlaceContent};
use kvitto_ledger::{Header, HeaderId, Height, LeafIndex, Record, RecordBody, StatementId};
use kvitto_merkle::log::PerfectNode;
use kvitto_merkle::status::{self, Chunk, StatusSource, chunk_count};
use kvitto_merkle::{Frontier, Hash, leaf_hash};

use crate::error::{Damage, StoreError};
use crate::nodes::{LogNodes, StatusNodes};
use crate::store::Read;

pub use again::executed_again;

/// Leaves are read in portions of about this many bytes.
const PORTION_BYTES: usize = 1024 * 1024;

/// How closely blocks are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    /// Headers, records, and the roots.
    Records,
    /// Bodies, stored hashes and indexes too.
    Everything,
}

/// Checks the newest blocks: their headers follow from each other, their records hash to the log roots, the status roots follow
/// from the nodes, and the newest one from the chunks.
///
/// # Errors
/// [`StoreError::Damaged`] at the first thing that is wrong; [`StoreError::Failed`].
pub fn newest_blocks<R: Read>(reader: &R, blocks: u64) -> Result<(), StoreError> {
    let newest = reader.committed();
    let from = Height((newest.0 + 1).saturating_sub(blocks.max(1)));
    audit(reader, from, Depth::Records, &mut |_| ())
}

/// Checks everything, from block 0 on; `progress` is told of every block that is in order.
///
/// # Errors
/// [`StoreError::Damaged`] at the first thing that is wrong; [`StoreError::Failed`].
pub fn everything<R: Read>(reader: &R, progress: &mut dyn FnMut(Height)) -> Result<(), StoreError> {
    audit(reader, Height(0), Depth::Everything, progress)
}

fn audit<R: Read>(
    reader: &R,
    from: Height,
    depth: Depth,
    progress: &mut dyn FnMut(Height),
) -> Result<(), StoreError> {
    let newest = reader.committed();
    let mut auditor = Auditor::before(reader, from, depth)?;
    for height in from.0..=newest.0 {
        auditor.block(Height(height))?;
        progress(Height(height));
    }
    check_chunks(reader, newest)
}

struct Auditor<'a, R> {
    reader: &'a R,
    depth: Depth,
    newest: Height,
    /// After the previous block.
    frontier: Frontier,
    previous: HeaderId,
}

impl<'a, R: Read> Auditor<'a, R> {
    fn before(reader: &'a R, height: Height, depth: Depth) -> Result<Self, StoreError> {
        let newest = reader.committed();
        let Some(before) = height.0.checked_sub(1).map(Height) else {
            let (frontier, previous) = (Frontier::new(), HeaderId::default());
            return Ok(Self { reader, depth, newest, frontier, previous });
        };
        let header = header(reader, before)?;
        let frontier = LogNodes(reader).frontier(header.tree_size)?;
        ensure(frontier.root() == header.log_root, "log root", before)?;
        Ok(Self { reader, depth, newest, frontier, previous: header.id() })
    }

    fn block(&mut self, height: Height) -> Result<(), StoreError> {
        let header = header(self.reader, height)?;
        ensure(header.height == height && header.previous == self.previous, "predecessor", height)?;
        ensure(header.tree_size > self.frontier.size(), "size", height)?;
        let positions = self.reader.positions_at(height)?;
        let first_leaf = LeafIndex(self.frontier.size());
        let mut last = None;
        while self.frontier.size() < header.tree_size {
            let range = self.frontier.size()..header.tree_size;
            let leaves = self.reader.leaves(range, PORTION_BYTES)?;
            ensure(!leaves.is_empty(), "log", height)?;
            for leaf in leaves {
                self.leaf(height, &leaf)?;
                last = Some(leaf);
            }
        }
        ensure(self.frontier.root() == header.log_root, "log root", height)?;
        let record = last.and_then(|leaf| Record::decode(&leaf).ok());
        ensure(record == Some(block_record(&header, first_leaf, positions)), "block record", height)?;
        let status_root = status::root(&StatusNodes { reader: self.reader, at: height }, positions)?;
        ensure(status_root == header.status_root, "status root", height)?;
        if self.depth == Depth::Everything {
            self.body(&header)?;
        }
        self.previous = header.id();
        Ok(())
    }

    fn leaf(&mut self, height: Height, leaf: &[u8]) -> Result<(), StoreError> {
        let index = LeafIndex(self.frontier.size());
        if self.depth == Depth::Records {
            self.frontier.push(leaf_hash(leaf));
            return Ok(());
        }
        let mut nodes: Vec<PerfectNode> = Vec::new();
        self.frontier.push_reporting(leaf_hash(leaf), |node| nodes.push(node));
        for node in nodes {
            let stored = self.reader.log_node(node.level, node.index)?;
            ensure(stored == Some(node.hash), "log node", height)?;
        }
        ensure(self.reader.height_of_leaf(index)? == Some(height), "leaf's block", height)?;
        let record = decoded(leaf, index)?;
        self.state(height, index, &record)?;
        self.indexes(height, index, &record)
    }

    /// The state as of the block has what the record says: sled can lose single rows without a word.
    fn state(&self, height: Height, leaf: LeafIndex, record: &Record) -> Result<(), StoreError> {
        let reader = self.reader;
        match &record.body {
            RecordBody::Identifier(record) => {
                let found = reader.identifier_at(height, &record.did)?;
                ensure(found.is_some_and(|found| found.leaf >= Some(leaf)), "identifier", height)
            }
            RecordBody::Accreditation(record) => {
                let key = AccreditationKey { subject: record.subject, id: record.id };
                // Roots have no record of their own.
                let subject = reader.identifier_at(height, &record.subject)?;
                ensure(subject.is_some(), "identifier", height)?;
                let found = reader.accreditation_at(height, &key)?;
                ensure(found.is_some_and(|found| found.leaf >= leaf), "accreditation", height)
            }
            RecordBody::AccreditationStatus(AccreditationStatusRecord { position, .. })
            | RecordBody::Status(StatusRecord { position, .. }) => {
                ensure(reader.status_leaf_at(height, *position)? >= Some(leaf), "status record", height)
            }
            _ => Ok(()),
        }
    }

    /// A record is found by its statement's id and, if it anchored something, by the commitment.
    fn indexes(&self, height: Height, leaf: LeafIndex, record: &Record) -> Result<(), StoreError> {
        if record.statement_id != StatementId::default() {
            let outcome = self.reader.outcome_at(self.newest, &record.statement_id)?;
            let covers = outcome.is_some_and(|outcome| {
                let leaves = outcome.first_leaf.0..outcome.first_leaf.0 + u64::from(outcome.leaves);
                outcome.height == height && leaves.contains(&leaf.0)
            });
            ensure(covers, "outcome", height)?;
        }
        let RecordBody::Anchored(anchored) = &record.body else { return Ok(()) };
        let place = self.reader.place_at(self.newest, anchored.position)?;
        let Some(Place { owner, content: PlaceContent::Anchored { leaf: found } }) = place else {
            return Err(mismatch("place", height));
        };
        ensure(found == leaf, "place", height)?;
        ensure(
            self.reader.registrant_at(self.newest, owner)? == Some(anchored.issuer),
            "owner of a place",
            height,
        )?;
        let position = self.reader.anchors_at(self.newest, owner, &[anchored.commitment])?;
        ensure(position == [Some(anchored.position)], "index of commitments", height)
    }

    fn body(&self, header: &Header) -> Result<(), StoreError> {
        let certificate = self.reader.certificate(header.height)?;
        ensure(certificate.is_some(), "certificate", header.height)?;
        let body = self.reader.body(header.height)?;
        let body = body.ok_or_else(|| Damage::missing("body", header.height))?;
        let body = BlockBody::decode(&body).map_err(|_| Damage::unreadable("body", header.height))?;
        let right =
            body.root() == header.statements_root && body.0.len() as u64 == u64::from(header.statements);
        ensure(right, "body", header.height)
    }
}

/// The newest status root also follows from the chunks themselves.
fn check_chunks<R: Read>(reader: &R, at: Height) -> Result<(), StoreError> {
    let positions = reader.positions_at(at)?;
    let mut chunks: std::collections::BTreeMap<u64, Chunk> = Default::default();
    for index in 0..chunk_count(positions) {
        if let Some(chunk) = reader.status_chunk_at(at, index)? {
            chunks.insert(index, chunk);
        }
    }
    let update =
        status::update(&NoNodes, 0, positions, &chunks).map_err(|_| mismatch("status chunks", at))?;
    ensure(update.root == header(reader, at)?.status_root, "status root", at)
}

/// A status tree of which nothing is known yet.
struct NoNodes;

impl StatusSource for NoNodes {
    type Error = StoreError;

    fn status_node(&self, _level: u8, _index: u64) -> Result<Option<Hash>, StoreError> {
        Ok(None)
    }
}

fn header<R: Read>(reader: &R, height: Height) -> Result<Header, StoreError> {
    reader.header(height)?.ok_or_else(|| Damage::missing("header", height).into())
}

fn block_record(header: &Header, first_leaf: LeafIndex, positions: u64) -> Record {
    let body = RecordBody::Block(BlockRecord {
        height: header.height,
        first_leaf,
        previous: header.previous,
        statements_root: header.statements_root,
        status_root: header.status_root,
        positions,
        config_hash: header.config_hash,
    });
    Record { time: header.time, statement_id: StatementId::default(), body }
}

fn decoded(leaf: &[u8], index: LeafIndex) -> Result<Record, StoreError> {
    Record::decode(leaf).map_err(|_| Damage::unreadable("leaf", index).into())
}

fn mismatch(what: &'static str, height: Height) -> StoreError {
    Damage::Mismatch { what, height }.into()
}

fn ensure(holds: bool, what: &'static str, height: Height) -> Result<(), StoreError> {
    if holds { Ok(()) } else { Err(mismatch(what, height)) }
}
