//! The files below folders.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Every file below these folders, but for what lies in folders with these names.
///
/// # Errors
/// The operating system's.
pub fn below<'a>(folders: impl IntoIterator<Item = &'a Path>, skipped: &[&str]) -> io::Result<Vec<PathBuf>> {
    let mut folders: Vec<PathBuf> = folders.into_iter().map(Path::to_owned).collect();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if !path.is_dir() {
                found.push(path);
            } else if !skipped.iter().any(|name| path.ends_with(name)) {
                folders.push(path);
            }
        }
    }
    Ok(found)
}
