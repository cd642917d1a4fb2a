//! Text from outside: no parser panics, and what is accepted is written back byte for byte.

mod support;

use std::fmt::Display;
use std::str::FromStr;

use kvitto_merkle::note::{Cosignature, Note, NoteSignature, VerifierKey, verify_note};
use kvitto_merkle::policy::Policy;
use kvitto_merkle::tile::TilePath;
use kvitto_merkle::tlog_proof::TlogProof;
use kvitto_merkle::{Checkpoint, Hash};
use proptest::prelude::*;

const CHECKPOINT: &str = include_str!("data/checkpoint");
const PROOF: &str = include_str!("data/entry271.tlog-proof");
const POLICY: &str = include_str!("data/policy");

/// Whether the text is accepted; if so, it must be the only text of its value.
fn canonical<T: FromStr + Display>(text: &str) -> bool {
    let parsed = text.parse::<T>();
    if let Ok(value) = &parsed {
        assert_eq!(value.to_string(), text);
    }
    parsed.is_ok()
}

fn read_as_everything(text: &str) {
    canonical::<Note>(text);
    canonical::<NoteSignature>(text);
    canonical::<VerifierKey>(text);
    canonical::<Checkpoint>(text);
    canonical::<TlogProof>(text);
    canonical::<TilePath>(text);
    canonical::<Hash>(text);
    // Comments and white space are lost, the meaning is not.
    if let Ok(policy) = text.parse::<Policy>() {
        assert_eq!(policy.to_string().parse(), Ok(policy));
    }
}

/// A text with one piece replaced.
fn mutated(text: &str, from: usize, length: usize, piece: &[u8]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    let from = from % bytes.len();
    let to = (from + length).min(bytes.len());
    bytes.splice(from..to, piece.iter().copied());
    bytes
}

#[test]
fn the_examples_are_accepted() {
    assert!(canonical::<Note>(CHECKPOINT));
    assert!(canonical::<TlogProof>(PROOF));
    assert!(canonical::<Policy>(POLICY));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_text_is_read_without_panic(text in "(\\PC|\n|[+ =—./0-9a-z]){0,200}") {
        read_as_everything(&text);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Note::from_bytes(&bytes);
        let _ = Cosignature::from_bytes(&bytes);
        read_as_everything(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn damaged_examples_are_read_without_panic(
        which in 0_usize..3, from in any::<usize>(), length in 0_usize..6,
        piece in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..4),
            "[\n +=—A-Z0-9]{0,4}".prop_map(String::into_bytes),
        ],
    ) {
        let bytes = mutated([CHECKPOINT, PROOF, POLICY][which], from, length, &piece);
        let _ = Note::from_bytes(&bytes);
        if let Ok(text) = std::str::from_utf8(&bytes) {
            read_as_everything(text);
        }
    }

    #[test]
    fn a_damaged_checkpoint_never_verifies_as_another(
        from in any::<usize>(), bit in 0_u32..8,
    ) {
        let original: Note = CHECKPOINT.parse().expect("a note");
        let keys = POLICY.parse::<Policy>().expect("a policy").keys();
        let mut bytes = CHECKPOINT.as_bytes().to_vec();
        let place = from % bytes.len();
        bytes[place] ^= 1 << bit;
        if let Ok(note) = Note::from_bytes(&bytes) && verify_note(&note, &keys, &support::verify).is_ok() {
            // Only a line's name or key id was hit: it became the line of an unknown key.
            prop_assert_eq!(note.text(), original.text());
            prop_assert_eq!(note.signatures().len(), original.signatures().len());
        }
    }
}
