//! Two votes or two proposals of one member in one round, and the bytes that it signed for each.

use kvitto_ledger::{HeaderId, Height, KeyBytes, LedgerId, Signature};
use serde::{Deserialize, Serialize};

use super::{EvidenceError, Twice};
use crate::trust::{TrustFile, verify_strict};

const VOTE_TAG: &[u8] = b"kvitto/vote/v1\0";
const PROPOSAL_TAG: &[u8] = b"kvitto/proposal/v1\0";

/// Two messages of one kind, by one key, about one round. That they differ in nothing else is in their form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conflicting<T> {
    /// Number of the block that was to be decided.
    pub height: Height,
    /// The round, from 0.
    pub round: u32,
    /// The consensus key that signed both.
    pub key: KeyBytes,
    /// What it signed.
    pub first: T,
    /// What else it signed.
    pub second: T,
}

/// Two votes.
pub type ConflictingVotes = Conflicting<Vote>;
/// Two proposals.
pub type ConflictingProposals = Conflicting<Proposal>;

/// A prevote or precommit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vote {
    /// The header voted for; absent: nil.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<HeaderId>,
    /// Over the vote's bytes.
    pub signature: Signature,
}

/// A proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// The header proposed.
    pub block: HeaderId,
    /// The round of the proof of lock; absent: a new value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked_in: Option<u32>,
    /// Over the proposal's bytes.
    pub signature: Signature,
}

/// What was signed, and the signature.
type Signed = (Vec<u8>, Signature);

impl<T> Conflicting<T> {
    /// The member that signed both.
    pub(super) fn check(
        &self,
        trust: &TrustFile,
        [first, second]: &[Signed; 2],
    ) -> Result<String, EvidenceError> {
        if first.0 == second.0 {
            return Err(EvidenceError::NoConflict);
        }
        let mut members = trust.epochs().iter().flat_map(|epoch| &epoch.config().members);
        let member = members.find(|member| member.consensus.key == self.key);
        let member = member.ok_or(EvidenceError::UnknownMember)?;
        let verifies = |(message, signature): &Signed| verify_strict(&self.key.0, message, &signature.0);
        if !verifies(first) || !verifies(second) {
            return Err(EvidenceError::BadSignature);
        }
        Ok(member.name.clone())
    }

    pub(super) fn twice<U>(&self, named: impl Fn(&T) -> U) -> Twice<U> {
        let (first, second) = (named(&self.first), named(&self.second));
        Twice { height: self.height, round: self.round, first, second }
    }
}

impl Conflicting<Vote> {
    /// `"kvitto/vote/v1" || 0x00 || ledger id || type (1 prevote, 2 precommit) || height (8) || round (4) || 0x00, or 0x01 ||
    /// header id || key`, twice.
    pub(super) fn messages(&self, ledger: &LedgerId, vote_type: u8) -> [Signed; 2] {
        [&self.first, &self.second].map(|vote| {
            let mut bytes = [VOTE_TAG, &ledger.0, &[vote_type]].concat();
            self.push_round(&mut bytes);
            match vote.block {
                None => bytes.push(0),
                Some(block) => bytes.extend([1].iter().chain(&block.0)),
            }
            bytes.extend(self.key.0);
            (bytes, vote.signature)
        })
    }
}

impl Conflicting<Proposal> {
    /// `"kvitto/proposal/v1" || 0x00 || ledger id || height (8) || round (4) || 0x00, or 0x01 || proof-of-lock round (4) ||
    /// header id || key`, twice.
    pub(super) fn messages(&self, ledger: &LedgerId) -> [Signed; 2] {
        [&self.first, &self.second].map(|proposal| {
            let mut bytes = [PROPOSAL_TAG, &ledger.0].concat();
            self.push_round(&mut bytes);
            match proposal.locked_in {
                None => bytes.push(0),
                Some(round) => bytes.extend([1].iter().chain(&round.to_be_bytes())),
            }
            bytes.extend(proposal.block.0.iter().chain(&self.key.0));
            (bytes, proposal.signature)
        })
    }
}

impl<T> Conflicting<T> {
    fn push_round(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.height.0.to_be_bytes());
        bytes.extend(self.round.to_be_bytes());
    }
}
