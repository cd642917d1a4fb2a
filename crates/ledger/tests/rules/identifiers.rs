//! Organisations: Onboard, PutIdentifier, DeactivateIdentifier.

use kvitto_ledger::Rejection;
use kvitto_ledger::record::{IdentifierEvent, RecordBody};
use kvitto_ledger::scope::Role;
use kvitto_ledger::statement::Onboard;
use kvitto_ledger::testing::{Actor, Ledger};
use kvitto_merkle::status::StatusValue::{Revoked, Suspended};

use crate::{Case, Verdict, case, check, club, college, root, school, stage, stranger, tao};

fn onboard(ledger: &mut Ledger, by: &Actor, subject: &Actor) -> Verdict {
    let body = by.onboards(subject, &ledger.world.ledger_id);
    ledger.act(by, body)
}

fn deactivate(ledger: &mut Ledger, by: &Actor, subject: &Actor) -> Verdict {
    ledger.act(by, by.deactivates(subject))
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case("D4.2: Onboard: signed by root", |l| onboard(l, &root(), &stranger()), Ok(())),
        case("D4.2: Onboard: signed by TAO", |l| onboard(l, &tao(), &stranger()), Ok(())),
        case(
            "D4.2: Onboard: signed by root, TAO (not a TI)",
            |l| onboard(l, &school(), &stranger()),
            Err(Rejection::AccreditorRole),
        ),
        case(
            "D4.2: Onboard: signed by root, TAO (not without accreditation)",
            |l| onboard(l, &club(), &stranger()),
            Err(Rejection::AccreditationMissing),
        ),
        case(
            "6.2: a suspended TAO does not onboard",
            |l| {
                l.act(&root(), root().sets_accreditation(&tao(), Suspended))?;
                onboard(l, &tao(), &stranger())
            },
            Err(Rejection::AccreditationSuspended),
        ),
        case(
            "accreditation comes before subject",
            |l| {
                l.act(&root(), root().sets_accreditation(&tao(), Suspended))?;
                onboard(l, &tao(), &root())
            },
            Err(Rejection::AccreditationSuspended),
        ),
        case("D4.2: DID new", |l| onboard(l, &root(), &school()), Err(Rejection::IdentifierExists)),
        case(
            "D4.2: again by the same sponsor = corrected names",
            |l| {
                let body = tao().onboards(&school(), &l.world.ledger_id);
                l.act(&tao(), Onboard { legal_name: "Corrected".into(), ..body })
            },
            Ok(()),
        ),
        case(
            "a correction is signed by one of its keys",
            |l| onboard(l, &tao(), &school().with_key("other")),
            Err(Rejection::IdentifierExists),
        ),
        case(
            "a correction is signed by one of its keys (rotated away)",
            |l| {
                l.act(&school(), school().puts([school().with_key("new").method()]))?;
                onboard(l, &tao(), &school())
            },
            Err(Rejection::IdentifierExists),
        ),
        case(
            "a deactivated identifier is not corrected",
            |l| {
                deactivate(l, &school(), &school())?;
                onboard(l, &tao(), &school())
            },
            Err(Rejection::IdentifierExists),
        ),
        case(
            "a root does not rename itself",
            |l| onboard(l, &root(), &root()),
            Err(Rejection::IdentifierExists),
        ),
        case(
            "a root is not onboarded by another",
            |l| onboard(l, &tao(), &root()),
            Err(Rejection::IdentifierExists),
        ),
        case(
            "D4.2: DeactivateIdentifier: signed by subject",
            |l| deactivate(l, &school(), &school()),
            Ok(()),
        ),
        case("D4.2: DeactivateIdentifier: or its sponsor", |l| deactivate(l, &tao(), &school()), Ok(())),
        case(
            "D4.2: DeactivateIdentifier: subject or its sponsor (not another)",
            |l| deactivate(l, &college(), &school()),
            Err(Rejection::NotSponsor),
        ),
        case(
            "D4.2: DeactivateIdentifier: subject or its sponsor (not the sponsor's sponsor)",
            |l| deactivate(l, &root(), &school()),
            Err(Rejection::NotSponsor),
        ),
        case(
            "the subject is a registered organisation",
            |l| deactivate(l, &tao(), &stranger()),
            Err(Rejection::IdentifierUnknown),
        ),
        case(
            "the subject's identifier is not deactivated",
            |l| {
                deactivate(l, &tao(), &school())?;
                deactivate(l, &tao(), &school())
            },
            Err(Rejection::IdentifierDeactivated),
        ),
        case(
            "deactivated comes before sponsor",
            |l| {
                deactivate(l, &tao(), &school())?;
                deactivate(l, &college(), &school())
            },
            Err(Rejection::IdentifierDeactivated),
        ),
        case(
            "accreditation comes before deactivated",
            |l| {
                deactivate(l, &tao(), &school())?;
                l.act(&root(), root().sets_accreditation(&tao(), Revoked))?;
                deactivate(l, &tao(), &school())
            },
            Err(Rejection::AccreditationWithdrawn),
        ),
        case(
            "6.2: the sponsor's own accreditation must be effective",
            |l| {
                l.act(&root(), root().sets_accreditation(&tao(), Revoked))?;
                deactivate(l, &tao(), &school())
            },
            Err(Rejection::AccreditationWithdrawn),
        ),
        case(
            "the subject needs no accreditation",
            |l| {
                l.act(&root(), root().sets_accreditation(&tao(), Revoked))?;
                deactivate(l, &school(), &school())
            },
            Ok(()),
        ),
        case(
            "PutIdentifier needs no accreditation",
            |l| l.act(&club(), club().puts([club().method(), club().with_key("new").method()])),
            Ok(()),
        ),
        case(
            "D4.2: a key put beside the first one signs",
            |l| {
                l.act(&club(), club().puts([club().method(), club().with_key("new").method()]))?;
                deactivate(l, &club().with_key("new"), &club())
            },
            Ok(()),
        ),
    ]
}

#[test]
fn organisations_are_judged_as_the_table_says() {
    check(cases());
}

#[test]
fn a_correction_changes_names_and_nothing_else() {
    let mut ledger = stage();
    let spare = school().with_key("spare");
    ledger.act(&school(), school().puts([school().method(), spare.method()])).expect("a good document");
    let before = ledger.state.changes.identifiers[&school().did].clone();
    let body = tao().onboards(&school(), &ledger.world.ledger_id);
    let outcome = ledger
        .act(&tao(), Onboard { legal_name: "Corrected".into(), country: "FI".into(), ..body })
        .expect("same sponsor");
    let after = &ledger.state.changes.identifiers[&school().did];
    assert_eq!((after.legal_name.as_str(), after.country.as_str()), ("Corrected", "FI"));
    assert_eq!(
        (after.number, &after.methods, after.sponsor),
        (before.number, &before.methods, before.sponsor)
    );
    let record = ledger.state.records().nth(outcome.first_leaf.0 as usize).expect("it was recorded");
    let RecordBody::Identifier(record) = record.body else { panic!("{record:?}") };
    assert_eq!(record.event, IdentifierEvent::Corrected);
    assert_eq!(after.leaf, Some(outcome.first_leaf));
}

/// Numbers of organisations are given in the order of registration, roots first.
#[test]
fn organisations_are_numbered_in_order() {
    let mut ledger = stage();
    ledger.accredited(&root(), &Actor::new("another tao"), Role::Tao);
    let numbers: Vec<_> = [root(), tao(), school(), college(), club(), Actor::new("another tao")]
        .map(|actor| ledger.state.changes.identifiers[&actor.did].number.0)
        .into();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
    assert_eq!(ledger.state.newest().tip.registrants, 6);
}
