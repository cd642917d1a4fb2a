//! The plainest possible answers: taken from the blocks up to a height, by looking at all of them.

use std::collections::BTreeMap;

use kvitto_ledger::execute::ExecutedBlock;
use kvitto_ledger::ids::{Commitment, RegistrantNumber};
use kvitto_ledger::state::{AccreditationKey, Changes};
use kvitto_ledger::{Height, LeafIndex, Position, StatementId, TimeMs};
use kvitto_merkle::Hash;
use kvitto_merkle::status;

use crate::nodes::{LogNodes, StatusNodes};
use crate::store::Read;

/// Looking at every position would take long; these steps still hit every page.
const POSITION_STEP: usize = 13;

/// The state after a block.
#[derive(Debug)]
pub struct Model<'a> {
    block: &'a ExecutedBlock,
    changes: Changes,
    status_nodes: BTreeMap<(u8, u64), Hash>,
}

impl<'a> Model<'a> {
    /// The state after block `at`.
    pub fn at(blocks: &'a [ExecutedBlock], at: Height) -> Self {
        let blocks = &blocks[..=at.0 as usize];
        let mut changes = Changes::default();
        let mut status_nodes = BTreeMap::new();
        for block in blocks {
            let new = block.changes.clone();
            changes.identifiers.extend(new.identifiers);
            changes.accreditations.extend(new.accreditations);
            changes.places.extend(new.places);
            changes.anchors.extend(new.anchors);
            changes.chunks.extend(new.chunks);
            changes.status_leaves.extend(new.status_leaves);
            changes.outcomes.extend(new.outcomes);
            status_nodes.extend(block.status_nodes.iter().map(|node| ((node.level, node.index), node.hash)));
        }
        Self { block: blocks.last().expect("there is block 0"), changes, status_nodes }
    }

    /// Compares everything that a reader answers as of this height.
    ///
    /// # Panics
    /// When an answer is another one.
    pub fn check(&self, reader: &impl Read) {
        self.check_organisations(reader);
        self.check_places(reader);
        self.check_status(reader);
        self.check_outcomes(reader);
        self.check_log(reader);
    }

    fn height(&self) -> Height {
        self.block.header.height
    }

    fn check_organisations(&self, reader: &impl Read) {
        let (at, identifiers) = (self.height(), &self.changes.identifiers);
        let all: Vec<_> = identifiers.values().cloned().collect();
        assert_eq!(reader.identifiers_at(at, None, usize::MAX).expect("readable"), all);
        for (index, identifier) in all.iter().enumerate() {
            let did = &identifier.did;
            assert_eq!(reader.identifier_at(at, did).expect("readable").as_ref(), Some(identifier));
            assert_eq!(reader.registrant_at(at, identifier.number).expect("readable"), Some(*did));
            assert_eq!(
                reader.identifiers_at(at, Some(did), 1).expect("readable"),
                all[index + 1..].iter().take(1).cloned().collect::<Vec<_>>()
            );
            let own: Vec<_> = self
                .changes
                .accreditations
                .keys()
                .filter(|key| key.subject == *did)
                .map(|key| key.id)
                .collect();
            assert_eq!(reader.accreditations_at(at, did).expect("readable"), own);
        }
        let unknown = RegistrantNumber(all.len() as u32);
        assert_eq!(reader.registrant_at(at, unknown).expect("readable"), None);
        for (key, accreditation) in &self.changes.accreditations {
            assert_eq!(reader.accreditation_at(at, key).expect("readable").as_ref(), Some(accreditation));
            self.check_children(reader, key);
        }
    }

    fn check_children(&self, reader: &impl Read, parent: &AccreditationKey) {
        let all = self.changes.accreditations.values();
        let children: Vec<_> =
            all.filter(|child| child.parent_key().as_ref() == Some(parent)).map(|child| child.key).collect();
        let at = self.height();
        assert_eq!(reader.children_at(at, parent, None, usize::MAX).expect("readable"), children);
        let rest = reader.children_at(at, parent, children.first(), 1).expect("readable");
        assert_eq!(rest, children.iter().skip(1).take(1).copied().collect::<Vec<_>>());
    }

    fn check_places(&self, reader: &impl Read) {
        let at = self.height();
        assert_eq!(reader.positions_at(at).expect("readable"), self.block.tip.positions);
        let beyond = Position(self.block.tip.positions);
        assert_eq!(reader.place_at(at, beyond).expect("readable"), None);
        let step = if self.changes.places.len() > 200 { POSITION_STEP } else { 1 };
        for (position, place) in self.changes.places.iter().step_by(step) {
            assert_eq!(reader.place_at(at, *position).expect("readable"), Some(*place), "{position} at {at}");
        }
        let mut by_issuer: BTreeMap<RegistrantNumber, Vec<(Commitment, Option<Position>)>> = BTreeMap::new();
        for ((issuer, commitment), position) in &self.changes.anchors {
            by_issuer.entry(*issuer).or_default().push((*commitment, Some(*position)));
        }
        for (issuer, mut known) in by_issuer {
            known.insert(1, (Commitment([0xee; 32]), None));
            known.push((Commitment([0xef; 32]), None));
            let asked: Vec<Commitment> = known.iter().map(|(commitment, _)| *commitment).collect();
            let expected: Vec<Option<Position>> = known.iter().map(|(_, position)| *position).collect();
            assert_eq!(
                reader.anchors_at(at, issuer, &asked).expect("readable"),
                expected,
                "{issuer} at {at}"
            );
            let nobody = reader.anchors_at(at, RegistrantNumber(99), &asked).expect("readable");
            assert!(nobody.iter().all(Option::is_none), "another issuer has not anchored them");
        }
    }

    fn check_status(&self, reader: &impl Read) {
        let at = self.height();
        let positions = self.block.tip.positions;
        for index in 0..=status::chunk_count(positions) {
            let expected = self.changes.chunks.get(&index).filter(|chunk| !chunk.is_zero());
            assert_eq!(reader.status_chunk_at(at, index).expect("readable").as_ref(), expected);
        }
        for ((level, index), hash) in &self.status_nodes {
            assert_eq!(reader.status_node_at(at, *level, *index).expect("readable"), Some(*hash));
        }
        let root = status::root(&StatusNodes { reader, at }, positions).expect("readable");
        assert_eq!(root, self.block.header.status_root);
        for (position, leaf) in &self.changes.status_leaves {
            assert_eq!(reader.status_leaf_at(at, *position).expect("readable"), Some(*leaf));
        }
        let unchanged = (0..positions).map(Position).find(|at| !self.changes.status_leaves.contains_key(at));
        if let Some(position) = unchanged {
            assert_eq!(reader.status_leaf_at(at, position).expect("readable"), None);
        }
    }

    fn check_outcomes(&self, reader: &impl Read) {
        for (id, outcome) in &self.changes.outcomes {
            assert_eq!(reader.outcome_at(self.height(), id).expect("readable").as_ref(), Some(outcome));
        }
        assert_eq!(reader.outcome_at(self.height(), &StatementId([7; 32])).expect("readable"), None);
    }

    fn check_log(&self, reader: &impl Read) {
        let header = &self.block.header;
        assert_eq!(reader.header(header.height).expect("readable").as_ref(), Some(header));
        let frontier = LogNodes(reader).frontier(header.tree_size).expect("readable");
        assert_eq!(frontier, self.block.tip.frontier);
    }
}

/// What never changes about a block.
///
/// # Panics
/// When an answer is another one.
pub fn check_block(reader: &impl Read, block: &ExecutedBlock, certificate: &[u8]) {
    let header = &block.header;
    let height = header.height;
    let (first, size) = (block.first_leaf(), header.tree_size);
    assert_eq!(reader.body(height).expect("readable"), Some(block.body.encode()));
    if height != Height(0) {
        assert_eq!(reader.certificate(height).expect("readable").as_deref(), Some(certificate));
    }
    for (index, leaf) in (first.0..).zip(&block.leaves) {
        assert_eq!(reader.leaf(LeafIndex(index)).expect("readable").as_ref(), Some(leaf));
        assert_eq!(reader.log_leaf(LeafIndex(index)).expect("readable").as_ref(), Some(leaf));
        assert_eq!(reader.height_of_leaf(LeafIndex(index)).expect("readable"), Some(height));
    }
    for node in &block.log_nodes {
        assert_eq!(reader.log_node(node.level, node.index).expect("readable"), Some(node.hash));
    }
    let before = height.0.checked_sub(1).map(Height);
    for (time, expected) in [(header.time, Some(height)), (TimeMs(header.time.0 - 1), before)] {
        assert_eq!(reader.height_at(time).expect("readable"), expected, "{time}");
    }
    for (size, expected) in [(size, Some(height)), (size - 1, before)] {
        assert_eq!(reader.height_of_size(size).expect("readable"), expected, "{size}");
    }
}

/// Past the newest block there is nothing.
///
/// # Panics
/// When an answer is another one.
pub fn check_beyond(reader: &impl Read, newest: &ExecutedBlock) {
    let (next, size) = (newest.header.height.next(), newest.header.tree_size);
    assert_eq!(reader.header(next).expect("readable"), None);
    assert_eq!(reader.body(next).expect("readable"), None);
    assert_eq!(reader.certificate(next).expect("readable"), None);
    assert_eq!(reader.leaf(LeafIndex(size)).expect("readable"), None);
    assert_eq!(reader.log_leaf(LeafIndex(size)).expect("readable"), None);
    assert_eq!(reader.leaves(size..size + 5, 1_000).expect("readable"), Vec::<Vec<u8>>::new());
    assert_eq!(reader.height_of_leaf(LeafIndex(size)).expect("readable"), None);
    assert_eq!(reader.log_node(0, size).expect("readable"), None);
    assert_eq!(reader.log_node(63, 0).expect("readable"), None);
    assert_eq!(reader.height_at(TimeMs(u64::MAX)).expect("readable"), Some(newest.header.height));
}
