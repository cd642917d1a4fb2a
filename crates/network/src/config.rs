//! What a node is told before it joins: its key, its listeners, its peers and every limit.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use crate::identity::{NodeIdentity, PeerId};
use crate::topic::PerTopic;

/// Everything [`start`](crate::start) needs.
#[derive(Clone, Debug)]
pub struct Config {
    /// The secret key of this node.
    pub identity: NodeIdentity,
    /// Prefix of the ledger id that separates ledgers on the wire: 1 to 64 ASCII letters, digits, `-`, `_`.
    pub ledger: String,
    /// Addresses to listen on; port 0 takes a free one. None: the node only dials.
    pub listen: Vec<SocketAddr>,
    /// The admitted peers. Nobody else gets past the handshake, and nobody else is dialled.
    pub peers: Vec<PeerAddress>,
    /// Bounds on everything; the defaults suit up to about 30 members.
    pub limits: Limits,
}

/// An admitted peer and where it can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddress {
    /// Who it is.
    pub peer: PeerId,
    /// Where it listens. Empty: it is admitted, but only it can dial.
    pub addresses: Vec<HostPort>,
}

/// A host name or IP address, and a TCP port.
///
/// Names are resolved by the operating system each time the peer is dialled, so a changed record is followed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    /// Host name, IPv4 or IPv6 address (without brackets).
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl From<SocketAddr> for HostPort {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Text that is not `host:port`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected host:port or [ipv6]:port")]
pub struct InvalidHostPort;

impl FromStr for HostPort {
    type Err = InvalidHostPort;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = text.rsplit_once(':').ok_or(InvalidHostPort)?;
        let port = port.parse().map_err(|_| InvalidHostPort)?;
        let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(address) => match address.parse() {
                Ok(IpAddr::V6(_)) => address,
                _ => return Err(InvalidHostPort),
            },
            None => host,
        };
        let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        let is_address = host.parse::<IpAddr>().is_ok() && text.starts_with('[') == host.contains(':');
        if is_address || (!host.is_empty() && host.len() <= 253 && host.bytes().all(name)) {
            Ok(Self { host: host.to_owned(), port })
        } else {
            Err(InvalidHostPort)
        }
    }
}

/// Bounds on sizes, queues, connections and times. Every one of them is enforced against peers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Largest gossip message of each topic, in bytes of payload. Default 1 MiB (statements travel in
    /// batches), 256 KiB and 64 KiB.
    pub gossip_bytes_max: PerTopic<usize>,
    /// Largest request, in bytes. Default 2 MiB: a block body with its frame.
    pub request_bytes_max: usize,
    /// Largest response, in bytes. Default 4 MiB: a page of blocks.
    pub response_bytes_max: usize,
    /// Time until a request without its whole answer fails, on both sides. Default 10 s.
    pub request_timeout: Duration,
    /// Requests of one peer that may be unanswered at a time; more are refused. Default 8.
    pub inbound_requests_per_peer_max: usize,
    /// Own requests and pushes to one peer in flight; more fail as busy. Default 12.
    pub outbound_requests_per_peer_max: usize,
    /// Gossip messages of one topic, from one peer, that wait for the consumer. Default 1024.
    pub waiting_messages_per_peer_max: usize,
    /// Bytes of the same. Default 16 MiB.
    pub waiting_bytes_per_peer_max: usize,
    /// Gossip messages of one topic, through one peer, whose [`ValidationToken`](crate::ValidationToken) is
    /// unanswered, those that wait for the consumer included. Default 2048.
    pub unanswered_messages_per_peer_max: usize,
    /// Places in the channel of [`Event`](crate::Event)s. What does not fit waits in the fair queues above,
    /// so it can be short. Default 64.
    pub event_channel_len: usize,
    /// Places in the channel of commands from the handles. Default 1024.
    pub command_channel_len: usize,
    /// Messages that wait to be sent to one peer; more are dropped. Each keeps its bytes until it is sent, even
    /// if it has become too old to be, so this bounds what a peer that does not read costs. Default 1024.
    pub send_queue_len: usize,
    /// Time after which the same statement bytes count as a new message. Default 30 s.
    pub duplicate_cache_time: Duration,
    /// Admitted peers. Default 64.
    pub peers_max: usize,
    /// Connections with one peer: two, for when both dial at once. Default 2.
    pub connections_per_peer_max: u32,
    /// Handshakes of incoming connections at a time, strangers included. Default 64.
    pub pending_inbound_max: u32,
    /// Resident bytes of the process above which no connection is made or accepted. Default 4 GiB.
    pub process_memory_bytes_max: usize,
    /// Time for TCP connect and handshake. Default 4 s: the third SYN leaves after 3 s, and a fourth would only after 7 s.
    pub connect_timeout: Duration,
    /// Time that a connected peer has to listen to every topic; then it is disconnected, so that both start
    /// afresh. Default 10 s.
    pub up_timeout: Duration,
    /// Time between liveness checks of a connection. It is closed when two in a row fail, the second of which may take 10 s longer.
    /// Default 5 s.
    pub ping_interval: Duration,
    /// Time in which what was sent must be acknowledged by the other end's operating system; else the connection is closed, so that
    /// a new one is tried. Left to TCP it would be tried again ever more rarely, and wait for as long after a cut as the cut took.
    /// Default 6 s.
    pub unacknowledged_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            gossip_bytes_max: PerTopic { statements: 1 << 20, consensus: 256 << 10, cosignatures: 64 << 10 },
            request_bytes_max: 2 << 20,
            response_bytes_max: 4 << 20,
            request_timeout: Duration::from_secs(10),
            inbound_requests_per_peer_max: 8,
            outbound_requests_per_peer_max: 12,
            waiting_messages_per_peer_max: 1024,
            waiting_bytes_per_peer_max: 16 << 20,
            unanswered_messages_per_peer_max: 2048,
            event_channel_len: 64,
            command_channel_len: 1024,
            send_queue_len: 1024,
            duplicate_cache_time: Duration::from_secs(30),
            peers_max: 64,
            connections_per_peer_max: 2,
            pending_inbound_max: 64,
            process_memory_bytes_max: 4 << 30,
            connect_timeout: Duration::from_secs(4),
            up_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(5),
            unacknowledged_max: Duration::from_secs(6),
        }
    }
}

impl Limits {
    /// The name of the first bound that cannot work, if any.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let frames = [
            ("gossip_bytes_max.statements", self.gossip_bytes_max.statements),
            ("gossip_bytes_max.consensus", self.gossip_bytes_max.consensus),
            ("gossip_bytes_max.cosignatures", self.gossip_bytes_max.cosignatures),
            ("request_bytes_max", self.request_bytes_max),
            ("response_bytes_max", self.response_bytes_max),
        ];
        let counts = [
            ("inbound_requests_per_peer_max", self.inbound_requests_per_peer_max),
            ("waiting_messages_per_peer_max", self.waiting_messages_per_peer_max),
            ("unanswered_messages_per_peer_max", self.unanswered_messages_per_peer_max),
            ("event_channel_len", self.event_channel_len),
            ("command_channel_len", self.command_channel_len),
            ("send_queue_len", self.send_queue_len),
            ("peers_max", self.peers_max),
        ];
        let out_of_range = |range: std::ops::RangeInclusive<usize>| {
            move |(name, value): (&'static str, usize)| (!range.contains(&value)).then_some(name)
        };
        frames
            .into_iter()
            .find_map(out_of_range(1..=64 << 20))
            .or_else(|| counts.into_iter().find_map(out_of_range(1..=1 << 20)))
            // Each is a stream, and yamux reserves 256 KiB of the 1 GiB of a connection for every stream.
            .or_else(|| {
                let name = "outbound_requests_per_peer_max";
                out_of_range(1..=1000)((name, self.outbound_requests_per_peer_max))
            })
            .or_else(|| (self.connections_per_peer_max == 0).then_some("connections_per_peer_max"))
            .or_else(|| self.up_timeout.is_zero().then_some("up_timeout"))
            .or_else(|| self.ping_interval.is_zero().then_some("ping_interval"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_read_and_written_alike() {
        for text in ["node-1.example:4001", "127.0.0.1:0", "[::1]:65535", "localhost:1"] {
            assert_eq!(text.parse::<HostPort>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn text_that_is_not_host_and_port_is_refused() {
        for text in [
            "",
            "host",
            "host:",
            ":1",
            "host:65536",
            "::1:1",
            "[::1]",
            "[host]:1",
            "[127.0.0.1]:1",
            "a b:1",
            "a/b:1",
        ] {
            assert_eq!(text.parse::<HostPort>(), Err(InvalidHostPort), "{text}");
        }
    }

    #[test]
    fn a_bound_that_cannot_work_is_named() {
        assert_eq!(Limits::default().fault(), None);
        let faulty = Limits { event_channel_len: 0, ..Limits::default() };
        assert_eq!(faulty.fault(), Some("event_channel_len"));
        let faulty = Limits { request_bytes_max: usize::MAX, ..Limits::default() };
        assert_eq!(faulty.fault(), Some("request_bytes_max"));
        let faulty = Limits { outbound_requests_per_peer_max: 1001, ..Limits::default() };
        assert_eq!(faulty.fault(), Some("outbound_requests_per_peer_max"));
    }
}
