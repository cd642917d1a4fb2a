//! Statements: in from clients and gossip, out to peers.

use std::sync::Arc;

use kvitto_ledger::execute::judge;
use kvitto_ledger::{Checked, ReadState, Rejection, StatementId, TimeMs};

use super::{Phase, Replica};
use crate::codec::{BATCH_BYTES_MAX, Statements};
use crate::effect::{Effect, Halt, Notice};
use crate::input::{Origin, TimerId, Topic};
use crate::mempool::Removed;
use crate::options::AHEAD_MS_MAX;
use crate::signer::Signer;

/// Local statements are collected this long into one message, in milliseconds.
const FLUSH_MS: u64 = 2;
/// Pause while there are more statements to be looked at again than at one time, in milliseconds.
const RETRY_MS: u64 = 1_000;
/// Statements looked at each time, and their bytes: executing one of the longest takes milliseconds.
const RETRY_COUNT: usize = 64;
const RETRY_BYTES: usize = 512 * 1024;

/// What a look at the state says of a statement that is not rejected.
enum Admitted {
    /// It would execute now.
    Ready,
    /// It would be rejected now, and perhaps not later.
    Waiting(Rejection),
}

impl<S: Signer> Replica<S> {
    pub(super) fn submit<R: ReadState>(
        &mut self,
        statement: Checked,
        origin: Origin,
        state: &R,
    ) -> Result<(), Halt> {
        let (id, local) = (statement.id(), origin == Origin::Local);
        if let Some(notice) = self.known_already(&id, local) {
            self.notify(&id, local, notice);
            return Ok(());
        }
        // Before the rules are run, which costs far more.
        if let Err(refusal) = self.mempool.check_room(&statement) {
            let notice = self.executed(&id, local, state)?.unwrap_or(Notice::Refused(refusal));
            self.notify(&id, local, notice);
            return Ok(());
        }
        let admitted = match self.admit(&statement, local, state)? {
            Ok(admitted) => admitted,
            Err(rejection) => {
                let notice = self.executed(&id, local, state)?.unwrap_or(Notice::Rejected(rejection));
                self.notify(&id, local, notice);
                return Ok(());
            }
        };
        let bytes = Arc::clone(statement.bytes());
        let taken = match admitted {
            Admitted::Ready => self.mempool.insert_ready(statement, local),
            Admitted::Waiting(rejection) => {
                self.mempool.insert_waiting(statement, local, rejection, self.block_time())
            }
        };
        match taken {
            Ok(()) => {
                self.notify(&id, local, Notice::Accepted);
                self.retry_later();
                if local {
                    self.spread(bytes);
                }
            }
            Err(refusal) => self.notify(&id, local, Notice::Refused(refusal)),
        }
        Ok(())
    }

    /// What to answer about a statement that is here.
    fn known_already(&mut self, id: &StatementId, local: bool) -> Option<Notice> {
        if self.mempool.is_quarantined(id) {
            return Some(Notice::Rejected(Rejection::RulesPanic));
        }
        self.mempool.touch(id, local).then_some(Notice::Accepted)
    }

    /// What to answer about a statement that was executed: whatever the rules say about it now, that stands.
    fn executed<R: ReadState>(
        &mut self,
        id: &StatementId,
        local: bool,
        state: &R,
    ) -> Result<Option<Notice>, Halt> {
        let Some(outcome) = state.outcome(id)? else { return Ok(None) };
        if self.cosign.published().is_some_and(|published| outcome.height <= published) {
            return Ok(Some(Notice::AlreadyFinal(outcome.height)));
        }
        if local {
            self.cosign.await_final(outcome.height, *id);
        }
        Ok(Some(Notice::Accepted))
    }

    /// A cheap look at the state: whether the statement would execute now, or may later.
    fn admit<R: ReadState>(
        &mut self,
        statement: &Checked,
        local: bool,
        state: &R,
    ) -> Result<Result<Admitted, Rejection>, Halt> {
        if statement.statement().not_before.0 > self.now.0.saturating_add(AHEAD_MS_MAX) {
            return Ok(Err(Rejection::StatementNotYet));
        }
        Ok(match judge(state, &self.config, self.block_time(), statement)? {
            Ok(_) => Ok(Admitted::Ready),
            Err(rejection) if rejection.is_for_now() => Ok(Admitted::Waiting(rejection)),
            Err(Rejection::RulesPanic) => {
                self.mempool.quarantine(statement.id());
                Err(Rejection::RulesPanic)
            }
            // A peer may know a block that this node does not have yet: one more look, later.
            Err(rejection)
                if !local && may_come_true(rejection) && state.outcome(&statement.id())?.is_none() =>
            {
                Ok(Admitted::Waiting(rejection))
            }
            Err(rejection) => Err(rejection),
        })
    }

    fn notify(&mut self, statement: &StatementId, local: bool, notice: Notice) {
        if local {
            self.out.answer(Effect::Notice { statement: *statement, notice });
        }
    }

    /// Whether the mempool has a statement that would execute now. What would not is set aside on the way.
    pub(super) fn has_executable<R: ReadState>(&mut self, state: &R) -> Result<bool, Halt> {
        while let Some(statement) = self.mempool.first_ready().cloned() {
            match judge(state, &self.config, self.block_time(), &statement)? {
                Ok(_) => return Ok(true),
                Err(rejection) => self.set_aside(&statement.id(), rejection),
            }
        }
        Ok(false)
    }

    /// Looks again at statements that were not executable, and whose turn it is `ahead_ms` from now.
    pub(super) fn retry_waiting<R: ReadState>(&mut self, ahead_ms: u64, state: &R) -> Result<(), Halt> {
        if !matches!(self.phase, Phase::Committing(_)) {
            let now = self.block_time();
            for statement in self.mempool.due(TimeMs(now.0 + ahead_ms), RETRY_COUNT, RETRY_BYTES) {
                match judge(state, &self.config, now, &statement)? {
                    Ok(_) => self.mempool.set_ready(&statement.id()),
                    Err(rejection) => self.set_aside(&statement.id(), rejection),
                }
            }
        }
        self.retry_later();
        Ok(())
    }

    /// Sees to the next look at statements that wait.
    pub(super) fn retry_later(&mut self) {
        let Some(look) = self.mempool.next_look() else { return };
        let after_ms = if look > self.now { look.0 - self.now.0 } else { RETRY_MS };
        let at = TimeMs(self.now.0 + after_ms);
        if self.timers.retry.is_none_or(|set| at < set) {
            self.timers.retry = Some(at);
            self.set_timer(TimerId::Retry, after_ms);
        }
    }

    /// Tells those whose statements had to make room: what these waited for stands against them now.
    pub(super) fn tell_evicted(&mut self) {
        for (Removed { id, local }, rejection) in self.mempool.take_evicted() {
            self.notify(&id, local, Notice::Rejected(rejection));
        }
    }

    pub(super) fn drop_rejected(&mut self, id: &StatementId, rejection: Rejection) {
        if self.mempool.remove(id).is_some_and(|removed| removed.local) {
            let notice = Notice::Rejected(rejection);
            self.out.answer(Effect::Notice { statement: *id, notice });
        }
    }

    /// Sends a local statement to all, together with those that come within the next milliseconds.
    fn spread(&mut self, bytes: Arc<[u8]>) {
        self.unsent_bytes += bytes.len();
        self.unsent.push(bytes);
        if self.unsent_bytes >= BATCH_BYTES_MAX {
            self.flush();
        } else if !self.timers.flush {
            self.timers.flush = true;
            self.set_timer(TimerId::Flush, FLUSH_MS);
        }
    }

    pub(super) fn flush(&mut self) {
        self.timers.flush = false;
        self.unsent_bytes = 0;
        let unsent = std::mem::take(&mut self.unsent);
        self.send_statements(unsent);
    }

    /// A height that does not end may have been started here for a statement that the others lack (RULES 2.4).
    pub(super) fn spread_again(&mut self) {
        let candidates = self.mempool.candidates(u64::from(self.engine.round()), BATCH_BYTES_MAX);
        self.send_statements(candidates.iter().map(|statement| Arc::clone(statement.bytes())).collect());
    }

    fn send_statements(&mut self, statements: Vec<Arc<[u8]>>) {
        for batch in Statements::batches(statements) {
            let bytes = batch.encode().into();
            self.out.send_early(Effect::Publish { topic: Topic::Statements, bytes });
        }
    }
}

/// Whether a block that is not here yet could change the verdict.
fn may_come_true(rejection: Rejection) -> bool {
    use kvitto_ledger::rejection::Class;
    matches!(rejection.class(), Class::Denied | Class::NotFound | Class::Precondition)
        && rejection != Rejection::StatementExpired
}
