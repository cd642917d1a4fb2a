//! The folder `shared` beside the repository: credentials and vectors collected elsewhere. Tests use it where it is there.
//!
//! Crates below this one take this file in by its path, so that it needs no arrow.

use std::io::Write;
use std::path::{Path, PathBuf};

/// A file or folder in `shared`. Where it is not there, says so and gives `None`: the test is skipped.
///
/// The test runner swallows what a test that passes prints, and so would hide that it did nothing; it does not see what is written
/// to standard error itself.
pub fn shared(part: &str) -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = here.ancestors().map(|folder| folder.join("shared").join(part)).find(|path| path.exists());
    if found.is_none() {
        let current = std::thread::current();
        let test = current.name().unwrap_or("a test");
        // Nobody reads it where standard error is closed.
        let _ = writeln!(std::io::stderr(), "skipped: {test}: shared/{part} is not beside the repository");
    }
    found
}
