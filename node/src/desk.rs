//! The desk between clients and the replica: statements go in, what becomes of them comes back. The API's [`Submit`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use kvitto_api::{Admitted, Notices, Rejected, Submit, SubmitError};
use kvitto_ledger::{Checked, Rejection, StatementId, TimeMs};
use kvitto_replica::{Notice, Origin, Refusal, Status};
use kvitto_storage::Read;
use tokio::sync::{oneshot, watch};

use crate::admission::Admission;
use crate::core::{Event, Events, now};
use crate::diagnosis::has_quorum;
use crate::report::is_behind;

/// When a client whose statement found no room should try again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// What the replica has said about statements of this node's clients.
#[derive(Debug, Default)]
struct Waiting {
    /// Who waits for the first word about a statement.
    first: BTreeMap<StatementId, Brought>,
    /// Accepted, and neither final nor dropped yet.
    accepted: BTreeMap<StatementId, Checked>,
}

/// A statement on its way to the replica.
#[derive(Debug)]
struct Brought {
    statement: Checked,
    by: Vec<oneshot::Sender<Notice>>,
}

/// The replica's side: what it says is passed on here.
#[derive(Clone, Debug, Default)]
pub struct Counter {
    waiting: Arc<Mutex<Waiting>>,
    notices: Notices,
}

impl Counter {
    /// What the API's services listen to.
    pub fn notices(&self) -> &Notices {
        &self.notices
    }

    /// The replica speaks about a statement.
    pub fn notice(&self, statement: StatementId, notice: Notice) {
        let mut waiting = self.waiting();
        let brought = waiting.first.remove(&statement);
        match notice {
            Notice::Accepted => {
                let checked = brought.as_ref().map(|brought| (statement, brought.statement.clone()));
                waiting.accepted.extend(checked);
                self.notices.accepted(&statement);
            }
            Notice::AlreadyFinal(_) | Notice::Rejected(_) | Notice::Refused(_) | Notice::Expired => {
                let accepted = waiting.accepted.remove(&statement);
                let verdict = accepted.and_then(|accepted| dropped(accepted, notice));
                if let Some(verdict) = verdict {
                    self.notices.dropped([verdict]);
                }
            }
        }
        for sender in brought.into_iter().flat_map(|brought| brought.by) {
            // Who gave up does not listen.
            let _ = sender.send(notice);
        }
    }

    /// These statements are final.
    pub fn is_final(&self, statements: &[StatementId]) {
        let mut waiting = self.waiting();
        for statement in statements {
            waiting.accepted.remove(statement);
        }
    }

    fn first_word(&self, statement: &Checked) -> oneshot::Receiver<Notice> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting();
        let brought = waiting.first.entry(statement.id());
        let brought = brought.or_insert_with(|| Brought { statement: statement.clone(), by: Vec::new() });
        brought.by.retain(|sender| !sender.is_closed());
        brought.by.push(sender);
        receiver
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Both maps are whole after every statement above, whatever panicked.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What clients are told of a statement that the replica has dropped, if the rules refuse it.
fn dropped(statement: Checked, notice: Notice) -> Option<Rejected> {
    let (rejection, is_final) = match notice {
        Notice::Rejected(rejection) => (rejection, rejection.is_for_ever()),
        Notice::Expired => (Rejection::StatementExpired, true),
        Notice::Accepted | Notice::AlreadyFinal(_) | Notice::Refused(_) => return None,
    };
    let id = Some(statement.id());
    let statement = Some(statement).filter(|_| rejection == Rejection::NothingNew);
    Some(Rejected { id, rejection, is_final, statement })
}

fn no_room(refusal: Refusal) -> SubmitError {
    match refusal {
        Refusal::MempoolFull => SubmitError::MempoolFull { retry_after: RETRY_AFTER },
        Refusal::SignerQuota => SubmitError::SignerQuota { retry_after: RETRY_AFTER },
    }
}

/// The clients' side.
#[derive(Clone, Debug)]
pub struct Desk<R> {
    admission: Admission<R>,
    reader: R,
    counter: Counter,
    events: Events,
    status: watch::Receiver<Option<Status>>,
}

impl<R: Read> Desk<R> {
    /// A desk at which statements are checked by `admission` and brought to `events`, to the replica with this `status`.
    pub fn new(
        admission: Admission<R>,
        reader: R,
        counter: Counter,
        events: Events,
        status: watch::Receiver<Option<Status>>,
    ) -> Self {
        Self { admission, reader, counter, events, status }
    }

    /// Why no statement that is brought here can become final, if so.
    fn unavailable(&self) -> Option<SubmitError> {
        match &*self.status.borrow() {
            None => Some(SubmitError::Syncing),
            Some(status) if status.halted => Some(SubmitError::Halted),
            Some(status) if !has_quorum(status) => Some(SubmitError::NoQuorum),
            Some(_) => None,
        }
    }

    /// What the rules' refusal means for a client. While blocks are missing here that others have, it means nothing yet, unless
    /// it holds whatever they say.
    fn refused(
        &self,
        id: StatementId,
        not_after: TimeMs,
        rejection: Rejection,
    ) -> Result<Rejected, SubmitError> {
        let time = self.reader.tip().map_err(|_| SubmitError::Halted)?.header.time;
        let is_final = rejection.is_for_ever() || not_after < time;
        let holds = is_final || rejection == Rejection::NothingNew;
        if !holds && self.status.borrow().as_ref().is_none_or(is_behind) {
            return Err(SubmitError::Syncing);
        }
        Ok(Rejected { id: Some(id), rejection, is_final, statement: None })
    }

    fn rejected(&self, checked: Checked, rejection: Rejection) -> Result<Admitted, SubmitError> {
        if rejection == Rejection::StatementExecuted {
            return self.executed(checked.id())?.ok_or(SubmitError::Halted);
        }
        let verdict = self.refused(checked.id(), checked.statement().not_after, rejection)?;
        let statement = Some(checked).filter(|_| rejection == Rejection::NothingNew);
        Err(SubmitError::Rejected(Rejected { statement, ..verdict }))
    }

    fn executed(&self, id: StatementId) -> Result<Option<Admitted>, SubmitError> {
        let outcome = self.reader.outcome(&id).map_err(|_| SubmitError::Halted)?;
        Ok(outcome.map(|outcome| Admitted::Executed(id, outcome)))
    }
}

impl<R: Read> Submit for Desk<R> {
    async fn submit(&self, statement: Bytes) -> Result<Admitted, SubmitError> {
        let envelope = match self.admission.decode(Arc::from(&*statement)) {
            Ok(envelope) => envelope,
            Err(rejection) => {
                let rejected = Rejected { id: None, rejection, is_final: true, statement: None };
                return Err(SubmitError::Rejected(rejected));
            }
        };
        let (id, not_after) = (envelope.id(), envelope.statement().not_after);
        // Before the signature: who repeats a statement may have changed its key since.
        if let Some(executed) = self.executed(id)? {
            return Ok(executed);
        }
        if let Some(unavailable) = self.unavailable() {
            return Err(unavailable);
        }
        if let Some(refusal) = self.admission.refusal(&envelope)
            && !self.is_waiting(&id)
        {
            return Err(no_room(refusal));
        }
        let checked = match self.admission.verify(envelope, now()).map_err(|_| SubmitError::Halted)? {
            Ok(checked) => checked,
            Err(rejection) => return Err(SubmitError::Rejected(self.refused(id, not_after, rejection)?)),
        };
        let first_word = self.counter.first_word(&checked);
        let event = Event::Submit(checked.clone(), Origin::Local);
        self.events.send(event).await.map_err(|_| SubmitError::Halted)?;
        match first_word.await.map_err(|_| SubmitError::Halted)? {
            Notice::Accepted => Ok(Admitted::Accepted(id)),
            Notice::AlreadyFinal(_) => self.executed(id)?.ok_or(SubmitError::Halted),
            Notice::Rejected(rejection) => self.rejected(checked, rejection),
            Notice::Expired => self.rejected(checked, Rejection::StatementExpired),
            Notice::Refused(refusal) => Err(no_room(refusal)),
        }
    }

    fn is_waiting(&self, id: &StatementId) -> bool {
        self.counter.waiting().accepted.contains_key(id)
    }
}

#[cfg(test)]
mod tests;
