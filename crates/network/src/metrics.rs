//! Counters of everything that comes, goes or is dropped, readable from any handle.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::topic::{PerTopic, Topic};

/// A snapshot of the counters since the start of the network. All are totals except `connections` and
/// `peers`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Gossip, topic by topic.
    pub gossip: PerTopic<GossipMetrics>,
    /// Requests and pushes.
    pub requests: RequestMetrics,
    /// Connections open now.
    pub connections: u64,
    /// Peers up now, in the sense of [`Event::PeerUp`](crate::Event::PeerUp).
    pub peers: u64,
    /// Connections made, in either direction.
    pub connections_established: u64,
    /// Incoming connections refused after or during the handshake: strangers, or above a limit.
    pub connections_refused: u64,
    /// Dials that came to nothing, unresolvable names included.
    pub dials_failed: u64,
    /// Gossip messages not sent to some one peer, because its send queue was full or too slow.
    pub slow_peer_drops: u64,
}

/// Counters of one topic, in messages unless a name says bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GossipMetrics {
    /// Own messages handed to at least one peer.
    pub published: u64,
    /// Payload bytes of these.
    pub published_bytes: u64,
    /// Own messages that were no news, since the same bytes had passed before.
    pub published_duplicates: u64,
    /// Own messages that reached nobody: no peer was there, or all queues were full.
    pub publish_drops: u64,
    /// Peers' messages, each counted once, before any bound.
    pub received: u64,
    /// Payload bytes of these.
    pub received_bytes: u64,
    /// Dropped since the consumer was too slow; some of these are counted as ignored, too.
    pub received_drops: u64,
    /// Dropped since the author is not admitted here, or the message is above our limit for the topic.
    pub refused: u64,
    /// Answered with [`Verdict::Accept`](crate::Verdict::Accept), and forwarded.
    pub accepted: u64,
    /// Answered with [`Verdict::Reject`](crate::Verdict::Reject).
    pub rejected: u64,
    /// Answered with [`Verdict::Ignore`](crate::Verdict::Ignore), or not at all.
    pub ignored: u64,
}

/// Counters of requests; a one-way push is one too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestMetrics {
    /// Own requests handed to a connection.
    pub sent: u64,
    /// Own requests that were answered.
    pub answered: u64,
    /// Own requests that failed, before or after they were sent.
    pub failed: u64,
    /// Peers' requests, before any bound.
    pub received: u64,
    /// Peers' requests refused since too many were unanswered.
    pub refused: u64,
    /// Peers' requests answered.
    pub replied: u64,
}

/// The live counters behind [`Metrics`]. Written by the swarm's task and the handles; order does not matter.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    gossip: [GossipCounters; 3],
    pub(crate) requests_sent: Counter,
    pub(crate) requests_answered: Counter,
    pub(crate) requests_failed: Counter,
    pub(crate) requests_received: Counter,
    pub(crate) requests_refused: Counter,
    pub(crate) requests_replied: Counter,
    pub(crate) connections: Counter,
    pub(crate) peers: Counter,
    pub(crate) connections_established: Counter,
    pub(crate) connections_refused: Counter,
    pub(crate) dials_failed: Counter,
    pub(crate) slow_peer_drops: Counter,
}

#[derive(Debug, Default)]
pub(crate) struct GossipCounters {
    pub(crate) published: Counter,
    pub(crate) published_bytes: Counter,
    pub(crate) published_duplicates: Counter,
    pub(crate) publish_drops: Counter,
    pub(crate) received: Counter,
    pub(crate) received_bytes: Counter,
    pub(crate) received_drops: Counter,
    pub(crate) refused: Counter,
    pub(crate) accepted: Counter,
    pub(crate) rejected: Counter,
    pub(crate) ignored: Counter,
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, amount: usize) {
        self.0.fetch_add(amount as u64, Ordering::Relaxed);
    }

    pub(crate) fn increment(&self) {
        self.add(1);
    }

    pub(crate) fn set(&self, value: usize) {
        self.0.store(value as u64, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(crate) fn gossip(&self, topic: Topic) -> &GossipCounters {
        &self.gossip[topic.index()]
    }

    pub(crate) fn snapshot(&self) -> Metrics {
        let [statements, consensus, cosignatures] = Topic::ALL.map(|topic| self.gossip(topic).snapshot());
        Metrics {
            gossip: PerTopic { statements, consensus, cosignatures },
            requests: RequestMetrics {
                sent: self.requests_sent.read(),
                answered: self.requests_answered.read(),
                failed: self.requests_failed.read(),
                received: self.requests_received.read(),
                refused: self.requests_refused.read(),
                replied: self.requests_replied.read(),
            },
            connections: self.connections.read(),
            peers: self.peers.read(),
            connections_established: self.connections_established.read(),
            connections_refused: self.connections_refused.read(),
            dials_failed: self.dials_failed.read(),
            slow_peer_drops: self.slow_peer_drops.read(),
        }
    }
}

impl GossipCounters {
    fn snapshot(&self) -> GossipMetrics {
        GossipMetrics {
            published: self.published.read(),
            published_bytes: self.published_bytes.read(),
            published_duplicates: self.published_duplicates.read(),
            publish_drops: self.publish_drops.read(),
            received: self.received.read(),
            received_bytes: self.received_bytes.read(),
            received_drops: self.received_drops.read(),
            refused: self.refused.read(),
            accepted: self.accepted.read(),
            rejected: self.rejected.read(),
            ignored: self.ignored.read(),
        }
    }
}
