//! Sees everything that members say, commit and answer: holds the invariants, and what tests ask about afterwards.

use std::collections::{BTreeMap, BTreeSet};

use kvitto_ledger::execute::ExecutedBlock;
use kvitto_ledger::testing::World;
use kvitto_ledger::{HeaderId, Height, StatementId, TimeMs};
use malachitebft_core_types::{NilOrVal, VoteType};

use super::Node;
use super::invariants::{self, Invariant, Scene, Seen, Violation};
use crate::codec::{ConsensusMessage, CosignatureMessage};

/// Clocks of honest members are at most so far off unless a test says more, in milliseconds.
const CLOCK_ERROR_MS: u64 = 6_000;

/// What was said and done so far.
pub struct Witness {
    /// Members that may lie; nothing is asserted of what they say.
    pub liars: BTreeSet<usize>,
    /// Members whose clocks are off by more than `clock_error_ms`.
    pub off: BTreeSet<usize>,
    /// How far off the clocks of the others are at most, in milliseconds.
    pub clock_error_ms: u64,
    /// The blocks that were committed anywhere.
    pub blocks: BTreeMap<Height, HeaderId>,
    /// Statements that clients made.
    pub made: BTreeSet<StatementId>,
    /// Statements that anybody was told are final, with the height.
    pub finals: BTreeMap<StatementId, Height>,
    /// Nil prevotes seen.
    pub nil_prevotes: usize,
    /// Greatest round of any vote, by height.
    pub rounds: BTreeMap<Height, u32>,
    /// The first invariant that did not hold, where [`Witness::forgiving`].
    pub violation: Option<Violation>,
    /// Whether a violation is kept rather than a panic.
    pub forgiving: bool,
    invariants: Vec<Box<dyn Invariant>>,
}

impl Default for Witness {
    fn default() -> Self {
        Self {
            liars: BTreeSet::new(),
            off: BTreeSet::new(),
            clock_error_ms: CLOCK_ERROR_MS,
            blocks: BTreeMap::new(),
            made: BTreeSet::new(),
            finals: BTreeMap::new(),
            nil_prevotes: 0,
            rounds: BTreeMap::new(),
            violation: None,
            forgiving: false,
            invariants: invariants::all(),
        }
    }
}

/// Where and when something is seen.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) now: TimeMs,
    pub(super) world: &'a World,
    pub(super) nodes: &'a [Node],
}

impl Witness {
    /// Holds one more invariant.
    pub fn hold(&mut self, invariant: Box<dyn Invariant>) {
        self.invariants.push(invariant);
    }

    /// Something does not hold.
    ///
    /// # Panics
    /// With the violation, unless [`Witness::forgiving`].
    pub fn violated(&mut self, invariant: &'static str, detail: String) {
        let violation = Violation { invariant, detail };
        assert!(self.forgiving, "{violation}");
        self.violation.get_or_insert(violation);
    }

    /// A member publishes a message of the engine.
    pub(super) fn consensus(&mut self, member: usize, bytes: &[u8], place: Place<'_>) {
        let message = ConsensusMessage::decode(bytes).expect("replicas publish what they can read");
        let own_key = place.nodes[member].keys.consensus.public().bytes();
        let (point, names_block) = match &message {
            ConsensusMessage::Vote(vote) if vote.address.0 == own_key => {
                let nil = vote.value == NilOrVal::Nil;
                self.nil_prevotes += usize::from(nil && vote.vote_type == VoteType::Prevote);
                (vote.point(), !nil)
            }
            ConsensusMessage::Proposal(proposal) if proposal.address.0 == own_key => (proposal.point(), true),
            _ => return,
        };
        let round = self.rounds.entry(point.height).or_default();
        *round = point.round.max(*round);
        self.see(&Seen::Signed { member, point, names_block, bytes }, place);
    }

    /// A member publishes a cosignature.
    pub(super) fn cosignature(&mut self, member: usize, bytes: &[u8], place: Place<'_>) {
        let message = CosignatureMessage::decode(bytes).expect("replicas publish what they can read");
        self.see(&Seen::Cosigned { member, message: &message }, place);
    }

    /// A member publishes a checkpoint.
    pub(super) fn published(&mut self, member: usize, height: Height, note: &str, place: Place<'_>) {
        let note = note.parse().expect("a note");
        self.see(&Seen::Published { member, height, note: &note }, place);
    }

    /// A member commits a block.
    pub(super) fn committed(&mut self, member: usize, block: &ExecutedBlock, place: Place<'_>) {
        let is_new = !self.blocks.contains_key(&block.header.height);
        self.blocks.entry(block.header.height).or_insert(block.id);
        self.see(&Seen::Committed { member, block, is_new }, place);
    }

    /// A member tells clients that their statements are final.
    pub(super) fn is_final(
        &mut self,
        member: usize,
        height: Height,
        statements: &[StatementId],
        place: Place<'_>,
    ) {
        self.see(&Seen::Final { member, height, statements }, place);
        if self.liars.contains(&member) {
            return;
        }
        for id in statements {
            if let Some(outcome) = place.nodes[member].state.changes.outcomes.get(id) {
                self.finals.entry(*id).or_insert(outcome.height);
            }
        }
    }

    /// Shows something to every invariant.
    pub(super) fn see(&mut self, seen: &Seen<'_>, place: Place<'_>) {
        let mut invariants = std::mem::take(&mut self.invariants);
        for invariant in &mut invariants {
            if let Err(detail) = invariant.see(seen, &self.scene(place)) {
                self.violated(invariant.name(), detail);
            }
        }
        self.invariants = invariants;
    }

    fn scene<'a>(&'a self, place: Place<'a>) -> Scene<'a> {
        Scene {
            now: place.now,
            world: place.world,
            nodes: place.nodes,
            liars: &self.liars,
            made: &self.made,
            finals: &self.finals,
            clock_error_ms: self.clock_error_ms,
            off: &self.off,
        }
    }
}
