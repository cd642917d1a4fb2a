//! How a client behaves towards nodes: times, retries, certificates, memory.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kvitto_ledger::TimeMs;
use kvitto_merkle::Note;

use crate::checkpoint::VerifiedCheckpoint;

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> TimeMs + Send + Sync>;

/// Is told about every newer checkpoint, to keep it for the next start.
pub type CheckpointSink = Arc<dyn Fn(&VerifiedCheckpoint) + Send + Sync>;

/// The time by this machine's clock.
pub fn system_clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        TimeMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    })
}

/// How a client behaves. [`Options::default`] is right for a program that runs near people.
#[derive(Clone)]
pub struct Options {
    /// Longest time to connect to one node.
    pub connect_timeout: Duration,
    /// Longest time that one node may take to answer a read.
    pub timeout: Duration,
    /// How long a call is tried again, at all nodes in turn, while nobody answers it.
    pub retry_for: Duration,
    /// First pause between two rounds over all nodes; it doubles up to 2 s, and a node may ask for a longer one.
    pub retry_pause: Duration,
    /// How long [`Client::submit_final`](crate::Client::submit_final) waits for a statement that was accepted to become final.
    pub final_for: Duration,
    /// Time between two signs of life on a connection that waits for an answer.
    pub keep_alive: Duration,
    /// Certificate authorities for `https` nodes, in PEM, in place of those of the operating system.
    pub ca_pem: Option<Vec<u8>>,
    /// Age from which a verdict calls a checkpoint too old, and the registry's newest state is not taken for that.
    pub max_age: Duration,
    /// The newest checkpoint of an earlier start: no node may contradict it.
    pub newest_seen: Option<Note>,
    /// Is told about every newer checkpoint.
    pub on_checkpoint: Option<CheckpointSink>,
    /// Tells the time.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(15),
            retry_for: Duration::from_secs(30),
            retry_pause: Duration::from_millis(100),
            final_for: Duration::from_secs(120),
            keep_alive: Duration::from_secs(20),
            ca_pem: None,
            max_age: Duration::from_secs(24 * 60 * 60),
            newest_seen: None,
            on_checkpoint: None,
            clock: system_clock(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("connect_timeout", &self.connect_timeout)
            .field("timeout", &self.timeout)
            .field("retry_for", &self.retry_for)
            .field("final_for", &self.final_for)
            .field("max_age", &self.max_age)
            .finish_non_exhaustive()
    }
}
