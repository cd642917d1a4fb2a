//! What the two indexes with random keys are keyed by.

use kvitto_ledger::StatementId;
use kvitto_ledger::ids::{Commitment, RegistrantNumber};

use super::runs::Fingerprint;

/// Number of the index of commitments.
pub(super) const ANCHORS: u8 = 0;
/// Number of the index of statements.
pub(super) const STATEMENTS: u8 = 1;

pub(super) fn anchor_key(issuer: RegistrantNumber, commitment: &Commitment) -> Fingerprint {
    Fingerprint::of(&[&issuer.0.to_be_bytes(), commitment.as_bytes()])
}

pub(super) fn statement_key(id: &StatementId) -> Fingerprint {
    Fingerprint::of(&[id.as_bytes()])
}
