//! Between the network and the replica: who sent what, and signature checks before the replica sees a statement.
//!
//! ```text
//!   heard ──► listen ──┬──────────────────────────────────────► events: votes, requests, peers
//!                      └──► batches ──► checked in parallel ──► events: statements
//! ```

use std::sync::Arc;

use bytes::Bytes;
use kvitto_ledger::{Checked, ReadState, Rejection, StateError, TimeMs};
use kvitto_network::{Event as NetworkEvent, PeerId, Topic, ValidationToken, Verdict};
use kvitto_replica::{Origin, codec};
use kvitto_storage::Read;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc};

use crate::admission::Admission;
use crate::core::{Event, Events, now};
use crate::peers::PeerTable;

/// Batches of statements that are checked at a time.
const CHECKS_MAX: usize = 2;
/// Batches that wait to be checked. What comes beyond is dropped: its statements stay where they were submitted, and come again when
/// a block waits for them.
const BATCHES_MAX: usize = 64;

/// Brings what the network hears to the replica, until either has stopped.
pub(crate) async fn listen<R: Read>(
    mut heard: mpsc::Receiver<NetworkEvent>,
    events: Events,
    peers: Arc<PeerTable>,
    admission: Admission<R>,
) {
    let (batches, waiting) = mpsc::channel(BATCHES_MAX);
    let checks = tokio::spawn(check_batches(waiting, events.clone(), admission));
    while let Some(event) = heard.recv().await {
        let Some(event) = translate(event, &peers) else { continue };
        let brought = match event {
            Heard::Event(event) => events.send(event).await.is_ok(),
            Heard::Statements(batch) => match batches.try_send(batch) {
                Ok(()) => true,
                Err(TrySendError::Full(_)) => {
                    tracing::debug!("a batch of statements was dropped: too many wait to be checked");
                    true
                }
                Err(TrySendError::Closed(_)) => false,
            },
        };
        if !brought {
            break;
        }
    }
    drop(batches);
    // Whoever waits for this task wants to know that nothing reads the state any more; a check that broke does not, either.
    let _ = checks.await;
}

/// Checks batches of statements, some at a time, until nobody brings any more.
async fn check_batches<R: Read>(mut batches: mpsc::Receiver<Batch>, events: Events, admission: Admission<R>) {
    let checks = Arc::new(Semaphore::new(CHECKS_MAX));
    while let Some(Batch { bytes, token }) = batches.recv().await {
        let Ok(permit) = Arc::clone(&checks).acquire_owned().await else { return };
        let (admission, events) = (admission.clone(), events.clone());
        tokio::task::spawn_blocking(move || {
            let hand_on = |checked| match checked {
                // The core is gone when the node stops.
                Ok(checked) => _ = events.blocking_send(Event::Submit(checked, Origin::Peer)),
                Err(rejection) => tracing::debug!(%rejection, "a gossiped statement is left out"),
            };
            // Where the store cannot be read, the replica will find out, too, and stop the node.
            if let Ok(verdict) = admit(&bytes, &admission, now(), hand_on) {
                token.answer(verdict);
            }
            drop(permit);
        });
    }
    // The semaphore is never closed.
    let _ = checks.acquire_many(CHECKS_MAX as u32).await;
}

enum Heard {
    Event(Event),
    Statements(Batch),
}

/// A message on the topic of statements.
struct Batch {
    bytes: Bytes,
    token: ValidationToken,
}

/// `None` for peers that are not in the table any more; their tokens are dropped, which ignores the message.
fn translate(event: NetworkEvent, peers: &PeerTable) -> Option<Heard> {
    let number = |id: PeerId| peers.number(&id);
    Some(match event {
        NetworkEvent::Gossip { topic: Topic::Statements, message, token, .. } => {
            Heard::Statements(Batch { bytes: message, token })
        }
        NetworkEvent::Gossip { topic: Topic::Consensus, from, message, token, .. } => {
            Heard::Event(Event::Gossip(kvitto_replica::Topic::Consensus, number(from)?, message, token))
        }
        NetworkEvent::Gossip { topic: Topic::Cosignatures, from, message, token, .. } => {
            Heard::Event(Event::Gossip(kvitto_replica::Topic::Cosignatures, number(from)?, message, token))
        }
        NetworkEvent::Request { from, message, reply } => {
            Heard::Event(Event::Request(number(from)?, message, reply))
        }
        NetworkEvent::PeerUp(id) => Heard::Event(Event::PeerUp(number(id)?)),
        NetworkEvent::PeerDown(id) => Heard::Event(Event::PeerDown(number(id)?)),
    })
}

/// Checks every statement of a batch, in order, and hands it on as soon as it is: for the replica, or with the reason why not.
///
/// What comes back is for the peers: one statement that no honest peer would have forwarded makes the batch rejected; one that this
/// node's state does not allow (it may lag behind), or that there is no room for, is left out.
///
/// # Errors
/// The state cannot be read.
pub fn admit<R: ReadState>(
    bytes: &[u8],
    admission: &Admission<R>,
    now: TimeMs,
    mut hand_on: impl FnMut(Result<Checked, Rejection>),
) -> Result<Verdict, StateError> {
    let Ok(batch) = codec::Statements::decode(bytes) else { return Ok(Verdict::Reject) };
    let mut verdict = Verdict::Accept;
    let leave_out = |verdict| if verdict == Verdict::Accept { Verdict::Ignore } else { verdict };
    for statement in batch.0 {
        let checked = match admission.decode(statement) {
            Ok(envelope) if admission.refusal(&envelope).is_some() => {
                verdict = leave_out(verdict);
                continue;
            }
            Ok(envelope) => admission.verify(envelope, now)?,
            Err(rejection) => Err(rejection),
        };
        match &checked {
            Ok(_) => {}
            Err(rejection) if rejection.is_for_ever() => verdict = Verdict::Reject,
            Err(_) => verdict = leave_out(verdict),
        }
        hand_on(checked);
    }
    Ok(verdict)
}

#[cfg(test)]
mod tests {
    use kvitto_ledger::Height;
    use kvitto_ledger::testing::{Actor, Ledger};
    use kvitto_replica::{Crowded, Status};
    use tokio::sync::watch;

    use super::*;

    /// A statement that is as it should be, and what can be wrong with one.
    #[derive(Clone, Copy, Debug)]
    enum Made {
        Good,
        Misshapen,
        WrongSignature,
        UnknownKey,
    }

    fn check(batch: &[Made], expected: Verdict, expected_taken: usize) {
        check_within(Crowded::default(), batch, expected, expected_taken);
    }

    fn check_within(crowded: Crowded, batch: &[Made], expected: Verdict, expected_taken: usize) {
        let mut ledger = Ledger::new(1);
        let root = ledger.root.clone();
        let statements = batch.iter().enumerate().map(|(number, made)| {
            let subject = Actor::new(&format!("organisation {number}"));
            let checked = match made {
                Made::UnknownKey => ledger.sign(&subject, subject.reserves(1)),
                _ => ledger.sign(&root, root.onboards(&subject, &ledger.world.ledger_id)),
            };
            let mut bytes = checked.bytes().to_vec();
            let last = bytes.len() - 1;
            match made {
                Made::Good | Made::UnknownKey => {}
                Made::Misshapen => bytes.truncate(last),
                // Of the first half of the signature, so that it stays a signature by its form.
                Made::WrongSignature => bytes[last - 40] ^= 1,
            }
            bytes.into()
        });
        let bytes = codec::Statements(statements.collect()).encode();
        let status = Status { crowded, ..Status::quiet(Height(0), TimeMs(0), None, Vec::new()) };
        let (_replica, status) = watch::channel(Some(status));
        let admission = Admission::new(ledger.world.ledger_id, ledger.state.clone()).beside(status);
        let mut taken = 0;
        let hand_on = |checked: Result<_, _>| taken += usize::from(checked.is_ok());
        let verdict = admit(&bytes, &admission, ledger.clock, hand_on).expect("memory is readable");
        assert_eq!((verdict, taken), (expected, expected_taken), "{batch:?}");
    }

    #[test]
    fn what_no_honest_peer_forwards_counts_against_who_did() {
        use Made::{Good, Misshapen, UnknownKey, WrongSignature};
        check(&[Good, Good], Verdict::Accept, 2);
        check(&[Good, UnknownKey], Verdict::Ignore, 1);
        check(&[Good, WrongSignature, Good], Verdict::Reject, 2);
        check(&[Misshapen, Good], Verdict::Reject, 1);
        check(&[UnknownKey, WrongSignature], Verdict::Reject, 0);
        check(&[WrongSignature, UnknownKey], Verdict::Reject, 0);
    }

    /// They may be forged, so they are not forwarded either; what they come with is taken all the same.
    #[test]
    fn statements_that_there_is_no_room_for_are_not_checked() {
        use Made::{Good, Misshapen, UnknownKey, WrongSignature};
        let root = Ledger::new(1).root.did;
        let crowded = Crowded { signers: [root].into(), ..Crowded::default() };
        check_within(crowded.clone(), &[Good, WrongSignature], Verdict::Ignore, 0);
        check_within(crowded.clone(), &[UnknownKey, Good], Verdict::Ignore, 0);
        check_within(crowded, &[Misshapen, Good], Verdict::Reject, 0);
        let stranger = Crowded { signers: [Actor::new("stranger").did].into(), ..Crowded::default() };
        check_within(stranger, &[Good, Good], Verdict::Accept, 2);
        let everybody = Crowded { everybody: true, ..Crowded::default() };
        check_within(everybody, &[Good, WrongSignature], Verdict::Ignore, 0);
    }

    #[test]
    fn bytes_that_are_no_batch_are_rejected() {
        let ledger = Ledger::new(1);
        let admission = Admission::new(ledger.world.ledger_id, ledger.state.clone());
        let nothing = |_| panic!("there is no statement in it");
        let verdict = admit(b"no batch", &admission, ledger.clock, nothing).expect("memory is readable");
        assert_eq!(verdict, Verdict::Reject);
    }
}
