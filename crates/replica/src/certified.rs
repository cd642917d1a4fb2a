//! Whether a quorum has decided a block: asked about served blocks, and by a store about a block that it kept but had not acknowledged.

use kvitto_ledger::{Genesis, Header};
use malachitebft_core_types::ThresholdParams;

use crate::codec::decode_certificate;
use crate::engine::context::Members;
use crate::engine::verify::SignatureChecks;

/// Whether `certificate`, as a node keeps it, shows that more than two thirds of the ledger's members decided on `header`.
/// `genesis` has been checked.
pub fn is_certified(genesis: &Genesis, header: &Header, certificate: &[u8]) -> bool {
    names_and_verifies(
        &SignatureChecks::new(genesis.ledger_id()),
        &Members::new(&genesis.config),
        header,
        certificate,
    )
}

pub(crate) fn names_and_verifies(
    checks: &SignatureChecks,
    members: &Members,
    header: &Header,
    certificate: &[u8],
) -> bool {
    let Ok(certificate) = decode_certificate(certificate) else { return false };
    certificate.height.0 == header.height
        && certificate.value_id == header.id()
        && checks.commit_certificate(&certificate, members, ThresholdParams::default()).is_ok()
}
