//! Where events wait for the consumer: bounded, and fair between kinds and between peers.
//!
//! The swarm never waits for the consumer. What does not fit here is dropped, and its token or reply handle,
//! dropped with it, says so to the peer. A peer that floods fills its own places only; a flood of statements
//! takes no place from votes.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use crate::config::Limits;
use crate::event::Event;
use crate::identity::PeerId;
use crate::topic::Topic;

/// All waiting events.
#[derive(Debug)]
pub(crate) struct Inbox {
    statuses: Statuses,
    /// One queue for each of [`Topic::ALL`], then the requests.
    queues: [FairQueue; 4],
    /// The queue that is asked first next time.
    turn: usize,
}

/// The queue of requests, behind the topics'.
const REQUESTS: usize = Topic::ALL.len();

impl Inbox {
    pub(crate) fn new(limits: &Limits) -> Self {
        let gossip =
            || FairQueue::new(limits.waiting_messages_per_peer_max, limits.waiting_bytes_per_peer_max);
        let requests = FairQueue::new(usize::MAX, usize::MAX);
        Self { statuses: Statuses::default(), queues: [gossip(), gossip(), gossip(), requests], turn: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.statuses.pending.is_empty() && self.queues.iter().all(FairQueue::is_empty)
    }

    /// Notes that a peer came up or went down.
    pub(crate) fn status(&mut self, peer: PeerId, up: bool) {
        self.statuses.push(peer, up);
    }

    /// Takes a message. False: its peer has no place left, and the event is dropped, so that its token
    /// answers.
    pub(crate) fn gossip(&mut self, topic: Topic, via: PeerId, bytes: usize, event: Event) -> bool {
        self.queues[topic.index()].push(via, bytes, event)
    }

    /// Takes a request. How many there can be is bounded before, by what may be unanswered.
    pub(crate) fn request(&mut self, from: PeerId, event: Event) {
        self.queues[REQUESTS].push(from, 0, event);
    }

    /// The next event: peers' comings and goings first, then each kind in turn.
    pub(crate) fn pop(&mut self) -> Option<Event> {
        if let Some(event) = self.statuses.pop() {
            return Some(event);
        }
        for step in 0..self.queues.len() {
            let index = (self.turn + step) % self.queues.len();
            if let Some(event) = self.queues[index].pop() {
                self.turn = index + 1;
                return Some(event);
            }
        }
        None
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        self.statuses.pending.clear();
        self.queues.iter_mut().for_each(|queue| queue.peers.clear());
    }
}

/// Comings and goings not yet told, at most two for each peer.
#[derive(Debug, Default)]
struct Statuses {
    pending: VecDeque<(PeerId, bool)>,
}

impl Statuses {
    fn push(&mut self, peer: PeerId, up: bool) {
        let same_peer = |(other, _): &(PeerId, bool)| *other == peer;
        if self.pending.iter().filter(|entry| same_peer(entry)).count() == 2
            && let Some(last) = self.pending.iter().rposition(same_peer)
        {
            // Statuses alternate, so this one repeats the first of the two: the second never needs to be
            // told.
            self.pending.remove(last);
        } else {
            self.pending.push_back((peer, up));
        }
    }

    fn pop(&mut self) -> Option<Event> {
        let (peer, up) = self.pending.pop_front()?;
        Some(if up { Event::PeerUp(peer) } else { Event::PeerDown(peer) })
    }
}

/// First in, first out for each peer; peers take turns.
#[derive(Debug)]
struct FairQueue {
    /// Peers with something waiting, only.
    peers: BTreeMap<PeerId, Waiting>,
    last_served: Option<PeerId>,
    count_max: usize,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: usize,
    events: VecDeque<(usize, Event)>,
}

impl FairQueue {
    fn new(count_max: usize, bytes_max: usize) -> Self {
        Self { peers: BTreeMap::new(), last_served: None, count_max, bytes_max }
    }

    fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    fn push(&mut self, peer: PeerId, bytes: usize, event: Event) -> bool {
        let waiting = self.peers.entry(peer).or_default();
        let bytes_after = waiting.bytes.saturating_add(bytes);
        // The first message of a peer always fits, so that a small bound cannot shut a topic off.
        if !waiting.events.is_empty()
            && (waiting.events.len() >= self.count_max || bytes_after > self.bytes_max)
        {
            return false;
        }
        waiting.bytes = bytes_after;
        waiting.events.push_back((bytes, event));
        true
    }

    fn pop(&mut self) -> Option<Event> {
        let after = self.last_served.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.peers.range((after, Bound::Unbounded)).next().or_else(|| self.peers.iter().next());
        let peer = *next?.0;
        self.last_served = Some(peer);
        let waiting = self.peers.get_mut(&peer)?;
        let (bytes, event) = waiting.events.pop_front()?;
        waiting.bytes = waiting.bytes.saturating_sub(bytes);
        if waiting.events.is_empty() {
            self.peers.remove(&peer);
        }
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use libp2p::gossipsub::MessageId;
    use tokio::sync::mpsc;

    use super::*;
    use crate::event::{Feedback, GossipId, ValidationToken};
    use crate::identity::NodeIdentity;

    fn peer(seed: u8) -> PeerId {
        NodeIdentity::from_seed([seed; 32]).peer_id()
    }

    struct Fixture {
        inbox: Inbox,
        feedback: mpsc::Sender<Feedback>,
        // Kept so that answers find an open channel.
        _answers: mpsc::Receiver<Feedback>,
    }

    impl Fixture {
        fn new(count_max: usize, bytes_max: usize) -> Self {
            let limits = Limits {
                waiting_messages_per_peer_max: count_max,
                waiting_bytes_per_peer_max: bytes_max,
                ..Limits::default()
            };
            let (feedback, answers) = mpsc::channel(100);
            Self { inbox: Inbox::new(&limits), feedback, _answers: answers }
        }

        fn push(&mut self, topic: Topic, via: PeerId, text: &'static str) -> bool {
            let id = GossipId { topic, id: MessageId::new(b"id"), via: *via.as_libp2p() };
            let token = ValidationToken::new(id, self.feedback.clone());
            let message = Bytes::from_static(text.as_bytes());
            let event = Event::Gossip { topic, from: via, via, message, token };
            self.inbox.gossip(topic, via, text.len(), event)
        }

        fn drain(&mut self) -> Vec<String> {
            std::iter::from_fn(|| self.inbox.pop())
                .map(|event| match event {
                    Event::Gossip { message, .. } => String::from_utf8(message.to_vec()).unwrap(),
                    Event::PeerUp(_) => "up".to_owned(),
                    Event::PeerDown(_) => "down".to_owned(),
                    Event::Request { .. } => "request".to_owned(),
                })
                .collect()
        }
    }

    #[test]
    fn peers_and_topics_take_turns() {
        let (small, large) = (peer(1).min(peer(2)), peer(1).max(peer(2)));
        let mut fixture = Fixture::new(10, 1000);
        for text in ["s1", "s2", "s3"] {
            assert!(fixture.push(Topic::Statements, small, text));
        }
        assert!(fixture.push(Topic::Statements, large, "S1"));
        assert!(fixture.push(Topic::Consensus, large, "V1"));
        assert!(fixture.push(Topic::Consensus, large, "V2"));
        fixture.inbox.status(small, true);
        assert_eq!(fixture.drain(), ["up", "s1", "V1", "S1", "V2", "s2", "s3"]);
        assert!(fixture.inbox.is_empty());
    }

    #[test]
    fn a_flooding_peer_fills_its_own_places_only() {
        let (flooder, other) = (peer(1), peer(2));
        let mut fixture = Fixture::new(2, 1000);
        assert!(fixture.push(Topic::Consensus, flooder, "1"));
        assert!(fixture.push(Topic::Consensus, flooder, "2"));
        assert!(!fixture.push(Topic::Consensus, flooder, "3"));
        assert!(fixture.push(Topic::Consensus, other, "4"));
        assert!(fixture.push(Topic::Statements, flooder, "5"));
        assert_eq!(fixture.drain().len(), 4);
    }

    #[test]
    fn bytes_are_bounded_but_one_message_always_fits() {
        let mut fixture = Fixture::new(10, 4);
        assert!(fixture.push(Topic::Consensus, peer(1), "12345"));
        assert!(!fixture.push(Topic::Consensus, peer(1), ""));
        assert!(fixture.push(Topic::Consensus, peer(2), "123"));
        assert!(!fixture.push(Topic::Consensus, peer(2), "45"));
        assert!(fixture.push(Topic::Consensus, peer(2), "4"));
        assert_eq!(fixture.drain().len(), 3);
    }

    #[test]
    fn a_flapping_peer_takes_two_places() {
        let mut fixture = Fixture::new(1, 1);
        for (changes, told) in [
            (vec![true], vec!["up"]),
            (vec![false, true], vec!["down", "up"]),
            (vec![false, true, false], vec!["down"]),
            (vec![true, false, true, false, true], vec!["up"]),
        ] {
            changes.into_iter().for_each(|up| fixture.inbox.status(peer(1), up));
            assert_eq!(fixture.drain(), told);
        }
    }
}
