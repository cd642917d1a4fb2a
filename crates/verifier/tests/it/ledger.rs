//! A ledger in memory with fixed keys: statements in, executed blocks out.

use std::collections::BTreeMap;
use std::sync::Arc;

use kvitto_ledger::execute::{ExecutedBlock, build, genesis_block, signer_key};
use kvitto_ledger::genesis::{KeyRole, Limits, Member, MemberKey, Root};
use kvitto_ledger::scope::Scope;
use kvitto_ledger::state::{Accreditation, AccreditationKey, Changes, Identifier, Outcome, Place, Usage};
use kvitto_ledger::statement::envelope::sign;
use kvitto_ledger::statement::{Body, Envelope, Statement};
use kvitto_ledger::{
    AccreditationId, Commitment, Did, Genesis, LeafIndex, LedgerConfig, Nonce, Position, ReadState,
    RegistrantNumber, SigningKey, StateError, StatementId, TimeMs, Tip,
};
use kvitto_merkle::Hash;
use kvitto_merkle::status::Chunk;

pub(crate) const ORIGIN: &str = "kvitto.example/vectors";
/// 2026-05-01T08:00:00Z.
pub(crate) const GENESIS_MS: u64 = 1_777_622_400_000;
/// One year.
pub(crate) const YEAR_MS: u64 = 365 * 24 * 3_600_000;

/// A member's keys by purpose.
pub(crate) fn member_key(member: u8, role: KeyRole) -> SigningKey {
    SigningKey::from_seed(&[0x10 * (member + 1) + role.code(); 32])
}

pub(crate) fn member_name(member: u8) -> String {
    format!("member{member}.example/kvitto")
}

pub(crate) fn member(index: u8) -> Member {
    let name = member_name(index);
    let key = |role| MemberKey::prove(&member_key(index, role), ORIGIN, role, &name);
    Member {
        consensus: key(KeyRole::Consensus),
        cosignature: key(KeyRole::Cosignature),
        log: key(KeyRole::Log),
        operator: key(KeyRole::Operator),
        peer: key(KeyRole::Peer),
        name,
    }
}

/// An organisation with its key; everything follows from a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Org(pub(crate) u8);

impl Org {
    pub(crate) fn did(self) -> Did {
        Did::new([self.0; 16])
    }

    pub(crate) fn key(self) -> SigningKey {
        SigningKey::from_seed(&[self.0; 32])
    }

    /// The id of its `n`-th accreditation.
    pub(crate) fn accreditation(self, n: u8) -> AccreditationId {
        let mut id = [self.0; 32];
        id[31] = n;
        AccreditationId(id)
    }
}

pub(crate) const ROOT: Org = Org(0xa0);

pub(crate) fn scope(types: &[&str]) -> Scope {
    let set = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Scope {
        types: set(types),
        schemas: set(&[]),
        jurisdictions: set(&["SE"]),
        eqf_levels: None,
        isced_fields: None,
    }
}

pub(crate) fn root() -> Root {
    Root {
        did: ROOT.did(),
        key: ROOT.key().public().bytes(),
        legal_name: "Exempelrådet".into(),
        country: "SE".into(),
        accreditation: ROOT.accreditation(0),
        scope: scope(&["*"]),
        valid_from: TimeMs(GENESIS_MS),
        valid_until: TimeMs(GENESIS_MS + 10 * YEAR_MS),
    }
}

pub(crate) fn config(members: &[u8]) -> LedgerConfig {
    LedgerConfig {
        members: members.iter().map(|index| member(*index)).collect(),
        roots: vec![root()],
        limits: Limits::default(),
        rules_version: 1,
    }
}

pub(crate) fn genesis() -> Genesis {
    Genesis { origin: ORIGIN.into(), time: TimeMs(GENESIS_MS), config: config(&[0, 1, 2, 3]) }
}

/// A ledger and everything that its blocks wrote.
pub(crate) struct Ledger {
    pub(crate) genesis: Genesis,
    pub(crate) config: LedgerConfig,
    pub(crate) state: Memory,
    pub(crate) blocks: Vec<ExecutedBlock>,
    nonce: u8,
}

impl Ledger {
    pub(crate) fn of(genesis: Genesis) -> Self {
        let block = genesis_block(&genesis);
        let mut state = Memory {
            tip: block.tip.clone(),
            changes: Changes::default(),
            nodes: BTreeMap::default(),
            log_nodes: BTreeMap::default(),
            leaves: Vec::new(),
        };
        state.absorb(&block);
        Self { config: genesis.config.clone(), genesis, state, blocks: vec![block], nonce: 0 }
    }

    /// Executes statements in one block at `minutes` after the genesis; every one must be taken.
    pub(crate) fn block(&mut self, minutes: u64, statements: Vec<(Org, Body)>) {
        let time = TimeMs(GENESIS_MS + minutes * 60_000);
        let ledger_id = self.genesis.ledger_id();
        let mut taken = Vec::new();
        for (org, body) in statements {
            self.nonce += 1;
            let kind = body.kind();
            let statement = Statement {
                not_before: TimeMs(time.0 - 1000),
                not_after: TimeMs(time.0 + 1000),
                nonce: Nonce([self.nonce; 16]),
                body,
            };
            let bytes = sign(&statement, org.did(), &org.key(), &ledger_id);
            let envelope = Envelope::decode(bytes, &ledger_id).expect("well-formed");
            // Several statements of one block may build on each other, so keys come from the scenario.
            let key = signer_key(&self.state, &envelope.key_id(), kind).expect("readable");
            taken.push(envelope.verify(&key.unwrap_or(org.key().public())).expect("signed"));
        }
        let count = taken.len();
        let built = build(&self.state, &self.config, time, taken).expect("readable");
        assert_eq!((built.taken, &built.refused[..]), (count, &[][..]), "block at {minutes} min");
        self.state.absorb(&built.block);
        self.blocks.push(built.block);
    }
}

/// A state in memory.
pub(crate) struct Memory {
    tip: Tip,
    pub(crate) changes: Changes,
    nodes: BTreeMap<(u8, u64), Hash>,
    log_nodes: BTreeMap<(u8, u64), Hash>,
    leaves: Vec<Vec<u8>>,
}

impl Memory {
    fn absorb(&mut self, block: &ExecutedBlock) {
        let (known, new) = (&mut self.changes, block.changes.clone());
        known.identifiers.extend(new.identifiers);
        known.accreditations.extend(new.accreditations);
        known.usage.extend(new.usage);
        known.places.extend(new.places);
        known.anchors.extend(new.anchors);
        known.chunks.extend(new.chunks);
        known.status_leaves.extend(new.status_leaves);
        known.outcomes.extend(new.outcomes);
        self.nodes.extend(block.status_nodes.iter().map(|node| ((node.level, node.index), node.hash)));
        self.log_nodes.extend(block.log_nodes.iter().map(|node| ((node.level, node.index), node.hash)));
        self.leaves.extend_from_slice(&block.leaves);
        self.tip = block.tip.clone();
    }
}

impl ReadState for Memory {
    fn tip(&self) -> Result<Tip, StateError> {
        Ok(self.tip.clone())
    }

    fn identifier(&self, did: &Did) -> Result<Option<Arc<Identifier>>, StateError> {
        Ok(self.changes.identifiers.get(did).cloned().map(Arc::new))
    }

    fn accreditation(&self, key: &AccreditationKey) -> Result<Option<Arc<Accreditation>>, StateError> {
        Ok(self.changes.accreditations.get(key).cloned().map(Arc::new))
    }

    fn anchors(
        &self,
        issuer: RegistrantNumber,
        commitments: &[Commitment],
    ) -> Result<Vec<Option<Position>>, StateError> {
        let find = |commitment: &Commitment| self.changes.anchors.get(&(issuer, *commitment)).copied();
        Ok(commitments.iter().map(find).collect())
    }

    fn place(&self, position: Position) -> Result<Option<Place>, StateError> {
        Ok(self.changes.places.get(&position).copied())
    }

    fn log_leaf(&self, index: LeafIndex) -> Result<Option<Vec<u8>>, StateError> {
        Ok(usize::try_from(index.0).ok().and_then(|index| self.leaves.get(index)).cloned())
    }

    fn log_hash(&self, level: u8, index: u64) -> Result<Option<Hash>, StateError> {
        Ok(self.log_nodes.get(&(level, index)).copied())
    }

    fn status_leaf(&self, position: Position) -> Result<Option<LeafIndex>, StateError> {
        Ok(self.changes.status_leaves.get(&position).copied())
    }

    fn status_chunk(&self, index: u64) -> Result<Option<Chunk>, StateError> {
        Ok(self.changes.chunks.get(&index).cloned())
    }

    fn status_node(&self, level: u8, index: u64) -> Result<Option<Hash>, StateError> {
        Ok(self.nodes.get(&(level, index)).copied())
    }

    fn usage(&self, registrant: RegistrantNumber) -> Result<Usage, StateError> {
        Ok(self.changes.usage.get(&registrant).copied().unwrap_or_default())
    }

    fn outcome(&self, id: &StatementId) -> Result<Option<Outcome>, StateError> {
        Ok(self.changes.outcomes.get(id).cloned())
    }
}
