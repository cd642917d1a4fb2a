//! Bookkeeping of what is under way in both directions, so that no peer can have too much of it.

use std::collections::BTreeMap;
use std::io;

use libp2p::request_response::{OutboundFailure, OutboundRequestId};

use crate::identity::PeerId;
use crate::network::{Answer, RequestError};

/// Own requests that wait for an answer.
#[derive(Debug)]
pub(crate) struct Outbound {
    per_peer_max: usize,
    per_peer: Tally,
    requests: BTreeMap<OutboundRequestId, (PeerId, Option<Answer>)>,
}

impl Outbound {
    pub(crate) fn new(per_peer_max: usize) -> Self {
        Self { per_peer_max, per_peer: Tally::default(), requests: BTreeMap::new() }
    }

    pub(crate) fn has_room(&self, peer: PeerId) -> bool {
        self.per_peer.count(peer) < self.per_peer_max
    }

    pub(crate) fn insert(&mut self, id: OutboundRequestId, peer: PeerId, answer: Option<Answer>) {
        self.per_peer.add(peer);
        self.requests.insert(id, (peer, answer));
    }

    /// Forgets the request; the inner value is where its answer goes, if anybody waits.
    pub(crate) fn remove(&mut self, id: OutboundRequestId) -> Option<Option<Answer>> {
        let (peer, answer) = self.requests.remove(&id)?;
        self.per_peer.subtract(peer);
        Some(answer)
    }
}

/// What peers sent and the consumer has not answered: requests, or the messages of one topic.
#[derive(Debug)]
pub(crate) struct Unanswered {
    per_peer_max: usize,
    total_max: usize,
    per_peer: Tally,
}

impl Unanswered {
    pub(crate) fn new(per_peer_max: usize, peers_max: usize) -> Self {
        Self { per_peer_max, total_max: per_peer_max.saturating_mul(peers_max), per_peer: Tally::default() }
    }

    /// The most that can ever be unanswered.
    pub(crate) fn total_max(&self) -> usize {
        self.total_max
    }

    /// Takes a place, if there is one.
    pub(crate) fn admit(&mut self, peer: PeerId) -> bool {
        let has_room = self.per_peer.count(peer) < self.per_peer_max && self.per_peer.total < self.total_max;
        if has_room {
            self.per_peer.add(peer);
        }
        has_room
    }

    /// Gives the place back.
    pub(crate) fn release(&mut self, peer: PeerId) {
        self.per_peer.subtract(peer);
    }
}

/// How many, for each peer and in total; only peers with some take room.
#[derive(Debug, Default)]
struct Tally {
    counts: BTreeMap<PeerId, usize>,
    total: usize,
}

impl Tally {
    fn count(&self, peer: PeerId) -> usize {
        self.counts.get(&peer).copied().unwrap_or(0)
    }

    fn add(&mut self, peer: PeerId) {
        *self.counts.entry(peer).or_default() += 1;
        self.total += 1;
    }

    fn subtract(&mut self, peer: PeerId) {
        if let Some(count) = self.counts.get_mut(&peer) {
            *count -= 1;
            self.total -= 1;
            if *count == 0 {
                self.counts.remove(&peer);
            }
        }
    }
}

/// Our name for what libp2p reports.
pub(crate) fn request_error(failure: &OutboundFailure) -> RequestError {
    match failure {
        OutboundFailure::DialFailure => RequestError::NotConnected,
        OutboundFailure::Timeout => RequestError::Timeout,
        OutboundFailure::ConnectionClosed => RequestError::Disconnected,
        OutboundFailure::UnsupportedProtocols => RequestError::Unsupported,
        OutboundFailure::Io(error) => match error.kind() {
            io::ErrorKind::InvalidData => RequestError::Unreadable,
            _ => RequestError::Refused,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::NodeIdentity;

    #[test]
    fn a_peer_has_its_own_places_and_all_together_have_a_bound() {
        let peer = |seed| NodeIdentity::from_seed([seed; 32]).peer_id();
        let mut unanswered = Unanswered::new(2, 2);
        let admitted: Vec<_> =
            [1, 1, 1, 2, 3, 4].into_iter().map(|seed| unanswered.admit(peer(seed))).collect();
        assert_eq!(admitted, [true, true, false, true, true, false]);
        unanswered.release(peer(1));
        unanswered.release(peer(9));
        assert!(unanswered.admit(peer(1)));
        assert!(!unanswered.admit(peer(2)));
    }
}
