//! Accreditations: who may give, change and use them.

use kvitto_ledger::Rejection::{
    self, AccreditationCycle, AccreditationDepth, AccreditationExists, AccreditationExpired,
    AccreditationFinal, AccreditationMissing, AccreditationNotYet, AccreditationScope,
    AccreditationSuspended, AccreditationTransition, AccreditationUnknown, AccreditationValidityRange,
    AccreditationWithdrawn, AccreditorRole, EffectiveFromForm, EffectiveFromRange, IdentifierDeactivated,
    IdentifierUnknown, IssuerRole, LeafTooLarge, NotAccreditor, NotWhoSuspended, PolicyUrl, RoleUnknown,
    RootByChangeOnly, ScopeForm, ScopeWidened, StatusCode as StatusCodeBad, ValidityWidened,
};
use kvitto_ledger::scope::Role;
use kvitto_ledger::statement::body::StatusCode;
use kvitto_ledger::statement::{Accredit, Anchor, Policy, SetAccreditationStatus};
use kvitto_ledger::testing::{Actor, YEAR_MS, commitment as c};
use kvitto_ledger::{AccreditationId, TimeMs};
use kvitto_merkle::Hash;
use kvitto_merkle::status::StatusValue::{Revoked, Superseded, Suspended, Valid};

use super::identifiers::BAD_URLS;
use super::{Row, denied, exists, invalid, unknown, unmet};
use crate::stage::{
    Stage, branch, club, college, deepest, dismissed, early, gone, lapsed, paused, pupil, school, stranger,
    tao,
};

pub(super) fn rows() -> Vec<Row> {
    [forms(), giving(), changing_forms(), changing(), using()].into_iter().flatten().collect()
}

/// The branch accredits the club as an issuer, after a change.
fn accredit(stage: &Stage, change: impl Fn(&mut Accredit)) -> Vec<u8> {
    let mut body = stage.accredits(&branch(), &club(), Role::Ti);
    change(&mut body);
    stage.signed(&branch(), body)
}

fn forms() -> Vec<Row> {
    let form = |name: &str, rejection: Rejection, change: fn(&mut Accredit)| {
        invalid(format!("an accreditation {name}"), rejection, move |stage| accredit(stage, change))
    };
    let mut rows = vec![
        form("of a root", RoleUnknown, |body| body.role = Role::RootTao),
        form("for everything", ScopeForm, |body| body.scope.types = ["*".to_owned()].into()),
        form("in every jurisdiction", ScopeForm, |body| body.scope.jurisdictions = ["*".to_owned()].into()),
        form("for a type without a name", ScopeForm, |body| body.scope.types = [String::new()].into()),
        form("for a type of 257 characters", ScopeForm, |body| body.scope.types = ["a".repeat(257)].into()),
        form("for a type that is not ASCII", ScopeForm, |body| {
            body.scope.types = ["Dipl\u{f6}m".to_owned()].into()
        }),
        form("for EQF level 0", ScopeForm, |body| body.scope.eqf_levels = Some([0].into())),
        form("for EQF level 9", ScopeForm, |body| body.scope.eqf_levels = Some([9].into())),
        form("that ends before it begins", AccreditationValidityRange, |body| {
            body.valid_until = TimeMs(body.valid_from.0 - 1)
        }),
        form("for no time", AccreditationValidityRange, |body| body.valid_until = body.valid_from),
        form("of more than 48 KiB", LeafTooLarge, |body| {
            body.scope.types = (0..200).map(|n| format!("{n:0>256}")).collect()
        }),
    ];
    for (about, url) in BAD_URLS {
        rows.push(invalid(
            format!("an accreditation under a policy at a URL {about}"),
            PolicyUrl,
            move |stage| {
                accredit(stage, |body| body.policy = Some(Policy { url: url.into(), digest: Hash([1; 32]) }))
            },
        ));
    }
    rows
}

fn giving() -> Vec<Row> {
    let gives = |by: Actor, to: Actor, role: Role| {
        move |stage: &Stage| stage.signed(&by, stage.accredits(&by, &to, role))
    };
    vec![
        denied("a school accredits", AccreditorRole, gives(school(), club(), Role::Ti)),
        denied("the club accredits", AccreditationMissing, gives(club(), school(), Role::Ti)),
        denied("an expired issuer accredits", AccreditationExpired, gives(lapsed(), club(), Role::Ti)),
        denied("accrediting under another's accreditation", AccreditationMissing, |s| {
            accredit(s, |body| body.parent = tao().accreditation)
        }),
        denied("accrediting under the root's accreditation", AccreditationMissing, |s| {
            let parent = s.root.accreditation;
            accredit(s, |body| body.parent = parent)
        }),
        unknown("accrediting what is not registered", IdentifierUnknown, gives(tao(), stranger(), Role::Ti)),
        unmet("accrediting what is deactivated", IdentifierDeactivated, gives(tao(), gone(), Role::Ti)),
        exists("the same accreditation again", AccreditationExists, gives(tao(), school(), Role::Ti)),
        exists(
            "the same accreditation in another role",
            AccreditationExists,
            gives(tao(), school(), Role::Tao),
        ),
        exists("a shorter accreditation", AccreditationExists, |s| {
            let body = s.accredits(&tao(), &school(), Role::Ti);
            s.signed(&tao(), Accredit { valid_until: TimeMs(body.valid_until.0 - 1), ..body })
        }),
        exists("a withdrawn accreditation again", AccreditationExists, |s| {
            let body = s.accredits(&tao(), &dismissed(), Role::Ti);
            s.signed(&tao(), Accredit { valid_until: TimeMs(body.valid_until.0 + 1), ..body })
        }),
        unmet("accrediting oneself", AccreditationCycle, |s| {
            let body = s.accredits(&branch(), &branch(), Role::Tao);
            s.signed(&branch(), Accredit { id: AccreditationId([9; 32]), ..body })
        }),
        unmet("a circle of two", AccreditationCycle, |s| {
            let body = s.accredits(&branch(), &tao(), Role::Tao);
            s.signed(&branch(), Accredit { id: AccreditationId([9; 32]), ..body })
        }),
        unmet("a circle with the root", AccreditationCycle, |s| {
            let body = s.accredits(&branch(), &s.root, Role::Tao);
            s.signed(&branch(), Accredit { id: AccreditationId([9; 32]), ..body })
        }),
        unmet("a ninth link", AccreditationDepth, gives(deepest(), club(), Role::Ti)),
        denied("another type than the parent's", ScopeWidened, |s| {
            accredit(s, |body| body.scope.types = ["Diploma".to_owned()].into())
        }),
        denied("a type more than the parent's", ScopeWidened, |s| {
            accredit(s, |body| _ = body.scope.types.insert("Diploma".to_owned()))
        }),
        denied("a schema more than the parent's", ScopeWidened, |s| {
            accredit(s, |body| _ = body.scope.schemas.insert("https://schema.example/1".to_owned()))
        }),
        denied("another jurisdiction than the parent's", ScopeWidened, |s| {
            accredit(s, |body| body.scope.jurisdictions = ["DK".to_owned()].into())
        }),
        denied("longer than the parent", ValidityWidened, |s| {
            accredit(s, |body| body.valid_until.0 += YEAR_MS)
        }),
        denied("earlier than the parent", ValidityWidened, |s| accredit(s, |body| body.valid_from.0 -= 1)),
    ]
}

fn changing_forms() -> Vec<Row> {
    let changed = |change: fn(&mut SetAccreditationStatus)| {
        move |stage: &Stage| {
            let mut body = tao().sets_accreditation(&school(), Suspended);
            change(&mut body);
            stage.signed(&tao(), body)
        }
    };
    vec![
        invalid(
            "superseding an accreditation",
            StatusCodeBad,
            changed(|body| body.status = StatusCode(Superseded)),
        ),
        invalid(
            "suspending from a time on",
            EffectiveFromForm,
            changed(|body| body.effective_from = Some(TimeMs(1))),
        ),
        invalid(
            "reinstating from a time on",
            EffectiveFromForm,
            changed(|body| (body.status, body.effective_from) = (StatusCode(Valid), Some(TimeMs(1)))),
        ),
    ]
}

fn changing() -> Vec<Row> {
    let sets = |by: Actor, whose: Actor, status| {
        move |stage: &Stage| stage.signed(&by, by.sets_accreditation(&whose, status))
    };
    let withdraws_from = |from: fn(&Stage) -> TimeMs| {
        move |stage: &Stage| {
            let body = tao().sets_accreditation(&school(), Revoked);
            stage.signed(&tao(), SetAccreditationStatus { effective_from: Some(from(stage)), ..body })
        }
    };
    vec![
        unknown("withdrawing what was not given", AccreditationUnknown, sets(tao(), club(), Revoked)),
        unknown(
            "withdrawing from who is not registered",
            AccreditationUnknown,
            sets(tao(), stranger(), Revoked),
        ),
        denied("a root withdraws its own", RootByChangeOnly, |s| {
            s.signed(&s.root, s.root.sets_accreditation(&s.root, Revoked))
        }),
        denied("a TAO suspends its root", RootByChangeOnly, |s| {
            s.signed(&tao(), tao().sets_accreditation(&s.root, Suspended))
        }),
        denied("a school withdraws its own", NotAccreditor, sets(school(), school(), Revoked)),
        denied("a school withdraws a college's", NotAccreditor, sets(school(), college(), Revoked)),
        denied("a branch withdraws what its TAO gave", NotAccreditor, sets(branch(), school(), Revoked)),
        denied("a pupil withdraws its branch's", NotAccreditor, sets(pupil(), branch(), Revoked)),
        unmet("withdrawing what is withdrawn", AccreditationFinal, sets(tao(), dismissed(), Revoked)),
        unmet("reinstating what is withdrawn", AccreditationFinal, sets(tao(), dismissed(), Valid)),
        unmet("suspending what is withdrawn", AccreditationFinal, sets(tao(), dismissed(), Suspended)),
        unmet("suspending what is suspended", AccreditationTransition, sets(tao(), paused(), Suspended)),
        unmet("reinstating what is in force", AccreditationTransition, sets(tao(), school(), Valid)),
        denied("a branch lifts its TAO's suspension", NotWhoSuspended, sets(branch(), pupil(), Valid)),
        unmet(
            "withdrawing from tomorrow on",
            EffectiveFromRange,
            withdraws_from(|s| TimeMs(s.now.0 + 24 * 60 * 60 * 1000)),
        ),
        unmet(
            "withdrawing from before it was given",
            EffectiveFromRange,
            withdraws_from(|s| TimeMs(s.start.0 - 1)),
        ),
        unmet(
            "withdrawing from the end of time on",
            EffectiveFromRange,
            withdraws_from(|_| TimeMs(u64::MAX)),
        ),
    ]
}

fn using() -> Vec<Row> {
    let anchors = |by: Actor| move |stage: &Stage| stage.signed(&by, by.anchors([c(50)]));
    let reserves = |by: Actor| move |stage: &Stage| stage.signed(&by, by.reserves(1));
    vec![
        denied("an organisation that is not accredited anchors", AccreditationMissing, anchors(club())),
        denied("an organisation that is not accredited reserves", AccreditationMissing, reserves(club())),
        denied("anchoring under another's accreditation", AccreditationMissing, |s| {
            let body = Anchor { accreditation: college().accreditation, ..school().anchors([c(50)]) };
            s.signed(&school(), body)
        }),
        denied("an expired issuer anchors", AccreditationExpired, anchors(lapsed())),
        denied("an expired issuer reserves", AccreditationExpired, reserves(lapsed())),
        denied("a withdrawn issuer anchors", AccreditationWithdrawn, anchors(dismissed())),
        denied("a withdrawn issuer reserves", AccreditationWithdrawn, reserves(dismissed())),
        denied("a suspended issuer anchors", AccreditationSuspended, anchors(paused())),
        denied("an issuer suspended by its TAO's TAO anchors", AccreditationSuspended, anchors(pupil())),
        denied(
            "an issuer whose accreditation is yet to begin anchors",
            AccreditationNotYet,
            anchors(early()),
        ),
        denied("a TAO anchors", IssuerRole, anchors(tao())),
        denied("a TAO reserves", IssuerRole, reserves(tao())),
        denied("a type out of scope", AccreditationScope, |s| {
            s.signed(&school(), Anchor { credential_type: "Diploma".into(), ..school().anchors([c(50)]) })
        }),
        denied("a type in other letters than the scope's", AccreditationScope, |s| {
            let credential_type = kvitto_ledger::testing::TYPE.to_lowercase();
            s.signed(&school(), Anchor { credential_type, ..school().anchors([c(50)]) })
        }),
    ]
}
