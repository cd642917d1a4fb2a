//! Planted bugs: what `mutants.toml` says, and a copy of the sources that holds all of them, switched on by name.
//!
//! The sources themselves hold none, so nothing that is built from them can.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::files;

/// What stands in replacements for the question whether a bug is switched on.
const SWITCH: &str = "MUTANT(";
/// The name of the environment variable that switches one on, in the copy.
pub const VARIABLE: &str = "KVITTO_MUTANT";

/// A bug.
#[derive(Clone, Debug, Deserialize)]
pub struct Mutant {
    /// Its name.
    pub name: String,
    /// What would happen to the ledger.
    pub why: String,
    /// What must notice it: `sim`, or a package whose tests must.
    pub gate: String,
    /// File, what stands there, and what stands there in the copy. Without any, another one's edits plant it too.
    pub edits: Vec<(PathBuf, String, String)>,
}

#[derive(Deserialize)]
struct List {
    mutant: Vec<Mutant>,
}

/// The workspace's folder.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package lies in the workspace")
}

/// All of them.
///
/// # Errors
/// When the list is not as it should be.
pub fn all() -> Result<Vec<Mutant>> {
    let path = workspace().join("tests/mutants.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(toml::from_str::<List>(&text).context("tests/mutants.toml")?.mutant)
}

/// Makes the copy in a folder, and plants everything.
///
/// # Errors
/// When an edit has not exactly one place, or files cannot be read or written.
pub fn plant(mutants: &[Mutant], copy: &Path) -> Result<()> {
    // Sources, and what lies beside them; not what was built from them.
    for from in files::below([workspace()], &["target", ".git"]).context("the sources")? {
        let to = copy.join(from.strip_prefix(workspace())?);
        fs::create_dir_all(to.parent().expect("it lies in the copy"))?;
        write(&to, &fs::read(&from).with_context(|| format!("cannot read {}", from.display()))?)?;
    }
    let mut edited = std::collections::BTreeMap::new();
    for (file, find, replacement) in mutants.iter().flat_map(|mutant| &mutant.edits) {
        let text = edited.entry(copy.join(file)).or_insert(fs::read_to_string(workspace().join(file))?);
        *text = edit(text, find, replacement).with_context(|| file.display().to_string())?;
    }
    let switch = edited.entry(copy.join("crates/merkle/src/lib.rs"));
    switch
        .or_insert(fs::read_to_string(workspace().join("crates/merkle/src/lib.rs"))?)
        .push_str("\n/// The planted bugs.\npub mod mutant;\n");
    let module = format!(
        "//! Which planted bug is switched on.\n\n/// Whether it is this one.\npub fn is_on(name: &str) -> bool {{\n    static \
         ON: std::sync::LazyLock<String> =\n        std::sync::LazyLock::new(|| \
         std::env::var(\"{VARIABLE}\").unwrap_or_default());\n    *ON == name\n}}\n"
    );
    write(&copy.join("crates/merkle/src/mutant.rs"), module.as_bytes())?;
    edited.iter().try_for_each(|(path, text)| write(path, text.as_bytes()))
}

/// A text with one of its places changed.
fn edit(text: &str, find: &str, replacement: &str) -> Result<String> {
    let places = text.matches(find).count();
    ensure!(places == 1, "there are {places} places like this one: {find}");
    Ok(text.replace(find, &replacement.replace(SWITCH, "kvitto_merkle::mutant::is_on(")))
}

/// Leaves files alone that are right already: what was built from them stays built.
fn write(path: &Path, content: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|present| present == content) {
        return Ok(());
    }
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}
