//! Every limit, timeout and keep-alive of the services, with its default.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

/// Limits of the services. Each request, stream and connection is bounded by several of them.
#[derive(Clone, Debug)]
pub struct Config {
    /// Certificate and key of the public listeners; `None` serves without TLS.
    pub tls: Option<Tls>,
    /// Longest TLS handshake.
    pub tls_handshake_max: Duration,
    /// Longest time in which a connection's first 24 bytes must come: the HTTP/2 preface, or the beginning of a request or of a
    /// TLS handshake. A connection that says nothing holds a place that others want.
    pub first_bytes_max: Duration,
    /// Most open connections; further ones wait for a place.
    pub connections_max: usize,
    /// Where all places are taken, the connection on which nothing has been under way for longest is closed for another one, if
    /// that is so long.
    pub idle_min: Duration,
    /// Most open connections from one IP address; further ones are closed at once. Behind a proxy all come from one.
    pub connections_per_address_max: usize,
    /// Age at which a connection is told to finish, so that clients spread over nodes again.
    pub connection_age_max: Duration,
    /// Most concurrent streams (requests) of one connection.
    pub streams_per_connection_max: u32,
    /// Most requests being answered at once, over all connections; further ones get `RESOURCE_EXHAUSTED`. Of these, of submissions
    /// and of streams one connection has as many as are left to others, at most.
    pub requests_max: usize,
    /// Most calls of `Submit` among them: they wait for the replica, or for FINAL, and must leave room for reads.
    pub submits_max: usize,
    /// Most open `SubmitStream`, `WatchStatus` and `WatchCheckpoints` streams together.
    pub open_streams_max: usize,
    /// Longest time from a request's headers to the answer's, except for waiting in `Submit`.
    pub request_max: Duration,
    /// Wait of a `Submit` that names none.
    pub wait_default: Duration,
    /// Longest wait of a `Submit`.
    pub wait_max: Duration,
    /// Longest message of the anchoring service, in bytes: a statement of 256 KiB and room.
    pub submit_bytes_max: usize,
    /// Longest message of every other service, in bytes.
    pub request_bytes_max: usize,
    /// Most statements of one `SubmitStream` on their way into the mempool.
    pub stream_admissions_max: usize,
    /// Most statements of one `SubmitStream` that wait for FINAL; the server reads no further ones meanwhile.
    pub stream_waiting_max: usize,
    /// Interval of HTTP/2 pings on a silent connection.
    pub keepalive_interval: Duration,
    /// Time in which a ping must be answered.
    pub keepalive_timeout: Duration,
    /// HTTP/2 flow-control window of a stream, in bytes.
    pub stream_window_bytes: u32,
    /// HTTP/2 flow-control window of a connection, in bytes.
    pub connection_window_bytes: u32,
    /// Longest list of request headers, in bytes.
    pub header_bytes_max: u32,
    /// Most streams that a peer may have reset before they were taken up (rapid reset).
    pub pending_resets_max: usize,
    /// Most streams that this end reset for a peer's errors before it closes the connection.
    pub local_resets_max: usize,
    /// After the signal to stop: longest time for open requests to finish.
    pub drain_max: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            tls: None,
            tls_handshake_max: Duration::from_secs(10),
            first_bytes_max: Duration::from_secs(10),
            connections_max: 1024,
            idle_min: Duration::from_secs(10),
            connections_per_address_max: 256,
            connection_age_max: Duration::from_secs(60 * 60),
            streams_per_connection_max: 64,
            requests_max: 1024,
            submits_max: 768,
            open_streams_max: 512,
            request_max: Duration::from_secs(15),
            wait_default: Duration::from_secs(10),
            wait_max: Duration::from_secs(60),
            submit_bytes_max: 512 * 1024,
            request_bytes_max: 64 * 1024,
            stream_admissions_max: 128,
            stream_waiting_max: 16_384,
            keepalive_interval: Duration::from_secs(20),
            keepalive_timeout: Duration::from_secs(20),
            stream_window_bytes: 1024 * 1024,
            connection_window_bytes: 4 * 1024 * 1024,
            header_bytes_max: 16 * 1024,
            pending_resets_max: 20,
            local_resets_max: 256,
            drain_max: Duration::from_secs(10),
        }
    }
}

/// Certificate and key for TLS (rustls, TLS 1.2 and 1.3).
#[derive(Clone)]
pub struct Tls {
    /// Certificate chain, leaf first, as PEM.
    pub certificate_pem: Vec<u8>,
    /// Private key, as PEM (PKCS#8, SEC 1 or PKCS#1).
    pub key_pem: Vec<u8>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(…)")
    }
}

/// A relation between limits that must hold and does not.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ConfigError {
    /// A limit is zero that would refuse everything.
    #[error("{0} must be greater than 0")]
    Zero(&'static str),
    /// One limit must not be greater than another.
    #[error("{smaller} must not be greater than {greater}")]
    Order {
        /// The one that is too great.
        smaller: &'static str,
        /// The one that bounds it.
        greater: &'static str,
    },
}

impl Config {
    /// Checks what can be checked before anything is opened.
    ///
    /// # Errors
    /// The first broken relation.
    pub fn check(&self) -> Result<(), ConfigError> {
        let counts = [
            ("connections_max", self.connections_max),
            ("connections_per_address_max", self.connections_per_address_max),
            ("streams_per_connection_max", self.streams_per_connection_max as usize),
            ("requests_max", self.requests_max),
            ("submits_max", self.submits_max),
            ("open_streams_max", self.open_streams_max),
            ("stream_admissions_max", self.stream_admissions_max),
            ("stream_waiting_max", self.stream_waiting_max),
            ("request_bytes_max", self.request_bytes_max),
        ];
        if let Some((name, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return Err(ConfigError::Zero(name));
        }
        let statement = kvitto_ledger::statement::STATEMENT_BYTES_MAX + 1024;
        let orders = [
            ("wait_default", self.wait_default <= self.wait_max, "wait_max"),
            ("request_bytes_max", self.request_bytes_max <= self.submit_bytes_max, "submit_bytes_max"),
            ("the longest statement", statement <= self.submit_bytes_max, "submit_bytes_max"),
        ];
        match orders.into_iter().find(|(_, holds, _)| !holds) {
            Some((smaller, _, greater)) => Err(ConfigError::Order { smaller, greater }),
            None => Ok(()),
        }
    }
}
