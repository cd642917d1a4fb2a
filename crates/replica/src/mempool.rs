//! Statements that wait for a block.
//!
//! Some of them would not execute now, but may as time passes: they *wait*, under smaller bounds of their own, each looked at again
//! when its time comes, or ever more rarely. They are the first to go when one that would execute needs their room.
//!
//! Invariants: a statement is in it once, by id; the bounds hold, in total and per signer; signers take turns, so one with very
//! many statements does not keep others waiting, and where the room for those that wait is used up, the signer with the most of
//! them gives way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kvitto_ledger::block::body_bytes_of;
use kvitto_ledger::{Checked, Did, Rejection, StatementId, TimeMs};

use crate::effect::Refusal;
use crate::options::MempoolLimits;
use crate::status::Crowded;

/// No statement is shorter: an envelope's keys, identifiers and signature.
const SHORT_BYTES: usize = 192;
/// Statements on which the rules broke that are remembered.
const QUARANTINE_MAX: usize = 1024;
/// A statement that waits is looked at again after this long, in milliseconds, then after twice as long, and so on.
pub(crate) const LOOK_MS_MIN: u64 = 1_000;
/// The longest time between two looks, in milliseconds.
const LOOK_MS_MAX: u64 = 60_000;

#[derive(Debug)]
pub(crate) struct Mempool {
    limits: MempoolLimits,
    entries: BTreeMap<StatementId, Entry>,
    /// BLAKE3 of the exact bytes.
    by_bytes: BTreeMap<[u8; 32], StatementId>,
    by_expiry: BTreeSet<(TimeMs, StatementId)>,
    signers: BTreeMap<Did, Signer>,
    /// Signers who have used up their shares.
    full: BTreeSet<Did>,
    waiting: Waiting,
    /// Left because others needed their room, with what they waited for.
    evicted: Vec<(Removed, Rejection)>,
    quarantine: VecDeque<StatementId>,
    bytes: usize,
    arrivals: u64,
}

#[derive(Debug)]
struct Entry {
    statement: Checked,
    /// Whether a client of this node submitted it.
    local: bool,
    place: Place,
    /// How long it waits the next time, in milliseconds.
    look_ms: u64,
}

/// Where an entry stands.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Its number in `Signer::ready`.
    Ready(u64),
    /// Its place in `Waiting::turns`, and what it waits for.
    Waiting(Turn, Rejection),
}

/// When a statement is looked at again, and its number.
type Turn = (TimeMs, u64);

#[derive(Debug, Default)]
struct Signer {
    /// Executable when last looked at, in order of arrival.
    ready: BTreeMap<u64, StatementId>,
    /// Not executable when last looked at, by their turns.
    waiting: BTreeMap<Turn, StatementId>,
    waiting_bytes: usize,
    count: usize,
    bytes: usize,
}

/// What waits, of all signers.
#[derive(Debug, Default)]
struct Waiting {
    turns: BTreeMap<Turn, StatementId>,
    bytes: usize,
    /// Signers by how many wait.
    crowd: BTreeSet<(usize, Did)>,
}

impl Signer {
    /// Room for a statement of `len` bytes that would execute, within this signer's share.
    fn has_room(&self, len: usize, limits: &MempoolLimits) -> bool {
        let bytes = self.bytes - self.waiting_bytes;
        self.ready.len() < limits.signer_count_max && bytes + len <= limits.signer_bytes_max
    }
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
            full: BTreeSet::new(),
            waiting: Waiting::default(),
            evicted: Vec::new(),
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

    /// Whether there is room for one more of its kind, if it would execute: asked before that is found out.
    pub(crate) fn check_room(&self, statement: &Checked) -> Result<(), Refusal> {
        let len = statement.bytes().len();
        self.ready_room(len)?;
        let signer = self.signers.get(&statement.signer());
        if signer.is_none_or(|signer| signer.has_room(len, &self.limits)) {
            Ok(())
        } else {
            Err(Refusal::SignerQuota)
        }
    }

    /// Whose statements would be refused for want of room.
    pub(crate) fn crowded(&self) -> Crowded {
        let everybody = self.ready_room(SHORT_BYTES) == Err(Refusal::MempoolFull);
        Crowded { everybody, signers: self.full.clone() }
    }

    /// Room for a statement of `len` bytes that would execute, in total.
    fn ready_room(&self, len: usize) -> Result<(), Refusal> {
        let ready_count = self.entries.len() - self.waiting.turns.len();
        let ready_bytes = self.bytes - self.waiting.bytes;
        let has_room = ready_count < self.limits.count_max && ready_bytes + len <= self.limits.bytes_max;
        if has_room { Ok(()) } else { Err(Refusal::MempoolFull) }
    }

    /// Takes in a statement that is not here yet and would execute now.
    pub(crate) fn insert_ready(&mut self, statement: Checked, local: bool) -> Result<(), Refusal> {
        self.check_room(&statement)?;
        let (limits, did, len) = (self.limits, statement.signer(), statement.bytes().len());
        let is_over = |signer: &Signer| {
            signer.count >= limits.signer_count_max || signer.bytes + len > limits.signer_bytes_max
        };
        while self.signers.get(&did).is_some_and(is_over) {
            self.evict_of(&did);
        }
        while self.entries.len() >= limits.count_max || self.bytes + len > limits.bytes_max {
            self.evict();
        }
        self.arrivals += 1;
        self.insert(statement, local, Place::Ready(self.arrivals));
        Ok(())
    }

    /// Takes in a statement that is not here yet and may execute later than `now`, when it would be rejected.
    pub(crate) fn insert_waiting(
        &mut self,
        statement: Checked,
        local: bool,
        rejection: Rejection,
        now: TimeMs,
    ) -> Result<(), Refusal> {
        let (limits, did, len) = (self.limits, statement.signer(), statement.bytes().len());
        if self.entries.len() >= limits.count_max || self.bytes + len > limits.bytes_max {
            return Err(Refusal::MempoolFull);
        }
        let signer = self.signers.get(&did);
        if signer.is_some_and(|signer| {
            signer.count >= limits.signer_count_max || signer.bytes + len > limits.signer_bytes_max
        }) {
            return Err(Refusal::SignerQuota);
        }
        self.make_room_to_wait(&did, len)?;
        self.arrivals += 1;
        let turn = (next_look(&statement, now, LOOK_MS_MIN), self.arrivals);
        self.insert(statement, local, Place::Waiting(turn, rejection));
        Ok(())
    }

    /// Room for one more that waits: of this signer up to its share, and at the cost of whoever has more of them.
    fn make_room_to_wait(&mut self, did: &Did, len: usize) -> Result<(), Refusal> {
        let limits = self.limits;
        let own = |mempool: &Self| mempool.signers.get(did).map_or(0, |signer| signer.waiting.len());
        if own(self) >= limits.signer_waiting_count_max {
            return Err(Refusal::SignerQuota);
        }
        while self.waiting.turns.len() >= limits.waiting_count_max
            || self.waiting.bytes + len > limits.waiting_bytes_max
        {
            let most = self.waiting.crowd.last().map_or(0, |(count, _)| *count);
            if most <= own(self) + 1 {
                return Err(Refusal::MempoolFull);
            }
            self.evict();
        }
        Ok(())
    }

    fn insert(&mut self, statement: Checked, local: bool, place: Place) {
        let (id, len) = (statement.id(), statement.bytes().len());
        let signer = self.signers.entry(statement.signer()).or_default();
        signer.count += 1;
        signer.bytes += len;
        self.bytes += len;
        self.by_bytes.insert(digest(statement.bytes()), id);
        self.by_expiry.insert((statement.statement().not_after, id));
        self.put(&statement, place);
        let look_ms = match place {
            Place::Ready(_) => LOOK_MS_MIN,
            Place::Waiting(..) => 2 * LOOK_MS_MIN,
        };
        self.entries.insert(id, Entry { statement, local, place, look_ms });
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
        let Entry { statement, local, place, .. } = self.entries.remove(id)?;
        self.take(&statement, place);
        let len = statement.bytes().len();
        self.bytes -= len;
        if let Some(signer) = self.signers.get_mut(&statement.signer()) {
            signer.count -= 1;
            signer.bytes -= len;
            if signer.count == 0 {
                self.signers.remove(&statement.signer());
            }
        }
        self.see_share(&statement.signer());
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

    /// Removes the one of the signer with the most that wait whose turn comes last.
    fn evict(&mut self) {
        if let Some((_, did)) = self.waiting.crowd.last().copied() {
            self.evict_of(&did);
        }
    }

    fn evict_of(&mut self, did: &Did) {
        let last = self.signers.get(did).and_then(|signer| signer.waiting.last_key_value());
        if let Some(id) = last.map(|(_, id)| *id) {
            self.drop_waiting(&id);
        }
    }

    fn drop_waiting(&mut self, id: &StatementId) {
        if let Some(Entry { place: Place::Waiting(_, rejection), .. }) = self.entries.get(id) {
            let rejection = *rejection;
            let removed = self.remove(id);
            self.evicted.extend(removed.map(|removed| (removed, rejection)));
        }
    }

    /// What had to leave since this was last asked, because others needed the room, with what it waited for.
    pub(crate) fn take_evicted(&mut self) -> Vec<(Removed, Rejection)> {
        std::mem::take(&mut self.evicted)
    }

    /// Rejected `now`, but perhaps not later; it leaves where there is no room to wait.
    pub(crate) fn set_waiting(&mut self, id: &StatementId, rejection: Rejection, now: TimeMs) {
        let Some(Entry { statement, place, look_ms, .. }) = self.entries.get_mut(id) else { return };
        let turn = next_look(statement, now, *look_ms);
        *look_ms = LOOK_MS_MAX.min(2 * *look_ms);
        let (statement, place) = (statement.clone(), *place);
        self.take(&statement, place);
        let (did, len) = (statement.signer(), statement.bytes().len());
        let room = self.make_room_to_wait(&did, len);
        self.arrivals += 1;
        self.set_place(id, Place::Waiting((turn, self.arrivals), rejection));
        if room.is_err() {
            self.drop_waiting(id);
        }
    }

    pub(crate) fn set_ready(&mut self, id: &StatementId) {
        let Some(Entry { statement, place, .. }) = self.entries.get(id) else { return };
        let (statement, place) = (statement.clone(), *place);
        self.take(&statement, place);
        self.arrivals += 1;
        self.set_place(id, Place::Ready(self.arrivals));
    }

    fn set_place(&mut self, id: &StatementId, place: Place) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        entry.place = place;
        let statement = entry.statement.clone();
        self.put(&statement, place);
    }

    fn put(&mut self, statement: &Checked, place: Place) {
        let (did, id, len) = (statement.signer(), statement.id(), statement.bytes().len());
        let Some(signer) = self.signers.get_mut(&did) else { return };
        match place {
            Place::Ready(number) => {
                signer.ready.insert(number, id);
            }
            Place::Waiting(turn, _) => {
                self.waiting.crowd.remove(&(signer.waiting.len(), did));
                signer.waiting.insert(turn, id);
                self.waiting.crowd.insert((signer.waiting.len(), did));
                signer.waiting_bytes += len;
                self.waiting.turns.insert(turn, id);
                self.waiting.bytes += len;
            }
        }
        self.see_share(&did);
    }

    fn take(&mut self, statement: &Checked, place: Place) {
        let (did, len) = (statement.signer(), statement.bytes().len());
        let Some(signer) = self.signers.get_mut(&did) else { return };
        match place {
            Place::Ready(number) => {
                signer.ready.remove(&number);
            }
            Place::Waiting(turn, _) => {
                self.waiting.crowd.remove(&(signer.waiting.len(), did));
                signer.waiting.remove(&turn);
                if !signer.waiting.is_empty() {
                    self.waiting.crowd.insert((signer.waiting.len(), did));
                }
                signer.waiting_bytes -= len;
                self.waiting.turns.remove(&turn);
                self.waiting.bytes -= len;
            }
        }
        self.see_share(&did);
    }

    fn see_share(&mut self, did: &Did) {
        let has_room = |signer: &Signer| signer.has_room(SHORT_BYTES, &self.limits);
        if self.signers.get(did).is_none_or(has_room) {
            self.full.remove(did)
        } else {
            self.full.insert(*did)
        };
    }

    /// When the next one that waits is to be looked at.
    pub(crate) fn next_look(&self) -> Option<TimeMs> {
        self.waiting.turns.first_key_value().map(|((at, _), _)| *at)
    }

    /// Those that wait whose turn it is at `now`: at most `count_max`, and those after the first within `bytes_max`.
    pub(crate) fn due(&self, now: TimeMs, count_max: usize, bytes_max: usize) -> Vec<Checked> {
        let due = self.waiting.turns.iter().take_while(|((at, _), _)| *at <= now).take(count_max);
        let statements = due.filter_map(|(_, id)| self.get(id));
        statements
            .scan(0, |bytes, statement| {
                let first = *bytes == 0;
                *bytes += statement.bytes().len();
                (first || *bytes <= bytes_max).then(|| statement.clone())
            })
            .collect()
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

/// When a statement that would not execute at `now` is worth a look: from its beginning on, or after `look_ms`.
fn next_look(statement: &Checked, now: TimeMs, look_ms: u64) -> TimeMs {
    let not_before = statement.statement().not_before;
    if not_before > now { not_before } else { TimeMs(now.0.saturating_add(look_ms)) }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

#[cfg(test)]
mod tests;
