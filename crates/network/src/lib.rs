//! One libp2p swarm between admitted peers: gossip, requests, limits.
//!
//! It moves opaque bytes. What they mean, and whether they are true, is decided above it.
//!
//! ```text
//!   node ── Network (handle, clones) ── publish · request · send · set_peers · shutdown ──┐
//!    ▲                                                                                   │ bounded
//!    │                                                                                   ▼
//!    │            ┌───────────────────────── Driver: one task ──────────────────────────────┐
//!    │  bounded   │ Inbox ◄── gossip, requests, peers up and down ── swarm ◄──── commands    │
//!    ├── Event ◄──┤ bounded, fair between topics and peers           │  ▲                   │
//!    │            │                                          Dialing ─┘  │                   │
//!    └── ValidationToken, ReplyHandle: one answer each ──────────────────┘                   │
//!                 └──────────────────────────────│──────────────────────────────────────────┘
//!                                                ▼
//!             allow-list, connection and memory limits, then gossipsub · request-response · ping
//!                                      over TCP, Noise, yamux
//! ```
//!
//! Invariants:
//! - Nobody outside the list of peers gets past the handshake, and nobody outside it is dialled.
//! - The task waits neither for its consumer nor for a peer. What has no place is dropped and counted; every
//!   queue, message and number of connections has a bound in [`Limits`].
//! - A gossip message travels on only after its [`ValidationToken`] was answered with [`Verdict::Accept`].
//! - Delivery is best effort: the protocols above send again.
//!
//! No libp2p type is part of the interface. Specifications: libp2p `connections`, `noise`, `yamux`,
//! `pubsub/gossipsub` v1.0 to v1.2; requests are a length-prefixed frame each way on a stream of their own.

// In reading order, which the blank lines keep.
mod identity;
mod topic;

mod config;

mod event;
mod network;

mod metrics;

mod start;
mod transport;

mod swarm;

mod links;

mod inbox;
mod pending;

mod address;
mod dialing;

mod behaviour;
mod codec;

pub use config::{Config, HostPort, InvalidHostPort, Limits, PeerAddress};
pub use event::{Event, ReplyHandle, ReplyTooLarge, ValidationToken, Verdict};
pub use identity::{InvalidPeerId, NodeIdentity, PeerId};
pub use metrics::{GossipMetrics, Metrics, RequestMetrics};
pub use network::{Network, PublishError, RequestError, SetPeersError};
pub use start::{StartError, start};
pub use topic::{PerTopic, Topic};
