//! A node of the cluster: a replica, and the disk that survives it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kvitto_ledger::testing::{MemberKeys, MemoryState};
use kvitto_ledger::{Did, Height, StatementId, TimeMs};

use crate::effect::{Fault, Halt, Notice};
use crate::evidence::Evidence;
use crate::input::{Peer, RequestId, TimerId};
use crate::options::Standing;
use crate::replica::Replica;
use crate::signer::{Guard, MemorySigner};

/// What the disks of all members do. A promise that holds without one of these was not tested.
#[derive(Clone, Copy, Debug)]
pub struct Disks {
    /// The journal survives a crash.
    pub journal: bool,
    /// What was synced survives a crash; otherwise the last blocks and everything journaled since may be gone.
    pub sync: bool,
    /// The guard survives a crash.
    pub guard: bool,
}

impl Default for Disks {
    fn default() -> Self {
        Self { journal: true, sync: true, guard: true }
    }
}

/// A node: what is in memory, and what is on disk.
pub struct Node {
    /// The replica; `None` while the node is down.
    pub replica: Option<Replica<MemorySigner>>,
    /// The store, durable.
    pub state: MemoryState,
    /// The commit certificates of its blocks, durable; block 0 has none.
    pub certificates: Vec<Arc<[u8]>>,
    /// The journal, durable.
    pub journal: Vec<Vec<u8>>,
    /// Appended to the journal and not durable yet.
    pub unsynced: Vec<Vec<u8>>,
    /// The guard, durable; `None` when it was lost.
    pub guard: Option<Guard>,
    /// How it stands when it starts, where that is not what the guard alone says: blocks were lost, or its operator vouches.
    pub standing: Option<Standing>,
    /// The newest published checkpoint.
    pub published: Option<(Height, Arc<str>)>,
    /// How far its clock is ahead of true time, in milliseconds.
    pub clock_ahead_ms: i64,
    /// The rules break on this organisation, as on a defect in them.
    pub breaks_on: Option<Did>,
    /// It does nothing before this time.
    pub paused_until: TimeMs,
    /// The newest block that it had acknowledged, or may be locked on, when its store was lost.
    lost: Option<Height>,
    /// It dies before this many more effects are carried out.
    pub dies_in: Option<u64>,
    /// Local statements that it was told are final.
    pub finals: BTreeSet<StatementId>,
    /// The notices about local statements, in order.
    pub notices: Vec<(StatementId, Notice)>,
    /// What it reported.
    pub faults: Vec<Fault>,
    /// Peers that it reported something of.
    pub blamed: BTreeSet<Peer>,
    /// The evidence that it kept.
    pub evidence: Vec<Evidence>,
    /// Why it stopped for good.
    pub halted: Option<Halt>,
    pub(super) keys: MemberKeys,
    /// Counts starts: what was on its way to an earlier one is lost.
    pub(super) run: u64,
    pub(super) timers: BTreeMap<TimerId, u64>,
    pub(super) asked: BTreeSet<RequestId>,
}

impl Node {
    pub(super) fn new(state: MemoryState, keys: MemberKeys) -> Self {
        Self {
            replica: None,
            certificates: vec![Arc::from([]); state.blocks.len()],
            state,
            journal: Vec::new(),
            unsynced: Vec::new(),
            guard: Some(Guard::default()),
            standing: None,
            published: None,
            clock_ahead_ms: 0,
            breaks_on: None,
            paused_until: TimeMs(0),
            lost: None,
            dies_in: None,
            finals: BTreeSet::new(),
            notices: Vec::new(),
            faults: Vec::new(),
            blamed: BTreeSet::new(),
            evidence: Vec::new(),
            halted: None,
            keys,
            run: 0,
            timers: BTreeMap::new(),
            asked: BTreeSet::new(),
        }
    }

    /// The newest committed height.
    pub fn height(&self) -> Height {
        self.state.newest().header.height
    }

    /// Whether its disk was wiped at some time.
    pub fn was_wiped(&self) -> bool {
        self.lost.is_some()
    }

    /// Whether this block may be among what was lost with its disk.
    pub(super) fn had_lost(&self, height: Height) -> bool {
        self.lost.is_some_and(|lost| height <= lost)
    }

    /// Whether its client was told that the statement is final.
    pub fn is_final(&self, statement: &StatementId) -> bool {
        let told = |notice: &(StatementId, Notice)| {
            notice.0 == *statement && matches!(notice.1, Notice::AlreadyFinal(_))
        };
        self.finals.contains(statement) || self.notices.iter().any(told)
    }

    /// Forgets everything that is not on disk. Of what was not synced, the first `kept` entries happen to be.
    pub(super) fn die(&mut self, kept: usize) {
        self.replica = None;
        self.run += 1;
        self.dies_in = None;
        self.paused_until = TimeMs(0);
        self.timers.clear();
        self.asked.clear();
        self.journal.extend(self.unsynced.drain(..).take(kept));
        self.unsynced.clear();
    }

    pub(super) fn sync_journal(&mut self) {
        let unsynced = std::mem::take(&mut self.unsynced);
        self.journal.extend(unsynced);
    }

    pub(super) fn reset_journal(&mut self) {
        self.journal.clear();
        self.unsynced.clear();
    }

    /// Everything on disk is gone but the guard, which lies elsewhere.
    pub(super) fn lose_everything(&mut self, initial: &MemoryState) {
        let guard = self.guard.as_ref();
        let had = guard.and_then(Guard::committed).max(guard.and_then(Guard::precommitted));
        self.lost = had.max(Some(self.height())).max(self.lost);
        self.lose_blocks(initial, self.state.blocks.len());
        self.journal.clear();
        self.published = None;
    }

    /// The last blocks are gone, though they had been acknowledged.
    pub(super) fn lose_blocks(&mut self, initial: &MemoryState, count: usize) {
        let kept = self.state.blocks.len().saturating_sub(count).max(initial.blocks.len());
        if kept == self.state.blocks.len() {
            return;
        }
        let mut state = initial.clone();
        self.state.blocks[initial.blocks.len()..kept].iter().for_each(|block| state.commit(block));
        self.state = state;
        self.certificates.truncate(kept);
    }

    /// How it stands when it starts.
    pub(super) fn stands(&self) -> Standing {
        let of_disk = match (&self.guard, self.lost) {
            (None, _) => Standing::Observing,
            (Some(_), Some(lost)) if lost > self.height() => Standing::CatchingUp(lost),
            (Some(_), _) => Standing::Signing,
        };
        self.standing.unwrap_or(of_disk)
    }

    pub(super) fn signer(&self) -> MemorySigner {
        let MemberKeys { consensus, cosignature, log, .. } = self.keys.clone();
        MemorySigner::new(consensus, cosignature, log, self.guard.clone().unwrap_or_default())
    }
}
