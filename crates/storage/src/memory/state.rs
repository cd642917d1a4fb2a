//! Everything that follows from the committed blocks, in plain maps, with the height from which each value holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use kvitto_ledger::block::Header;
use kvitto_ledger::execute::ExecutedBlock;
use kvitto_ledger::ids::{Commitment, RegistrantNumber};
use kvitto_ledger::state::{Accreditation, AccreditationKey, Identifier, Outcome, Place, Usage};
use kvitto_ledger::{Did, Height, LeafIndex, Position, StatementId};
use kvitto_merkle::Hash;
use kvitto_merkle::status::Chunk;

use super::disk::{Row, StoredBlock};
use crate::store::Published;

/// A value's versions, each with the height from which it holds.
#[derive(Debug)]
pub(super) struct Versions<T>(Vec<(Height, T)>);

impl<T> Versions<T> {
    /// The version that held after block `at`.
    pub(super) fn at(&self, at: Height) -> Option<&T> {
        let newer = self.0.partition_point(|(from, _)| *from <= at);
        newer.checked_sub(1).map(|index| &self.0[index].1)
    }
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) blocks: Vec<Arc<StoredBlock>>,
    pub(super) certificates: Vec<Arc<[u8]>>,
    pub(super) published: Option<Published>,
    pub(super) log_nodes: BTreeMap<(u8, u64), Hash>,
    pub(super) status_nodes: BTreeMap<(u8, u64), Versions<Hash>>,
    pub(super) chunks: BTreeMap<u64, Versions<Chunk>>,
    pub(super) status_leaves: BTreeMap<Position, Versions<LeafIndex>>,
    pub(super) identifiers: BTreeMap<Did, Versions<Identifier>>,
    pub(super) registrants: BTreeMap<RegistrantNumber, (Height, Did)>,
    pub(super) accreditations: BTreeMap<AccreditationKey, Versions<Accreditation>>,
    pub(super) usage: BTreeMap<RegistrantNumber, Usage>,
    pub(super) places: BTreeMap<Position, Versions<Place>>,
    pub(super) anchors: BTreeMap<(RegistrantNumber, Commitment), (Height, Position)>,
    pub(super) outcomes: BTreeMap<StatementId, Outcome>,
}

impl State {
    pub(super) fn apply(&mut self, row: Row) {
        match row {
            Row::Block(stored) => {
                self.apply_block(&stored.block);
                self.certificates.push(Arc::clone(&stored.certificate));
                self.blocks.push(stored);
            }
            Row::Certificate(height, certificate) => self.certificates[height.0 as usize] = certificate,
            Row::Published(published) => self.published = Some(published),
        }
    }

    fn apply_block(&mut self, block: &ExecutedBlock) {
        let (height, changes) = (block.header.height, &block.changes);
        self.log_nodes.extend(block.log_nodes.iter().map(|node| ((node.level, node.index), node.hash)));
        let status_nodes = block.status_nodes.iter().map(|node| ((node.level, node.index), node.hash));
        add_versions(&mut self.status_nodes, height, status_nodes);
        add_versions(&mut self.chunks, height, changes.chunks.clone());
        add_versions(&mut self.status_leaves, height, changes.status_leaves.clone());
        add_versions(&mut self.identifiers, height, changes.identifiers.clone());
        add_versions(&mut self.accreditations, height, changes.accreditations.clone());
        add_versions(&mut self.places, height, changes.places.clone());
        for identifier in changes.identifiers.values() {
            self.registrants.entry(identifier.number).or_insert((height, identifier.did));
        }
        self.usage.extend(&changes.usage);
        self.anchors.extend(changes.anchors.iter().map(|(key, position)| (*key, (height, *position))));
        self.outcomes.extend(changes.outcomes.clone());
    }

    pub(super) fn header(&self, height: Height) -> Option<&Header> {
        self.block(height).map(|block| &block.header)
    }

    pub(super) fn block(&self, height: Height) -> Option<&ExecutedBlock> {
        let index = usize::try_from(height.0).ok()?;
        self.blocks.get(index).map(|stored| &stored.block)
    }

    /// The newest block.
    pub(super) fn height(&self) -> Height {
        Height(self.blocks.len() as u64 - 1)
    }

    /// The newest header with its certificate.
    pub(super) fn newest(&self) -> (Header, Arc<[u8]>) {
        let (block, certificate) =
            self.blocks.last().zip(self.certificates.last()).expect("begun with block 0");
        (block.block.header.clone(), Arc::clone(certificate))
    }
}

fn add_versions<K: Ord, V>(
    map: &mut BTreeMap<K, Versions<V>>,
    height: Height,
    new: impl IntoIterator<Item = (K, V)>,
) {
    for (key, value) in new {
        map.entry(key).or_insert_with(|| Versions(Vec::new())).0.push((height, value));
    }
}
