//! Heads that members cosigned, compared with the own log: whether one of them signed two histories (RULES 3.4).
//!
//! A tree is known by its size and root; the height beside it is not signed. What a member is caught with is always a pair of its
//! own: two roots for one size, or a head that is not the beginning of the own log together with a larger one that is.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use kvitto_ledger::{ReadState, StateError};
use kvitto_merkle::Hash;
use kvitto_merkle::log::{NodeSource, ProveError, consistency_path, root_at};

use crate::codec::CosignatureMessage;
use crate::evidence::{Beginning, ConflictingHeads, Evidence, Shown};

/// Trees of the newest blocks that are recognised without a look into the log.
const RECENT_MAX: usize = 64;

/// What members cosigned, as far as it can catch them.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    /// Roots of the trees after the newest blocks, by size.
    recent: BTreeMap<u64, Hash>,
    members: BTreeMap<usize, Signed>,
    shown: Shown<u64>,
}

/// Two heads of one member.
#[derive(Debug, Default)]
struct Signed {
    /// The largest that the own log agrees with.
    agreed: Option<CosignatureMessage>,
    /// One that it contradicts, until there is proof.
    other: Option<CosignatureMessage>,
}

impl Heads {
    /// The own log has this tree.
    pub(crate) fn grow(&mut self, size: u64, root: Hash) {
        self.recent.insert(size, root);
        while self.recent.len() > RECENT_MAX {
            self.recent.pop_first();
        }
    }

    /// Whether this is the tree after one of the newest blocks.
    pub(crate) fn is_recent(&self, message: &CosignatureMessage) -> bool {
        self.recent.get(&message.size) == Some(&message.root)
    }

    /// Whether a head of this size could still show something new about the member.
    pub(crate) fn is_wanted(&self, member: usize, size: u64) -> bool {
        self.shown.is_wanted(member, &size)
    }

    /// A verified head of a tree of the own log. Without a `state` to read, proof waits for the next one.
    pub(crate) fn agree<R: ReadState>(
        &mut self,
        member: usize,
        message: &CosignatureMessage,
        state: Option<&R>,
    ) -> Result<Option<Evidence>, StateError> {
        let signed = self.members.entry(member).or_default();
        if signed.agreed.as_ref().is_none_or(|agreed| agreed.size < message.size) {
            signed.agreed = Some(message.clone());
        }
        match state {
            Some(state) => self.show(member, state),
            None => Ok(None),
        }
    }

    /// A verified head that may not be of the own log, no larger than that.
    pub(crate) fn compare<R: ReadState>(
        &mut self,
        member: usize,
        message: &CosignatureMessage,
        state: &R,
    ) -> Result<Option<Evidence>, StateError> {
        if root_at(&LogNodes(state), message.size)? == message.root {
            return self.agree(member, message, Some(state));
        }
        let signed = self.members.entry(member).or_default();
        let two_roots = |other: &CosignatureMessage| other.size == message.size && other.root != message.root;
        if let Some(other) = signed.other.take_if(|other| two_roots(other)) {
            return Ok(Some(self.contradict(member, other, message.clone())));
        }
        signed.other.get_or_insert_with(|| message.clone());
        self.show(member, state)
    }

    /// Two verified heads of one size with different roots.
    pub(crate) fn contradict(
        &mut self,
        member: usize,
        smaller: CosignatureMessage,
        larger: CosignatureMessage,
    ) -> Evidence {
        self.shown.insert(member, smaller.size);
        let heads = Box::new(ConflictingHeads { smaller, larger, beginning: None });
        Evidence::Heads { member, heads }
    }

    /// Proof, once the member has signed a tree of the own log that is as large as the other one.
    fn show<R: ReadState>(&mut self, member: usize, state: &R) -> Result<Option<Evidence>, StateError> {
        let Some(signed) = self.members.get_mut(&member) else { return Ok(None) };
        let (Some(agreed), Some(other)) = (&signed.agreed, &signed.other) else { return Ok(None) };
        let beginning = match agreed.size.cmp(&other.size) {
            Ordering::Less => return Ok(None),
            Ordering::Equal => None,
            Ordering::Greater => Some(beginning(other.size, agreed.size, state)?),
        };
        let (smaller, larger) = (other.clone(), agreed.clone());
        signed.other = None;
        self.shown.insert(member, smaller.size);
        let heads = Box::new(ConflictingHeads { smaller, larger, beginning });
        Ok(Some(Evidence::Heads { member, heads }))
    }
}

fn beginning<R: ReadState>(size: u64, larger: u64, state: &R) -> Result<Beginning, StateError> {
    let nodes = LogNodes(state);
    let path = consistency_path(&nodes, size, larger).map_err(|error| match error {
        ProveError::Source(error) => error,
        out_of_range @ ProveError::OutOfRange { .. } => unreachable!("0 < {size} < {larger}: {out_of_range}"),
    })?;
    Ok(Beginning { root: root_at(&nodes, size)?, path })
}

/// The nodes of the log, at any size up to the newest block's.
struct LogNodes<'a, R>(&'a R);

impl<R: ReadState> NodeSource for LogNodes<'_, R> {
    type Error = StateError;

    fn node(&self, level: u8, index: u64) -> Result<Hash, StateError> {
        let node = self.0.log_hash(level, index)?;
        node.ok_or_else(|| StateError(format!("node {level}/{index} of the log is missing").into()))
    }
}
