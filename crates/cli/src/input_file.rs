//! Files that commands read: no further than such a file can be long, so that a wrong name costs nothing.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use kvitto_ledger::credential::Credential;

use crate::exit::Exit;
use crate::failure::Failure;

/// Longest credential file, in bytes.
pub const CREDENTIAL_BYTES_MAX: usize = Credential::BYTES_MAX_DEFAULT;
/// Longest file of any other kind that has no limit of its own, in bytes.
pub const FILE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Reads a whole file of at most `bytes_max`.
///
/// # Errors
/// It cannot be read, or is longer.
pub fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>, Failure> {
    let unreadable = |error| Failure::unreadable(path, &error);
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > bytes_max {
        let message = format!("{} is longer than {bytes_max} bytes", path.display());
        return Err(Failure::new(
            Exit::Input,
            "FILE_TOO_LONG",
            message,
            "check that this is the file you mean",
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        // Sparse: reading it whole would take all memory.
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(read(&path, 10).unwrap_err().reason, "FILE_TOO_LONG");
        std::fs::write(&path, "0123456789").unwrap();
        assert_eq!(read(&path, 10).unwrap(), b"0123456789");
        assert_eq!(read(&path, 9).unwrap_err().exit, Exit::Input);
        assert_eq!(read(&directory.path().join("missing"), 9).unwrap_err().reason, "FILE_UNREADABLE");
    }
}
