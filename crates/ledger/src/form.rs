//! Form: everything about a statement that needs no state. The rejections with codes from 110 on, in their order.

use std::collections::BTreeSet;

use unicode_normalization::is_nfc;

use crate::codec::encode;
use crate::did::Did;
use crate::document::{METHODS_MAX, Relationships, SERVICES_MAX, VerificationMethod, is_https_url};
use crate::ids::LedgerId;
use crate::keys::PublicKey;
use crate::rejection::Rejection;
use crate::scope::{Role, is_type_id};
use crate::statement::body::{
    Accredit, Anchor, ITEMS_MAX, LEGAL_NAME_BYTES_MAX, LegalIdentifier, Onboard, PutIdentifier, RESERVE_MAX,
    Reserve, SetAccreditationStatus, SetStatus,
};
use crate::statement::envelope::possession_holds;
use crate::statement::{Body, Statement, VALIDITY_MS_MAX};
use kvitto_merkle::status::StatusValue;

/// Longest encoded DID document or accreditation, in bytes: 48 KiB (RULES 5.4), so that its record fits into a leaf.
const DOCUMENT_BYTES_MAX: usize = 48 * 1024;
/// Longest legal identifier scheme or value, and service id or type, in bytes.
const SHORT_TEXT_BYTES_MAX: usize = 128;

/// Checks the form of `statement`, by `signer`.
///
/// # Errors
/// The first rejection in the order of checks.
pub(crate) fn check(statement: &Statement, signer: Did, ledger: &LedgerId) -> Result<(), Rejection> {
    let validity_ms = statement.not_after.0.checked_sub(statement.not_before.0);
    if !validity_ms.is_some_and(|validity_ms| (1..=VALIDITY_MS_MAX).contains(&validity_ms)) {
        return Err(Rejection::ValidityRange);
    }
    match &statement.body {
        Body::Onboard(body) => onboard(body, signer, ledger),
        Body::PutIdentifier(body) => put_identifier(body),
        Body::DeactivateIdentifier(_) => Ok(()),
        Body::Accredit(body) => accredit(body),
        Body::SetAccreditationStatus(body) => set_accreditation_status(body),
        Body::Reserve(body) => reserve(body),
        Body::Anchor(body) => anchor(body),
        Body::SetStatus(body) => set_status(body),
    }
}

fn onboard(body: &Onboard, sponsor: Did, ledger: &LedgerId) -> Result<(), Rejection> {
    ensure(is_legal_name(&body.legal_name), Rejection::LegalName)?;
    ensure(is_legal_identifier(&body.legal_identifier), Rejection::LegalIdentifier)?;
    ensure(is_country(&body.country), Rejection::Country)?;
    let key = PublicKey::new(&body.key).map_err(|_| Rejection::KeyInvalid)?;
    ensure(possession_holds(body, &key, sponsor, ledger), Rejection::PossessionProof)
}

fn put_identifier(body: &PutIdentifier) -> Result<(), Rejection> {
    let thumbprints: BTreeSet<_> = body.methods.iter().filter_map(VerificationMethod::thumbprint).collect();
    let keys_well_formed = (1..=METHODS_MAX).contains(&body.methods.len())
        && thumbprints.len() == body.methods.len()
        && body.methods.iter().all(|method| method.relationships.is_well_formed());
    ensure(keys_well_formed, Rejection::DocumentKeys)?;
    let ed25519_usable =
        body.methods.iter().filter_map(VerificationMethod::ed25519).all(|key| PublicKey::new(&key).is_ok());
    ensure(ed25519_usable, Rejection::KeyInvalid)?;
    let ids: BTreeSet<_> = body.services.iter().map(|service| &service.id).collect();
    let services_well_formed = body.services.len() <= SERVICES_MAX
        && ids.len() == body.services.len()
        && body.services.iter().all(|service| {
            is_short_text(&service.id) && is_short_text(&service.service_type) && is_https_url(&service.url)
        });
    ensure(services_well_formed, Rejection::DocumentServices)?;
    let ledger_key_stays = body.methods.iter().any(|method| {
        method.ed25519().is_some() && method.relationships.contains(Relationships::CAPABILITY_INVOCATION)
    });
    ensure(ledger_key_stays, Rejection::LastLedgerKey)?;
    ensure(encode(body).len() <= DOCUMENT_BYTES_MAX, Rejection::LeafTooLarge)
}

fn accredit(body: &Accredit) -> Result<(), Rejection> {
    ensure(body.role != Role::RootTao, Rejection::RoleUnknown)?;
    ensure(body.scope.is_well_formed() && !body.scope.has_any(), Rejection::ScopeForm)?;
    ensure(body.valid_from < body.valid_until, Rejection::AccreditationValidityRange)?;
    ensure(body.policy.as_ref().is_none_or(|policy| is_https_url(&policy.url)), Rejection::PolicyUrl)?;
    ensure(encode(body).len() <= DOCUMENT_BYTES_MAX, Rejection::LeafTooLarge)
}

fn set_accreditation_status(body: &SetAccreditationStatus) -> Result<(), Rejection> {
    ensure(body.status.0 != StatusValue::Superseded, Rejection::StatusCode)?;
    ensure(
        body.effective_from.is_none() || body.status.0 == StatusValue::Revoked,
        Rejection::EffectiveFromForm,
    )
}

fn reserve(body: &Reserve) -> Result<(), Rejection> {
    ensure((1..=RESERVE_MAX).contains(&body.count), Rejection::ItemCount)
}

fn anchor(body: &Anchor) -> Result<(), Rejection> {
    ensure(is_type_id(&body.credential_type), Rejection::CredentialType)?;
    ensure((1..=ITEMS_MAX).contains(&body.items.len()), Rejection::ItemCount)?;
    ensure(body.items.is_sorted_by(|a, b| a.commitment < b.commitment), Rejection::ItemOrder)?;
    let reserved: Vec<_> = body.items.iter().filter_map(|item| item.reserved).collect();
    let distinct: BTreeSet<_> = reserved.iter().collect();
    ensure(distinct.len() == reserved.len(), Rejection::ItemOrder)
}

fn set_status(body: &SetStatus) -> Result<(), Rejection> {
    ensure((1..=ITEMS_MAX).contains(&body.items.len()), Rejection::ItemCount)?;
    ensure(body.items.is_sorted_by(|a, b| a.target < b.target), Rejection::ItemOrder)?;
    let successors_in_place =
        body.items.iter().all(|item| item.successor.is_some() == (item.status.0 == StatusValue::Superseded));
    ensure(successors_in_place, Rejection::SuccessorForm)
}

/// A legal name: 1 to 256 bytes in NFC, without control, bidirectional or invisible characters, without outer spaces.
pub(crate) fn is_legal_name(name: &str) -> bool {
    (1..=LEGAL_NAME_BYTES_MAX).contains(&name.len())
        && name.trim() == name
        && is_nfc(name)
        && !name.chars().any(|c| c.is_control() || is_invisible(c))
}

/// Format characters that change how a name looks without being seen (Unicode bidirectional controls, zero-width, tags).
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

fn is_legal_identifier(identifier: &LegalIdentifier) -> bool {
    is_short_text(&identifier.scheme) && is_short_text(&identifier.value)
}

/// 1 to 128 printable ASCII characters, spaces only inside.
fn is_short_text(text: &str) -> bool {
    (1..=SHORT_TEXT_BYTES_MAX).contains(&text.len())
        && text.trim() == text
        && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

/// Two upper-case letters.
pub(crate) fn is_country(country: &str) -> bool {
    country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase())
}

pub(crate) fn ensure(holds: bool, otherwise: Rejection) -> Result<(), Rejection> {
    if holds { Ok(()) } else { Err(otherwise) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kvitto_merkle::sha256;
    use unicode_normalization::UNICODE_VERSION;
    use unicode_normalization::char::{canonical_combining_class, decompose_canonical};

    /// Which names are legal depends on tables of the compiler and of a crate. What determines NFC is each character's class and
    /// canonical decomposition, and whether it may stand in NFC at all; the verdict covers control characters and spaces.
    ///
    /// Another digest is another version of the rules: a node with it could refuse a block that others accept.
    #[test]
    fn the_tables_behind_legal_names_are_frozen() {
        let mut table = Vec::new();
        for c in '\0'..=char::MAX {
            let verdicts = [is_legal_name(c.encode_utf8(&mut [0; 4])), is_legal_name(&format!("a{c}"))];
            table.extend(verdicts.map(u8::from));
            table.push(canonical_combining_class(c));
            decompose_canonical(c, |part| table.extend(u32::from(part).to_be_bytes()));
        }
        assert_eq!(
            sha256(&[&table]).to_string(),
            "854fbfa312dcc166cd5879920995f19c972708ae8cb3e11c19ea1c61a3a4564a",
            "the tables of Unicode {UNICODE_VERSION:?}"
        );
    }
}
