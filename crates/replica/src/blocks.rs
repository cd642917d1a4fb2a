//! The blocks proposed for the next height: their bodies, and what checking them has shown.
//!
//! ```text
//!   signed proposal ──► known ──► body (pushed, or pulled) ──► signatures ──► execution ──► handed to the engine
//! ```
//!
//! Invariant: a candidate is handed to the engine as valid only after its body is in the journal.

use std::collections::BTreeMap;
use std::sync::Arc;

use kvitto_ledger::execute::ExecutedBlock;
use kvitto_ledger::{BlockBody, Header, HeaderId, Height};

use crate::check::Pending;
use crate::engine::Proposed;
use crate::input::{Peer, RequestId, VerifyTicket};

/// Different values of one round that are kept; the engine keeps as many.
const PER_ROUND_MAX: usize = 2;
/// Bodies of one peer that are kept without a proposal for them.
const PUSHED_PER_PEER_MAX: usize = 2;
/// Rounds ahead of the engine's for which proposals are kept; the engine drops those further ahead.
pub(crate) const ROUNDS_AHEAD: u32 = 10;
/// Rounds before the engine's whose blocks are kept. Should an older one be decided after all, it comes from a peer, certified.
const ROUNDS_BEHIND: u32 = 10;

/// The candidates of one height.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    candidates: BTreeMap<HeaderId, Candidate>,
    /// Own blocks, by round.
    built: BTreeMap<u32, HeaderId>,
}

#[derive(Debug)]
struct Candidate {
    header: Arc<Header>,
    body: Option<Arc<[u8]>>,
    check: Check,
    /// Its signed proposals, by round.
    proposals: BTreeMap<u32, Signed>,
    /// Pushed by this peer before any proposal.
    pushed_by: Option<Peer>,
    handed: bool,
    pull: Option<RequestId>,
    pulls: u32,
}

/// What is known of the proposals of one block in one round.
#[derive(Debug)]
struct Signed {
    proposer: usize,
    /// What the own clock said when it came first; `None` while there is none that the clock is asked about.
    timely: Option<bool>,
}

#[derive(Debug)]
enum Check {
    /// Not begun.
    Open,
    /// Its signatures are being checked.
    Asked(VerifyTicket, Pending),
    Valid(Arc<ExecutedBlock>),
    Invalid,
}

/// A signed proposal, as far as it matters here.
pub(crate) struct Known {
    pub(crate) header: Arc<Header>,
    pub(crate) id: HeaderId,
    pub(crate) round: u32,
    /// Place in the configuration.
    pub(crate) proposer: usize,
    /// What the own clock says of its time, where it is asked (RULES 2.1).
    pub(crate) timely: Option<bool>,
}

/// A candidate to be handed to the engine.
pub(crate) struct Handed {
    pub(crate) proposed: Proposed,
    /// What must be in the journal first.
    pub(crate) body: Option<Arc<[u8]>>,
}

impl Blocks {
    /// Whether this value has been proposed in this round.
    pub(crate) fn is_proposed(&self, id: &HeaderId, round: u32) -> bool {
        self.signed(id, round).is_some()
    }

    /// Whether the own clock stood against this value when it was first proposed in this round as a new one.
    pub(crate) fn is_untimely(&self, id: &HeaderId, round: u32) -> bool {
        self.signed(id, round).is_some_and(|signed| signed.timely == Some(false))
    }

    fn signed(&self, id: &HeaderId, round: u32) -> Option<&Signed> {
        self.candidates.get(id)?.proposals.get(&round)
    }

    /// Remembers a signed proposal; `false` when there is no room for its value.
    pub(crate) fn propose(&mut self, known: Known) -> bool {
        let in_round =
            self.candidates.values().filter(|candidate| candidate.proposals.contains_key(&known.round));
        if !self.is_proposed(&known.id, known.round) && in_round.count() >= PER_ROUND_MAX {
            return false;
        }
        let candidate = self.candidates.entry(known.id).or_insert_with(|| Candidate::new(known.header));
        let signed = Signed { proposer: known.proposer, timely: None };
        let signed = candidate.proposals.entry(known.round).or_insert(signed);
        // The first verdict stands, however often the proposal comes.
        signed.timely = signed.timely.or(known.timely);
        true
    }

    /// Drops what was last proposed long before `round`, except what the engine `is_bound` to, so that a height that takes many
    /// rounds does not fill the memory with the blocks of all of them.
    pub(crate) fn forget_before(&mut self, round: u32, is_bound: impl Fn(&HeaderId) -> bool) {
        let Some(oldest) = round.checked_sub(ROUNDS_BEHIND) else { return };
        self.built = self.built.split_off(&oldest);
        let built: Vec<_> = self.built.values().copied().collect();
        self.candidates.retain(|id, candidate| {
            let recent = match candidate.proposals.last_key_value() {
                Some((last, _)) => *last >= oldest,
                // Pushed before its proposal: there are few of each peer.
                None => candidate.pushed_by.is_some(),
            };
            recent || built.contains(id) || is_bound(id)
        });
    }

    /// Keeps a body; `false` when it was not wanted, or there is no room.
    pub(crate) fn add_body(&mut self, header: Arc<Header>, body: Arc<[u8]>, from: Peer) -> bool {
        let id = header.id();
        if let Some(candidate) = self.candidates.get_mut(&id) {
            let wanted = candidate.body.is_none() && matches!(candidate.check, Check::Open);
            if wanted {
                candidate.body = Some(body);
                candidate.pull = None;
            }
            return wanted;
        }
        let pushed = self.candidates.values().filter(|other| other.pushed_by == Some(from)).count();
        if pushed >= PUSHED_PER_PEER_MAX {
            return false;
        }
        let mut candidate = Candidate::new(header);
        candidate.body.get_or_insert(body);
        candidate.pushed_by = Some(from);
        self.candidates.insert(id, candidate);
        true
    }

    /// Adds a block that is known to be valid: built here, or checked before a crash.
    pub(crate) fn add_valid(&mut self, block: Arc<ExecutedBlock>, body: Arc<[u8]>) {
        let header = Arc::new(block.header.clone());
        let candidate = self.candidates.entry(block.id).or_insert_with(|| Candidate::new(header));
        candidate.body = Some(body);
        candidate.check = Check::Valid(block);
    }

    /// Remembers which block this member built for a round.
    pub(crate) fn set_built(&mut self, round: u32, id: HeaderId) {
        self.built.entry(round).or_insert(id);
    }

    /// The header of the block that this member built for a round.
    pub(crate) fn built(&self, round: u32) -> Option<Arc<Header>> {
        self.built
            .get(&round)
            .and_then(|id| self.candidates.get(id))
            .map(|candidate| Arc::clone(&candidate.header))
    }

    /// A candidate whose body is here and whose check has not begun: proposed, or pushed by a peer for whom `eager` holds.
    pub(crate) fn next_open(
        &self,
        eager: impl Fn(Peer) -> bool,
    ) -> Option<(HeaderId, Arc<Header>, Arc<[u8]>)> {
        self.candidates.iter().find_map(|(id, candidate)| {
            let wanted = !candidate.proposals.is_empty() || candidate.pushed_by.is_some_and(&eager);
            let body =
                candidate.body.as_ref().filter(|_| wanted && matches!(candidate.check, Check::Open))?;
            Some((*id, Arc::clone(&candidate.header), Arc::clone(body)))
        })
    }

    /// The body was another's: it can come again from somebody else.
    pub(crate) fn drop_body(&mut self, id: &HeaderId) {
        if let Some(candidate) = self.candidates.get_mut(id) {
            candidate.body = None;
            if candidate.proposals.is_empty() {
                self.candidates.remove(id);
            }
        }
    }

    pub(crate) fn set_asked(&mut self, id: &HeaderId, ticket: VerifyTicket, pending: Pending) {
        if let Some(candidate) = self.candidates.get_mut(id) {
            candidate.check = Check::Asked(ticket, pending);
        }
    }

    /// The candidate whose signatures were asked for under this ticket.
    pub(crate) fn take_asked(&mut self, ticket: VerifyTicket) -> Option<(HeaderId, Arc<Header>, Pending)> {
        let (id, candidate) = self
            .candidates
            .iter_mut()
            .find(|(_, candidate)| matches!(&candidate.check, Check::Asked(asked, _) if *asked == ticket))?;
        match std::mem::replace(&mut candidate.check, Check::Open) {
            Check::Asked(_, pending) => Some((*id, Arc::clone(&candidate.header), pending)),
            _ => None,
        }
    }

    pub(crate) fn set_checked(&mut self, id: &HeaderId, block: Option<Arc<ExecutedBlock>>) {
        if let Some(candidate) = self.candidates.get_mut(id) {
            candidate.check = block.map_or(Check::Invalid, Check::Valid);
        }
    }

    /// A proposed block of which the engine is to be told now.
    pub(crate) fn hand_over(&mut self) -> Option<Handed> {
        self.candidates.values_mut().filter(|candidate| !candidate.handed).find_map(|candidate| {
            let (&first_round, &Signed { proposer, .. }) = candidate.proposals.first_key_value()?;
            let valid = match candidate.check {
                Check::Valid(_) => true,
                Check::Invalid => false,
                Check::Open | Check::Asked(..) => return None,
            };
            candidate.handed = true;
            let header = Arc::clone(&candidate.header);
            let proposed = Proposed { round: first_round, proposer, header, valid };
            Some(Handed { proposed, body: candidate.body.clone().filter(|_| valid) })
        })
    }

    /// The engine knows of it: it is proposed here, or was replayed.
    pub(crate) fn set_handed(&mut self, id: &HeaderId) {
        if let Some(candidate) = self.candidates.get_mut(id) {
            candidate.handed = true;
        }
    }

    pub(crate) fn executed(&self, id: &HeaderId) -> Option<Arc<ExecutedBlock>> {
        match &self.candidates.get(id)?.check {
            Check::Valid(block) => Some(Arc::clone(block)),
            _ => None,
        }
    }

    pub(crate) fn body(&self, id: &HeaderId) -> Option<(Arc<Header>, Arc<[u8]>)> {
        let candidate = self.candidates.get(id)?;
        Some((Arc::clone(&candidate.header), candidate.body.clone()?))
    }

    /// Whether the proposer of round 0 has proposed a block that was found valid.
    pub(crate) fn has_valid_first(&self) -> bool {
        self.candidates.values().any(|candidate| {
            candidate.proposals.contains_key(&0) && matches!(candidate.check, Check::Valid(_))
        })
    }

    /// Whether a proposed block's body is missing.
    pub(crate) fn is_missing_body(&self) -> bool {
        self.candidates.values().any(Candidate::is_missing_body)
    }

    /// Proposed blocks whose bodies are missing and not asked for, with their proposer and how often they were asked for.
    pub(crate) fn to_pull(&self) -> Vec<(HeaderId, usize, u32)> {
        self.candidates
            .iter()
            .filter(|(_, candidate)| candidate.is_missing_body() && candidate.pull.is_none())
            .filter_map(|(id, candidate)| {
                let (_, signed) = candidate.proposals.first_key_value()?;
                Some((*id, signed.proposer, candidate.pulls))
            })
            .collect()
    }

    pub(crate) fn set_pull(&mut self, id: &HeaderId, request: RequestId) {
        if let Some(candidate) = self.candidates.get_mut(id) {
            candidate.pull = Some(request);
            candidate.pulls = candidate.pulls.wrapping_add(1);
        }
    }

    /// The candidate whose body was asked for with this request.
    pub(crate) fn take_pull(&mut self, request: RequestId) -> Option<Arc<Header>> {
        let candidate = self.candidates.values_mut().find(|candidate| candidate.pull == Some(request))?;
        candidate.pull = None;
        Some(Arc::clone(&candidate.header))
    }
}

impl Candidate {
    fn new(header: Arc<Header>) -> Self {
        // The body of a block without statements is known.
        let body = (header.statements == 0).then(|| Arc::from(BlockBody::default().encode()));
        Self {
            header,
            body,
            check: Check::Open,
            proposals: BTreeMap::new(),
            pushed_by: None,
            handed: false,
            pull: None,
            pulls: 0,
        }
    }

    fn is_missing_body(&self) -> bool {
        self.body.is_none() && !self.proposals.is_empty()
    }
}

/// Pushed bodies for heights that come after the next one: one per peer, until the next block is committed.
#[derive(Debug, Default)]
pub(crate) struct EarlyBodies(BTreeMap<Peer, (Arc<Header>, Arc<[u8]>)>);

impl EarlyBodies {
    pub(crate) fn keep(&mut self, header: Arc<Header>, body: Arc<[u8]>, from: Peer) {
        self.0.insert(from, (header, body));
    }

    /// Those for `height`; older ones are forgotten.
    pub(crate) fn take(&mut self, height: Height) -> Vec<(Peer, Arc<Header>, Arc<[u8]>)> {
        let (now, later) =
            std::mem::take(&mut self.0).into_iter().partition(|(_, (header, _))| header.height <= height);
        self.0 = later;
        let now: BTreeMap<Peer, (Arc<Header>, Arc<[u8]>)> = now;
        now.into_iter()
            .filter(|(_, (header, _))| header.height == height)
            .map(|(from, (header, body))| (from, header, body))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use kvitto_ledger::execute::genesis_block;
    use kvitto_ledger::testing::World;

    use super::*;

    /// What is remembered after proposals of one value in one round, each with what the clock says of it.
    fn untimely(verdicts: &[Option<bool>]) -> bool {
        let block = genesis_block(&World::new(1).genesis);
        let header = Arc::new(block.header);
        let mut blocks = Blocks::default();
        for timely in verdicts {
            let known =
                Known { header: Arc::clone(&header), id: block.id, round: 3, proposer: 0, timely: *timely };
            assert!(blocks.propose(known));
        }
        assert!(blocks.is_proposed(&block.id, 3) && !blocks.is_proposed(&block.id, 2));
        blocks.is_untimely(&block.id, 3)
    }

    #[test]
    fn blocks_of_rounds_long_past_are_dropped_unless_the_engine_is_bound_to_them() {
        let block = genesis_block(&World::new(1).genesis);
        let header = |round: u32| Arc::new(Header { tree_size: u64::from(round), ..block.header.clone() });
        let id = |round| header(round).id();
        let mut blocks = Blocks::default();
        for round in 0..25 {
            let known = Known { header: header(round), id: id(round), round, proposer: 0, timely: None };
            assert!(blocks.propose(known));
        }
        // Proposed anew, with a proof of lock.
        let again = Known { header: header(3), id: id(3), round: 21, proposer: 0, timely: None };
        assert!(blocks.propose(again));
        let kept = |blocks: &Blocks| -> Vec<_> {
            (0..25).filter(|round| blocks.candidates.contains_key(&id(*round))).collect()
        };
        blocks.forget_before(9, |_| false);
        assert_eq!(kept(&blocks).len(), 25);
        blocks.forget_before(24, |bound| *bound == id(5));
        let expected: Vec<u32> = [3, 5].into_iter().chain(14..25).collect();
        assert_eq!(kept(&blocks), expected);
    }

    #[test]
    fn the_first_verdict_of_the_clock_stands_and_a_proof_of_lock_is_none() {
        for (verdicts, expected) in [
            (&[None][..], false),
            (&[Some(true)], false),
            (&[Some(false)], true),
            (&[Some(false), Some(true)], true),
            (&[Some(true), Some(false)], false),
            (&[None, Some(false)], true),
            (&[Some(false), None, None], true),
        ] {
            assert_eq!(untimely(verdicts), expected, "{verdicts:?}");
        }
    }
}
