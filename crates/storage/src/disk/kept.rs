//! Databases that were set aside: their blocks, as far as they can still be read. Nothing in them is trusted.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kvitto_ledger::{Header, Height};

use super::keys;
use super::open::{DAMAGED, DATABASE};
use super::shared::block;
use super::trees::{TreeName, Trees};
use crate::error::StoreError;

/// Where copies are read; never the originals, because sled writes when it opens.
const SCRATCH: &str = "salvage";

/// A block as it is found: the header can be read, nothing was checked.
#[derive(Clone, Debug)]
pub struct KeptBlock {
    /// Its header.
    pub header: Header,
    /// Its body, encoded.
    pub body: Vec<u8>,
    /// Its certificate, encoded.
    pub certificate: Vec<u8>,
}

/// A copy of a database that was set aside. It goes when this is dropped.
#[derive(Debug)]
pub struct KeptBlocks {
    trees: Option<Trees>,
    scratch: PathBuf,
}

/// The folders of everything that was set aside in a store's directory, oldest first.
///
/// # Errors
/// When the directory cannot be read.
pub fn set_aside(directory: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let failed = "look for databases that were set aside";
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(StoreError::failed(failed))? {
        let entry = entry.map_err(StoreError::failed(failed))?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(DAMAGED)?.parse::<u32>().ok());
        found.extend(number.map(|number| (number, entry.path())));
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

impl KeptBlocks {
    /// Copies the database in `kept`, one of [`set_aside`], and opens the copy. The store must be open, so that nobody else does.
    ///
    /// # Errors
    /// When it cannot be copied, or nothing in it can be read.
    pub fn open(kept: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        let scratch = kept.with_file_name(SCRATCH);
        let copied = remove(&scratch).and_then(|()| copy(&kept.join(DATABASE), &scratch));
        let mut blocks = Self { trees: None, scratch };
        copied.map_err(StoreError::failed("copy a database that was set aside"))?;
        blocks.trees = Some(Trees::open(&blocks.scratch, cache_bytes)?);
        Ok(blocks)
    }

    /// The block at `height`, if all of it is there.
    ///
    /// # Errors
    /// When a part of it is not as it was written.
    pub fn block(&self, height: Height) -> Result<Option<KeptBlock>, StoreError> {
        let Some(trees) = &self.trees else { return Ok(None) };
        let key = keys::height(height);
        let Some((header, _)) = block(trees, height)? else { return Ok(None) };
        let Some(body) = trees.blob(TreeName::Bodies, &key)? else { return Ok(None) };
        let Some(certificate) = trees.blob(TreeName::Certificates, &key)? else { return Ok(None) };
        Ok(Some(KeptBlock { header, body, certificate }))
    }
}

impl Drop for KeptBlocks {
    fn drop(&mut self) {
        // sled writes when it closes, so first it.
        self.trees = None;
        // What stays is removed by the next attempt.
        let _ = remove(&self.scratch);
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
