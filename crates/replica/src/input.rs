//! Everything that can happen to a replica.

use std::sync::Arc;

use kvitto_ledger::{Checked, Height, Rejection};

/// An admitted peer, by the number that the node gave it: members first, in the order of the configuration, then observers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer(pub u32);

/// What a gossip message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// Clients' statements; see [`crate::codec::Statements`].
    Statements,
    /// Proposals, votes and certificates.
    Consensus,
    /// Cosignatures of checkpoints.
    Cosignatures,
}

/// Where a statement came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client of this node: it gets notices, and the replica spreads the statement.
    Local,
    /// Gossip.
    Peer,
}

/// Names a gossip message whose fate the network wants to know; chosen by the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerdictToken(pub u64);

/// Names a peer's request that wants an answer; chosen by the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyToken(pub u64);

/// Names a request to a peer; chosen by the replica, never used twice in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Names signature checks that were asked for; chosen by the replica, never used twice in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerifyTicket(pub u64);

/// A timer. Setting one that runs already replaces it; one that fired or was cancelled is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerId {
    /// The engine's wait for a proposal in this round of this height.
    Propose(Height, u32),
    /// The engine's wait for more prevotes.
    Prevote(Height, u32),
    /// The engine's wait for more precommits.
    Precommit(Height, u32),
    /// The engine's wait before it repeats its votes.
    Rebroadcast(Height, u32),
    /// The wait until the own clock is past the newest block's time.
    Build,
    /// The wait before a body that was not pushed is asked for.
    Body,
    /// The collection of local statements into one message.
    Flush,
    /// The next look at statements that were not executable yet.
    Retry,
    /// The wait before blocks are asked for, or asked for from somebody else.
    Sync,
    /// The next cosignature of the newest tree.
    Recosign,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A statement whose form and signature are good, with the key that the newest state names.
    Submit {
        /// The statement.
        statement: Checked,
        /// From whom.
        origin: Origin,
    },
    /// A gossip message on [`Topic::Consensus`] or [`Topic::Cosignatures`]. Answered with one [`crate::Effect::Verdict`].
    /// Statements come as [`Input::Submit`] instead, after the node has checked their signatures.
    Gossip {
        /// Which of the two.
        topic: Topic,
        /// Who published it.
        from: Peer,
        /// Names it in the verdict.
        token: VerdictToken,
        /// The message.
        bytes: Arc<[u8]>,
    },
    /// A request or one-way push of a peer. Answered with one [`crate::Effect::Reply`] (empty for a push) or
    /// [`crate::Effect::ServeBlocks`].
    Request {
        /// Who asks.
        from: Peer,
        /// Names it in the answer.
        token: ReplyToken,
        /// The message.
        bytes: Arc<[u8]>,
    },
    /// The answer to [`crate::Effect::Request`]; `None` when there is none: refused, timed out, disconnected.
    Response {
        /// To which request.
        id: RequestId,
        /// The answer.
        bytes: Option<Arc<[u8]>>,
    },
    /// A peer is connected: what is sent from now on reaches it.
    PeerUp(Peer),
    /// A peer is not connected any more.
    PeerDown(Peer),
    /// The answer to [`crate::Effect::Verify`], in the order asked.
    Verified {
        /// To which one.
        ticket: VerifyTicket,
        /// Each statement, or why it is not by its key.
        statements: Vec<Result<Checked, Rejection>>,
    },
    /// The block of [`crate::Effect::Commit`] is durable, and the state now shows it.
    Committed,
    /// A timer fired.
    Timer(TimerId),
}
