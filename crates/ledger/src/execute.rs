//! Blocks from statements: building, checking a proposed one, and judging a statement before it is in any.
//!
//! A statement is applied behind a panic guard on a copy-on-write view (RULES 2.6): should the rules break on one, the view of
//! that statement is discarded, a proposer leaves it out, and a voter finds the block invalid.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use kvitto_merkle::log::PerfectNode;
use kvitto_merkle::{Frontier, Hash, leaf_hash, status};
use thiserror::Error;

use crate::apply::{Context, Effects, Refused, View, apply, ledger_key};
use crate::block::{
    BODY_BYTES_MAX, BODY_HEAD_BYTES, BlockBody, Header, RECORDS_MAX, body_bytes_of, statements_root,
};
use crate::codec::encode;
use crate::did::KeyId;
use crate::document::VerificationMethod;
use crate::genesis::{Genesis, LedgerConfig};
use crate::ids::{HeaderId, Height, KeyBytes, LeafIndex, Position, RegistrantNumber, StatementId, TimeMs};
use crate::keys::PublicKey;
use crate::record::{AccreditationRecord, BlockRecord, GenesisRecord, Record, RecordBody};
use crate::rejection::Rejection;
use crate::scope::Role;
use crate::state::{
    Accreditation, AccreditationKey, Changes, Identifier, Outcome, Place, PlaceContent, ReadState,
    StateError, StatusNodes, Tip,
};
use crate::statement::{Checked, Kind};

/// Most positions that one block allocates: bounds what a few reservations make every node write at once.
pub const BLOCK_POSITIONS_MAX: u64 = 262_144;

/// A block with everything that follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutedBlock {
    /// What consensus decides.
    pub header: Header,
    /// The header's id.
    pub id: HeaderId,
    /// The statements' exact bytes.
    pub body: BlockBody,
    /// The block's records, encoded, in order; the last one is its `Block` record.
    pub leaves: Vec<Vec<u8>>,
    /// Every perfect node of the log that became complete, leaf hashes included, in the order in which they did.
    pub log_nodes: Vec<PerfectNode>,
    /// Nodes of the status tree to store.
    pub status_nodes: Vec<PerfectNode>,
    /// What changes in the state.
    pub changes: Changes,
    /// What is true after the block.
    pub tip: Tip,
}

impl ExecutedBlock {
    /// Index of the block's first record.
    pub fn first_leaf(&self) -> LeafIndex {
        LeafIndex(self.header.tree_size - self.leaves.len() as u64)
    }
}

/// A block that was put together from candidates.
#[derive(Clone, Debug)]
pub struct Built {
    /// The block.
    pub block: ExecutedBlock,
    /// Candidates that the rules refuse in this block, with the reason.
    pub refused: Vec<(StatementId, Rejection)>,
    /// Number of statements in the block.
    pub taken: usize,
}

/// Why a proposed block is not valid.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BlockFault {
    /// Its rules, height or predecessor are not those that come next.
    #[error("the block does not follow the newest one")]
    Place,
    /// Its time is not later than its predecessor's.
    #[error("the block's time is not later than the previous one's")]
    Time,
    /// It names another configuration.
    #[error("the block names another configuration")]
    Config,
    /// Its body is longer, or has more records or positions, than a block may have.
    #[error("the block is larger than allowed")]
    TooLarge,
    /// One of its statements does not execute.
    #[error("statement {index} does not execute: {rejection}")]
    Statement {
        /// Which, from 0.
        index: u32,
        /// Why.
        rejection: Rejection,
    },
    /// Executing it leads to another header.
    #[error("executing the block leads to another header")]
    Result,
}

/// Builds the next block at `time` from `candidates`, in their order, until it is full.
///
/// # Errors
/// [`StateError`]: the state cannot be read.
///
/// # Panics
/// When `time` is not later than the newest block's: proposers wait for their clock (RULES 2.1).
pub fn build<S: ReadState>(
    state: &S,
    config: &LedgerConfig,
    time: TimeMs,
    candidates: impl IntoIterator<Item = Checked>,
) -> Result<Built, StateError> {
    let tip = state.tip()?;
    assert!(time > tip.header.time, "a block is later than its predecessor");
    let mut draft = Draft::new(state, config, &tip, time);
    let mut refused = Vec::new();
    for candidate in candidates {
        match draft.push(&candidate)? {
            Pushed::Taken => {}
            Pushed::Refused(id, rejection) => refused.push((id, rejection)),
            Pushed::Full => break,
        }
    }
    let taken = draft.statements.len();
    Ok(Built { block: draft.finish()?, refused, taken })
}

/// Executes a proposed block on the newest state; every result must be as `header` says.
///
/// # Errors
/// Outer: the state cannot be read. Inner: [`BlockFault`], the same on every node.
pub fn execute<S: ReadState>(
    state: &S,
    config: &LedgerConfig,
    header: &Header,
    statements: &[Checked],
) -> Result<Result<ExecutedBlock, BlockFault>, StateError> {
    let tip = state.tip()?;
    let follows = header.rules_version == config.rules_version
        && header.height == tip.height().next()
        && header.previous == tip.header_id;
    if !follows {
        return Ok(Err(BlockFault::Place));
    }
    if header.time <= tip.header.time {
        return Ok(Err(BlockFault::Time));
    }
    if header.config_hash != config.hash() {
        return Ok(Err(BlockFault::Config));
    }
    let mut draft = Draft::new(state, config, &tip, header.time);
    for (index, statement) in (0..).zip(statements) {
        match draft.push(statement)? {
            Pushed::Taken => {}
            Pushed::Refused(_, rejection) => return Ok(Err(BlockFault::Statement { index, rejection })),
            Pushed::Full => return Ok(Err(BlockFault::TooLarge)),
        }
    }
    let block = draft.finish()?;
    Ok(if block.header == *header { Ok(block) } else { Err(BlockFault::Result) })
}

/// What would become of a statement in a block of its own at `time`, on the newest state.
///
/// # Errors
/// Outer: the state cannot be read. Inner: the rejection.
pub fn judge<S: ReadState>(
    state: &S,
    config: &LedgerConfig,
    time: TimeMs,
    statement: &Checked,
) -> Result<Result<Outcome, Rejection>, StateError> {
    let tip = state.tip()?;
    let mut draft = Draft { view: View::trial(state, &tip), ..Draft::new(state, config, &tip, time) };
    Ok(match draft.push(statement)? {
        Pushed::Refused(_, rejection) => Err(rejection),
        Pushed::Full => unreachable!("a single statement fits into an empty block"),
        Pushed::Taken => Ok(draft.into_outcome(&statement.id())),
    })
}

/// The key with which a statement of `kind` that names `key_id` is to be checked, on the newest state.
///
/// # Errors
/// Outer: the state cannot be read. Inner: the rejections 200 to 203.
pub fn signer_key<S: ReadState>(
    state: &S,
    key_id: &KeyId,
    kind: Kind,
) -> Result<Result<PublicKey, Rejection>, StateError> {
    let key = signer_key_bytes(state, key_id, kind)?;
    Ok(key.and_then(|key| PublicKey::new(&key).map_err(|_| Rejection::KeyInvalid)))
}

/// [`signer_key`] as published, for callers that have read most keys before: reading one costs a square root.
///
/// # Errors
/// Outer: the state cannot be read. Inner: the rejections 200 to 203.
pub fn signer_key_bytes<S: ReadState>(
    state: &S,
    key_id: &KeyId,
    kind: Kind,
) -> Result<Result<KeyBytes, Rejection>, StateError> {
    let signer = state.identifier(&key_id.did)?;
    Ok(ledger_key(signer.as_deref(), key_id, kind))
}

enum Pushed {
    Taken,
    Refused(StatementId, Rejection),
    Full,
}

/// A block in the making.
struct Draft<'a, S> {
    state: &'a S,
    config: &'a LedgerConfig,
    tip: &'a Tip,
    time: TimeMs,
    view: View<'a, S>,
    statements: Vec<Arc<[u8]>>,
    body_bytes: usize,
}

impl<'a, S: ReadState> Draft<'a, S> {
    fn new(state: &'a S, config: &'a LedgerConfig, tip: &'a Tip, time: TimeMs) -> Self {
        let view = View::new(state, tip);
        Self { state, config, tip, time, view, statements: Vec::new(), body_bytes: BODY_HEAD_BYTES }
    }

    fn push(&mut self, statement: &Checked) -> Result<Pushed, StateError> {
        let body_bytes = self.body_bytes + body_bytes_of(statement.bytes().len());
        if body_bytes > BODY_BYTES_MAX {
            return Ok(Pushed::Full);
        }
        let context = Context {
            config: self.config,
            height: self.tip.height().next(),
            time: self.time,
            index: u32::try_from(self.statements.len())
                .expect("a body of 1 MiB holds fewer than 2^32 statements"),
        };
        let applied = catch_unwind(AssertUnwindSafe(|| apply(&mut self.view, context, statement)));
        match applied.unwrap_or(Err(Refused::Rejected(Rejection::RulesPanic))) {
            Ok(()) => {}
            Err(Refused::Rejected(rejection)) => {
                self.view.discard();
                return Ok(Pushed::Refused(statement.id(), rejection));
            }
            Err(Refused::State(error)) => return Err(error),
        }
        // One record is kept free for the `Block` record.
        if self.view.records() >= RECORDS_MAX || self.view.positions_allocated() > BLOCK_POSITIONS_MAX {
            self.view.discard();
            return Ok(Pushed::Full);
        }
        self.view.keep();
        self.statements.push(Arc::clone(statement.bytes()));
        self.body_bytes = body_bytes;
        Ok(Pushed::Taken)
    }

    fn into_outcome(self, id: &StatementId) -> Outcome {
        self.view.into_effects().changes.outcomes.remove(id).expect("it was just applied")
    }

    fn finish(self) -> Result<ExecutedBlock, StateError> {
        let Self { state, config, tip, time, view, statements, .. } = self;
        let effects = view.into_effects();
        let place = BlockPlace {
            height: tip.height().next(),
            previous: tip.header_id,
            time,
            frontier: tip.frontier.clone(),
            positions_before: tip.positions,
        };
        seal(config, place, statements, effects, &StatusNodes(state))
    }
}

/// Where a block stands.
struct BlockPlace {
    height: Height,
    previous: HeaderId,
    time: TimeMs,
    frontier: Frontier,
    positions_before: u64,
}

/// Adds the `Block` record, computes the roots and puts the header on top.
fn seal<N: status::StatusSource<Error = StateError>>(
    config: &LedgerConfig,
    place: BlockPlace,
    statements: Vec<Arc<[u8]>>,
    effects: Effects,
    status_nodes: &N,
) -> Result<ExecutedBlock, StateError> {
    let Effects { changes, mut leaves, positions, registrants, compromised } = effects;
    let status = status::update(status_nodes, place.positions_before, positions, &changes.chunks).map_err(
        |error| match error {
            status::UpdateError::Source(error) => error,
            impossible => unreachable!("positions only grow, and only they are set: {impossible}"),
        },
    )?;
    let statements_root = statements_root(statements.iter().map(|bytes| &**bytes));
    let config_hash = config.hash();
    let block_record = RecordBody::Block(BlockRecord {
        height: place.height,
        first_leaf: LeafIndex(place.frontier.size()),
        previous: place.previous,
        statements_root,
        status_root: status.root,
        positions,
        config_hash,
    });
    leaves
        .push(Record { time: place.time, statement_id: StatementId::default(), body: block_record }.encode());

    let mut frontier = place.frontier;
    let mut log_nodes = Vec::with_capacity(2 * leaves.len());
    for leaf in &leaves {
        frontier.push_reporting(leaf_hash(leaf), |node| log_nodes.push(node));
    }
    let header = Header {
        rules_version: config.rules_version,
        height: place.height,
        previous: place.previous,
        time: place.time,
        statements_root,
        statements: u32::try_from(statements.len())
            .expect("a body of 1 MiB holds fewer than 2^32 statements"),
        tree_size: frontier.size(),
        log_root: frontier.root(),
        status_root: status.root,
        config_hash,
    };
    let id = header.id();
    let tip = Tip { header: header.clone(), header_id: id, frontier, positions, registrants, compromised };
    Ok(ExecutedBlock {
        header,
        id,
        body: BlockBody(statements),
        leaves,
        log_nodes,
        status_nodes: status.nodes,
        changes,
        tip,
    })
}

/// Block 0 (RULES 1.3): a `Genesis` record, an `Accreditation` record with a position for every root, the `Block` record.
pub fn genesis_block(genesis: &Genesis) -> ExecutedBlock {
    let mut effects = Effects::default();
    let record = |body| Record { time: genesis.time, statement_id: StatementId::default(), body }.encode();
    effects.leaves.push(record(RecordBody::Genesis(GenesisRecord {
        ledger_id: genesis.ledger_id(),
        genesis: serde_bytes::ByteBuf::from(encode(genesis)),
    })));
    for (number, root) in (0..).zip(&genesis.config.roots) {
        let position = Position(effects.positions);
        let leaf = LeafIndex(effects.leaves.len() as u64);
        effects.positions += 1;
        effects.registrants += 1;
        effects.leaves.push(record(RecordBody::Accreditation(AccreditationRecord {
            position,
            id: root.accreditation,
            accreditor: root.did,
            parent: None,
            subject: root.did,
            role: Role::RootTao,
            scope: root.scope.clone(),
            valid_from: root.valid_from,
            valid_until: root.valid_until,
            policy: None,
            credential_digest: None,
        })));
        let owner = RegistrantNumber(number);
        let key = AccreditationKey { subject: root.did, id: root.accreditation };
        effects.changes.places.insert(position, Place { owner, content: PlaceContent::Accreditation });
        effects.changes.identifiers.insert(
            root.did,
            Identifier {
                number: owner,
                did: root.did,
                legal_name: root.legal_name.clone(),
                legal_identifier: None,
                country: root.country.clone(),
                sponsor: root.did,
                sponsor_accreditation: root.accreditation,
                methods: vec![VerificationMethod::ledger_key(root.key)],
                services: Vec::new(),
                deactivated: false,
                leaf: None,
            },
        );
        effects.changes.accreditations.insert(
            key,
            Accreditation {
                key,
                accreditor: root.did,
                parent: None,
                role: Role::RootTao,
                scope: root.scope.clone(),
                valid_from: root.valid_from,
                valid_until: root.valid_until,
                policy: None,
                credential_digest: None,
                position,
                leaf,
                suspension: None,
                withdrawal: None,
            },
        );
    }
    let place = BlockPlace {
        height: Height(0),
        previous: HeaderId::default(),
        time: genesis.time,
        frontier: Frontier::default(),
        positions_before: 0,
    };
    seal(&genesis.config, place, Vec::new(), effects, &NoNodes).expect("there is no state to read yet")
}

/// The status tree before the first block.
struct NoNodes;

impl status::StatusSource for NoNodes {
    type Error = StateError;

    fn status_node(&self, _level: u8, _index: u64) -> Result<Option<Hash>, StateError> {
        Ok(None)
    }
}
