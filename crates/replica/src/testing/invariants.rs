//! What must hold whatever happens: one file for each promise.
//!
//! An invariant sees everything that members say, commit and answer, as it happens, and says so the moment that it does not hold.
//! None of them asks the code under test for its opinion: each knows from what it saw, or computes anew in the plainest way.

mod accused;
mod agreement;
mod append_only;
mod block_time;
mod countable;
mod double_vote;
mod durable;
mod final_stays;
mod freshness;
mod plain;
mod registry;
mod revoked_stays;
mod status_root;
mod two_trees;
mod validity;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use kvitto_ledger::execute::ExecutedBlock;
use kvitto_ledger::testing::World;
use kvitto_ledger::{Height, StatementId, TimeMs};
use kvitto_merkle::Note;

use super::Node;
use crate::codec::CosignatureMessage;
use crate::evidence::Evidence;
use crate::signer::Point;

/// Something that members say, do or answer.
#[derive(Debug)]
pub enum Seen<'a> {
    /// A member publishes a vote or proposal of its own.
    Signed {
        /// Who.
        member: usize,
        /// About what.
        point: Point,
        /// Whether it names a block.
        names_block: bool,
        /// The message.
        bytes: &'a [u8],
    },
    /// A member publishes a cosignature.
    Cosigned {
        /// Who.
        member: usize,
        /// The cosignature.
        message: &'a CosignatureMessage,
    },
    /// A member's store has a block.
    Committed {
        /// Whose.
        member: usize,
        /// The block.
        block: &'a ExecutedBlock,
        /// Whether nobody had committed this height before.
        is_new: bool,
    },
    /// A member shows its readers a checkpoint.
    Published {
        /// Who.
        member: usize,
        /// The block that closes the tree.
        height: Height,
        /// The checkpoint.
        note: &'a Note,
    },
    /// A member tells clients that their statements are final.
    Final {
        /// Who.
        member: usize,
        /// Executed at most at this height.
        height: Height,
        /// Which.
        statements: &'a [StatementId],
    },
    /// A member keeps evidence against another.
    Accused {
        /// The evidence.
        evidence: &'a Evidence,
    },
}

/// The world as it is when something is seen.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// True time.
    pub now: TimeMs,
    /// Genesis and keys.
    pub world: &'a World,
    /// The members.
    pub nodes: &'a [Node],
    /// Members that may lie; nothing is asserted of what they say.
    pub liars: &'a BTreeSet<usize>,
    /// Statements that clients made. Nobody else has their keys.
    pub made: &'a BTreeSet<StatementId>,
    /// Statements that anybody was told are final, with their height.
    pub finals: &'a BTreeMap<StatementId, Height>,
    /// How far off the clocks of honest members are at most, in milliseconds, but for [`Scene::off`].
    pub clock_error_ms: u64,
    /// Members whose clocks are off by more; never more than may be faulty.
    pub off: &'a BTreeSet<usize>,
}

impl Scene<'_> {
    /// Members of whom at least one honest one is among every two such groups: more than two thirds.
    fn quorum(&self) -> usize {
        let members = self.nodes.len();
        (0..=members).find(|count| 3 * count > 2 * members).unwrap_or(members)
    }
}

/// Something that must hold.
pub trait Invariant {
    /// Its name, as tables and failures show it.
    fn name(&self) -> &'static str;

    /// Looks at one thing that happened.
    ///
    /// # Errors
    /// What does not hold any more.
    fn see(&mut self, seen: &Seen<'_>, scene: &Scene<'_>) -> Result<(), String>;
}

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: &'static str,
    /// How.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.detail)
    }
}

/// Every invariant of this module.
pub(super) fn all() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::new(agreement::Agreement::default()),
        Box::new(validity::Validity::default()),
        Box::new(append_only::AppendOnly::default()),
        Box::new(final_stays::FinalStays),
        Box::new(durable::Durable),
        Box::new(double_vote::DoubleVote::default()),
        Box::new(two_trees::TwoTrees::default()),
        Box::new(revoked_stays::RevokedStays::default()),
        Box::new(status_root::StatusRoot::default()),
        Box::new(freshness::Freshness::default()),
        Box::new(countable::Countable),
        Box::new(block_time::BlockTime),
        Box::new(accused::Accused),
    ]
}

/// The error of an invariant, unless `holds`.
fn ensure(holds: bool, detail: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(detail()) }
}
