//! An organisation with its key, and the bodies of the statements it makes.

use kvitto_merkle::sha256;
use kvitto_merkle::status::StatusValue;

use super::world::{START, TYPE, YEAR_MS};
use crate::commitment::{DigestAlgorithm, DigestTarget};
use crate::did::{Did, KeyId};
use crate::document::VerificationMethod;
use crate::ids::{AccreditationId, Commitment, LedgerId, Position, TimeMs};
use crate::keys::{SigningKey, thumbprint};
use crate::scope::{Role, Scope};
use crate::state::AccreditationKey;
use crate::statement::body::StatusCode;
use crate::statement::envelope::sign_possession;
use crate::statement::{
    Accredit, Anchor, AnchorItem, DeactivateIdentifier, LegalIdentifier, Onboard, Possession, PutIdentifier,
    Reason, Reserve, SetAccreditationStatus, SetStatus, StatusItem, StatusTarget,
};

/// The signing key with this name.
pub fn signing_key(name: &str) -> SigningKey {
    SigningKey::from_seed(&sha256(&[b"kvitto test key ", name.as_bytes()]).0)
}

/// A commitment to nothing in particular; ascending in `number`.
pub fn commitment(number: u64) -> Commitment {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Commitment(bytes)
}

/// An organisation. Bodies that it makes are right by default; a test changes the field that it is about.
#[derive(Clone, Debug)]
pub struct Actor {
    /// Its name, from which everything else follows.
    pub name: String,
    /// Its identifier.
    pub did: Did,
    /// Its first ledger key.
    pub key: SigningKey,
    /// The id of its accreditation.
    pub accreditation: AccreditationId,
}

impl Actor {
    /// The organisation with this name.
    pub fn new(name: &str) -> Self {
        let digest = sha256(&[b"kvitto test organisation ", name.as_bytes()]).0;
        let did = *digest.first_chunk().expect("32 bytes begin with 16");
        Self {
            name: name.to_owned(),
            did: Did::new(did),
            key: signing_key(name),
            accreditation: AccreditationId(digest),
        }
    }

    /// The same organisation, signing with another key.
    pub fn with_key(&self, name: &str) -> Self {
        Self { key: signing_key(name), ..self.clone() }
    }

    /// The DID URL of its key.
    pub fn key_id(&self) -> KeyId {
        KeyId { did: self.did, thumbprint: thumbprint(&self.key.public().bytes()) }
    }

    /// Its key, as a DID document lists a first ledger key.
    pub fn method(&self) -> VerificationMethod {
        VerificationMethod::ledger_key(self.key.public().bytes())
    }

    /// Its accreditation in the registry.
    pub fn accreditation_key(&self) -> AccreditationKey {
        AccreditationKey { subject: self.did, id: self.accreditation }
    }

    /// Registers `subject`, with the possession proof of its key.
    pub fn onboards(&self, subject: &Self, ledger: &LedgerId) -> Onboard {
        let key = subject.key.public().bytes();
        let possession = Possession {
            subject: subject.did,
            key,
            sponsor: self.did,
            sponsor_accreditation: self.accreditation,
        };
        Onboard {
            subject: subject.did,
            key,
            legal_name: format!("The {} of Testing", subject.name),
            legal_identifier: LegalIdentifier {
                scheme: "VATRegistration".into(),
                value: format!("SE{}", subject.name),
            },
            country: "SE".into(),
            sponsor_accreditation: self.accreditation,
            possession: sign_possession(&possession, &subject.key, ledger).into(),
        }
    }

    /// Replaces its document by these keys, without services.
    pub fn puts(&self, methods: impl IntoIterator<Item = VerificationMethod>) -> PutIdentifier {
        PutIdentifier { methods: methods.into_iter().collect(), services: Vec::new() }
    }

    /// Deactivates `subject`.
    pub fn deactivates(&self, subject: &Self) -> DeactivateIdentifier {
        DeactivateIdentifier { subject: subject.did }
    }

    /// Accredits `subject` for [`TYPE`], for five years from [`START`].
    pub fn accredits(&self, subject: &Self, role: Role) -> Accredit {
        Accredit {
            id: subject.accreditation,
            subject: subject.did,
            role,
            scope: Scope {
                types: [TYPE.to_owned()].into(),
                schemas: [].into(),
                jurisdictions: ["SE".to_owned()].into(),
                eqf_levels: None,
                isced_fields: None,
            },
            valid_from: START,
            valid_until: TimeMs(START.0 + 5 * YEAR_MS),
            parent: self.accreditation,
            policy: None,
            credential_digest: None,
        }
    }

    /// Withdraws (`Revoked`), suspends or reinstates (`Valid`) the accreditation of `subject`.
    pub fn sets_accreditation(&self, subject: &Self, status: StatusValue) -> SetAccreditationStatus {
        SetAccreditationStatus {
            subject: subject.did,
            id: subject.accreditation,
            status: StatusCode(status),
            effective_from: None,
            reason: Reason::Unspecified,
        }
    }

    /// Reserves `count` positions.
    pub fn reserves(&self, count: u32) -> Reserve {
        Reserve { accreditation: self.accreditation, count }
    }

    /// Anchors salted commitments of type [`TYPE`] at new positions.
    pub fn anchors(&self, commitments: impl IntoIterator<Item = Commitment>) -> Anchor {
        let items = commitments.into_iter().map(|commitment| AnchorItem { commitment, reserved: None });
        Anchor {
            accreditation: self.accreditation,
            credential_type: TYPE.to_owned(),
            algorithm: DigestAlgorithm::Sha256,
            target: DigestTarget::Jcs,
            bare: false,
            items: items.collect(),
        }
    }

    /// Anchors `commitment` at a position reserved earlier.
    pub fn anchors_at(&self, commitment: Commitment, position: Position) -> Anchor {
        let items = vec![AnchorItem { commitment, reserved: Some(position) }];
        Anchor { items, ..self.anchors([]) }
    }

    /// Sets the status of credentials that it anchored.
    pub fn sets(&self, status: StatusValue, commitments: impl IntoIterator<Item = Commitment>) -> SetStatus {
        self.changes(commitments.into_iter().map(|commitment| StatusItem {
            target: StatusTarget::Commitment(commitment),
            status: StatusCode(status),
            successor: None,
        }))
    }

    /// Supersedes one of its credentials by another.
    pub fn supersedes(&self, commitment: Commitment, successor: Commitment) -> SetStatus {
        self.changes([StatusItem {
            target: StatusTarget::Commitment(commitment),
            status: StatusCode(StatusValue::Superseded),
            successor: Some(successor),
        }])
    }

    /// Changes statuses item by item.
    pub fn changes(&self, items: impl IntoIterator<Item = StatusItem>) -> SetStatus {
        SetStatus { issuer: self.did, items: items.into_iter().collect(), reason: Reason::Unspecified }
    }
}
