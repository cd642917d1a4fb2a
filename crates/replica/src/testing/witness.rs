//! Sees everything that members say and commit, and asserts that they keep their promises.

use std::collections::{BTreeMap, BTreeSet};

use kvitto_ledger::{Header, HeaderId, Height, StatementId, TimeMs};
use kvitto_merkle::note::Cosignature;
use kvitto_merkle::{Hash, Note};
use malachitebft_core_types::{NilOrVal, VoteType};

use crate::codec::{ConsensusMessage, CosignatureMessage};
use crate::signer::{Point, Step};

/// Verifiers ignore cosignatures that are further ahead of their clock, in seconds.
const AHEAD_S_MAX: u64 = 60;

/// A block's time is at most 5 s ahead of an honest member's clock, and those are at most 6 s off in these tests, in milliseconds.
const BLOCK_AHEAD_MS_MAX: u64 = 11_000;

/// What was said and done so far.
#[derive(Debug, Default)]
pub struct Witness {
    /// Members that may lie; nothing is asserted of what they say.
    pub liars: BTreeSet<usize>,
    /// The blocks that were committed anywhere.
    pub blocks: BTreeMap<Height, HeaderId>,
    /// Statements that anybody was told are final, with the height.
    pub finals: BTreeMap<StatementId, Height>,
    said: BTreeMap<(usize, Point), Vec<u8>>,
    roots: BTreeMap<(usize, u64), Hash>,
    cosigned: BTreeSet<(usize, Vec<u8>)>,
    precommitted: BTreeMap<usize, Height>,
    /// Nil prevotes seen.
    pub nil_prevotes: usize,
    /// Greatest round of any vote, by height.
    pub rounds: BTreeMap<Height, u32>,
}

impl Witness {
    /// A member publishes a message of the engine.
    ///
    /// # Panics
    /// When it says two things at one point.
    pub fn consensus(&mut self, member: usize, bytes: &[u8], own_key: &[u8; 32]) {
        let message = ConsensusMessage::decode(bytes).expect("replicas publish what they can read");
        let (point, names_block) = match &message {
            ConsensusMessage::Vote(vote) if vote.address.0.0 == *own_key => {
                let nil = vote.value == NilOrVal::Nil;
                self.nil_prevotes += usize::from(nil && vote.vote_type == VoteType::Prevote);
                (vote.point(), !nil)
            }
            ConsensusMessage::Proposal(proposal) if proposal.address.0.0 == *own_key => {
                (proposal.point(), true)
            }
            _ => return,
        };
        let round = self.rounds.entry(point.height).or_default();
        *round = point.round.max(*round);
        if self.liars.contains(&member) {
            return;
        }
        if point.step == Step::Precommit && names_block {
            let precommitted = self.precommitted.entry(member).or_default();
            *precommitted = point.height.max(*precommitted);
        }
        let said = self.said.entry((member, point)).or_insert_with(|| bytes.to_vec());
        assert_eq!(said, bytes, "member {member} says two things at {point:?}");
    }

    /// A member publishes a cosignature.
    ///
    /// # Panics
    /// When it contradicts an earlier one, or RULES 3.2.
    pub fn cosignature(&mut self, member: usize, bytes: &[u8]) {
        if self.liars.contains(&member) {
            return;
        }
        let message = CosignatureMessage::decode(bytes).expect("replicas publish what they can read");
        let root = self.roots.entry((member, message.size)).or_insert(message.root);
        assert_eq!(*root, message.root, "member {member} cosigns two roots of size {}", message.size);
        let new = self.cosigned.insert((member, bytes.to_vec()));
        let precommitted = self.precommitted.get(&member);
        let allowed = !new || precommitted.is_none_or(|precommitted| message.height >= *precommitted);
        assert!(
            allowed,
            "member {member} cosigns {} again after a precommit for {precommitted:?}",
            message.height
        );
    }

    /// A member publishes a checkpoint at this true time.
    ///
    /// # Panics
    /// When verifiers do not count as many cosignatures on it as are needed (RULES 3.3).
    pub fn published(&mut self, note: &str, quorum: usize, now: TimeMs) {
        let note: Note = note.parse().expect("a note");
        let cosignatures =
            note.signatures().iter().filter_map(|line| Cosignature::from_bytes(line.signature()));
        let counted = cosignatures.filter(|line| line.timestamp_s <= now.seconds() + AHEAD_S_MAX).count();
        assert!(counted >= quorum, "published with {counted} cosignatures that count: {note}");
    }

    /// A member commits a block.
    ///
    /// # Panics
    /// When another one was committed at its height, or its time is further ahead of true time than clocks explain (RULES 2.1).
    pub fn committed(&mut self, member: usize, header: &Header, id: HeaderId, now: TimeMs) {
        let height = header.height;
        assert!(header.time.0 <= now.0 + BLOCK_AHEAD_MS_MAX, "block {height} is of {}", header.time);
        let block = *self.blocks.entry(height).or_insert(id);
        assert_eq!(block, id, "member {member} commits another block at {height}");
    }
}
