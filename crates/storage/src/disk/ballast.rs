//! The ballast: room on the disk that is given up when it is full, because sled must write in order to open.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::error::StoreError;

const FILE: &str = "ballast";
/// Written in pieces of a pattern that file systems do not store for nothing.
const PIECE_BYTES: u64 = 64 * 1024;

/// Makes sure that the ballast is there; `false` where there is no room for it.
pub(super) fn lay_in(directory: &Path, bytes: u64) -> Result<bool, StoreError> {
    let path = directory.join(FILE);
    if fs::metadata(&path).is_ok_and(|found| found.len() == bytes) {
        return Ok(true);
    }
    match fill(&path, bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::StorageFull => throw_out(directory).map(|()| false),
        Err(source) => Err(StoreError::Failed { operation: "lay in ballast", source }),
    }
}

/// Gives the room free.
pub(super) fn throw_out(directory: &Path) -> Result<(), StoreError> {
    match fs::remove_file(directory.join(FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::Failed { operation: "throw out ballast", source: error })
        }
        _ => Ok(()),
    }
}

fn fill(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = File::create(path)?;
    let mut number = 0_u64;
    let mut piece = Vec::new();
    let mut left = bytes;
    while left > 0 {
        piece.clear();
        while piece.len() < PIECE_BYTES as usize {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            piece.extend_from_slice(&number.to_be_bytes());
        }
        piece.truncate(left.min(PIECE_BYTES) as usize);
        file.write_all(&piece)?;
        left -= piece.len() as u64;
    }
    file.sync_all()
}
