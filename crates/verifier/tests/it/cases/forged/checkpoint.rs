//! Checkpoints of another ledger or epoch, and without a quorum (RULES 8.1, 8.2).

use kvitto_ledger::TimeMs;
use kvitto_merkle::Note;
use kvitto_merkle::note::NoteSignature;
use kvitto_verifier::Question;
use kvitto_verifier::receipt::{Consistency, Receipt};

use super::{Forger, consistency};
use crate::cases::{Case, Trust};
use crate::history::{Signers, cosignature, sign};
use crate::ledger::{ORIGIN, member_name};
use crate::scenario::{LAST, NEXT_EPOCH, Scenario, block_s, lines, question, signers};

pub(super) fn checkpoints(s: &Scenario) -> Vec<Case> {
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

pub(super) fn epochs(s: &Scenario) -> Vec<Case> {
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

pub(super) fn cosignatures(s: &Scenario) -> Vec<Case> {
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
    let mut ahead = note(&[0], &[0, 1]);
    ahead.push(cosignature(&text, 1, &member_name(1), block_s(LAST) + 101)).expect("room");
    with_note(
        "one-member-twice-ahead",
        "an acceptable line of a member and one too far ahead count once",
        "NO_QUORUM",
        ahead,
    );
    let mut ahead = note(&[0], &[0, 1]);
    ahead.push(cosignature(&text, 2, &member_name(2), block_s(LAST) + 101)).expect("room");
    with_note(
        "third-member-ahead",
        "the third member's only line is 61 s ahead of the given time",
        "FROM_THE_FUTURE",
        ahead,
    );
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
