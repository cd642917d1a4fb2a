//! The ballast: room on the disk that is given up when it is full, because sled must write in order to open.
//!
//! A disk counts as full when a block would not fit beside the ballast: a node that ended because a write failed would otherwise
//! start, fail at its next write, and end again. It counts so until the ballast fits again.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::error::StoreError;

const FILE: &str = "ballast";
/// Written, and removed, beside a ballast that is there.
const ROOM_FILE: &str = "room";
/// What a block may take: its body twice, in the journal and in the database, and as much for the rows.
const ROOM_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Written in pieces of a pattern that file systems do not store for nothing.
const PIECE_BYTES: u64 = 64 * 1024;

/// Makes sure that the ballast is there; `false` where there is no room for it or beside it: then it is thrown out.
pub(super) fn lay_in(directory: &Path, bytes: u64) -> Result<bool, StoreError> {
    let path = directory.join(FILE);
    let filled = if fs::metadata(&path).is_ok_and(|found| found.len() == bytes) {
        try_room(&directory.join(ROOM_FILE), bytes.min(ROOM_BYTES_MAX))
    } else {
        fill(&path, bytes)
    };
    match filled {
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

fn try_room(path: &Path, bytes: u64) -> io::Result<()> {
    let filled = fill(path, bytes);
    fs::remove_file(path)?;
    filled
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
