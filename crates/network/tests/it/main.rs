//! The network as its users see it: real swarms on loopback ports.

mod gossip;
mod node;
