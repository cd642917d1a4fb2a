//! Onboard, PutIdentifier, DeactivateIdentifier.

use super::chain::Chain;
use super::{Context, Refused, View};
use crate::document::VerificationMethod;
use crate::form::ensure;
use crate::ids::TimeMs;
use crate::keys::thumbprint;
use crate::record::{IdentifierEvent, IdentifierRecord, RecordBody};
use crate::rejection::Rejection;
use crate::state::{AccreditationKey, Identifier, ItemException, ReadState};
use crate::statement::body::{DeactivateIdentifier, LegalIdentifier, Onboard, PutIdentifier};

pub(super) fn onboard<S: ReadState>(
    view: &mut View<S>,
    context: Context,
    sponsor: &Identifier,
    body: &Onboard,
) -> Result<Vec<ItemException>, Refused> {
    sponsor_accredits(view, sponsor, body.sponsor_accreditation, context.time)?;
    let (event, number, methods, services) = match view.identifier(&body.subject)? {
        None => {
            let methods = vec![VerificationMethod::ledger_key(body.key)];
            (IdentifierEvent::Onboarded, view.next_registrant(), methods, Vec::new())
        }
        Some(known) => {
            let same_sponsor = known.sponsor == sponsor.did && known.did != sponsor.did;
            let own_key = known.ledger_key(&thumbprint(&body.key)).is_some();
            ensure(same_sponsor && own_key && !known.deactivated, Rejection::IdentifierExists)?;
            (IdentifierEvent::Corrected, known.number, known.methods.clone(), known.services.clone())
        }
    };
    let identifier = Identifier {
        number,
        did: body.subject,
        legal_name: body.legal_name.clone(),
        legal_identifier: Some(body.legal_identifier.clone()),
        country: body.country.clone(),
        sponsor: sponsor.did,
        sponsor_accreditation: body.sponsor_accreditation,
        methods,
        services,
        deactivated: false,
        leaf: None,
    };
    record(view, event, identifier)
}

pub(super) fn put<S: ReadState>(
    view: &mut View<S>,
    signer: &Identifier,
    body: &PutIdentifier,
) -> Result<Vec<ItemException>, Refused> {
    let identifier =
        Identifier { methods: body.methods.clone(), services: body.services.clone(), ..signer.clone() };
    record(view, IdentifierEvent::Updated, identifier)
}

pub(super) fn deactivate<S: ReadState>(
    view: &mut View<S>,
    context: Context,
    signer: &Identifier,
    body: &DeactivateIdentifier,
) -> Result<Vec<ItemException>, Refused> {
    let subject = view.identifier(&body.subject)?.ok_or(Rejection::IdentifierUnknown)?;
    let is_subject = signer.did == subject.did;
    let is_sponsor = signer.did == subject.sponsor;
    if is_sponsor && !is_subject {
        sponsor_accredits(view, signer, subject.sponsor_accreditation, context.time)?;
    }
    ensure(!subject.deactivated, Rejection::IdentifierDeactivated)?;
    ensure(is_subject || is_sponsor, Rejection::NotSponsor)?;
    record(view, IdentifierEvent::Deactivated, Identifier { deactivated: true, ..(*subject).clone() })
}

/// Whether the sponsor's accreditation lets it act for others now.
fn sponsor_accredits<S: ReadState>(
    view: &View<S>,
    sponsor: &Identifier,
    id: crate::ids::AccreditationId,
    time: TimeMs,
) -> Result<(), Refused> {
    let chain = Chain::held(view, AccreditationKey { subject: sponsor.did, id }, time)?;
    Ok(ensure(chain.own().role.accredits(), Rejection::AccreditorRole)?)
}

fn record<S: ReadState>(
    view: &mut View<S>,
    event: IdentifierEvent,
    identifier: Identifier,
) -> Result<Vec<ItemException>, Refused> {
    // A root has no legal identifier of its own: the genesis names it.
    let legal_identifier = identifier
        .legal_identifier
        .clone()
        .unwrap_or_else(|| LegalIdentifier { scheme: "genesis".into(), value: identifier.did.to_string() });
    let leaf = view.record(RecordBody::Identifier(IdentifierRecord {
        event,
        did: identifier.did,
        legal_name: identifier.legal_name.clone(),
        legal_identifier,
        country: identifier.country.clone(),
        sponsor: identifier.sponsor,
        sponsor_accreditation: identifier.sponsor_accreditation,
        methods: identifier.methods.clone(),
        services: identifier.services.clone(),
        deactivated: identifier.deactivated,
    }));
    view.put_identifier(Identifier { leaf: Some(leaf), ..identifier });
    Ok(Vec::new())
}
