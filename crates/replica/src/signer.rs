//! The member's keys, seen from the replica: asked for signatures, they remember what they gave.
//!
//! [`Guard`] is the memory (RULES 2.3, 3.2): pure, with its file format. A real signer keeps it in a file of its own, outside the
//! store's directory, that is durable whenever [`crate::Effect::Sync`] returns; [`MemorySigner`] keeps it in memory.

mod guard;
mod memory;

pub use guard::{Guard, GuardAnswer, GuardError};
pub use memory::MemorySigner;

use kvitto_ledger::{Height, Signature};
use kvitto_merkle::Hash;

/// What a member says at one point: a point is signed once, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point {
    /// The block that is being decided.
    pub height: Height,
    /// The round, from 0.
    pub round: u32,
    /// What is said.
    pub step: Step,
}

/// What a member says in a round, in the order in which it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// A proposal.
    Proposal,
    /// A prevote.
    Prevote,
    /// A precommit.
    Precommit,
}

/// A tree that is cosigned: the log after a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The block that closes it.
    pub height: Height,
    /// Number of leaves.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

/// What is to be signed, and with which key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A proposal or vote, with the consensus key.
    Consensus {
        /// Where it stands.
        point: Point,
        /// Whether it names a block; nil votes do not.
        names_block: bool,
    },
    /// A timestamped `cosignature/v1` (C2SP), with the cosignature key.
    Cosignature(Head),
    /// The checkpoint as the log, with the log key.
    Log(Head),
}

/// A request for a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignRequest {
    /// What it is about.
    pub subject: Subject,
    /// The bytes to be signed.
    pub message: Vec<u8>,
}

/// A signer's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signed {
    /// The signature over the bytes asked for.
    Signature(Signature),
    /// At this point something else has been signed: here it is.
    Earlier {
        /// What was signed.
        message: Vec<u8>,
        /// Its signature.
        signature: Signature,
    },
    /// Not signed, because a later point has been, or because RULES 3.2 or a larger tree stand against it.
    Refused,
}

/// The member's keys behind their guard.
///
/// Contract: the answer is what [`Guard::ask`] says, and a new signature is recorded with [`Guard::record`] before it is
/// returned. The guard must be durable when [`crate::Effect::Sync`] returns, after the journal; it may be written there, once for
/// several signatures. A signer that cannot write ends the process. Signing itself cannot fail.
pub trait Signer {
    /// Signs, or says what stands against it.
    fn sign(&mut self, request: SignRequest) -> Signed;
}
