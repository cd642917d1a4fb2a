//! All bytes between peers, and the journal's: `version (1) || kind (1) || deterministic CBOR array`.
//!
//! | kind | meaning | where |
//! |---|---|---|
//! | 1 | statements | gossip, topic statements |
//! | 16 vote, 17 proposal, 18 polka certificate, 19 round certificate | the engine's messages | gossip, topic consensus; 16 to 18 also journal |
//! | 32 | cosignature | gossip, topic cosignatures |
//! | 48 body, 49 pull of a body, 50 pull of blocks, 51 status | requests and pushes | request protocol |
//! | 64 body or nothing, 65 blocks | answers | request protocol |
//! | 80 block with its body, 81 own proposal, 82 timeout, 83 value | | journal |
//! | 112 | commit certificate | store, inside blocks |
//!
//! Every decoder has a greatest length, re-encodes and compares, and checks ranges and counts, so that what comes out of it can
//! be handed on without fear. Arrays have the order of the fields below.

mod blocks;
mod consensus;
mod cosignature;
mod frame;
mod journal;
mod request;
mod statements;

pub use blocks::{BlockParts, encode_blocks};
pub use cosignature::CosignatureMessage;
pub use frame::CodecError;
pub(crate) use statements::BATCH_BYTES_MAX;
pub use statements::{STATEMENTS_BYTES_MAX, Statements};

pub(crate) use blocks::{BLOCKS_BYTES_MAX, ServedBlock, decode_blocks};
pub(crate) use consensus::{ConsensusMessage, decode_certificate, encode_certificate};
#[cfg(feature = "testing")]
pub(crate) use consensus::{encode_proposal, encode_vote};
pub(crate) use journal::JournalEntry;
pub(crate) use request::{BodyMessage, PULL_BLOCKS_MAX, Request, decode_pulled_body, encode_pulled_body};

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kvitto_ledger::{ConfigHash, Header, HeaderId, Height, KeyBytes, Signature, TimeMs};
    use kvitto_merkle::{Hash, sha256};
    use malachitebft_core_consensus::{Input, ProposedValue};
    use malachitebft_core_types::{
        CommitCertificate, CommitSignature, NilOrVal, PolkaCertificate, PolkaSignature, Round,
        RoundCertificate, RoundCertificateType, RoundSignature, SignedMessage, Timeout, Validity,
        ValueOrigin, VoteType,
    };

    use super::*;
    use crate::engine::context::{self, Address, Proposal, Value, Vote};

    const KEY: Address = Address(KeyBytes([0xaa; 32]));
    const SIGNATURE: Signature = Signature([0xbb; 64]);
    const ID: HeaderId = HeaderId([0xcc; 32]);
    const HEIGHT: context::Height = context::Height(Height(300));

    fn header() -> Header {
        Header {
            rules_version: 1,
            height: HEIGHT.0,
            previous: ID,
            time: TimeMs(1_767_225_600_000),
            statements_root: Hash([1; 32]),
            statements: 2,
            tree_size: 70_000,
            log_root: Hash([2; 32]),
            status_root: Hash([3; 32]),
            config_hash: ConfigHash([4; 32]),
        }
    }

    /// Formats are frozen: a message of each kind, by the first bytes and the SHA-256 of all.
    fn check_frozen(bytes: &[u8], head: &str, digest: &str) {
        let found = (hex(&bytes[..8]), hex(&sha256(&[bytes]).0[..8]));
        assert_eq!((found.0.as_str(), found.1.as_str()), (head, digest));
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_messages_of_the_engine_are_frozen_and_read_back() {
        let round = Round::new(7);
        let vote = |vote_type, value| Vote { vote_type, height: HEIGHT, round, value, address: KEY };
        let proposal = |pol_round| {
            let value = Value::new(header());
            let proposal = Proposal { height: HEIGHT, round, value, pol_round, address: KEY };
            ConsensusMessage::Proposal(SignedMessage::new(proposal, SIGNATURE))
        };
        let polka_signatures = vec![PolkaSignature::new(KEY, SIGNATURE)];
        let round_signatures = vec![RoundSignature::new(VoteType::Precommit, NilOrVal::Nil, KEY, SIGNATURE)];
        let cert_type = RoundCertificateType::Precommit;
        for (message, head, digest) in [
            (
                ConsensusMessage::Vote(SignedMessage::new(
                    vote(VoteType::Prevote, NilOrVal::Val(ID)),
                    SIGNATURE,
                )),
                "0110860119012c07",
                "52e66076406774e7",
            ),
            (
                ConsensusMessage::Vote(SignedMessage::new(
                    vote(VoteType::Precommit, NilOrVal::Nil),
                    SIGNATURE,
                )),
                "0110860219012c07",
                "e340206851312b5a",
            ),
            (proposal(Round::Nil), "011185078a011901", "a514ced10c572ccd"),
            (proposal(Round::new(3)), "011185078a011901", "0817d231e1e3a072"),
            (
                ConsensusMessage::Polka(PolkaCertificate {
                    height: HEIGHT,
                    round,
                    value_id: ID,
                    polka_signatures,
                }),
                "01128419012c0758",
                "5d271c286696b0f6",
            ),
            (
                ConsensusMessage::Round(RoundCertificate {
                    height: HEIGHT,
                    round,
                    cert_type,
                    round_signatures,
                }),
                "01138419012c0702",
                "8719c047c3315457",
            ),
        ] {
            let bytes = message.encode();
            assert_eq!(ConsensusMessage::decode(&bytes), Ok(message));
            check_frozen(&bytes, head, digest);
        }
    }

    #[test]
    fn a_commit_certificate_is_frozen_and_its_keys_ascend() {
        let entry = |byte| CommitSignature::new(Address(KeyBytes([byte; 32])), SIGNATURE);
        let of = |commit_signatures| CommitCertificate {
            height: HEIGHT,
            round: Round::new(0),
            value_id: ID,
            commit_signatures,
        };
        let bytes = encode_certificate(&of(vec![entry(2), entry(1)]));
        assert_eq!(decode_certificate(&bytes), Ok(of(vec![entry(1), entry(2)])));
        check_frozen(&bytes, "01708419012c0058", "d784b9e58403ea67");
        let twice = encode_certificate(&of(vec![entry(1), entry(1)]));
        assert_eq!(decode_certificate(&twice), Err(CodecError::Range));
        assert_eq!(decode_certificate(&encode_certificate(&of(vec![]))), Err(CodecError::Range));
    }

    #[test]
    fn requests_and_answers_are_frozen_and_read_back() {
        let body: Arc<[u8]> = Arc::from([0x80]);
        for (request, head, digest) in [
            (
                Request::Body(BodyMessage { header: header(), body: Arc::clone(&body) }),
                "0130828a0119012c",
                "f5c9d13a76ead6d6",
            ),
            (Request::PullBody(HEIGHT.0, ID), "01318219012c5820", "dd04633e7814f154"),
            (Request::PullBlocks(HEIGHT.0, 64), "01328219012c1840", "31c789343462e9e7"),
            (Request::Status(Height(70_000)), "0133811a00011170", "25116d3762a3585e"),
        ] {
            let bytes = request.encode();
            assert_eq!(Request::decode(&bytes), Ok(request));
            check_frozen(&[&bytes[..], &[0; 8]].concat(), head, digest);
        }
        assert_eq!(Request::decode(&Request::PullBlocks(HEIGHT.0, 65).encode()), Err(CodecError::Range));
        assert_eq!(Request::decode(&Request::PullBlocks(HEIGHT.0, 0).encode()), Err(CodecError::Range));
        assert_eq!(decode_pulled_body(&encode_pulled_body(Some(&body))), Ok(Some(body)));
        assert_eq!(decode_pulled_body(&encode_pulled_body(None)), Ok(None));
        let block = ServedBlock { header: header(), certificate: vec![5], body: vec![0x80] };
        let parts = BlockParts { header: &block.header, certificate: &block.certificate, body: &block.body };
        let bytes = encode_blocks(&[parts]);
        assert!(bytes.len() <= 16 + parts.len_max());
        assert_eq!(decode_blocks(&bytes), Ok(vec![block]));
        check_frozen(&bytes, "014181838a011901", "3bc283c8704bb85f");
    }

    #[test]
    fn cosignatures_are_frozen_and_read_back() {
        let message = CosignatureMessage {
            height: HEIGHT.0,
            size: 70_000,
            root: Hash([2; 32]),
            timestamp_s: 1_767_225_600,
            key: KEY.0,
            signature: SIGNATURE,
        };
        let bytes = message.encode();
        assert_eq!(CosignatureMessage::decode(&bytes), Ok(message.clone()));
        check_frozen(&bytes, "01208619012c1a00", "67bb4470f8c4b3ab");
        let late = CosignatureMessage { timestamp_s: 1 << 63, ..message };
        assert_eq!(CosignatureMessage::decode(&late.encode()), Err(CodecError::Range));
    }

    #[test]
    fn journal_entries_are_frozen_and_read_back() {
        let value = ProposedValue {
            height: HEIGHT,
            round: Round::new(1),
            valid_round: Round::Nil,
            proposer: KEY,
            value: Value::new(header()),
            validity: Validity::Valid,
        };
        for (entry, head, digest) in [
            (
                JournalEntry::Block(Arc::new(header()), Arc::from([0x80])),
                "0150828a0119012c",
                "fc47ed8d11bc3a23",
            ),
            (JournalEntry::Built(HEIGHT.0, 7, ID), "01518319012c0758", "281813fac63ca8f4"),
            (
                JournalEntry::Engine(HEIGHT.0, Input::TimeoutElapsed(Timeout::prevote(Round::new(7)))),
                "01528319012c0702",
                "4a9c0e3238d4394b",
            ),
            (
                JournalEntry::Engine(HEIGHT.0, Input::ProposedValue(value, ValueOrigin::Consensus)),
                "01538501f65820aa",
                "24f8dc1e0be8fc9e",
            ),
        ] {
            let bytes = entry.encode().expect("for the journal");
            assert_eq!(JournalEntry::decode(&bytes), Ok(entry));
            check_frozen(&[&bytes[..], &[0; 8]].concat(), head, digest);
        }
        let rebroadcast = Input::TimeoutElapsed(Timeout::rebroadcast(Round::new(7)));
        assert_eq!(JournalEntry::Engine(HEIGHT.0, rebroadcast).encode(), None);
    }
}
