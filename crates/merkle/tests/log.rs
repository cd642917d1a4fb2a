//! The log tree: published roots, and proofs at all sizes that are accepted as made and refused
//! after any change.

mod support;

use kvitto_merkle::log::{
    ConsistencyProof, InclusionProof, ProofError, ProveError, TREE_SIZE_MAX, consistency_path,
    inclusion_path, root_at, verify_consistency, verify_inclusion,
};
use kvitto_merkle::{EMPTY_ROOT, Frontier, Hash, leaf_hash};
use proptest::prelude::*;
use support::MemoryLog;

/// Leaves and roots of Certificate Transparency's reference log (transparency-dev/merkle,
/// testonly/constants.go).
const REFERENCE_LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const REFERENCE_ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn inclusion(log: &MemoryLog, index: u64, size: u64) -> (Hash, InclusionProof) {
    let root = root_at(log, size).expect("all nodes are there");
    (root, inclusion_path(log, index, size).expect("all nodes are there"))
}

fn consistency(log: &MemoryLog, old: u64, new: u64) -> (Hash, Hash, ConsistencyProof) {
    let root = |size| root_at(log, size).expect("all nodes are there");
    (root(old), root(new), consistency_path(log, old, new).expect("all nodes are there"))
}

#[test]
fn the_reference_log_has_its_published_roots() {
    let leaves = REFERENCE_LEAVES.map(|leaf| leaf_hash(&hex::decode(leaf).expect("hexadecimal")));
    let log = MemoryLog::of(leaves);
    let mut frontier = Frontier::new();
    for (size, expected) in (0..).zip(REFERENCE_ROOTS) {
        assert_eq!(root_at(&log, size).expect("all nodes").to_string(), expected);
        assert_eq!(frontier.root().to_string(), expected);
        if let Some(&leaf) = leaves.get(size as usize) {
            frontier.push(leaf);
        }
    }
}

#[test]
fn every_proof_of_every_tree_up_to_200_leaves_is_accepted() {
    let log = MemoryLog::counting(200);
    for size in 1..=200 {
        for index in 0..size {
            let (root, proof) = inclusion(&log, index, size);
            let leaf = &log.leaves[index as usize];
            assert_eq!(verify_inclusion(leaf, index, size, &proof, &root), Ok(()), "{index} {size}");

            let old = index + 1;
            let (old_root, new_root, proof) = consistency(&log, old, size);
            assert_eq!(verify_consistency(old, &old_root, size, &new_root, &proof), Ok(()), "{old} {size}");
            for other in (1..=size.min(64)).filter(|&other| other != old) {
                assert!(verify_consistency(other, &old_root, size, &new_root, &proof).is_err());
            }
        }
    }
}

#[test]
fn nothing_is_proved_about_leaves_and_trees_that_are_not_there() {
    let log = MemoryLog::counting(8);
    for (index, size) in [(0, 0), (8, 8), (u64::MAX, 8), (0, TREE_SIZE_MAX + 1)] {
        let refused = ProveError::OutOfRange { subject: index, size };
        assert_eq!(inclusion_path(&log, index, size), Err(refused));
    }
    for (old, new) in [(0, 0), (0, 8), (8, 7), (1, TREE_SIZE_MAX + 1)] {
        assert_eq!(consistency_path(&log, old, new), Err(ProveError::OutOfRange { subject: old, size: new }));
    }
    assert!(matches!(inclusion_path(&log, 0, 9), Err(ProveError::Source(_))));

    let none = ConsistencyProof::default();
    for (old, new) in [(0, 0), (0, 8), (8, 7)] {
        let refused = Err(ProofError::SizesOutOfRange { old, new });
        assert_eq!(verify_consistency(old, &EMPTY_ROOT, new, &EMPTY_ROOT, &none), refused);
    }
    let refused = Err(ProofError::IndexOutOfRange { index: 0, size: 0 });
    assert_eq!(verify_inclusion(&EMPTY_ROOT, 0, 0, &InclusionProof::default(), &EMPTY_ROOT), refused);
}

#[test]
fn proofs_are_bounded_and_the_largest_tree_fits() {
    struct Same;
    impl kvitto_merkle::log::NodeSource for Same {
        type Error = std::convert::Infallible;
        fn node(&self, level: u8, _index: u64) -> Result<Hash, Self::Error> {
            Ok((0..level).fold(leaf_hash(b"same"), |node, _| kvitto_merkle::node_hash(&node, &node)))
        }
    }
    assert!(InclusionProof::new(vec![EMPTY_ROOT; 64]).is_err());
    assert!(ConsistencyProof::new(vec![EMPTY_ROOT; 64]).is_err());
    let (size, old) = (TREE_SIZE_MAX, TREE_SIZE_MAX - 1);
    let (root, old_root) = (root_at(&Same, size).expect("there"), root_at(&Same, old).expect("there"));
    let proof = inclusion_path(&Same, old, size).expect("fits");
    assert_eq!(proof.hashes().len(), 62);
    assert_eq!(verify_inclusion(&leaf_hash(b"same"), old, size, &proof, &root), Ok(()));
    let proof = consistency_path(&Same, old, size).expect("fits");
    assert_eq!(proof.hashes().len(), 63);
    assert_eq!(verify_consistency(old, &old_root, size, &root, &proof), Ok(()));
    // The numbers that overflow if anything does.
    for size in [u64::MAX, 1 << 63] {
        assert!(verify_inclusion(&root, size - 1, size, &InclusionProof::default(), &root).is_err());
        assert!(verify_consistency(size - 1, &root, size, &root, &proof).is_err());
    }
}

/// The hash list with one bit changed, or one hash left out, added or swapped with the next.
fn damaged(hashes: &[Hash], place: usize, bit: usize, how: u8) -> Option<Vec<Hash>> {
    let mut hashes = hashes.to_vec();
    let place = place % (hashes.len() + 1);
    match how {
        0 => hashes.get_mut(place)?.0[bit / 8] ^= 1 << (bit % 8),
        1 if place < hashes.len() => drop(hashes.remove(place)),
        2 => hashes.insert(place, EMPTY_ROOT),
        3 if place + 1 < hashes.len() => hashes.swap(place, place + 1),
        _ => return None,
    }
    Some(hashes)
}

fn flipped(hash: &Hash, bit: usize) -> Hash {
    let mut bytes = hash.0;
    bytes[bit / 8] ^= 1 << (bit % 8);
    Hash(bytes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn an_inclusion_proof_changed_anywhere_is_refused(
        size in 1_u64..=200, leaf in any::<u64>(), other in any::<u64>(),
        place in 0_usize..9, bit in 0_usize..256, how in 0_u8..4,
    ) {
        let log = MemoryLog::counting(size);
        let (index, other) = (leaf % size, other % (2 * size));
        let (root, proof) = inclusion(&log, index, size);
        let leaf = log.leaves[index as usize];
        prop_assert!(verify_inclusion(&flipped(&leaf, bit), index, size, &proof, &root).is_err());
        prop_assert!(verify_inclusion(&leaf, index, size, &proof, &flipped(&root, bit)).is_err());
        prop_assert_eq!(verify_inclusion(&leaf, other, size, &proof, &root).is_ok(), other == index);
        if let Some(hashes) = damaged(proof.hashes(), place, bit, how) {
            let proof = InclusionProof::new(hashes).expect("short");
            prop_assert!(verify_inclusion(&leaf, index, size, &proof, &root).is_err());
        }
    }

    #[test]
    fn a_consistency_proof_changed_anywhere_is_refused(
        new in 1_u64..=200, old in any::<u64>(),
        place in 0_usize..9, bit in 0_usize..256, how in 0_u8..4,
    ) {
        let log = MemoryLog::counting(new);
        let old = old % new + 1;
        let (old_root, new_root, proof) = consistency(&log, old, new);
        prop_assert!(verify_consistency(old, &flipped(&old_root, bit), new, &new_root, &proof).is_err());
        prop_assert!(verify_consistency(old, &old_root, new, &flipped(&new_root, bit), &proof).is_err());
        prop_assert!(verify_consistency(old, &new_root, new, &old_root, &proof).is_err() || old == new);
        if let Some(hashes) = damaged(proof.hashes(), place, bit, how) {
            let proof = ConsistencyProof::new(hashes).expect("short");
            prop_assert!(verify_consistency(old, &old_root, new, &new_root, &proof).is_err());
        }
    }

    #[test]
    fn foreign_proofs_never_panic(
        hashes in prop::collection::vec(any::<[u8; 32]>().prop_map(Hash), 0..=63),
        index in any::<u64>(), size in any::<u64>(), root in any::<[u8; 32]>().prop_map(Hash),
    ) {
        let proof = InclusionProof::new(hashes.clone()).expect("short");
        prop_assert!(verify_inclusion(&root, index, size, &proof, &EMPTY_ROOT).is_err());
        let proof = ConsistencyProof::new(hashes).expect("short");
        prop_assert!(verify_consistency(index, &root, size, &EMPTY_ROOT, &proof).is_err());
    }
}
