//! Executes every block again from its body, on the state that the store had before it, and compares everything that follows with
//! what is stored.
//!
//! Memory grows with the number of organisations, not with the ledger: only quotas, of which the store keeps the newest, are carried
//! along.

use std::collections::BTreeMap;
use std::sync::Arc;

use kvitto_ledger::execute::{ExecutedBlock, execute, genesis_block, signer_key};
use kvitto_ledger::state::{Accreditation, AccreditationKey, Identifier, Outcome, Place, Usage};
use kvitto_ledger::{
    BlockBody, Checked, Commitment, Did, Envelope, Genesis, Header, Height, LeafIndex, Position, ReadState,
    RegistrantNumber, StateError, StatementId, Tip,
};
use kvitto_merkle::Hash;
use kvitto_merkle::status::Chunk;

use super::{PORTION_BYTES, ensure, header, mismatch};
use crate::error::{Damage, StoreError};
use crate::store::Read;

/// Executes every block again; `progress` is told of every one that leads to what is stored. `certified` says whether a certificate
/// proves that a block was decided.
///
/// # Errors
/// [`StoreError::Damaged`] at the first thing that is wrong; [`StoreError::Failed`].
pub fn executed_again<R: Read>(
    reader: &R,
    genesis: &Genesis,
    certified: &dyn Fn(&Header, &[u8]) -> bool,
    progress: &mut dyn FnMut(Height),
) -> Result<(), StoreError> {
    let mut usage = BTreeMap::new();
    let mut tip = compare(reader, &mut usage, genesis_block(genesis))?;
    progress(Height(0));
    for height in (1..=reader.committed().0).map(Height) {
        let header = header(reader, height)?;
        let certificate = reader.certificate(height)?;
        let certificate = certificate.ok_or_else(|| Damage::missing("certificate", height))?;
        ensure(certified(&header, &certificate), "certificate", height)?;
        let before = Before { reader, at: tip.height(), tip, usage: &usage };
        let block = again(&before, genesis, &header)?;
        tip = compare(reader, &mut usage, block)?;
        progress(height);
    }
    check_quotas(reader, &usage)
}

/// What the block's body leads to.
fn again<R: Read>(
    before: &Before<R>,
    genesis: &Genesis,
    header: &Header,
) -> Result<ExecutedBlock, StoreError> {
    let height = header.height;
    let body = before.reader.body(height)?.ok_or_else(|| Damage::missing("body", height))?;
    let body = BlockBody::decode(&body).map_err(|_| Damage::unreadable("body", height))?;
    ensure(body.root() == header.statements_root, "body", height)?;
    let ledger = genesis.ledger_id();
    let mut statements: Vec<Checked> = Vec::with_capacity(body.0.len());
    for bytes in body.0 {
        let envelope = Envelope::decode(bytes, &ledger).map_err(|_| mismatch("statement", height))?;
        let key = signer_key(before, &envelope.key_id(), envelope.statement().body.kind());
        let key = key.map_err(StoreError::of_state)?.map_err(|_| mismatch("signer", height))?;
        statements.push(envelope.verify(&key).map_err(|_| mismatch("signature", height))?);
    }
    let block = execute(before, &genesis.config, header, &statements).map_err(StoreError::of_state)?;
    block.map_err(|_| mismatch("execution", height))
}

/// Compares a block with what is stored as of it; gives its tip.
fn compare<R: Read>(
    reader: &R,
    usage: &mut BTreeMap<RegistrantNumber, Usage>,
    block: ExecutedBlock,
) -> Result<Tip, StoreError> {
    let at = block.header.height;
    ensure(header(reader, at)? == block.header, "header", at)?;
    ensure(reader.positions_at(at)? == block.tip.positions, "positions", at)?;
    compare_log(reader, &block)?;
    for node in &block.status_nodes {
        let stored = reader.status_node_at(at, node.level, node.index)?;
        ensure(stored == Some(node.hash), "status node", at)?;
    }
    let changes = block.changes;
    for (index, chunk) in &changes.chunks {
        let stored = reader.status_chunk_at(at, *index)?.unwrap_or(Chunk::ZERO);
        ensure(stored == *chunk, "status chunk", at)?;
    }
    for (did, identifier) in &changes.identifiers {
        ensure(reader.identifier_at(at, did)?.as_ref() == Some(identifier), "organisation", at)?;
        ensure(reader.registrant_at(at, identifier.number)? == Some(*did), "number of an organisation", at)?;
    }
    for (key, accreditation) in &changes.accreditations {
        ensure(reader.accreditation_at(at, key)?.as_ref() == Some(accreditation), "accreditation", at)?;
        let listed = reader.accreditations_at(at, &key.subject)?.contains(&key.id);
        ensure(listed, "list of accreditations", at)?;
    }
    for (position, place) in &changes.places {
        ensure(reader.place_at(at, *position)?.as_ref() == Some(place), "place", at)?;
    }
    for ((issuer, commitment), position) in &changes.anchors {
        let stored = reader.anchors_at(at, *issuer, &[*commitment])?;
        ensure(stored == [Some(*position)], "index of commitments", at)?;
    }
    for (position, leaf) in &changes.status_leaves {
        ensure(reader.status_leaf_at(at, *position)? == Some(*leaf), "status record", at)?;
    }
    for (id, outcome) in &changes.outcomes {
        ensure(reader.outcome_at(at, id)?.as_ref() == Some(outcome), "outcome", at)?;
    }
    usage.extend(changes.usage);
    Ok(block.tip)
}

fn compare_log<R: Read>(reader: &R, block: &ExecutedBlock) -> Result<(), StoreError> {
    let at = block.header.height;
    let mut next = block.first_leaf().0;
    let mut expected = block.leaves.iter();
    while next < block.header.tree_size {
        let leaves = reader.leaves(next..block.header.tree_size, PORTION_BYTES)?;
        ensure(!leaves.is_empty(), "log", at)?;
        next += leaves.len() as u64;
        for leaf in leaves {
            ensure(expected.next() == Some(&leaf), "record", at)?;
        }
    }
    for node in &block.log_nodes {
        ensure(reader.log_node(node.level, node.index)? == Some(node.hash), "log node", at)?;
    }
    Ok(())
}

/// The quotas that were carried along are those that the rules will read next.
fn check_quotas<R: Read>(reader: &R, usage: &BTreeMap<RegistrantNumber, Usage>) -> Result<(), StoreError> {
    for (registrant, expected) in usage {
        let stored = reader.usage(*registrant).map_err(StoreError::of_state)?;
        ensure(stored == *expected, "quota", reader.committed())?;
    }
    Ok(())
}

/// The state before a block.
struct Before<'a, R> {
    reader: &'a R,
    at: Height,
    tip: Tip,
    usage: &'a BTreeMap<RegistrantNumber, Usage>,
}

impl<R: Read> ReadState for Before<'_, R> {
    fn tip(&self) -> Result<Tip, StateError> {
        Ok(self.tip.clone())
    }

    fn identifier(&self, did: &Did) -> Result<Option<Arc<Identifier>>, StateError> {
        Ok(self.reader.identifier_at(self.at, did)?.map(Arc::new))
    }

    fn accreditation(&self, key: &AccreditationKey) -> Result<Option<Arc<Accreditation>>, StateError> {
        Ok(self.reader.accreditation_at(self.at, key)?.map(Arc::new))
    }

    fn anchors(
        &self,
        issuer: RegistrantNumber,
        commitments: &[Commitment],
    ) -> Result<Vec<Option<Position>>, StateError> {
        Ok(self.reader.anchors_at(self.at, issuer, commitments)?)
    }

    fn place(&self, position: Position) -> Result<Option<Place>, StateError> {
        Ok(self.reader.place_at(self.at, position)?)
    }

    fn log_leaf(&self, index: LeafIndex) -> Result<Option<Vec<u8>>, StateError> {
        let is_before = index.0 < self.tip.header.tree_size;
        Ok(if is_before { self.reader.leaf(index)? } else { None })
    }

    fn log_hash(&self, level: u8, index: u64) -> Result<Option<Hash>, StateError> {
        Ok(self.reader.log_node(level, index)?)
    }

    fn status_leaf(&self, position: Position) -> Result<Option<LeafIndex>, StateError> {
        Ok(self.reader.status_leaf_at(self.at, position)?)
    }

    fn status_chunk(&self, index: u64) -> Result<Option<Chunk>, StateError> {
        Ok(self.reader.status_chunk_at(self.at, index)?)
    }

    fn status_node(&self, level: u8, index: u64) -> Result<Option<Hash>, StateError> {
        Ok(self.reader.status_node_at(self.at, level, index)?)
    }

    fn usage(&self, registrant: RegistrantNumber) -> Result<Usage, StateError> {
        Ok(self.usage.get(&registrant).copied().unwrap_or_default())
    }

    fn outcome(&self, id: &StatementId) -> Result<Option<Outcome>, StateError> {
        Ok(self.reader.outcome_at(self.at, id)?)
    }
}
