//! Whether what a node says of organisations and accreditations is what their records say.

use kvitto_ledger::document::VerificationMethod;
use kvitto_ledger::genesis::Root;
use kvitto_ledger::record::{AccreditationRecord, AccreditationStatusRecord, IdentifierRecord};
use kvitto_ledger::state::{Accreditation, Identifier, Withdrawal};
use kvitto_merkle::status::StatusValue;

/// All but the number, which no record has; an empty official identifier stands for a root's, which has none.
pub(super) fn identifier(said: &Identifier, shown: &IdentifierRecord) -> bool {
    let legal_identifier = match &said.legal_identifier {
        Some(legal) => *legal == shown.legal_identifier,
        None => shown.legal_identifier.scheme.is_empty() && shown.legal_identifier.value.is_empty(),
    };
    legal_identifier
        && said.did == shown.did
        && said.legal_name == shown.legal_name
        && said.country == shown.country
        && said.sponsor == shown.sponsor
        && said.sponsor_accreditation == shown.sponsor_accreditation
        && said.methods == shown.methods
        && said.services == shown.services
        && said.deactivated == shown.deactivated
}

/// A root as the genesis has it.
pub(super) fn root_identifier(said: &Identifier, root: &Root) -> bool {
    said.did == root.did
        && said.legal_identifier.is_none()
        && said.legal_name == root.legal_name
        && said.country == root.country
        && said.sponsor == root.did
        && said.sponsor_accreditation == root.accreditation
        && said.methods == [VerificationMethod::ledger_key(root.key)]
        && said.services.is_empty()
        && !said.deactivated
}

pub(super) fn accreditation(said: &Accreditation, shown: &AccreditationRecord) -> bool {
    said.key.subject == shown.subject
        && said.key.id == shown.id
        && said.accreditor == shown.accreditor
        && said.parent == shown.parent
        && said.role == shown.role
        && said.scope == shown.scope
        && said.valid_from == shown.valid_from
        && said.valid_until == shown.valid_until
        && said.policy == shown.policy
        && said.credential_digest == shown.credential_digest
        && said.position == shown.position
}

/// The status that goes with what is said of suspension and withdrawal. A withdrawal outweighs a suspension.
pub(super) fn status(said: &Accreditation) -> StatusValue {
    match (&said.withdrawal, &said.suspension) {
        (Some(_), _) => StatusValue::Revoked,
        (None, Some(_)) => StatusValue::Suspended,
        (None, None) => StatusValue::Valid,
    }
}

pub(super) fn withdrawal(
    accreditation: &Accreditation,
    said: &Withdrawal,
    shown: &AccreditationStatusRecord,
) -> bool {
    shown.position == accreditation.position
        && shown.subject == accreditation.key.subject
        && shown.id == accreditation.key.id
        && shown.status.0 == StatusValue::Revoked
        && shown.by == said.by
        && shown.effective_from == Some(said.effective_from)
        && shown.reason == said.reason
}
