//! Anchors, reservations, statuses.

use kvitto_ledger::Rejection::{
    self, AlreadyRevoked, AnchorUnknown, CredentialType, ItemCount, ItemOrder, NotIssuer, NothingNew,
    PositionNotReserved, PositionUnknown, PositionUnused, StatusFrozen, StatusTransition, SuccessorForm,
    SuccessorUnknown,
};
use kvitto_ledger::statement::body::StatusCode;
use kvitto_ledger::statement::{Anchor, AnchorItem, SetStatus, StatusItem, StatusTarget};
use kvitto_ledger::testing::{Actor, commitment as c};
use kvitto_ledger::{Commitment, Position};
use kvitto_merkle::status::StatusValue::{self, Revoked, Superseded, Suspended, Valid};

use super::{Row, denied, exists, invalid, unknown, unmet};
use crate::stage::{RESERVED, Stage, college, leaky, school, stranger, tao};

pub(super) fn rows() -> Vec<Row> {
    [forms(), anchors(), targets(), transitions(), frozen()].into_iter().flatten().collect()
}

fn item(commitment: Commitment, reserved: Option<Position>) -> AnchorItem {
    AnchorItem { commitment, reserved }
}

fn status(target: StatusTarget, status: StatusValue, successor: Option<Commitment>) -> StatusItem {
    StatusItem { target, status: StatusCode(status), successor }
}

fn forms() -> Vec<Row> {
    let anchor = |name: &str, rejection: Rejection, change: fn(&mut Anchor)| {
        invalid(format!("an anchor {name}"), rejection, move |stage| {
            let mut body = school().anchors([c(50), c(51)]);
            change(&mut body);
            stage.signed(&school(), body)
        })
    };
    let change = |name: &str, rejection: Rejection, items: fn() -> Vec<StatusItem>| {
        invalid(format!("a status change {name}"), rejection, move |stage| {
            stage.signed(&school(), school().changes(items()))
        })
    };
    vec![
        anchor("of nothing", ItemCount, |body| body.items.clear()),
        anchor("of 4,097 commitments", ItemCount, |body| {
            body.items = (0..4097).map(|n| item(c(1000 + n), None)).collect()
        }),
        anchor("in descending order", ItemOrder, |body| body.items.reverse()),
        anchor("of one commitment twice", ItemOrder, |body| body.items[1] = body.items[0].clone()),
        anchor("of two commitments at one place", ItemOrder, |body| {
            body.items.iter_mut().for_each(|item| item.reserved = Some(RESERVED))
        }),
        anchor("without a type", CredentialType, |body| body.credential_type.clear()),
        anchor("of a type of 257 characters", CredentialType, |body| body.credential_type = "a".repeat(257)),
        anchor("of a type that is not ASCII", CredentialType, |body| {
            body.credential_type = "Cours\u{e9}".into()
        }),
        anchor("of a type with a NUL", CredentialType, |body| body.credential_type = "Course\0".into()),
        invalid("a reservation of nothing", ItemCount, |s| s.signed(&school(), school().reserves(0))),
        invalid("a reservation of 131,073 places", ItemCount, |s| {
            s.signed(&school(), school().reserves(131_073))
        }),
        invalid("a reservation of 2^32 - 1 places", ItemCount, |s| {
            s.signed(&school(), school().reserves(u32::MAX))
        }),
        change("of nothing", ItemCount, Vec::new),
        change("of 4,097 positions", ItemCount, || {
            (0..4097).map(|n| status(StatusTarget::Position(Position(n)), Revoked, None)).collect()
        }),
        change("in descending order", ItemOrder, || {
            [4, 2].map(|n| status(StatusTarget::Commitment(c(n)), Revoked, None)).to_vec()
        }),
        change("of one commitment twice", ItemOrder, || {
            vec![status(StatusTarget::Commitment(c(2)), Revoked, None); 2]
        }),
        change("of a commitment before a position", ItemOrder, || {
            vec![
                status(StatusTarget::Commitment(c(2)), Revoked, None),
                status(StatusTarget::Position(RESERVED), Revoked, None),
            ]
        }),
        change("to superseded without a successor", SuccessorForm, || {
            vec![status(StatusTarget::Commitment(c(2)), Superseded, None)]
        }),
        change("to revoked with a successor", SuccessorForm, || {
            vec![status(StatusTarget::Commitment(c(2)), Revoked, Some(c(4)))]
        }),
    ]
}

fn anchors() -> Vec<Row> {
    let at = |position: Position| {
        move |stage: &Stage| stage.signed(&school(), school().anchors_at(c(50), position))
    };
    vec![
        exists("anchoring what one has anchored", NothingNew, |s| {
            s.signed(&school(), school().anchors([c(2)]))
        }),
        exists("anchoring what one has revoked", NothingNew, |s| {
            s.signed(&school(), school().anchors([c(1)]))
        }),
        exists("anchoring only what one has anchored", NothingNew, |s| {
            s.signed(&school(), school().anchors([c(1), c(2), c(4)]))
        }),
        unknown("anchoring at a place beyond all", PositionUnknown, at(Position(1_000_000))),
        unknown("anchoring at the last place of all", PositionUnknown, at(Position(u64::MAX))),
        unmet("anchoring at an accreditation's place", PositionNotReserved, at(Position(0))),
        unmet("anchoring at a used place", PositionNotReserved, at(RESERVED)),
        unmet("anchoring at another's reserved place", PositionNotReserved, |s| {
            s.signed(&college(), college().anchors_at(c(50), Position(RESERVED.0 + 1)))
        }),
    ]
}

fn targets() -> Vec<Row> {
    let by_position = |signer: fn() -> Actor, position: Position| {
        move |stage: &Stage| {
            let item = status(StatusTarget::Position(position), Revoked, None);
            stage.signed(&signer(), signer().changes([item]))
        }
    };
    let for_school = |signer: fn() -> Actor, number: u64| {
        move |stage: &Stage| {
            let body = SetStatus { issuer: school().did, ..signer().sets(Revoked, [c(number)]) };
            stage.signed(&signer(), body)
        }
    };
    vec![
        unknown("revoking an unknown commitment", AnchorUnknown, |s| {
            s.signed(&school(), school().sets(Revoked, [c(50)]))
        }),
        unknown("revoking another's commitment as one's own: like an unknown one", AnchorUnknown, |s| {
            s.signed(&school(), school().sets(Revoked, [c(3)]))
        }),
        unknown("revoking an unknown position", AnchorUnknown, by_position(school, Position(u64::MAX))),
        unknown("revoking an accreditation's position", AnchorUnknown, by_position(school, Position(0))),
        unknown("revoking another's position", AnchorUnknown, by_position(college, RESERVED)),
        unmet("revoking a reserved place", PositionUnused, by_position(school, Position(RESERVED.0 + 1))),
        denied("revoking for another", NotIssuer, for_school(college, 2)),
        denied("a TAO revokes for its school", NotIssuer, for_school(tao, 2)),
        denied(
            "revoking for another what that one never anchored: no answer differs",
            NotIssuer,
            for_school(college, 50),
        ),
        denied("revoking for who is not registered", NotIssuer, |s| {
            s.signed(&school(), SetStatus { issuer: stranger().did, ..school().sets(Revoked, [c(2)]) })
        }),
    ]
}

fn transitions() -> Vec<Row> {
    let sets = |number: u64, status| {
        move |stage: &Stage| stage.signed(&school(), school().sets(status, [c(number)]))
    };
    let supersedes = |old: u64, new: u64| {
        move |stage: &Stage| stage.signed(&school(), school().supersedes(c(old), c(new)))
    };
    vec![
        unmet("revoking twice", AlreadyRevoked, sets(1, Revoked)),
        unmet("un-revoking", AlreadyRevoked, sets(1, Valid)),
        unmet("un-revoking by way of a suspension", AlreadyRevoked, sets(1, Suspended)),
        unmet("un-revoking by way of a successor", AlreadyRevoked, supersedes(1, 2)),
        unmet("reinstating what is valid", StatusTransition, sets(2, Valid)),
        unmet("suspending twice", StatusTransition, sets(4, Suspended)),
        unmet("reinstating what is superseded", StatusTransition, sets(5, Valid)),
        unmet("suspending what is superseded", StatusTransition, sets(5, Suspended)),
        unmet("superseding twice", StatusTransition, supersedes(5, 2)),
        unknown("superseding by what is not anchored", SuccessorUnknown, supersedes(2, 50)),
        unknown("superseding by itself", SuccessorUnknown, supersedes(2, 2)),
        unknown("superseding by what is revoked", SuccessorUnknown, supersedes(2, 1)),
        unknown("superseding by what is suspended", SuccessorUnknown, supersedes(2, 4)),
        unknown("superseding by another's", SuccessorUnknown, supersedes(2, 3)),
        unmet(
            "revoking only what is revoked, and more that is faulty: the first fault speaks",
            AlreadyRevoked,
            |s| s.signed(&school(), school().sets(Revoked, [c(1), c(50)])),
        ),
    ]
}

fn frozen() -> Vec<Row> {
    vec![
        denied("an issuer whose key is compromised revokes", StatusFrozen, |s| {
            s.signed(&leaky(), leaky().sets(Revoked, [c(10)]))
        }),
        denied("an issuer whose key is compromised reinstates", StatusFrozen, |s| {
            s.signed(&leaky(), leaky().sets(Valid, [c(10)]))
        }),
        denied("a stranger to the chain revokes for a compromised issuer", NotIssuer, |s| {
            let body = SetStatus { issuer: leaky().did, ..college().sets(Revoked, [c(10)]) };
            s.signed(&college(), body)
        }),
        denied("an accreditor revokes what the compromised issuer never anchored", NotIssuer, |s| {
            s.signed(&tao(), SetStatus { issuer: leaky().did, ..tao().sets(Revoked, [c(50)]) })
        }),
    ]
}
