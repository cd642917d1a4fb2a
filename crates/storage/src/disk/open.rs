//! Opening a store: lock, ballast, database, HEAD, audit; and setting aside what is damaged (RULES 4.1 to 4.3).

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kvitto_ledger::execute::ExecutedBlock;
use kvitto_ledger::{Header, Height};

use super::checkpoint::{CHECKPOINT_FILE, CheckpointFile};
use super::shared::Shared;
use super::trees::{TreeName, Trees};
use super::{SledReader, SledStore, ballast, keys, write_block};
use crate::audit;
use crate::error::{Damage, StoreError};
use crate::faults::Faults;
use crate::files::{Lock, OsDirectory, make_directory};
use crate::head::{HEAD_FILE, HeadFile, Standing, standing};
use crate::store::{Head, Read};

pub(super) const DATABASE: &str = "sled";
/// sled's own name for the file that holds everything.
const DATABASE_FILE: &str = "db";
pub(super) const DAMAGED: &str = "damaged-";

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// What sled may keep in memory, in bytes. It counts only part of what it takes.
    pub cache_bytes: u64,
    /// Room that is kept for opening on a full disk, in bytes; 0 for none.
    pub ballast_bytes: u64,
    /// How many of the newest blocks are hashed again before the store is used.
    pub audit_blocks: u64,
    /// Lets operations fail, in tests.
    pub faults: Faults,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes: 64 * 1024 * 1024,
            ballast_bytes: 64 * 1024 * 1024,
            audit_blocks: 1_000,
            faults: Faults::none(),
        }
    }
}

/// An open store, and what happened on the way.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: SledStore,
    /// What was found damaged now; the store is then a new one, and the node must fetch the blocks from its peers.
    pub set_aside: Option<SetAside>,
    /// The highest HEAD of all that was ever set aside. Until this store has got that far again, the node must sign nothing.
    pub lost: Option<Head>,
    /// There is no room for the ballast, or none beside it: the store takes no writes until it is opened again with more.
    pub disk_full: bool,
}

/// A damaged database, kept for salvage.
#[derive(Debug)]
pub struct SetAside {
    /// What was wrong.
    pub damage: Damage,
    /// Where it is now.
    pub path: PathBuf,
}

impl SledStore {
    /// Opens the store in `directory`; an empty one is begun with block 0, `genesis`. `certificate_holds` is asked only about a
    /// block that was stored but not acknowledged (RULES 4.1).
    ///
    /// A damaged database is set aside together with its HEAD, and a new one begun: that is no error, see [`Opened`].
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::OtherLedger`], [`StoreError::Failed`].
    pub fn open(
        directory: &Path,
        options: &Options,
        genesis: &ExecutedBlock,
        certificate_holds: &dyn Fn(&Header, &[u8]) -> bool,
    ) -> Result<Opened, StoreError> {
        make_directory(directory).map_err(StoreError::failed("make the store's directory"))?;
        let lock = Lock::take(directory)?;
        let mut disk_full = options.ballast_bytes > 0 && !ballast::lay_in(directory, options.ballast_bytes)?;
        let opening = Opening { directory, options, genesis, certificate_holds, access: Access::Write };
        let mut set_aside = None;
        let mut opened = opening.parts();
        if opened.as_ref().is_err_and(is_storage_full) {
            disk_full = true;
            ballast::throw_out(directory)?;
            opened = opening.parts();
        }
        if let Err(StoreError::Damaged(damage)) = opened {
            let path =
                set_aside_in(directory).map_err(StoreError::failed("set the damaged database aside"))?;
            set_aside = Some(SetAside { damage, path });
            opened = opening.parts();
        }
        let store = opening.store(opened?, lock, disk_full);
        Ok(Opened { store, set_aside, lost: highest_lost(directory)?, disk_full })
    }

    /// Opens a store that takes no writes, and changes nothing beyond what sled itself does when it opens: damage is an error,
    /// nothing is set aside or begun, and HEAD stays as it is.
    ///
    /// # Errors
    /// [`StoreError::Damaged`]; those of [`SledStore::open`]; [`StoreError::Failed`] also where there is no store.
    pub fn open_to_read(
        directory: &Path,
        options: &Options,
        genesis: &ExecutedBlock,
        certificate_holds: &dyn Fn(&Header, &[u8]) -> bool,
    ) -> Result<Self, StoreError> {
        fs::metadata(directory).map_err(StoreError::failed("find the store's directory"))?;
        let lock = Lock::take(directory)?;
        let opening = Opening { directory, options, genesis, certificate_holds, access: Access::Read };
        Ok(opening.store(opening.parts()?, lock, true))
    }
}

type Parts = (Arc<Shared>, HeadFile<OsDirectory>, CheckpointFile<OsDirectory>, Head);

struct Opening<'a> {
    directory: &'a Path,
    options: &'a Options,
    genesis: &'a ExecutedBlock,
    certificate_holds: &'a dyn Fn(&Header, &[u8]) -> bool,
    access: Access,
}

/// Whether opening may begin a store and roll its HEAD forward.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

impl Opening<'_> {
    /// Opens database, HEAD and checkpoint, and brings them together.
    fn parts(&self) -> Result<Parts, StoreError> {
        let (mut head_file, found) = HeadFile::open(self.files()?)?;
        let (checkpoint_file, published) = CheckpointFile::open(self.files()?)?;
        if self.access == Access::Read {
            self.check_there(found)?;
        }
        let trees = Trees::open(&self.directory.join(DATABASE), self.options.cache_bytes)?;
        let shared = match Shared::open(trees.clone())? {
            Some(shared) => shared,
            None if self.access == Access::Read => return Err(Damage::missing("block", Height(0)).into()),
            None => self.begin(trees, found)?,
        };
        let shared = Arc::new(shared);
        if shared.block(Height(0))?.map(|(header, _)| header.id()) != Some(self.genesis.id) {
            return Err(StoreError::OtherLedger);
        }
        let newest = shared.newest().tip.header.clone();
        let head = Head::after(&newest);
        let standing = standing(found.as_ref(), &head)?;
        self.audit(&shared)?;
        if standing == Standing::OneAhead {
            self.check_certificate(&shared, &newest)?;
            if self.access == Access::Write {
                head_file.write(&head)?;
            }
        }
        if let Some(published) = published {
            if published.height > head.height {
                return Err(Damage::BehindHead { head: published.height, store: head.height }.into());
            }
            shared.newest_mut().published = Some(published);
        }
        Ok((shared, head_file, checkpoint_file, head))
    }

    fn files(&self) -> Result<OsDirectory, StoreError> {
        OsDirectory::open(self.directory, self.options.faults.clone())
            .map_err(StoreError::failed("open the store's directory"))
    }

    fn store(
        &self,
        (shared, head_file, checkpoint_file, head): Parts,
        lock: Lock,
        failed: bool,
    ) -> SledStore {
        let reader = SledReader::new(Arc::clone(&shared));
        let faults = self.options.faults.clone();
        SledStore { shared, reader, head, head_file, checkpoint_file, faults, failed, _lock: lock }
    }

    /// sled would begin a database where there is none.
    fn check_there(&self, found: Option<Head>) -> Result<(), StoreError> {
        let missing = fs::metadata(self.directory.join(DATABASE).join(DATABASE_FILE)).err();
        match (missing, found) {
            (None, _) => Ok(()),
            (Some(_), Some(head)) => Err(Damage::Empty { head: head.height }.into()),
            (Some(source), None) => Err(StoreError::Failed { operation: "find the database", source }),
        }
    }

    /// Writes block 0 into an empty database.
    fn begin(&self, trees: Trees, found: Option<Head>) -> Result<Shared, StoreError> {
        if let Some(head) = found {
            return Err(Damage::Empty { head: head.height }.into());
        }
        let shared = Shared::begin(trees, self.genesis.tip.clone());
        write_block(&shared, &self.options.faults, self.genesis, &[])?;
        Ok(shared)
    }

    fn check_certificate(&self, shared: &Shared, newest: &Header) -> Result<(), StoreError> {
        let certificate = shared.trees.blob(TreeName::Certificates, &keys::height(newest.height))?;
        let holds = newest.height == Height(0)
            || certificate.is_some_and(|certificate| (self.certificate_holds)(newest, &certificate));
        if holds {
            Ok(())
        } else {
            Err(Damage::Mismatch { what: "certificate", height: newest.height }.into())
        }
    }

    /// What must be in order before the store is used: the tip, the rows of the state, the newest blocks.
    fn audit(&self, shared: &Arc<Shared>) -> Result<(), StoreError> {
        let tip = shared.newest().tip.clone();
        let stored = shared.block(tip.height())?;
        let agrees = stored == Some((tip.header.clone(), tip.positions))
            && tip.header.id() == tip.header_id
            && tip.frontier.size() == tip.header.tree_size
            && tip.frontier.root() == tip.header.log_root;
        if !agrees {
            return Err(Damage::Mismatch { what: "tip", height: tip.height() }.into());
        }
        let reader = SledReader::new(Arc::clone(shared));
        for node in tip.frontier.nodes() {
            if reader.log_node(node.level, node.index)? != Some(node.hash) {
                return Err(Damage::Mismatch { what: "right edge", height: tip.height() }.into());
            }
        }
        shared.sums().check(&shared.trees)?;
        audit::newest_blocks(&reader, self.options.audit_blocks)
    }
}

fn is_storage_full(error: &StoreError) -> bool {
    matches!(error, StoreError::Failed { source, .. } if source.kind() == io::ErrorKind::StorageFull)
}

/// Moves database, HEAD and checkpoint into the first free `damaged-<n>`.
fn set_aside_in(directory: &Path) -> io::Result<PathBuf> {
    let free =
        (1_u32..).map(|number| directory.join(format!("{DAMAGED}{number}"))).find(|path| !path.exists());
    let path = free.expect("a directory has fewer than 2^32 entries");
    fs::create_dir(&path)?;
    for name in [DATABASE, HEAD_FILE, CHECKPOINT_FILE] {
        match fs::rename(directory.join(name), path.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    File::open(&path)?.sync_all()?;
    File::open(directory)?.sync_all()?;
    Ok(path)
}

/// The highest HEAD that can still be read among everything that was set aside.
fn highest_lost(directory: &Path) -> Result<Option<Head>, StoreError> {
    let failed = "look for databases that were set aside";
    let mut highest: Option<Head> = None;
    for entry in fs::read_dir(directory).map_err(StoreError::failed(failed))? {
        let entry = entry.map_err(StoreError::failed(failed))?;
        let is_directory = entry.file_type().map_err(StoreError::failed(failed))?.is_dir();
        if !is_directory || !entry.file_name().to_string_lossy().starts_with(DAMAGED) {
            continue;
        }
        let files = OsDirectory::open(&entry.path(), Faults::none()).map_err(StoreError::failed(failed))?;
        if let Ok((_, Some(head))) = HeadFile::open(files)
            && highest.is_none_or(|highest| head.height > highest.height)
        {
            highest = Some(head);
        }
    }
    Ok(highest)
}
