//! The in-memory store under the suite that every store must pass.

use kvitto_ledger::Header;
use kvitto_ledger::execute::ExecutedBlock;
use kvitto_storage::faults::Faults;
use kvitto_storage::suite::Disk;
use kvitto_storage::{MemoryDisk, MemoryStore, StoreError};

struct Memory(MemoryDisk);

impl Disk for Memory {
    type Store = MemoryStore;

    fn open(
        &mut self,
        genesis: &ExecutedBlock,
        certificate_holds: &dyn Fn(&Header, &[u8]) -> bool,
    ) -> Result<MemoryStore, StoreError> {
        MemoryStore::open(self.0.clone(), genesis, certificate_holds)
    }

    fn faults(&self) -> Faults {
        self.0.faults().clone()
    }

    fn crash(&mut self) {
        self.0 = self.0.after_crash(0);
    }
}

kvitto_storage::store_suite!(|| Memory(MemoryDisk::new()));
