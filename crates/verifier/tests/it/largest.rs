//! The largest receipts that a ledger can give rise to are within the limit of the file.

use kvitto_ledger::commitment::{DigestAlgorithm, DigestTarget, Opening, SaltKey};
use kvitto_ledger::document::VerificationMethod;
use kvitto_ledger::document::{KeyType, METHODS_MAX, Relationships, SERVICES_MAX, Service, URL_BYTES_MAX};
use kvitto_ledger::record::LEAF_BYTES_MAX;
use kvitto_ledger::scope::{Role, Scope, TYPE_ID_BYTES_MAX};
use kvitto_ledger::statement::Body;
use kvitto_ledger::statement::body::{
    LEGAL_NAME_BYTES_MAX, LegalIdentifier, PutIdentifier, SetStatus, StatusCode,
};
use kvitto_ledger::statement::body::{Reason, StatusItem, StatusTarget};
use kvitto_merkle::Hash;
use kvitto_merkle::log::PROOF_HASHES_MAX;
use kvitto_merkle::note::NOTE_BYTES_MAX;
use kvitto_merkle::status::StatusValue;
use kvitto_verifier::receipt::{LeafProof, RECEIPT_BYTES_MAX, Receipt, ReceiptOpening, StatusProof};
use kvitto_verifier::{Overall, Question, TrustFile, verify};

use crate::history::{History, Signers};
use crate::ledger::{Ledger, Org, ROOT, genesis};
use crate::scenario::{accredit, anchor_commitments, minute_s, onboard};

/// Six accreditors and an issuer below the root.
const CHAIN: [Org; 7] = [Org(0xc1), Org(0xc2), Org(0xc3), Org(0xc4), Org(0xc5), Org(0xc6), Org(0xc7)];
/// So many of the longest type ids are just below the 48 KiB of an accreditation.
const TYPES: usize = 187;

fn types() -> Vec<String> {
    (0..TYPES).map(|n| format!("{n:0>width$}", width = TYPE_ID_BYTES_MAX)).collect()
}

/// A DID document of almost 48 KiB.
fn document(org: Org) -> Body {
    let other = |n: u8| VerificationMethod {
        key_type: KeyType::P256,
        key: serde_bytes::ByteBuf::from([n; 64]),
        relationships: Relationships::ASSERTION_METHOD,
    };
    let service = |n: usize| Service {
        id: format!("{n:0>128}"),
        service_type: "x".repeat(128),
        url: format!("https://a.example/{}", "x".repeat(URL_BYTES_MAX - "https://a.example/".len())),
    };
    let ledger_key = VerificationMethod::ledger_key(org.key().public().bytes());
    let others = (1..METHODS_MAX).map(|n| other(u8::try_from(n).expect("few")));
    Body::PutIdentifier(PutIdentifier {
        methods: std::iter::once(ledger_key).chain(others).collect(),
        services: (0..SERVICES_MAX).map(service).collect(),
    })
}

/// The longest chain of the largest records, anchored under and suspended.
fn largest() -> (TrustFile, Receipt) {
    let types = types();
    let types: Vec<&str> = types.iter().map(String::as_str).collect();
    let mut genesis = genesis();
    genesis.config.roots[0].scope = Scope {
        types: types.iter().map(|text| (*text).to_owned()).collect(),
        ..genesis.config.roots[0].scope.clone()
    };
    let trust = TrustFile::from_genesis(genesis.clone()).expect("a good genesis");
    let mut ledger = Ledger::of(genesis);
    let id = trust.ledger_id();
    let (mut by, mut minute) = (ROOT, 0);
    for (index, org) in CHAIN.into_iter().enumerate() {
        minute += 1;
        let name = "å".repeat(LEGAL_NAME_BYTES_MAX / 2);
        let number = LegalIdentifier { scheme: "x".repeat(128), value: "x".repeat(128) };
        let role = if index + 1 == CHAIN.len() { Role::Ti } else { Role::Tao };
        ledger.block(
            minute,
            vec![onboard(&id, by, org, &name, number, "SE"), accredit(by, org, 0, role, &types, 1)],
        );
        by = org;
    }
    ledger.block(minute + 1, CHAIN.map(|org| (org, document(org))).to_vec());
    let (algorithm, target) = (DigestAlgorithm::Sha256, DigestTarget::Jcs);
    let opening = SaltKey::new([1; 32]).opening_for(algorithm, target, Hash([2; 32]));
    let Opening { salt, .. } = opening.clone();
    let opened = ReceiptOpening { algorithm, target, salt };
    let commitment = opening.commitment();
    ledger.block(minute + 2, vec![anchor_commitments(by, 0, types[0], vec![commitment], &opened, None)]);
    let item = StatusItem {
        target: StatusTarget::Commitment(commitment),
        status: StatusCode(StatusValue::Suspended),
        successor: None,
    };
    let suspend = SetStatus { issuer: by.did(), items: vec![item], reason: Reason::Unspecified };
    ledger.block(minute + 3, vec![(by, Body::SetStatus(suspend))]);
    let history = History::of(&ledger);
    let signers =
        Signers { logs: vec![0], cosigners: (0..4).map(|member| (member, minute_s(minute + 3))).collect() };
    let last = history.blocks.len() - 1;
    (trust, history.receipt(commitment, Some(opened), last, Some(last - 1), &signers))
}

#[test]
fn the_longest_chain_of_the_largest_records_has_a_receipt() {
    let (trust, receipt) = largest();
    let text = receipt.to_json();
    assert!(text.len() > 800_000, "{}", text.len());
    let read = Receipt::from_json(text.as_bytes()).expect("within the limit");
    let question = Question { as_of_s: Some(minute_s(9)), ..Question::now(minute_s(10), 600) };
    let verdict = verify(&read, None, &trust, &question).expect("true");
    assert_eq!(verdict.overall, Overall::CannotTell, "no credential, and nothing else: {verdict}");
    assert_eq!(verdict.accredited.links.len(), 8);
    assert!(verdict.accredited.then && verdict.accredited.now);
}

/// Whatever the ledger's own limits become: leaves, paths and notes as long as the formats have them.
#[test]
fn the_longest_leaves_paths_and_notes_fit_into_a_receipt() {
    let (_, mut receipt) = largest();
    let hashes = || vec![Hash([0xff; 32]); PROOF_HASHES_MAX];
    let lengthen = |proof: &mut LeafProof| {
        proof.index = u64::MAX;
        proof.path = hashes().try_into().expect("63 hashes");
    };
    let longest = |proof: &mut LeafProof| {
        lengthen(proof);
        proof.leaf = vec![0xff; LEAF_BYTES_MAX];
    };
    let statuses = |status: &mut StatusProof| {
        let mut chunk = status.chunks[0].clone();
        (chunk.index, chunk.path) = (u64::MAX, hashes().try_into().expect("63 hashes"));
        status.chunks = vec![chunk; 9];
        status.record.iter_mut().for_each(lengthen);
    };
    for link in &mut receipt.chain {
        longest(&mut link.accreditation);
        // No withdrawal is longer than a suspension's record.
        link.withdrawal = receipt.status.record.clone();
        link.withdrawal.iter_mut().for_each(lengthen);
    }
    receipt.identifiers.iter_mut().for_each(longest);
    statuses(&mut receipt.status);
    let as_of = receipt.as_of.as_mut().expect("as of");
    statuses(&mut as_of.status);
    [&mut as_of.block, &mut as_of.next_block].into_iter().for_each(lengthen);
    receipt.block.path = hashes().try_into().expect("63 hashes");
    receipt.consistency =
        Some(kvitto_verifier::receipt::Consistency { path: hashes().try_into().expect("63 hashes") });
    let proof = &mut receipt.anchored.tlog_proof;
    (proof.index, proof.proof) = (u64::MAX, hashes().try_into().expect("63 hashes"));
    proof.checkpoint = longest_note(proof.checkpoint.text());
    let text = receipt.to_json();
    assert!(text.len() <= RECEIPT_BYTES_MAX, "{}", text.len());
    assert_eq!(Receipt::from_json(text.as_bytes()), Ok(receipt));
}

fn longest_note(text: &str) -> kvitto_merkle::Note {
    let head = format!("{text}\n— a ");
    let base64 = (NOTE_BYTES_MAX - head.len() - 1) / 4 * 4;
    format!("{head}{}\n", "A".repeat(base64)).parse().expect("a note")
}
