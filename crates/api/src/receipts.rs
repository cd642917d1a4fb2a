//! Makes receipts. What all credentials of one accreditation share under a checkpoint is made once and kept until the next.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use kvitto_ledger::record::{AnchoredRecord, Record, RecordBody};
use kvitto_ledger::state::{Accreditation, AccreditationKey, PlaceContent};
use kvitto_ledger::{Height, LeafIndex, Position, TimeMs};
use kvitto_merkle::status::chunk_index;
use kvitto_proto::convert::{CredentialStatus, ReceiptItem, ReceiptShared};
use kvitto_storage::{Read, StoreError};
use kvitto_verifier::receipt::{AsOf, ChainLink, ChunkProof, LastLeaf, LeafProof, StatusProof};

use crate::proofs::{chunk_at, chunk_proof, chunk_proofs, leaf_proof, missing};
use crate::snapshot::Snapshot;

/// Shared parts kept at once; a checkpoint rarely sees as many issuers.
const SHARED_MAX: usize = 4096;
/// Longest chain (RULES 6.1); a longer one in the store is damage.
const LINKS_MAX: usize = 8;

/// An anchored credential as the log has it.
#[derive(Clone, Debug)]
pub(crate) struct Anchored {
    pub(crate) leaf: LeafIndex,
    pub(crate) bytes: Vec<u8>,
    pub(crate) time: TimeMs,
    pub(crate) record: AnchoredRecord,
}

/// The cache of shared parts.
#[derive(Default)]
pub(crate) struct Receipts(Mutex<Cache>);

#[derive(Default)]
struct Cache {
    /// The note that everything in here is under.
    note: Arc<str>,
    shared: BTreeMap<(Height, AccreditationKey), Arc<ReceiptShared>>,
}

/// The credential at a position, if it was anchored at the snapshot's moment.
pub(crate) fn anchored<R: Read>(
    snapshot: &Snapshot<R>,
    position: Position,
) -> Result<Option<Anchored>, StoreError> {
    if position.0 >= snapshot.read.positions_at(snapshot.height())? {
        return Ok(None);
    }
    match snapshot.read.place_at(snapshot.height(), position)?.map(|place| place.content) {
        Some(PlaceContent::Anchored { leaf }) => anchored_at(&snapshot.read, leaf),
        Some(PlaceContent::Accreditation | PlaceContent::Reserved) | None => Ok(None),
    }
}

/// The `Anchored` record at a leaf; `None` where it is another kind of record.
pub(crate) fn anchored_at<R: Read>(read: &R, leaf: LeafIndex) -> Result<Option<Anchored>, StoreError> {
    let bytes = read.leaf(leaf)?.ok_or_else(|| missing("leaf", leaf))?;
    let record = Record::decode(&bytes).map_err(|_| missing("record", leaf))?;
    Ok(match record.body {
        RecordBody::Anchored(body) => Some(Anchored { leaf, bytes, time: record.time, record: body }),
        _ => None,
    })
}

/// What the ledger says about a credential.
pub(crate) fn status_of<R: Read>(
    snapshot: &Snapshot<R>,
    anchored: &Anchored,
) -> Result<CredentialStatus, StoreError> {
    let record = &anchored.record;
    let chunk = chunk_at(&snapshot.read, snapshot.height(), chunk_index(record.position.0))?;
    Ok(CredentialStatus {
        as_of: snapshot.as_of(),
        position: record.position,
        status: chunk.value(record.position.0),
        commitment: record.commitment,
        issuer: record.issuer,
        accreditation: record.accreditation,
        credential_type: record.credential_type.clone(),
        anchored: anchored.time,
        leaf: anchored.leaf,
    })
}

/// A receipt's own part, to be completed by `shared`.
pub(crate) fn item<R: Read>(
    snapshot: &Snapshot<R>,
    shared: &ReceiptShared,
    anchored: &Anchored,
) -> Result<ReceiptItem, StoreError> {
    let (read, position) = (&snapshot.read, anchored.record.position);
    let (newest, size) = (snapshot.published.height, snapshot.published.size);
    let (chunk, status_record) = status_at(read, newest, size, position, &shared.chunks)?;
    let (as_of_chunk, as_of_status_record) = match &shared.as_of {
        Some(as_of) => status_at(read, snapshot.height(), size, position, &as_of.status.chunks)?,
        None => (None, None),
    };
    let path = crate::proofs::leaf_path(read, anchored.leaf, size)?.1;
    let path = path.try_into().map_err(|_| missing("proof of leaf", anchored.leaf))?;
    Ok(ReceiptItem {
        anchored: LeafProof { index: anchored.leaf.0, leaf: anchored.bytes.clone(), path },
        chunk,
        status_record,
        as_of_chunk,
        as_of_status_record,
    })
}

/// A receipt as JSON, complete but for the opening.
pub(crate) fn json<R: Read>(
    receipts: &Receipts,
    snapshot: &Snapshot<R>,
    anchored: &Anchored,
) -> Result<String, StoreError> {
    let shared = receipts.shared(snapshot, &key_of(anchored))?;
    Ok(shared.complete(item(snapshot, &shared, anchored)?).to_json())
}

/// The accreditation that a credential was anchored under.
pub(crate) fn key_of(anchored: &Anchored) -> AccreditationKey {
    AccreditationKey { subject: anchored.record.issuer, id: anchored.record.accreditation }
}

/// An accreditation and everything above it as of a block, root first; empty where it is unknown.
pub(crate) fn chain<R: Read>(
    read: &R,
    at: Height,
    key: &AccreditationKey,
) -> Result<Vec<Accreditation>, StoreError> {
    let (mut links, mut next) = (Vec::new(), Some(*key));
    while let Some(key) = next {
        let Some(link) = read.accreditation_at(at, &key)? else { break };
        next = link.parent_key();
        links.push(link);
        if links.len() > LINKS_MAX {
            return Err(missing("root of accreditation", key.id));
        }
    }
    links.reverse();
    Ok(links)
}

impl Receipts {
    /// The shared part for an accreditation, made or taken from the cache.
    pub(crate) fn shared<R: Read>(
        &self,
        snapshot: &Snapshot<R>,
        key: &AccreditationKey,
    ) -> Result<Arc<ReceiptShared>, StoreError> {
        let cache_key = (snapshot.height(), *key);
        if let Some(shared) = self.cache(&snapshot.published.note).shared.get(&cache_key) {
            return Ok(shared.clone());
        }
        let made = Arc::new(make_shared(snapshot, key)?);
        let mut cache = self.cache(&snapshot.published.note);
        if cache.shared.len() >= SHARED_MAX {
            cache.shared.clear();
        }
        cache.shared.insert(cache_key, made.clone());
        Ok(made)
    }

    /// The cache, emptied if it was filled under another note.
    fn cache(&self, note: &Arc<str>) -> std::sync::MutexGuard<'_, Cache> {
        // Whatever a panic elsewhere left is a whole map: entries are inserted in one step.
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&cache.note, note) && cache.note != *note {
            cache.note = note.clone();
            cache.shared.clear();
        }
        cache
    }
}

fn make_shared<R: Read>(snapshot: &Snapshot<R>, key: &AccreditationKey) -> Result<ReceiptShared, StoreError> {
    let (read, published) = (&snapshot.read, &snapshot.published);
    let links = chain(read, published.height, key)?;
    if links.is_empty() {
        return Err(missing("accreditation", key.id));
    }
    let prove = |leaf: LeafIndex| leaf_proof(read, leaf, published.size);
    let last = prove(LeafIndex(published.size - 1))?;
    let positions = || links.iter().map(|link| link.position);
    let mut identifiers = Vec::new();
    for link in links.iter().skip(1) {
        let identifier = read.identifier_at(published.height, &link.key.subject)?;
        let leaf = identifier.and_then(|identifier| identifier.leaf);
        identifiers.push(prove(leaf.ok_or_else(|| missing("identifier", link.key.subject))?)?);
    }
    let as_of = if snapshot.is_newest() { None } else { Some(make_as_of(snapshot, &links)?) };
    Ok(ReceiptShared {
        checkpoint: snapshot.checkpoint(),
        note: published.note.parse().map_err(|_| missing("checkpoint of block", published.height))?,
        block: LastLeaf { leaf: last.leaf, path: last.path },
        chain: links.iter().map(|link| chain_link(link, &prove)).collect::<Result<_, _>>()?,
        identifiers,
        chunks: chunk_proofs(read, published.height, positions())?,
        as_of,
    })
}

fn chain_link(
    link: &Accreditation,
    prove: &impl Fn(LeafIndex) -> Result<LeafProof, StoreError>,
) -> Result<ChainLink, StoreError> {
    Ok(ChainLink {
        accreditation: prove(link.leaf)?,
        withdrawal: link.withdrawal.as_ref().map(|withdrawal| prove(withdrawal.leaf)).transpose()?,
    })
}

/// Block h and block h + 1, and the chain's statuses after h.
fn make_as_of<R: Read>(snapshot: &Snapshot<R>, links: &[Accreditation]) -> Result<AsOf, StoreError> {
    let (read, at) = (&snapshot.read, snapshot.height());
    let next = read.header(at.next())?.ok_or_else(|| missing("header", at.next()))?;
    let block = |size: u64| leaf_proof(read, LeafIndex(size - 1), snapshot.published.size);
    Ok(AsOf {
        block: block(snapshot.header.tree_size)?,
        next_block: block(next.tree_size)?,
        status: StatusProof {
            chunks: chunk_proofs(read, at, links.iter().map(|link| link.position))?,
            record: None,
        },
    })
}

/// The chunk of a position, unless it is among `shared`, and its newest status record, after block `at`.
fn status_at<R: Read>(
    read: &R,
    at: Height,
    size: u64,
    position: Position,
    shared: &[ChunkProof],
) -> Result<(Option<ChunkProof>, Option<LeafProof>), StoreError> {
    let index = chunk_index(position.0);
    let is_shared = shared.iter().any(|chunk| chunk.index == index);
    let chunk = if is_shared { None } else { Some(chunk_proof(read, at, position)?) };
    let record = read.status_leaf_at(at, position)?.map(|leaf| leaf_proof(read, leaf, size)).transpose()?;
    Ok((chunk, record))
}

/// The numbers of shared parts within one stream.
#[derive(Default)]
pub(crate) struct SharedNumbers {
    last: u32,
    sent: BTreeMap<AccreditationKey, (u32, Arc<ReceiptShared>)>,
}

impl SharedNumbers {
    /// The shared part's number, and whether it must be sent first.
    pub(crate) fn number(&mut self, key: AccreditationKey, shared: &Arc<ReceiptShared>) -> (u32, bool) {
        match self.sent.get(&key) {
            Some((number, sent)) if Arc::ptr_eq(sent, shared) => (*number, false),
            _ => {
                if self.sent.len() >= SHARED_MAX {
                    self.sent.clear();
                }
                self.last = self.last.wrapping_add(1);
                self.sent.insert(key, (self.last, shared.clone()));
                (self.last, true)
            }
        }
    }
}
