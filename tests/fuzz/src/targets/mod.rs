//! One function for each target: it hands bytes to decoders of foreign bytes, and panics where what comes out is not as promised.
//!
//! The least promise is that nothing else panics. Most decoders promise more: there is one spelling, so what was read is written as
//! the same bytes; building and executing agree; no receipt is accepted whose anchor is not in the log.

mod execution;
mod formats;
mod peers;
mod statements;
mod stored;
mod wire;

pub use execution::execution;
pub use formats::{credential, identifier, note, receipt, trust};
pub use peers::{consensus, gossip, replica, sync};
pub use statements::{payload, record, statement};
pub use stored::{files, rows};
pub use wire::wire;

/// What is fuzzed.
pub type Target = fn(&[u8]);

/// Every target with its name.
pub const TARGETS: [(&str, Target); 16] = [
    ("consensus", consensus),
    ("credential", credential),
    ("execution", execution),
    ("files", files),
    ("gossip", gossip),
    ("identifier", identifier),
    ("note", note),
    ("payload", payload),
    ("receipt", receipt),
    ("record", record),
    ("replica", replica),
    ("rows", rows),
    ("statement", statement),
    ("sync", sync),
    ("trust", trust),
    ("wire", wire),
];

/// The folder of the workspace, from wherever in it this is built.
fn root() -> std::path::PathBuf {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.ancestors().find(|folder| folder.join("crates/verifier/vectors").is_dir());
    root.expect("this crate lies in the repository").to_owned()
}

/// What a decoder took, it writes as it was.
#[track_caller]
fn assert_same(name: &str, bytes: &[u8], written: Option<Vec<u8>>) {
    if let Some(written) = written {
        assert!(written == bytes, "{name} was read from {bytes:02x?} and written as {written:02x?}");
    }
}
