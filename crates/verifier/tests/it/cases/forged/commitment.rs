//! Records that anchor nothing, and openings that open something else (RULES 8.4).

use kvitto_ledger::{Record, RecordBody};
use kvitto_merkle::log::verify_inclusion;
use kvitto_merkle::{TlogProof, leaf_hash, sha256};

use super::Forger;
use crate::cases::Case;
use crate::scenario::{COMPROMISED, LAST, Scenario, lines};

pub(super) fn anchored(s: &Scenario) -> Vec<Case> {
    let mut f = Forger::new(s, "clear", "8.4");
    let size = s.history.size(LAST);
    let nodes = s.history.nodes();
    let note = || s.history.note(LAST, &lines(LAST));
    let at = |index: u64| TlogProof {
        extra: Vec::new(),
        index,
        proof: nodes.path(index, size),
        checkpoint: note(),
    };
    let first = |is: fn(&RecordBody) -> bool| s.history.find(size, is).expect("recorded");
    f.change("altered-leaf", "the issuer in the Anchored record", "LEAF_NOT_INCLUDED", |receipt| {
        let mut record = Record::decode(&receipt.anchored.leaf).expect("a record");
        if let RecordBody::Anchored(anchored) = &mut record.body {
            anchored.issuer = COMPROMISED.did();
        }
        receipt.anchored.leaf = record.encode();
    });
    f.change("other-index", "the index of another leaf", "LEAF_NOT_INCLUDED", |receipt| {
        receipt.anchored.tlog_proof.index ^= 1;
    });
    f.change("index-past-the-end", "an index outside the tree", "LEAF_NOT_INCLUDED", |receipt| {
        receipt.anchored.tlog_proof.index = size;
    });
    f.change(
        "index-above-2-53",
        "an index of 2^53 + 1, which a double cannot hold, though it can be read",
        "LEAF_NOT_INCLUDED",
        |receipt| receipt.anchored.tlog_proof.index = (1 << 53) + 1,
    );
    f.change(
        "leaf-index-above-2-53",
        "the same for a leaf whose index is a JSON number",
        "LEAF_NOT_INCLUDED",
        |receipt| receipt.chain[0].accreditation.index += 1 << 53,
    );
    f.change("short-path", "a path without its last hash", "LEAF_NOT_INCLUDED", |receipt| {
        let mut hashes = receipt.anchored.tlog_proof.proof.hashes().to_vec();
        hashes.pop();
        receipt.anchored.tlog_proof.proof = hashes.try_into().expect("short");
    });
    f.change("long-path", "a path with one hash more", "LEAF_NOT_INCLUDED", |receipt| {
        let mut hashes = receipt.anchored.tlog_proof.proof.hashes().to_vec();
        hashes.push(sha256(&[]));
        receipt.anchored.tlog_proof.proof = hashes.try_into().expect("short");
    });
    f.change("only-reserved", "a Reservation for the Anchored record", "NOTHING_ANCHORED", |receipt| {
        let index = first(|body| matches!(body, RecordBody::Reservation(_)));
        receipt.anchored.leaf = s.history.leaves[index as usize].clone();
        receipt.anchored.tlog_proof = at(index);
    });
    f.change(
        "status-for-anchored",
        "a Status record for the Anchored record",
        "LEAF_OF_OTHER_TYPE",
        |receipt| {
            let index = first(|body| matches!(body, RecordBody::Status(_)));
            receipt.anchored.leaf = s.history.leaves[index as usize].clone();
            receipt.anchored.tlog_proof = at(index);
        },
    );
    let (index, _) = s.history.anchored(s.items["clear"].commitment);
    let mut history = s.history.clone();
    history.leaves[index as usize].push(0);
    let mut receipt = f.honest();
    receipt.anchored.leaf = history.leaves[index as usize].clone();
    receipt.anchored.tlog_proof.proof = history.nodes().path(index, size);
    receipt.anchored.tlog_proof.checkpoint = history.note(LAST, &lines(LAST));
    receipt.block.path = history.nodes().path(size - 1, size);
    let path = &receipt.anchored.tlog_proof.proof;
    let root = history.nodes().root(size);
    assert!(verify_inclusion(&leaf_hash(&receipt.anchored.leaf), index, size, path, &root).is_ok());
    f.add("trailing-byte", "a byte after the Anchored record, in the tree", "LEAF_MALFORMED", &receipt);
    f.cases
}

pub(super) fn openings(s: &Scenario) -> Vec<Case> {
    let mut f = Forger::new(s, "clear", "8.4");
    f.change(
        "other-target",
        "the opening names another digest target",
        "OPENING_CONTRADICTS_RECORD",
        |receipt| {
            receipt.opening.as_mut().expect("opened").target = kvitto_ledger::commitment::DigestTarget::Bytes;
        },
    );
    f.change(
        "other-algorithm",
        "the opening names another algorithm",
        "OPENING_CONTRADICTS_RECORD",
        |receipt| {
            receipt.opening.as_mut().expect("opened").algorithm =
                kvitto_ledger::commitment::DigestAlgorithm::Sha3_256;
        },
    );
    f.change(
        "without-salt",
        "the opening of a salted commitment without its salt",
        "OPENING_CONTRADICTS_RECORD",
        |receipt| {
            receipt.opening.as_mut().expect("opened").salt = None;
        },
    );
    f.change("other-salt", "another credential's salt", "COMMITMENT_DIFFERS", |receipt| {
        receipt.opening = Some(s.items["revoked"].opening.clone());
    });
    f.change("other-credential", "shown with another credential", "COMMITMENT_DIFFERS", |_| ()).credential =
        Some("revoked");
    f.change(
        "unreadable-credential",
        "shown with a file that is no credential",
        "CREDENTIAL_UNREADABLE",
        |_| (),
    )
    .credential = Some("plain-file");
    f.change(
        "no-such-target",
        "shown with a sealed credential that has no canonical form",
        "CREDENTIAL_UNREADABLE",
        |_| (),
    )
    .credential = Some("sealed");
    f.cases
}
