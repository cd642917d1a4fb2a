//! What people keep and pass on: receipts, trust files, evidence, notes, identifiers, credentials.

use std::collections::BTreeSet;
use std::fmt::{Debug, Display};
use std::fs;
use std::str::FromStr;
use std::sync::LazyLock;

use kvitto_ledger::commitment::{DigestAlgorithm, DigestTarget};
use kvitto_ledger::credential::{Credential, ReadOptions};
use kvitto_ledger::{Commitment, Did, KeyBytes, KeyId, LedgerId, Signature};
use kvitto_merkle::log::{ConsistencyProof, InclusionProof, verify_consistency, verify_inclusion};
use kvitto_merkle::note::{Cosignature, KeyName, Note, NoteSignature, VerifierKey};
use kvitto_merkle::tile::{TilePath, decode_bundle, encode_bundle};
use kvitto_merkle::{Checkpoint, Hash, Policy, TlogProof};
use kvitto_verifier::{Evidence, Question, Receipt, TrustFile, verify};
use serde_json::Value;

use super::{assert_same, root};

/// The trust file of the published receipts, the anchors that those who sign for it have ever put into their log, and who of them
/// have ever contradicted themselves.
struct Known {
    trust: TrustFile,
    credential: Vec<u8>,
    anchors: BTreeSet<Vec<u8>>,
    guilty: BTreeSet<String>,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let folder = root().join("crates/verifier/vectors");
    let read = |name: &str| fs::read(folder.join(name)).expect("a vector");
    let cases = |part: &str| {
        let entries = fs::read_dir(folder.join(part)).expect("vectors");
        let read =
            |path| -> Value { serde_json::from_slice(&fs::read(path).expect("vector")).expect("JSON") };
        entries.map(move |entry| read(entry.expect("vector").path()))
    };
    let anchors = cases("accepted").map(|case| {
        let receipt = Receipt::from_json(case["receipt"].to_string().as_bytes()).expect("a receipt");
        receipt.anchored.leaf
    });
    let trust = TrustFile::from_json(&read("trust-later.json")).expect("a trust file");
    let guilty = cases("evidence/accepted").flat_map(|case| {
        let evidence = Evidence::from_json(case["evidence"].to_string().as_bytes()).expect("evidence");
        // Some of it is about another ledger.
        evidence.check(&trust).map(|misconduct| misconduct.members).unwrap_or_default()
    });
    let (anchors, guilty) = (anchors.collect(), guilty.collect());
    Known { trust, credential: read("credentials/clear.json"), anchors, guilty }
});

/// A receipt. Whatever is accepted was anchored; what is read is written so that it is read as the same.
pub fn receipt(bytes: &[u8]) {
    let Ok(receipt) = Receipt::from_json(bytes) else { return };
    assert_eq!(Receipt::from_json(receipt.to_json().as_bytes()).as_ref(), Ok(&receipt));
    // 2100-01-01, and however old the checkpoint is.
    let question = Question {
        as_of_s: receipt.as_of.as_ref().map(|_| 1_767_400_000),
        ..Question::now(4_102_444_800, u64::MAX)
    };
    for credential in [None, Some(&KNOWN.credential[..])] {
        if verify(&receipt, credential, &KNOWN.trust, &question).is_ok() {
            assert!(KNOWN.anchors.contains(&receipt.anchored.leaf), "a receipt for what was never anchored");
        }
    }
}

/// A trust file, or evidence.
pub fn trust(bytes: &[u8]) {
    if let Ok(trust) = TrustFile::from_json(bytes) {
        let again = TrustFile::from_json(trust.to_json().as_bytes()).expect("it was taken before");
        assert_eq!((again.ledger_id(), again.epochs()), (trust.ledger_id(), trust.epochs()));
    }
    if let Ok(evidence) = Evidence::from_json(bytes) {
        assert_eq!(Evidence::from_json(evidence.to_json().as_bytes()).as_ref(), Ok(&evidence));
        let named = evidence.check(&KNOWN.trust).map(|misconduct| misconduct.members).unwrap_or_default();
        let innocent: Vec<_> = named.iter().filter(|member| !KNOWN.guilty.contains(*member)).collect();
        assert!(innocent.is_empty(), "these have never contradicted themselves: {innocent:?}");
    }
}

/// Text with one spelling.
fn one_spelling<T: FromStr + Display>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string(), text);
    }
}

/// Text with several spellings: what is written is read as the same.
fn read_again<T: FromStr<Err: Debug> + Display + Debug + PartialEq>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string().parse::<T>().expect("it was taken before"), value);
    }
}

/// Signed notes, checkpoints, proofs, policies, keys, tile paths and entry bundles.
pub fn note(bytes: &[u8]) {
    assert_same("note", bytes, Note::from_bytes(bytes).ok().map(|note| note.to_string().into_bytes()));
    if let Some(cosignature) = Cosignature::from_bytes(bytes) {
        assert_same("cosignature", bytes, Some(cosignature.to_bytes().to_vec()));
    }
    if let Ok(entries) = decode_bundle(bytes) {
        assert_same("bundle", bytes, encode_bundle(entries).ok());
    }
    proofs(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    one_spelling::<Checkpoint>(text);
    one_spelling::<TlogProof>(text);
    one_spelling::<NoteSignature>(text);
    one_spelling::<KeyName>(text);
    one_spelling::<VerifierKey>(text);
    one_spelling::<TilePath>(text);
    read_again::<Policy>(text);
}

/// Two numbers and hashes, as proofs about trees that nobody has: refused, and in time that the hashes bound.
fn proofs(bytes: &[u8]) {
    let Some((numbers, hashes)) = bytes.split_first_chunk::<16>() else { return };
    let (numbers, _) = numbers.as_chunks::<8>();
    let [first, second] = [numbers[0], numbers[1]].map(u64::from_be_bytes);
    let hashes: Vec<Hash> = hashes.as_chunks::<32>().0.iter().copied().map(Hash).collect();
    let (leaf, root) = (Hash([1; 32]), Hash([2; 32]));
    if let Ok(proof) = InclusionProof::try_from(hashes.clone()) {
        verify_inclusion(&leaf, first, second, &proof, &root).expect_err("SHA-256 is broken");
    }
    if let Ok(proof) = ConsistencyProof::try_from(hashes) {
        verify_consistency(first, &leaf, second, &root, &proof).expect_err("SHA-256 is broken");
    }
}

/// Identifiers, keys and digests as text.
pub fn identifier(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    one_spelling::<Did>(text);
    one_spelling::<KeyId>(text);
    one_spelling::<kvitto_merkle::note::KeyId>(text);
    read_again::<KeyBytes>(text);
    read_again::<Signature>(text);
    read_again::<LedgerId>(text);
    read_again::<Commitment>(text);
    read_again::<Hash>(text);
}

/// A credential. What is committed to is found again: reading the canonical form gives the same digest, and white space around a
/// file changes nothing but the digest over the file.
pub fn credential(bytes: &[u8]) {
    let options = ReadOptions { bytes_max: 256 * 1024, ..ReadOptions::default() };
    let digest = |credential: &Credential, target| credential.digest(DigestAlgorithm::Sha256, target).ok();
    for unwrap in [None, Some("credential".to_owned())] {
        let _ = Credential::read(bytes, &ReadOptions { unwrap, opaque: true, ..options.clone() });
    }
    let Ok(credential) = Credential::read(bytes, &options) else { return };
    let spaced = [b" ", bytes, b"\n"].concat();
    if let Ok(spaced) = Credential::read(&spaced, &options) {
        for target in [DigestTarget::Jcs, DigestTarget::Payload] {
            assert_eq!(digest(&spaced, target), digest(&credential, target));
        }
        assert_eq!(spaced.facts(), credential.facts());
    }
    if let Ok(canonical) = credential.content(DigestTarget::Jcs) {
        let again = Credential::read(canonical, &options).expect("its canonical form is JSON, too");
        assert_eq!(digest(&again, DigestTarget::Jcs), digest(&credential, DigestTarget::Jcs));
        assert_eq!(again.content(DigestTarget::Jcs), Ok(canonical), "the canonical form is its own");
    }
}
