//! Percentiles of measured times.

use std::time::Duration;

use serde::Serialize;

/// Percentiles, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latencies {
    /// How many were measured.
    pub count: usize,
    /// Half of all took at most this long.
    pub p50_ms: f64,
    /// Nine in ten.
    pub p90_ms: f64,
    /// Ninety-nine in a hundred.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

impl Latencies {
    /// Of these times; `None` of none.
    pub fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        let milliseconds = |time: &Duration| time.as_secs_f64() * 1000.0;
        // The smallest time that so many per cent of all times are not above.
        let percentile = |percent: usize| times.get((times.len() * percent).div_ceil(100).saturating_sub(1));
        Some(Self {
            count: times.len(),
            p50_ms: milliseconds(percentile(50)?),
            p90_ms: milliseconds(percentile(90)?),
            p99_ms: milliseconds(percentile(99)?),
            max_ms: milliseconds(times.last()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_occurred() {
        let times = |count: u64| (1..=count).rev().map(Duration::from_millis).collect();
        let of = |count| Latencies::of(times(count)).map(|l| (l.p50_ms, l.p90_ms, l.p99_ms, l.max_ms));
        assert_eq!(of(0), None);
        assert_eq!(of(1), Some((1.0, 1.0, 1.0, 1.0)));
        assert_eq!(of(100), Some((50.0, 90.0, 99.0, 100.0)));
        assert_eq!(of(1000), Some((500.0, 900.0, 990.0, 1000.0)));
    }
}
