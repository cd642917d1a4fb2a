//! What came of a fault that was made to happen many times.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use kvitto_cli::commands::load::Latencies;

/// Counts and violations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// How often what happened, by a name for people to read.
    counts: BTreeMap<&'static str, u64>,
    /// How long what took, by a name for people to read.
    times: BTreeMap<String, Latencies>,
    /// Broken promises, each with the seed and round to repeat it.
    violations: Vec<String>,
    /// Why there was nothing to do here.
    skipped: Option<String>,
}

impl Outcome {
    /// That of a fault which cannot be made to happen here.
    pub fn skipped(reason: impl Into<String>) -> Self {
        Self { skipped: Some(reason.into()), ..Self::default() }
    }

    /// Something happened once more.
    pub fn count(&mut self, what: &'static str) {
        self.add(what, 1);
    }

    /// Something happened so many times more; a name with 0 is shown, too.
    pub fn add(&mut self, what: &'static str, times: u64) {
        *self.counts.entry(what).or_default() += times;
    }

    /// The highest of several numbers.
    pub fn highest(&mut self, what: &'static str, number: u64) {
        let highest = self.counts.entry(what).or_default();
        *highest = number.max(*highest);
    }

    /// So long it took, each time.
    pub fn times(&mut self, what: impl Into<String>, times: Vec<Duration>) {
        self.times.extend(Latencies::of(times).map(|times| (what.into(), times)));
    }

    /// Adds what came of another run.
    pub fn join(&mut self, other: Self) {
        for (what, times) in other.counts {
            self.add(what, times);
        }
        self.times.extend(other.times);
        self.violations.extend(other.violations);
        self.skipped = self.skipped.take().or(other.skipped);
    }

    /// A promise was broken.
    pub fn violation(&mut self, what: impl Into<String>) {
        self.violations.push(what.into());
    }

    /// How often it happened.
    pub fn of(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or_default()
    }

    /// The broken promises.
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// Why there was nothing to do, if so.
    pub fn skip_reason(&self) -> Option<&str> {
        self.skipped.as_deref()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(reason) = &self.skipped {
            return write!(f, "skipped: {reason}");
        }
        for (what, times) in &self.counts {
            write!(f, "{times} {what}, ")?;
        }
        for (what, Latencies { count, p50_ms, p99_ms, max_ms, .. }) in &self.times {
            write!(f, "{what}: p50 {p50_ms:.0} ms, p99 {p99_ms:.0} ms, max {max_ms:.0} ms ({count}), ")?;
        }
        write!(f, "{} violations", self.violations.len())
    }
}
