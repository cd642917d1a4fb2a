//! The rows of a block.

use std::collections::BTreeMap;

use kvitto_ledger::codec::encode;
use kvitto_ledger::execute::ExecutedBlock;
use kvitto_ledger::state::Changes;
use kvitto_ledger::{Height, Position};
use serde::{Deserialize, Serialize};

use super::index_keys::{anchor_key, statement_key};
use super::keys;
use super::outcomes::{self, OutcomePlace};
use super::places::{self, PlacePage};
use super::rows::Rows;
use super::runs::Entry;
use super::trees::{TreeName, Trees};
use super::{leaves, tiles};
use crate::error::StoreError;

/// What is kept of a block besides its parts: the encoded header, and the number of positions after it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct BlockRow(pub(super) serde_bytes::ByteBuf, pub(super) u64);

/// The longest [`BlockRow`] or tip: a header, 62 hashes and some numbers.
pub(super) const BLOCK_ROW_BYTES_MAX: usize = 4_096;

/// The block's rows, those of the indexes excepted. What exists already at right edges is read from `trees`.
pub(super) fn rows_of(trees: &Trees, block: &ExecutedBlock, certificate: &[u8]) -> Result<Rows, StoreError> {
    let height = block.header.height;
    let mut rows = Rows::default();
    let row = BlockRow(serde_bytes::ByteBuf::from(block.header.encode()), block.tip.positions);
    rows.put(TreeName::Blocks, keys::height(height), &encode(&row));
    rows.put(TreeName::Meta, keys::TIP.to_vec(), &encode(&block.tip));
    rows.put_blob(TreeName::Bodies, &keys::height(height), &block.body.encode());
    rows.put_blob(TreeName::Certificates, &keys::height(height), certificate);
    leaves::put_pages(&mut rows, height, block.first_leaf().0, &block.leaves);
    tiles::put_nodes(trees, &mut rows, &block.log_nodes)?;
    outcomes::put_pages(&mut rows, height, block.changes.outcomes.iter());
    put_places(trees, &mut rows, &block.changes)?;
    put_status(&mut rows, block);
    put_organisations(&mut rows, height, &block.changes);
    Ok(rows)
}

/// The block's entries in the index of commitments.
pub(super) fn anchor_entries(changes: &Changes) -> Vec<Entry> {
    changes.anchors.iter().map(|((issuer, key), position)| (anchor_key(*issuer, key), position.0)).collect()
}

/// The block's entries in the index of statements.
pub(super) fn statement_entries(changes: &Changes) -> Vec<Entry> {
    let place = |height, index| OutcomePlace { height, index }.to_number();
    changes.outcomes.iter().map(|(id, found)| (statement_key(id), place(found.height, found.index))).collect()
}

fn put_places(trees: &Trees, rows: &mut Rows, changes: &Changes) -> Result<(), StoreError> {
    let mut pages: BTreeMap<u64, PlacePage> = BTreeMap::new();
    for (position, place) in &changes.places {
        let index = places::page_of(*position);
        if let std::collections::btree_map::Entry::Vacant(vacant) = pages.entry(index) {
            vacant.insert(PlacePage::read(trees, index)?);
        }
        pages.get_mut(&index).expect("just read").set(*position, place);
    }
    for (index, page) in &pages {
        // A page seldom needs more parts than before; where it needs fewer, the old ones would stay.
        trees.remove_blob(TreeName::Places, &keys::number(*index), rows)?;
        rows.put_blob(TreeName::Places, &keys::number(*index), page.bytes());
    }
    Ok(())
}

fn put_status(rows: &mut Rows, block: &ExecutedBlock) {
    let height = block.header.height;
    for (index, chunk) in &block.changes.chunks {
        rows.put(TreeName::StatusChunks, keys::status_chunk(*index, height), chunk.as_bytes());
    }
    for node in &block.status_nodes {
        rows.put(TreeName::StatusNodes, keys::status_node(node.level, node.index, height), &node.hash.0);
    }
    for (position, leaf) in &block.changes.status_leaves {
        let position: Position = *position;
        rows.put(TreeName::StatusLeaves, keys::status_leaf(position, height), &leaf.0.to_be_bytes());
    }
}

fn put_organisations(rows: &mut Rows, height: Height, changes: &Changes) {
    for (did, identifier) in &changes.identifiers {
        rows.put_blob(TreeName::Identifiers, &keys::identifier(did, height), &encode(identifier));
        rows.put(TreeName::Registrants, identifier.number.0.to_be_bytes().to_vec(), did.as_bytes());
    }
    for (key, accreditation) in &changes.accreditations {
        rows.put_blob(TreeName::Accreditations, &keys::accreditation(key, height), &encode(accreditation));
        if let Some(parent) = accreditation.parent_key() {
            rows.put(TreeName::Children, keys::child(&parent, key), &[]);
        }
    }
    for (number, usage) in &changes.usage {
        rows.put(TreeName::Usage, number.0.to_be_bytes().to_vec(), &encode(usage));
    }
}
