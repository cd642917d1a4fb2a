//! The replica's timers: which one fires next.

use std::collections::BTreeMap;

use kvitto_replica::TimerId;
use tokio::time::{Duration, Instant};

/// Timers that run. Setting one that runs already replaces it.
#[derive(Debug, Default)]
pub(crate) struct Timers(BTreeMap<TimerId, Instant>);

impl Timers {
    /// Lets `id` fire `after` from `now` on.
    pub(crate) fn set(&mut self, id: TimerId, now: Instant, after: Duration) {
        self.0.insert(id, now + after);
    }

    /// Forgets `id`.
    pub(crate) fn cancel(&mut self, id: TimerId) {
        self.0.remove(&id);
    }

    /// When the next one fires.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.values().min().copied()
    }

    /// Takes the one that is due at `now`, the earliest first.
    pub(crate) fn due(&mut self, now: Instant) -> Option<TimerId> {
        let (id, at) = self.0.iter().min_by_key(|(_, at)| **at).map(|(id, at)| (*id, *at))?;
        (at <= now).then(|| {
            self.0.remove(&id);
            id
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_in_order_once_and_can_be_replaced() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timers = Timers::default();
        timers.set(TimerId::Build, start, Duration::from_millis(20));
        timers.set(TimerId::Sync, start, Duration::from_millis(10));
        timers.set(TimerId::Flush, start, Duration::from_millis(5));
        timers.set(TimerId::Flush, start, Duration::from_millis(30));
        timers.cancel(TimerId::Sync);
        assert_eq!(timers.next(), Some(at(20)));
        assert_eq!(timers.due(at(19)), None);
        assert_eq!(timers.due(at(40)), Some(TimerId::Build));
        assert_eq!(timers.due(at(40)), Some(TimerId::Flush));
        assert_eq!(timers.due(at(40)), None);
    }
}
