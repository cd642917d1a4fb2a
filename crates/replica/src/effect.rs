//! Everything that a replica wants done. The node carries effects out one after another, in the order given.

use std::sync::Arc;

use kvitto_ledger::execute::{BlockFault, ExecutedBlock};
use kvitto_ledger::{Envelope, Height, PublicKey, Rejection, StatementId};
use thiserror::Error;

use crate::evidence::Evidence;
use crate::input::{Peer, ReplyToken, RequestId, TimerId, Topic, VerdictToken, VerifyTicket};

/// Something to be done. What a variant says the node owes in return, it owes exactly once.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Append an entry to the journal; durable at the next [`Effect::Sync`].
    Journal(Arc<[u8]>),
    /// Make the journal durable, then the signer's guard, before anything after this effect is done. Failing ends the process.
    Sync,
    /// Forget the journal: everything in it is in the store. Entries appended later stay.
    ResetJournal,
    /// Send a gossip message. Nobody else being there is no failure.
    Publish {
        /// On which topic.
        topic: Topic,
        /// The message.
        bytes: Arc<[u8]>,
    },
    /// Send one-way to these peers; losing it is no failure.
    Push {
        /// To whom.
        to: Vec<Peer>,
        /// The message.
        bytes: Arc<[u8]>,
    },
    /// Ask a peer. Owed: [`crate::Input::Response`] within about 10 s.
    Request {
        /// Whom.
        peer: Peer,
        /// Names the answer.
        id: RequestId,
        /// The message.
        bytes: Arc<[u8]>,
    },
    /// Answer a peer's request.
    Reply {
        /// Which.
        token: ReplyToken,
        /// The answer.
        bytes: Arc<[u8]>,
    },
    /// Answer a peer's request from the store with [`crate::codec::encode_blocks`] of the blocks from `from` on, as many as
    /// there are within the limits, at least one where there is one.
    ServeBlocks {
        /// Which request.
        token: ReplyToken,
        /// First height.
        from: Height,
        /// Most blocks.
        count_max: u32,
        /// Most bytes of the answer.
        bytes_max: usize,
    },
    /// Tell the network what becomes of a gossip message.
    Verdict {
        /// Which.
        token: VerdictToken,
        /// Forward, punish or drop.
        verdict: Verdict,
    },
    /// Check signatures in parallel. Owed: [`crate::Input::Verified`] with [`Envelope::verify`]'s results, in order.
    Verify {
        /// Names the answer.
        ticket: VerifyTicket,
        /// Statements with the keys that the newest state names for them.
        items: Vec<(Envelope, PublicKey)>,
    },
    /// Commit the block: store and HEAD durable. Owed: [`crate::Input::Committed`], with the state after it. Failing ends the
    /// process.
    Commit {
        /// The block.
        block: Arc<ExecutedBlock>,
        /// Who decided it; see [`crate::codec::encode_certificate`].
        certificate: Arc<[u8]>,
    },
    /// Show readers this checkpoint: it covers the committed block `height` and carries the quorum. Durable before
    /// anything after it.
    PublishCheckpoint {
        /// The block whose `Block` leaf closes the tree.
        height: Height,
        /// Size of the tree.
        size: u64,
        /// The signed note.
        note: Arc<str>,
    },
    /// These local statements, executed at most at `height`, are final: the published checkpoint covers them.
    Final {
        /// The published height.
        height: Height,
        /// Which.
        statements: Vec<StatementId>,
    },
    /// Tell who submitted this statement here.
    Notice {
        /// Which.
        statement: StatementId,
        /// What.
        notice: Notice,
    },
    /// Owed: [`crate::Input::Timer`] after `after_ms` milliseconds.
    SetTimer {
        /// Which.
        id: TimerId,
        /// When.
        after_ms: u64,
    },
    /// Forget the timer.
    CancelTimer(TimerId),
    /// Keep this proof that a member signed two things that contradict each other.
    Evidence(Evidence),
    /// Count this against the peer, where it is one's fault, and log it.
    Report {
        /// Whose fault.
        peer: Option<Peer>,
        /// What.
        fault: Fault,
    },
    /// Stop for good: continuing could break a promise. The replica does nothing any more.
    Halt(Halt),
}

/// What becomes of a gossip message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Good: forward it.
    Accept,
    /// No honest peer would have sent it.
    Reject,
    /// Of no use here.
    Ignore,
}

/// What a submitter is told about a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// In the mempool, or executed and waiting for the quorum. More notices follow.
    Accepted,
    /// Executed at this height, and final.
    AlreadyFinal(Height),
    /// Refused by the rules as things stand now.
    Rejected(Rejection),
    /// Refused by this node for want of room.
    Refused(Refusal),
    /// Block time has passed its `not_after`: it will never be executed.
    Expired,
}

/// Why a node cannot take a statement although the rules might allow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The mempool is full.
    #[error("the mempool is full")]
    MempoolFull,
    /// This signer's share of the mempool is used up.
    #[error("the signer has too many statements waiting")]
    SignerQuota,
}

impl Refusal {
    /// Stable name: `ErrorInfo.reason` in answers.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::MempoolFull => "MEMPOOL_FULL",
            Self::SignerQuota => "SIGNER_QUOTA",
        }
    }
}

/// Something that an honest, working node does not do or see. Counted by kind.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The bytes are no message.
    #[error("a message cannot be decoded: {0}")]
    Malformed(&'static str),
    /// A signature is not the member's.
    #[error("a message is not signed by the member it names")]
    Signature,
    /// A proposal is not by the proposer of its round.
    #[error("a proposal is not by the proposer of its round")]
    NotProposer,
    /// The message is for a height or round that is too far away to be kept.
    #[error("a message is for a height or round too far ahead")]
    TooFarAhead,
    /// The buffer for such messages is full.
    #[error("the buffer for early messages is full")]
    BufferFull,
    /// A body does not belong to its header, or was not asked for.
    #[error("a body does not belong to its header, or was not asked for")]
    Body,
    /// A proposed block is not valid.
    #[error("a proposed block is not valid: {0}")]
    Block(BlockFault),
    /// Blocks served for catching up are out of order, or their certificates do not verify.
    #[error("served blocks are not in order, or not certified")]
    Blocks,
    /// A cosignature does not verify, or is no member's.
    #[error("a cosignature does not verify, or is no member's")]
    Cosignature,
    /// A cosignature's time is too far ahead of the own clock, or before its block's: verifiers would not count it.
    #[error("a cosignature's time is too far from the own clock's and its block's")]
    CosignatureTime,
    /// A member signs histories that are not this one although there is proof of that already.
    #[error("a member goes on signing other histories")]
    OtherHistory,
    /// The signer remembers another message at this point, so this member says nothing more at this height (RULES 2.3).
    #[error("the guard remembers another message at height {0}; this member is silent until the next")]
    Muted(Height),
    /// The engine could not process an input.
    #[error("the engine could not process an input: {0}")]
    Engine(String),
}

/// Why a replica stopped.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Halt {
    /// The state cannot be read.
    #[error("the state cannot be read: {0}")]
    State(String),
    /// The rules version in force is not known to this build (RULES, head).
    #[error("rules version {0} is not known to this build")]
    RulesVersion(u16),
    /// The members decided a block that does not execute to its header here: this node's rules or state differ from theirs.
    #[error("block {height} was decided by the members but does not execute here: {fault}")]
    Diverged {
        /// Which.
        height: Height,
        /// How.
        fault: BlockFault,
    },
    /// The journal holds something that this build cannot have written.
    #[error("the journal cannot be read: {0}")]
    Journal(String),
    /// After a commit the state does not show the block.
    #[error("the state does not show block {0} after its commit")]
    NotCommitted(Height),
}
