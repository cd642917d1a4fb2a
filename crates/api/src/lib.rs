//! The gRPC services of a node, over small traits.
//!
//! ```text
//!            listeners (public, operator)          connections counted, limited, optionally TLS
//!                    │
//!              CORS, gRPC-Web, guard               load shed, deadline, drain
//!                    ▼
//!  Anchoring ──► Submit ──► the node's admission, mempool, consensus
//!      ▲                                 │
//!      └───────── Notices ◄──────────────┘         what was committed, dropped, published: waiting is by event
//!  Status, Registry, Log ──► Read                  as of a published block, never "the newest row"
//!      └──► Dossier                                 evidence against members, each piece checked
//!  Operator ──► Peers                              on its own loopback listener
//! ```
//!
//! Nothing about questions or who asks them is logged. Wire types end here: [`kvitto_proto::convert`] is the border.

mod anchoring;
mod config;
mod connections;
mod context;
mod dossier;
mod guard;
mod health;
mod log;
mod moment;
mod node;
mod notices;
mod operator;
mod places;
mod reason;
mod receipts;
mod registry;
mod serve;
mod settled;
mod status;
mod submit_stream;
#[cfg(feature = "testing")]
pub mod testing;

pub use config::{Config, ConfigError, Tls};
pub use dossier::{Dossier, Exhibit, NotKept};
pub use node::{Admitted, Diagnosis, Health, NodeInfo, Peer, Peers, Rejected, Severity, Submit, SubmitError};
pub use notices::{Notice, Notices};
pub use reason::{Reason, code_of};
pub use serve::{Listeners, ServeError, serve};
