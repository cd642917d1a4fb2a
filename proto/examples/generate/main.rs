//! Writes the generated code anew after a change of a .proto file: `cargo run -p kvitto-proto --features bootstrap --example generate`.

mod generator;

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    generator::generate(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gen"))
}
