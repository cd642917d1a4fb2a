//! When to dial whom: bounded exponential delays without chance, so that tests and operators can foresee
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::identity::PeerId;

/// The first delay; it doubles with each failure.
const DELAY_MIN: Duration = Duration::from_millis(250);
/// No delay is longer, so that members find each other within seconds after a cut of any length.
const DELAY_MAX: Duration = Duration::from_secs(2);
/// A connection shorter than this counts as a failure: a peer that does not admit us closes it at once.
const STABLE: Duration = Duration::from_secs(10);

/// The delay before the dial that follows `failures` failed ones: 250 ms, 500 ms, … 2 s.
pub(crate) fn delay(failures: u32) -> Duration {
    DELAY_MIN.saturating_mul(1 << failures.min(6)).min(DELAY_MAX)
}

/// The schedule of every peer that has an address.
#[derive(Debug)]
pub(crate) struct Dialing {
    own: PeerId,
    peers: BTreeMap<PeerId, State>,
}

#[derive(Debug)]
struct State {
    /// Failures in a row.
    failures: u32,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// Dial at this time.
    Waiting(Instant),
    /// Resolving or connecting.
    Dialing,
    /// Connected since this time.
    Connected(Instant),
}

impl Dialing {
    pub(crate) fn new(own: PeerId) -> Self {
        Self { own, peers: BTreeMap::new() }
    }

    /// Replaces the set of peers to dial; those that stay keep their state.
    ///
    /// Of two nodes that start together, the one with the smaller id dials at once and the other after the
    /// first delay, so they seldom meet half-way; if they do, both connections live.
    pub(crate) fn set(&mut self, peers: &BTreeSet<PeerId>, connected: &BTreeSet<PeerId>, now: Instant) {
        self.peers.retain(|peer, _| peers.contains(peer));
        for peer in peers {
            let phase = match connected.contains(peer) {
                true => Phase::Connected(now),
                false if self.own < *peer => Phase::Waiting(now),
                false => Phase::Waiting(now + DELAY_MIN),
            };
            self.peers.entry(*peer).or_insert(State { failures: 0, phase });
        }
    }

    /// The earliest time at which [`due`](Self::due) has something.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.peers
            .values()
            .filter_map(|state| match state.phase {
                Phase::Waiting(at) => Some(at),
                _ => None,
            })
            .min()
    }

    /// Peers to dial now. Each is then dialling until `connected` or `failed` is called for it.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<PeerId> {
        let mut due = Vec::new();
        for (peer, state) in &mut self.peers {
            if matches!(state.phase, Phase::Waiting(at) if at <= now) {
                state.phase = Phase::Dialing;
                due.push(*peer);
            }
        }
        due
    }

    /// A connection, whoever dialled.
    pub(crate) fn connected(&mut self, peer: PeerId, now: Instant) {
        if let Some(state) = self.peers.get_mut(&peer)
            && !matches!(state.phase, Phase::Connected(_))
        {
            state.phase = Phase::Connected(now);
        }
    }

    /// The dial came to nothing.
    pub(crate) fn failed(&mut self, peer: PeerId, now: Instant) {
        if let Some(state) = self.peers.get_mut(&peer)
            && matches!(state.phase, Phase::Dialing)
        {
            state.phase = Phase::Waiting(now + delay(state.failures));
            state.failures = state.failures.saturating_add(1);
        }
    }

    /// The last connection is gone.
    pub(crate) fn lost(&mut self, peer: PeerId, now: Instant) {
        if let Some(state) = self.peers.get_mut(&peer)
            && let Phase::Connected(since) = state.phase
        {
            if now.saturating_duration_since(since) >= STABLE {
                state.failures = 0;
            }
            state.phase = Phase::Waiting(now + delay(state.failures));
            state.failures = state.failures.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::NodeIdentity;

    fn two() -> (PeerId, PeerId) {
        let (a, b) = (NodeIdentity::from_seed([1; 32]).peer_id(), NodeIdentity::from_seed([2; 32]).peer_id());
        (a.min(b), a.max(b))
    }

    #[test]
    fn delays_double_from_a_quarter_second_to_two_seconds() {
        let millis: Vec<_> = (0..8).map(|failures| delay(failures).as_millis()).collect();
        assert_eq!(millis, [250, 500, 1000, 2000, 2000, 2000, 2000, 2000]);
        assert_eq!(delay(u32::MAX), DELAY_MAX);
    }

    #[test]
    fn the_smaller_id_dials_first() {
        let (small, large) = two();
        let now = Instant::now();
        for (own, other, first) in [(small, large, now), (large, small, now + DELAY_MIN)] {
            let mut dialing = Dialing::new(own);
            dialing.set(&[other].into(), &BTreeSet::new(), now);
            assert_eq!(dialing.next(), Some(first));
            assert_eq!(dialing.due(first), [other]);
            assert_eq!((dialing.next(), dialing.due(first)), (None, vec![]));
        }
    }

    #[test]
    fn short_connections_count_as_failures_and_long_ones_start_afresh() {
        let (small, large) = two();
        let mut now = Instant::now();
        let mut dialing = Dialing::new(small);
        dialing.set(&[large].into(), &BTreeSet::new(), now);
        for (lasted, waits) in
            [(Duration::ZERO, 250), (Duration::ZERO, 500), (STABLE, 250), (Duration::ZERO, 500)]
        {
            assert_eq!(dialing.due(now), [large]);
            dialing.connected(large, now);
            now += lasted;
            dialing.lost(large, now);
            now += Duration::from_millis(waits);
            assert_eq!(dialing.next(), Some(now));
        }
        assert_eq!(dialing.due(now), [large]);
        dialing.failed(large, now);
        assert_eq!(dialing.next(), Some(now + Duration::from_secs(1)));
    }

    #[test]
    fn a_removed_peer_is_never_dialled() {
        let (small, large) = two();
        let now = Instant::now();
        let mut dialing = Dialing::new(small);
        dialing.set(&[large].into(), &BTreeSet::new(), now);
        dialing.set(&BTreeSet::new(), &BTreeSet::new(), now);
        dialing.lost(large, now);
        assert_eq!((dialing.next(), dialing.due(now)), (None, vec![]));
    }
}
