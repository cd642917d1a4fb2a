//! The committed generated code is what the .proto files give: generated anew into a temporary folder and compared.

#[path = "../examples/generate/generator.rs"]
mod generator;

use std::fs;
use std::path::Path;

#[test]
fn the_committed_code_is_that_of_the_proto_files() {
    let fresh = tempfile::tempdir().unwrap();
    generator::generate(fresh.path()).unwrap();
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gen");
    for name in ["kvitto.v1.rs", generator::DESCRIPTOR_FILE] {
        let same = fs::read(fresh.path().join(name)).unwrap() == fs::read(committed.join(name)).unwrap();
        assert!(
            same,
            "{name} is out of date: cargo run -p kvitto-proto --features bootstrap --example generate"
        );
    }
}

#[test]
fn nothing_else_is_generated() {
    let fresh = tempfile::tempdir().unwrap();
    generator::generate(fresh.path()).unwrap();
    assert_eq!(fs::read_dir(fresh.path()).unwrap().count(), 2);
}
