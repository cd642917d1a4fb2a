//! What happened to statements and checkpoints, from the node to whoever waits. Waiting is by event, never by asking again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use kvitto_ledger::state::Outcome;
use kvitto_ledger::{Height, StatementId};
use tokio::sync::{broadcast, watch};

use crate::node::Rejected;

/// Notices that a slow waiter may be behind before it has to look everything up again.
const NOTICES_BEHIND_MAX: usize = 256;
/// Dropped statements that are remembered, to answer `GetOutcome`, and the bytes of those that are kept with their verdicts.
const DROPPED_MAX: usize = 16_384;
const DROPPED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// One thing that happened, shared by all who wait.
#[derive(Clone, Debug)]
pub enum Notice {
    /// A checkpoint with quorum covers everything up to this block; these statements are final now.
    Published {
        /// The block.
        height: Height,
        /// Outcomes of the statements in the newly covered blocks, ascending by id.
        outcomes: Arc<[(StatementId, Outcome)]>,
    },
    /// The mempool dropped these statements; ascending by id.
    Dropped(Arc<[Rejected]>),
}

/// The node tells it what happened, the services listen. Cheap to clone.
///
/// The node calls [`Notices::accepted`] for each statement that a client has brought into the mempool, [`Notices::dropped`] when it
/// goes out of it otherwise than into a block, [`Notices::committed`] after each commit, in order of heights, and [`Notices::published`] after each
/// checkpoint that its store has published (also when only the signatures are newer).
#[derive(Clone, Debug)]
pub struct Notices(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    notices: broadcast::Sender<Notice>,
    /// Counts published checkpoints, fresher ones included.
    checkpoints: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    /// Outcomes of blocks that no published checkpoint covers yet.
    committed: BTreeMap<Height, Vec<(StatementId, Outcome)>>,
    dropped: Dropped,
}

/// Verdicts on dropped statements, the newest ones.
#[derive(Debug, Default)]
struct Dropped {
    verdicts: BTreeMap<StatementId, (u64, Rejected)>,
    /// Ids by the order in which they were dropped.
    order: BTreeMap<u64, StatementId>,
    next: u64,
    /// Bytes of the statements that are kept.
    bytes: usize,
}

impl Default for Notices {
    fn default() -> Self {
        Self(Arc::new(Inner {
            state: Mutex::default(),
            notices: broadcast::Sender::new(NOTICES_BEHIND_MAX),
            checkpoints: watch::Sender::new(0),
        }))
    }
}

impl Notices {
    /// The statement is in the mempool: if it was dropped before, that is over.
    pub fn accepted(&self, statement: &StatementId) {
        self.state().dropped.forget(statement);
    }

    /// A block was committed with these outcomes. Nobody is told before a checkpoint covers it.
    pub fn committed(&self, height: Height, outcomes: impl IntoIterator<Item = (StatementId, Outcome)>) {
        let outcomes: Vec<_> = outcomes.into_iter().collect();
        if !outcomes.is_empty() {
            let mut state = self.state();
            outcomes.iter().for_each(|(id, _)| state.dropped.forget(id));
            state.committed.insert(height, outcomes);
        }
    }

    /// The store has published a checkpoint that covers everything up to `height`.
    pub fn published(&self, height: Height) {
        let mut covered = {
            let mut state = self.state();
            let later = state.committed.split_off(&height.next());
            std::mem::replace(&mut state.committed, later).into_values().flatten().collect::<Vec<_>>()
        };
        covered.sort_unstable_by_key(|(id, _)| *id);
        self.tell(Notice::Published { height, outcomes: covered.into() });
        self.0.checkpoints.send_modify(|count| *count += 1);
    }

    /// The mempool dropped statements that will not be executed as things are; each verdict names its statement.
    pub fn dropped(&self, statements: impl IntoIterator<Item = Rejected>) {
        let mut dropped: Vec<_> = statements.into_iter().collect();
        dropped.sort_unstable_by_key(|verdict| verdict.id);
        {
            let mut state = self.state();
            dropped.iter().for_each(|verdict| state.dropped.remember(verdict));
        }
        self.tell(Notice::Dropped(dropped.into()));
    }

    /// Everything from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.0.notices.subscribe()
    }

    /// Changes with each published checkpoint.
    pub(crate) fn checkpoints(&self) -> watch::Receiver<u64> {
        self.0.checkpoints.subscribe()
    }

    /// Why a statement was dropped, if that is remembered.
    pub(crate) fn why_dropped(&self, id: &StatementId) -> Option<Rejected> {
        self.state().dropped.verdicts.get(id).map(|(_, verdict)| verdict.clone())
    }

    fn tell(&self, notice: Notice) {
        // An error means that nobody waits.
        let _ = self.0.notices.send(notice);
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // The state is whole after every statement above, so a panic elsewhere does not spoil it.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Dropped {
    fn remember(&mut self, verdict: &Rejected) {
        let Some(id) = verdict.id else { return };
        self.forget(&id);
        self.bytes += kept_bytes(verdict);
        self.verdicts.insert(id, (self.next, verdict.clone()));
        self.order.insert(self.next, id);
        self.next += 1;
        while self.verdicts.len() > DROPPED_MAX || self.bytes > DROPPED_BYTES_MAX {
            let Some((_, oldest)) = self.order.first_key_value() else { return };
            self.forget(&oldest.clone());
        }
    }

    fn forget(&mut self, id: &StatementId) {
        if let Some((number, verdict)) = self.verdicts.remove(id) {
            self.order.remove(&number);
            self.bytes -= kept_bytes(&verdict);
        }
    }
}

fn kept_bytes(verdict: &Rejected) -> usize {
    verdict.statement.as_ref().map_or(0, |statement| statement.bytes().len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kvitto_ledger::{LeafIndex, Rejection, TimeMs};

    fn outcome(height: u64) -> Outcome {
        Outcome {
            height: Height(height),
            time: TimeMs(0),
            index: 0,
            first_leaf: LeafIndex(0),
            leaves: 1,
            exceptions: vec![],
        }
    }

    #[test]
    fn outcomes_are_told_once_and_only_when_a_checkpoint_covers_them() {
        let notices = Notices::default();
        let mut waiter = notices.subscribe();
        let id = |byte| StatementId([byte; 32]);
        notices.committed(Height(1), [(id(9), outcome(1))]);
        notices.committed(Height(2), [(id(3), outcome(2))]);
        notices.committed(Height(3), [(id(5), outcome(3))]);
        assert!(waiter.try_recv().is_err());
        for (published, expected) in [(2, vec![3, 9]), (2, vec![]), (3, vec![5])] {
            notices.published(Height(published));
            let Ok(Notice::Published { height, outcomes }) = waiter.try_recv() else { panic!("a notice") };
            let ids: Vec<_> = outcomes.iter().map(|(id, _)| id.0[0]).collect();
            assert_eq!((height, ids), (Height(published), expected));
        }
    }

    #[test]
    fn dropped_statements_are_remembered_up_to_a_bound() {
        let notices = Notices::default();
        let id = |number: usize| {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&(number as u64).to_be_bytes());
            StatementId(id)
        };
        let verdict = |number| Rejected {
            id: Some(id(number)),
            rejection: Rejection::StatementExpired,
            is_final: true,
            statement: None,
        };
        notices.dropped((0..DROPPED_MAX + 1).map(verdict));
        assert_eq!(notices.why_dropped(&id(0)), None);
        assert_eq!(notices.why_dropped(&id(1)), Some(verdict(1)));
        notices.accepted(&id(1));
        assert_eq!(notices.why_dropped(&id(1)), None);
        notices.dropped([verdict(1), verdict(DROPPED_MAX + 1)]);
        assert_eq!(notices.why_dropped(&id(2)), None, "the oldest one makes room");
        assert_eq!(notices.why_dropped(&id(1)), Some(verdict(1)));
    }
}
