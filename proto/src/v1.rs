//! Package `kvitto.v1`: messages, clients and servers as generated.

#![allow(
    missing_docs,
    clippy::all,
    rustdoc::all,
    reason = "generated; the .proto files' comments are its documentation"
)]

include!("gen/kvitto.v1.rs");

/// Descriptors of the whole package (a `google.protobuf.FileDescriptorSet`), for reflection.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!("gen/kvitto.v1.bin");
