//! A state in memory that keeps everything: the plainest thing that can stand behind the rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use kvitto_merkle::Hash;
use kvitto_merkle::status::Chunk;

use crate::did::Did;
use crate::execute::{ExecutedBlock, genesis_block};
use crate::genesis::Genesis;
use crate::ids::{Commitment, LeafIndex, Position, RegistrantNumber, StatementId};
use crate::record::Record;
use crate::state::{
    Accreditation, AccreditationKey, Changes, Identifier, Outcome, Place, ReadState, StateError, Tip, Usage,
};

/// All blocks and what follows from them.
#[derive(Clone, Debug)]
pub struct MemoryState {
    /// Every block, by height.
    pub blocks: Vec<ExecutedBlock>,
    /// Everything that the blocks changed, newest values.
    pub changes: Changes,
    /// Nodes of the log, by level and index.
    pub log_nodes: BTreeMap<(u8, u64), Hash>,
    /// Nodes of the status tree, by level and index; newest values.
    pub status_nodes: BTreeMap<(u8, u64), Hash>,
}

impl MemoryState {
    /// The state after block 0.
    pub fn new(genesis: &Genesis) -> Self {
        let mut state = Self {
            blocks: Vec::new(),
            changes: Changes::default(),
            log_nodes: BTreeMap::new(),
            status_nodes: BTreeMap::new(),
        };
        state.commit(&genesis_block(genesis));
        state
    }

    /// Adds the next block.
    ///
    /// # Panics
    /// When it does not follow the newest one.
    pub fn commit(&mut self, block: &ExecutedBlock) {
        let newest = self.blocks.last();
        assert_eq!(block.header.height.0, self.blocks.len() as u64, "blocks are committed in order");
        assert_eq!(block.header.previous, newest.map(|newest| newest.id).unwrap_or_default());
        self.changes.absorb(block.changes.clone());
        self.log_nodes.extend(block.log_nodes.iter().map(|node| ((node.level, node.index), node.hash)));
        self.status_nodes.extend(block.status_nodes.iter().map(|node| ((node.level, node.index), node.hash)));
        self.blocks.push(block.clone());
    }

    /// The newest block.
    pub fn newest(&self) -> &ExecutedBlock {
        self.blocks.last().expect("block 0 is always there")
    }

    /// Every leaf of the log, in order.
    pub fn leaves(&self) -> impl Iterator<Item = &[u8]> {
        self.blocks.iter().flat_map(|block| &block.leaves).map(Vec::as_slice)
    }

    /// Every record of the log, in order.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        self.leaves().map(|leaf| Record::decode(leaf).expect("the log holds records only"))
    }
}

impl ReadState for MemoryState {
    fn tip(&self) -> Result<Tip, StateError> {
        Ok(self.newest().tip.clone())
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
        let anchors = &self.changes.anchors;
        Ok(commitments.iter().map(|commitment| anchors.get(&(issuer, *commitment)).copied()).collect())
    }

    fn place(&self, position: Position) -> Result<Option<Place>, StateError> {
        Ok(self.changes.places.get(&position).copied())
    }

    fn log_leaf(&self, index: LeafIndex) -> Result<Option<Vec<u8>>, StateError> {
        let after = self.blocks.partition_point(|block| block.first_leaf() <= index);
        let holder = after.checked_sub(1).map(|height| &self.blocks[height]);
        Ok(holder.and_then(|block| block.leaves.get((index.0 - block.first_leaf().0) as usize)).cloned())
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
        Ok(self.status_nodes.get(&(level, index)).copied())
    }

    fn usage(&self, registrant: RegistrantNumber) -> Result<Usage, StateError> {
        Ok(self.changes.usage.get(&registrant).copied().unwrap_or_default())
    }

    fn outcome(&self, id: &StatementId) -> Result<Option<Outcome>, StateError> {
        Ok(self.changes.outcomes.get(id).cloned())
    }
}
