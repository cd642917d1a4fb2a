//! `kvitto-node check`: audits the store of a stopped node, from its first record to its last.

use anyhow::{Context, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use kvitto_ledger::Genesis;
use kvitto_storage::{Read, Store, audit};

use crate::config::Config;
use crate::node::open_store;

/// Recomputes every root of the store from its records, and compares.
///
/// # Errors
/// What does not follow from what is stored, or that the store cannot be read.
pub fn run(config: &Config, genesis: &Genesis) -> Result<()> {
    let opened = open_store(&config.data, genesis, config.store.cache_bytes(), 0)?;
    if let Some(set_aside) = &opened.set_aside {
        println!("The store was damaged ({}) and is kept in {}.", set_aside.damage, set_aside.path.display());
    }
    ensure!(opened.set_aside.is_none(), "the store was damaged; start the node to fetch everything again");
    let reader = opened.store.reader();
    let blocks = reader.committed().0 + 1;
    let style =
        ProgressStyle::with_template("{bar:40} {pos} of {len} blocks, {eta} left").context("progress bar")?;
    let progress = ProgressBar::new(blocks).with_style(style);
    audit::everything(&reader, &mut |height| progress.set_position(height.0))
        .context("the store is damaged")?;
    progress.finish_and_clear();
    println!("{blocks} blocks are as they were written.");
    Ok(())
}
