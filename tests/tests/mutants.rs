//! The list of planted bugs fits the sources, and the sources hold none of them.
//!
//! Method: every edit of `mutants.toml` must have exactly one place in the source it names, or it would not be planted; and no
//! source from which something is released may know of planted bugs. Whether each is noticed, `--bin mutants` asks.

use std::collections::BTreeSet;
use std::fs;

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
    let mut folders: Vec<_> =
        ["crates", "node", "proto"].iter().map(|name| mutants::workspace().join(name)).collect();
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                files += 1;
                let knows = text.contains(VARIABLE) || text.contains("mutant::");
                assert!(!knows, "{} knows of planted bugs", path.display());
            }
        }
    }
    assert!(files > 300, "{files} sources");
}
