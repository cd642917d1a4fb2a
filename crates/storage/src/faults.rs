//! Failpoints: lets the n-th operation on a disk fail, and every one after it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A counter of operations that may still succeed, shared by all clones. Without a limit it costs one atomic load.
#[derive(Clone, Debug)]
pub struct Faults(Arc<AtomicU64>);

const UNLIMITED: u64 = u64::MAX;

impl Default for Faults {
    fn default() -> Self {
        Self::none()
    }
}

impl Faults {
    /// Nothing fails.
    pub fn none() -> Self {
        Self(Arc::new(AtomicU64::new(UNLIMITED)))
    }

    /// From now on `operations` succeed; every later one fails.
    pub fn fail_after(&self, operations: u64) {
        self.0.store(operations, Ordering::SeqCst);
    }

    /// Counts one operation.
    ///
    /// # Errors
    /// When none is left.
    pub fn step(&self) -> io::Result<()> {
        let left = |left: u64| match left {
            UNLIMITED => Some(UNLIMITED),
            left => left.checked_sub(1),
        };
        match self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left) {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::other("the disk failed, as the test had it")),
        }
    }
}
