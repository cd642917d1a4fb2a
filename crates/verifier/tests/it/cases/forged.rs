//! Receipts that must not verify: one change each, with the reason for which it is refused.
//!
//! Where the change is behind a signature, the forger is a quorum of members: such a case shows that a verifier checks the rule
//! itself and does not take the members' word for it.

use kvitto_ledger::scope::{ANY, Role};
use kvitto_ledger::{Record, RecordBody, TimeMs};
use kvitto_merkle::log::verify_inclusion;
use kvitto_merkle::note::NoteSignature;
use kvitto_merkle::status::{Chunk, StatusValue};
use kvitto_merkle::{Note, TlogProof, leaf_hash, sha256};
use kvitto_verifier::Question;
use kvitto_verifier::receipt::{Consistency, LeafProof, Receipt};

use super::{Case, Expected, Trust};
use crate::history::{History, Signers, cosignature, sign};
use crate::ledger::{GENESIS_MS, ORIGIN, Org, ROOT, YEAR_MS, member_name};
use crate::scenario::{
    COMPROMISED, LAST, NEXT_EPOCH, PAUSED, SCHOOL, Scenario, TAO, block_s, lines, minute_s, question, signers,
};

/// Builds the cases of one base receipt.
struct Forger<'a> {
    s: &'a Scenario,
    base: &'static str,
    rule: &'static str,
    cases: Vec<Case>,
}

impl<'a> Forger<'a> {
    fn new(s: &'a Scenario, base: &'static str, rule: &'static str) -> Self {
        Self { s, base, rule, cases: Vec::new() }
    }

    fn honest(&self) -> Receipt {
        self.s.receipt(self.base, LAST, None)
    }

    /// The item's receipt in a history that a quorum of forgers signed.
    fn forged(&self, change: impl FnOnce(&mut History)) -> Receipt {
        let mut history = self.s.history.clone();
        change(&mut history);
        self.s.receipt_in(&history, self.base, LAST, None)
    }

    fn text(
        &mut self,
        name: &'static str,
        about: &'static str,
        reason: &'static str,
        receipt: String,
    ) -> &mut Case {
        self.cases.push(Case {
            name,
            rule: self.rule,
            about,
            receipt,
            credential: Some(self.base),
            trust: Trust::First,
            question: question(LAST),
            expected: Expected::Refusal { base: self.base, reason },
        });
        self.cases.last_mut().expect("just added")
    }

    fn add(
        &mut self,
        name: &'static str,
        about: &'static str,
        reason: &'static str,
        receipt: &Receipt,
    ) -> &mut Case {
        self.text(name, about, reason, receipt.to_json())
    }

    /// One change of the honest receipt.
    fn change(
        &mut self,
        name: &'static str,
        about: &'static str,
        reason: &'static str,
        change: impl FnOnce(&mut Receipt),
    ) -> &mut Case {
        let mut receipt = self.honest();
        change(&mut receipt);
        self.add(name, about, reason, &receipt)
    }

    /// One change of the ledger, signed by the members.
    fn forge(
        &mut self,
        name: &'static str,
        about: &'static str,
        reason: &'static str,
        change: impl FnOnce(&mut History),
    ) -> &mut Case {
        let receipt = self.forged(change);
        self.add(name, about, reason, &receipt)
    }
}

pub(crate) fn cases(s: &Scenario) -> Vec<Case> {
    [
        files(s),
        checkpoints(s),
        epochs(s),
        cosignatures(s),
        blocks(s),
        chunks(s),
        statuses(s),
        as_of(s),
        anchored(s),
        openings(s),
        chains(s),
        links(s),
        withdrawals(s),
        identifiers(s),
    ]
    .into_iter()
    .flatten()
    .collect()
}

pub(crate) fn consistency(s: &Scenario, block: usize, later: usize) -> Consistency {
    Consistency { path: s.history.nodes().consistency(s.history.size(block), s.history.size(later)) }
}

fn files(s: &Scenario) -> Vec<Case> {
    let mut f = Forger::new(s, "clear", "4.7");
    let text = f.honest().to_json();
    let mut malformed = |name, about, receipt: String| {
        assert_ne!(receipt, text, "{name}");
        f.text(name, about, "RECEIPT_MALFORMED", receipt);
    };
    let salt =
        text.split("\"salt\": \"").nth(1).and_then(|rest| rest.split('"').next()).expect("a salt").to_owned();
    malformed("cut-off", "the file ends early", text[..text.len() / 2].to_owned());
    malformed("other-version", "a later version of the format", text.replace("receipt/v1", "receipt/v2"));
    malformed(
        "unknown-member",
        "a member that the format does not have",
        text.replacen('{', "{\n  \"note\": \"\",", 1),
    );
    malformed("doubled-member", "a member is there twice", text.replacen('{', "{\n  \"chain\": [],", 1));
    malformed("array-for-object", "an object written as an array of its values", {
        let start = text.find("\"opening\": {").expect("an opening");
        let end = start + text[start..].find('}').expect("its end");
        let array = format!("\"opening\": [\"sha2-256\", \"jcs\", \"{salt}\"]");
        format!("{}{array}{}", &text[..start], &text[end + 1..])
    });
    malformed(
        "null-for-absent",
        "null where a member is absent",
        text.replacen('{', "{\n  \"as_of\": null,", 1),
    );
    malformed("short-salt", "a salt of 30 bytes", text.replace(&salt, &salt[..40]));
    malformed(
        "salt-without-padding",
        "base64 without its padding",
        text.replace(&salt, salt.trim_end_matches('=')),
    );
    malformed(
        "number-as-text",
        "an index written as a text",
        text.replacen("\"index\": 1,", "\"index\": \"1\",", 1),
    );
    malformed("negative-index", "an index below zero", text.replacen("\"index\": 1,", "\"index\": -1,", 1));
    malformed("trailing-text", "something follows the object", format!("{text}{{}}"));
    malformed(
        "index-with-zero",
        "the tlog-proof writes its index with a leading zero",
        text.replace("\\nindex ", "\\nindex 0"),
    );
    f.cases
}

fn checkpoints(s: &Scenario) -> Vec<Case> {
    let mut f = Forger::new(s, "clear", "8.1");
    let text = s.history.checkpoint(LAST).to_string();
    let (size, root) = (s.history.size(LAST), s.history.checkpoint(LAST).root);
    f.change("extension-line", "the checkpoint has a fourth line", "CHECKPOINT_MALFORMED", |receipt| {
        receipt.anchored.tlog_proof.checkpoint = sign(&format!("{text}extension\n"), &lines(LAST));
    });
    f.change("extra-bytes", "the tlog-proof carries bytes that nobody signed", "PROOF_EXTRA", |receipt| {
        receipt.anchored.tlog_proof.extra = b"trust me".to_vec();
    });
    f.change("other-origin", "the members signed for another ledger", "OTHER_LEDGER", |receipt| {
        receipt.anchored.tlog_proof.checkpoint =
            sign(&text.replace(ORIGIN, "kvitto.example/other"), &lines(LAST));
    });
    f.change("one-leaf", "a tree of one leaf", "TREE_TOO_SMALL", |receipt| {
        let one = text.replace(&format!("\n{size}\n"), "\n1\n");
        receipt.anchored.tlog_proof.checkpoint = sign(&one, &lines(LAST));
    });
    f.change("last-leaf-not-block", "another record for the last leaf", "LAST_LEAF_NOT_BLOCK", |receipt| {
        receipt.block.leaf = receipt.chain[0].accreditation.leaf.clone();
    });
    f.change(
        "last-leaf-not-canonical",
        "the Block record with a longer array head",
        "LAST_LEAF_NOT_BLOCK",
        |receipt| {
            let head = receipt.block.leaf[0];
            receipt.block.leaf.splice(0..1, [0x98, head & 0x1f]);
        },
    );
    assert_eq!(root, s.history.checkpoint(LAST).root);
    f.cases
}

fn epochs(s: &Scenario) -> Vec<Case> {
    let mut f = Forger::new(s, "clear", "8.1");
    let receipt = s.receipt("clear", NEXT_EPOCH, None);
    f.add(
        "newer-members",
        "the trust file does not know the members' change",
        "TRUST_FILE_OUT_OF_DATE",
        &receipt,
    )
    .question = question(NEXT_EPOCH);
    let mut later = |name, about, reason, receipt: &Receipt| {
        let case = f.add(name, about, reason, receipt);
        case.trust = Trust::Later;
        case.question = question(7);
    };
    let mut receipt = s.receipt("clear", 7, None);
    later("retired-keys", "under a closed epoch, without a proof", "SIGNED_BY_RETIRED_KEYS", &receipt);
    receipt.consistency = Some(consistency(s, 6, LAST));
    later("retired-keys-other-proof", "the proof of another checkpoint", "SIGNED_BY_RETIRED_KEYS", &receipt);
    let mut history = s.history.clone();
    history.edit(history.blocks[4].leaf, |record| record.time = TimeMs(record.time.0 + 1));
    let mut receipt = s.receipt_in(&history, "clear", 7, None);
    receipt.consistency =
        Some(Consistency { path: history.nodes().consistency(history.size(7), history.size(LAST)) });
    later("retired-keys-rewrite", "retired members sign another past", "SIGNED_BY_RETIRED_KEYS", &receipt);
    let mut history = s.history.clone();
    let config_hash = s.trust_later.epochs()[1].config_hash();
    history.edit_block(7, |record| record.config_hash = config_hash);
    let receipt = history.receipt(
        s.items["clear"].commitment,
        Some(s.items["clear"].opening.clone()),
        7,
        None,
        &lines(NEXT_EPOCH),
    );
    later(
        "new-members-old-size",
        "today's members sign a tree of an earlier epoch",
        "TRUST_FILE_OUT_OF_DATE",
        &receipt,
    );
    f.cases
}

fn cosignatures(s: &Scenario) -> Vec<Case> {
    let mut f = Forger::new(s, "clear", "8.2");
    let text = s.history.checkpoint(LAST).to_string();
    let note = |logs: &[u8], cosigners: &[u8]| {
        sign(&text, &Signers { logs: logs.to_vec(), cosigners: signers(LAST, cosigners) })
    };
    let mut with_note = |name, about, reason, note: Note| {
        f.change(name, about, reason, |receipt| receipt.anchored.tlog_proof.checkpoint = note);
    };
    with_note("two-of-four", "two members are no quorum of four", "NO_QUORUM", note(&[0], &[0, 1]));
    with_note(
        "log-lines-only",
        "log lines of all members are no cosignatures",
        "NO_QUORUM",
        note(&[0, 1, 2, 3], &[]),
    );
    with_note("outsiders", "strangers do not count", "NO_QUORUM", note(&[0], &[0, 1, 4, 5]));
    let mut doubled = note(&[0], &[0, 1]);
    doubled.push(cosignature(&text, 1, &member_name(1), block_s(LAST) + 20)).expect("room");
    with_note("one-member-twice", "two lines of one member count once", "NO_QUORUM", doubled);
    let mut renamed = note(&[0], &[0, 1]);
    renamed.push(cosignature(&text, 1, &member_name(2), block_s(LAST) + 20)).expect("room");
    with_note("under-another-name", "a member signs under another member's name", "NO_QUORUM", renamed);
    let mut bad = note(&[0], &[0, 1, 2]);
    let other = s.history.checkpoint(7).to_string();
    bad.push(cosignature(&other, 3, &member_name(3), block_s(LAST) + 13)).expect("room");
    with_note("one-bad-line", "one member's line is from another checkpoint", "BAD_COSIGNATURE", bad);
    let moved = note(&[0], &[0, 1, 2, 3]).to_string().replacen(&text, &other, 1).parse().expect("a note");
    with_note("moved-signatures", "the signatures of another checkpoint", "BAD_COSIGNATURE", moved);
    let early = note(&[0], &[0, 1, 2, 3]);
    let mut shifted = Note::unsigned(text.clone()).expect("a text");
    for line in early.signatures() {
        shifted.push(later_timestamp(line)).expect("room");
    }
    with_note(
        "younger-than-signed",
        "the times of cosignatures were set forward",
        "BAD_COSIGNATURE",
        shifted,
    );
    f.change("from-the-future", "cosigned more than 60 s after the given time", "FROM_THE_FUTURE", |_| ())
        .question = Question::now(block_s(LAST) - 49, 86_400);
    f.cases
}

/// The line with one second more on its clock, the signature left as it was.
fn later_timestamp(line: &NoteSignature) -> NoteSignature {
    let text = line.to_string();
    let (head, base64) = text.rsplit_once(' ').expect("two spaces");
    use base64::{Engine, engine::general_purpose::STANDARD};
    let mut bytes = STANDARD.decode(base64).expect("base64");
    if bytes.len() == 4 + 72 {
        bytes[11] += 1;
    }
    format!("{head} {}", STANDARD.encode(bytes)).parse().expect("a line")
}

fn blocks(s: &Scenario) -> Vec<Case> {
    let mut f = Forger::new(s, "revoked", "8.3");
    let older = s.history.leaves[s.history.blocks[4].leaf as usize].clone();
    let (older_index, size) = (s.history.blocks[4].leaf, s.history.size(LAST));
    f.change(
        "older-block",
        "the Block record of a time before the revocation",
        "LEAF_NOT_INCLUDED",
        |receipt| {
            receipt.block.leaf = older.clone();
            receipt.block.path = s.history.nodes().path(older_index, size);
            receipt.status.chunks = vec![s.history.chunk(4, 0), s.history.chunk(4, 1)];
            receipt.status.record = None;
        },
    );
    f.change(
        "other-positions",
        "another number of positions in the Block record",
        "LEAF_NOT_INCLUDED",
        |receipt| {
            let mut record = Record::decode(&receipt.block.leaf).expect("a record");
            if let RecordBody::Block(block) = &mut record.body {
                block.positions += 1;
            }
            receipt.block.leaf = record.encode();
        },
    );
    f.forge("block-misplaced", "the block says that it begins after its end", "BLOCK_MISPLACED", |history| {
        history.edit_block(LAST, |block| block.first_leaf.0 = size);
    });
    f.cases
}

fn chunks(s: &Scenario) -> Vec<Case> {
    let mut f = Forger::new(s, "revoked", "8.4");
    f.change("hidden-revocation", "the revoked bit set to zero", "CHUNK_NOT_INCLUDED", |receipt| {
        receipt.status.chunks[1].bytes = vec![0; 256];
        receipt.status.record = None;
    });
    f.change("stale-chunk", "the chunk of an earlier block with its path", "CHUNK_NOT_INCLUDED", |receipt| {
        receipt.status.chunks = vec![s.history.chunk(4, 0), s.history.chunk(4, 1)];
        receipt.status.record = None;
    });
    f.change("short-chunk", "a chunk of 255 bytes", "CHUNK_LENGTH", |receipt| {
        receipt.status.chunks[1].bytes.pop();
    });
    f.change("long-chunk", "a chunk of 257 bytes", "CHUNK_LENGTH", |receipt| {
        receipt.status.chunks[1].bytes.push(0)
    });
    f.change("missing-chunk", "the credential's chunk left out", "CHUNK_MISSING", |receipt| {
        receipt.status.chunks.pop();
    });
    f.change("missing-link-chunk", "the accreditations' chunk left out", "CHUNK_MISSING", |receipt| {
        receipt.status.chunks.remove(0);
    });
    f.change("doubled-chunk", "a chunk is there twice", "CHUNK_UNEXPECTED", |receipt| {
        receipt.status.chunks.push(receipt.status.chunks[1].clone());
    });
    f.change("unsorted-chunks", "chunks in descending order", "CHUNK_UNEXPECTED", |receipt| {
        receipt.status.chunks.reverse();
    });
    f.change("needless-chunk", "a chunk that no position needs", "CHUNK_UNEXPECTED", |receipt| {
        let mut needless = receipt.status.chunks[1].clone();
        needless.index = 2;
        receipt.status.chunks.push(needless);
    });
    f.change("swapped-chunks", "the chunks under each other's index", "CHUNK_NOT_INCLUDED", |receipt| {
        receipt.status.chunks.reverse();
        receipt.status.chunks[0].index = 0;
        receipt.status.chunks[1].index = 1;
        // A chunk without a value, so that only its place is wrong.
        receipt.status.chunks[1].bytes = vec![0; 256];
    });
    f.change("chunk-path", "a chunk's path with a changed hash", "CHUNK_NOT_INCLUDED", |receipt| {
        receipt.status.chunks[1].path = receipt.status.chunks[0].path.clone();
    });
    f.cases
}

fn statuses(s: &Scenario) -> Vec<Case> {
    let mut f = Forger::new(s, "revoked", "8.3");
    f.forge(
        "past-the-end",
        "the last chunk has values past the last position",
        "CHUNK_PAST_END",
        |history| {
            history.edit_statuses(LAST, |end| end.chunks[1].set(2047, StatusValue::Revoked));
        },
    );
    f.forge(
        "untagged-chunks",
        "the status tree hashes chunks without the tag",
        "CHUNK_NOT_INCLUDED",
        |history| {
            history.edit_statuses(LAST, |end| end.hash = |chunk: &Chunk| leaf_hash(chunk.as_bytes()));
        },
    );
    f.forge(
        "position-not-counted",
        "the block counts fewer positions than the credential's",
        "POSITION_OUT_OF_RANGE",
        |history| {
            history.edit_block(LAST, |block| block.positions = 1025);
        },
    );
    f.rule = "8.4";
    let size = s.history.size(LAST);
    let status_of = |name: &str| {
        let position = s.history.anchored(s.items[name].commitment).1.position;
        let is =
            |body: &RecordBody| matches!(body, RecordBody::Status(record) if record.position == position);
        s.history.leaf_proof(s.history.find(size, is).expect("recorded"), size)
    };
    f.change(
        "other-status-record",
        "the Status record of another credential",
        "STATUS_RECORD_CONTRADICTS",
        |receipt| {
            receipt.status.record = Some(status_of("suspended"));
        },
    );
    f.change("status-record-type", "another record for the Status record", "LEAF_OF_OTHER_TYPE", |receipt| {
        receipt.status.record = Some(receipt.identifiers[0].clone());
    });
    f.base = "reinstated";
    f.change(
        "older-status-record",
        "the record of the suspension after the reinstatement",
        "STATUS_RECORD_CONTRADICTS",
        |receipt| {
            let position = s.history.anchored(s.items["reinstated"].commitment).1.position;
            let is =
                |body: &RecordBody| matches!(body, RecordBody::Status(record) if record.position == position);
            let suspension = s.history.find(s.history.size(6), is).expect("recorded");
            receipt.status.record = Some(s.history.leaf_proof(suspension, size));
        },
    )
    .credential = Some("reinstated");
    f.cases
}

fn as_of(s: &Scenario) -> Vec<Case> {
    let mut f = Forger::new(s, "revoked", "8.7");
    let asked = |minute| Question { as_of_s: Some(minute_s(minute)), ..question(LAST) };
    let size = s.history.size(LAST);
    let honest = || s.receipt("revoked", LAST, Some(4));
    let block = |index: usize| s.history.leaf_proof(s.history.blocks[index].leaf, size);
    let mut add = |name, about, reason, question, change: &dyn Fn(&mut Receipt)| {
        let mut receipt = honest();
        change(&mut receipt);
        f.add(name, about, reason, &receipt).question = question;
    };
    let as_of = |receipt: &mut Receipt, change: &dyn Fn(&mut kvitto_verifier::receipt::AsOf)| {
        change(receipt.as_of.as_mut().expect("as of"));
    };
    add(
        "skipped-block",
        "the block with the revocation is passed over",
        "BLOCKS_NOT_CONSECUTIVE",
        asked(25),
        &|receipt| {
            as_of(receipt, &|as_of| as_of.next_block = block(6));
        },
    );
    add("same-block-twice", "a block follows itself", "BLOCKS_NOT_CONSECUTIVE", asked(15), &|receipt| {
        as_of(receipt, &|as_of| as_of.next_block = block(4));
    });
    add(
        "next-is-no-block",
        "another record for the next block",
        "LEAF_OF_OTHER_TYPE",
        asked(15),
        &|receipt| {
            let other = receipt.identifiers[0].clone();
            as_of(receipt, &|as_of| as_of.next_block = other.clone());
        },
    );
    add("block-not-included", "a block of another time", "LEAF_NOT_INCLUDED", asked(15), &|receipt| {
        as_of(receipt, &|as_of| {
            let mut record = Record::decode(&as_of.block.leaf).expect("a record");
            record.time = TimeMs(record.time.0 - 1);
            as_of.block.leaf = record.encode();
        });
    });
    add(
        "statuses-of-another-block",
        "today's chunks for an earlier block",
        "CHUNK_NOT_INCLUDED",
        asked(15),
        &|receipt| {
            let status = receipt.status.clone();
            as_of(receipt, &|as_of| as_of.status = status.clone());
        },
    );
    add(
        "later-status-record",
        "a Status record later than the block",
        "STATUS_RECORD_CONTRADICTS",
        asked(15),
        &|receipt| {
            let record = receipt.status.record.clone();
            as_of(receipt, &|as_of| as_of.status.record = record.clone());
        },
    );
    add("asked-too-late", "asked about a time after the next block", "TIME_NOT_COVERED", asked(25), &|_| ());
    add("asked-too-early", "asked about a time before the block", "TIME_NOT_COVERED", asked(9), &|_| ());
    let receipt = s.receipt("revoked", LAST, Some(3));
    f.add("not-anchored-yet", "as of a block before the anchoring", "NOT_ANCHORED_YET", &receipt).question =
        asked(5);
    f.rule = "3.3";
    let receipt = s.receipt("revoked", LAST, None);
    f.add(
        "after-freshness",
        "asked about a time after the checkpoint's freshness",
        "TIME_NOT_COVERED",
        &receipt,
    )
    .question = Question { as_of_s: Some(block_s(LAST) + 30), ..question(LAST) };
    f.cases
}

fn anchored(s: &Scenario) -> Vec<Case> {
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

fn openings(s: &Scenario) -> Vec<Case> {
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

/// Index of the newest accreditation record of an organisation.
fn accreditation_of(s: &Scenario, org: Org, n: u8) -> u64 {
    let is = |body: &RecordBody| {
        matches!(body, RecordBody::Accreditation(record)
            if (record.subject, record.id) == (org.did(), org.accreditation(n)))
    };
    s.history.find(s.history.size(LAST), is).expect("recorded")
}

fn chains(s: &Scenario) -> Vec<Case> {
    let mut f = Forger::new(s, "clear", "8.5");
    let size = s.history.size(LAST);
    let link = |org, n| s.history.leaf_proof(accreditation_of(s, org, n), size);
    f.change("no-chain", "no accreditations", "CHAIN_LENGTH", |receipt| receipt.chain.clear());
    f.change("long-chain", "nine links", "CHAIN_LENGTH", |receipt| {
        let tao = receipt.chain[1].clone();
        receipt.chain.splice(1..2, vec![tao; 7]);
    });
    f.change("without-root", "the chain begins below the root", "NOT_A_ROOT", |receipt| {
        receipt.chain.remove(0);
    });
    f.change("leaf-first", "the chain in reverse", "NOT_A_ROOT", |receipt| receipt.chain.reverse());
    f.change(
        "left-out-link",
        "the accreditor between root and issuer is left out",
        "PARENT_DIFFERS",
        |receipt| {
            receipt.chain.remove(1);
            receipt.identifiers.remove(0);
        },
    );
    f.change("other-school", "the chain of another school", "ISSUER_DIFFERS", |receipt| {
        receipt.chain[2].accreditation = link(PAUSED, 0);
    });
    f.change("other-accreditation", "the school's other accreditation", "TYPE_OUT_OF_SCOPE", |receipt| {
        receipt.chain[2].accreditation = link(SCHOOL, 1);
    });
    f.change("link-is-no-accreditation", "another record for a link", "LEAF_OF_OTHER_TYPE", |receipt| {
        receipt.chain[1].accreditation = receipt.identifiers[0].clone();
    });
    f.change("link-not-included", "a link with a longer validity", "LEAF_NOT_INCLUDED", |receipt| {
        let mut record = Record::decode(&receipt.chain[2].accreditation.leaf).expect("a record");
        if let RecordBody::Accreditation(accreditation) = &mut record.body {
            accreditation.valid_until.0 += 1;
        }
        receipt.chain[2].accreditation.leaf = record.encode();
    });
    f.cases
}

fn links(s: &Scenario) -> Vec<Case> {
    let mut f = Forger::new(s, "clear", "8.5");
    let (root, tao, school) =
        (accreditation_of(s, ROOT, 0), accreditation_of(s, TAO, 0), accreditation_of(s, SCHOOL, 0));
    let other = accreditation_of(s, SCHOOL, 1);
    let anchored = s.history.anchored(s.items["clear"].commitment).0;
    let mut edit = |name, about, reason, leaf: u64, change: &dyn Fn(&mut RecordBody)| {
        let honest = f.honest();
        let mut history = f.s.history.clone();
        history.edit(leaf, |record| change(&mut record.body));
        let mut receipt = f.s.receipt_in(&f.s.history, f.base, LAST, None);
        resign(&mut receipt, &history);
        assert_ne!(receipt, honest, "{name}");
        f.add(name, about, reason, &receipt);
    };
    macro_rules! accreditation {
        (|$record:ident| $change:expr) => {
            &|body: &mut RecordBody| {
                let RecordBody::Accreditation($record) = body else { unreachable!() };
                $change;
            }
        };
    }
    edit(
        "root-of-another-id",
        "the root with another accreditation than in the trust file",
        "NOT_A_ROOT",
        root,
        accreditation!(|r| r.id = ROOT.accreditation(9)),
    );
    edit(
        "root-with-more-scope",
        "the root covers more than in the trust file",
        "NOT_A_ROOT",
        root,
        accreditation!(|r| {
            r.scope.schemas.insert(ANY.into());
        }),
    );
    edit(
        "self-made-root",
        "a root that the trust file does not know",
        "NOT_A_ROOT",
        root,
        accreditation!(|r| {
            r.subject = COMPROMISED.did();
            r.accreditor = COMPROMISED.did();
        }),
    );
    edit(
        "other-parent",
        "an accreditation under one that its accreditor does not hold",
        "PARENT_DIFFERS",
        school,
        accreditation!(|r| r.parent = Some(ROOT.accreditation(0))),
    );
    edit(
        "other-accreditor",
        "an accreditation by somebody else",
        "ACCREDITOR_DIFFERS",
        school,
        accreditation!(|r| r.accreditor = ROOT.did()),
    );
    edit(
        "in-its-own-chain",
        "an accreditor that accredits the root",
        "SUBJECT_REPEATED",
        tao,
        accreditation!(|r| r.subject = ROOT.did()),
    );
    edit(
        "accreditor-anchors",
        "an accreditor at the end of the chain",
        "ROLE_MISPLACED",
        school,
        accreditation!(|r| r.role = Role::Tao),
    );
    edit(
        "issuer-accredits",
        "an issuer in the middle of the chain",
        "ROLE_MISPLACED",
        tao,
        accreditation!(|r| r.role = Role::Ti),
    );
    edit(
        "second-root",
        "a root in the middle of the chain",
        "ROLE_MISPLACED",
        tao,
        accreditation!(|r| r.role = Role::RootTao),
    );
    edit(
        "wider-scope",
        "an accreditation for more than its parent's",
        "SCOPE_WIDENED",
        school,
        accreditation!(|r| {
            r.scope.types.insert("urn:more".into());
        }),
    );
    edit(
        "any-below-root",
        "an accreditation for any type below the root",
        "SCOPE_WIDENED",
        tao,
        accreditation!(|r| {
            r.scope.types.insert(ANY.into());
        }),
    );
    edit(
        "longer-than-parent",
        "an accreditation that outlasts its parent's",
        "VALIDITY_WIDENED",
        school,
        accreditation!(|r| r.valid_until.0 = GENESIS_MS + 6 * YEAR_MS),
    );
    edit(
        "earlier-than-parent",
        "an accreditation that begins before its parent's",
        "VALIDITY_WIDENED",
        school,
        accreditation!(|r| r.valid_from.0 -= 1),
    );
    edit(
        "type-not-covered",
        "an accreditation for another type",
        "TYPE_OUT_OF_SCOPE",
        school,
        accreditation!(|r| r.scope.types = [crate::scenario::DIPLOMA.to_owned()].into()),
    );
    edit("anchored-by-another", "anchored by another organisation", "ISSUER_DIFFERS", anchored, &|body| {
        let RecordBody::Anchored(record) = body else { unreachable!() };
        record.issuer = PAUSED.did();
    });
    edit(
        "anchored-under-another",
        "anchored under another accreditation",
        "ACCREDITATION_DIFFERS",
        anchored,
        &|body| {
            let RecordBody::Anchored(record) = body else { unreachable!() };
            record.accreditation = SCHOOL.accreditation(1);
        },
    );
    assert_ne!(school, other);
    f.cases
}

/// Gives a receipt the leaves, paths and checkpoint of a history with the same number of leaves.
fn resign(receipt: &mut Receipt, history: &History) {
    let size = history.size(LAST);
    let nodes = history.nodes();
    let renew = |proof: &mut LeafProof| *proof = history.leaf_proof(proof.index, size);
    let index = receipt.anchored.tlog_proof.index;
    receipt.anchored.leaf = history.leaves[index as usize].clone();
    receipt.anchored.tlog_proof.proof = nodes.path(index, size);
    receipt.anchored.tlog_proof.checkpoint = history.note(LAST, &lines(LAST));
    receipt.block.leaf = history.leaves[size as usize - 1].clone();
    receipt.block.path = nodes.path(size - 1, size);
    for link in &mut receipt.chain {
        renew(&mut link.accreditation);
        link.withdrawal.iter_mut().for_each(renew);
    }
    receipt.identifiers.iter_mut().for_each(renew);
    receipt.status.record.iter_mut().for_each(renew);
}

fn withdrawals(s: &Scenario) -> Vec<Case> {
    let mut f = Forger::new(s, "closed", "8.5");
    let size = s.history.size(LAST);
    let change_of = |org: Org| {
        let is = |body: &RecordBody| matches!(body, RecordBody::AccreditationStatus(record) if record.subject == org.did());
        s.history.find(size, is).expect("recorded")
    };
    let withdrawal = change_of(crate::scenario::CLOSED);
    f.change("other-withdrawal", "the withdrawal of another school", "WITHDRAWAL_UNRELATED", |receipt| {
        receipt.chain[2].withdrawal = Some(s.history.leaf_proof(change_of(COMPROMISED), size));
    });
    f.change(
        "suspension-for-withdrawal",
        "a suspension for the withdrawal",
        "WITHDRAWAL_UNRELATED",
        |receipt| {
            receipt.chain[2].withdrawal = Some(s.history.leaf_proof(change_of(PAUSED), size));
        },
    );
    f.change("withdrawal-not-included", "a withdrawal from a later time", "LEAF_NOT_INCLUDED", |receipt| {
        let withdrawal = receipt.chain[2].withdrawal.as_mut().expect("withdrawn");
        let mut record = Record::decode(&withdrawal.leaf).expect("a record");
        if let RecordBody::AccreditationStatus(status) = &mut record.body {
            status.effective_from = Some(TimeMs(minute_s(49) * 1000));
        }
        withdrawal.leaf = record.encode();
    });
    let mut history = s.history.clone();
    history.edit(withdrawal, |record| {
        let RecordBody::AccreditationStatus(status) = &mut record.body else { unreachable!() };
        status.by = PAUSED.did();
    });
    let receipt = s.receipt_in(&history, "closed", LAST, None);
    f.add(
        "withdrawn-by-a-stranger",
        "a withdrawal by somebody outside the chain",
        "WITHDRAWAL_UNRELATED",
        &receipt,
    );
    f.forge(
        "withdrawn-but-in-force",
        "a withdrawal that the status tree does not show",
        "WITHDRAWAL_CONTRADICTS_STATUS",
        |history| {
            let RecordBody::AccreditationStatus(status) = history.record(withdrawal).body else {
                unreachable!()
            };
            history.edit_statuses(LAST, |end| end.chunks[0].set(status.position.0, StatusValue::Valid));
        },
    );
    f.cases
}

fn identifiers(s: &Scenario) -> Vec<Case> {
    let mut f = Forger::new(s, "clear", "8.6");
    let size = s.history.size(LAST);
    f.change("nameless-issuer", "the issuer's Identifier record left out", "IDENTIFIER_MISSING", |receipt| {
        receipt.identifiers.pop();
    });
    f.change(
        "strangers-name",
        "the Identifier record of another school",
        "IDENTIFIER_UNEXPECTED",
        |receipt| {
            receipt.identifiers[1] = s.history.identifier(PAUSED.did(), size);
        },
    );
    f.change("two-names", "the issuer's Identifier record twice", "IDENTIFIER_UNEXPECTED", |receipt| {
        receipt.identifiers[0] = receipt.identifiers[1].clone();
    });
    f.change(
        "another-legal-name",
        "another legal name in the Identifier record",
        "LEAF_NOT_INCLUDED",
        |receipt| {
            let mut record = Record::decode(&receipt.identifiers[1].leaf).expect("a record");
            if let RecordBody::Identifier(identifier) = &mut record.body {
                identifier.legal_name = "Ett ärevördigt universitet".into();
            }
            receipt.identifiers[1].leaf = record.encode();
        },
    );
    f.cases
}
