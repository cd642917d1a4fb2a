//! The newest checkpoint seen: what every later one must continue, whichever node shows it.

use std::sync::{Mutex, PoisonError};

use kvitto_ledger::LedgerId;
use kvitto_merkle::{Checkpoint, Note};
use kvitto_verifier::evidence::{ConflictingCheckpoints, Contradiction};
use kvitto_verifier::{Evidence, Refusal, TrustFile};

use crate::checkpoint::VerifiedCheckpoint;
use crate::error::BadAnswer;
use crate::options::{CheckpointSink, Options};

/// The memory of checkpoints.
pub(crate) struct Heads {
    ledger_id: LedgerId,
    newest: Mutex<Option<Head>>,
    sink: Option<CheckpointSink>,
}

/// A signed tree head that was believed.
#[derive(Clone)]
pub(crate) struct Head {
    pub(crate) tree: Checkpoint,
    note: Note,
    /// `None`: it comes from the trust file, and says nothing about freshness.
    verified: Option<VerifiedCheckpoint>,
}

impl Heads {
    /// Begins with the remembered checkpoint, or the closing checkpoint of the trust file's last closed epoch, whichever is larger.
    pub(crate) fn new(trust: &TrustFile, options: &Options) -> Result<Self, Refusal> {
        let now_s = (options.clock)().seconds();
        let remembered = options.newest_seen.clone();
        let remembered = remembered.map(|note| VerifiedCheckpoint::verify(note, trust, now_s)).transpose()?;
        let closing = trust.epochs().iter().rev().find_map(|epoch| epoch.closing());
        let closing = closing.map(|closing| Head {
            tree: closing.checkpoint().clone(),
            note: closing.note().clone(),
            verified: None,
        });
        let newest = remembered.map(Head::from).into_iter().chain(closing).max_by_key(|head| head.tree.size);
        Ok(Self {
            ledger_id: trust.ledger_id(),
            newest: Mutex::new(newest),
            sink: options.on_checkpoint.clone(),
        })
    }

    pub(crate) fn newest(&self) -> Option<Head> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The newest one with its quorum, if it has at least so many leaves.
    pub(crate) fn newest_verified(&self, size_min: u64) -> Option<VerifiedCheckpoint> {
        self.newest()?.verified.filter(|verified| verified.size() >= size_min)
    }

    /// Refuses a tree of the newest one's size with another root. Costs nothing, so every answer is held against it.
    pub(crate) fn check_same_size(&self, tree: &Checkpoint, note: &Note) -> Result<(), BadAnswer> {
        let Some(seen) = self.newest() else { return Ok(()) };
        if seen.tree.size != tree.size || seen.tree.root == tree.root {
            return Ok(());
        }
        let checkpoints = ConflictingCheckpoints { smaller: seen.note, larger: note.clone(), proof: None };
        let contradiction = Contradiction::Checkpoints(checkpoints);
        let evidence = Evidence { ledger_id: self.ledger_id, contradiction };
        Err(BadAnswer::Forked { size: tree.size, evidence: Box::new(evidence) })
    }

    /// Puts `checkpoint`, shown to continue the tree of `seen_size` leaves, in its place. False when another one came first.
    pub(crate) fn replace(&self, seen_size: Option<u64>, checkpoint: &VerifiedCheckpoint) -> bool {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if newest.as_ref().map(|head| head.tree.size) != seen_size {
            return false;
        }
        let fresh = newest
            .as_ref()
            .and_then(|head| head.verified.as_ref())
            .map(|verified| (verified.size(), verified.fresh_at_s()));
        if fresh.is_some_and(|fresh| fresh >= (checkpoint.size(), checkpoint.fresh_at_s())) {
            return true;
        }
        *newest = Some(Head::from(checkpoint.clone()));
        drop(newest);
        if let Some(sink) = &self.sink {
            sink(checkpoint);
        }
        true
    }
}

impl From<VerifiedCheckpoint> for Head {
    fn from(verified: VerifiedCheckpoint) -> Self {
        Self { tree: verified.tree().clone(), note: verified.note().clone(), verified: Some(verified) }
    }
}
