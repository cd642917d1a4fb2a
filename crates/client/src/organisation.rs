//! An organisation that acts on a ledger: signs each kind of statement, with a time window and a nonce.
//!
//! Registration takes two: the subject makes a [`PossessionRequest`] with its own key, and the sponsor signs
//! [`Organisation::onboard`] with it.

use kvitto_ledger::statement::body::{LegalIdentifier, StatusItem};
use kvitto_ledger::statement::{
    Accredit, Anchor, Body, DeactivateIdentifier, Envelope, Onboard, Possession, PutIdentifier, Reason,
    Reserve, SetAccreditationStatus, SetStatus, Statement, VALIDITY_MS_MAX, envelope,
};
use kvitto_ledger::{AccreditationId, Did, KeyBytes, LedgerId, Nonce, SigningKey, TimeMs};

use crate::error::{ClientError, LocalError};
use crate::options::{Clock, system_clock};
use crate::statement::SignedStatement;

/// So far back a statement's time begins: this machine's clock may be ahead of the ledger's.
const CLOCK_ALLOWANCE_MS: u64 = 60_000;
/// How long a statement can be executed, unless said otherwise: one hour.
const VALIDITY_MS: u64 = 60 * 60 * 1000;

/// Who acts, on which ledger, with which key.
#[derive(Clone)]
pub struct Organisation {
    did: Did,
    key: SigningKey,
    ledger_id: LedgerId,
    clock: Clock,
    validity_ms: u64,
}

/// What the subject of a registration hands to its sponsor: its key, and the proof that it holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PossessionRequest {
    /// The organisation's identifier.
    pub subject: Did,
    /// Its first ledger key.
    pub key: KeyBytes,
    /// The sponsor that it is meant for.
    pub sponsor: Did,
    /// The sponsor's accreditation that it is meant for.
    pub sponsor_accreditation: AccreditationId,
    /// COSE_Sign1 over the four, by that key.
    pub proof: Vec<u8>,
}

/// What a sponsor says about the organisation that it registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Legal name: at most 256 bytes, NFC.
    pub legal_name: String,
    /// Official identifier.
    pub legal_identifier: LegalIdentifier,
    /// ISO 3166-1 alpha-2 country code.
    pub country: String,
}

impl Organisation {
    /// The organisation `did` with one of its ledger keys.
    pub fn new(did: Did, key: SigningKey, ledger_id: LedgerId) -> Self {
        Self { did, key, ledger_id, clock: system_clock(), validity_ms: VALIDITY_MS }
    }

    /// The same, by another clock.
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// The same, with statements that can be executed for so long from now on, in milliseconds; at most 24 hours less a minute.
    pub fn with_validity_ms(self, validity_ms: u64) -> Self {
        Self { validity_ms: validity_ms.clamp(1, VALIDITY_MS_MAX - CLOCK_ALLOWANCE_MS), ..self }
    }

    /// Its identifier.
    pub fn did(&self) -> Did {
        self.did
    }

    /// The ledger it acts on.
    pub fn ledger_id(&self) -> LedgerId {
        self.ledger_id
    }

    /// Asks `sponsor`, who acts under `sponsor_accreditation`, to register this organisation.
    pub fn possession_request(
        &self,
        sponsor: Did,
        sponsor_accreditation: AccreditationId,
    ) -> PossessionRequest {
        let key = self.key.public().bytes();
        let possession = Possession { subject: self.did, key, sponsor, sponsor_accreditation };
        let proof = envelope::sign_possession(&possession, &self.key, &self.ledger_id);
        PossessionRequest { subject: self.did, key, sponsor, sponsor_accreditation, proof }
    }

    /// Registers the organisation that made `request`, or corrects its names.
    ///
    /// # Errors
    /// As [`Organisation::sign`]; `POSSESSION_PROOF` where the request is not by the subject's key, or for another sponsor or ledger.
    pub fn onboard(
        &self,
        request: PossessionRequest,
        registration: Registration,
    ) -> Result<SignedStatement, ClientError> {
        self.sign(Onboard {
            subject: request.subject,
            key: request.key,
            legal_name: registration.legal_name,
            legal_identifier: registration.legal_identifier,
            country: registration.country,
            sponsor_accreditation: request.sponsor_accreditation,
            possession: request.proof.into(),
        })
    }

    /// Replaces its own DID document.
    ///
    /// # Errors
    /// As [`Organisation::sign`].
    pub fn put_identifier(&self, document: PutIdentifier) -> Result<SignedStatement, ClientError> {
        self.sign(document)
    }

    /// Ends the power of `subject`, itself or one that it registered, to sign.
    ///
    /// # Errors
    /// As [`Organisation::sign`].
    pub fn deactivate(&self, subject: Did) -> Result<SignedStatement, ClientError> {
        self.sign(DeactivateIdentifier { subject })
    }

    /// Accredits another organisation, or extends its accreditation.
    ///
    /// # Errors
    /// As [`Organisation::sign`].
    pub fn accredit(&self, accreditation: Accredit) -> Result<SignedStatement, ClientError> {
        self.sign(accreditation)
    }

    /// Withdraws, suspends or reinstates an accreditation.
    ///
    /// # Errors
    /// As [`Organisation::sign`].
    pub fn set_accreditation_status(
        &self,
        change: SetAccreditationStatus,
    ) -> Result<SignedStatement, ClientError> {
        self.sign(change)
    }

    /// Reserves `count` positions for credentials that are yet to be signed.
    ///
    /// # Errors
    /// As [`Organisation::sign`].
    pub fn reserve(
        &self,
        accreditation: AccreditationId,
        count: u32,
    ) -> Result<SignedStatement, ClientError> {
        self.sign(Reserve { accreditation, count })
    }

    /// Anchors commitments; puts the items into order, so that it says nothing.
    ///
    /// # Errors
    /// As [`Organisation::sign`]; `ITEM_ORDER` where one occurs twice.
    pub fn anchor(&self, mut anchor: Anchor) -> Result<SignedStatement, ClientError> {
        anchor.items.sort_unstable_by_key(|item| item.commitment);
        self.sign(anchor)
    }

    /// Revokes, suspends, reinstates or supersedes credentials that it anchored; puts the items into order.
    ///
    /// # Errors
    /// As [`Organisation::sign`]; `ITEM_ORDER` where one occurs twice.
    pub fn set_status(
        &self,
        mut items: Vec<StatusItem>,
        reason: Reason,
    ) -> Result<SignedStatement, ClientError> {
        items.sort_unstable_by_key(|item| item.target);
        self.sign(SetStatus { issuer: self.did, items, reason })
    }

    /// Signs any statement, executable from a minute ago until the end of its validity, and checks its form.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with a code from 100 to 199; [`LocalError::Random`].
    pub fn sign(&self, body: impl Into<Body>) -> Result<SignedStatement, ClientError> {
        let mut nonce = Nonce::default();
        getrandom::fill(&mut nonce.0).map_err(LocalError::Random)?;
        let now = (self.clock)().0;
        let statement = Statement {
            not_before: TimeMs(now.saturating_sub(CLOCK_ALLOWANCE_MS)),
            not_after: TimeMs(now.saturating_add(self.validity_ms)),
            nonce,
            body: body.into(),
        };
        let bytes = envelope::sign(&statement, self.did, &self.key, &self.ledger_id);
        let envelope = Envelope::decode(&bytes[..], &self.ledger_id).map_err(ClientError::refused_here)?;
        Ok(SignedStatement::known(envelope.id(), bytes))
    }
}

impl std::fmt::Debug for Organisation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Organisation({} on ledger {})", self.did, self.ledger_id)
    }
}
