//! The gRPC services' messages: generated code, and the only conversions between wire and domain.
//!
//! ```text
//!  kvitto/v1/*.proto ──► examples/generate ──► gen/kvitto.v1.rs   messages, clients, servers
//!                        (protox, tonic-prost)  gen/kvitto.v1.bin  descriptors, for reflection
//!  wire bytes ──► v1::… ──► convert ──► kvitto-ledger's types       strict: the first fault is an error
//! ```
//!
//! The generated files are committed; a test compares them with the .proto files. After a change of one:
//! `cargo run -p kvitto-proto --features bootstrap --example generate`.

#[cfg(not(feature = "bootstrap"))]
pub mod convert;
pub mod limits;
pub mod v1;

pub use v1::DESCRIPTOR_SET;
