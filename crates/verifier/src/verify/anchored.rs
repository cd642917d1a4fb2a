//! RULES 8.4: the `Anchored` record, and the opening that ties it to a credential.

use kvitto_ledger::commitment::{DigestTarget, Opening};
use kvitto_ledger::credential::{Credential, ReadOptions};
use kvitto_ledger::record::AnchoredRecord;
use kvitto_ledger::{RecordBody, TimeMs};

use super::Question;
use super::tree::{Tree, body_of};
use crate::receipt::{AnchoredLeaf, ReceiptOpening};
use crate::refusal::{Leaf, Refusal};
use crate::verdict::Binding;

/// The `Anchored` record in the tree.
pub(super) struct Anchor {
    pub(super) index: u64,
    pub(super) time: TimeMs,
    pub(super) record: AnchoredRecord,
}

/// What ties the record to a credential.
pub(super) enum Opened {
    /// The credential is the anchored one.
    Shown(Box<Credential>),
    /// No credential was given.
    NoCredential,
    /// One was given, but there is no opening.
    NoOpening,
}

impl Opened {
    pub(super) fn binding(&self) -> Binding {
        match self {
            Self::Shown(_) => Binding::Shown,
            Self::NoCredential => Binding::NoCredential,
            Self::NoOpening => Binding::NoOpening,
        }
    }
}

pub(super) fn check(tree: &Tree, anchored: &AnchoredLeaf) -> Result<Anchor, Refusal> {
    let proof = &anchored.tlog_proof;
    let record = tree.record(Leaf::Anchored, &anchored.leaf, proof.index, &proof.proof)?;
    if matches!(record.body, RecordBody::Reservation(_)) {
        return Err(Refusal::NothingAnchored);
    }
    let time = record.time;
    Ok(Anchor { index: proof.index, time, record: body_of!(record, Anchored, Leaf::Anchored) })
}

pub(super) fn open(
    opening: Option<&ReceiptOpening>,
    record: &AnchoredRecord,
    credential: Option<&[u8]>,
    question: &Question,
) -> Result<Opened, Refusal> {
    if let Some(opening) = opening {
        let agrees = opening.algorithm == record.algorithm
            && opening.target == record.target
            && opening.salt.is_none() == record.bare;
        if !agrees {
            return Err(Refusal::OpeningContradictsRecord);
        }
    }
    let Some(bytes) = credential else { return Ok(Opened::NoCredential) };
    let salt = match opening {
        Some(opening) => opening.salt.clone(),
        // A bare commitment opens without a secret.
        None if record.bare => None,
        None => return Ok(Opened::NoOpening),
    };
    let credential = read(bytes, record.target, question)?;
    let digest = credential.digest(record.algorithm, record.target).map_err(Refusal::CredentialUnreadable)?;
    let opening = Opening { algorithm: record.algorithm, target: record.target, salt, digest };
    if opening.commitment() == record.commitment {
        Ok(Opened::Shown(Box::new(credential)))
    } else {
        Err(Refusal::CommitmentDiffers)
    }
}

fn read(bytes: &[u8], target: DigestTarget, question: &Question) -> Result<Credential, Refusal> {
    let opaque = target == DigestTarget::Bytes;
    let options = ReadOptions { unwrap: question.unwrap.clone(), opaque, ..ReadOptions::default() };
    Credential::read(bytes, &options).map_err(Refusal::CredentialUnreadable)
}
