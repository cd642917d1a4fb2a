//! Which peers are connected, and which of them are up: connected and listening to every topic.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use libp2p::swarm::ConnectionId;
use tokio::sync::watch;

use crate::config::Limits;
use crate::identity::PeerId;
use crate::topic::Topic;

/// The state of every connected peer.
#[derive(Debug)]
pub(crate) struct Links {
    connect_timeout: Duration,
    up_timeout: Duration,
    peers: BTreeMap<PeerId, Link>,
    up: watch::Sender<BTreeSet<PeerId>>,
}

#[derive(Debug)]
struct Link {
    /// Open connections, with the time at which each was made.
    connections: BTreeMap<ConnectionId, Instant>,
    /// What the peer listens to.
    topics: BTreeSet<Topic>,
    /// Since when it is connected without being up; `None` while it is up.
    waiting_since: Option<Instant>,
}

impl Link {
    fn is_up(&self) -> bool {
        self.waiting_since.is_none()
    }
}

/// A peer came up (`true`) or went down.
pub(crate) type Change = Option<(PeerId, bool)>;

impl Links {
    pub(crate) fn new(limits: &Limits) -> (Self, watch::Receiver<BTreeSet<PeerId>>) {
        let (up, receiver) = watch::channel(BTreeSet::new());
        let Limits { connect_timeout, up_timeout, .. } = *limits;
        (Self { connect_timeout, up_timeout, peers: BTreeMap::new(), up }, receiver)
    }

    pub(crate) fn connected(&self) -> BTreeSet<PeerId> {
        self.peers.keys().copied().collect()
    }

    pub(crate) fn connections(&self) -> usize {
        self.peers.values().map(|link| link.connections.len()).sum()
    }

    pub(crate) fn up_count(&self) -> usize {
        self.peers.values().filter(|link| link.is_up()).count()
    }

    /// Notes a connection. True when an older one shows that the peer has lost its side of it.
    ///
    /// A peer dials only while it knows of no connection, and a dial takes at most `connect_timeout`. So
    /// beside a connection older than that, a new one means that the peer restarted without a word, and knows
    /// nothing of what was agreed on the old one.
    pub(crate) fn opened(&mut self, peer: PeerId, connection: ConnectionId, now: Instant) -> bool {
        let link = self.peers.entry(peer).or_insert_with(|| Link {
            connections: BTreeMap::new(),
            topics: BTreeSet::new(),
            waiting_since: Some(now),
        });
        let is_stale = |since: &Instant| now.saturating_duration_since(*since) > self.connect_timeout;
        let has_stale = link.connections.values().any(is_stale);
        link.connections.insert(connection, now);
        has_stale
    }

    /// Notes the end of a connection. The flag is true when it was the last one with that peer.
    pub(crate) fn closed(&mut self, peer: PeerId, connection: ConnectionId, now: Instant) -> (bool, Change) {
        let Some(link) = self.peers.get_mut(&peer) else { return (false, None) };
        link.connections.remove(&connection);
        if !link.connections.is_empty() {
            return (false, None);
        }
        link.topics.clear();
        let change = self.refresh(peer, now);
        self.peers.remove(&peer);
        (true, change)
    }

    pub(crate) fn subscribed(&mut self, peer: PeerId, topic: Topic, now: Instant) -> Change {
        self.peers.get_mut(&peer)?.topics.insert(topic);
        self.refresh(peer, now)
    }

    pub(crate) fn unsubscribed(&mut self, peer: PeerId, topic: Topic, now: Instant) -> Change {
        self.peers.get_mut(&peer)?.topics.remove(&topic);
        self.refresh(peer, now)
    }

    /// The earliest time at which [`overdue`](Self::overdue) has something.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.peers.values().filter_map(|link| link.waiting_since).min().map(|since| since + self.up_timeout)
    }

    /// Peers that are connected and have not been up for `up_timeout`: what one side told the other was lost,
    /// and is told again on a first connection only. Each is named again after as long again.
    pub(crate) fn overdue(&mut self, now: Instant) -> Vec<PeerId> {
        let mut overdue = Vec::new();
        for (peer, link) in &mut self.peers {
            if link.waiting_since.is_some_and(|since| since + self.up_timeout <= now) {
                link.waiting_since = Some(now);
                overdue.push(*peer);
            }
        }
        overdue
    }

    fn refresh(&mut self, peer: PeerId, now: Instant) -> Change {
        let link = self.peers.get_mut(&peer)?;
        let up = link.topics.len() == Topic::ALL.len();
        if link.is_up() == up {
            return None;
        }
        link.waiting_since = (!up).then_some(now);
        self.up.send_modify(|set| {
            if up {
                set.insert(peer);
            } else {
                set.remove(&peer);
            }
        });
        Some((peer, up))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::NodeIdentity;

    const TIMEOUT: Duration = Duration::from_secs(5);

    fn links() -> (Links, watch::Receiver<BTreeSet<PeerId>>) {
        Links::new(&Limits { connect_timeout: TIMEOUT, up_timeout: TIMEOUT, ..Limits::default() })
    }

    fn peer() -> PeerId {
        NodeIdentity::from_seed([1; 32]).peer_id()
    }

    #[test]
    fn a_peer_is_up_while_it_is_connected_and_listens_to_every_topic() {
        let (peer, now) = (peer(), Instant::now());
        let (first, second) = (ConnectionId::new_unchecked(1), ConnectionId::new_unchecked(2));
        let (mut links, up) = links();
        assert!(!links.opened(peer, first, now));
        assert_eq!(links.subscribed(peer, Topic::Statements, now), None);
        assert_eq!(links.subscribed(peer, Topic::Consensus, now), None);
        assert_eq!(links.subscribed(peer, Topic::Cosignatures, now), Some((peer, true)));
        assert!(up.borrow().contains(&peer));
        assert_eq!(links.unsubscribed(peer, Topic::Consensus, now), Some((peer, false)));
        assert_eq!(links.subscribed(peer, Topic::Consensus, now), Some((peer, true)));
        assert!(!links.opened(peer, second, now));
        assert_eq!(links.closed(peer, first, now), (false, None));
        assert_eq!(links.closed(peer, second, now), (true, Some((peer, false))));
        assert!(up.borrow().is_empty());
        assert_eq!(links.subscribed(peer, Topic::Consensus, now), None);
    }

    #[test]
    fn a_new_connection_beside_an_old_one_shows_a_silent_restart() {
        let (peer, now) = (peer(), Instant::now());
        let (mut links, _up) = links();
        assert!(!links.opened(peer, ConnectionId::new_unchecked(1), now));
        assert!(!links.opened(peer, ConnectionId::new_unchecked(2), now + TIMEOUT));
        assert!(links.opened(peer, ConnectionId::new_unchecked(3), now + TIMEOUT * 2));
    }

    #[test]
    fn a_connected_peer_that_is_not_up_is_overdue_again_and_again() {
        let (peer, now) = (peer(), Instant::now());
        let (mut links, _up) = links();
        assert_eq!((links.next(), links.overdue(now)), (None, vec![]));
        links.opened(peer, ConnectionId::new_unchecked(1), now);
        // A second connection, or part of the topics, gives no more time.
        links.opened(peer, ConnectionId::new_unchecked(2), now + TIMEOUT / 2);
        links.subscribed(peer, Topic::Statements, now + TIMEOUT / 2);
        assert_eq!(links.next(), Some(now + TIMEOUT));
        assert_eq!(links.overdue(now + TIMEOUT - Duration::from_nanos(1)), []);
        assert_eq!(links.overdue(now + TIMEOUT), [peer]);
        assert_eq!((links.next(), links.overdue(now + TIMEOUT)), (Some(now + TIMEOUT * 2), vec![]));
        for topic in Topic::ALL {
            links.subscribed(peer, topic, now + TIMEOUT);
        }
        assert_eq!((links.next(), links.overdue(now + TIMEOUT * 3)), (None, vec![]));
        // Who goes down while it is connected has as long to come up again.
        links.unsubscribed(peer, Topic::Consensus, now + TIMEOUT * 4);
        assert_eq!(links.overdue(now + TIMEOUT * 5), [peer]);
    }
}
