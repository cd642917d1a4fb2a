//! A directory of the operating system.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::Directory;
use crate::faults::Faults;

/// A directory, with its files kept open once they were written.
#[derive(Debug)]
pub struct OsDirectory {
    path: PathBuf,
    open: BTreeMap<String, Opened>,
    faults: Faults,
}

#[derive(Debug)]
struct Opened {
    file: File,
    /// Whether the file's entry in the directory is durable.
    entry_synced: bool,
}

impl OsDirectory {
    /// The directory at `path`, which is created where it is missing. Its operations fail when `faults` says so.
    ///
    /// # Errors
    /// The operating system's.
    pub fn open(path: &Path, faults: Faults) -> io::Result<Self> {
        make_directory(path)?;
        Ok(Self { path: path.to_owned(), open: BTreeMap::new(), faults })
    }

    fn opened(&mut self, name: &str) -> io::Result<&mut Opened> {
        if !self.open.contains_key(name) {
            let path = self.path.join(name);
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
            self.open.insert(name.to_owned(), Opened { file, entry_synced: false });
        }
        Ok(self.open.get_mut(name).expect("just inserted"))
    }
}

/// Makes a directory, where it is missing, and its entry in the one above durable.
pub(crate) fn make_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path)?;
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(above)?.sync_all()
}

impl Directory for OsDirectory {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            result => result.map(Some),
        }
    }

    fn write_at(&mut self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.faults.step()?;
        self.opened(name)?.file.write_all_at(bytes, offset)
    }

    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()> {
        self.faults.step()?;
        self.opened(name)?.file.set_len(len)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.faults.step()?;
        let opened = self.opened(name)?;
        opened.file.sync_data()?;
        if !opened.entry_synced {
            File::open(&self.path)?.sync_all()?;
            self.opened(name)?.entry_synced = true;
        }
        Ok(())
    }
}
