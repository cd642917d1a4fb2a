//! Reading the maps, as of any height.

use std::ops::{Bound, Range};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use kvitto_ledger::block::Header;
use kvitto_ledger::ids::{AccreditationId, Commitment, RegistrantNumber};
use kvitto_ledger::state::{Accreditation, AccreditationKey, Identifier, Outcome, Place, Usage};
use kvitto_ledger::{Did, Height, LeafIndex, Position, StatementId, TimeMs, Tip};
use kvitto_merkle::Hash;
use kvitto_merkle::status::Chunk;

use super::state::State;
use crate::error::StoreError;
use crate::read_state::{Newest, impl_read_state};
use crate::store::{Published, Read};

/// A reader of a [`MemoryStore`](super::MemoryStore).
#[derive(Clone, Debug)]
pub struct MemoryReader(Arc<RwLock<State>>);

impl_read_state!(MemoryReader, |reader| reader);

impl MemoryReader {
    pub(super) fn new(state: Arc<RwLock<State>>) -> Self {
        Self(state)
    }

    pub(super) fn state(&self) -> &RwLock<State> {
        &self.0
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, provided that block `at` is in it.
    fn read_at(&self, at: Height) -> Result<RwLockReadGuard<'_, State>, StoreError> {
        let state = self.read();
        let committed = state.height();
        if at <= committed { Ok(state) } else { Err(StoreError::NotCommitted { asked: at, committed }) }
    }

    pub(super) fn check(&self, at: Height) -> Result<(), StoreError> {
        self.read_at(at).map(drop)
    }
}

impl Newest for MemoryReader {
    fn newest_tip(&self) -> Tip {
        self.read().blocks.last().expect("begun with block 0").block.tip.clone()
    }

    fn newest_usage(&self, registrant: RegistrantNumber) -> Result<Usage, StoreError> {
        Ok(self.read().usage.get(&registrant).copied().unwrap_or_default())
    }
}

impl Read for MemoryReader {
    fn committed(&self) -> Height {
        self.read().height()
    }

    fn published(&self) -> Option<Published> {
        self.read().published.clone()
    }

    fn header(&self, height: Height) -> Result<Option<Header>, StoreError> {
        Ok(self.read().header(height).cloned())
    }

    fn positions_at(&self, at: Height) -> Result<u64, StoreError> {
        Ok(self.read_at(at)?.block(at).map_or(0, |block| block.tip.positions))
    }

    fn height_of_leaf(&self, leaf: LeafIndex) -> Result<Option<Height>, StoreError> {
        let state = self.read();
        let height = state.blocks.partition_point(|stored| stored.block.header.tree_size <= leaf.0);
        Ok(state.header(Height(height as u64)).map(|header| header.height))
    }

    fn height_at(&self, time: TimeMs) -> Result<Option<Height>, StoreError> {
        let later = self.read().blocks.partition_point(|stored| stored.block.header.time <= time);
        Ok(later.checked_sub(1).map(|height| Height(height as u64)))
    }

    fn height_of_size(&self, size: u64) -> Result<Option<Height>, StoreError> {
        let larger = self.read().blocks.partition_point(|stored| stored.block.header.tree_size <= size);
        Ok(larger.checked_sub(1).map(|height| Height(height as u64)))
    }

    fn leaf(&self, index: LeafIndex) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(height) = self.height_of_leaf(index)? else { return Ok(None) };
        let state = self.read();
        let block = state.block(height).expect("blocks are never taken away");
        Ok(Some(block.leaves[(index.0 - block.first_leaf().0) as usize].clone()))
    }

    fn leaves(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let (mut leaves, mut bytes) = (Vec::new(), 0);
        for index in range {
            let Some(leaf) = self.leaf(LeafIndex(index))? else { break };
            bytes += leaf.len();
            if bytes > bytes_max && !leaves.is_empty() {
                break;
            }
            leaves.push(leaf);
        }
        Ok(leaves)
    }

    fn body(&self, height: Height) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.read().block(height).map(|block| block.body.encode()))
    }

    fn certificate(&self, height: Height) -> Result<Option<Vec<u8>>, StoreError> {
        let index = usize::try_from(height.0).unwrap_or(usize::MAX);
        Ok(self.read().certificates.get(index).map(|certificate| certificate.to_vec()))
    }

    fn log_node(&self, level: u8, index: u64) -> Result<Option<Hash>, StoreError> {
        Ok(self.read().log_nodes.get(&(level, index)).copied())
    }

    fn status_chunk_at(&self, at: Height, index: u64) -> Result<Option<Chunk>, StoreError> {
        let state = self.read_at(at)?;
        let chunk = state.chunks.get(&index).and_then(|versions| versions.at(at));
        Ok(chunk.filter(|chunk| !chunk.is_zero()).cloned())
    }

    fn status_node_at(&self, at: Height, level: u8, index: u64) -> Result<Option<Hash>, StoreError> {
        Ok(self.read_at(at)?.status_nodes.get(&(level, index)).and_then(|versions| versions.at(at)).copied())
    }

    fn status_leaf_at(&self, at: Height, position: Position) -> Result<Option<LeafIndex>, StoreError> {
        Ok(self.read_at(at)?.status_leaves.get(&position).and_then(|versions| versions.at(at)).copied())
    }

    fn identifier_at(&self, at: Height, did: &Did) -> Result<Option<Identifier>, StoreError> {
        Ok(self.read_at(at)?.identifiers.get(did).and_then(|versions| versions.at(at)).cloned())
    }

    fn identifiers_at(
        &self,
        at: Height,
        after: Option<&Did>,
        limit: usize,
    ) -> Result<Vec<Identifier>, StoreError> {
        let state = self.read_at(at)?;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let identifiers = state.identifiers.range::<Did, _>((from, Bound::Unbounded));
        Ok(identifiers.filter_map(|(_, versions)| versions.at(at)).take(limit).cloned().collect())
    }

    fn registrant_at(&self, at: Height, number: RegistrantNumber) -> Result<Option<Did>, StoreError> {
        let state = self.read_at(at)?;
        Ok(state.registrants.get(&number).filter(|(from, _)| *from <= at).map(|(_, did)| *did))
    }

    fn accreditation_at(
        &self,
        at: Height,
        key: &AccreditationKey,
    ) -> Result<Option<Accreditation>, StoreError> {
        Ok(self.read_at(at)?.accreditations.get(key).and_then(|versions| versions.at(at)).cloned())
    }

    fn accreditations_at(&self, at: Height, subject: &Did) -> Result<Vec<AccreditationId>, StoreError> {
        let state = self.read_at(at)?;
        let first = AccreditationKey { subject: *subject, id: AccreditationId([0; 32]) };
        let own = state.accreditations.range(first..).take_while(|(key, _)| key.subject == *subject);
        Ok(own.filter(|(_, versions)| versions.at(at).is_some()).map(|(key, _)| key.id).collect())
    }

    fn children_at(
        &self,
        at: Height,
        parent: &AccreditationKey,
        after: Option<&AccreditationKey>,
        limit: usize,
    ) -> Result<Vec<AccreditationKey>, StoreError> {
        let state = self.read_at(at)?;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let later = state.accreditations.range::<AccreditationKey, _>((from, Bound::Unbounded));
        let children = later
            .filter_map(|(_, versions)| versions.at(at))
            .filter(|found| found.parent_key().as_ref() == Some(parent));
        Ok(children.map(|found| found.key).take(limit).collect())
    }

    fn place_at(&self, at: Height, position: Position) -> Result<Option<Place>, StoreError> {
        Ok(self.read_at(at)?.places.get(&position).and_then(|versions| versions.at(at)).copied())
    }

    fn anchors_at(
        &self,
        at: Height,
        issuer: RegistrantNumber,
        commitments: &[Commitment],
    ) -> Result<Vec<Option<Position>>, StoreError> {
        let state = self.read_at(at)?;
        let position = |commitment: &Commitment| {
            let anchored = state.anchors.get(&(issuer, *commitment));
            anchored.filter(|(from, _)| *from <= at).map(|(_, position)| *position)
        };
        Ok(commitments.iter().map(position).collect())
    }

    fn outcome_at(&self, at: Height, id: &StatementId) -> Result<Option<Outcome>, StoreError> {
        Ok(self.read_at(at)?.outcomes.get(id).filter(|outcome| outcome.height <= at).cloned())
    }
}
