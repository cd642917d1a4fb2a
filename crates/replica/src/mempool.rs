//! Statements that wait for a block.
//!
//! Invariants: a statement is in it once, by id; the bounds hold, in total and per signer; signers take turns, so one with very
//! many statements does not keep others waiting.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kvitto_ledger::block::body_bytes_of;
use kvitto_ledger::{Checked, Did, StatementId, TimeMs};

use crate::effect::Refusal;
use crate::options::MempoolLimits;

/// Statements on which the rules broke that are remembered.
const QUARANTINE_MAX: usize = 1024;

#[derive(Debug)]
pub(crate) struct Mempool {
    limits: MempoolLimits,
    entries: BTreeMap<StatementId, Entry>,
    /// BLAKE3 of the exact bytes.
    by_bytes: BTreeMap<[u8; 32], StatementId>,
    by_expiry: BTreeSet<(TimeMs, StatementId)>,
    signers: BTreeMap<Did, Signer>,
    /// Not executable yet, in the order in which they are looked at again.
    waiting: BTreeMap<u64, StatementId>,
    quarantine: VecDeque<StatementId>,
    bytes: usize,
    arrivals: u64,
}

#[derive(Debug)]
struct Entry {
    statement: Checked,
    /// Whether a client of this node submitted it.
    local: bool,
    /// Its number in `Signer::ready`, or in `waiting`.
    place: Place,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Ready(u64),
    Waiting(u64),
}

#[derive(Debug, Default)]
struct Signer {
    /// Executable when last looked at, in order of arrival.
    ready: BTreeMap<u64, StatementId>,
    count: usize,
    bytes: usize,
}

/// A statement that left.
#[derive(Debug)]
pub(crate) struct Removed {
    pub(crate) id: StatementId,
    pub(crate) local: bool,
}

impl Mempool {
    pub(crate) fn new(limits: MempoolLimits) -> Self {
        Self {
            limits,
            entries: BTreeMap::new(),
            by_bytes: BTreeMap::new(),
            by_expiry: BTreeSet::new(),
            signers: BTreeMap::new(),
            waiting: BTreeMap::new(),
            quarantine: VecDeque::new(),
            bytes: 0,
            arrivals: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether it is here; `local` is remembered, since a client now waits for it.
    pub(crate) fn touch(&mut self, id: &StatementId, local: bool) -> bool {
        self.entries.get_mut(id).is_some_and(|entry| {
            entry.local |= local;
            true
        })
    }

    /// Takes a statement in that is not here yet; `ready` when it would execute now.
    pub(crate) fn insert(&mut self, statement: Checked, local: bool, ready: bool) -> Result<(), Refusal> {
        let (id, signer_did, len) = (statement.id(), statement.signer(), statement.bytes().len());
        let limits = self.limits;
        if self.entries.len() >= limits.count_max || self.bytes + len > limits.bytes_max {
            return Err(Refusal::MempoolFull);
        }
        let signer = self.signers.entry(signer_did).or_default();
        if signer.count >= limits.signer_count_max || signer.bytes + len > limits.signer_bytes_max {
            return Err(Refusal::SignerQuota);
        }
        self.arrivals += 1;
        signer.count += 1;
        signer.bytes += len;
        self.bytes += len;
        let place = if ready {
            signer.ready.insert(self.arrivals, id);
            Place::Ready(self.arrivals)
        } else {
            self.waiting.insert(self.arrivals, id);
            Place::Waiting(self.arrivals)
        };
        self.by_bytes.insert(digest(statement.bytes()), id);
        self.by_expiry.insert((statement.statement().not_after, id));
        self.entries.insert(id, Entry { statement, local, place });
        Ok(())
    }

    pub(crate) fn get(&self, id: &StatementId) -> Option<&Checked> {
        self.entries.get(id).map(|entry| &entry.statement)
    }

    /// The statement with exactly these bytes: its signature has been checked.
    pub(crate) fn by_bytes(&self, bytes: &[u8]) -> Option<&Checked> {
        let entry = self.entries.get(self.by_bytes.get(&digest(bytes))?)?;
        Some(&entry.statement)
    }

    pub(crate) fn remove(&mut self, id: &StatementId) -> Option<Removed> {
        let Entry { statement, local, place } = self.entries.remove(id)?;
        self.take_place(&statement, place);
        let len = statement.bytes().len();
        self.bytes -= len;
        if let Some(signer) = self.signers.get_mut(&statement.signer()) {
            signer.count -= 1;
            signer.bytes -= len;
            if signer.count == 0 {
                self.signers.remove(&statement.signer());
            }
        }
        self.by_bytes.remove(&digest(statement.bytes()));
        self.by_expiry.remove(&(statement.statement().not_after, *id));
        Some(Removed { id: *id, local })
    }

    /// Removes what can never be executed any more: block time is past its `not_after`.
    pub(crate) fn expire(&mut self, time: TimeMs) -> Vec<Removed> {
        let gone: Vec<_> =
            self.by_expiry.iter().take_while(|(not_after, _)| *not_after < time).map(|(_, id)| *id).collect();
        gone.iter().filter_map(|id| self.remove(id)).collect()
    }

    /// Not executable now, but perhaps later: looked at again after the others that wait.
    pub(crate) fn set_waiting(&mut self, id: &StatementId) {
        self.move_to(id, false);
    }

    pub(crate) fn set_ready(&mut self, id: &StatementId) {
        self.move_to(id, true);
    }

    fn move_to(&mut self, id: &StatementId, ready: bool) {
        let Some(entry) = self.entries.get(id) else { return };
        let (statement, place) = (entry.statement.clone(), entry.place);
        self.take_place(&statement, place);
        self.arrivals += 1;
        let place = if ready {
            if let Some(signer) = self.signers.get_mut(&statement.signer()) {
                signer.ready.insert(self.arrivals, *id);
            }
            Place::Ready(self.arrivals)
        } else {
            self.waiting.insert(self.arrivals, *id);
            Place::Waiting(self.arrivals)
        };
        if let Some(entry) = self.entries.get_mut(id) {
            entry.place = place;
        }
    }

    fn take_place(&mut self, statement: &Checked, place: Place) {
        match place {
            Place::Ready(at) => {
                if let Some(signer) = self.signers.get_mut(&statement.signer()) {
                    signer.ready.remove(&at);
                }
            }
            Place::Waiting(at) => {
                self.waiting.remove(&at);
            }
        }
    }

    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Up to `count` of those that wait, the longest unseen first.
    pub(crate) fn waiting(&self, count: usize) -> Vec<Checked> {
        self.waiting.values().take(count).filter_map(|id| self.get(id)).cloned().collect()
    }

    /// Sets a statement aside for good, because the rules broke on it (RULES 2.6).
    pub(crate) fn quarantine(&mut self, id: StatementId) {
        self.quarantine.push_back(id);
        if self.quarantine.len() > QUARANTINE_MAX {
            self.quarantine.pop_front();
        }
    }

    pub(crate) fn is_quarantined(&self, id: &StatementId) -> bool {
        self.quarantine.contains(id)
    }

    /// Executable statements in fair order: signers take turns, each with its oldest. `turn` says which signer begins.
    /// Ends where `bytes_max` of a body are passed.
    pub(crate) fn candidates(&self, turn: u64, bytes_max: usize) -> Vec<Checked> {
        let mut queues: VecDeque<_> = self
            .signers
            .values()
            .map(|signer| signer.ready.values())
            .filter(|ready| ready.len() > 0)
            .collect();
        if queues.is_empty() {
            return Vec::new();
        }
        let first = usize::try_from(turn % queues.len() as u64).expect("smaller than a length");
        queues.rotate_left(first);
        let (mut candidates, mut bytes) = (Vec::new(), 0);
        while let Some(mut queue) = queues.pop_front() {
            let Some(statement) = queue.next().and_then(|id| self.get(id)) else { continue };
            bytes += body_bytes_of(statement.bytes().len());
            candidates.push(statement.clone());
            if bytes > bytes_max {
                break;
            }
            queues.push_back(queue);
        }
        candidates
    }

    /// The first of [`Mempool::candidates`].
    pub(crate) fn first_ready(&self) -> Option<&Checked> {
        self.signers.values().find_map(|signer| signer.ready.values().next()).and_then(|id| self.get(id))
    }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

#[cfg(test)]
mod tests {
    use kvitto_ledger::testing::{Actor, Ledger, commitment};

    use super::*;

    /// Statements of three signers: 1000 of the first, 2 of the second, 1 of the third.
    fn filled(limits: MempoolLimits) -> (Mempool, Vec<Checked>) {
        let mut ledger = Ledger::new(1);
        let actors = ["first", "second", "third"].map(Actor::new);
        let mut mempool = Mempool::new(limits);
        let mut statements = Vec::new();
        for (actor, count) in actors.iter().zip([1000, 2, 1]) {
            for number in 0..count {
                statements.push(ledger.sign(actor, actor.anchors([commitment(number)])));
            }
        }
        for statement in &statements {
            let _ = mempool.insert(statement.clone(), false, true);
        }
        (mempool, statements)
    }

    #[test]
    fn signers_take_turns() {
        let (mempool, statements) = filled(MempoolLimits::default());
        for turn in 0..3 {
            let candidates = mempool.candidates(turn, usize::MAX);
            assert_eq!(candidates.len(), statements.len());
            let mut signers: Vec<_> = candidates[..3].iter().map(Checked::signer).collect();
            signers.sort();
            signers.dedup();
            assert_eq!(signers.len(), 3, "turn {turn}");
            let own: Vec<_> =
                candidates.iter().filter(|one| one.signer() == statements[0].signer()).collect();
            assert!(own.iter().zip(&statements).all(|(a, b)| **a == *b), "each signer's in order of arrival");
        }
        let firsts: BTreeSet<_> = (0..3).map(|turn| mempool.candidates(turn, 1)[0].signer()).collect();
        assert_eq!(firsts.len(), 3, "another signer begins each turn");
    }

    #[test]
    fn bounds_hold_in_total_and_per_signer() {
        let (_, statements) = filled(MempoolLimits::default());
        let bytes = statements[0].bytes().len();
        let limits = MempoolLimits::default();
        for (limits, expected) in [
            (MempoolLimits { count_max: 1, ..limits }, Err(Refusal::MempoolFull)),
            (MempoolLimits { bytes_max: 2 * bytes - 1, ..limits }, Err(Refusal::MempoolFull)),
            (MempoolLimits { signer_count_max: 1, ..limits }, Err(Refusal::SignerQuota)),
            (MempoolLimits { signer_bytes_max: 2 * bytes - 1, ..limits }, Err(Refusal::SignerQuota)),
            (
                MempoolLimits {
                    count_max: 2,
                    signer_count_max: 2,
                    bytes_max: 2 * bytes,
                    signer_bytes_max: 2 * bytes,
                },
                Ok(()),
            ),
        ] {
            let mut mempool = Mempool::new(limits);
            assert_eq!(mempool.insert(statements[0].clone(), false, true), Ok(()));
            assert_eq!(mempool.insert(statements[1].clone(), false, true), expected, "{limits:?}");
            // Room comes back.
            mempool.remove(&statements[0].id());
            assert_eq!(mempool.touch(&statements[1].id(), false), expected.is_ok());
            let other = if expected.is_ok() { &statements[2] } else { &statements[1] };
            assert_eq!(mempool.insert(other.clone(), false, true), Ok(()), "{limits:?}");
        }
    }

    #[test]
    fn statements_leave_when_block_time_passes_their_end() {
        let (mut mempool, statements) = filled(MempoolLimits::default());
        let end = statements[0].statement().not_after;
        assert_eq!(mempool.expire(end).len(), 0);
        assert_eq!(mempool.expire(TimeMs(end.0 + 1)).len(), statements.len());
        assert_eq!((mempool.len(), mempool.bytes()), (0, 0));
        assert!(mempool.signers.is_empty() && mempool.by_bytes.is_empty() && mempool.by_expiry.is_empty());
    }

    #[test]
    fn what_waits_is_no_candidate_and_comes_back() {
        let (mut mempool, statements) = filled(MempoolLimits::default());
        let id = statements[1002].id();
        mempool.set_waiting(&id);
        assert!(mempool.has_waiting());
        assert_eq!(mempool.waiting(10), [statements[1002].clone()]);
        assert_eq!(mempool.candidates(0, usize::MAX).len(), statements.len() - 1);
        assert_eq!(mempool.by_bytes(statements[1002].bytes()), Some(&statements[1002]));
        mempool.set_ready(&id);
        assert!(!mempool.has_waiting());
        assert_eq!(mempool.candidates(0, usize::MAX).len(), statements.len());
    }
}
