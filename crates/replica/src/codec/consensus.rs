//! Votes, proposals and certificates.

use std::collections::BTreeSet;

use kvitto_ledger::codec::decode_strict;
use kvitto_ledger::genesis::MEMBERS_MAX;
use kvitto_ledger::{Header, HeaderId, Height, KeyBytes, Signature};
use malachitebft_core_types::{
    CommitCertificate, CommitSignature, NilOrVal, PolkaCertificate, PolkaSignature, Round, RoundCertificate,
    RoundCertificateType, RoundSignature, SignedMessage, SignedProposal, SignedVote, VoteType,
};
use serde::{Deserialize, Serialize};

use super::frame::{CodecError, ensure, frame, unframe, unframe_as};
use crate::engine::context::{self, Address, Context, Proposal, Value, Vote};

pub(super) const VOTE: u8 = 16;
pub(super) const PROPOSAL: u8 = 17;
pub(super) const POLKA: u8 = 18;
const ROUND: u8 = 19;
const COMMIT: u8 = 112;

/// Longest message: a round certificate with 64 signatures takes about 10 KiB.
pub(super) const CONSENSUS_BYTES_MAX: usize = 32 * 1024;
/// Greatest round number that is read. A round takes at least a timeout, so honest members never get near it.
const ROUND_MAX: u32 = 1_000_000;

/// A message of the engine. Signatures are not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConsensusMessage {
    Vote(SignedVote<Context>),
    Proposal(SignedProposal<Context>),
    Polka(PolkaCertificate<Context>),
    Round(RoundCertificate<Context>),
}

impl ConsensusMessage {
    pub(crate) fn height(&self) -> Height {
        match self {
            Self::Vote(vote) => vote.height.0,
            Self::Proposal(proposal) => proposal.height.0,
            Self::Polka(certificate) => certificate.height.0,
            Self::Round(certificate) => certificate.height.0,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Vote(vote) => encode_vote(vote),
            Self::Proposal(proposal) => encode_proposal(proposal),
            Self::Polka(certificate) => frame(POLKA, &WirePolka::from(certificate)),
            Self::Round(certificate) => frame(ROUND, &WireRound::from(certificate)),
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let (kind, content) = unframe(bytes, CONSENSUS_BYTES_MAX)?;
        match kind {
            VOTE => Ok(Self::Vote(decode_strict::<WireVote>(content, CONSENSUS_BYTES_MAX)?.read()?)),
            PROPOSAL => {
                Ok(Self::Proposal(decode_strict::<WireProposal>(content, CONSENSUS_BYTES_MAX)?.read()?))
            }
            POLKA => Ok(Self::Polka(decode_strict::<WirePolka>(content, CONSENSUS_BYTES_MAX)?.read()?)),
            ROUND => Ok(Self::Round(decode_strict::<WireRound>(content, CONSENSUS_BYTES_MAX)?.read()?)),
            _ => Err(CodecError::Kind),
        }
    }
}

pub(crate) fn encode_vote(vote: &SignedVote<Context>) -> Vec<u8> {
    frame(VOTE, &WireVote::from(vote))
}

pub(crate) fn encode_proposal(proposal: &SignedProposal<Context>) -> Vec<u8> {
    frame(PROPOSAL, &WireProposal::from(proposal))
}

/// The commit certificate of a block: `[height, round, header id, [[key, signature], …]]`, ascending by key.
pub(crate) fn encode_certificate(certificate: &CommitCertificate<Context>) -> Vec<u8> {
    let mut signatures: Vec<_> =
        certificate.commit_signatures.iter().map(|entry| (entry.address.0, entry.signature)).collect();
    signatures.sort_by_key(|(key, _)| *key);
    let round = number(certificate.round);
    frame(COMMIT, &WirePolka(certificate.height.0, round, certificate.value_id, signatures))
}

pub(crate) fn decode_certificate(bytes: &[u8]) -> Result<CommitCertificate<Context>, CodecError> {
    let wire: WirePolka = unframe_as(COMMIT, bytes, CONSENSUS_BYTES_MAX)?;
    ensure(wire.3.is_sorted_by(|a, b| a.0 < b.0))?;
    let WirePolka(height, round, value_id, signatures) = wire;
    ensure_signers(signatures.iter().map(|(key, _)| *key))?;
    let entry = |(key, signature)| CommitSignature::new(Address(key), signature);
    Ok(CommitCertificate {
        height: context::Height(height),
        round: read_round(round)?,
        value_id,
        commit_signatures: signatures.into_iter().map(entry).collect(),
    })
}

/// `[type (1 prevote, 2 precommit), height, round, header id or null, key, signature]`
#[derive(Serialize, Deserialize)]
struct WireVote(u8, Height, u32, Option<HeaderId>, KeyBytes, Signature);

impl From<&SignedVote<Context>> for WireVote {
    fn from(vote: &SignedVote<Context>) -> Self {
        let value = option(&vote.value);
        Self(
            vote_code(vote.vote_type),
            vote.height.0,
            number(vote.round),
            value,
            vote.address.0,
            vote.signature,
        )
    }
}

impl WireVote {
    fn read(self) -> Result<SignedVote<Context>, CodecError> {
        let Self(code, height, round, value, key, signature) = self;
        let vote = Vote {
            vote_type: read_vote_code(code)?,
            height: context::Height(height),
            round: read_round(round)?,
            value: nil_or(value),
            address: Address(key),
        };
        Ok(SignedMessage::new(vote, signature))
    }
}

/// `[round, header, proof-of-lock round or null, key, signature]`; the height is the header's.
#[derive(Serialize, Deserialize)]
struct WireProposal(u32, Header, Option<u32>, KeyBytes, Signature);

impl From<&SignedProposal<Context>> for WireProposal {
    fn from(proposal: &SignedProposal<Context>) -> Self {
        let header = Header::clone(proposal.value.header());
        Self(
            number(proposal.round),
            header,
            proposal.pol_round.as_u32(),
            proposal.address.0,
            proposal.signature,
        )
    }
}

impl WireProposal {
    fn read(self) -> Result<SignedProposal<Context>, CodecError> {
        let Self(round, header, pol_round, key, signature) = self;
        ensure(pol_round.is_none_or(|pol_round| pol_round < round))?;
        let proposal = Proposal {
            height: context::Height(header.height),
            round: read_round(round)?,
            value: Value::new(header),
            pol_round: Round::from(pol_round),
            address: Address(key),
        };
        Ok(SignedMessage::new(proposal, signature))
    }
}

/// `[height, round, header id, [[key, signature], …]]`
#[derive(Serialize, Deserialize)]
struct WirePolka(Height, u32, HeaderId, Vec<(KeyBytes, Signature)>);

impl From<&PolkaCertificate<Context>> for WirePolka {
    fn from(certificate: &PolkaCertificate<Context>) -> Self {
        let entry = |entry: &PolkaSignature<Context>| (entry.address.0, entry.signature);
        let signatures = certificate.polka_signatures.iter().map(entry).collect();
        Self(certificate.height.0, number(certificate.round), certificate.value_id, signatures)
    }
}

impl WirePolka {
    fn read(self) -> Result<PolkaCertificate<Context>, CodecError> {
        let Self(height, round, value_id, signatures) = self;
        ensure_signers(signatures.iter().map(|(key, _)| *key))?;
        let entry = |(key, signature)| PolkaSignature::new(Address(key), signature);
        Ok(PolkaCertificate {
            height: context::Height(height),
            round: read_round(round)?,
            value_id,
            polka_signatures: signatures.into_iter().map(entry).collect(),
        })
    }
}

/// `[height, round, type (1 skip, 2 precommit), [[vote type, header id or null, key, signature], …]]`
#[derive(Serialize, Deserialize)]
struct WireRound(Height, u32, u8, Vec<(u8, Option<HeaderId>, KeyBytes, Signature)>);

impl From<&RoundCertificate<Context>> for WireRound {
    fn from(certificate: &RoundCertificate<Context>) -> Self {
        let code = match certificate.cert_type {
            RoundCertificateType::Skip => 1,
            RoundCertificateType::Precommit => 2,
        };
        let entry = |entry: &RoundSignature<Context>| {
            (vote_code(entry.vote_type), option(&entry.value_id), entry.address.0, entry.signature)
        };
        let signatures = certificate.round_signatures.iter().map(entry).collect();
        Self(certificate.height.0, number(certificate.round), code, signatures)
    }
}

impl WireRound {
    fn read(self) -> Result<RoundCertificate<Context>, CodecError> {
        let Self(height, round, code, signatures) = self;
        let cert_type = match code {
            1 => RoundCertificateType::Skip,
            2 => RoundCertificateType::Precommit,
            _ => return Err(CodecError::Range),
        };
        ensure_signers(signatures.iter().map(|(_, _, key, _)| *key))?;
        let entry = |(code, value, key, signature)| {
            Ok(RoundSignature::new(read_vote_code(code)?, nil_or(value), Address(key), signature))
        };
        Ok(RoundCertificate {
            height: context::Height(height),
            round: read_round(round)?,
            cert_type,
            round_signatures: signatures.into_iter().map(entry).collect::<Result<_, CodecError>>()?,
        })
    }
}

/// A certificate has signatures, of different members.
fn ensure_signers(keys: impl ExactSizeIterator<Item = KeyBytes>) -> Result<(), CodecError> {
    let count = keys.len();
    ensure((1..=MEMBERS_MAX).contains(&count))?;
    ensure(keys.collect::<BTreeSet<_>>().len() == count)
}

pub(super) fn read_round(round: u32) -> Result<Round, CodecError> {
    ensure(round <= ROUND_MAX)?;
    Ok(Round::new(round))
}

pub(super) fn number(round: Round) -> u32 {
    round.as_u32().expect("messages stand in a round")
}

fn vote_code(vote_type: VoteType) -> u8 {
    match vote_type {
        VoteType::Prevote => 1,
        VoteType::Precommit => 2,
    }
}

fn read_vote_code(code: u8) -> Result<VoteType, CodecError> {
    match code {
        1 => Ok(VoteType::Prevote),
        2 => Ok(VoteType::Precommit),
        _ => Err(CodecError::Range),
    }
}

fn option(value: &NilOrVal<HeaderId>) -> Option<HeaderId> {
    match value {
        NilOrVal::Nil => None,
        NilOrVal::Val(id) => Some(*id),
    }
}

fn nil_or(value: Option<HeaderId>) -> NilOrVal<HeaderId> {
    value.map_or(NilOrVal::Nil, NilOrVal::Val)
}
