//! Nodes on loopback ports, and what tests wait for: events and counters, never time.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use kvitto_network::{
    Config, Event, Limits, Metrics, Network, NodeIdentity, PeerAddress, PeerId, ReplyHandle, Topic,
    ValidationToken, Verdict, start,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Far above anything a test takes; reaching it is a failure, not a delay.
pub(crate) const GIVE_UP: Duration = Duration::from_secs(20);

/// A running node and its consumer's end.
pub(crate) struct Node {
    pub(crate) seed: u8,
    pub(crate) network: Network,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) task: JoinHandle<()>,
    /// Peers that events have shown to be up.
    pub(crate) up: BTreeSet<PeerId>,
}

pub(crate) fn identity(seed: u8) -> NodeIdentity {
    NodeIdentity::from_seed([seed; 32])
}

pub(crate) fn id(seed: u8) -> PeerId {
    identity(seed).peer_id()
}

pub(crate) fn config(seed: u8, peers: Vec<PeerAddress>) -> Config {
    Config {
        identity: identity(seed),
        ledger: "test".to_owned(),
        listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        peers,
        limits: Limits::default(),
    }
}

/// A peer that is admitted but cannot be dialled.
pub(crate) fn silent(seed: u8) -> PeerAddress {
    PeerAddress { peer: id(seed), addresses: vec![] }
}

impl Node {
    pub(crate) async fn start(config: Config) -> Node {
        let seed = (0..=255).find(|seed| id(*seed) == config.identity.peer_id()).expect("a test identity");
        let (network, events, task) = start(config).await.expect("starts");
        Node { seed, network, events, task, up: BTreeSet::new() }
    }

    pub(crate) fn id(&self) -> PeerId {
        self.network.peer_id()
    }

    /// How others reach this node.
    pub(crate) fn address(&self) -> PeerAddress {
        let addresses = self.network.local_addresses().iter().map(|address| (*address).into()).collect();
        PeerAddress { peer: self.id(), addresses }
    }

    /// The next event, with peers' comings and goings noted.
    pub(crate) async fn event(&mut self) -> Event {
        let event = tokio::time::timeout(GIVE_UP, self.events.recv()).await;
        let event = event.expect("an event in time").expect("the network runs");
        match &event {
            Event::PeerUp(peer) => assert!(self.up.insert(*peer), "up twice"),
            Event::PeerDown(peer) => assert!(self.up.remove(peer), "down twice"),
            _ => {}
        }
        event
    }

    pub(crate) async fn until_up(&mut self, peers: &[PeerId]) {
        while !peers.iter().all(|peer| self.up.contains(peer)) {
            self.event().await;
        }
    }

    pub(crate) async fn until_down(&mut self, peer: PeerId) {
        while self.up.contains(&peer) {
            self.event().await;
        }
    }

    /// The next gossip message; its answer is the caller's.
    pub(crate) async fn gossip(&mut self) -> Gossip {
        loop {
            if let Event::Gossip { topic, from, via, message, token } = self.event().await {
                return Gossip { topic, from, via, message, token };
            }
        }
    }

    /// The next gossip message, accepted.
    pub(crate) async fn accept(&mut self) -> (Topic, PeerId, Bytes) {
        let gossip = self.gossip().await;
        gossip.token.answer(Verdict::Accept);
        (gossip.topic, gossip.from, gossip.message)
    }

    /// The next request.
    pub(crate) async fn request(&mut self) -> (PeerId, Bytes, ReplyHandle) {
        loop {
            if let Event::Request { from, message, reply } = self.event().await {
                return (from, message, reply);
            }
        }
    }

    pub(crate) async fn publish(&self, topic: Topic, message: &'static [u8]) {
        self.network.publish(topic, Bytes::from_static(message)).await.expect("published");
    }

    /// Waits until the counters satisfy the condition.
    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Metrics) -> bool) {
        let reached = async {
            while !condition(&self.network.metrics()) {
                // Counters make no noise; this is how often they are looked at.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        if tokio::time::timeout(GIVE_UP, reached).await.is_err() {
            panic!("{what} never came: {:?}", self.network.metrics());
        }
    }

    pub(crate) async fn stop(self) {
        self.network.shutdown().await;
        tokio::time::timeout(GIVE_UP, self.task).await.expect("ends in time").expect("does not panic");
    }
}

pub(crate) struct Gossip {
    pub(crate) topic: Topic,
    pub(crate) from: PeerId,
    pub(crate) via: PeerId,
    pub(crate) message: Bytes,
    pub(crate) token: ValidationToken,
}

/// Nodes 1 to `count`, all connected with all, each up at each.
pub(crate) async fn mesh(count: u8, adjust: impl Fn(&mut Config)) -> Vec<Node> {
    let mut nodes = Vec::<Node>::new();
    for seed in 1..=count {
        let known = nodes.iter().map(Node::address);
        let others = (seed + 1..=count).map(silent);
        let mut config = config(seed, known.chain(others).collect());
        adjust(&mut config);
        nodes.push(Node::start(config).await);
    }
    let all: Vec<_> = nodes.iter().map(Node::id).collect();
    for node in &mut nodes {
        let own = node.id();
        let others: Vec<_> = all.iter().copied().filter(|peer| *peer != own).collect();
        node.until_up(&others).await;
    }
    nodes
}
