//! The desk between clients and the replica: statements go in, what becomes of them comes back. The API's [`Submit`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use kvitto_api::{Admitted, Notices, Rejected, Submit, SubmitError};
use kvitto_ledger::execute::anchored_before;
use kvitto_ledger::{Checked, Rejection, StatementId};
use kvitto_replica::{Notice, Origin, Refusal};
use kvitto_storage::Read;
use tokio::sync::oneshot;

use crate::admission::Admission;
use crate::core::{Event, Events, now};

/// When a client whose statement found no room should try again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// What the replica has said about statements of this node's clients.
#[derive(Debug, Default)]
struct Waiting {
    /// Who waits for the first word about a statement.
    first: BTreeMap<StatementId, Vec<oneshot::Sender<Notice>>>,
    /// Accepted, and neither final nor dropped yet.
    accepted: BTreeSet<StatementId>,
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
        match notice {
            Notice::Accepted => {
                waiting.accepted.insert(statement);
            }
            Notice::AlreadyFinal(_) | Notice::Rejected(_) | Notice::Refused(_) | Notice::Expired => {
                let was_accepted = waiting.accepted.remove(&statement);
                if let (true, Some(rejection)) = (was_accepted, rejection_of(notice)) {
                    self.notices.dropped([(statement, rejection)]);
                }
            }
        }
        for sender in waiting.first.remove(&statement).into_iter().flatten() {
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

    fn first_word(&self, statement: StatementId) -> oneshot::Receiver<Notice> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting();
        let senders = waiting.first.entry(statement).or_default();
        senders.retain(|sender| !sender.is_closed());
        senders.push(sender);
        receiver
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Both maps are whole after every statement above, whatever panicked.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn rejection_of(notice: Notice) -> Option<Rejection> {
    match notice {
        Notice::Rejected(rejection) => Some(rejection),
        Notice::Expired => Some(Rejection::StatementExpired),
        Notice::Accepted | Notice::AlreadyFinal(_) | Notice::Refused(_) => None,
    }
}

/// The clients' side.
#[derive(Clone, Debug)]
pub struct Desk<R> {
    admission: Admission<R>,
    reader: R,
    counter: Counter,
    events: Events,
}

impl<R: Read> Desk<R> {
    /// A desk at which statements are checked by `admission` and brought to `events`.
    pub fn new(admission: Admission<R>, reader: R, counter: Counter, events: Events) -> Self {
        Self { admission, reader, counter, events }
    }

    /// What the rules' refusal means for a client.
    fn rejected(&self, checked: &Checked, rejection: Rejection) -> Result<Admitted, SubmitError> {
        if rejection == Rejection::StatementExecuted {
            return self.executed(checked.id())?.ok_or(SubmitError::Halted);
        }
        let existing = match rejection {
            Rejection::NothingNew => {
                anchored_before(&self.reader, checked).map_err(|_| SubmitError::Halted)?.unwrap_or_default()
            }
            _ => Vec::new(),
        };
        let time = self.reader.tip().map_err(|_| SubmitError::Halted)?.header.time;
        let is_final = checked.statement().not_after < time || rejection.code() < FORM_CODES_END;
        Err(SubmitError::Rejected(Rejected { id: Some(checked.id()), rejection, is_final, existing }))
    }

    fn executed(&self, id: StatementId) -> Result<Option<Admitted>, SubmitError> {
        let outcome = self.reader.outcome(&id).map_err(|_| SubmitError::Halted)?;
        Ok(outcome.map(|outcome| Admitted::Executed(id, outcome)))
    }
}

/// Rejections with lower codes are about the bytes alone and never change.
const FORM_CODES_END: u16 = 200;

impl<R: Read> Submit for Desk<R> {
    async fn submit(&self, statement: Bytes) -> Result<Admitted, SubmitError> {
        let envelope = match self.admission.decode(Arc::from(&*statement)) {
            Ok(envelope) => envelope,
            Err(rejection) => {
                let rejected = Rejected { id: None, rejection, is_final: true, existing: Vec::new() };
                return Err(SubmitError::Rejected(rejected));
            }
        };
        let id = envelope.id();
        // Before the signature: who repeats a statement may have changed its key since.
        if let Some(executed) = self.executed(id)? {
            return Ok(executed);
        }
        let checked = match self.admission.verify(envelope, now()).map_err(|_| SubmitError::Halted)? {
            Ok(checked) => checked,
            Err(rejection) => {
                let rejected = Rejected { id: Some(id), rejection, is_final: false, existing: Vec::new() };
                return Err(SubmitError::Rejected(rejected));
            }
        };
        let first_word = self.counter.first_word(id);
        let event = Event::Submit(checked.clone(), Origin::Local);
        self.events.send(event).await.map_err(|_| SubmitError::Halted)?;
        match first_word.await.map_err(|_| SubmitError::Halted)? {
            Notice::Accepted => Ok(Admitted::Accepted(id)),
            Notice::AlreadyFinal(_) => self.executed(id)?.ok_or(SubmitError::Halted),
            Notice::Rejected(rejection) => self.rejected(&checked, rejection),
            Notice::Expired => self.rejected(&checked, Rejection::StatementExpired),
            Notice::Refused(Refusal::MempoolFull) => {
                Err(SubmitError::MempoolFull { retry_after: RETRY_AFTER })
            }
            Notice::Refused(Refusal::SignerQuota) => {
                Err(SubmitError::SignerQuota { retry_after: RETRY_AFTER })
            }
        }
    }

    fn is_waiting(&self, id: &StatementId) -> bool {
        self.counter.waiting().accepted.contains(id)
    }
}
