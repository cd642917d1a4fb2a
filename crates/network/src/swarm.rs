//! The task that owns the libp2p swarm: it turns commands into protocol actions, and the swarm's events into
//! ours.
//!
//! It never waits for anything but the next thing to happen; in particular never for the consumer.

use std::collections::BTreeMap;
use std::future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, SwarmEvent};
use libp2p::{Swarm, gossipsub, ping, request_response};
use tokio::sync::{Semaphore, mpsc};
use tracing::{debug, warn};

use crate::address::{multiaddr, resolve};
use crate::behaviour::{Behaviour, BehaviourEvent};
use crate::config::{HostPort, Limits, PeerAddress};
use crate::dialing::Dialing;
use crate::event::{Event, Feedback, GossipId, ReplyHandle, ValidationToken, Verdict};
use crate::identity::PeerId;
use crate::inbox::Inbox;
use crate::links::{Change, Links};
use crate::metrics::Counters;
use crate::network::{Answer, Command, RequestError};
use crate::pending::{Outbound, Unanswered, request_error};
use crate::topic::{Topic, WireNames};

/// How long a graceful end may take.
const SHUTDOWN_MAX: Duration = Duration::from_secs(1);

/// The state of the task.
pub(crate) struct Driver {
    swarm: Swarm<Behaviour>,
    names: WireNames,
    limits: Limits,
    counters: Arc<Counters>,

    // Peers: who is admitted and where, when to dial them, who is there.
    own: PeerId,
    admitted: BTreeMap<PeerId, Vec<HostPort>>,
    dialing: Dialing,
    resolving: FuturesUnordered<BoxFuture<'static, (PeerId, Vec<SocketAddr>)>>,
    links: Links,

    // Commands from the handles.
    commands: mpsc::Receiver<Command>,
    outbound: Outbound,

    // Events to the consumer, and its answers.
    inbox: Inbox,
    events: mpsc::Sender<Event>,
    has_consumer: bool,
    unanswered_messages: [Unanswered; Topic::ALL.len()],
    unanswered_requests: Unanswered,
    feedback: mpsc::Sender<Feedback>,
    answers: mpsc::Receiver<Feedback>,
}

/// The ends of the channels that belong to the task, and what it shares.
pub(crate) struct Parts {
    pub(crate) swarm: Swarm<Behaviour>,
    pub(crate) names: WireNames,
    pub(crate) limits: Limits,
    pub(crate) own: PeerId,
    pub(crate) counters: Arc<Counters>,
    pub(crate) links: Links,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) events: mpsc::Sender<Event>,
}

impl Driver {
    pub(crate) fn new(parts: Parts, peers: Vec<PeerAddress>) -> Self {
        let Parts { swarm, names, limits, own, counters, links, commands, events } = parts;
        let unanswered_messages =
            Topic::ALL.map(|_| Unanswered::new(limits.unanswered_messages_per_peer_max, limits.peers_max));
        let unanswered_requests = Unanswered::new(limits.inbound_requests_per_peer_max, limits.peers_max);
        // A place for everything that can be unanswered, so that answering never waits and never fails.
        let owed = unanswered_messages.iter().chain([&unanswered_requests]).map(Unanswered::total_max);
        let owed_max = owed.fold(0, usize::saturating_add).min(Semaphore::MAX_PERMITS);
        let (feedback, answers) = mpsc::channel(owed_max);
        let mut driver = Self {
            swarm,
            names,
            own,
            counters,
            admitted: BTreeMap::new(),
            dialing: Dialing::new(own),
            resolving: FuturesUnordered::new(),
            links,
            commands,
            outbound: Outbound::new(limits.outbound_requests_per_peer_max),
            inbox: Inbox::new(&limits),
            events,
            has_consumer: true,
            unanswered_messages,
            unanswered_requests,
            feedback,
            answers,
            limits,
        };
        driver.set_peers(peers);
        driver
    }

    /// Runs until shutdown is asked for, or the last handle is gone.
    pub(crate) async fn run(mut self) {
        loop {
            let dial_at = self.dialing.next();
            let overdue_at = self.links.next();
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_swarm_event(event),
                Some(answer) = self.answers.recv() => self.on_feedback(answer),
                command = self.commands.recv() => match command {
                    Some(Command::Publish { topic, message }) => self.publish(topic, message),
                    Some(Command::Request { peer, message, answer }) => self.request(peer, message, answer),
                    Some(Command::SetPeers { peers, done }) => {
                        self.set_peers(peers);
                        // Nobody waiting any more is fine.
                        let _ = done.send(());
                    }
                    Some(Command::Shutdown) | None => break,
                },
                is_open = has_place(&self.events), if self.has_consumer && !self.inbox.is_empty() => {
                    self.deliver(is_open);
                }
                Some((peer, addresses)) = self.resolving.next() => self.dial(peer, addresses),
                () = sleep_until(dial_at) => self.resolve_due(),
                () = sleep_until(overdue_at) => self.disconnect_overdue(),
            }
        }
        self.stop().await;
    }

    /// Moves what fits from the inbox to the consumer.
    fn deliver(&mut self, is_open: bool) {
        if !is_open {
            self.has_consumer = false;
            self.inbox.clear();
        }
        while !self.inbox.is_empty()
            && let Ok(place) = self.events.try_reserve()
        {
            if let Some(event) = self.inbox.pop() {
                place.send(event);
            }
        }
    }

    /// Closes connections in good order. Whoever waits for an answer learns by its dropped channel.
    async fn stop(mut self) {
        self.commands.close();
        drop(self.outbound);
        for peer in self.links.connected() {
            // An error means that it has just gone.
            let _ = self.swarm.disconnect_peer_id(*peer.as_libp2p());
        }
        let all_closed = async {
            while self.links.connections() > 0 {
                if let SwarmEvent::ConnectionClosed { peer_id, connection_id, .. } =
                    self.swarm.select_next_some().await
                {
                    self.links.closed(PeerId::authenticated(peer_id), connection_id, Instant::now());
                }
            }
        };
        if tokio::time::timeout(SHUTDOWN_MAX, all_closed).await.is_err() {
            debug!("connections did not close in time and are dropped");
        }
        self.counters.connections.set(0);
        self.counters.peers.set(0);
    }

    fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => self.on_gossip_event(event),
            SwarmEvent::Behaviour(BehaviourEvent::Requests(event)) => self.on_request_event(event),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event {
                connection, result: Err(_), ..
            })) => {
                // Dead, or not one of ours: all of ours answer pings.
                self.swarm.close_connection(connection);
            }
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, .. } => {
                self.on_opened(PeerId::authenticated(peer_id), connection_id);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, .. } => {
                self.on_closed(PeerId::authenticated(peer_id), connection_id);
            }
            SwarmEvent::IncomingConnectionError { error, .. } => {
                self.counters.connections_refused.increment();
                debug!(%error, "incoming connection refused");
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                let peer = PeerId::authenticated(peer);
                debug!(%peer, %error, "dial failed");
                self.dial_failed(peer);
            }
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                warn!(?addresses, ?reason, "listener closed");
            }
            _ => {}
        }
    }
}

/// Peers and connections.
impl Driver {
    fn set_peers(&mut self, peers: Vec<PeerAddress>) {
        let mut admitted = BTreeMap::<PeerId, Vec<HostPort>>::new();
        for PeerAddress { peer, addresses } in peers {
            if peer != self.own {
                admitted.entry(peer).or_default().extend(addresses);
            }
        }
        let list = &mut self.swarm.behaviour_mut().admitted;
        for peer in self.admitted.keys().filter(|peer| !admitted.contains_key(peer)) {
            list.disallow_peer(*peer.as_libp2p());
        }
        for peer in admitted.keys() {
            list.allow_peer(*peer.as_libp2p());
        }
        self.admitted = admitted;
        let with_address =
            self.admitted.iter().filter(|(_, addresses)| !addresses.is_empty()).map(|(peer, _)| *peer);
        self.dialing.set(&with_address.collect(), &self.links.connected(), Instant::now());
    }

    /// Starts to resolve the addresses of every peer that is due; [`dial`](Self::dial) follows.
    fn resolve_due(&mut self) {
        for peer in self.dialing.due(Instant::now()) {
            let addresses = self.admitted.get(&peer).cloned().unwrap_or_default();
            let timeout = self.limits.connect_timeout;
            self.resolving.push(Box::pin(async move { (peer, resolve(addresses, timeout).await) }));
        }
    }

    fn dial(&mut self, peer: PeerId, addresses: Vec<SocketAddr>) {
        let options = DialOpts::peer_id(*peer.as_libp2p())
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(addresses.into_iter().map(multiaddr).collect())
            // The listening port as source port collides with the old connection after a restart.
            .allocate_new_port()
            .build();
        if let Err(error) = self.swarm.dial(options) {
            debug!(%peer, %error, "cannot dial");
            self.dial_failed(peer);
        }
    }

    fn dial_failed(&mut self, peer: PeerId) {
        self.counters.dials_failed.increment();
        self.dialing.failed(peer, Instant::now());
    }

    fn on_opened(&mut self, peer: PeerId, connection: ConnectionId) {
        let now = Instant::now();
        let has_stale = self.links.opened(peer, connection, now);
        self.counters.connections_established.increment();
        self.counters.connections.set(self.links.connections());
        self.dialing.connected(peer, now);
        if has_stale {
            self.start_afresh(peer, "the peer has restarted");
        }
    }

    fn on_closed(&mut self, peer: PeerId, connection: ConnectionId) {
        let now = Instant::now();
        let (is_last, change) = self.links.closed(peer, connection, now);
        self.counters.connections.set(self.links.connections());
        if is_last {
            self.dialing.lost(peer, now);
        } else {
            // All connections with a peer send from one queue, so what the other end should know may have gone
            // into this one.
            self.start_afresh(peer, "one of several connections has ended");
        }
        self.on_change(change);
    }

    fn disconnect_overdue(&mut self) {
        for peer in self.links.overdue(Instant::now()) {
            self.start_afresh(peer, "the peer is connected but does not come up");
        }
    }

    /// Closes every connection with the peer, so that the next is a first one: gossipsub tells its
    /// subscriptions on that only. Whoever has the other's address dials.
    fn start_afresh(&mut self, peer: PeerId, reason: &str) {
        debug!(%peer, reason, "reconnecting");
        // An error means that it has just gone.
        let _ = self.swarm.disconnect_peer_id(*peer.as_libp2p());
    }

    fn on_change(&mut self, change: Change) {
        if let Some((peer, up)) = change {
            self.counters.peers.set(self.links.up_count());
            debug!(%peer, up, "peer");
            if self.has_consumer {
                self.inbox.status(peer, up);
            }
        }
    }
}

/// Gossip.
impl Driver {
    fn publish(&mut self, topic: Topic, message: Bytes) {
        use gossipsub::PublishError as Error;
        let counters = self.counters.gossip(topic);
        let bytes = message.len();
        match self.swarm.behaviour_mut().gossip.publish(self.names.hash(topic), Vec::from(message)) {
            Ok(_) => {
                counters.published.increment();
                counters.published_bytes.add(bytes);
            }
            Err(Error::Duplicate) => counters.published_duplicates.increment(),
            Err(Error::NoPeersSubscribedToTopic | Error::AllQueuesFull(_)) => {
                counters.publish_drops.increment()
            }
            Err(error) => {
                counters.publish_drops.increment();
                warn!(topic = topic.name(), %error, "could not publish");
            }
        }
    }

    fn on_gossip_event(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                if let Some(topic) = self.names.topic(&message.topic) {
                    let message_id = GossipId { topic, id: message_id, via: propagation_source };
                    self.on_gossip(message_id, message);
                }
            }
            gossipsub::Event::Subscribed { peer_id, topic } => {
                if let Some(topic) = self.names.topic(&topic) {
                    let change = self.links.subscribed(PeerId::authenticated(peer_id), topic, Instant::now());
                    self.on_change(change);
                }
            }
            gossipsub::Event::Unsubscribed { peer_id, topic } => {
                if let Some(topic) = self.names.topic(&topic) {
                    let change =
                        self.links.unsubscribed(PeerId::authenticated(peer_id), topic, Instant::now());
                    self.on_change(change);
                }
            }
            gossipsub::Event::SlowPeer { failed_messages, .. } => {
                let failed = failed_messages.priority.saturating_add(failed_messages.non_priority);
                self.counters.slow_peer_drops.add(failed);
            }
            gossipsub::Event::GossipsubNotSupported { .. } => {}
        }
    }

    fn on_gossip(&mut self, id: GossipId, message: gossipsub::Message) {
        let topic = id.topic;
        let counters = self.counters.gossip(topic);
        let bytes = message.data.len();
        counters.received.increment();
        counters.received_bytes.add(bytes);
        let author =
            message.source.map(PeerId::authenticated).filter(|from| self.admitted.contains_key(from));
        // An author we do not admit may be admitted by whoever forwarded, during a change of members: no
        // blame.
        let Some(from) = author else {
            counters.refused.increment();
            return self.report(&id, Verdict::Ignore);
        };
        if bytes > self.limits.gossip_bytes_max[topic] {
            counters.refused.increment();
            return self.report(&id, Verdict::Reject);
        }
        let via = PeerId::authenticated(id.via);
        if !self.has_consumer || !self.unanswered_messages[topic.index()].admit(via) {
            counters.received_drops.increment();
            return self.report(&id, Verdict::Ignore);
        }
        let token = ValidationToken::new(id, self.feedback.clone());
        let event = Event::Gossip { topic, from, via, message: message.data.into(), token };
        if !self.inbox.gossip(topic, via, bytes, event) {
            counters.received_drops.increment();
        }
    }

    fn on_verdict(&mut self, id: GossipId, verdict: Verdict) {
        let counters = self.counters.gossip(id.topic);
        match verdict {
            Verdict::Accept => counters.accepted.increment(),
            Verdict::Reject => counters.rejected.increment(),
            Verdict::Ignore => counters.ignored.increment(),
        }
        self.unanswered_messages[id.topic.index()].release(PeerId::authenticated(id.via));
        self.report(&id, verdict);
    }

    fn report(&mut self, id: &GossipId, verdict: Verdict) {
        // False: gossipsub has forgotten the message by now, and with it to whom it would go.
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        let _ = gossip.report_message_validation_result(&id.id, &id.via, verdict.into());
    }
}

/// Requests.
impl Driver {
    fn request(&mut self, peer: PeerId, message: Bytes, answer: Option<Answer>) {
        let obstacle = if !self.swarm.is_connected(peer.as_libp2p()) {
            Some(RequestError::NotConnected)
        } else if !self.outbound.has_room(peer) {
            Some(RequestError::Busy)
        } else {
            None
        };
        if let Some(error) = obstacle {
            return self.request_failed(answer, error);
        }
        let id = self.swarm.behaviour_mut().requests.send_request(peer.as_libp2p(), message);
        self.outbound.insert(id, peer, answer);
        self.counters.requests_sent.increment();
    }

    fn on_request_event(&mut self, event: request_response::Event<Bytes, Bytes>) {
        use request_response::{Event as RequestEvent, Message};
        match event {
            RequestEvent::Message { peer, message: Message::Request { request, channel, .. }, .. } => {
                self.on_request(PeerId::authenticated(peer), request, channel);
            }
            RequestEvent::Message { message: Message::Response { request_id, response }, .. } => {
                if let Some(answer) = self.outbound.remove(request_id) {
                    self.counters.requests_answered.increment();
                    if let Some(answer) = answer {
                        // Nobody waiting any more is fine.
                        let _ = answer.send(Ok(response));
                    }
                }
            }
            RequestEvent::OutboundFailure { request_id, error, peer, .. } => {
                debug!(%peer, %error, "request failed");
                if let Some(answer) = self.outbound.remove(request_id) {
                    self.request_failed(answer, request_error(&error));
                }
            }
            RequestEvent::ResponseSent { .. } => self.counters.requests_replied.increment(),
            // Whoever holds the reply handle gives its place back; the requester sees the end of the stream.
            RequestEvent::InboundFailure { .. } => {}
        }
    }

    fn request_failed(&mut self, answer: Option<Answer>, error: RequestError) {
        self.counters.requests_failed.increment();
        if let Some(answer) = answer {
            // Nobody waiting any more is fine.
            let _ = answer.send(Err(error));
        }
    }

    fn on_request(
        &mut self,
        from: PeerId,
        message: Bytes,
        channel: request_response::ResponseChannel<Bytes>,
    ) {
        self.counters.requests_received.increment();
        // Dropping the channel closes the stream, which the requester sees as a refusal.
        if !self.has_consumer || !self.unanswered_requests.admit(from) {
            self.counters.requests_refused.increment();
            return;
        }
        let reply = ReplyHandle::new(from, channel, self.limits.response_bytes_max, self.feedback.clone());
        self.inbox.request(from, Event::Request { from, message, reply });
    }

    fn on_feedback(&mut self, feedback: Feedback) {
        match feedback {
            Feedback::Verdict { message, verdict } => self.on_verdict(message, verdict),
            Feedback::Reply { from, channel, response } => {
                self.unanswered_requests.release(from);
                if let Some(response) = response {
                    // An error means that the requester's time is over.
                    let _ = self.swarm.behaviour_mut().requests.send_response(channel, response);
                }
            }
        }
    }
}

/// Waits for a place in the channel; false when nobody reads it any more. The task is its only sender, so the
/// place is still there afterwards.
async fn has_place(events: &mpsc::Sender<Event>) -> bool {
    events.reserve().await.is_ok()
}

/// Waits until then; for ever without a time.
async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => future::pending().await,
    }
}
