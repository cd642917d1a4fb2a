//! The journal: what must survive a crash in the middle of a height.

use std::sync::Arc;

use kvitto_ledger::block::BODY_BYTES_MAX;
use kvitto_ledger::codec::decode_strict;
use kvitto_ledger::{Header, HeaderId, Height, KeyBytes};
use malachitebft_core_consensus::{Input, ProposedValue};
use malachitebft_core_types::{Round, Timeout, TimeoutKind, Validity, ValueOrigin};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteBuf, Bytes};

use super::consensus::{
    ConsensusMessage, POLKA, PROPOSAL, VOTE, encode_proposal, encode_vote, number, read_round,
};
use super::frame::{CodecError, frame, unframe};
use crate::engine::context::{self, Address, Context, Value};

const BLOCK: u8 = 80;
const BUILT: u8 = 81;
const TIMEOUT: u8 = 82;
const VALUE: u8 = 83;
const ENTRY_BYTES_MAX: usize = BODY_BYTES_MAX + 1024;

/// An entry of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JournalEntry {
    /// A block that was found valid, before the vote for it: `[header, body]`.
    Block(Arc<Header>, Arc<[u8]>),
    /// The block that this member built for a round: `[height, round, header id]`.
    Built(Height, u32, HeaderId),
    /// An input that the engine has to be given again, of this height.
    Engine(Height, Input<Context>),
}

#[derive(Serialize)]
struct WireBlockRef<'a>(&'a Header, &'a Bytes);

#[derive(Serialize, Deserialize)]
struct WireBlock(Header, ByteBuf);

/// `[height, round, kind (1 propose, 2 prevote, 3 precommit)]`
#[derive(Serialize, Deserialize)]
struct WireTimeout(Height, u32, u8);

/// `[round, valid round or null, proposer, header, whether valid]`
#[derive(Serialize, Deserialize)]
struct WireValue(u32, Option<u32>, KeyBytes, Header, bool);

impl JournalEntry {
    /// The height that it belongs to.
    pub(crate) fn height(&self) -> Height {
        match self {
            Self::Block(header, _) => header.height,
            Self::Built(height, ..) | Self::Engine(height, _) => *height,
        }
    }

    /// Its bytes; `None` for an input of the engine that is not for the journal.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        Some(match self {
            Self::Block(header, body) => frame(BLOCK, &WireBlockRef(header, Bytes::new(body))),
            Self::Built(height, round, id) => frame(BUILT, &(height, round, id)),
            Self::Engine(height, input) => return encode_input(*height, input),
        })
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let (kind, content) = unframe(bytes, ENTRY_BYTES_MAX)?;
        match kind {
            BLOCK => {
                let WireBlock(header, body) = decode_strict(content, ENTRY_BYTES_MAX)?;
                Ok(Self::Block(Arc::new(header), Arc::from(body.into_vec())))
            }
            BUILT => {
                let (height, round, id) = decode_strict(content, ENTRY_BYTES_MAX)?;
                Ok(Self::Built(height, round, id))
            }
            TIMEOUT => decode_strict::<WireTimeout>(content, ENTRY_BYTES_MAX)?.read(),
            VALUE => decode_strict::<WireValue>(content, ENTRY_BYTES_MAX)?.read(),
            VOTE | PROPOSAL | POLKA => {
                let message = ConsensusMessage::decode(bytes)?;
                let height = message.height();
                let input = match message {
                    ConsensusMessage::Vote(vote) => Input::Vote(vote),
                    ConsensusMessage::Proposal(proposal) => Input::Proposal(proposal),
                    ConsensusMessage::Polka(certificate) => Input::PolkaCertificate(certificate),
                    ConsensusMessage::Round(_) => return Err(CodecError::Kind),
                };
                Ok(Self::Engine(height, input))
            }
            _ => Err(CodecError::Kind),
        }
    }
}

fn encode_input(height: Height, input: &Input<Context>) -> Option<Vec<u8>> {
    Some(match input {
        Input::Vote(vote) => encode_vote(vote),
        Input::Proposal(proposal) => encode_proposal(proposal),
        Input::PolkaCertificate(certificate) => ConsensusMessage::Polka(certificate.clone()).encode(),
        Input::TimeoutElapsed(timeout) => {
            let kind = match timeout.kind {
                TimeoutKind::Propose => 1,
                TimeoutKind::Prevote => 2,
                TimeoutKind::Precommit => 3,
                TimeoutKind::Rebroadcast | TimeoutKind::FinalizeHeight(_) => return None,
            };
            frame(TIMEOUT, &WireTimeout(height, number(timeout.round), kind))
        }
        Input::ProposedValue(value, _) => {
            let header = Header::clone(value.value.header());
            let (round, valid_round) = (number(value.round), value.valid_round.as_u32());
            frame(VALUE, &WireValue(round, valid_round, value.proposer.0, header, value.validity.is_valid()))
        }
        Input::StartHeight(..)
        | Input::RoundCertificate(_)
        | Input::Propose(_)
        | Input::SyncValueResponse(_) => {
            return None;
        }
    })
}

impl WireTimeout {
    fn read(self) -> Result<JournalEntry, CodecError> {
        let Self(height, round, kind) = self;
        let kind = match kind {
            1 => TimeoutKind::Propose,
            2 => TimeoutKind::Prevote,
            3 => TimeoutKind::Precommit,
            _ => return Err(CodecError::Range),
        };
        Ok(JournalEntry::Engine(height, Input::TimeoutElapsed(Timeout::new(read_round(round)?, kind))))
    }
}

impl WireValue {
    fn read(self) -> Result<JournalEntry, CodecError> {
        let Self(round, valid_round, proposer, header, valid) = self;
        let height = header.height;
        let value = ProposedValue {
            height: context::Height(height),
            round: read_round(round)?,
            valid_round: Round::from(valid_round),
            proposer: Address(proposer),
            value: Value::new(header),
            validity: Validity::from_bool(valid),
        };
        Ok(JournalEntry::Engine(height, Input::ProposedValue(value, ValueOrigin::Consensus)))
    }
}
