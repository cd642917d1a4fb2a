//! The store on disk under the suite that every store must pass.

use kvitto_ledger::Header;
use kvitto_ledger::execute::ExecutedBlock;
use kvitto_storage::disk::Options;
use kvitto_storage::faults::Faults;
use kvitto_storage::suite::Disk;
use kvitto_storage::{SledStore, StoreError};
use tempfile::TempDir;

struct Folder {
    folder: TempDir,
    options: Options,
}

impl Folder {
    fn new() -> Self {
        let options = Options { ballast_bytes: 100_000, cache_bytes: 8 * 1024 * 1024, ..Options::default() };
        Self { folder: tempfile::tempdir().expect("a folder"), options }
    }
}

impl Disk for Folder {
    type Store = SledStore;

    fn open(
        &mut self,
        genesis: &ExecutedBlock,
        certificate_holds: &dyn Fn(&Header, &[u8]) -> bool,
    ) -> Result<SledStore, StoreError> {
        let opened = SledStore::open(self.folder.path(), &self.options, genesis, certificate_holds)?;
        match opened.set_aside {
            Some(set_aside) => Err(set_aside.damage.into()),
            None => Ok(opened.store),
        }
    }

    fn faults(&self) -> Faults {
        self.options.faults.clone()
    }

    /// What the process wrote is in the operating system's cache, as after a kill.
    fn crash(&mut self) {}
}

kvitto_storage::store_suite!(Folder::new);
