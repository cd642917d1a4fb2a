//! The database's trees, and the only place that calls sled: its errors are told apart here, and its panics caught.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::RangeBounds;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use sled::transaction::{ConflictableTransactionError, TransactionError, Transactional};
use sled::{Batch, IVec};

use super::rows::{Rows, check_crc, opened, payload};
use crate::error::{Damage, FirstFailure, StoreError};

macro_rules! trees {
    ($($(#[$meta:meta])* $variant:ident = $name:literal),* $(,)?) => {
        /// One tree per kind of key.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum TreeName { $($(#[$meta])* $variant),* }

        impl TreeName {
            pub(super) const ALL: &'static [Self] = &[$(Self::$variant),*];

            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

trees! {
    /// The tip, the sums over rows, the manifests of the indexes.
    Meta = "meta",
    /// height: header, positions.
    Blocks = "block",
    /// tile level, index / 128: up to 128 hashes, without checksum.
    Tiles = "tile",
    /// first leaf, part: height, leaves.
    Leaves = "page of leaves",
    /// height, part: encoded body.
    Bodies = "body",
    /// height, part: certificate.
    Certificates = "certificate",
    /// position / 1024, part: owner, kind, leaf of each.
    Places = "page of places",
    /// index, height: chunk.
    StatusChunks = "status chunk",
    /// level, index, height: hash.
    StatusNodes = "status node",
    /// position, height: leaf.
    StatusLeaves = "status record",
    /// identifier, height, part: organisation.
    Identifiers = "identifier",
    /// number: identifier.
    Registrants = "registrant",
    /// identifier, id, height, part: accreditation.
    Accreditations = "accreditation",
    /// parent's identifier and id, child's identifier and id: nothing.
    Children = "child",
    /// number: usage.
    Usage = "usage",
    /// height, index / 128, part: outcomes of statements.
    Outcomes = "page of outcomes",
    /// index, run, page: entries.
    Runs = "page of a run",
}

/// The open database.
#[derive(Clone, Debug)]
pub(super) struct Trees {
    db: sled::Db,
    trees: Vec<sled::Tree>,
    /// What is synced after sled's own flush. Kept open, so that no error of the kernel's writing goes to another handle.
    synced: Arc<[File; 2]>,
    /// Of reading; a failed write ends the process.
    pub(super) failure: FirstFailure,
}

impl Trees {
    /// Opens the database at `path`, which is created where it is missing. A second handle in one process is refused by sled.
    pub(super) fn open(path: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        remove_unfinished(path).map_err(StoreError::failed("clean up the database's directory"))?;
        let config = sled::Config::new()
            .path(path)
            .cache_capacity(cache_bytes)
            .flush_every_ms(None)
            .mode(sled::Mode::HighThroughput);
        let (db, trees) = guarded("open the database", || {
            let db = config.open()?;
            let trees =
                TreeName::ALL.iter().map(|tree| db.open_tree(tree.name())).collect::<Result<_, _>>()?;
            Ok((db, trees))
        })?;
        let failed = "sync the database's directory";
        let handles = File::open(path.join("db")).and_then(|file| Ok([file, File::open(path)?]));
        let synced = Arc::new(handles.map_err(StoreError::failed(failed))?);
        let trees = Self { db, trees, synced, failure: FirstFailure::default() };
        trees.sync()?;
        sync_beside(path).map_err(StoreError::failed(failed))?;
        Ok(trees)
    }

    fn tree(&self, tree: TreeName) -> &sled::Tree {
        &self.trees[tree as usize]
    }

    /// The bytes under a key, without looking at a checksum.
    pub(super) fn raw(&self, tree: TreeName, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        self.failure.note(guarded("read the database", || self.tree(tree).get(key)))
    }

    /// The payload under a key.
    pub(super) fn row(&self, tree: TreeName, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        self.failure.note(self.raw(tree, key)?.map(|value| opened(tree, key, value)).transpose())
    }

    /// The last key of the range, with its payload.
    pub(super) fn last(
        &self,
        tree: TreeName,
        range: impl RangeBounds<Vec<u8>>,
    ) -> Result<Option<(IVec, IVec)>, StoreError> {
        let found = guarded("read the database", || self.tree(tree).range(range).next_back().transpose());
        let row = |(key, value): (IVec, IVec)| Ok((key.clone(), opened(tree, &key, value)?));
        self.failure.note(found.and_then(|found| found.map(row).transpose()))
    }

    /// The rows of the range in order.
    pub(super) fn scan(
        &self,
        tree: TreeName,
        range: impl RangeBounds<Vec<u8>>,
    ) -> impl Iterator<Item = Result<(IVec, IVec), StoreError>> {
        self.scan_values(tree, range).map(|row| row.map(|(key, value)| (key, payload(&value))))
    }

    /// The same, with their checksums, which hold.
    pub(super) fn scan_values(
        &self,
        tree: TreeName,
        range: impl RangeBounds<Vec<u8>>,
    ) -> impl Iterator<Item = Result<(IVec, IVec), StoreError>> {
        let mut rows = self.tree(tree).range(range);
        std::iter::from_fn(move || guarded("read the database", || rows.next().transpose()).transpose()).map(
            move |row| {
                let checked = row.and_then(|(key, value)| {
                    check_crc(tree, &key, &value)?;
                    Ok((key, value))
                });
                self.failure.note(checked)
            },
        )
    }

    /// Writes all rows in one transaction. They are durable after [`Trees::sync`].
    pub(super) fn write(&self, rows: Rows) -> Result<(), StoreError> {
        let mut batches: BTreeMap<TreeName, Batch> = BTreeMap::new();
        for ((tree, key), value) in rows.into_changes() {
            let batch = batches.entry(tree).or_default();
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        let trees: Vec<&sled::Tree> = batches.keys().map(|tree| self.tree(*tree)).collect();
        guarded("write to the database", || {
            let result = trees.as_slice().transaction(|views| {
                for (view, batch) in views.iter().zip(batches.values()) {
                    view.apply_batch(batch)?;
                }
                Ok::<_, ConflictableTransactionError<()>>(())
            });
            result.map_err(|error| match error {
                TransactionError::Storage(error) => error,
                TransactionError::Abort(()) => unreachable!("the transaction never aborts itself"),
            })
        })
    }

    /// Makes what was written durable. sled's own flush hands the bytes to the kernel only.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        guarded("flush the database", || self.db.flush())?;
        self.synced.iter().try_for_each(File::sync_all).map_err(StoreError::failed("sync the database"))
    }
}

/// Makes the other files durable that sled creates when it opens.
fn sync_beside(path: &Path) -> io::Result<()> {
    let beside = [path.join("conf"), path.join("blobs")];
    let parent = path.parent().map(Path::to_owned);
    let existing = beside.into_iter().chain(parent).filter(|path| path.exists());
    existing.map(File::open).try_for_each(|file| file?.sync_all())
}

/// A crash while sled writes a snapshot leaves a partial file that it would read as the newest snapshot; one while it begins a
/// database, a partial `conf` before there is a `db`, which it would call corrupted for ever.
fn remove_unfinished(path: &Path) -> io::Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let conf = path.join("conf");
    if conf.exists() && !path.join("db").exists() {
        std::fs::remove_file(conf)?;
    }
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Calls sled; a panic in it is damage.
fn guarded<T>(operation: &'static str, call: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Io(source))) if !is_about_contents(&source) => {
            Err(StoreError::Failed { operation, source })
        }
        Ok(Err(error)) => Err(Damage::Reported(error.to_string()).into()),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word");
            Err(Damage::Panicked(text.to_owned()).into())
        }
    }
}

/// Whether an I/O error says that the bytes are wrong, rather than that they could not be had.
fn is_about_contents(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData)
}
