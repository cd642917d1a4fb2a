//! Credentials: RULES 5.6, 5.7, 5.9.

use kvitto_ledger::document::VerificationMethod;
use kvitto_ledger::genesis::Limits;
use kvitto_ledger::ids::Position;
use kvitto_ledger::scope::Role;
use kvitto_ledger::state::{ItemOutcome, ReadState};
use kvitto_ledger::statement::body::StatusCode;
use kvitto_ledger::statement::{Anchor, AnchorItem, SetStatus, StatusItem, StatusTarget};
use kvitto_ledger::testing::{Actor, HOUR_MS, Ledger, START, commitment as c};
use kvitto_ledger::{Rejection, TimeMs};
use kvitto_merkle::status::StatusValue::{self, Revoked, Superseded, Suspended, Valid};

use crate::{Case, Verdict, case, check, college, school, stage, tao};

pub(crate) fn anchor(ledger: &mut Ledger, by: &Actor, numbers: impl IntoIterator<Item = u64>) -> Verdict {
    ledger.act(by, by.anchors(numbers.into_iter().map(c)))
}

pub(crate) fn set(ledger: &mut Ledger, by: &Actor, status: StatusValue, number: u64) -> Verdict {
    ledger.act(by, by.sets(status, [c(number)]))
}

/// Reserves `count` positions for the school; the first one.
pub(crate) fn reserve(ledger: &mut Ledger, count: u32) -> Result<Position, Rejection> {
    let first = ledger.state.newest().tip.positions;
    ledger.act(&school(), school().reserves(count))?;
    Ok(Position(first))
}

pub(crate) fn at(position: Position, status: StatusValue) -> StatusItem {
    StatusItem { target: StatusTarget::Position(position), status: StatusCode(status), successor: None }
}

pub(crate) fn cases() -> Vec<Case> {
    [anchors(), reservations(), statuses(), caps()].into_iter().flatten().collect()
}

fn anchors() -> Vec<Case> {
    vec![
        case(
            "5.6: An item already anchored by this issuer is DUPLICATE",
            |l| {
                anchor(l, &school(), [1])?;
                anchor(l, &school(), [1, 2])
            },
            Ok(()),
        ),
        case(
            "5.6: if nothing new remains it does not execute",
            |l| {
                anchor(l, &school(), [1, 2])?;
                anchor(l, &school(), [1])
            },
            Err(Rejection::NothingNew),
        ),
        case(
            "D4.2: unique per (issuer, commitment), so nobody can block another's anchor",
            |l| {
                anchor(l, &college(), [1])?;
                anchor(l, &school(), [1])
            },
            Ok(()),
        ),
        case(
            "a revoked commitment is not anchored again",
            |l| {
                anchor(l, &school(), [1])?;
                set(l, &school(), Revoked, 1)?;
                anchor(l, &school(), [1])
            },
            Err(Rejection::NothingNew),
        ),
    ]
}

fn reservations() -> Vec<Case> {
    vec![
        case(
            "5.7: an Anchor uses a reserved position once",
            |l| {
                let p = reserve(l, 2)?;
                l.act(&school(), school().anchors_at(c(1), p))
            },
            Ok(()),
        ),
        case(
            "5.7: an Anchor uses a reserved position once (again)",
            |l| {
                let p = reserve(l, 2)?;
                l.act(&school(), school().anchors_at(c(1), p))?;
                l.act(&school(), school().anchors_at(c(2), p))
            },
            Err(Rejection::PositionNotReserved),
        ),
        case(
            "D4.2: reserved earlier by the same issuer",
            |l| {
                let p = reserve(l, 2)?;
                l.act(&college(), college().anchors_at(c(1), p))
            },
            Err(Rejection::PositionNotReserved),
        ),
        case(
            "the position is reserved (not an accreditation's)",
            |l| l.act(&school(), school().anchors_at(c(1), Position(0))),
            Err(Rejection::PositionNotReserved),
        ),
        case(
            "the position is reserved (not the next free one)",
            |l| {
                let p = reserve(l, 2)?;
                l.act(&school(), school().anchors_at(c(1), Position(p.0 + 2)))
            },
            Err(Rejection::PositionUnknown),
        ),
        case(
            "the position is in use (the greatest number)",
            |l| l.act(&school(), school().anchors_at(c(1), Position(u64::MAX))),
            Err(Rejection::PositionUnknown),
        ),
        case(
            "5.6: any other fault rejects the whole statement",
            |l| {
                let items = vec![
                    AnchorItem { commitment: c(1), reserved: None },
                    AnchorItem { commitment: c(2), reserved: Some(Position(0)) },
                ];
                l.act(&school(), Anchor { items, ..school().anchors([]) })
            },
            Err(Rejection::PositionNotReserved),
        ),
        case(
            "a duplicate leaves its reserved position free",
            |l| {
                let p = reserve(l, 1)?;
                anchor(l, &school(), [1])?;
                let items = vec![
                    AnchorItem { commitment: c(1), reserved: Some(p) },
                    AnchorItem { commitment: c(2), reserved: None },
                ];
                l.act(&school(), Anchor { items, ..school().anchors([]) })?;
                l.act(&school(), school().anchors_at(c(3), p))
            },
            Ok(()),
        ),
        case(
            "scope comes before reservation",
            |l| {
                l.act(
                    &school(),
                    Anchor { credential_type: "Other".into(), ..school().anchors_at(c(1), Position(0)) },
                )
            },
            Err(Rejection::AccreditationScope),
        ),
        case(
            "D4.4: Reserved but unused positions are bounded per issuer",
            |l| {
                for _ in 0..4 {
                    reserve(l, 131_072)?;
                }
                l.act(&school(), school().reserves(1))
            },
            Err(Rejection::ReservationQuota),
        ),
        case(
            "5.4: Quotas are per issuer DID: another's are free",
            |l| {
                for _ in 0..4 {
                    reserve(l, 131_072)?;
                }
                l.act(&college(), college().reserves(1))
            },
            Ok(()),
        ),
        case(
            "a used position counts no more",
            |l| {
                let p = reserve(l, 131_072)?;
                for _ in 0..3 {
                    reserve(l, 131_072)?;
                }
                l.act(&school(), school().anchors_at(c(1), p))?;
                l.act(&school(), school().reserves(1))
            },
            Ok(()),
        ),
    ]
}

fn statuses() -> Vec<Case> {
    vec![
        case(
            "D4.2: SetStatus: the anchoring issuer",
            |l| {
                anchor(l, &school(), [1])?;
                set(l, &school(), Revoked, 1)
            },
            Ok(()),
        ),
        case(
            "the signer is the issuer",
            |l| {
                anchor(l, &school(), [1])?;
                l.act(&tao(), SetStatus { issuer: school().did, ..tao().sets(Revoked, [c(1)]) })
            },
            Err(Rejection::NotIssuer),
        ),
        case("the commitment was anchored", |l| set(l, &school(), Revoked, 1), Err(Rejection::AnchorUnknown)),
        case(
            "9: someone else's is answered like an unknown one",
            |l| {
                anchor(l, &college(), [1])?;
                set(l, &school(), Revoked, 1)
            },
            Err(Rejection::AnchorUnknown),
        ),
        case(
            "9: someone else's position is answered like an unknown one",
            |l| {
                let p = Position(l.state.newest().tip.positions);
                anchor(l, &college(), [1])?;
                l.act(&school(), school().changes([at(p, Revoked)]))
            },
            Err(Rejection::AnchorUnknown),
        ),
        case(
            "own commitment or position",
            |l| {
                let p = Position(l.state.newest().tip.positions);
                anchor(l, &school(), [1])?;
                l.act(&school(), school().changes([at(p, Revoked)]))
            },
            Ok(()),
        ),
        case(
            "a position that is not in use",
            |l| l.act(&school(), school().changes([at(Position(u64::MAX), Revoked)])),
            Err(Rejection::AnchorUnknown),
        ),
        case(
            "5.7: A reserved, unused position cannot change status",
            |l| {
                let p = reserve(l, 1)?;
                l.act(&school(), school().changes([at(p, Revoked)]))
            },
            Err(Rejection::PositionUnused),
        ),
        case(
            "D2.6: Revoked stays revoked: revoke twice",
            |l| {
                anchor(l, &school(), [1])?;
                set(l, &school(), Revoked, 1)?;
                set(l, &school(), Revoked, 1)
            },
            Err(Rejection::AlreadyRevoked),
        ),
        case(
            "D2.6: Revoked stays revoked: reinstate",
            |l| {
                anchor(l, &school(), [1])?;
                set(l, &school(), Revoked, 1)?;
                set(l, &school(), Valid, 1)
            },
            Err(Rejection::AlreadyRevoked),
        ),
        case(
            "D4.2: reinstate only from suspended",
            |l| {
                anchor(l, &school(), [1])?;
                set(l, &school(), Valid, 1)
            },
            Err(Rejection::StatusTransition),
        ),
        case(
            "5.7: A successor is another anchor of the same issuer with status 0",
            |l| {
                anchor(l, &school(), [1, 2])?;
                l.act(&school(), school().supersedes(c(1), c(2)))
            },
            Ok(()),
        ),
        case(
            "5.7: A successor is an anchor",
            |l| {
                anchor(l, &school(), [1])?;
                l.act(&school(), school().supersedes(c(1), c(2)))
            },
            Err(Rejection::SuccessorUnknown),
        ),
        case(
            "5.7: A successor is another anchor",
            |l| {
                anchor(l, &school(), [1])?;
                l.act(&school(), school().supersedes(c(1), c(1)))
            },
            Err(Rejection::SuccessorUnknown),
        ),
        case(
            "5.7: A successor is an anchor of the same issuer",
            |l| {
                anchor(l, &school(), [1])?;
                anchor(l, &college(), [2])?;
                l.act(&school(), school().supersedes(c(1), c(2)))
            },
            Err(Rejection::SuccessorUnknown),
        ),
        case(
            "5.7: A successor is an anchor with status 0",
            |l| {
                anchor(l, &school(), [1, 2])?;
                set(l, &school(), Suspended, 2)?;
                l.act(&school(), school().supersedes(c(1), c(2)))
            },
            Err(Rejection::SuccessorUnknown),
        ),
        case(
            "transition comes before successor",
            |l| {
                anchor(l, &school(), [1])?;
                set(l, &school(), Revoked, 1)?;
                l.act(&school(), school().supersedes(c(1), c(2)))
            },
            Err(Rejection::AlreadyRevoked),
        ),
        case(
            "5.6: faulty items are skipped, at least one must apply",
            |l| {
                anchor(l, &school(), [2])?;
                l.act(&school(), school().sets(Revoked, [c(1), c(2), c(3)]))
            },
            Ok(()),
        ),
        case(
            "5.6: at least one must apply (the first one's fault is the answer)",
            |l| {
                anchor(l, &school(), [1])?;
                set(l, &school(), Revoked, 1)?;
                l.act(&school(), school().sets(Revoked, [c(1), c(2)]))
            },
            Err(Rejection::AlreadyRevoked),
        ),
        case(
            "the issuer still revokes after its accreditation was withdrawn",
            |l| {
                anchor(l, &school(), [1])?;
                l.act(&tao(), tao().sets_accreditation(&school(), Revoked))?;
                set(l, &school(), Revoked, 1)
            },
            Ok(()),
        ),
    ]
}

fn caps() -> Vec<Case> {
    vec![
        case(
            "5.9: An issuer's revocations per hour are capped by limits",
            |l| {
                few_revocations(l);
                revoke_block(l, 0..4096)?;
                revoke_block(l, 4096..4097)
            },
            Err(Rejection::RevocationQuota),
        ),
        case(
            "5.9: a larger batch waits (for the next hour)",
            |l| {
                few_revocations(l);
                revoke_block(l, 0..4096)?;
                l.clock = TimeMs(l.clock.0 / HOUR_MS * HOUR_MS + HOUR_MS);
                revoke_block(l, 4096..4097)
            },
            Ok(()),
        ),
        case(
            "5.9: suspensions are not capped",
            |l| {
                few_revocations(l);
                revoke_block(l, 0..4096)?;
                l.act(&school(), school().sets(Suspended, [c(4096)]))
            },
            Ok(()),
        ),
        case(
            "5.9: capped as a whole",
            |l| {
                few_revocations(l);
                revoke_block(l, 0..1)?;
                revoke_block(l, 1..4097)
            },
            Err(Rejection::RevocationQuota),
        ),
    ]
}

/// The least that a genesis may allow; and 4,097 credentials.
fn few_revocations(ledger: &mut Ledger) {
    *ledger = Ledger::with_limits(Limits { reserved_unused_max: 4096, revocations_per_hour_max: 4096 })
        .and_school();
    anchor(ledger, &school(), 0..4096).expect("all are new");
    anchor(ledger, &school(), [4096]).expect("it is new");
}

fn revoke_block(ledger: &mut Ledger, numbers: std::ops::Range<u64>) -> Verdict {
    ledger.act(&school(), school().sets(Revoked, numbers.map(c)))
}

#[test]
fn credentials_are_judged_as_the_table_says() {
    check(cases());
}

/// RULES 5.7, all sixteen: 0 -> 1, 2, 3; 2 -> 0, 1, 3; 3 -> 1; 1 -> nothing.
#[test]
fn the_transitions_of_credentials_are_these() {
    use Rejection::{AlreadyRevoked, StatusTransition};
    let no = Err(StatusTransition);
    let table = [
        (Valid, [no, Ok(()), Ok(()), Ok(())]),
        (Revoked, [Err(AlreadyRevoked); 4]),
        (Suspended, [Ok(()), Ok(()), no, Ok(())]),
        (Superseded, [no, Ok(()), no, no]),
    ];
    let change = |ledger: &mut Ledger, to| match to {
        Superseded => ledger.act(&school(), school().supersedes(c(1), c(2))),
        to => set(ledger, &school(), to, 1),
    };
    for (from, row) in table {
        for (to, expected) in [Valid, Revoked, Suspended, Superseded].into_iter().zip(row) {
            let mut ledger = stage();
            let position = ledger.state.newest().tip.positions;
            anchor(&mut ledger, &school(), [1, 2]).expect("both are new");
            if from != Valid {
                change(&mut ledger, from).expect("from valid to anything");
            }
            assert_eq!(change(&mut ledger, to).map(|_| ()), expected, "{from:?} to {to:?}");
            let chunk = ledger.state.status_chunk(0).expect("memory is readable").unwrap_or_default();
            assert_eq!(chunk.value(position), if expected.is_ok() { to } else { from }, "{from:?} to {to:?}");
        }
    }
}

#[test]
fn every_item_of_an_anchor_has_its_outcome() {
    let mut ledger = stage();
    let first = ledger.state.newest().tip.positions;
    anchor(&mut ledger, &school(), [2, 4]).expect("both are new");
    let outcome = anchor(&mut ledger, &school(), 1..=5).expect("some are new");
    let leaf = outcome.first_leaf.0;
    let recorded = |offset| ItemOutcome::Recorded { leaf: kvitto_ledger::LeafIndex(leaf + offset) };
    let duplicate = |offset| ItemOutcome::Duplicate { position: Position(first + offset) };
    let items: Vec<_> = (0..5).map(|item| outcome.item(item)).collect();
    assert_eq!(items, [recorded(0), duplicate(0), recorded(1), duplicate(1), recorded(2)]);
    assert_eq!(outcome.leaves, 3);
}

#[test]
fn every_item_of_a_status_change_has_its_outcome() {
    let mut ledger = stage();
    anchor(&mut ledger, &school(), [1, 2, 3]).expect("all are new");
    set(&mut ledger, &school(), Revoked, 2).expect("it is valid");
    let outcome =
        ledger.act(&school(), school().sets(Suspended, [c(1), c(2), c(3), c(4)])).expect("two apply");
    let leaf =
        |offset| ItemOutcome::Recorded { leaf: kvitto_ledger::LeafIndex(outcome.first_leaf.0 + offset) };
    let items: Vec<_> = (0..4).map(|item| outcome.item(item)).collect();
    assert_eq!(
        items,
        [
            leaf(0),
            ItemOutcome::Skipped(Rejection::AlreadyRevoked),
            leaf(1),
            ItemOutcome::Skipped(Rejection::AnchorUnknown)
        ]
    );
}

/// The same credential named by position and by commitment: the second sees what the first did.
#[test]
fn one_credential_named_twice_changes_once() {
    let mut ledger = stage();
    let position = Position(ledger.state.newest().tip.positions);
    anchor(&mut ledger, &school(), [1]).expect("it is new");
    let twice = school().sets(Revoked, [c(1)]).items[0].clone();
    let outcome =
        ledger.act(&school(), school().changes([at(position, Revoked), twice])).expect("one applies");
    assert_eq!(outcome.item(1), ItemOutcome::Skipped(Rejection::AlreadyRevoked));
    assert_eq!(outcome.leaves, 1);
}

/// DESIGN 2.7: the status of a credential outlives its issuer: nobody can change it, and it stays readable.
#[test]
fn a_deactivated_issuer_leaves_its_statuses() {
    let mut ledger = stage();
    let position = ledger.state.newest().tip.positions;
    anchor(&mut ledger, &school(), [1]).expect("it is new");
    set(&mut ledger, &school(), Suspended, 1).expect("it is valid");
    ledger.act(&tao(), tao().deactivates(&school())).expect("the sponsor may");
    assert_eq!(set(&mut ledger, &school(), Valid, 1), Err(Rejection::SignerDeactivated));
    let chunk = ledger.state.status_chunk(0).expect("memory is readable").expect("something is set");
    assert_eq!(chunk.value(position), Suspended);
}

/// Keys of other kinds stand in documents, but sign no statements.
#[test]
fn only_ed25519_keys_sign_statements() {
    let method = VerificationMethod {
        key_type: kvitto_ledger::document::KeyType::P256,
        key: vec![1; 64].into(),
        relationships: kvitto_ledger::document::Relationships(31),
    };
    let mut ledger = stage();
    ledger.act(&school(), school().puts([school().method(), method.clone()])).expect("a good document");
    let identifier = &ledger.state.changes.identifiers[&school().did];
    let thumbprint = method.thumbprint().expect("of the right length");
    assert_eq!(identifier.ledger_key(&thumbprint), None);
}

/// A school of its own accreditor: the accreditation's time is judged at the block's time, not at submission.
#[test]
fn accreditations_are_judged_at_the_blocks_time() {
    let mut ledger = stage();
    ledger.accredited(&tao(), &Actor::new("late"), Role::Ti);
    ledger.clock = TimeMs(START.0 + 5 * kvitto_ledger::testing::YEAR_MS - 10);
    let late = Actor::new("late");
    let statement = ledger.sign(&late, late.anchors([c(1)]));
    ledger.clock.0 += 11;
    assert_eq!(ledger.run(statement), Err(Rejection::AccreditationExpired));
}
