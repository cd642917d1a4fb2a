//! The status tree: incremental updates against a naive recomputation, with proofs at every state.

mod support;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::io::Read;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use flate2::read::ZlibDecoder;
use kvitto_merkle::log::{InclusionProof, ProveError};
use kvitto_merkle::status::{
    CHUNK_POSITIONS, Chunk, StatusProofError, StatusSource, StatusValue, UpdateError, chunk_count,
    chunk_index, prove, root, update, verify_chunk, zero_node,
};
use kvitto_merkle::{EMPTY_ROOT, Frontier, Hash};
use proptest::prelude::*;
use serde_json::Value;
use support::vectors;

type Nodes = BTreeMap<(u8, u64), Hash>;

/// The tree as its definition says: every chunk hashed.
fn naive_root(chunks: &BTreeMap<u64, Chunk>, positions: u64) -> Hash {
    let mut frontier = Frontier::new();
    for index in 0..chunk_count(positions) {
        frontier.push(chunks.get(&index).unwrap_or(&Chunk::ZERO).leaf_hash());
    }
    frontier.root()
}

/// A ledger's statuses: positions, chunks that ever changed, and stored nodes.
#[derive(Clone, Default)]
struct Statuses {
    positions: u64,
    chunks: BTreeMap<u64, Chunk>,
    nodes: Nodes,
}

impl Statuses {
    fn apply(&mut self, new_positions: u64, changes: &[(u64, StatusValue)]) -> Hash {
        let mut changed = BTreeMap::new();
        for &(position, value) in changes {
            let index = chunk_index(position);
            let chunk = changed.entry(index).or_insert_with(|| self.chunk(index));
            chunk.set(position, value);
        }
        let update = update(&self.nodes, self.positions, new_positions, &changed).expect("a later tree");
        self.positions = new_positions;
        self.chunks.extend(changed);
        for node in update.nodes {
            assert!((node.index + 1) << node.level <= chunk_count(new_positions), "{node:?} is not perfect");
            self.nodes.insert((node.level, node.index), node.hash);
        }
        update.root
    }

    fn chunk(&self, index: u64) -> Chunk {
        self.chunks.get(&index).cloned().unwrap_or_default()
    }

    fn check(&self, expected_root: Hash) {
        assert_eq!(naive_root(&self.chunks, self.positions), expected_root);
        assert_eq!(root(&self.nodes, self.positions), Ok(expected_root));
        for index in 0..chunk_count(self.positions) {
            let proof = prove(&self.nodes, index, self.positions).expect("in the tree");
            let position = index * CHUNK_POSITIONS;
            let chunk = self.chunk(index);
            let found = verify_chunk(&expected_root, self.positions, position, chunk.as_bytes(), &proof);
            assert_eq!(found, Ok(chunk.value(position)));
        }
    }
}

#[test]
fn an_empty_status_tree_has_the_empty_root() {
    let nodes = Nodes::new();
    assert_eq!(root(&nodes, 0), Ok(EMPTY_ROOT));
    let nothing = update(&nodes, 0, 0, &BTreeMap::new()).expect("no change");
    assert_eq!((nothing.root, nothing.nodes.len()), (EMPTY_ROOT, 0));
    assert_eq!(prove(&nodes, 0, 0), Err(ProveError::OutOfRange { subject: 0, size: 0 }));
}

#[test]
fn the_format_is_frozen() {
    // Recomputed with Python's hashlib from DESIGN 4.4 and RULES 8.3.
    assert_eq!(
        Chunk::ZERO.leaf_hash().to_string(),
        "fbaf105e4a25bdd7899b720eca0428ed0505211f60d9da40c956a40e06476220"
    );
    assert_eq!(zero_node(0), Chunk::ZERO.leaf_hash());
    assert_eq!(zero_node(2).to_string(), "b86366b1d05dc0ee9b46ce3ab41434f21ba768e3b97229913a6119c5cbc811aa");
    let mut statuses = Statuses::default();
    let changes =
        [(0, StatusValue::Revoked), (1_025, StatusValue::Suspended), (2_048, StatusValue::Superseded)];
    assert_eq!(
        statuses.apply(3_000, &changes).to_string(),
        "0c8bd591f833094fdc16b9719a12b14736889eda7d2bdf18559c6521605922db"
    );
}

#[test]
fn a_node_that_becomes_perfect_is_reported_though_no_chunk_changed() {
    let mut statuses = Statuses::default();
    let before = statuses.apply(CHUNK_POSITIONS, &[(7, StatusValue::Revoked)]);
    assert_eq!(statuses.nodes.keys().copied().collect::<Vec<_>>(), [(0, 0)]);
    // Chunks 1 to 4 come into being: (1, 0) and (2, 0) become perfect above chunk 0.
    let after = statuses.apply(5 * CHUNK_POSITIONS, &[]);
    assert_ne!(before, after);
    assert_eq!(statuses.nodes.keys().copied().collect::<Vec<_>>(), [(0, 0), (1, 0), (2, 0)]);
    statuses.check(after);
}

#[test]
fn a_chunk_that_returns_to_zero_overwrites_its_nodes() {
    let mut statuses = Statuses::default();
    let empty = statuses.apply(4 * CHUNK_POSITIONS, &[]);
    assert_eq!(statuses.nodes, Nodes::new());
    statuses.apply(4 * CHUNK_POSITIONS, &[(5, StatusValue::Suspended)]);
    let reinstated = statuses.apply(4 * CHUNK_POSITIONS, &[(5, StatusValue::Valid)]);
    assert_eq!(reinstated, empty);
    statuses.check(empty);
}

#[test]
fn anchoring_without_status_changes_costs_next_to_nothing() {
    struct Counting<'a>(&'a Nodes, Cell<usize>);
    impl StatusSource for Counting<'_> {
        type Error = Infallible;
        fn status_node(&self, level: u8, index: u64) -> Result<Option<Hash>, Infallible> {
            self.1.set(self.1.get() + 1);
            self.0.status_node(level, index)
        }
    }
    let mut statuses = Statuses::default();
    let positions = 1_000_000;
    statuses.apply(positions, &[]);
    assert!(statuses.nodes.is_empty(), "zeros are not stored");
    statuses.apply(positions, &[(3, StatusValue::Revoked), (999_999, StatusValue::Suspended)]);
    for growth in [1, 1_000, 32_768, 3_000_000] {
        let source = Counting(&statuses.nodes, Cell::new(0));
        let grown = update(&source, positions, positions + growth, &BTreeMap::new()).expect("grows");
        assert!(source.1.get() <= 40, "{} reads for {growth}", source.1.get());
        assert!(grown.nodes.len() <= 13, "{} nodes for {growth}", grown.nodes.len());
    }
}

#[test]
fn updates_that_make_no_later_tree_are_refused() {
    let nodes = Nodes::new();
    let mut chunk = Chunk::ZERO;
    chunk.set(10, StatusValue::Revoked);
    let changed = BTreeMap::from([(0, chunk)]);
    let check =
        |old, new, changed: &_, expected| assert_eq!(update(&nodes, old, new, changed), Err(expected));
    check(2, 1, &BTreeMap::new(), UpdateError::Shrinks { old: 2, new: 1 });
    check(0, 0, &changed, UpdateError::ChunkOutOfRange { chunk: 0, positions: 0 });
    check(0, 10, &changed, UpdateError::ValuePastEnd { chunk: 0, positions: 10 });
    assert!(update(&nodes, 0, 11, &changed).is_ok());
}

#[test]
fn a_status_proof_is_refused_for_each_reason() {
    let mut statuses = Statuses::default();
    let positions = 3 * CHUNK_POSITIONS + 100;
    let position = 3 * CHUNK_POSITIONS + 50;
    let root = statuses.apply(positions, &[(position, StatusValue::Revoked), (0, StatusValue::Suspended)]);
    let proof = prove(&statuses.nodes, 3, positions).expect("in the tree");
    let chunk = statuses.chunk(3);
    let check = |positions, position, chunk: &[u8], proof: &InclusionProof| {
        verify_chunk(&root, positions, position, chunk, proof)
    };
    assert_eq!(check(positions, position, chunk.as_bytes(), &proof), Ok(StatusValue::Revoked));
    assert_eq!(check(positions, position + 1, chunk.as_bytes(), &proof), Ok(StatusValue::Valid));

    let past = StatusProofError::PositionOutOfRange { position: positions, positions };
    assert_eq!(check(positions, positions, chunk.as_bytes(), &proof), Err(past));
    for bytes in [&chunk.as_bytes()[..255], &[&chunk.as_bytes()[..], &[0]].concat(), &[]] {
        assert!(matches!(check(positions, position, bytes, &proof), Err(StatusProofError::ChunkLength(_))));
    }
    let mut longer = chunk.clone();
    longer.set(positions, StatusValue::Revoked);
    assert_eq!(check(positions, position, longer.as_bytes(), &proof), Err(StatusProofError::ValuePastEnd));
    let mut forged = chunk.clone();
    forged.set(position, StatusValue::Valid);
    for (position, bytes, proof) in [
        (position, &forged, &proof),
        (position - CHUNK_POSITIONS, &chunk, &proof),
        (position, &chunk, &InclusionProof::default()),
    ] {
        let found = check(positions, position, bytes.as_bytes(), proof);
        assert!(matches!(found, Err(StatusProofError::NotIncluded(_))), "{found:?}");
    }
    assert!(check(2 * positions, position, chunk.as_bytes(), &proof).is_err());
}

fn value() -> impl Strategy<Value = StatusValue> {
    (0_u8..4).prop_map(|code| StatusValue::from_code(code).expect("two bits"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn updates_give_the_tree_of_the_definition(
        steps in prop::collection::vec(
            (
                prop_oneof![3 => 0_u64..3, 2 => 0_u64..3_000, 1 => 0_u64..20_000],
                prop::collection::vec((any::<u64>(), value()), 0..4),
            ),
            1..12,
        )
    ) {
        let mut statuses = Statuses::default();
        let mut history = Vec::new();
        for (growth, changes) in steps {
            let positions = statuses.positions + growth;
            let changes: Vec<_> = changes
                .into_iter()
                .filter(|_| positions > 0)
                .map(|(position, value)| (position % positions.max(1), value))
                .collect();
            let root = statuses.apply(positions, &changes);
            statuses.check(root);
            history.push((statuses.clone(), root));
        }
        for (statuses, root) in history {
            statuses.check(root);
        }
    }

    #[test]
    fn foreign_status_proofs_never_panic(
        positions in any::<u64>(), position in any::<u64>(),
        chunk in prop::collection::vec(any::<u8>(), 250..260),
        hashes in prop::collection::vec(any::<[u8; 32]>().prop_map(Hash), 0..=63),
    ) {
        let proof = InclusionProof::new(hashes).expect("short");
        prop_assert!(verify_chunk(&EMPTY_ROOT, positions, position, &chunk, &proof).is_err());
    }
}

#[test]
fn a_published_token_status_list_of_two_bits_has_our_bytes() {
    let Some(file) = vectors("token-status-list/encodings.json") else { return };
    let file: Value = serde_json::from_slice(&fs::read(file).expect("readable")).expect("JSON");
    let published = file["vectors"].as_array().expect("a list").iter().find(|vector| vector["bits"] == 2);
    let published = published.expect("a vector of two bits");
    let positions = published["size"].as_u64().expect("a size");
    let mut ours = vec![Chunk::ZERO; chunk_count(positions) as usize];
    for (position, code) in published["statuses"].as_object().expect("statuses") {
        let position: u64 = position.parse().expect("a position");
        let value = StatusValue::from_code(code.as_u64().expect("a code") as u8).expect("two bits");
        ours[chunk_index(position) as usize].set(position, value);
    }
    let compressed =
        URL_SAFE_NO_PAD.decode(published["lst_b64url"].as_str().expect("a text")).expect("base64url");
    let mut list = Vec::new();
    ZlibDecoder::new(&compressed[..]).read_to_end(&mut list).expect("zlib");
    assert_eq!(list.len() as u64, positions / 4);
    assert!(list == ours.iter().flat_map(Chunk::as_bytes).copied().collect::<Vec<u8>>());
}
