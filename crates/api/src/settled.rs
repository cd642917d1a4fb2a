//! What became of a statement, as far as a published checkpoint shows it: the same for single calls and for streams.

use kvitto_ledger::state::Outcome;
use kvitto_ledger::{Position, Rejection, StatementId};
use kvitto_proto::convert::{Progress, Refusal, StatementResult};
use kvitto_storage::prove::anchored_before;
use kvitto_storage::{Read, StoreError};

use crate::context::Context;
use crate::node::Rejected;
use crate::notices::Notice;

/// What the node knows about a statement that has left the mempool.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    /// It was executed.
    Executed(Outcome),
    /// The rules refuse it.
    Rejected(Rejected),
}

/// What clients are told.
#[derive(Clone, Debug)]
pub(crate) enum Settled {
    /// It is recorded.
    Final(Outcome),
    /// It is refused; where it holds nothing new, its commitments are at these positions (RULES 5.6).
    Refused(Rejected, Vec<Position>),
}

impl Notice {
    /// What it says about a statement.
    pub(crate) fn about(&self, id: &StatementId) -> Option<Known> {
        match self {
            Self::Published { outcomes, .. } => {
                let at = outcomes.binary_search_by_key(id, |(id, _)| *id).ok()?;
                Some(Known::Executed(outcomes[at].1.clone()))
            }
            Self::Dropped(dropped) => {
                let at = dropped.binary_search_by_key(&Some(*id), |verdict| verdict.id).ok()?;
                Some(Known::Rejected(dropped[at].clone()))
            }
        }
    }
}

impl<R: Read> Context<R> {
    /// What is known about a statement without waiting.
    pub(crate) fn known(&self, id: &StatementId) -> Result<Option<Known>, StoreError> {
        let outcome = self.read.outcome_at(self.read.committed(), id)?;
        Ok(outcome.map(Known::Executed).or_else(|| self.notices.why_dropped(id).map(Known::Rejected)))
    }

    /// What clients are told of `known`; nothing while no published checkpoint covers the block that it rests on.
    pub(crate) fn settled(&self, known: &Known) -> Result<Option<Settled>, StoreError> {
        let published = self.read.published().map(|published| published.height);
        Ok(match known {
            Known::Executed(outcome) => {
                let is_covered = published.is_some_and(|published| published >= outcome.height);
                is_covered.then(|| Settled::Final(outcome.clone()))
            }
            Known::Rejected(verdict) => {
                let existing = match (&verdict.statement, verdict.rejection, published) {
                    (Some(statement), Rejection::NothingNew, Some(published)) => {
                        anchored_before(&self.read, published, statement)?
                    }
                    _ => Some(Vec::new()),
                };
                existing.map(|existing| Settled::Refused(verdict.clone(), existing))
            }
        })
    }
}

impl Settled {
    /// For the wire.
    pub(crate) fn progress(self) -> Progress {
        match self {
            Self::Final(outcome) => Progress::Final(outcome),
            Self::Refused(verdict, existing) => refused(&verdict, existing),
        }
    }
}

/// A verdict of the rules for the wire: expired or rejected.
pub(crate) fn refused(verdict: &Rejected, existing: Vec<Position>) -> Progress {
    let refusal = Refusal::new(verdict.rejection, verdict.is_final);
    match verdict.rejection == Rejection::StatementExpired && verdict.is_final {
        true => Progress::Expired(refusal),
        false => Progress::Rejected { refusal, existing },
    }
}

/// A statement's progress for the wire.
pub(crate) fn result(id: StatementId, progress: Progress) -> StatementResult {
    StatementResult { id: Some(id), progress }
}
