//! The list of planted bugs fits the sources, and the sources hold none of them.
//!
//! Method: every edit of `mutants.toml` must have exactly one place in the source it names, or it would not be planted; and no
//! source from which something is released may know of planted bugs. Whether each is noticed, `--bin mutants` asks.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use kvitto_tests::files;
use kvitto_tests::mutants::{self, VARIABLE};

#[test]
fn every_bug_can_be_planted() {
    let all = mutants::all().unwrap();
    assert!(all.len() >= 20, "{} bugs", all.len());
    let names: BTreeSet<_> = all.iter().map(|mutant| &mutant.name).collect();
    assert_eq!(names.len(), all.len(), "names are unique");
    let copy = tempfile::tempdir().unwrap();
    mutants::plant(&all, copy.path()).unwrap();
    for mutant in &all {
        let switch = format!("is_on(\"{}\")", mutant.name);
        let edits = all.iter().flat_map(|mutant| &mutant.edits);
        let planted =
            edits.filter(|(file, ..)| fs::read_to_string(copy.path().join(file)).unwrap().contains(&switch));
        assert!(planted.count() > 0, "{} is planted nowhere", mutant.name);
    }
}

#[test]
fn nothing_that_is_released_holds_a_planted_bug() {
    let folders = ["crates", "node", "proto"].map(|name| mutants::workspace().join(name));
    let mut sources = 0;
    for path in files::below(folders.iter().map(PathBuf::as_path), &[]).unwrap() {
        if let Ok(text) = fs::read_to_string(&path) {
            sources += 1;
            let knows = text.contains(VARIABLE) || text.contains("mutant::");
            assert!(!knows, "{} knows of planted bugs", path.display());
        }
    }
    assert!(sources > 300, "{sources} sources");
}
