//! Accreditations: RULES 6.

use kvitto_ledger::scope::{Role, Scope};
use kvitto_ledger::state::ReadState;
use kvitto_ledger::statement::body::{Policy, Reason};
use kvitto_ledger::statement::{Accredit, SetAccreditationStatus};
use kvitto_ledger::testing::{Actor, Ledger, START, TYPE, YEAR_MS, commitment};
use kvitto_ledger::{AccreditationId, Rejection, TimeMs};
use kvitto_merkle::Hash;
use kvitto_merkle::status::StatusValue::{self, Revoked, Superseded, Suspended, Valid};

use crate::{Case, Verdict, case, check, club, root, school, stage, stranger, tao};

fn accredit(ledger: &mut Ledger, by: &Actor, change: impl FnOnce(&mut Accredit)) -> Verdict {
    let mut body = by.accredits(&club(), Role::Ti);
    change(&mut body);
    ledger.act(by, body)
}

/// Sets the school's accreditation.
fn set(ledger: &mut Ledger, by: &Actor, status: StatusValue) -> Verdict {
    ledger.act(by, by.sets_accreditation(&school(), status))
}

fn withdraw_from(ledger: &mut Ledger, from: Option<TimeMs>) -> Verdict {
    let body = tao().sets_accreditation(&school(), Revoked);
    ledger.act(&tao(), SetAccreditationStatus { effective_from: from, ..body })
}

fn anchor(ledger: &mut Ledger) -> Verdict {
    ledger.act(&school(), school().anchors([commitment(1)]))
}

/// TAOs under one another; the chain of the last one has `links` links, root included.
fn tower(ledger: &mut Ledger, links: usize) -> Result<Actor, Rejection> {
    let mut top = tao();
    for link in 3..=links {
        let next = Actor::new(&format!("tao-{link}"));
        let onboard = top.onboards(&next, &ledger.world.ledger_id);
        ledger.act(&top, onboard)?;
        ledger.act(&top, top.accredits(&next, Role::Tao))?;
        top = next;
    }
    Ok(top)
}

fn scope(change: impl FnOnce(&mut Scope)) -> Scope {
    let mut scope = tao().accredits(&club(), Role::Ti).scope;
    change(&mut scope);
    scope
}

/// The TAO's accreditation gets this scope under a new id; the club gets `child` below it.
fn below(ledger: &mut Ledger, parent: Scope, child: Scope) -> Verdict {
    let id = AccreditationId([9; 32]);
    ledger.act(&root(), Accredit { id, scope: parent, ..root().accredits(&tao(), Role::Tao) })?;
    ledger.act(&tao(), Accredit { parent: id, scope: child, ..tao().accredits(&club(), Role::Ti) })
}

pub(crate) fn cases() -> Vec<Case> {
    [effective(), given(), scopes(), revised(), changed()].into_iter().flatten().collect()
}

fn effective() -> Vec<Case> {
    vec![
        case(
            "the signer holds the accreditation it names",
            |l| {
                let mut body = school().anchors([commitment(1)]);
                body.accreditation = tao().accreditation;
                l.act(&school(), body)
            },
            Err(Rejection::AccreditationMissing),
        ),
        case(
            "D4.2: Anchor: accreditation effective along the whole chain",
            |l| {
                set(l, &tao(), Revoked)?;
                anchor(l)
            },
            Err(Rejection::AccreditationWithdrawn),
        ),
        case(
            "6.2: effective along its whole chain (withdrawn above)",
            |l| {
                l.act(&root(), root().sets_accreditation(&tao(), Revoked))?;
                anchor(l)
            },
            Err(Rejection::AccreditationWithdrawn),
        ),
        case(
            "6.2: effective along its whole chain (suspended)",
            |l| {
                set(l, &tao(), Suspended)?;
                anchor(l)
            },
            Err(Rejection::AccreditationSuspended),
        ),
        case(
            "6.2: effective along its whole chain (suspended above)",
            |l| {
                l.act(&root(), root().sets_accreditation(&tao(), Suspended))?;
                anchor(l)
            },
            Err(Rejection::AccreditationSuspended),
        ),
        case(
            "a suspension lifted",
            |l| {
                set(l, &tao(), Suspended)?;
                set(l, &tao(), Valid)?;
                anchor(l)
            },
            Ok(()),
        ),
        case(
            "withdrawn comes before suspended",
            |l| {
                set(l, &tao(), Suspended)?;
                l.act(&root(), root().sets_accreditation(&tao(), Revoked))?;
                anchor(l)
            },
            Err(Rejection::AccreditationWithdrawn),
        ),
        case(
            "every link of the chain has begun",
            |l| {
                accredit(l, &tao(), |body| body.valid_from.0 = START.0 + YEAR_MS)?;
                l.act(&club(), club().reserves(1))
            },
            Err(Rejection::AccreditationNotYet),
        ),
        case(
            "every link has begun (at its first moment)",
            |l| {
                accredit(l, &tao(), |body| body.valid_from.0 = START.0 + YEAR_MS)?;
                l.clock.0 = START.0 + YEAR_MS;
                l.act(&club(), club().reserves(1))
            },
            Ok(()),
        ),
        case(
            "no link of the chain has expired",
            |l| {
                l.clock.0 = START.0 + 5 * YEAR_MS + 1;
                anchor(l)
            },
            Err(Rejection::AccreditationExpired),
        ),
        case(
            "no link has expired (at its last moment)",
            |l| {
                l.clock.0 = START.0 + 5 * YEAR_MS;
                anchor(l)
            },
            Ok(()),
        ),
        case(
            "suspended comes before expired",
            |l| {
                set(l, &tao(), Suspended)?;
                l.clock.0 = START.0 + 6 * YEAR_MS;
                anchor(l)
            },
            Err(Rejection::AccreditationSuspended),
        ),
        case(
            "effective comes before role",
            |l| {
                l.act(&root(), root().sets_accreditation(&tao(), Suspended))?;
                l.act(&tao(), tao().reserves(1))
            },
            Err(Rejection::AccreditationSuspended),
        ),
        case(
            "only a root or a TAO onboards and accredits",
            |l| accredit(l, &school(), |_| ()),
            Err(Rejection::AccreditorRole),
        ),
        case(
            "role comes before subject",
            |l| l.act(&school(), school().accredits(&stranger(), Role::Ti)),
            Err(Rejection::AccreditorRole),
        ),
        case(
            "6.1: Anchor needs role TI",
            |l| l.act(&tao(), tao().anchors([commitment(1)])),
            Err(Rejection::IssuerRole),
        ),
        case(
            "D4.2: Reserve: effective TI",
            |l| l.act(&root(), root().reserves(1)),
            Err(Rejection::IssuerRole),
        ),
        case(
            "role comes before scope",
            |l| {
                let mut body = tao().anchors([commitment(1)]);
                body.credential_type = "Other".into();
                l.act(&tao(), body)
            },
            Err(Rejection::IssuerRole),
        ),
        case(
            "D4.2: Anchor: type in scope",
            |l| {
                let mut body = school().anchors([commitment(1)]);
                body.credential_type = "Other".into();
                l.act(&school(), body)
            },
            Err(Rejection::AccreditationScope),
        ),
        case(
            "6.1: exact byte strings",
            |l| {
                let mut body = school().anchors([commitment(1)]);
                body.credential_type = TYPE.to_lowercase();
                l.act(&school(), body)
            },
            Err(Rejection::AccreditationScope),
        ),
        case(
            "6.1: * is no type of a TI",
            |l| {
                let mut body = school().anchors([commitment(1)]);
                body.credential_type = "*".into();
                l.act(&school(), body)
            },
            Err(Rejection::AccreditationScope),
        ),
    ]
}

fn given() -> Vec<Case> {
    vec![
        case("D4.2: Accredit: holder of the parent", |l| accredit(l, &tao(), |_| ()), Ok(())),
        case(
            "D4.2: parent effective now",
            |l| {
                l.act(&root(), root().sets_accreditation(&tao(), Suspended))?;
                accredit(l, &tao(), |_| ())
            },
            Err(Rejection::AccreditationSuspended),
        ),
        case(
            "D4.2: holder of the parent (another's)",
            |l| accredit(l, &tao(), |body| body.parent = root().accreditation),
            Err(Rejection::AccreditationMissing),
        ),
        case(
            "the subject is a registered organisation",
            |l| l.act(&tao(), tao().accredits(&stranger(), Role::Ti)),
            Err(Rejection::IdentifierUnknown),
        ),
        case(
            "the subject's identifier is not deactivated",
            |l| {
                l.act(&club(), club().deactivates(&club()))?;
                accredit(l, &tao(), |_| ())
            },
            Err(Rejection::IdentifierDeactivated),
        ),
        case(
            "deactivated comes before known id",
            |l| {
                accredit(l, &tao(), |_| ())?;
                l.act(&club(), club().deactivates(&club()))?;
                accredit(l, &tao(), |_| ())
            },
            Err(Rejection::IdentifierDeactivated),
        ),
        case(
            "6.1: Ids unique per (subject, id)",
            |l| {
                accredit(l, &tao(), |_| ())?;
                accredit(l, &root(), |_| ())
            },
            Err(Rejection::AccreditationExists),
        ),
        case(
            "6.1: Ids unique per (subject, id): the same id for another subject",
            |l| accredit(l, &tao(), |body| body.id = school().accreditation),
            Ok(()),
        ),
        case(
            "D4.2: no cycles (itself)",
            |l| {
                l.act(&tao(), Accredit { id: AccreditationId([1; 32]), ..tao().accredits(&tao(), Role::Tao) })
            },
            Err(Rejection::AccreditationCycle),
        ),
        case(
            "6.1: No subject twice in a chain (two)",
            |l| {
                l.act(
                    &tao(),
                    Accredit { id: AccreditationId([1; 32]), ..tao().accredits(&root(), Role::Tao) },
                )
            },
            Err(Rejection::AccreditationCycle),
        ),
        case(
            "6.1: No subject twice in a chain (three)",
            |l| {
                let top = tower(l, 3)?;
                l.act(&top, Accredit { id: AccreditationId([1; 32]), ..top.accredits(&tao(), Role::Tao) })
            },
            Err(Rejection::AccreditationCycle),
        ),
        case(
            "6.1: two accreditations of one subject are no cycle",
            |l| {
                accredit(l, &tao(), |_| ())?;
                accredit(l, &root(), |body| body.id = AccreditationId([1; 32]))
            },
            Ok(()),
        ),
        case(
            "D4.2: depth at most 8",
            |l| {
                let top = tower(l, 7)?;
                accredit(l, &top, |_| ())
            },
            Ok(()),
        ),
        case(
            "D4.2: depth at most 8 (a ninth)",
            |l| {
                let top = tower(l, 8)?;
                accredit(l, &top, |_| ())
            },
            Err(Rejection::AccreditationDepth),
        ),
        case(
            "cycle comes before depth",
            |l| {
                let top = tower(l, 8)?;
                l.act(&top, Accredit { id: AccreditationId([1; 32]), ..top.accredits(&tao(), Role::Tao) })
            },
            Err(Rejection::AccreditationCycle),
        ),
        case(
            "depth comes before scope",
            |l| {
                let top = tower(l, 8)?;
                accredit(l, &top, |body| body.scope.types = ["Other".to_owned()].into())
            },
            Err(Rejection::AccreditationDepth),
        ),
        case(
            "scope comes before validity",
            |l| {
                accredit(l, &tao(), |body| {
                    body.scope.types = ["Other".to_owned()].into();
                    body.valid_until.0 += 1;
                })
            },
            Err(Rejection::ScopeWidened),
        ),
        case(
            "D4.2: validity inside the parent's (ends later)",
            |l| accredit(l, &tao(), |body| body.valid_until.0 += 1),
            Err(Rejection::ValidityWidened),
        ),
        case(
            "D4.2: validity inside the parent's (begins earlier)",
            |l| accredit(l, &tao(), |body| body.valid_from.0 -= 1),
            Err(Rejection::ValidityWidened),
        ),
        case(
            "a chain may begin later than now",
            |l| accredit(l, &tao(), |body| body.valid_from.0 += YEAR_MS),
            Ok(()),
        ),
    ]
}

fn scopes() -> Vec<Case> {
    fn types(types: &[&str]) -> Scope {
        scope(|scope| scope.types = types.iter().map(|text| (*text).to_owned()).collect())
    }
    fn eqf(levels: Option<&[u8]>) -> Scope {
        scope(|scope| scope.eqf_levels = levels.map(|levels| levels.iter().copied().collect()))
    }
    fn fields(fields: Option<&[&str]>) -> Scope {
        scope(|scope| {
            scope.isced_fields = fields.map(|fields| fields.iter().map(|&text| text.to_owned()).collect())
        })
    }
    vec![
        case("6.1: inside = subset", |l| below(l, types(&["A", "B"]), types(&["A"])), Ok(())),
        case("6.1: inside = subset (equal)", |l| below(l, types(&["A", "B"]), types(&["A", "B"])), Ok(())),
        case(
            "6.1: inside = subset (one more)",
            |l| below(l, types(&["A", "B"]), types(&["A", "C"])),
            Err(Rejection::ScopeWidened),
        ),
        case("6.1: empty = nothing, inside everything", |l| below(l, types(&["A"]), types(&[])), Ok(())),
        case(
            "6.1: empty = nothing, with nothing inside",
            |l| below(l, types(&[]), types(&["A"])),
            Err(Rejection::ScopeWidened),
        ),
        case(
            "6.1: jurisdictions have no hierarchy",
            |l| {
                below(
                    l,
                    scope(|scope| scope.jurisdictions = ["SE".to_owned()].into()),
                    scope(|scope| scope.jurisdictions = ["SE-AB".to_owned()].into()),
                )
            },
            Err(Rejection::ScopeWidened),
        ),
        case(
            "6.1: schemas too",
            |l| below(l, types(&["A"]), Scope { schemas: ["s".to_owned()].into(), ..types(&["A"]) }),
            Err(Rejection::ScopeWidened),
        ),
        case("6.1: absent = not limited", |l| below(l, eqf(None), eqf(Some(&[5]))), Ok(())),
        case(
            "6.1: absent = not limited (so it is wider than any)",
            |l| below(l, eqf(Some(&[5])), eqf(None)),
            Err(Rejection::ScopeWidened),
        ),
        case("6.1: EQF levels", |l| below(l, eqf(Some(&[5, 6])), eqf(Some(&[6]))), Ok(())),
        case(
            "6.1: EQF levels (one more)",
            |l| below(l, eqf(Some(&[5, 6])), eqf(Some(&[6, 7]))),
            Err(Rejection::ScopeWidened),
        ),
        case("6.1: ISCED-F fields", |l| below(l, fields(Some(&["0613"])), fields(Some(&["0613"]))), Ok(())),
        case(
            "6.1: ISCED-F fields (another)",
            |l| below(l, fields(Some(&["0613"])), fields(Some(&["0611"]))),
            Err(Rejection::ScopeWidened),
        ),
    ]
}

/// Accredits the club for three years, then again after `change`.
fn revise(ledger: &mut Ledger, by: &Actor, change: impl FnOnce(&mut Accredit)) -> Verdict {
    let three_years = |body: &mut Accredit| body.valid_until = TimeMs(START.0 + 3 * YEAR_MS);
    accredit(ledger, &tao(), three_years)?;
    accredit(ledger, by, |body| {
        three_years(body);
        change(body);
    })
}

fn revised() -> Vec<Case> {
    vec![
        case(
            "D4.2: the same id by the same accreditor = a revision (longer validity)",
            |l| revise(l, &tao(), |body| body.valid_until.0 += 1),
            Ok(()),
        ),
        case("a revision differs", |l| revise(l, &tao(), |_| ()), Err(Rejection::AccreditationExists)),
        case(
            "a revision never ends earlier",
            |l| revise(l, &tao(), |body| body.valid_until.0 -= 1),
            Err(Rejection::AccreditationExists),
        ),
        case(
            "a revision keeps its beginning",
            |l| {
                revise(l, &tao(), |body| {
                    body.valid_until.0 += 1;
                    body.valid_from.0 += 1;
                })
            },
            Err(Rejection::AccreditationExists),
        ),
        case(
            "a revision keeps its role",
            |l| {
                revise(l, &tao(), |body| {
                    body.valid_until.0 += 1;
                    body.role = Role::Tao;
                })
            },
            Err(Rejection::AccreditationExists),
        ),
        case(
            "a revision keeps its scope",
            |l| {
                revise(l, &tao(), |body| {
                    body.valid_until.0 += 1;
                    body.scope.jurisdictions.clear();
                })
            },
            Err(Rejection::AccreditationExists),
        ),
        case(
            "a revision is the same accreditor's",
            |l| revise(l, &root(), |body| body.valid_until.0 += 1),
            Err(Rejection::AccreditationExists),
        ),
        case(
            "a revision may bring another policy",
            |l| {
                revise(l, &tao(), |body| {
                    body.policy =
                        Some(Policy { url: "https://tao.example/policy".into(), digest: Hash([1; 32]) })
                })
            },
            Ok(()),
        ),
        case(
            "a revision may bring another credential",
            |l| revise(l, &tao(), |body| body.credential_digest = Some(Hash([1; 32]))),
            Ok(()),
        ),
        case(
            "a revision lies inside the parent's validity",
            |l| revise(l, &tao(), |body| body.valid_until.0 += 3 * YEAR_MS),
            Err(Rejection::ValidityWidened),
        ),
        case(
            "a withdrawn accreditation is not revised",
            |l| {
                accredit(l, &tao(), |_| ())?;
                l.act(&tao(), tao().sets_accreditation(&club(), Revoked))?;
                accredit(l, &tao(), |body| body.credential_digest = Some(Hash([1; 32])))
            },
            Err(Rejection::AccreditationExists),
        ),
        case(
            "a revision lifts no suspension",
            |l| {
                accredit(l, &tao(), |_| ())?;
                l.act(&tao(), tao().sets_accreditation(&club(), Suspended))?;
                accredit(l, &tao(), |body| body.credential_digest = Some(Hash([1; 32])))?;
                l.act(&club(), club().reserves(1))
            },
            Err(Rejection::AccreditationSuspended),
        ),
        case(
            "an expired accreditation can be extended",
            |l| {
                accredit(l, &tao(), |body| body.valid_until = TimeMs(START.0 + YEAR_MS))?;
                l.clock.0 = START.0 + 2 * YEAR_MS;
                accredit(l, &tao(), |_| ())?;
                l.act(&club(), club().reserves(1))
            },
            Ok(()),
        ),
    ]
}

fn changed() -> Vec<Case> {
    vec![
        case(
            "the accreditation is in the registry",
            |l| l.act(&tao(), tao().sets_accreditation(&club(), Suspended)),
            Err(Rejection::AccreditationUnknown),
        ),
        case(
            "1.3: A root can be suspended or withdrawn, by a Change",
            |l| l.act(&root(), root().sets_accreditation(&root(), Suspended)),
            Err(Rejection::RootByChangeOnly),
        ),
        case(
            "D4.2: the accreditor, or any ancestor (the subject is neither)",
            |l| set(l, &school(), Suspended),
            Err(Rejection::NotAccreditor),
        ),
        case(
            "D4.2: the accreditor, or any ancestor (another TI)",
            |l| set(l, &crate::college(), Suspended),
            Err(Rejection::NotAccreditor),
        ),
        case(
            "D4.2: the accreditor, or any ancestor (not below)",
            |l| l.act(&school(), school().sets_accreditation(&tao(), Suspended)),
            Err(Rejection::NotAccreditor),
        ),
        case("D4.2: the accreditor", |l| set(l, &tao(), Suspended), Ok(())),
        case("D4.2: any ancestor", |l| set(l, &root(), Suspended), Ok(())),
        case(
            "6.2: The signer's own accreditation must be effective",
            |l| {
                l.act(&root(), root().sets_accreditation(&tao(), Suspended))?;
                set(l, &tao(), Suspended)
            },
            Err(Rejection::AccreditationSuspended),
        ),
        case(
            "6.2: effective comes before final",
            |l| {
                set(l, &tao(), Revoked)?;
                l.act(&root(), root().sets_accreditation(&tao(), Suspended))?;
                set(l, &tao(), Revoked)
            },
            Err(Rejection::AccreditationSuspended),
        ),
        case(
            "6.2: an ancestor acts over a suspended accreditor",
            |l| {
                l.act(&root(), root().sets_accreditation(&tao(), Suspended))?;
                set(l, &root(), Revoked)
            },
            Ok(()),
        ),
        case(
            "D4.2: withdrawn is final",
            |l| {
                set(l, &tao(), Revoked)?;
                set(l, &root(), Valid)
            },
            Err(Rejection::AccreditationFinal),
        ),
        case(
            "6.3: A withdrawal is not repeated",
            |l| {
                withdraw_from(l, None)?;
                withdraw_from(l, Some(START))
            },
            Err(Rejection::AccreditationFinal),
        ),
        case(
            "6.2: A suspension is lifted by who imposed it",
            |l| {
                set(l, &tao(), Suspended)?;
                set(l, &tao(), Valid)
            },
            Ok(()),
        ),
        case(
            "6.2: or an ancestor of that one",
            |l| {
                set(l, &tao(), Suspended)?;
                set(l, &root(), Valid)
            },
            Ok(()),
        ),
        case(
            "6.2: only by who imposed it (not by one below)",
            |l| {
                set(l, &root(), Suspended)?;
                set(l, &tao(), Valid)
            },
            Err(Rejection::NotWhoSuspended),
        ),
        case(
            "6.2: only by who imposed it (not by a stranger to the chain)",
            |l| {
                set(l, &tao(), Suspended)?;
                set(l, &crate::college(), Valid)
            },
            Err(Rejection::NotAccreditor),
        ),
        case(
            "a suspended accreditation can be withdrawn by one below",
            |l| {
                set(l, &root(), Suspended)?;
                set(l, &tao(), Revoked)
            },
            Ok(()),
        ),
        case(
            "6.3: effective_from may lie in the past",
            |l| withdraw_from(l, Some(TimeMs(START.0 + 1))),
            Ok(()),
        ),
        case("6.3: accreditation start <= effective_from", |l| withdraw_from(l, Some(START)), Ok(())),
        case(
            "6.3: accreditation start <= effective_from (earlier)",
            |l| withdraw_from(l, Some(TimeMs(START.0 - 1))),
            Err(Rejection::EffectiveFromRange),
        ),
        case("6.3: effective_from <= block time", |l| withdraw_from(l, Some(l.clock)), Ok(())),
        case(
            "6.3: effective_from <= block time (later)",
            |l| withdraw_from(l, Some(TimeMs(l.clock.0 + 1))),
            Err(Rejection::EffectiveFromRange),
        ),
        case(
            "6.3: accreditation start <= effective_from, also when nothing is said",
            |l| {
                accredit(l, &tao(), |body| body.valid_from.0 += YEAR_MS)?;
                l.act(&tao(), tao().sets_accreditation(&club(), Revoked))
            },
            Err(Rejection::EffectiveFromRange),
        ),
        case(
            "one that has not begun can be suspended",
            |l| {
                accredit(l, &tao(), |body| body.valid_from.0 += YEAR_MS)?;
                l.act(&tao(), tao().sets_accreditation(&club(), Suspended))
            },
            Ok(()),
        ),
        case(
            "only an effective accreditation is suspended",
            |l| {
                set(l, &tao(), Suspended)?;
                set(l, &root(), Suspended)
            },
            Err(Rejection::AccreditationTransition),
        ),
        case(
            "only a suspended one is reinstated",
            |l| set(l, &tao(), Valid),
            Err(Rejection::AccreditationTransition),
        ),
        case(
            "5.7: Accreditation positions change only by SetAccreditationStatus",
            |l| {
                let position = l.state.changes.accreditations[&school().accreditation_key()].position;
                let item = kvitto_ledger::statement::StatusItem {
                    target: kvitto_ledger::statement::StatusTarget::Position(position),
                    status: kvitto_ledger::statement::body::StatusCode(Valid),
                    successor: None,
                };
                set(l, &tao(), Suspended)?;
                l.act(&school(), school().changes([item]))
            },
            Err(Rejection::AnchorUnknown),
        ),
    ]
}

#[test]
fn accreditations_are_judged_as_the_table_says() {
    check(cases());
}

/// All sixteen transitions: from 0, 1, 2 (down) to 0, 1, 2, 3 (across); an accreditation is never superseded.
#[test]
fn the_transitions_of_accreditations_are_these() {
    use Rejection::{AccreditationFinal, AccreditationTransition, StatusCode};
    let table = [
        (Valid, [Err(AccreditationTransition), Ok(()), Ok(()), Err(StatusCode)]),
        (
            Revoked,
            [Err(AccreditationFinal), Err(AccreditationFinal), Err(AccreditationFinal), Err(StatusCode)],
        ),
        (Suspended, [Ok(()), Ok(()), Err(AccreditationTransition), Err(StatusCode)]),
    ];
    for (from, row) in table {
        for (to, expected) in [Valid, Revoked, Suspended, Superseded].into_iter().zip(row) {
            let mut ledger = stage();
            if from != Valid {
                set(&mut ledger, &tao(), from).expect("from valid to anything");
            }
            assert_eq!(set(&mut ledger, &tao(), to).map(|_| ()), expected, "{from:?} to {to:?}");
            let position = ledger.state.changes.accreditations[&school().accreditation_key()].position;
            let chunk = ledger.state.status_chunk(0).expect("memory is readable").unwrap_or_default();
            assert_eq!(
                chunk.value(position.0),
                if expected.is_ok() { to } else { from },
                "{from:?} to {to:?}"
            );
        }
    }
}

/// RULES 6.3, 6.4: what a withdrawal leaves in the state for those who ask about a time.
#[test]
fn a_withdrawal_keeps_its_date_and_reason() {
    let mut ledger = stage();
    let body = tao().sets_accreditation(&school(), Revoked);
    let from = Some(TimeMs(START.0 + 1));
    let body = SetAccreditationStatus { effective_from: from, reason: Reason::KeyCompromise, ..body };
    let outcome = ledger.act(&tao(), body).expect("the TAO may withdraw");
    let accreditation = &ledger.state.changes.accreditations[&school().accreditation_key()];
    let withdrawal = accreditation.withdrawal.as_ref().expect("just withdrawn");
    assert_eq!((withdrawal.by, Some(withdrawal.effective_from)), (tao().did, from));
    assert_eq!((withdrawal.reason, withdrawal.leaf), (Reason::KeyCompromise, outcome.first_leaf));
}
