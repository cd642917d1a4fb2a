//! The network as its users see it: real swarms on loopback ports.

mod gossip;
mod hostile;
mod lifetime;
mod links;
mod overload;
mod peers;
mod requests;

mod node;
