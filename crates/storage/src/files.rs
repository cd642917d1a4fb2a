//! The few file operations that HEAD and the journal are made of, so that a test can put a disk beneath them that fails.

mod lock;
mod memory;
mod os;

use std::io;

pub use lock::Lock;
pub use memory::MemoryDirectory;
pub use os::OsDirectory;

pub(crate) use os::make_directory;

/// A directory of small files.
///
/// *Durability.* Only what was there at the last [`Directory::sync`] of a file survives a loss of power. Later writes may
/// survive wholly, in part, or not at all.
pub trait Directory: Send + 'static {
    /// The whole file; `None` where there is none.
    ///
    /// # Errors
    /// The operating system's.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// Writes into a file, which is created where it is missing.
    ///
    /// # Errors
    /// The operating system's; part of the bytes may have been written.
    fn write_at(&mut self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts a file off; a missing one is created.
    ///
    /// # Errors
    /// The operating system's.
    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()>;

    /// Makes a file, and its entry in the directory, durable.
    ///
    /// # Errors
    /// The operating system's. The file's contents are then unknown until it is opened anew.
    fn sync(&mut self, name: &str) -> io::Result<()>;
}
