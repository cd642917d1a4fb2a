//! The handle with which everything else in a node uses the network.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::{Limits, PeerAddress};
use crate::identity::PeerId;
use crate::metrics::{Counters, Metrics};
use crate::topic::Topic;

/// A handle on the running swarm; clones share it. The swarm stops when the last one is dropped.
///
/// No method waits for the consumer of [`Event`](crate::Event)s, so the consumer itself may call any of them.
#[derive(Clone, Debug)]
pub struct Network {
    pub(crate) own: PeerId,
    pub(crate) limits: Limits,
    pub(crate) local_addresses: Arc<[SocketAddr]>,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) connected: watch::Receiver<BTreeSet<PeerId>>,
    pub(crate) counters: Arc<Counters>,
}

impl Network {
    /// The id of this node.
    pub fn peer_id(&self) -> PeerId {
        self.own
    }

    /// Where this node listens, with the real ports.
    pub fn local_addresses(&self) -> &[SocketAddr] {
        &self.local_addresses
    }

    /// Peers that are up, in the sense of [`Event::PeerUp`](crate::Event::PeerUp), in the order of their ids.
    pub fn connected_peers(&self) -> Vec<PeerId> {
        self.connected.borrow().iter().copied().collect()
    }

    /// The counters now.
    pub fn metrics(&self) -> Metrics {
        self.counters.snapshot()
    }

    /// Sends a message to every peer that is up. Waits only for a place in the command queue.
    ///
    /// Many small statements are better sent as one message: each message is signed once and checked by every
    /// peer for every neighbour that forwards it, and each takes a place in the peers' send queues.
    ///
    /// That nobody is there, that the same statement has passed before, or that a peer's queue is full is not
    /// an error here: it is counted in [`Metrics`], and the protocols above send again.
    ///
    /// # Errors
    /// [`PublishError`], when the message is too large or the network has stopped.
    pub async fn publish(&self, topic: Topic, message: Bytes) -> Result<(), PublishError> {
        let bytes_max = self.limits.gossip_bytes_max[topic];
        if message.len() > bytes_max {
            return Err(PublishError::TooLarge { bytes: message.len(), bytes_max });
        }
        self.commands.send(Command::Publish { topic, message }).await.map_err(|_| PublishError::Stopped)
    }

    /// Asks one peer, and waits for the answer. Fails at once when the peer is not connected: nothing is
    /// dialled.
    ///
    /// A consumer that waits here answers nobody meanwhile, and two that wait for each other do so until the
    /// timeout: ask from a task of its own.
    ///
    /// # Errors
    /// [`RequestError`]. Except for `TooLarge`, `NotConnected` and `Busy`, the peer may have acted on the
    /// request.
    pub async fn request(&self, peer: PeerId, message: Bytes) -> Result<Bytes, RequestError> {
        self.check_request(&message)?;
        let (answer, answered) = oneshot::channel();
        let command = Command::Request { peer, message, answer: Some(answer) };
        self.commands.send(command).await.map_err(|_| RequestError::Stopped)?;
        answered.await.unwrap_or(Err(RequestError::Stopped))
    }

    /// Pushes a message to one peer without waiting for anything: a request whose answer, an empty one, is
    /// counted but not returned.
    ///
    /// # Errors
    /// [`RequestError::TooLarge`], [`RequestError::Busy`] when the command queue is full,
    /// [`RequestError::Stopped`].
    /// Later failures are counted only.
    pub fn send(&self, peer: PeerId, message: Bytes) -> Result<(), RequestError> {
        self.check_request(&message)?;
        self.commands.try_send(Command::Request { peer, message, answer: None }).map_err(|error| {
            self.counters.requests_failed.increment();
            match error {
                mpsc::error::TrySendError::Full(_) => RequestError::Busy,
                mpsc::error::TrySendError::Closed(_) => RequestError::Stopped,
            }
        })
    }

    /// Replaces the admitted peers. Who is no longer among them is disconnected.
    ///
    /// # Errors
    /// [`SetPeersError`]; then nothing has changed.
    pub async fn set_peers(&self, peers: Vec<PeerAddress>) -> Result<(), SetPeersError> {
        if peers.len() > self.limits.peers_max {
            return Err(SetPeersError::TooMany { peers: peers.len(), peers_max: self.limits.peers_max });
        }
        let (done, is_done) = oneshot::channel();
        let command = Command::SetPeers { peers, done };
        self.commands.send(command).await.map_err(|_| SetPeersError::Stopped)?;
        is_done.await.map_err(|_| SetPeersError::Stopped)
    }

    /// Closes every connection in good order and ends the task; pending requests fail with
    /// [`RequestError::Stopped`]. Await the task's handle to know that it has ended.
    pub async fn shutdown(&self) {
        // Already stopped is as good.
        let _ = self.commands.send(Command::Shutdown).await;
    }

    fn check_request(&self, message: &Bytes) -> Result<(), RequestError> {
        let bytes_max = self.limits.request_bytes_max;
        if message.len() > bytes_max {
            return Err(RequestError::TooLarge { bytes: message.len(), bytes_max });
        }
        Ok(())
    }
}

/// Why a message was not even tried to be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Above the limit of its topic.
    #[error("message of {bytes} bytes is above the topic's limit of {bytes_max}")]
    TooLarge {
        /// Size of the message.
        bytes: usize,
        /// The configured limit.
        bytes_max: usize,
    },
    /// The swarm has ended.
    #[error("the network has stopped")]
    Stopped,
}

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Above the limit for requests.
    #[error("request of {bytes} bytes is above the limit of {bytes_max}")]
    TooLarge {
        /// Size of the request.
        bytes: usize,
        /// The configured limit.
        bytes_max: usize,
    },
    /// There is no connection with this peer.
    #[error("the peer is not connected")]
    NotConnected,
    /// Too many requests to this peer, or commands, are under way.
    #[error("too many requests are under way")]
    Busy,
    /// No whole answer came in time.
    #[error("no answer in time")]
    Timeout,
    /// The connection was lost first.
    #[error("the connection was lost")]
    Disconnected,
    /// The peer closed the stream without an answer: it was busy, or did not want to answer.
    #[error("the peer refused to answer")]
    Refused,
    /// The answer was above our limit, or the stream broke.
    #[error("the answer could not be read")]
    Unreadable,
    /// The peer does not speak this ledger's request protocol.
    #[error("the peer does not speak this ledger's protocol")]
    Unsupported,
    /// The swarm has ended.
    #[error("the network has stopped")]
    Stopped,
}

/// Why the peers were not replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetPeersError {
    /// More than `Limits::peers_max`.
    #[error("{peers} peers are above the limit of {peers_max}")]
    TooMany {
        /// Number of peers.
        peers: usize,
        /// The configured limit.
        peers_max: usize,
    },
    /// The swarm has ended.
    #[error("the network has stopped")]
    Stopped,
}

/// What handles tell the swarm's task.
#[derive(Debug)]
pub(crate) enum Command {
    Publish { topic: Topic, message: Bytes },
    Request { peer: PeerId, message: Bytes, answer: Option<Answer> },
    SetPeers { peers: Vec<PeerAddress>, done: oneshot::Sender<()> },
    Shutdown,
}

pub(crate) type Answer = oneshot::Sender<Result<Bytes, RequestError>>;
