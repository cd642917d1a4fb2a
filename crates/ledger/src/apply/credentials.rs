//! Reserve, Anchor, SetStatus (RULES 5.6, 5.7, 5.9).

use kvitto_merkle::status::StatusValue;

use super::authority::Authority;
use super::chain::Chain;
use super::{Context, Refused, View};
use crate::did::Did;
use crate::form::ensure;
use crate::ids::{AccreditationId, Commitment, Position, RegistrantNumber, TimeMs};
use crate::record::{AnchoredRecord, Record, RecordBody, ReservationRecord, StatusRecord};
use crate::rejection::Rejection;
use crate::state::{
    AccreditationKey, Identifier, ItemException, ItemOutcome, Place, PlaceContent, ReadState, Usage,
};
use crate::statement::body::{Anchor, AnchorItem, Reason, Reserve, SetStatus, StatusItem, StatusTarget};

const HOUR_MS: u64 = 60 * 60 * 1000;

pub(super) fn reserve<S: ReadState>(
    view: &mut View<S>,
    context: Context,
    signer: &Identifier,
    body: &Reserve,
) -> Result<Vec<ItemException>, Refused> {
    issuing_chain(view, signer, body.accreditation, context.time)?;
    let usage = view.usage(signer.number)?;
    let reserved_unused = usage.reserved_unused.saturating_add(body.count);
    ensure(reserved_unused <= context.config.limits.reserved_unused_max, Rejection::ReservationQuota)?;

    let first = view.allocate(body.count);
    for position in first.0..first.0 + u64::from(body.count) {
        view.put_place(Position(position), Place { owner: signer.number, content: PlaceContent::Reserved });
    }
    view.put_usage(signer.number, Usage { reserved_unused, ..usage });
    view.record(RecordBody::Reservation(ReservationRecord {
        issuer: signer.did,
        accreditation: body.accreditation,
        first,
        count: body.count,
    }));
    Ok(Vec::new())
}

pub(super) fn anchor<S: ReadState>(
    view: &mut View<S>,
    context: Context,
    signer: &Identifier,
    body: &Anchor,
) -> Result<Vec<ItemException>, Refused> {
    let chain = issuing_chain(view, signer, body.accreditation, context.time)?;
    ensure(chain.own().scope.covers_type(&body.credential_type), Rejection::AccreditationScope)?;
    let commitments: Vec<Commitment> = body.items.iter().map(|item| item.commitment).collect();
    let known = view.anchors(signer.number, &commitments)?;
    for (item, known) in body.items.iter().zip(&known) {
        if known.is_none() {
            check_reservation(view, signer.number, item)?;
        }
    }
    ensure(known.iter().any(Option::is_none), Rejection::NothingNew)?;

    let template = view.anchored_template(AnchoredRecord {
        position: Position::default(),
        commitment: Commitment::default(),
        issuer: signer.did,
        accreditation: body.accreditation,
        credential_type: body.credential_type.clone(),
        algorithm: body.algorithm,
        target: body.target,
        bare: body.bare,
    });
    let mut exceptions = Vec::new();
    let mut reservations_used = 0;
    for (index, (item, known)) in (0..).zip(body.items.iter().zip(known)) {
        if let Some(position) = known {
            exceptions.push(ItemException { item: index, outcome: ItemOutcome::Duplicate { position } });
            continue;
        }
        reservations_used += u32::from(item.reserved.is_some());
        let position = item.reserved.unwrap_or_else(|| view.allocate(1));
        let leaf = view.record_anchored(&template, position, &item.commitment);
        view.put_place(position, Place { owner: signer.number, content: PlaceContent::Anchored { leaf } });
        view.put_anchor(signer.number, item.commitment, position);
    }
    if reservations_used > 0 {
        let usage = view.usage(signer.number)?;
        let reserved_unused = usage.reserved_unused.checked_sub(reservations_used);
        let reserved_unused =
            reserved_unused.expect("every reserved position was counted when it was reserved");
        view.put_usage(signer.number, Usage { reserved_unused, ..usage });
    }
    Ok(exceptions)
}

/// A reserved position must be the signer's own and unused.
fn check_reservation<S: ReadState>(
    view: &View<S>,
    owner: RegistrantNumber,
    item: &AnchorItem,
) -> Result<(), Refused> {
    let Some(position) = item.reserved else { return Ok(()) };
    let place = view.place(position)?.ok_or(Rejection::PositionUnknown)?;
    let usable = place == Place { owner, content: PlaceContent::Reserved };
    Ok(ensure(usable, Rejection::PositionNotReserved)?)
}

/// The chain of a trusted issuer's accreditation, effective now.
fn issuing_chain<S: ReadState>(
    view: &View<S>,
    signer: &Identifier,
    id: AccreditationId,
    time: TimeMs,
) -> Result<Chain, Refused> {
    let chain = Chain::held(view, AccreditationKey { subject: signer.did, id }, time)?;
    ensure(!chain.own().role.accredits(), Rejection::IssuerRole)?;
    Ok(chain)
}

pub(super) fn set_status<S: ReadState>(
    view: &mut View<S>,
    context: Context,
    signer: &Identifier,
    body: &SetStatus,
) -> Result<Vec<ItemException>, Refused> {
    let mut authority = Authority::find(view, signer, body.issuer, context.time)?;
    let mut exceptions = Vec::new();
    let mut revoked = 0;
    for (index, item) in (0..).zip(&body.items) {
        match set_one(view, &mut authority, item, body.reason) {
            Ok(()) => revoked += u32::from(item.status.0 == StatusValue::Revoked),
            Err(Refused::Rejected(rejection)) => {
                exceptions.push(ItemException { item: index, outcome: ItemOutcome::Skipped(rejection) });
            }
            Err(error) => return Err(error),
        }
    }
    if let (true, Some(ItemOutcome::Skipped(first))) =
        (exceptions.len() == body.items.len(), exceptions.first().map(|exception| exception.outcome))
    {
        return Err(first.into());
    }
    count_revocations(view, context, signer.number, revoked)?;
    Ok(exceptions)
}

/// Checks one item completely, then changes it; a faulty one leaves no trace.
fn set_one<S: ReadState>(
    view: &mut View<S>,
    authority: &mut Authority,
    item: &StatusItem,
    reason: Reason,
) -> Result<(), Refused> {
    let issuer = authority.issuer_number();
    let position = own_position(view, issuer, item.target).map_err(|refused| authority.unknown(refused))?;
    authority.over(view, position)?;
    check_transition(view.status(position)?, item.status.0)?;
    if item.status.0 == StatusValue::Valid {
        ensure(is_suspended_by(view, position, authority.signer())?, Rejection::StatusTransition)?;
    }
    let successor = match item.successor {
        None => None,
        Some(commitment) => Some(valid_successor(view, issuer, position, commitment)?),
    };
    let leaf = view.record(RecordBody::Status(StatusRecord {
        position,
        by: authority.signer(),
        status: item.status,
        successor,
        reason,
    }));
    Ok(view.put_status(position, item.status.0, leaf)?)
}

/// The position of a credential that `issuer` anchored. Somebody else's is answered like an unknown one (RULES 9).
fn own_position<S: ReadState>(
    view: &View<S>,
    issuer: RegistrantNumber,
    target: StatusTarget,
) -> Result<Position, Refused> {
    match target {
        StatusTarget::Commitment(commitment) => {
            Ok(view.anchors(issuer, &[commitment])?[0].ok_or(Rejection::AnchorUnknown)?)
        }
        StatusTarget::Position(position) => {
            let place = view
                .place(position)?
                .filter(|place| place.owner == issuer)
                .ok_or(Rejection::AnchorUnknown)?;
            match place.content {
                PlaceContent::Anchored { .. } => Ok(position),
                PlaceContent::Reserved => Err(Rejection::PositionUnused.into()),
                PlaceContent::Accreditation => Err(Rejection::AnchorUnknown.into()),
            }
        }
    }
}

/// RULES 5.7.
fn check_transition(from: StatusValue, to: StatusValue) -> Result<(), Rejection> {
    use StatusValue::{Revoked, Superseded, Suspended, Valid};
    match (from, to) {
        (Revoked, _) => Err(Rejection::AlreadyRevoked),
        (Valid, Revoked | Suspended | Superseded)
        | (Suspended, Valid | Revoked | Superseded)
        | (Superseded, Revoked) => Ok(()),
        (Valid, Valid) | (Suspended, Suspended) | (Superseded, Valid | Suspended | Superseded) => {
            Err(Rejection::StatusTransition)
        }
    }
}

/// Whether the credential at `position` was suspended by `signer`, of a statement that asks to reinstate it.
fn is_suspended_by<S: ReadState>(view: &View<S>, position: Position, signer: Did) -> Result<bool, Refused> {
    let leaf = view.status_leaf(position)?.expect("a record says why a credential is not valid");
    let leaf = view.leaf(leaf)?.expect("what changed a status is in the log");
    let record = Record::decode(&leaf).expect("the log holds records only");
    let RecordBody::Status(status) = record.body else {
        panic!("statuses of credentials are changed by Status records");
    };
    Ok(status.by == signer)
}

fn valid_successor<S: ReadState>(
    view: &View<S>,
    issuer: RegistrantNumber,
    superseded: Position,
    commitment: Commitment,
) -> Result<Position, Refused> {
    let position = view.anchors(issuer, &[commitment])?[0].ok_or(Rejection::SuccessorUnknown)?;
    let usable = position != superseded && view.status(position)? == StatusValue::Valid;
    ensure(usable, Rejection::SuccessorUnknown)?;
    Ok(position)
}

/// Counts revocations in the hour of the block, as those of who signed them.
fn count_revocations<S: ReadState>(
    view: &mut View<S>,
    context: Context,
    signer: RegistrantNumber,
    revoked: u32,
) -> Result<(), Refused> {
    if revoked == 0 {
        return Ok(());
    }
    let usage = view.usage(signer)?;
    let hour = context.time.0 / HOUR_MS;
    let before = if usage.hour == hour { usage.revoked } else { 0 };
    let revoked = before.saturating_add(revoked);
    ensure(revoked <= context.config.limits.revocations_per_hour_max, Rejection::RevocationQuota)?;
    view.put_usage(signer, Usage { hour, revoked, ..usage });
    Ok(())
}
