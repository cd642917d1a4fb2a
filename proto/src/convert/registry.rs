//! Organisations and accreditations.

use std::collections::BTreeSet;

use bytes::Bytes;
use kvitto_ledger::document::{KeyType, Relationships, Service, VerificationMethod};
use kvitto_ledger::scope::{Role, Scope};
use kvitto_ledger::state::{Accreditation, AccreditationKey, Identifier, Suspension, Withdrawal};
use kvitto_ledger::statement::body::{LegalIdentifier, Policy, Reason};
use kvitto_ledger::{Did, KeyId, LeafIndex, Position, RegistrantNumber, TimeMs};
use kvitto_merkle::Hash;

use super::{ConvertError, accreditation_id, array, did, present};
use crate::v1;

impl From<&Identifier> for v1::Identifier {
    fn from(identifier: &Identifier) -> Self {
        Self {
            did: identifier.did.to_string(),
            number: identifier.number.0,
            legal_name: identifier.legal_name.clone(),
            legal_identifier: identifier.legal_identifier.as_ref().map(|legal| v1::LegalIdentifier {
                scheme: legal.scheme.clone(),
                value: legal.value.clone(),
            }),
            country: identifier.country.clone(),
            sponsor_did: identifier.sponsor.to_string(),
            sponsor_accreditation_id: Bytes::copy_from_slice(&identifier.sponsor_accreditation.0),
            methods: identifier.methods.iter().map(|method| write_method(&identifier.did, method)).collect(),
            services: identifier.services.iter().map(write_service).collect(),
            deactivated: identifier.deactivated,
            leaf: identifier.leaf.map(|leaf| leaf.0),
        }
    }
}

impl TryFrom<v1::Identifier> for Identifier {
    type Error = ConvertError;

    fn try_from(identifier: v1::Identifier) -> Result<Self, ConvertError> {
        Ok(Self {
            number: RegistrantNumber(identifier.number),
            did: did("did", &identifier.did)?,
            legal_name: identifier.legal_name,
            legal_identifier: identifier
                .legal_identifier
                .map(|legal| LegalIdentifier { scheme: legal.scheme, value: legal.value }),
            country: identifier.country,
            sponsor: did("sponsor_did", &identifier.sponsor_did)?,
            sponsor_accreditation: accreditation_id(
                "sponsor_accreditation_id",
                &identifier.sponsor_accreditation_id,
            )?,
            methods: identifier.methods.iter().map(read_method).collect::<Result<_, _>>()?,
            services: identifier.services.into_iter().map(read_service).collect(),
            deactivated: identifier.deactivated,
            leaf: identifier.leaf.map(LeafIndex),
        })
    }
}

fn write_method(did: &Did, method: &VerificationMethod) -> v1::VerificationMethod {
    let key_type = match method.key_type {
        KeyType::Ed25519 => v1::KeyType::Ed25519,
        KeyType::P256 => v1::KeyType::P256,
        KeyType::Secp256k1 => v1::KeyType::Secp256k1,
    };
    let id = method.thumbprint().map(|thumbprint| KeyId { did: *did, thumbprint }.to_string());
    v1::VerificationMethod {
        id: id.unwrap_or_default(),
        key_type: key_type.into(),
        key: Bytes::copy_from_slice(&method.key),
        relationships: method.relationships.0.into(),
    }
}

fn read_method(method: &v1::VerificationMethod) -> Result<VerificationMethod, ConvertError> {
    let key_type = match method.key_type() {
        v1::KeyType::Unspecified => return Err(ConvertError::Unknown("key_type")),
        v1::KeyType::Ed25519 => KeyType::Ed25519,
        v1::KeyType::P256 => KeyType::P256,
        v1::KeyType::Secp256k1 => KeyType::Secp256k1,
    };
    let relationships = u8::try_from(method.relationships).map(Relationships).ok();
    let relationships = relationships
        .filter(|relationships| relationships.is_well_formed())
        .ok_or(ConvertError::Unknown("relationships"))?;
    Ok(VerificationMethod { key_type, key: serde_bytes::ByteBuf::from(method.key.to_vec()), relationships })
}

fn write_service(service: &Service) -> v1::Service {
    v1::Service {
        id: service.id.clone(),
        service_type: service.service_type.clone(),
        url: service.url.clone(),
    }
}

fn read_service(service: v1::Service) -> Service {
    Service { id: service.id, service_type: service.service_type, url: service.url }
}

impl From<&Accreditation> for v1::Accreditation {
    fn from(accreditation: &Accreditation) -> Self {
        Self {
            subject_did: accreditation.key.subject.to_string(),
            id: Bytes::copy_from_slice(&accreditation.key.id.0),
            accreditor_did: accreditation.accreditor.to_string(),
            parent_id: accreditation.parent.map(|id| Bytes::copy_from_slice(&id.0)),
            role: write_role(accreditation.role).into(),
            scope: Some((&accreditation.scope).into()),
            valid_from_ms: accreditation.valid_from.0,
            valid_until_ms: accreditation.valid_until.0,
            policy: accreditation.policy.as_ref().map(|policy| v1::Policy {
                url: policy.url.clone(),
                digest: Bytes::copy_from_slice(&policy.digest.0),
            }),
            credential_digest: accreditation
                .credential_digest
                .map(|digest| Bytes::copy_from_slice(&digest.0)),
            position: accreditation.position.0,
            leaf: accreditation.leaf.0,
            suspension: accreditation.suspension.as_ref().map(|suspension| v1::Suspension {
                by_did: suspension.by.to_string(),
                reason: write_reason(suspension.reason).into(),
            }),
            withdrawal: accreditation.withdrawal.as_ref().map(|withdrawal| v1::Withdrawal {
                by_did: withdrawal.by.to_string(),
                effective_from_ms: withdrawal.effective_from.0,
                reason: write_reason(withdrawal.reason).into(),
                leaf: withdrawal.leaf.0,
            }),
        }
    }
}

impl TryFrom<v1::Accreditation> for Accreditation {
    type Error = ConvertError;

    fn try_from(accreditation: v1::Accreditation) -> Result<Self, ConvertError> {
        let role = read_role(accreditation.role())?;
        let subject = did("subject_did", &accreditation.subject_did)?;
        let digest = |bytes: Bytes| array("credential_digest", &bytes).map(Hash);
        Ok(Self {
            key: AccreditationKey { subject, id: accreditation_id("id", &accreditation.id)? },
            accreditor: did("accreditor_did", &accreditation.accreditor_did)?,
            parent: accreditation.parent_id.map(|id| accreditation_id("parent_id", &id)).transpose()?,
            role,
            scope: present("scope", accreditation.scope)?.try_into()?,
            valid_from: TimeMs(accreditation.valid_from_ms),
            valid_until: TimeMs(accreditation.valid_until_ms),
            policy: accreditation.policy.map(read_policy).transpose()?,
            credential_digest: accreditation.credential_digest.map(digest).transpose()?,
            position: Position(accreditation.position),
            leaf: LeafIndex(accreditation.leaf),
            suspension: accreditation.suspension.map(read_suspension).transpose()?,
            withdrawal: accreditation.withdrawal.map(read_withdrawal).transpose()?,
        })
    }
}

fn read_policy(policy: v1::Policy) -> Result<Policy, ConvertError> {
    Ok(Policy { digest: Hash(array("policy.digest", &policy.digest)?), url: policy.url })
}

fn read_suspension(suspension: v1::Suspension) -> Result<Suspension, ConvertError> {
    Ok(Suspension { by: did("by_did", &suspension.by_did)?, reason: read_reason(suspension.reason)? })
}

fn read_withdrawal(withdrawal: v1::Withdrawal) -> Result<Withdrawal, ConvertError> {
    Ok(Withdrawal {
        by: did("by_did", &withdrawal.by_did)?,
        effective_from: TimeMs(withdrawal.effective_from_ms),
        reason: read_reason(withdrawal.reason)?,
        leaf: LeafIndex(withdrawal.leaf),
    })
}

fn write_role(role: Role) -> v1::Role {
    match role {
        Role::RootTao => v1::Role::RootTao,
        Role::Tao => v1::Role::Tao,
        Role::Ti => v1::Role::Ti,
    }
}

fn read_role(role: v1::Role) -> Result<Role, ConvertError> {
    match role {
        v1::Role::Unspecified => Err(ConvertError::Unknown("role")),
        v1::Role::RootTao => Ok(Role::RootTao),
        v1::Role::Tao => Ok(Role::Tao),
        v1::Role::Ti => Ok(Role::Ti),
    }
}

/// The numbers are the ledger's; `0` is a reason of its own ("not said").
fn write_reason(reason: Reason) -> v1::Reason {
    match reason {
        Reason::Unspecified => v1::Reason::Unspecified,
        Reason::IssuedInError => v1::Reason::IssuedInError,
        Reason::Superseded => v1::Reason::Superseded,
        Reason::AuthorisationWithdrawn => v1::Reason::AuthorisationWithdrawn,
        Reason::KeyCompromise => v1::Reason::KeyCompromise,
        Reason::CeasedOperating => v1::Reason::CeasedOperating,
    }
}

fn read_reason(reason: i32) -> Result<Reason, ConvertError> {
    u8::try_from(reason).ok().and_then(Reason::from_code).ok_or(ConvertError::Unknown("reason"))
}

impl From<&Scope> for v1::Scope {
    fn from(scope: &Scope) -> Self {
        let list = |set: &BTreeSet<String>| set.iter().cloned().collect();
        Self {
            types: list(&scope.types),
            schemas: list(&scope.schemas),
            jurisdictions: list(&scope.jurisdictions),
            eqf_levels: scope
                .eqf_levels
                .as_ref()
                .map(|levels| v1::EqfLevels { levels: levels.iter().map(|level| (*level).into()).collect() }),
            isced_fields: scope.isced_fields.as_ref().map(|codes| v1::IscedFields { codes: list(codes) }),
        }
    }
}

impl TryFrom<v1::Scope> for Scope {
    type Error = ConvertError;

    fn try_from(scope: v1::Scope) -> Result<Self, ConvertError> {
        let levels = |limit: v1::EqfLevels| {
            let level = |level: u32| u8::try_from(level).map_err(|_| ConvertError::Unknown("eqf_levels"));
            limit.levels.into_iter().map(level).collect::<Result<_, _>>()
        };
        Ok(Self {
            types: scope.types.into_iter().collect(),
            schemas: scope.schemas.into_iter().collect(),
            jurisdictions: scope.jurisdictions.into_iter().collect(),
            eqf_levels: scope.eqf_levels.map(levels).transpose()?,
            isced_fields: scope.isced_fields.map(|limit| limit.codes.into_iter().collect()),
        })
    }
}
