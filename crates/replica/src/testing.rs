//! A cluster of replicas in memory: virtual time, a network and disks that fail, all from one seed.
//!
//! Every effect is carried out as a node does, and every promise is asserted as it is made ([`Witness`]). Only the public interface
//! of the replica is used, besides reading its messages, and forging them ([`Liar`]).

mod cluster;
mod decoders;
pub mod invariants;
mod liar;
mod node;
mod random;
mod statements;
mod witness;

pub use cluster::{Cluster, Network, Wire};
pub use decoders::{DECODERS, Decoder};
pub use liar::{Liar, Pen};
pub use node::{Disks, Node};
pub use random::Random;
pub use statements::{Statements, all_executed};
pub use witness::Witness;
