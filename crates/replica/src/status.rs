//! What operators may ask a replica.

use std::collections::BTreeSet;

use kvitto_ledger::{Did, Height, TimeMs};

use crate::effect::Refusal;

/// How a replica stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The newest committed block.
    pub height: Height,
    /// Its time.
    pub block_time: TimeMs,
    /// The newest published checkpoint's block.
    pub published: Option<Height>,
    /// The greatest height that a connected peer says it has.
    pub best_peer: Option<Height>,
    /// The height in progress, if one is.
    pub round: Option<RoundStatus>,
    /// This member follows but signs nothing yet: its guard was lost, or it is no member.
    pub observing: bool,
    /// The block up to which it must follow first, because blocks that it had acknowledged are lost here.
    pub catching_up: Option<Height>,
    /// This member is silent at the height in progress: its guard remembers something else.
    pub muted: bool,
    /// The replica has stopped for good.
    pub halted: bool,
    /// Waiting statements.
    pub mempool_count: usize,
    /// Their bytes.
    pub mempool_bytes: usize,
    /// For whose further statements there is no room.
    pub crowded: Crowded,
    /// What was heard last of each member, in the order of the configuration.
    pub members: Vec<MemberStatus>,
}

impl Status {
    /// A replica at this block that has nothing to do, and signs.
    pub fn quiet(
        height: Height,
        block_time: TimeMs,
        published: Option<Height>,
        members: Vec<MemberStatus>,
    ) -> Self {
        Self {
            height,
            block_time,
            published,
            best_peer: None,
            round: None,
            observing: false,
            catching_up: None,
            muted: false,
            halted: false,
            mempool_count: 0,
            mempool_bytes: 0,
            crowded: Crowded::default(),
            members,
        }
    }
}

/// Whose statements find no room in the mempool, however good they are. Few signers at a time can have filled their shares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Crowded {
    /// All of it is used up.
    pub everybody: bool,
    /// Their shares are.
    pub signers: BTreeSet<Did>,
}

impl Crowded {
    /// Why a statement of this signer would be refused, so that its signature need not be checked first.
    pub fn refusal(&self, signer: &Did) -> Option<Refusal> {
        match (self.everybody, self.signers.contains(signer)) {
            (true, _) => Some(Refusal::MempoolFull),
            (false, true) => Some(Refusal::SignerQuota),
            (false, false) => None,
        }
    }
}

/// The height in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundStatus {
    /// The height.
    pub height: Height,
    /// The round, from 0.
    pub round: u32,
    /// `propose`, `prevote`, `precommit` or `commit`.
    pub step: &'static str,
    /// Who proposes: place in the configuration.
    pub proposer: usize,
}

/// What was heard last of a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemberStatus {
    /// Whether its node is connected, or is this one.
    pub connected: bool,
    /// Height and round of its newest vote.
    pub voted: Option<(Height, u32)>,
    /// When that came, by the own clock.
    pub voted_at: Option<TimeMs>,
    /// When anything that it signed came last, or its connection came or went, by the own clock.
    pub heard_at: Option<TimeMs>,
    /// Its newest cosignature.
    pub cosigned: Option<Cosigned>,
    /// The greatest block that it says or shows it has, while it is connected.
    pub height: Option<Height>,
}

/// When a member cosigned, by its clock and by the own one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// What it says, in seconds since the epoch.
    pub timestamp_s: u64,
    /// When that came, by the own clock.
    pub heard_at: TimeMs,
    /// Whether it came after an older one: the first one from a member may have been made long ago.
    pub fresh: bool,
}
