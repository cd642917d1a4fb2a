//! The evidence against members that a node has: pieces that were checked, by the hash of their files.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use kvitto_merkle::Hash;
use kvitto_verifier::{Evidence, EvidenceError, JsonError, TrustFile};
use thiserror::Error;
use tokio::sync::watch;

/// Most pieces of evidence that a node serves.
const EXHIBITS_MAX: usize = 4096;

/// What a node serves as evidence. Cheap to clone; all clones are the same.
#[derive(Clone, Debug)]
pub struct Dossier(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    trust: TrustFile,
    exhibits: RwLock<BTreeMap<Hash, Exhibit>>,
    count: watch::Sender<usize>,
}

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exhibit {
    /// `checkpoints`, `prevotes`, `precommits` or `proposals`.
    pub kind: &'static str,
    /// Whom it is about.
    pub members: Vec<String>,
    /// The file.
    pub file: Bytes,
}

/// Why a file was not taken.
#[derive(Debug, Error)]
pub enum NotKept {
    /// It cannot be read.
    #[error("not an evidence file")]
    Malformed(#[from] JsonError),
    /// It proves nothing.
    #[error("it proves nothing ({})", .0.reason())]
    NoEvidence(#[from] EvidenceError),
    /// There is enough.
    #[error("there are {EXHIBITS_MAX} pieces of evidence already")]
    Full,
}

impl Dossier {
    /// Nothing, about members of this ledger.
    pub fn new(trust: TrustFile) -> Self {
        Self(Arc::new(Inner { trust, exhibits: RwLock::default(), count: watch::Sender::new(0) }))
    }

    /// Takes an evidence file, after checking it.
    ///
    /// # Errors
    /// [`NotKept`].
    pub fn add(&self, file: impl Into<Bytes>) -> Result<(), NotKept> {
        let file = file.into();
        let evidence = Evidence::from_json(&file)?;
        let members = evidence.check(&self.0.trust)?.members;
        let exhibit = Exhibit { kind: evidence.kind(), members, file };
        let mut exhibits = self.0.exhibits.write().unwrap_or_else(PoisonError::into_inner);
        if exhibits.len() >= EXHIBITS_MAX {
            return Err(NotKept::Full);
        }
        exhibits.insert(Evidence::id(&exhibit.file), exhibit);
        self.0.count.send_replace(exhibits.len());
        Ok(())
    }

    /// How many pieces there are, as it changes.
    pub fn count(&self) -> watch::Receiver<usize> {
        self.0.count.subscribe()
    }

    /// At most so many pieces, ascending by id, from the one after `after` on.
    pub fn page(&self, after: Option<Hash>, count: usize) -> Vec<(Hash, Exhibit)> {
        let exhibits = self.0.exhibits.read().unwrap_or_else(PoisonError::into_inner);
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = exhibits.range((from, Bound::Unbounded));
        range.take(count).map(|(id, exhibit)| (*id, exhibit.clone())).collect()
    }

    /// One piece.
    pub fn exhibit(&self, id: &Hash) -> Option<Exhibit> {
        self.0.exhibits.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}
