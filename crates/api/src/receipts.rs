//! Receipts for the wire. What all credentials of one accreditation share under a checkpoint is made once and kept until the next.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use kvitto_ledger::Height;
use kvitto_ledger::state::AccreditationKey;
use kvitto_merkle::status::StatusValue;
use kvitto_proto::convert::{self, CredentialStatus};
use kvitto_proto::v1;
use kvitto_storage::prove::{Anchored, Item, Prover};
use kvitto_storage::{Published, Read, StoreError};
use kvitto_verifier::receipt::{ReceiptShared, SharedText};

use crate::moment::{as_of, checkpoint};

/// Shared parts kept at once; a checkpoint rarely sees as many issuers.
const SHARED_MAX: usize = 4096;

/// The cache of shared parts.
#[derive(Default)]
pub(crate) struct Receipts(Mutex<Cache>);

#[derive(Default)]
struct Cache {
    /// The note that everything in here is under.
    note: Arc<str>,
    shared: BTreeMap<(Height, AccreditationKey), Arc<Shared>>,
}

/// What receipts share.
pub(crate) struct Shared {
    published: Published,
    part: ReceiptShared,
    /// Written when the first whole receipt is asked for.
    text: OnceLock<SharedText>,
}

/// A credential's status with its receipt as JSON, complete but for the opening.
pub(crate) struct Proved {
    pub(crate) status: StatusValue,
    pub(crate) receipt: String,
}

impl Receipts {
    /// A credential's receipt as a file.
    pub(crate) fn proved<R: Read>(
        &self,
        prover: &Prover<R>,
        anchored: &Anchored,
    ) -> Result<Proved, StoreError> {
        let (shared, item) = self.parts(prover, anchored)?;
        let text = shared.text.get_or_init(|| shared.part.text());
        Ok(Proved { status: item.status, receipt: text.complete(&item.part) })
    }

    /// A credential's receipt in parts.
    pub(crate) fn parts<R: Read>(
        &self,
        prover: &Prover<R>,
        anchored: &Anchored,
    ) -> Result<(Arc<Shared>, Item), StoreError> {
        let shared = self.shared(prover, &anchored.accreditation())?;
        let item = prover.item(&shared.part, anchored)?;
        Ok((shared, item))
    }

    /// The shared part for an accreditation, made or taken from the cache.
    fn shared<R: Read>(&self, prover: &Prover<R>, key: &AccreditationKey) -> Result<Arc<Shared>, StoreError> {
        let published = prover.published();
        let cache_key = (prover.height(), *key);
        if let Some(shared) = self.cache(&published.note).shared.get(&cache_key) {
            return Ok(shared.clone());
        }
        let part = prover.shared(key)?;
        let made = Arc::new(Shared { published: published.clone(), part, text: OnceLock::new() });
        let mut cache = self.cache(&published.note);
        if cache.shared.len() >= SHARED_MAX {
            cache.shared.clear();
        }
        cache.shared.insert(cache_key, made.clone());
        Ok(made)
    }

    /// The cache, emptied if it was filled under another note.
    fn cache(&self, note: &Arc<str>) -> MutexGuard<'_, Cache> {
        // Whatever a panic elsewhere left is a whole map: entries are inserted in one step.
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&cache.note, note) && cache.note != *note {
            cache.note = note.clone();
            cache.shared.clear();
        }
        cache
    }
}

/// What the ledger says about a credential.
pub(crate) fn status_of<R: Read>(
    prover: &Prover<R>,
    anchored: &Anchored,
    status: StatusValue,
) -> CredentialStatus {
    let record = &anchored.record;
    CredentialStatus {
        as_of: as_of(prover),
        position: record.position,
        status,
        commitment: record.commitment,
        issuer: record.issuer,
        accreditation: record.accreditation,
        credential_type: record.credential_type.clone(),
        anchored: anchored.time,
        leaf: anchored.leaf,
    }
}

/// The numbers of shared parts within one stream.
#[derive(Default)]
pub(crate) struct SharedNumbers {
    last: u32,
    sent: BTreeMap<AccreditationKey, (u32, Arc<Shared>)>,
}

impl SharedNumbers {
    /// The shared part's number, and the part where it must be sent first.
    pub(crate) fn number(
        &mut self,
        key: AccreditationKey,
        shared: &Arc<Shared>,
    ) -> (u32, Option<v1::ReceiptShared>) {
        if let Some((number, sent)) = self.sent.get(&key)
            && Arc::ptr_eq(sent, shared)
        {
            return (*number, None);
        }
        if self.sent.len() >= SHARED_MAX {
            self.sent.clear();
        }
        self.last = self.last.wrapping_add(1);
        self.sent.insert(key, (self.last, shared.clone()));
        let wire = convert::receipt_shared(self.last, checkpoint(&shared.published), &shared.part);
        (self.last, Some(wire))
    }
}
