//! Between the network and the replica: who sent what, and signature checks before the replica sees a statement.

use std::sync::Arc;

use kvitto_network::{Event as NetworkEvent, PeerId, Topic, ValidationToken, Verdict};
use kvitto_replica::{Origin, codec};
use kvitto_storage::Read;
use tokio::sync::{Semaphore, mpsc};

use crate::admission::Admission;
use crate::core::{Event, Events, now};
use crate::peers::PeerTable;

/// Batches of statements that are checked at a time; more wait in the network's bounded queues.
const BATCHES_MAX: usize = 2;

/// Brings what the network hears to the replica, until either has stopped.
pub(crate) async fn listen<R: Read>(
    mut heard: mpsc::Receiver<NetworkEvent>,
    events: Events,
    peers: Arc<PeerTable>,
    admission: Admission<R>,
) {
    let batches = Arc::new(Semaphore::new(BATCHES_MAX));
    while let Some(event) = heard.recv().await {
        let Some(event) = translate(event, &peers) else { continue };
        let brought = match event {
            Heard::Event(event) => events.send(event).await.is_ok(),
            Heard::Statements(bytes, token) => {
                let permit = Arc::clone(&batches).acquire_owned().await;
                let (admission, events) = (admission.clone(), events.clone());
                let brought = permit.is_ok();
                tokio::task::spawn_blocking(move || {
                    admit(&bytes, token, &admission, &events);
                    drop(permit);
                });
                brought
            }
        };
        if !brought {
            return;
        }
    }
}

enum Heard {
    Event(Event),
    Statements(bytes::Bytes, ValidationToken),
}

/// `None` for peers that are not in the table any more; their tokens are dropped, which ignores the message.
fn translate(event: NetworkEvent, peers: &PeerTable) -> Option<Heard> {
    let number = |id: PeerId| peers.number(&id);
    Some(match event {
        NetworkEvent::Gossip { topic: Topic::Statements, message, token, .. } => {
            Heard::Statements(message, token)
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

/// Checks every statement of a batch. One that no honest peer would have forwarded makes the batch rejected; one that this
/// node's state does not allow (it may lag behind) is left out.
fn admit<R: Read>(bytes: &[u8], token: ValidationToken, admission: &Admission<R>, events: &Events) {
    let Ok(batch) = codec::Statements::decode(bytes) else {
        return token.answer(Verdict::Reject);
    };
    let mut verdict = Verdict::Accept;
    for statement in batch.0 {
        let Ok(envelope) = admission.decode(statement) else {
            verdict = Verdict::Reject;
            continue;
        };
        match admission.verify(envelope, now()) {
            Ok(Ok(checked)) => {
                if events.blocking_send(Event::Submit(checked, Origin::Peer)).is_err() {
                    return;
                }
            }
            Ok(Err(_)) if verdict == Verdict::Accept => verdict = Verdict::Ignore,
            Ok(Err(_)) => {}
            // The store cannot be read; the replica will find out, too, and stop the node.
            Err(_) => return,
        }
    }
    token.answer(verdict);
}
