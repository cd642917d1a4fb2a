//! No bytes make the verifier panic, and no changed bit makes it say something else.

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::STANDARD};
use kvitto_verifier::{Evidence, Receipt, Refusal, TrustFile, Verdict, verify};
use proptest::prelude::*;
use serde_json::Value;

use crate::scenario::{LAST, Scenario, question};

static SCENARIO: LazyLock<Scenario> = LazyLock::new(Scenario::new);

/// A receipt with every optional member.
static RECEIPT: LazyLock<Value> = LazyLock::new(|| {
    let mut receipt = SCENARIO.receipt("revoked", LAST, Some(5));
    receipt.consistency = Some(crate::cases::forged::consistency(&SCENARIO, LAST, LAST));
    serde_json::from_str(&receipt.to_json()).unwrap()
});

fn answer(receipt: &Value) -> Result<Verdict, Refusal> {
    let receipt = Receipt::from_json(receipt.to_string().as_bytes())?;
    verify(&receipt, Some(&SCENARIO.items["revoked"].bytes), &SCENARIO.trust_later, &question(LAST))
}

/// Pointers to every text that is base64, or has base64 lines.
fn base64_texts(value: &Value, pointer: &str, found: &mut Vec<String>) {
    match value {
        Value::String(text) if STANDARD.decode(text).is_ok_and(|bytes| bytes.len() >= 32) => {
            found.push(pointer.to_owned());
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(i, item)| base64_texts(item, &format!("{pointer}/{i}"), found));
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, item)| base64_texts(item, &format!("{pointer}/{name}"), found));
        }
        _ => {}
    }
}

/// Flips one bit of a base64 text.
fn flipped(text: &str, bit: usize) -> String {
    let mut bytes = STANDARD.decode(text).unwrap();
    let bit = bit % (8 * bytes.len());
    bytes[bit / 8] ^= 1 << (bit % 8);
    STANDARD.encode(bytes)
}

fn assert_same_or_refused(changed: &Value, about: &str) {
    if let Ok(verdict) = answer(changed) {
        assert_eq!(verdict, answer(&RECEIPT).unwrap(), "{about}");
    }
}

#[test]
fn every_bit_of_the_short_fields_and_some_of_the_long_ones_is_held_by_something_signed() {
    let mut texts = Vec::new();
    base64_texts(&RECEIPT, "", &mut texts);
    assert!(texts.len() > 40, "{}", texts.len());
    for pointer in &texts {
        let text = RECEIPT.pointer(pointer).unwrap().as_str().unwrap();
        // A step that meets every bit position within a byte, so that a whole run stays short.
        for bit in (0..8 * STANDARD.decode(text).unwrap().len()).step_by(149) {
            let mut changed = RECEIPT.clone();
            *changed.pointer_mut(pointer).unwrap() = flipped(text, bit).into();
            let refused = answer(&changed);
            assert!(refused.is_err(), "bit {bit} of {pointer}: {refused:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn one_flipped_bit_in_any_base64_never_gives_another_verdict(which: prop::sample::Index, bit: usize) {
        let mut texts = Vec::new();
        base64_texts(&RECEIPT, "", &mut texts);
        let pointer = &texts[which.index(texts.len())];
        let mut changed = RECEIPT.clone();
        let text = changed.pointer_mut(pointer).unwrap();
        *text = flipped(text.as_str().unwrap(), bit).into();
        assert_same_or_refused(&changed, pointer);
    }

    #[test]
    fn one_changed_character_of_the_tlog_proof_never_gives_another_verdict(which: prop::sample::Index, with in any::<char>()) {
        let mut changed = RECEIPT.clone();
        let proof = changed.pointer_mut("/anchored/tlog_proof").unwrap();
        let mut characters: Vec<char> = proof.as_str().unwrap().chars().collect();
        let at = which.index(characters.len());
        characters[at] = with;
        *proof = characters.iter().collect::<String>().into();
        // A line of a key that nobody knows is read over, as C2SP asks: then fewer members count, but all else stays.
        if let Ok(verdict) = answer(&changed) {
            let honest = answer(&RECEIPT).unwrap();
            prop_assert!(verdict.checkpoint.signed_by.len() >= verdict.checkpoint.quorum);
            prop_assert!(verdict.checkpoint.fresh_at_s <= honest.checkpoint.fresh_at_s);
            prop_assert_eq!(verdict.anchored, honest.anchored);
            prop_assert_eq!(verdict.status, honest.status);
            prop_assert_eq!(verdict.overall, honest.overall);
        }
    }

    #[test]
    fn one_changed_byte_of_the_file_never_gives_a_better_word(which: prop::sample::Index, with in any::<u8>()) {
        let mut bytes = RECEIPT.to_string().into_bytes();
        let at = which.index(bytes.len());
        bytes[at] = with;
        let read = Receipt::from_json(&bytes).map_err(Refusal::from);
        let credential = &SCENARIO.items["revoked"].bytes[..];
        let answer = read.and_then(|receipt| verify(&receipt, Some(credential), &SCENARIO.trust_later, &question(LAST)));
        if let Ok(verdict) = answer {
            prop_assert_eq!(verdict.overall, kvitto_verifier::Overall::NotInOrder);
        }
    }

    #[test]
    fn a_changed_number_never_gives_another_verdict(which: prop::sample::Index, number in any::<u64>()) {
        let mut pointers = Vec::new();
        numbers(&RECEIPT, "", &mut pointers);
        let mut changed = RECEIPT.clone();
        *changed.pointer_mut(&pointers[which.index(pointers.len())]).unwrap() = number.into();
        assert_same_or_refused(&changed, &pointers[which.index(pointers.len())]);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = Receipt::from_json(&bytes);
        let _ = TrustFile::from_json(&bytes);
        let _ = Evidence::from_json(&bytes);
    }

    #[test]
    fn a_file_with_arbitrary_members_never_panics(which: prop::sample::Index, with in json()) {
        let mut pointers = Vec::new();
        all(&RECEIPT, "", &mut pointers);
        let mut changed = RECEIPT.clone();
        *changed.pointer_mut(&pointers[which.index(pointers.len())]).unwrap() = with;
        let _ = answer(&changed);
    }

    #[test]
    fn an_arbitrary_leaf_never_panics(which in 0..3_usize, leaf in prop::collection::vec(any::<u8>(), 0..256)) {
        let mut receipt = SCENARIO.receipt("revoked", LAST, Some(5));
        match which {
            0 => receipt.block.leaf = leaf,
            1 => receipt.anchored.leaf = leaf,
            _ => receipt.chain[1].accreditation.leaf = leaf,
        }
        prop_assert!(verify(&receipt, None, &SCENARIO.trust, &question(LAST)).is_err());
    }
}

fn numbers(value: &Value, pointer: &str, found: &mut Vec<String>) {
    let mut every = Vec::new();
    all(value, pointer, &mut every);
    found.extend(every.into_iter().filter(|pointer| value.pointer(pointer).is_some_and(Value::is_number)));
}

fn all(value: &Value, pointer: &str, found: &mut Vec<String>) {
    found.push(pointer.to_owned());
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| all(item, &format!("{pointer}/{i}"), found))
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, item)| all(item, &format!("{pointer}/{name}"), found));
        }
        _ => {}
    }
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..80).prop_map(|bytes| Value::from(STANDARD.encode(bytes))),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{1,8}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
