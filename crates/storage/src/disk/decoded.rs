//! Organisations and accreditations as of the newest block, decoded: almost every statement asks for the same few.
//!
//! Filled by point-in-time reads, so an entry is right whenever it was read, as long as it is kept under the height that it was
//! read at. A commit takes out what its block changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use kvitto_ledger::state::{Accreditation, AccreditationKey, Changes, Identifier};
use kvitto_ledger::{Did, Height};

/// Entries of each kind; few ledgers see more signers within seconds. When full, it begins anew.
const ENTRIES_MAX: usize = 1024;

/// What is kept. Only what exists: who asks for unknown names moves nothing out.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    at: Height,
    identifiers: BTreeMap<Did, Arc<Identifier>>,
    accreditations: BTreeMap<AccreditationKey, Arc<Accreditation>>,
}

impl Decoded {
    /// For a database whose newest block is `at`.
    pub(super) fn new(at: Height) -> Self {
        Self { at, ..Self::default() }
    }

    /// The next block is committed.
    pub(super) fn advance(&mut self, at: Height, changes: &Changes) {
        self.at = at;
        for did in changes.identifiers.keys() {
            self.identifiers.remove(did);
        }
        for key in changes.accreditations.keys() {
            self.accreditations.remove(key);
        }
    }

    pub(super) fn identifier(&self, at: Height, did: &Did) -> Option<Arc<Identifier>> {
        self.identifiers.get(did).filter(|_| at == self.at).cloned()
    }

    pub(super) fn accreditation(&self, at: Height, key: &AccreditationKey) -> Option<Arc<Accreditation>> {
        self.accreditations.get(key).filter(|_| at == self.at).cloned()
    }

    /// Keeps what was read as of `at`, unless a block came in between.
    pub(super) fn keep_identifier(&mut self, at: Height, identifier: &Arc<Identifier>) {
        keep(&mut self.identifiers, at == self.at, identifier.did, identifier);
    }

    /// Keeps what was read as of `at`, unless a block came in between.
    pub(super) fn keep_accreditation(&mut self, at: Height, accreditation: &Arc<Accreditation>) {
        keep(&mut self.accreditations, at == self.at, accreditation.key, accreditation);
    }
}

fn keep<K: Ord, V>(entries: &mut BTreeMap<K, Arc<V>>, is_newest: bool, key: K, value: &Arc<V>) {
    if !is_newest {
        return;
    }
    if entries.len() >= ENTRIES_MAX {
        entries.clear();
    }
    entries.insert(key, Arc::clone(value));
}
