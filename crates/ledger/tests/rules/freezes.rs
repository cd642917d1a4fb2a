//! Who changes the statuses of a credential whose accreditation is suspended for key compromise: RULES 5.9.

use std::cell::RefCell;
use std::ops::Range;

use kvitto_ledger::execute::judge;
use kvitto_ledger::genesis::Limits;
use kvitto_ledger::ids::{AccreditationId, Position};
use kvitto_ledger::scope::Role;
use kvitto_ledger::state::ItemOutcome;
use kvitto_ledger::statement::body::Reason;
use kvitto_ledger::statement::{SetAccreditationStatus, SetStatus};
use kvitto_ledger::testing::{Actor, Ledger, LookUp, Watched, commitment as c};
use kvitto_ledger::{ReadState, Rejection};
use kvitto_merkle::status::StatusValue::{self, Revoked, Suspended, Valid};

use crate::credentials::{anchor, at, reserve, set};
use crate::{Case, Verdict, case, check, college, root, school, stage, stranger, tao};

/// Suspends an accreditation because a key was in wrong hands.
fn freeze(ledger: &mut Ledger, by: &Actor, subject: &Actor) -> Verdict {
    let body = by.sets_accreditation(subject, Suspended);
    ledger.act(by, SetAccreditationStatus { reason: Reason::KeyCompromise, ..body })
}

/// A TAO that the school has nothing to do with.
fn other_tao() -> Actor {
    Actor::new("other tao")
}

/// The school under its second accreditation.
fn school_of_the_other_tao() -> Actor {
    Actor { accreditation: AccreditationId([2; 32]), ..school() }
}

/// Another TAO accredits the school, which is not asked.
fn accredit_again(ledger: &mut Ledger) -> Verdict {
    ledger.accredited(&root(), &other_tao(), Role::Tao);
    ledger.act(&other_tao(), other_tao().accredits(&school_of_the_other_tao(), Role::Ti))
}

/// 1 is anchored under the TAO's accreditation, 2 under that of the other TAO, and the latter is frozen.
fn freeze_one_of_two(ledger: &mut Ledger) -> Verdict {
    accredit_again(ledger)?;
    anchor(ledger, &school(), [1])?;
    anchor(ledger, &school_of_the_other_tao(), [2])?;
    freeze(ledger, &other_tao(), &school_of_the_other_tao())
}

/// `by` changes statuses of credentials that the school anchored.
fn for_the_school(by: &Actor, status: StatusValue, numbers: impl IntoIterator<Item = u64>) -> SetStatus {
    SetStatus { issuer: school().did, ..by.sets(status, numbers.into_iter().map(c)) }
}

/// 1 is anchored, and the TAO has suspended the school's accreditation for key compromise.
fn anchored_and_frozen(ledger: &mut Ledger) -> Verdict {
    anchor(ledger, &school(), [1])?;
    freeze(ledger, &tao(), &school())
}

/// The TAO has suspended 1, too.
fn suspended_by_the_accreditor(ledger: &mut Ledger) -> Verdict {
    anchored_and_frozen(ledger)?;
    ledger.act(&tao(), for_the_school(&tao(), Suspended, [1]))
}

pub(crate) fn cases() -> Vec<Case> {
    [issuers(), accreditors(), suspensions()].into_iter().flatten().collect()
}

/// While a link of the chain under which a credential was anchored is suspended for key compromise, its issuer does not change its status.
fn issuers() -> Vec<Case> {
    vec![
        case(
            "5.9: while a link of its chain is suspended for key compromise (its own)",
            |l| {
                anchor(l, &school(), [1])?;
                freeze(l, &tao(), &school())?;
                set(l, &school(), Revoked, 1)
            },
            Err(Rejection::StatusFrozen),
        ),
        case(
            "5.9: a link of its chain (above)",
            |l| {
                anchor(l, &school(), [1])?;
                freeze(l, &root(), &tao())?;
                set(l, &school(), Revoked, 1)
            },
            Err(Rejection::StatusFrozen),
        ),
        case(
            "5.9: until it is reinstated",
            |l| {
                anchor(l, &school(), [1])?;
                freeze(l, &tao(), &school())?;
                l.act(&tao(), tao().sets_accreditation(&school(), Valid))?;
                set(l, &school(), Revoked, 1)
            },
            Ok(()),
        ),
        case(
            "5.9: suspended for another reason",
            |l| {
                anchor(l, &school(), [1])?;
                l.act(&tao(), tao().sets_accreditation(&school(), Suspended))?;
                set(l, &school(), Revoked, 1)
            },
            Ok(()),
        ),
        case(
            "issuer comes before frozen",
            |l| {
                freeze(l, &tao(), &school())?;
                l.act(&school(), SetStatus { issuer: college().did, ..school().sets(Revoked, [c(1)]) })
            },
            Err(Rejection::NotIssuer),
        ),
        case(
            "unknown comes before frozen",
            |l| {
                freeze(l, &tao(), &school())?;
                set(l, &school(), Revoked, 1)
            },
            Err(Rejection::AnchorUnknown),
        ),
        case(
            "unused comes before frozen",
            |l| {
                let p = reserve(l, 1)?;
                freeze(l, &tao(), &school())?;
                l.act(&school(), school().changes([at(p, Revoked)]))
            },
            Err(Rejection::PositionUnused),
        ),
        case(
            "frozen comes before transition",
            |l| {
                anchor(l, &school(), [1])?;
                set(l, &school(), Revoked, 1)?;
                freeze(l, &tao(), &school())?;
                set(l, &school(), Revoked, 1)
            },
            Err(Rejection::StatusFrozen),
        ),
        case(
            "a reserved position is frozen with the accreditation under which it was used",
            |l| {
                accredit_again(l)?;
                let p = reserve(l, 1)?;
                l.act(&school(), school_of_the_other_tao().anchors_at(c(1), p))?;
                freeze(l, &other_tao(), &school_of_the_other_tao())?;
                l.act(&school(), school().changes([at(p, Revoked)]))
            },
            Err(Rejection::StatusFrozen),
        ),
        case(
            "a stranger accredits an issuer and suspends that for key compromise: the issuer still revokes",
            |l| {
                anchor(l, &school(), [1])?;
                accredit_again(l)?;
                freeze(l, &other_tao(), &school_of_the_other_tao())?;
                set(l, &school(), Revoked, 1)
            },
            Ok(()),
        ),
        case(
            "a stranger does so from further up",
            |l| {
                anchor(l, &school(), [1])?;
                accredit_again(l)?;
                freeze(l, &root(), &other_tao())?;
                set(l, &school(), Revoked, 1)
            },
            Ok(()),
        ),
        case(
            "one is frozen, one is not: the other applies",
            |l| {
                freeze_one_of_two(l)?;
                l.act(&school(), school().sets(Revoked, [c(1), c(2)]))
            },
            Ok(()),
        ),
        case(
            "one is frozen, one is not: the frozen one alone is refused",
            |l| {
                freeze_one_of_two(l)?;
                set(l, &school(), Revoked, 2)
            },
            Err(Rejection::StatusFrozen),
        ),
        case(
            "all are frozen, each under its own accreditation",
            |l| {
                freeze_one_of_two(l)?;
                freeze(l, &tao(), &school())?;
                l.act(&school(), school().sets(Revoked, [c(1), c(2)]))
            },
            Err(Rejection::StatusFrozen),
        ),
    ]
}

/// While it is frozen, the accreditor may change the statuses.
fn accreditors() -> Vec<Case> {
    vec![
        case(
            "5.9: only a custodian or the accreditor",
            |l| {
                anchored_and_frozen(l)?;
                l.act(&tao(), for_the_school(&tao(), Revoked, [1]))
            },
            Ok(()),
        ),
        case(
            "6.2: an ancestor of the accreditor",
            |l| {
                anchored_and_frozen(l)?;
                l.act(&root(), for_the_school(&root(), Revoked, [1]))
            },
            Ok(()),
        ),
        case(
            "5.9: while it is suspended (before)",
            |l| {
                anchor(l, &school(), [1])?;
                l.act(&tao(), for_the_school(&tao(), Revoked, [1]))
            },
            Err(Rejection::NotIssuer),
        ),
        case(
            "5.9: while it is suspended (after)",
            |l| {
                anchored_and_frozen(l)?;
                l.act(&tao(), tao().sets_accreditation(&school(), Valid))?;
                l.act(&tao(), for_the_school(&tao(), Revoked, [1]))
            },
            Err(Rejection::NotIssuer),
        ),
        case(
            "5.9: suspended for key compromise",
            |l| {
                anchor(l, &school(), [1])?;
                l.act(&tao(), tao().sets_accreditation(&school(), Suspended))?;
                freeze(l, &tao(), &college())?;
                l.act(&tao(), for_the_school(&tao(), Revoked, [1]))
            },
            Err(Rejection::NotIssuer),
        ),
        case(
            "5.9: a link of its chain: who stands above it may",
            |l| {
                anchor(l, &school(), [1])?;
                freeze(l, &root(), &tao())?;
                l.act(&root(), for_the_school(&root(), Revoked, [1]))
            },
            Ok(()),
        ),
        case(
            "5.9: a link of its chain: whose it is may not",
            |l| {
                anchor(l, &school(), [1])?;
                freeze(l, &root(), &tao())?;
                l.act(&tao(), for_the_school(&tao(), Revoked, [1]))
            },
            Err(Rejection::NotIssuer),
        ),
        case(
            "6.2: the signer's own accreditation must be effective",
            |l| {
                anchored_and_frozen(l)?;
                l.act(&root(), root().sets_accreditation(&tao(), Suspended))?;
                l.act(&tao(), for_the_school(&tao(), Revoked, [1]))
            },
            Err(Rejection::NotIssuer),
        ),
        case(
            "6.2: effective along its whole chain: an ancestor's still is",
            |l| {
                anchored_and_frozen(l)?;
                l.act(&root(), root().sets_accreditation(&tao(), Revoked))?;
                l.act(&root(), for_the_school(&root(), Revoked, [1]))
            },
            Ok(()),
        ),
        case(
            "who freezes another accreditation of the issuer reaches nothing under this one",
            |l| {
                freeze_one_of_two(l)?;
                l.act(&other_tao(), for_the_school(&other_tao(), Revoked, [1]))
            },
            Err(Rejection::NotIssuer),
        ),
        case(
            "who freezes another accreditation of the issuer changes what was anchored under that",
            |l| {
                freeze_one_of_two(l)?;
                l.act(&other_tao(), for_the_school(&other_tao(), Revoked, [2]))
            },
            Ok(()),
        ),
        case(
            "another organisation below the same accreditor",
            |l| {
                anchored_and_frozen(l)?;
                l.act(&college(), for_the_school(&college(), Revoked, [1]))
            },
            Err(Rejection::NotIssuer),
        ),
        case(
            "9: for others than the issuer an unknown commitment is answered like a known one",
            |l| {
                anchored_and_frozen(l)?;
                l.act(&tao(), for_the_school(&tao(), Revoked, [2]))
            },
            Err(Rejection::NotIssuer),
        ),
        case(
            "9: a reserved position too",
            |l| {
                let p = reserve(l, 1)?;
                freeze(l, &tao(), &school())?;
                l.act(&tao(), SetStatus { issuer: school().did, ..tao().changes([at(p, Revoked)]) })
            },
            Err(Rejection::NotIssuer),
        ),
        case(
            "the issuer is a registered organisation",
            |l| {
                anchored_and_frozen(l)?;
                l.act(&tao(), SetStatus { issuer: stranger().did, ..tao().sets(Revoked, [c(1)]) })
            },
            Err(Rejection::NotIssuer),
        ),
        case(
            "D2.7: the status of a credential outlives its issuer",
            |l| {
                anchored_and_frozen(l)?;
                l.act(&tao(), tao().deactivates(&school()))?;
                l.act(&tao(), for_the_school(&tao(), Revoked, [1]))
            },
            Ok(()),
        ),
        case(
            "D2.6: Revoked stays revoked, by any path",
            |l| {
                anchor(l, &school(), [1])?;
                set(l, &school(), Revoked, 1)?;
                freeze(l, &tao(), &school())?;
                l.act(&tao(), for_the_school(&tao(), Valid, [1]))
            },
            Err(Rejection::AlreadyRevoked),
        ),
        case(
            "5.7: A successor is another anchor of the same issuer",
            |l| {
                anchor(l, &school(), [1, 2])?;
                freeze(l, &tao(), &school())?;
                l.act(&tao(), SetStatus { issuer: school().did, ..tao().supersedes(c(1), c(2)) })
            },
            Ok(()),
        ),
    ]
}

/// Since more than one may suspend a credential, it counts who did.
fn suspensions() -> Vec<Case> {
    vec![
        case(
            "5.7: 2 -> 0 by who suspended (the accreditor)",
            |l| {
                suspended_by_the_accreditor(l)?;
                l.act(&tao(), for_the_school(&tao(), Valid, [1]))
            },
            Ok(()),
        ),
        case(
            "5.7: 2 -> 0 by who suspended (the accreditor, not its ancestor)",
            |l| {
                suspended_by_the_accreditor(l)?;
                l.act(&root(), for_the_school(&root(), Valid, [1]))
            },
            Err(Rejection::StatusTransition),
        ),
        case(
            "5.7: 2 -> 0 by who suspended (the issuer, not the accreditor)",
            |l| {
                anchor(l, &school(), [1])?;
                set(l, &school(), Suspended, 1)?;
                freeze(l, &tao(), &school())?;
                l.act(&tao(), for_the_school(&tao(), Valid, [1]))
            },
            Err(Rejection::StatusTransition),
        ),
        case(
            "5.7: 2 -> 0 by who suspended (the accreditor, not the issuer when it is back)",
            |l| {
                suspended_by_the_accreditor(l)?;
                l.act(&tao(), tao().sets_accreditation(&school(), Valid))?;
                set(l, &school(), Valid, 1)
            },
            Err(Rejection::StatusTransition),
        ),
        case(
            "5.7: 2 -> 1, whoever suspended",
            |l| {
                suspended_by_the_accreditor(l)?;
                l.act(&tao(), tao().sets_accreditation(&school(), Valid))?;
                set(l, &school(), Revoked, 1)
            },
            Ok(()),
        ),
        case(
            "5.7: 2 -> 0 by who suspended last",
            |l| {
                anchor(l, &school(), [1])?;
                set(l, &school(), Suspended, 1)?;
                set(l, &school(), Valid, 1)?;
                freeze(l, &tao(), &school())?;
                l.act(&tao(), for_the_school(&tao(), Suspended, [1]))?;
                l.act(&tao(), for_the_school(&tao(), Valid, [1]))
            },
            Ok(()),
        ),
    ]
}

#[test]
fn a_freeze_binds_as_the_table_says() {
    check(cases());
}

#[test]
fn of_several_credentials_only_the_frozen_ones_are_skipped() {
    let mut ledger = stage();
    let position = Position(ledger.state.newest().tip.positions + 3);
    freeze_one_of_two(&mut ledger).expect("all may do so");
    let [one, two, three] = [1, 2, 3].map(|number| school().sets(Revoked, [c(number)]).items[0].clone());
    let items = [at(position, Revoked), one, two, three];
    let outcome = ledger.act(&school(), school().changes(items)).expect("one applies");
    let items: Vec<_> = (0..4).map(|item| outcome.item(item)).collect();
    assert_eq!(
        items,
        [
            ItemOutcome::Skipped(Rejection::StatusFrozen),
            ItemOutcome::Recorded { leaf: outcome.first_leaf },
            ItemOutcome::Skipped(Rejection::StatusFrozen),
            ItemOutcome::Skipped(Rejection::AnchorUnknown)
        ]
    );
    let chunk = ledger.state.status_chunk(0).expect("memory is readable").expect("something is set");
    assert_eq!([position.0 - 1, position.0].map(|position| chunk.value(position)), [Revoked, Valid]);
}

/// The rules look up records that are not committed yet as well.
#[test]
fn what_one_block_anchors_and_freezes_is_frozen() {
    let mut ledger = stage();
    accredit_again(&mut ledger).expect("any TAO may");
    let guest = school_of_the_other_tao();
    let suspend = other_tao().sets_accreditation(&guest, Suspended);
    let suspend = SetAccreditationStatus { reason: Reason::KeyCompromise, ..suspend };
    let good = [
        ledger.sign(&school(), school().anchors([c(1), c(3)])),
        ledger.sign(&guest, guest.anchors([c(2), c(4)])),
        ledger.sign(&other_tao(), suspend),
        ledger.sign(&school(), school().sets(Revoked, [c(1), c(2), c(3)])),
    ];
    let frozen = ledger.sign(&school(), school().sets(Revoked, [c(4)]));
    let built = ledger.build(good.iter().cloned().chain([frozen.clone()]));
    assert_eq!(built.refused, [(frozen.id(), Rejection::StatusFrozen)]);
    let outcome = &built.block.changes.outcomes[&good[3].id()];
    assert_eq!(outcome.leaves, 2);
    assert_eq!(outcome.item(1), ItemOutcome::Skipped(Rejection::StatusFrozen));
}

/// RULES 5.4: whoever revokes uses its own quota, so an accreditor cannot use up an issuer's, and is capped itself.
#[test]
fn an_accreditors_revocations_are_counted_as_its_own() {
    let limits = Limits { reserved_unused_max: 4096, revocations_per_hour_max: 4096 };
    let mut ledger = Ledger::with_limits(limits).and_school();
    accredit_again(&mut ledger).expect("any TAO may");
    let guest = school_of_the_other_tao();
    anchor(&mut ledger, &guest, 0..4096).expect("all are new");
    anchor(&mut ledger, &guest, [4096]).expect("it is new");
    anchor(&mut ledger, &school(), [5000]).expect("it is new");
    freeze(&mut ledger, &other_tao(), &guest).expect("the accreditor may");
    let mut revoke = |by: &Actor, numbers: Range<u64>| {
        ledger.act(by, for_the_school(by, Revoked, numbers)).map(|outcome| outcome.leaves)
    };
    assert_eq!(revoke(&other_tao(), 0..4096), Ok(4096));
    assert_eq!(revoke(&other_tao(), 4096..4097), Err(Rejection::RevocationQuota));
    assert_eq!(revoke(&school(), 5000..5001), Ok(1));
    assert_eq!(revoke(&root(), 4096..4097), Ok(1), "another's quota is free");
}

#[test]
fn an_accreditor_changes_only_what_hangs_on_its_accreditation() {
    let mut ledger = stage();
    let first = ledger.state.newest().tip.positions + 2;
    freeze_one_of_two(&mut ledger).expect("all may do so");
    let outcome =
        ledger.act(&other_tao(), for_the_school(&other_tao(), Revoked, 1..=3)).expect("one applies");
    let items: Vec<_> = (0..3).map(|item| outcome.item(item)).collect();
    let not_its_own = ItemOutcome::Skipped(Rejection::NotIssuer);
    assert_eq!(items, [not_its_own, ItemOutcome::Recorded { leaf: outcome.first_leaf }, not_its_own]);
    let chunk = ledger.state.status_chunk(0).expect("memory is readable").expect("something is set");
    assert_eq!([first, first + 1].map(|position| chunk.value(position)), [Valid, Revoked]);
}

/// A verdict alone writes no records, and who suspended stands in one: the preview says what the block says.
#[test]
fn what_one_statement_suspends_it_can_reinstate() {
    let mut ledger = stage();
    let position = Position(ledger.state.newest().tip.positions);
    anchored_and_frozen(&mut ledger).expect("all may do so");
    let reinstate = for_the_school(&tao(), Valid, [1]).items[0].clone();
    let items = [at(position, Suspended), reinstate];
    let body = SetStatus { issuer: school().did, ..tao().changes(items) };
    assert_eq!(judged(&mut ledger, &tao(), body.clone()).1, Ok(2));
    assert_eq!(ledger.act(&tao(), body).map(|outcome| outcome.leaves), Ok(2));
}

/// While nothing is frozen, someone else's statement is refused before anything is looked up for it.
#[test]
fn a_strangers_status_change_costs_nothing() {
    let mut ledger = stage();
    anchor(&mut ledger, &school(), 0..10).expect("all are new");
    let (look_ups, verdict) = judged(&mut ledger, &college(), for_the_school(&college(), Revoked, 0..10));
    assert_eq!(verdict, Err(Rejection::NotIssuer));
    assert_eq!(look_ups.len(), 3, "tip, signer, outcome: {look_ups:?}");
}

/// Nothing is looked up while nothing is frozen: the state counts what is.
#[test]
fn suspensions_for_key_compromise_are_counted() {
    let mut ledger = stage();
    let mut steps = |subject: &Actor, status, reason, expected| {
        let body = SetAccreditationStatus { reason, ..tao().sets_accreditation(subject, status) };
        ledger.act(&tao(), body).expect("the accreditor may");
        assert_eq!(ledger.state.newest().tip.compromised, expected, "{status:?} for {reason:?}");
    };
    use Reason::{CeasedOperating, KeyCompromise};
    steps(&school(), Suspended, CeasedOperating, 0);
    steps(&college(), Suspended, KeyCompromise, 1);
    steps(&school(), Valid, KeyCompromise, 1);
    steps(&school(), Suspended, KeyCompromise, 2);
    steps(&college(), Valid, CeasedOperating, 1);
    steps(&college(), Revoked, KeyCompromise, 1);
    steps(&school(), Revoked, CeasedOperating, 0);
}

/// What the verdict on a statement looks up, and the number of its records.
fn judged(ledger: &mut Ledger, by: &Actor, body: SetStatus) -> (Vec<LookUp>, Result<u32, Rejection>) {
    let statement = ledger.sign(by, body);
    let seen = RefCell::new(Vec::new());
    let watch = |look_up| {
        seen.borrow_mut().push(look_up);
        Ok(())
    };
    let state = Watched { state: &ledger.state, watch };
    let verdict = judge(&state, &ledger.world.genesis.config, ledger.clock, &statement);
    let records = verdict.expect("memory is readable").map(|outcome| outcome.leaves);
    (seen.into_inner(), records)
}

/// What the school's revocation of the credentials 0 to 9 looks up.
fn look_ups_of_a_revocation(ledger: &mut Ledger) -> Vec<LookUp> {
    let (look_ups, records) = judged(ledger, &school(), school().sets(Revoked, (0..10).map(c)));
    assert_eq!(records, Ok(10));
    look_ups
}

/// Any TAO can accredit any organisation as often as it likes. Each revocation by the school once walked all of that.
#[test]
fn what_strangers_accredit_a_school_for_costs_its_revocations_nothing() {
    let mut ledger = stage();
    anchor(&mut ledger, &school(), 0..10).expect("all are new");
    let alone = look_ups_of_a_revocation(&mut ledger).len();
    ledger.accredited(&root(), &other_tao(), Role::Tao);
    let unasked = |number: u8| Actor { accreditation: AccreditationId([number; 32]), ..school() };
    for number in 0..100 {
        ledger.act(&other_tao(), other_tao().accredits(&unasked(number), Role::Ti)).expect("any TAO may");
    }
    assert_eq!(look_ups_of_a_revocation(&mut ledger).len(), alone);

    // While anything is frozen, each credential's record is read, and each accreditation that they name once.
    for number in 0..100 {
        freeze(&mut ledger, &other_tao(), &unasked(number)).expect("the accreditor may");
    }
    let frozen = look_ups_of_a_revocation(&mut ledger);
    let count =
        |look_ups: &[LookUp], kind: fn(&LookUp) -> bool| look_ups.iter().filter(|of| kind(of)).count();
    assert_eq!(count(&frozen, |of| matches!(of, LookUp::LogLeaf(_))), 10);
    assert_eq!(count(&frozen, |of| matches!(of, LookUp::Accreditation(_))), 3, "school, TAO and root");

    for number in 0..100 {
        let status = if number % 2 == 0 { Valid } else { Revoked };
        let body = other_tao().sets_accreditation(&unasked(number), status);
        ledger.act(&other_tao(), body).expect("the accreditor may");
    }
    assert_eq!(look_ups_of_a_revocation(&mut ledger).len(), alone);
}
