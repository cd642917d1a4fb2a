//! Chains that accredit nobody, somebody else, or for something else (RULES 8.5).

use kvitto_ledger::record::AccreditationRecord;
use kvitto_ledger::scope::{ANY, Role};
use kvitto_ledger::{Record, RecordBody, TimeMs};
use kvitto_merkle::status::StatusValue;
use kvitto_verifier::receipt::{LeafProof, Receipt};

use super::Forger;
use crate::cases::Case;
use crate::history::History;
use crate::ledger::{GENESIS_MS, Org, ROOT, YEAR_MS};
use crate::scenario::{CLOSED, COMPROMISED, DIPLOMA, LAST, PAUSED, SCHOOL, Scenario, TAO, lines, minute_s};

pub(super) fn chains(s: &Scenario) -> Vec<Case> {
    let mut f = Forger::new(s, "clear", "8.5");
    let size = s.history.size(LAST);
    let link = |org, n| s.history.leaf_proof(s.accreditation(org, n).0, size);
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

/// An edit of one accreditation record: name, what it is about, the reason for its refusal, whose record, and the change.
type Edit = (&'static str, &'static str, &'static str, Org, fn(&mut AccreditationRecord));

const EDITS: &[Edit] = &[
    (
        "root-of-another-id",
        "the root with another accreditation than in the trust file",
        "NOT_A_ROOT",
        ROOT,
        |r| r.id = ROOT.accreditation(9),
    ),
    ("root-with-more-scope", "the root covers more than in the trust file", "NOT_A_ROOT", ROOT, |r| {
        r.scope.schemas.insert(ANY.into());
    }),
    ("self-made-root", "a root that the trust file does not know", "NOT_A_ROOT", ROOT, |r| {
        r.subject = COMPROMISED.did();
        r.accreditor = COMPROMISED.did();
    }),
    (
        "other-parent",
        "an accreditation under one that its accreditor does not hold",
        "PARENT_DIFFERS",
        SCHOOL,
        |r| r.parent = Some(ROOT.accreditation(0)),
    ),
    ("other-accreditor", "an accreditation by somebody else", "ACCREDITOR_DIFFERS", SCHOOL, |r| {
        r.accreditor = ROOT.did()
    }),
    ("in-its-own-chain", "an accreditor that accredits the root", "SUBJECT_REPEATED", TAO, |r| {
        r.subject = ROOT.did()
    }),
    ("accreditor-anchors", "an accreditor at the end of the chain", "ROLE_MISPLACED", SCHOOL, |r| {
        r.role = Role::Tao
    }),
    ("issuer-accredits", "an issuer in the middle of the chain", "ROLE_MISPLACED", TAO, |r| {
        r.role = Role::Ti
    }),
    ("second-root", "a root in the middle of the chain", "ROLE_MISPLACED", TAO, |r| r.role = Role::RootTao),
    ("wider-scope", "an accreditation for more than its parent's", "SCOPE_WIDENED", SCHOOL, |r| {
        r.scope.types.insert("urn:more".into());
    }),
    ("any-below-root", "an accreditation for any type below the root", "SCOPE_WIDENED", TAO, |r| {
        r.scope.types.insert(ANY.into());
    }),
    ("longer-than-parent", "an accreditation that outlasts its parent's", "VALIDITY_WIDENED", SCHOOL, |r| {
        r.valid_until.0 = GENESIS_MS + 6 * YEAR_MS
    }),
    (
        "earlier-than-parent",
        "an accreditation that begins before its parent's",
        "VALIDITY_WIDENED",
        SCHOOL,
        |r| r.valid_from.0 -= 1,
    ),
    ("type-not-covered", "an accreditation for another type", "TYPE_OUT_OF_SCOPE", SCHOOL, |r| {
        r.scope.types = [DIPLOMA.to_owned()].into()
    }),
];

pub(super) fn links(s: &Scenario) -> Vec<Case> {
    let mut f = Forger::new(s, "clear", "8.5");
    let mut edit = |name, about, reason, leaf: u64, change: &dyn Fn(&mut RecordBody)| {
        let mut history = s.history.clone();
        history.edit(leaf, |record| change(&mut record.body));
        let mut receipt = f.honest();
        resign(&mut receipt, &history);
        f.add(name, about, reason, &receipt);
    };
    for (name, about, reason, org, change) in EDITS {
        edit(name, about, reason, s.accreditation(*org, 0).0, &|body| {
            let RecordBody::Accreditation(record) = body else { unreachable!() };
            change(record);
        });
    }
    let anchored = s.history.anchored(s.items["clear"].commitment).0;
    edit("anchored-by-another", "anchored by another organisation", "ISSUER_DIFFERS", anchored, &|body| {
        let RecordBody::Anchored(record) = body else { unreachable!() };
        record.issuer = PAUSED.did();
    });
    let about = "anchored under another accreditation";
    edit("anchored-under-another", about, "ACCREDITATION_DIFFERS", anchored, &|body| {
        let RecordBody::Anchored(record) = body else { unreachable!() };
        record.accreditation = SCHOOL.accreditation(1);
    });
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

pub(super) fn withdrawals(s: &Scenario) -> Vec<Case> {
    let mut f = Forger::new(s, "closed", "8.5");
    let size = s.history.size(LAST);
    let change_of = |org: Org| {
        let is = |body: &RecordBody| matches!(body, RecordBody::AccreditationStatus(record) if record.subject == org.did());
        s.history.find(size, is).expect("recorded")
    };
    let withdrawal = change_of(CLOSED);
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

pub(super) fn identifiers(s: &Scenario) -> Vec<Case> {
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
