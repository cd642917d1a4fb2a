//! Reading the database, as of any height.

use std::ops::{Bound, Range};
use std::sync::Arc;

use kvitto_ledger::codec::decode_strict;
use kvitto_ledger::ids::{AccreditationId, Commitment, RegistrantNumber};
use kvitto_ledger::state::{
    Accreditation, AccreditationKey, Identifier, Outcome, Place, PlaceContent, Usage,
};
use kvitto_ledger::{Did, Header, Height, LeafIndex, Position, Record, RecordBody, StatementId, TimeMs, Tip};
use kvitto_merkle::Hash;
use kvitto_merkle::status::Chunk;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::index_keys::{anchor_key, statement_key};
use super::keys::{self, PLACES_PER_PAGE};
use super::leaves::{self, LeafPage};
use super::outcomes::{self, OutcomePlace};
use super::places::PlacePage;
use super::shared::Shared;
use super::trees::TreeName;
use crate::error::{Damage, FirstFailure, StoreError};
use crate::read_state::{Newest, impl_read_state};
use crate::store::{Published, Read};

/// Organisations and accreditations are bounded by the statements that they come from.
const VALUE_BYTES_MAX: usize = 1024 * 1024;

/// A reader of a [`SledStore`](super::SledStore).
#[derive(Clone, Debug)]
pub struct SledReader(Arc<Shared>);

impl_read_state!(SledReader, |reader| reader);

impl SledReader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// What went wrong first in reading this store, whoever read.
    pub fn failure(&self) -> FirstFailure {
        self.0.trees.failure.clone()
    }

    /// What every committed block has. sled can lose rows over one flipped bit without a word: that it is not there is damage.
    fn blob_of_block(&self, tree: TreeName, height: Height) -> Result<Option<Vec<u8>>, StoreError> {
        if height > self.committed() {
            return Ok(None);
        }
        let trees = &self.0.trees;
        let blob = trees.blob(tree, &keys::height(height))?;
        trees.failure.note(blob.map(Some).ok_or_else(|| Damage::missing(tree.name(), height).into()))
    }

    fn tip<T>(&self, part: impl FnOnce(&Tip) -> T) -> T {
        part(&self.0.newest().tip)
    }

    pub(super) fn check(&self, at: Height) -> Result<(), StoreError> {
        let committed = self.committed();
        if at <= committed { Ok(()) } else { Err(StoreError::NotCommitted { asked: at, committed }) }
    }

    /// The block's header and the number of positions after it; it must be committed.
    fn block(&self, at: Height) -> Result<(Header, u64), StoreError> {
        let newest = self.tip(|tip| (tip.height() == at).then(|| (tip.header.clone(), tip.positions)));
        if let Some(newest) = newest {
            return Ok(newest);
        }
        self.check(at)?;
        let block = self.0.block(at)?;
        block.ok_or_else(|| Damage::missing(TreeName::Blocks.name(), at).into())
    }

    /// The last block for which `holds`, which is true up to some block and false after it.
    fn last_block(&self, holds: impl Fn(&Header) -> bool) -> Result<Option<Height>, StoreError> {
        let (mut low, mut high) = (0, self.committed().0 + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            if holds(&self.block(Height(middle))?.0) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low.checked_sub(1).map(Height))
    }

    /// The newest version of what is stored under `key || height` as a row.
    fn version(
        &self,
        tree: TreeName,
        first: Vec<u8>,
        last: Vec<u8>,
    ) -> Result<Option<sled::IVec>, StoreError> {
        Ok(self.0.trees.last(tree, first..=last)?.map(|(_, payload)| payload))
    }

    /// The newest version of what is stored under `key || height` as a blob.
    fn blob_version<T: Serialize + DeserializeOwned>(
        &self,
        tree: TreeName,
        first: &[u8],
        last: &[u8],
    ) -> Result<Option<T>, StoreError> {
        let Some((key, bytes)) = self.0.trees.last_blob(tree, first, last)? else { return Ok(None) };
        let value = decode_strict(&bytes, VALUE_BYTES_MAX);
        value.map(Some).map_err(|_| Damage::unreadable(tree.name(), super::rows::hex(&key)).into())
    }

    fn shared_identifier(&self, at: Height, did: &Did) -> Result<Option<Arc<Identifier>>, StoreError> {
        if let Some(kept) = self.0.decoded().identifier(at, did) {
            return Ok(Some(kept));
        }
        self.check(at)?;
        let key = |height| keys::identifier(did, height);
        let read = self.blob_version(TreeName::Identifiers, &key(Height(0)), &key(at))?.map(Arc::new);
        if let Some(identifier) = &read {
            self.0.decoded().keep_identifier(at, identifier);
        }
        Ok(read)
    }

    fn shared_accreditation(
        &self,
        at: Height,
        key: &AccreditationKey,
    ) -> Result<Option<Arc<Accreditation>>, StoreError> {
        if let Some(kept) = self.0.decoded().accreditation(at, key) {
            return Ok(Some(kept));
        }
        self.check(at)?;
        let row = |height| keys::accreditation(key, height);
        let read = self.blob_version(TreeName::Accreditations, &row(Height(0)), &row(at))?.map(Arc::new);
        if let Some(accreditation) = &read {
            self.0.decoded().keep_accreditation(at, accreditation);
        }
        Ok(read)
    }

    fn leaf_page(&self, leaf: LeafIndex) -> Result<Option<LeafPage>, StoreError> {
        if leaf.0 >= self.tip(|tip| tip.header.tree_size) {
            return Ok(None);
        }
        let page = leaves::page_of(&self.0.trees, leaf)?;
        page.map(Some).ok_or_else(|| Damage::missing("leaf", leaf).into())
    }
}

impl Newest for SledReader {
    fn newest_tip(&self) -> Tip {
        self.tip(Tip::clone)
    }

    fn newest_usage(&self, registrant: RegistrantNumber) -> Result<Usage, StoreError> {
        let key = registrant.0.to_be_bytes();
        let Some(row) = self.0.trees.row(TreeName::Usage, &key)? else { return Ok(Usage::default()) };
        let unreadable = |_| Damage::unreadable(TreeName::Usage.name(), registrant);
        Ok(decode_strict(&row, VALUE_BYTES_MAX).map_err(unreadable)?)
    }

    fn newest_identifier(&self, did: &Did) -> Result<Option<Arc<Identifier>>, StoreError> {
        self.shared_identifier(self.committed(), did)
    }

    fn newest_accreditation(&self, key: &AccreditationKey) -> Result<Option<Arc<Accreditation>>, StoreError> {
        self.shared_accreditation(self.committed(), key)
    }
}

impl Read for SledReader {
    fn committed(&self) -> Height {
        self.tip(Tip::height)
    }

    fn published(&self) -> Option<Published> {
        self.0.newest().published.clone()
    }

    fn header(&self, height: Height) -> Result<Option<Header>, StoreError> {
        if height > self.committed() {
            return Ok(None);
        }
        Ok(Some(self.block(height)?.0))
    }

    fn positions_at(&self, at: Height) -> Result<u64, StoreError> {
        Ok(self.block(at)?.1)
    }

    fn height_of_leaf(&self, leaf: LeafIndex) -> Result<Option<Height>, StoreError> {
        Ok(self.leaf_page(leaf)?.map(|page| page.height))
    }

    fn height_at(&self, time: TimeMs) -> Result<Option<Height>, StoreError> {
        self.last_block(|header| header.time <= time)
    }

    fn height_of_size(&self, size: u64) -> Result<Option<Height>, StoreError> {
        self.last_block(|header| header.tree_size <= size)
    }

    fn leaf(&self, index: LeafIndex) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.leaf_page(index)?.and_then(|page| page.leaf(index).map(<[u8]>::to_vec)))
    }

    fn leaves(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let end = range.end.min(self.tip(|tip| tip.header.tree_size));
        let (mut leaves, mut bytes, mut next) = (Vec::new(), 0, range.start);
        while next < end {
            let page = self.leaf_page(LeafIndex(next))?.ok_or_else(|| Damage::missing("leaf", next))?;
            let skipped = (next - page.first) as usize;
            for leaf in page.leaves().skip(skipped).take((end - next) as usize) {
                bytes += leaf.len();
                if bytes > bytes_max && !leaves.is_empty() {
                    return Ok(leaves);
                }
                leaves.push(leaf.to_vec());
                next += 1;
            }
        }
        Ok(leaves)
    }

    fn body(&self, height: Height) -> Result<Option<Vec<u8>>, StoreError> {
        self.blob_of_block(TreeName::Bodies, height)
    }

    fn certificate(&self, height: Height) -> Result<Option<Vec<u8>>, StoreError> {
        self.blob_of_block(TreeName::Certificates, height)
    }

    fn log_node(&self, level: u8, index: u64) -> Result<Option<Hash>, StoreError> {
        let complete = self.tip(|tip| tip.header.tree_size).checked_shr(level.into()).unwrap_or(0);
        if index >= complete {
            return Ok(None);
        }
        let node = self.0.tiles.node(&self.0.trees, level, index)?;
        node.map(Some).ok_or_else(|| Damage::missing("log node", format!("{level}/{index}")).into())
    }

    fn status_chunk_at(&self, at: Height, index: u64) -> Result<Option<Chunk>, StoreError> {
        self.check(at)?;
        let key = |height| keys::status_chunk(index, height);
        let Some(row) = self.version(TreeName::StatusChunks, key(Height(0)), key(at))? else {
            return Ok(None);
        };
        let unreadable = |_| Damage::unreadable(TreeName::StatusChunks.name(), index);
        let chunk = Chunk::try_from(&row[..]).map_err(unreadable)?;
        Ok(Some(chunk).filter(|chunk| !chunk.is_zero()))
    }

    fn status_node_at(&self, at: Height, level: u8, index: u64) -> Result<Option<Hash>, StoreError> {
        self.check(at)?;
        let key = |height| keys::status_node(level, index, height);
        let Some(row) = self.version(TreeName::StatusNodes, key(Height(0)), key(at))? else {
            return Ok(None);
        };
        let unreadable = |_| Damage::unreadable(TreeName::StatusNodes.name(), format!("{level}/{index}"));
        Ok(Some(Hash(row[..].try_into().map_err(unreadable)?)))
    }

    fn status_leaf_at(&self, at: Height, position: Position) -> Result<Option<LeafIndex>, StoreError> {
        self.check(at)?;
        let key = |height| keys::status_leaf(position, height);
        let Some(row) = self.version(TreeName::StatusLeaves, key(Height(0)), key(at))? else {
            return Ok(None);
        };
        let unreadable = |_| Damage::unreadable(TreeName::StatusLeaves.name(), position);
        Ok(Some(LeafIndex(u64::from_be_bytes(row[..].try_into().map_err(unreadable)?))))
    }

    fn identifier_at(&self, at: Height, did: &Did) -> Result<Option<Identifier>, StoreError> {
        Ok(self.shared_identifier(at, did)?.map(Arc::unwrap_or_clone))
    }

    fn identifiers_at(
        &self,
        at: Height,
        after: Option<&Did>,
        limit: usize,
    ) -> Result<Vec<Identifier>, StoreError> {
        self.check(at)?;
        let mut found = Vec::new();
        let mut after = after.copied();
        while found.len() < limit {
            let from = after.map_or(Bound::Unbounded, |did| Bound::Excluded(past(did.as_bytes())));
            let next =
                self.0.trees.scan(TreeName::Identifiers, (from, Bound::Unbounded)).next().transpose()?;
            let Some((key, _)) = next else { break };
            let unreadable = || Damage::unreadable(TreeName::Identifiers.name(), super::rows::hex(&key));
            let did = Did::new(*key.first_chunk().ok_or_else(unreadable)?);
            found.extend(self.identifier_at(at, &did)?);
            after = Some(did);
        }
        Ok(found)
    }

    fn registrant_at(&self, at: Height, number: RegistrantNumber) -> Result<Option<Did>, StoreError> {
        let Some(row) = self.0.trees.row(TreeName::Registrants, &number.0.to_be_bytes())? else {
            return Ok(None);
        };
        let unreadable = |_| Damage::unreadable(TreeName::Registrants.name(), number);
        let did = Did::new(row[..].try_into().map_err(unreadable)?);
        Ok(self.identifier_at(at, &did)?.map(|identifier| identifier.did))
    }

    fn accreditation_at(
        &self,
        at: Height,
        key: &AccreditationKey,
    ) -> Result<Option<Accreditation>, StoreError> {
        Ok(self.shared_accreditation(at, key)?.map(Arc::unwrap_or_clone))
    }

    fn accreditations_at(&self, at: Height, subject: &Did) -> Result<Vec<AccreditationId>, StoreError> {
        self.check(at)?;
        let mut ids: Vec<AccreditationId> = Vec::new();
        let range = subject.as_bytes().to_vec()..past(subject.as_bytes());
        for row in self.0.trees.scan(TreeName::Accreditations, range) {
            let (key, _) = row?;
            let (id, height) = accreditation_version(&key)?;
            if height <= at && ids.last() != Some(&id) {
                ids.push(id);
            }
        }
        Ok(ids)
    }

    fn children_at(
        &self,
        at: Height,
        parent: &AccreditationKey,
        after: Option<&AccreditationKey>,
        limit: usize,
    ) -> Result<Vec<AccreditationKey>, StoreError> {
        self.check(at)?;
        let prefix = keys::accreditation_key(parent);
        let from = after
            .map_or(Bound::Included(prefix.clone()), |after| Bound::Excluded(keys::child(parent, after)));
        let mut children = Vec::new();
        for row in self.0.trees.scan(TreeName::Children, (from, Bound::Excluded(past(&prefix)))) {
            if children.len() == limit {
                break;
            }
            let child = child_of(&row?.0[prefix.len()..])?;
            let accreditation = self.accreditation_at(at, &child)?;
            if accreditation.is_some_and(|found| found.parent_key().as_ref() == Some(parent)) {
                children.push(child);
            }
        }
        Ok(children)
    }

    fn place_at(&self, at: Height, position: Position) -> Result<Option<Place>, StoreError> {
        let (header, positions) = self.block(at)?;
        if position.0 >= positions {
            return Ok(None);
        }
        let page = PlacePage::read(&self.0.trees, position.0 / PLACES_PER_PAGE)?;
        let place = page.place(position)?.ok_or_else(|| Damage::missing("place", position))?;
        Ok(Some(as_of(place, header.tree_size)))
    }

    fn anchors_at(
        &self,
        at: Height,
        issuer: RegistrantNumber,
        commitments: &[Commitment],
    ) -> Result<Vec<Option<Position>>, StoreError> {
        let (header, _) = self.block(at)?;
        let mut candidates: Vec<(u64, usize)> = Vec::new();
        {
            let indexes = self.0.indexes();
            for (asked, commitment) in commitments.iter().enumerate() {
                let found = indexes.anchors.candidates(&self.0.trees, anchor_key(issuer, commitment))?;
                candidates.extend(found.into_iter().map(|position| (position, asked)));
            }
        }
        candidates.sort_unstable();
        let mut answers = vec![None; commitments.len()];
        let mut pages = Pages { reader: self, places: None, leaves: None };
        for (position, asked) in candidates {
            let anchored = pages.anchored(Position(position), header.tree_size)?;
            if anchored == Some((issuer, commitments[asked])) {
                answers[asked] = Some(Position(position));
            }
        }
        Ok(answers)
    }

    fn outcome_at(&self, at: Height, id: &StatementId) -> Result<Option<Outcome>, StoreError> {
        self.check(at)?;
        let candidates = self.0.indexes().statements.candidates(&self.0.trees, statement_key(id))?;
        for candidate in candidates {
            let place = OutcomePlace::from_number(candidate);
            if place.height > at {
                continue;
            }
            let (header, _) = self.block(place.height)?;
            let outcome = outcomes::read(&self.0.trees, place, header.time)?;
            let missing = || Damage::missing("leaf", outcome.first_leaf);
            let leaf = self.leaf(outcome.first_leaf)?.ok_or_else(missing)?;
            if decode_record(&leaf, outcome.first_leaf)?.statement_id == *id {
                return Ok(Some(outcome));
            }
        }
        Ok(None)
    }
}

/// Look-ups in ascending order of positions, with the last page of each kind kept.
struct Pages<'a> {
    reader: &'a SledReader,
    places: Option<(u64, PlacePage)>,
    leaves: Option<LeafPage>,
}

impl Pages<'_> {
    /// Whose commitment was anchored at a position by a log of `size` leaves.
    fn anchored(
        &mut self,
        position: Position,
        size: u64,
    ) -> Result<Option<(RegistrantNumber, Commitment)>, StoreError> {
        let index = position.0 / PLACES_PER_PAGE;
        let page = match self.places.take() {
            Some((read, page)) if read == index => page,
            _ => PlacePage::read(&self.reader.0.trees, index)?,
        };
        let place = page.place(position)?;
        self.places = Some((index, page));
        let Some(Place { owner, content: PlaceContent::Anchored { leaf } }) = place else { return Ok(None) };
        if leaf.0 >= size {
            return Ok(None);
        }
        if self.leaves.as_ref().is_none_or(|page| page.leaf(leaf).is_none()) {
            self.leaves = self.reader.leaf_page(leaf)?;
        }
        let bytes = self.leaves.as_ref().and_then(|page| page.leaf(leaf));
        let record = decode_record(bytes.ok_or_else(|| Damage::missing("leaf", leaf))?, leaf)?;
        let RecordBody::Anchored(anchored) = record.body else {
            return Err(Damage::unreadable("anchored record", leaf).into());
        };
        Ok(Some((owner, anchored.commitment)))
    }
}

fn decode_record(leaf: &[u8], index: LeafIndex) -> Result<Record, StoreError> {
    Record::decode(leaf).map_err(|_| Damage::unreadable("leaf", index).into())
}

/// A place as it was when the log had `size` leaves: only a reserved one ever changes, when it is anchored.
fn as_of(place: Place, size: u64) -> Place {
    match place.content {
        PlaceContent::Anchored { leaf } if leaf.0 >= size => {
            Place { content: PlaceContent::Reserved, ..place }
        }
        _ => place,
    }
}

/// A key past all that begin with `prefix`: none of them goes on with 128 bytes of 0xff.
fn past(prefix: &[u8]) -> Vec<u8> {
    [prefix, &[0xff; 128]].concat()
}

/// The id and the height in a key of [`TreeName::Accreditations`].
fn accreditation_version(key: &[u8]) -> Result<(AccreditationId, Height), StoreError> {
    let parts = || Some((key.get(16..48)?.try_into().ok()?, key.get(48..56)?.try_into().ok()?));
    let (id, height) =
        parts().ok_or_else(|| Damage::unreadable(TreeName::Accreditations.name(), super::rows::hex(key)))?;
    Ok((AccreditationId(id), Height(u64::from_be_bytes(height))))
}

fn child_of(key: &[u8]) -> Result<AccreditationKey, StoreError> {
    let parts = || Some((*key.first_chunk()?, key.get(16..48)?.try_into().ok()?));
    let (subject, id) =
        parts().ok_or_else(|| Damage::unreadable(TreeName::Children.name(), super::rows::hex(key)))?;
    Ok(AccreditationKey { subject: Did::new(subject), id: AccreditationId(id) })
}
