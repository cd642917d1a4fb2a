//! `kvitto-node salvage`: takes back blocks from databases that were set aside as damaged, as far as they verify (RULES 4.2).
//!
//! For a ledger whose members have all lost blocks: otherwise the others have them, and a node fetches them by itself. Nothing in
//! a damaged database is trusted: each block needs the certificate of a quorum and executes anew, and the first that does not
//! ends the salvage.

use std::sync::Arc;

use anyhow::{Result, ensure};
use kvitto_ledger::execute::{execute, signer_key};
use kvitto_ledger::{BlockBody, Checked, Envelope, Genesis, Height, ReadState};
use kvitto_replica::is_certified;
use kvitto_storage::disk::{KeptBlock, KeptBlocks, set_aside};
use kvitto_storage::{SledStore, Store};

use crate::config::Config;
use crate::node::open_store;
use crate::shell::say;

/// Brings blocks from everything that was set aside into the store of a stopped node, and says how far it got.
///
/// # Errors
/// When nothing was set aside, or the store cannot be written.
pub fn run(config: &Config, genesis: &Genesis) -> Result<()> {
    let opened = open_store(&config.data, genesis, config.store.cache_bytes(), config.store.ballast_bytes())?;
    ensure!(!opened.disk_full, "the disk is full; free some space and start again");
    let mut store = opened.store;
    let kept = set_aside(&config.data)?;
    ensure!(!kept.is_empty(), "nothing was set aside in {}", config.data.display());
    for path in &kept {
        let before = store.head().height;
        let end = match KeptBlocks::open(path, config.store.cache_bytes()) {
            Ok(blocks) => take_blocks(&blocks, &mut store, genesis)?,
            Err(error) => format!("{:#}", anyhow::Error::new(error)),
        };
        let taken = store.head().height.0 - before.0;
        say(&format!("{}: {taken} blocks taken; {end}", path.display()))?;
    }
    conclude(store.head().height, opened.lost.map(|lost| lost.height))
}

/// Takes blocks until the first that is missing or does not verify; says which, and why.
fn take_blocks(blocks: &KeptBlocks, store: &mut SledStore, genesis: &Genesis) -> Result<String> {
    loop {
        let height = store.head().height.next();
        let block = match blocks.block(height) {
            Ok(Some(block)) => block,
            Ok(None) => return Ok(format!("there is no block {height}")),
            Err(error) => {
                return Ok(format!("block {height} cannot be read: {:#}", anyhow::Error::new(error)));
            }
        };
        if let Err(error) = take(&block, store, genesis) {
            // After a failed write there is no going on; anything else is about the block.
            ensure!(store.is_writable(), error);
            return Ok(format!("block {height} does not verify: {error:#}"));
        }
    }
}

/// Commits a block that a quorum has decided and that executes here to the same header.
fn take(block: &KeptBlock, store: &mut SledStore, genesis: &Genesis) -> Result<()> {
    ensure!(
        is_certified(genesis, &block.header, &block.certificate),
        "its certificate is not that of a quorum"
    );
    let body = BlockBody::decode(&block.body)?;
    let check = |bytes| check_statement(bytes, genesis, store);
    let statements: Vec<Checked> = body.0.into_iter().map(check).collect::<Result<_>>()?;
    let executed = execute(store, &genesis.config, &block.header, &statements)??;
    Ok(store.commit(&executed, &block.certificate)?)
}

/// A statement whose signature is by the key that the state names for it.
fn check_statement(bytes: Arc<[u8]>, genesis: &Genesis, state: &impl ReadState) -> Result<Checked> {
    let envelope = Envelope::decode(bytes, &genesis.ledger_id())?;
    let key = signer_key(state, &envelope.key_id(), envelope.statement().body.kind())??;
    Ok(envelope.verify(&key)?)
}

fn conclude(reached: Height, lost: Option<Height>) -> Result<()> {
    say(&format!("The store now ends with block {reached}."))?;
    match lost.filter(|lost| *lost > reached) {
        None => say("Nothing that was acknowledged here is missing. Start the node."),
        Some(lost) => say(&format!(
            "Block {lost} had been acknowledged. Salvage at the other members, too; then start all: those that got less far\n\
             fetch the rest, and this member signs nothing until it has block {lost} again."
        )),
    }
}
