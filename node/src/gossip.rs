//! Between the network and the replica: who sent what, and signature checks before the replica sees a statement.
//!
//! ```text
//!   heard ──► listen ──┬──────────────────────────────────────► events: votes, requests, peers
//!                      └──► batches ──► checked in parallel ──► events: statements
//! ```

use std::sync::Arc;

use bytes::Bytes;
use kvitto_ledger::{Checked, ReadState, Rejection, TimeMs};
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

/// Brings what the network hears to the replica, until either has stopped, and what is being checked is done with.
pub(crate) async fn listen<R: Read>(
    mut heard: mpsc::Receiver<NetworkEvent>,
    events: Events,
    peers: Arc<PeerTable>,
    admission: Admission<R>,
) {
    let (batches, waiting) = mpsc::channel(BATCHES_MAX);
    tokio::spawn(check_batches(waiting, events.clone(), admission));
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
    // Whoever waits for this task wants to know that nothing reads the state any more. The semaphore is never closed.
    let _ = batches.acquire_many(BATCHES_MAX as u32).await;
}

/// Checks batches of statements, some at a time, until nobody brings any more.
async fn check_batches<R: Read>(mut batches: mpsc::Receiver<Batch>, events: Events, admission: Admission<R>) {
    let checks = Arc::new(Semaphore::new(CHECKS_MAX));
    while let Some(Batch { bytes, token }) = batches.recv().await {
        let Ok(permit) = Arc::clone(&checks).acquire_owned().await else { return };
        let (admission, events) = (admission.clone(), events.clone());
        tokio::task::spawn_blocking(move || {
            let take = |checked| events.blocking_send(Event::Submit(checked, Origin::Peer)).is_ok();
            if let Some(verdict) = admit(&bytes, &admission, now(), take) {
                token.answer(verdict);
            }
            drop(permit);
        });
    }
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

/// Checks every statement of a batch, and has the good ones taken. One that no honest peer would have forwarded makes the batch
/// rejected; one that this node's state does not allow (it may lag behind) is left out. `None` when the node stops.
fn admit<R: ReadState>(
    bytes: &[u8],
    admission: &Admission<R>,
    now: TimeMs,
    mut take: impl FnMut(Checked) -> bool,
) -> Option<Verdict> {
    let Ok(batch) = codec::Statements::decode(bytes) else { return Some(Verdict::Reject) };
    let mut verdict = Verdict::Accept;
    for statement in batch.0 {
        let Ok(envelope) = admission.decode(statement) else {
            verdict = Verdict::Reject;
            continue;
        };
        // Where the store cannot be read, the replica will find out, too, and stop the node.
        match admission.verify(envelope, now).ok()? {
            Ok(checked) => {
                if !take(checked) {
                    return None;
                }
            }
            // A key id never names another key, so that is true in every state.
            Err(Rejection::SignatureInvalid) => verdict = Verdict::Reject,
            Err(_) if verdict == Verdict::Accept => verdict = Verdict::Ignore,
            Err(_) => {}
        }
    }
    Some(verdict)
}

#[cfg(test)]
mod tests {
    use kvitto_ledger::testing::{Actor, Ledger};

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
        let mut ledger = Ledger::new(1);
        let root = ledger.root.clone();
        let statements = batch.iter().enumerate().map(|(number, made)| {
            let subject = Actor::new(&format!("organisation {number}"));
            let onboard = root.onboards(&subject, &ledger.world.ledger_id);
            let signer = if matches!(made, Made::UnknownKey) { &subject } else { &root };
            let mut bytes = ledger.sign(signer, onboard).bytes().to_vec();
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
        let admission = Admission::new(ledger.world.ledger_id, ledger.state.clone());
        let mut taken = 0;
        let verdict = admit(&bytes, &admission, ledger.clock, |_| {
            taken += 1;
            true
        });
        assert_eq!((verdict, taken), (Some(expected), expected_taken), "{batch:?}");
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

    #[test]
    fn bytes_that_are_no_batch_are_rejected_and_a_stopped_node_says_nothing() {
        let mut ledger = Ledger::new(1);
        let admission = Admission::new(ledger.world.ledger_id, ledger.state.clone());
        assert_eq!(admit(b"no batch", &admission, ledger.clock, |_| true), Some(Verdict::Reject));
        let root = ledger.root.clone();
        let onboard = root.onboards(&Actor::new("school"), &ledger.world.ledger_id);
        let bytes = codec::Statements(vec![ledger.sign(&root, onboard).bytes().clone()]).encode();
        assert_eq!(admit(&bytes, &admission, ledger.clock, |_| false), None);
    }
}
