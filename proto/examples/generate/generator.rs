//! From .proto files to Rust code and a descriptor set, with protox instead of protoc.

use std::error::Error;
use std::fs;
use std::path::Path;

use prost_types::FileDescriptorSet;
use protox::prost::Message;

/// The descriptor set's file name.
pub(crate) const DESCRIPTOR_FILE: &str = "kvitto.v1.bin";

/// The .proto files, below the package's folder.
const FILES: [&str; 6] = [
    "kvitto/v1/common.proto",
    "kvitto/v1/anchoring.proto",
    "kvitto/v1/status.proto",
    "kvitto/v1/registry.proto",
    "kvitto/v1/log.proto",
    "kvitto/v1/operator.proto",
];

/// Writes `kvitto.v1.rs` and the descriptor set into `folder`.
pub(crate) fn generate(folder: &Path) -> Result<(), Box<dyn Error>> {
    let descriptors = protox::compile(FILES, [env!("CARGO_MANIFEST_DIR")])?;
    fs::write(folder.join(DESCRIPTOR_FILE), without_source(descriptors.clone()).encode_to_vec())?;
    tonic_prost_build::configure().out_dir(folder).bytes(".").compile_fds(descriptors)?;
    Ok(())
}

/// Reflection needs names and types, not the comments.
fn without_source(mut descriptors: FileDescriptorSet) -> FileDescriptorSet {
    for file in &mut descriptors.file {
        file.source_code_info = None;
    }
    descriptors
}
