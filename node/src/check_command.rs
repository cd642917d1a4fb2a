//! `kvitto-node check`: audits the store of a stopped node, from its first record to its last.

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use kvitto_ledger::Genesis;
use kvitto_storage::{Read, Store, audit};

use crate::config::Config;
use crate::node::open_store_to_read;
use crate::shell::say;

/// Recomputes every root of the store from its records, and compares. Changes nothing: a damaged store stays where it is.
///
/// # Errors
/// What does not follow from what is stored, or that the store cannot be read.
pub fn run(config: &Config, genesis: &Genesis) -> Result<()> {
    let store = open_store_to_read(&config.data, genesis, config.store.cache_bytes())?;
    let reader = store.reader();
    let blocks = reader.committed().0 + 1;
    let style =
        ProgressStyle::with_template("{bar:40} {pos} of {len} blocks, {eta} left").context("progress bar")?;
    let progress = ProgressBar::new(blocks).with_style(style);
    audit::everything(&reader, &mut |height| progress.set_position(height.0))
        .context("the store is damaged")?;
    progress.finish_and_clear();
    say(&format!("{blocks} blocks are as they were written."))
}
