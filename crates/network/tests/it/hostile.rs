//! Goal: an admitted peer that breaks the protocols harms nobody, and a stranger gets to none of them.
//! Method: a bare libp2p swarm with a key of ours or of nobody, without any of our limits.

use std::io;
use std::time::Duration;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use kvitto_network::Topic;
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity, ValidationMode};
use libp2p::multiaddr::{Multiaddr, Protocol};
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{StreamProtocol, SwarmBuilder, identity::Keypair, noise, ping, tcp, yamux};

use crate::node::{GIVE_UP, Node, config, id, silent};

/// Writes the request as it is, without a frame.
#[derive(Clone, Default)]
struct Bare;

impl request_response::Codec for Bare {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        self.read_response(&StreamProtocol::new("/any"), io).await
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        io.read_to_end(&mut bytes).await.map(|_| bytes)
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        io.write_all(&bytes).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        protocol: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        self.write_request(protocol, io, bytes).await
    }
}

#[derive(NetworkBehaviour)]
struct Hostile {
    gossip: gossipsub::Behaviour,
    requests: request_response::Behaviour<Bare>,
    // Who does not answer pings is disconnected, and could do nothing more.
    ping: ping::Behaviour,
}

fn hostile(seed: u8, authenticity: MessageAuthenticity) -> libp2p::Swarm<Hostile> {
    let settings = gossipsub::ConfigBuilder::default()
        .validation_mode(ValidationMode::None)
        .max_transmit_size(16 << 20)
        .build()
        .unwrap();
    let gossip = gossipsub::Behaviour::new(authenticity, settings).unwrap();
    let protocol = StreamProtocol::new("/kvitto/test/request/1");
    let requests = request_response::Behaviour::new([(protocol, ProtocolSupport::Full)], Default::default());
    SwarmBuilder::with_existing_identity(Keypair::ed25519_from_bytes([seed; 32]).unwrap())
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| Hostile { gossip, requests, ping: ping::Behaviour::default() })
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60)))
        .build()
}

fn dial(swarm: &mut libp2p::Swarm<Hostile>, node: &Node) {
    let address = node.network.local_addresses()[0];
    swarm.dial(Multiaddr::from(address.ip()).with(Protocol::Tcp(address.port()))).unwrap();
}

/// Connects to the node, waits until it listens to consensus, and lets the swarm go on in a task.
async fn attack(
    node: &Node,
    mut swarm: libp2p::Swarm<Hostile>,
    act: impl Fn(&mut Hostile),
) -> tokio::task::JoinHandle<()> {
    for topic in Topic::ALL {
        let topic = IdentTopic::new(format!("kvitto/test/{}/1", topic.name()));
        swarm.behaviour_mut().gossip.subscribe(&topic).unwrap();
    }
    dial(&mut swarm, node);
    let is_subscribed = async {
        let mut topics = 0;
        while topics < Topic::ALL.len() {
            let event = swarm.select_next_some().await;
            if let SwarmEvent::Behaviour(HostileEvent::Gossip(gossipsub::Event::Subscribed { .. })) = event {
                topics += 1;
            }
        }
    };
    tokio::time::timeout(GIVE_UP, is_subscribed).await.expect("connected in time");
    act(swarm.behaviour_mut());
    tokio::spawn(async move {
        loop {
            swarm.select_next_some().await;
        }
    })
}

/// The node still serves an honest peer, and has heard nothing but what that one says.
async fn is_unharmed(mut node: Node) {
    let mut honest = Node::start(config(2, vec![node.address()])).await;
    honest.until_up(&[id(1)]).await;
    node.until_up(&[id(2)]).await;
    honest.publish(Topic::Consensus, b"honest").await;
    let (_, from, message) = node.accept().await;
    assert_eq!((from, message), (id(2), b"honest"[..].into()));
}

#[tokio::test]
async fn a_stranger_with_a_good_handshake_gets_to_no_protocol() {
    let node = Node::start(config(1, vec![silent(2)])).await;
    let key = Keypair::ed25519_from_bytes([9; 32]).unwrap();
    let mut stranger = hostile(9, MessageAuthenticity::Signed(key));
    // Gossipsub speaks first with its subscriptions, ping with a ping.
    stranger.behaviour_mut().gossip.subscribe(&IdentTopic::new("kvitto/test/consensus/1")).unwrap();
    dial(&mut stranger, &node);
    let mut is_established = false;
    let mut request = None;
    let is_refused = async {
        loop {
            match stranger.select_next_some().await {
                SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                    is_established = true;
                    request = Some(stranger.behaviour_mut().requests.send_request(&peer_id, vec![0; 4]));
                }
                SwarmEvent::Behaviour(HostileEvent::Requests(request_response::Event::OutboundFailure {
                    request_id,
                    error: request_response::OutboundFailure::ConnectionClosed,
                    ..
                })) if Some(request_id) == request => break,
                SwarmEvent::Behaviour(HostileEvent::Ping(ping::Event { result: Err(_), .. })) => {}
                SwarmEvent::Behaviour(event) => panic!("the stranger got to a protocol: {event:?}"),
                _ => {}
            }
        }
    };
    tokio::time::timeout(GIVE_UP, is_refused).await.expect("refused in time");
    assert!(is_established, "the handshake itself was good");
    let metrics = node.network.metrics();
    assert_eq!((metrics.connections_established, metrics.connections_refused), (0, 1));
    assert_eq!(metrics.requests.received, 0);
    is_unharmed(node).await;
}

#[tokio::test]
async fn forged_and_unsigned_gossip_is_never_heard() {
    let own = Keypair::ed25519_from_bytes([3; 32]).unwrap().public().to_peer_id();
    let honest = Keypair::ed25519_from_bytes([2; 32]).unwrap().public().to_peer_id();
    for authenticity in [
        MessageAuthenticity::Anonymous,
        MessageAuthenticity::Author(own),
        MessageAuthenticity::Author(honest),
    ] {
        let node = Node::start(config(1, vec![silent(2), silent(3)])).await;
        let task = attack(&node, hostile(3, authenticity), |hostile| {
            let topic = IdentTopic::new("kvitto/test/consensus/1");
            hostile.gossip.publish(topic, b"forged".to_vec()).unwrap();
        })
        .await;
        let network = node.network.clone();
        is_unharmed(node).await;
        assert_eq!(network.metrics().gossip.consensus.received, 1);
        task.abort();
    }
}

#[tokio::test]
async fn frames_that_lie_about_their_length_are_dropped() {
    let node = Node::start(config(1, vec![silent(2), silent(3)])).await;
    let key = Keypair::ed25519_from_bytes([3; 32]).unwrap();
    let task = attack(&node, hostile(3, MessageAuthenticity::Signed(key)), |hostile| {
        let target = Keypair::ed25519_from_bytes([1; 32]).unwrap().public().to_peer_id();
        let lies: [&[u8]; 5] = [&[], &[0, 0], &[255; 8], &[0, 32, 0, 0, 1], &[0, 32, 0, 1, 1]];
        for bytes in lies {
            hostile.requests.send_request(&target, bytes.to_vec());
        }
        let topic = IdentTopic::new("kvitto/test/statements/1");
        hostile.gossip.publish(topic, vec![0; 8 << 20]).unwrap();
        let topic = IdentTopic::new("kvitto/test/unknown/1");
        // Nobody listens to it, so it cannot even be sent.
        assert!(hostile.gossip.publish(topic, vec![0; 8]).is_err());
    })
    .await;
    let network = node.network.clone();
    is_unharmed(node).await;
    let metrics = network.metrics();
    assert_eq!((metrics.requests.received, metrics.gossip.statements.received), (0, 0));
    task.abort();
}
