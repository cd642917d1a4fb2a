//! Opening a store: lock, ballast, database, HEAD, audit; and setting aside what is damaged (RULES 4.1 to 4.3).

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kvitto_ledger::execute::ExecutedBlock;
use kvitto_ledger::{Header, Height};

use super::shared::Shared;
use super::trees::{TreeName, Trees};
use super::{SledReader, SledStore, ballast, keys, write_block};
use crate::audit;
use crate::error::{Damage, StoreError};
use crate::faults::Faults;
use crate::files::OsDirectory;
use crate::head::{HEAD_FILE, HeadFile, Standing, standing};
use crate::store::{Head, Read, Store};

const DATABASE: &str = "sled";
const LOCK: &str = "lock";
const DAMAGED: &str = "damaged-";

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
    /// The highest HEAD of all that was ever set aside, if this store has not got that far again: until it has, the node signs
    /// nothing.
    pub lost: Option<Head>,
    /// There was no room even to open: the store takes no writes.
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
        fs::create_dir_all(directory).map_err(StoreError::failed("make the store's directory"))?;
        let lock = lock(directory)?;
        let mut disk_full = options.ballast_bytes > 0 && !ballast::lay_in(directory, options.ballast_bytes)?;
        let opening = Opening { directory, options, genesis, certificate_holds };
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
        let (shared, head_file, head) = opened?;
        let reader = SledReader::new(Arc::clone(&shared));
        let faults = options.faults.clone();
        let store = SledStore { shared, reader, head, head_file, faults, failed: disk_full, _lock: lock };
        let lost = highest_lost(directory)?.filter(|lost| lost.height > store.head().height);
        Ok(Opened { store, set_aside, lost, disk_full })
    }
}

type Parts = (Arc<Shared>, HeadFile<OsDirectory>, Head);

struct Opening<'a> {
    directory: &'a Path,
    options: &'a Options,
    genesis: &'a ExecutedBlock,
    certificate_holds: &'a dyn Fn(&Header, &[u8]) -> bool,
}

impl Opening<'_> {
    /// Opens database and HEAD, and brings them together.
    fn parts(&self) -> Result<Parts, StoreError> {
        let files = OsDirectory::open(self.directory, self.options.faults.clone())
            .map_err(StoreError::failed("open the store's directory"))?;
        let (mut head_file, found) = HeadFile::open(files)?;
        let trees = Trees::open(&self.directory.join(DATABASE), self.options.cache_bytes)?;
        let shared = match Shared::open(trees.clone())? {
            Some(shared) => shared,
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
            head_file.write(&head)?;
        }
        Ok((shared, head_file, head))
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
        for tree in [
            TreeName::Identifiers,
            TreeName::Registrants,
            TreeName::Accreditations,
            TreeName::Children,
            TreeName::Usage,
            TreeName::StatusChunks,
            TreeName::StatusNodes,
            TreeName::StatusLeaves,
        ] {
            shared.trees.scan(tree, ..).try_for_each(|row| row.map(drop))?;
        }
        audit::newest_blocks(&reader, self.options.audit_blocks)
    }
}

fn lock(directory: &Path) -> Result<File, StoreError> {
    let file = File::create(directory.join(LOCK)).map_err(StoreError::failed("make the lock file"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse),
        Err(TryLockError::Error(source)) => Err(StoreError::Failed { operation: "lock the store", source }),
    }
}

fn is_storage_full(error: &StoreError) -> bool {
    matches!(error, StoreError::Failed { source, .. } if source.kind() == io::ErrorKind::StorageFull)
}

/// Moves database and HEAD into the first free `damaged-<n>`.
fn set_aside_in(directory: &Path) -> io::Result<PathBuf> {
    let free =
        (1_u32..).map(|number| directory.join(format!("{DAMAGED}{number}"))).find(|path| !path.exists());
    let path = free.expect("a directory has fewer than 2^32 entries");
    fs::create_dir(&path)?;
    for name in [DATABASE, HEAD_FILE] {
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
        if !entry.file_name().to_string_lossy().starts_with(DAMAGED) {
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
