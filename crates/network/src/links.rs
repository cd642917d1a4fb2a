//! Which peers are connected, and which of them are up: connected and listening to every topic.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use libp2p::swarm::ConnectionId;
use tokio::sync::watch;

use crate::identity::PeerId;
use crate::topic::Topic;

/// The state of every connected peer.
#[derive(Debug)]
pub(crate) struct Links {
    peers: BTreeMap<PeerId, Link>,
    up: watch::Sender<BTreeSet<PeerId>>,
}

#[derive(Debug, Default)]
struct Link {
    /// Open connections, with the time at which each was made.
    connections: BTreeMap<ConnectionId, Instant>,
    /// What the peer listens to.
    topics: BTreeSet<Topic>,
    up: bool,
}

/// A peer came up (`true`) or went down.
pub(crate) type Change = Option<(PeerId, bool)>;

impl Links {
    pub(crate) fn new() -> (Self, watch::Receiver<BTreeSet<PeerId>>) {
        let (up, receiver) = watch::channel(BTreeSet::new());
        (Self { peers: BTreeMap::new(), up }, receiver)
    }

    pub(crate) fn connected(&self) -> BTreeSet<PeerId> {
        self.peers.keys().copied().collect()
    }

    pub(crate) fn connections(&self) -> usize {
        self.peers.values().map(|link| link.connections.len()).sum()
    }

    pub(crate) fn up_count(&self) -> usize {
        self.peers.values().filter(|link| link.up).count()
    }

    /// Notes a connection. True when an older one shows that the peer has lost its side of it.
    ///
    /// A peer dials only while it knows of no connection, and a dial takes at most `connect_timeout`. So
    /// beside a connection older than that, a new one means that the peer restarted without a word, and knows
    /// nothing of what was agreed on the old one.
    pub(crate) fn opened(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        now: Instant,
        connect_timeout: Duration,
    ) -> bool {
        let link = self.peers.entry(peer).or_default();
        let has_stale =
            link.connections.values().any(|since| now.saturating_duration_since(*since) > connect_timeout);
        link.connections.insert(connection, now);
        has_stale
    }

    /// Notes the end of a connection. The flag is true when it was the last one with that peer.
    pub(crate) fn closed(&mut self, peer: PeerId, connection: ConnectionId) -> (bool, Change) {
        let Some(link) = self.peers.get_mut(&peer) else { return (false, None) };
        link.connections.remove(&connection);
        if !link.connections.is_empty() {
            return (false, None);
        }
        link.topics.clear();
        let change = self.refresh(peer);
        self.peers.remove(&peer);
        (true, change)
    }

    pub(crate) fn subscribed(&mut self, peer: PeerId, topic: Topic) -> Change {
        self.peers.get_mut(&peer)?.topics.insert(topic);
        self.refresh(peer)
    }

    pub(crate) fn unsubscribed(&mut self, peer: PeerId, topic: Topic) -> Change {
        self.peers.get_mut(&peer)?.topics.remove(&topic);
        self.refresh(peer)
    }

    fn refresh(&mut self, peer: PeerId) -> Change {
        let link = self.peers.get_mut(&peer)?;
        let up = link.topics.len() == Topic::ALL.len();
        if link.up == up {
            return None;
        }
        link.up = up;
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

    #[test]
    fn a_peer_is_up_while_it_is_connected_and_listens_to_every_topic() {
        let peer = NodeIdentity::from_seed([1; 32]).peer_id();
        let (first, second) = (ConnectionId::new_unchecked(1), ConnectionId::new_unchecked(2));
        let (now, timeout) = (Instant::now(), Duration::from_secs(5));
        let (mut links, up) = Links::new();
        assert!(!links.opened(peer, first, now, timeout));
        assert_eq!(links.subscribed(peer, Topic::Statements), None);
        assert_eq!(links.subscribed(peer, Topic::Consensus), None);
        assert_eq!(links.subscribed(peer, Topic::Cosignatures), Some((peer, true)));
        assert!(up.borrow().contains(&peer));
        assert_eq!(links.unsubscribed(peer, Topic::Consensus), Some((peer, false)));
        assert_eq!(links.subscribed(peer, Topic::Consensus), Some((peer, true)));
        assert!(!links.opened(peer, second, now, timeout));
        assert_eq!(links.closed(peer, first), (false, None));
        assert_eq!(links.closed(peer, second), (true, Some((peer, false))));
        assert!(up.borrow().is_empty());
        assert_eq!(links.subscribed(peer, Topic::Consensus), None);
    }

    #[test]
    fn a_new_connection_beside_an_old_one_shows_a_silent_restart() {
        let peer = NodeIdentity::from_seed([1; 32]).peer_id();
        let (now, timeout) = (Instant::now(), Duration::from_secs(5));
        let (mut links, _up) = Links::new();
        assert!(!links.opened(peer, ConnectionId::new_unchecked(1), now, timeout));
        assert!(!links.opened(peer, ConnectionId::new_unchecked(2), now + timeout, timeout));
        assert!(links.opened(peer, ConnectionId::new_unchecked(3), now + timeout * 2, timeout));
    }
}
