//! Messages for heights that have not started here, bounded; and whether they start one (RULES 2.4).

use std::collections::{BTreeMap, BTreeSet};

use kvitto_ledger::{Height, TimeMs};

use crate::codec::ConsensusMessage;
use crate::engine::context::Proposal;

/// Heights after the newest block for which messages are kept.
pub(crate) const HEIGHTS_AHEAD: u64 = 4;
/// Messages of one member that are kept for one height.
const PER_MEMBER_MAX: usize = 24;

/// Messages for heights after the newest block, by height and sender.
#[derive(Debug, Default)]
pub(crate) struct EarlyMessages {
    heights: BTreeMap<Height, Early>,
}

#[derive(Debug, Default)]
struct Early {
    /// By sender, each with the time of its arrival by the own clock.
    kept: BTreeMap<usize, Vec<(TimeMs, ConsensusMessage)>>,
    /// Members of whom something verified was seen.
    members: BTreeSet<usize>,
}

impl EarlyMessages {
    /// Keeps a verified message that shows that these members are at `height`; `false` when there is no room.
    pub(crate) fn push(
        &mut self,
        height: Height,
        sender: usize,
        members: impl IntoIterator<Item = usize>,
        now: TimeMs,
        message: ConsensusMessage,
    ) -> bool {
        let early = self.heights.entry(height).or_default();
        early.members.extend(members);
        let kept = early.kept.entry(sender).or_default();
        if kept.iter().any(|(_, known)| *known == message) {
            return true;
        }
        let room = kept.len() < PER_MEMBER_MAX;
        if room {
            kept.push((now, message));
        }
        room
    }

    /// Number of members that are at this height.
    pub(crate) fn members(&self, height: Height) -> usize {
        self.heights.get(&height).map_or(0, |early| early.members.len())
    }

    /// The proposals for a height that are here, each with the time of its arrival.
    pub(crate) fn proposals(&self, height: Height) -> Vec<(Proposal, TimeMs)> {
        let kept = self.heights.get(&height).into_iter().flat_map(|early| early.kept.values().flatten());
        let proposal = |(arrived, message): &(TimeMs, ConsensusMessage)| match message {
            ConsensusMessage::Proposal(proposal) => Some((proposal.message.clone(), *arrived)),
            _ => None,
        };
        kept.filter_map(proposal).collect()
    }

    /// The messages of a height that starts; those before it are forgotten.
    pub(crate) fn take(&mut self, height: Height) -> Vec<ConsensusMessage> {
        self.heights = self.heights.split_off(&height);
        let early = self.heights.remove(&height).unwrap_or_default();
        early.kept.into_values().flatten().map(|(_, message)| message).collect()
    }

    /// Forgets what is for this height and before.
    pub(crate) fn forget(&mut self, height: Height) {
        self.heights = self.heights.split_off(&height.next());
    }
}
