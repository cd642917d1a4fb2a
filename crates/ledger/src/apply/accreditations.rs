//! Accredit and SetAccreditationStatus (RULES 6).

use kvitto_merkle::status::StatusValue;

use super::chain::{Chain, LINKS_MAX};
use super::{Context, Refused, View};
use crate::form::ensure;
use crate::ids::TimeMs;
use crate::record::{AccreditationRecord, AccreditationStatusRecord, RecordBody};
use crate::rejection::Rejection;
use crate::state::{
    Accreditation, AccreditationKey, Identifier, ItemException, Place, PlaceContent, ReadState, Suspension,
    Withdrawal,
};
use crate::statement::body::{Accredit, SetAccreditationStatus};

pub(super) fn accredit<S: ReadState>(
    view: &mut View<S>,
    context: Context,
    signer: &Identifier,
    body: &Accredit,
) -> Result<Vec<ItemException>, Refused> {
    let parent = Chain::held(view, AccreditationKey { subject: signer.did, id: body.parent }, context.time)?;
    ensure(parent.own().role.accredits(), Rejection::AccreditorRole)?;
    let subject = view.identifier(&body.subject)?.ok_or(Rejection::IdentifierUnknown)?;
    ensure(!subject.deactivated, Rejection::IdentifierDeactivated)?;
    let key = AccreditationKey { subject: body.subject, id: body.id };
    let earlier = view.accreditation(&key)?;
    if let Some(earlier) = &earlier {
        ensure(is_revision(earlier, signer, body), Rejection::AccreditationExists)?;
    }
    ensure(parent.link_of(&body.subject).is_none(), Rejection::AccreditationCycle)?;
    ensure(parent.len() < LINKS_MAX, Rejection::AccreditationDepth)?;
    ensure(body.scope.is_inside(&parent.own().scope), Rejection::ScopeWidened)?;
    let validity_inside =
        parent.own().valid_from <= body.valid_from && body.valid_until <= parent.own().valid_until;
    ensure(validity_inside, Rejection::ValidityWidened)?;

    let position = match &earlier {
        Some(earlier) => earlier.position,
        None => {
            let position = view.allocate(1);
            view.put_place(position, Place { owner: subject.number, content: PlaceContent::Accreditation });
            position
        }
    };
    let leaf = view.record(RecordBody::Accreditation(AccreditationRecord {
        position,
        id: body.id,
        accreditor: signer.did,
        parent: Some(body.parent),
        subject: body.subject,
        role: body.role,
        scope: body.scope.clone(),
        valid_from: body.valid_from,
        valid_until: body.valid_until,
        policy: body.policy.clone(),
        credential_digest: body.credential_digest,
    }));
    view.put_accreditation(Accreditation {
        key,
        accreditor: signer.did,
        parent: Some(body.parent),
        role: body.role,
        scope: body.scope.clone(),
        valid_from: body.valid_from,
        valid_until: body.valid_until,
        policy: body.policy.clone(),
        credential_digest: body.credential_digest,
        position,
        leaf,
        suspension: earlier.and_then(|earlier| earlier.suspension.clone()),
        withdrawal: None,
    });
    Ok(Vec::new())
}

/// Whether `body` says the same as `earlier` by the same accreditor, with a later end, another policy or another credential.
fn is_revision(earlier: &Accreditation, signer: &Identifier, body: &Accredit) -> bool {
    let same = earlier.accreditor == signer.did
        && earlier.parent == Some(body.parent)
        && earlier.role == body.role
        && earlier.scope == body.scope
        && earlier.valid_from == body.valid_from;
    let renewed = earlier.valid_until < body.valid_until
        || (earlier.valid_until == body.valid_until
            && (&earlier.policy, &earlier.credential_digest) != (&body.policy, &body.credential_digest));
    same && renewed && earlier.withdrawal.is_none()
}

pub(super) fn set_status<S: ReadState>(
    view: &mut View<S>,
    context: Context,
    signer: &Identifier,
    body: &SetAccreditationStatus,
) -> Result<Vec<ItemException>, Refused> {
    let key = AccreditationKey { subject: body.subject, id: body.id };
    let chain = Chain::find(view, key)?.ok_or(Rejection::AccreditationUnknown)?;
    ensure(chain.own().parent.is_some(), Rejection::RootByChangeOnly)?;
    let authority = chain.link_of(&signer.did).filter(|link| *link > 0).ok_or(Rejection::NotAccreditor)?;
    chain.from(authority).effective(context.time)?;
    let mut accreditation = chain.own().clone();
    ensure(accreditation.withdrawal.is_none(), Rejection::AccreditationFinal)?;
    let was_compromised = accreditation.is_compromised();

    let mut effective_from = None;
    match body.status.0 {
        StatusValue::Revoked => {
            let from = withdrawal_start(&accreditation, context.time, body.effective_from)?;
            effective_from = Some(from);
            let leaf = view.next_leaf();
            accreditation.suspension = None;
            accreditation.withdrawal =
                Some(Withdrawal { by: signer.did, effective_from: from, reason: body.reason, leaf });
        }
        StatusValue::Suspended => {
            ensure(accreditation.suspension.is_none(), Rejection::AccreditationTransition)?;
            accreditation.suspension = Some(Suspension { by: signer.did, reason: body.reason });
        }
        StatusValue::Valid => {
            let suspension = accreditation.suspension.take().ok_or(Rejection::AccreditationTransition)?;
            let imposed =
                chain.link_of(&suspension.by).expect("chains never change, so who suspended is still in it");
            ensure(imposed <= authority, Rejection::NotWhoSuspended)?;
        }
        StatusValue::Superseded => return Err(Rejection::StatusCode.into()),
    }
    let leaf = view.record(RecordBody::AccreditationStatus(AccreditationStatusRecord {
        position: accreditation.position,
        subject: body.subject,
        id: body.id,
        by: signer.did,
        status: body.status,
        effective_from,
        reason: body.reason,
    }));
    view.put_status(accreditation.position, body.status.0, leaf)?;
    view.count_compromised(was_compromised, accreditation.is_compromised());
    view.put_accreditation(accreditation);
    Ok(Vec::new())
}

/// From when a withdrawal takes effect: as said, or now; never before the accreditation's start or after now (RULES 6.3).
fn withdrawal_start(
    accreditation: &Accreditation,
    now: TimeMs,
    said: Option<TimeMs>,
) -> Result<TimeMs, Rejection> {
    let from = said.unwrap_or(now);
    ensure(accreditation.valid_from <= from && from <= now, Rejection::EffectiveFromRange)?;
    Ok(from)
}
