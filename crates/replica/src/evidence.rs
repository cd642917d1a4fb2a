//! Proof that a member signed two things that contradict each other (RULES 3.4), and how much of it is kept.
//!
//! A member that contradicts itself can do so without end. What it says once is proof enough, so each kind of proof is kept for a
//! few points or trees of each member, once for each; what comes after that changes nothing and costs next to nothing.

use std::collections::{BTreeMap, BTreeSet};

use kvitto_ledger::{HeaderId, KeyBytes, Signature};
use kvitto_merkle::Hash;
use kvitto_merkle::log::ConsistencyProof;

use crate::codec::CosignatureMessage;
use crate::signer::Point;

/// Proofs of one kind that are kept of one member in a run.
const PER_MEMBER_MAX: usize = 8;

/// Proof that a member signed two things that contradict each other. Both signatures were checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Two votes, or two proposals, for one point.
    Messages {
        /// Place in the configuration.
        member: usize,
        /// What both say something about.
        point: Point,
        /// The messages.
        messages: Box<ConflictingMessages>,
    },
    /// Cosignatures of two trees that cannot both be the log.
    Heads {
        /// Place in the configuration.
        member: usize,
        /// The cosignatures.
        heads: Box<ConflictingHeads>,
    },
}

/// Two votes or proposals of one member for one point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictingMessages {
    /// The consensus key that signed both.
    pub key: KeyBytes,
    /// The message that came first.
    pub first: Message,
    /// The one that contradicts it.
    pub second: Message,
}

/// What, beside its point, a vote or a proposal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// The header that it is for; `None`: a vote for nil.
    pub block: Option<HeaderId>,
    /// The round of a proposal's proof of lock.
    pub locked_in: Option<u32>,
    /// Over the whole.
    pub signature: Signature,
}

/// Cosignatures of two trees that cannot both be the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictingHeads {
    /// The smaller tree, or either one where the sizes are equal.
    pub smaller: CosignatureMessage,
    /// The other one.
    pub larger: CosignatureMessage,
    /// For unequal sizes: what the larger tree has instead of the smaller one.
    pub beginning: Option<Beginning>,
}

/// The beginning of the larger tree, which is not the smaller tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// Root of the larger tree's first leaves, as many as the smaller tree has.
    pub root: Hash,
    /// From that root to the larger one.
    pub path: ConsistencyProof,
}

/// For what there is proof already, by member.
#[derive(Debug)]
pub(crate) struct Shown<T>(BTreeMap<usize, BTreeSet<T>>);

impl<T> Default for Shown<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Ord> Shown<T> {
    /// Whether one more proof about `subject` is none too many.
    pub(crate) fn is_wanted(&self, member: usize, subject: &T) -> bool {
        self.0.get(&member).is_none_or(|shown| shown.len() < PER_MEMBER_MAX && !shown.contains(subject))
    }

    /// There is proof about `subject`.
    pub(crate) fn insert(&mut self, member: usize, subject: T) {
        self.0.entry(member).or_default().insert(subject);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_proof_for_each_subject_and_a_few_for_each_member_are_wanted() {
        let mut shown = Shown::default();
        for subject in 0..PER_MEMBER_MAX {
            assert!(shown.is_wanted(2, &subject));
            shown.insert(2, subject);
            assert!(!shown.is_wanted(2, &subject), "again");
        }
        assert!(!shown.is_wanted(2, &1000), "this member has shown enough of itself");
        assert!(shown.is_wanted(1, &0), "others have not");
    }
}
