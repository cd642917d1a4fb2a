//! Replays a log from its first leaf and recomputes everything that its blocks say: what an auditor does with leaves that nobody
//! vouches for.
//!
//! ```text
//!  leaf, leaf, … ──► Replay::leaf ──► BlockEnd at the last leaf of each block
//!                        │  root of the log, root of the statuses, ids of the headers
//!                        └──► ReplayFault: the first thing that does not follow, at which leaf
//!  checkpoint ─────► Replay::check      the leaves are those that the members signed
//! ```
//!
//! Recomputed: the bytes of the genesis block, every record's strict form, places and times, new positions and reservations,
//! transitions of statuses, the status root at every height, the header's id (which covers the log's root after the block) and the
//! configuration of its epoch. Not recomputed, because the log does not hold it: statements and their signatures. Who repeats
//! their execution runs a node.
//!
//! Memory grows with the chunks that hold a status, with accreditations, and with reservations that are not used up; not with the log.

mod statuses;

use std::collections::BTreeMap;
use std::fmt;

use kvitto_ledger::block::RECORDS_MAX;
use kvitto_ledger::execute::genesis_block;
use kvitto_ledger::record::BlockRecord;
use kvitto_ledger::{Header, HeaderId, Height, LeafIndex, Record, RecordBody, StatementId, TimeMs};
use kvitto_merkle::{Checkpoint, Frontier, Hash, leaf_hash};

use crate::trust::TrustFile;
use statuses::Statuses;

/// A log as far as it was replayed.
#[derive(Clone, Debug)]
pub struct Replay<'a> {
    trust: &'a TrustFile,
    /// The leaves of block 0, as they must be.
    genesis: Vec<Vec<u8>>,
    frontier: Frontier,
    statuses: Statuses,
    open: OpenBlock,
    newest: Option<BlockEnd>,
    /// Roots at the sizes that were asked for, once they are known.
    marks: BTreeMap<u64, Option<Hash>>,
}

/// The records since the last `Block` record.
#[derive(Clone, Debug, Default)]
struct OpenBlock {
    records: usize,
    time: Option<TimeMs>,
    statements: u32,
    last_statement: StatementId,
}

/// A block that was replayed to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockEnd {
    /// Its header, put together from its records.
    pub header: Header,
    /// The header's id.
    pub id: HeaderId,
    /// Number of positions after it.
    pub positions: u64,
}

/// The first thing in a log that does not follow from what stands before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayFault {
    /// The leaf at which it shows.
    pub leaf: LeafIndex,
    /// The block that the leaf is in.
    pub height: Height,
    /// What it is.
    pub kind: FaultKind,
}

macro_rules! fault_kinds {
    ($($(#[doc = $text:literal])+ $variant:ident = $name:literal, $sentence:literal;)*) => {
        /// What does not follow.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum FaultKind { $($(#[doc = $text])+ $variant),* }

        impl FaultKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable name.
            pub const fn reason(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence),* }
            }
        }
    };
}

fault_kinds! {
    /// A leaf of block 0 is not that of the trust file's genesis.
    OtherGenesis = "OTHER_GENESIS", "the leaf is not that of the genesis in the trust file";
    /// A leaf does not decode strictly, or has no place where it stands.
    Record = "RECORD", "the leaf is not a record that can stand here";
    /// A record's time is not its block's, or a block's is not later than that of the one before.
    Time = "TIME", "the time is not that of the block, or not later than that of the block before";
    /// A block has more records or positions than one may have.
    TooLarge = "TOO_LARGE", "the block is larger than a block may be";
    /// A position is neither new nor reserved.
    Position = "POSITION", "the position is neither the next one nor reserved, or holds nothing of this kind";
    /// A status changes as none may: what is revoked stays revoked.
    Transition = "TRANSITION", "the status may not change so";
    /// A `Block` record has another height or first leaf than its place gives.
    Place = "PLACE", "the Block record names another height or first leaf";
    /// The header of the block before has another id than this block names: some leaf before is not what was decided.
    Previous = "PREVIOUS", "the block before is not the one that this block names: its leaves are not those that were decided";
    /// The number of positions is another one.
    Positions = "POSITIONS", "the number of positions is another one than the records give";
    /// The status root is another one.
    StatusRoot = "STATUS_ROOT", "the status root is another one than the records give";
    /// The trust file knows no such configuration at this size.
    Config = "CONFIG", "the configuration is not that of the trust file's epoch";
    /// The log ends inside a block.
    Unfinished = "UNFINISHED", "the log ends inside a block";
    /// The root of the leaves is not the signed one.
    LogRoot = "LOG_ROOT", "the leaves do not lead to the signed root";
    /// The leaves do not lead to the closing checkpoint of an epoch in the trust file.
    Closing = "CLOSING", "the leaves do not lead to the closing checkpoint of an epoch in the trust file";
}

impl<'a> Replay<'a> {
    /// Begins with nothing. The root at each of `sizes` is kept, for [`Replay::root_at`].
    pub fn new(trust: &'a TrustFile, sizes: impl IntoIterator<Item = u64>) -> Self {
        let closings = trust.epochs().iter().filter_map(|epoch| epoch.closing());
        let closed = closings.map(|closing| closing.checkpoint().size);
        Self {
            trust,
            genesis: genesis_block(trust.genesis()).leaves,
            frontier: Frontier::new(),
            statuses: Statuses::default(),
            open: OpenBlock::default(),
            newest: None,
            marks: sizes.into_iter().chain(closed).map(|size| (size, None)).collect(),
        }
    }

    /// Takes the next leaf; answers at the end of a block.
    ///
    /// # Errors
    /// [`ReplayFault`]. Nothing can be asked of the replay after that.
    pub fn leaf(&mut self, leaf: &[u8]) -> Result<Option<BlockEnd>, ReplayFault> {
        let index = LeafIndex(self.frontier.size());
        let height = self.height();
        let ended = self.take(index, height, leaf);
        ended.map_err(|kind| ReplayFault { leaf: index, height, kind })
    }

    /// Number of leaves so far.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The newest block that has ended.
    pub fn newest(&self) -> Option<&BlockEnd> {
        self.newest.as_ref()
    }

    /// The root at one of the sizes that were named at the beginning, once there are so many leaves.
    pub fn root_at(&self, size: u64) -> Option<Hash> {
        self.marks.get(&size).copied().flatten()
    }

    /// That the leaves so far are the tree of this checkpoint, and end with a block.
    ///
    /// # Errors
    /// [`ReplayFault`].
    pub fn check(&self, checkpoint: &Checkpoint) -> Result<&BlockEnd, ReplayFault> {
        let (leaf, height) = (LeafIndex(self.frontier.size().saturating_sub(1)), self.height());
        let fault = |kind| ReplayFault { leaf, height, kind };
        if (checkpoint.size, checkpoint.root) != (self.frontier.size(), self.frontier.root()) {
            return Err(fault(FaultKind::LogRoot));
        }
        let newest = self.newest.as_ref().filter(|_| self.open.records == 0);
        newest.ok_or_else(|| fault(FaultKind::Unfinished))
    }

    /// Number of the block that the next leaf is in.
    fn height(&self) -> Height {
        self.newest.as_ref().map_or(Height(0), |newest| newest.header.height.next())
    }

    fn take(&mut self, index: LeafIndex, height: Height, leaf: &[u8]) -> Result<Option<BlockEnd>, FaultKind> {
        let in_genesis = usize::try_from(index.0).ok().and_then(|index| self.genesis.get(index));
        if in_genesis.is_some_and(|expected| expected != leaf) {
            return Err(FaultKind::OtherGenesis);
        }
        let record = Record::decode(leaf).map_err(|_| FaultKind::Record)?;
        self.open.records += 1;
        ensure(self.open.records <= RECORDS_MAX, FaultKind::TooLarge)?;
        self.check_time(record.time)?;
        self.count_statement(record.statement_id, &record.body, height)?;
        self.frontier.push(leaf_hash(leaf));
        self.mark()?;
        let RecordBody::Block(block) = &record.body else {
            self.statuses.apply(&record.body)?;
            return Ok(None);
        };
        let end = self.end(height, record.time, block)?;
        self.open = OpenBlock::default();
        self.newest = Some(end.clone());
        Ok(Some(end))
    }

    fn check_time(&mut self, time: TimeMs) -> Result<(), FaultKind> {
        let is_later = self.newest.as_ref().is_none_or(|newest| newest.header.time < time);
        let is_same = self.open.time.is_none_or(|open| open == time);
        self.open.time = Some(time);
        ensure(is_later && is_same, FaultKind::Time)
    }

    /// A statement's records follow each other; only block 0 and `Block` records have none.
    fn count_statement(
        &mut self,
        id: StatementId,
        body: &RecordBody,
        height: Height,
    ) -> Result<(), FaultKind> {
        let has_none = height == Height(0) || matches!(body, RecordBody::Block(_));
        let is_genesis = matches!(body, RecordBody::Genesis(_));
        let right_place = is_genesis == (self.frontier.size() == 0);
        ensure(has_none == (id == StatementId::default()) && right_place, FaultKind::Record)?;
        if !has_none && id != self.open.last_statement {
            self.open.statements += 1;
            self.open.last_statement = id;
        }
        Ok(())
    }

    /// The end of the block whose `Block` record has just been taken.
    fn end(&mut self, height: Height, time: TimeMs, block: &BlockRecord) -> Result<BlockEnd, FaultKind> {
        let tree_size = self.frontier.size();
        let first_leaf = LeafIndex(tree_size - self.open.records as u64);
        ensure(block.height == height && block.first_leaf == first_leaf, FaultKind::Place)?;
        let previous = self.newest.as_ref().map_or(HeaderId::default(), |newest| newest.id);
        ensure(block.previous == previous, FaultKind::Previous)?;
        let status_root = self.statuses.end_block()?;
        ensure(block.positions == self.statuses.positions(), FaultKind::Positions)?;
        ensure(block.status_root == status_root, FaultKind::StatusRoot)?;
        let epoch = self.trust.epoch_of(tree_size, block.config_hash).ok_or(FaultKind::Config)?;
        let header = Header {
            rules_version: epoch.config().rules_version,
            height,
            previous,
            time,
            statements_root: block.statements_root,
            statements: self.open.statements,
            tree_size,
            log_root: self.frontier.root(),
            status_root,
            config_hash: block.config_hash,
        };
        Ok(BlockEnd { id: header.id(), header, positions: block.positions })
    }

    /// Keeps the root where it was asked for, and compares it with closing checkpoints.
    fn mark(&mut self) -> Result<(), FaultKind> {
        let size = self.frontier.size();
        let Some(mark) = self.marks.get_mut(&size) else { return Ok(()) };
        let root = self.frontier.root();
        *mark = Some(root);
        let closings = self.trust.epochs().iter().filter_map(|epoch| epoch.closing());
        let mut of_size = closings.map(|closing| closing.checkpoint()).filter(|closing| closing.size == size);
        ensure(of_size.all(|closing| closing.root == root), FaultKind::Closing)
    }
}

fn ensure(holds: bool, kind: FaultKind) -> Result<(), FaultKind> {
    if holds { Ok(()) } else { Err(kind) }
}

impl ReplayFault {
    /// The stable name of what it is.
    pub const fn reason(&self) -> &'static str {
        self.kind.reason()
    }
}

impl fmt::Display for ReplayFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "leaf {} of block {}: {}", self.leaf, self.height, self.kind.sentence())
    }
}

impl std::error::Error for ReplayFault {}
