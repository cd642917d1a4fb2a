//! What clients were told is final, kept apart from the ledger: every leaf with its place, every receipt, every revocation.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use kvitto_client::{Final, ProvenReceipt};
use kvitto_ledger::{Commitment, Position, StatementId};
use kvitto_merkle::Hash;
use kvitto_verifier::{Question, Receipt, TrustFile, verify};
use tokio::sync::watch;

/// How old a receipt's checkpoint may be, in seconds; longer than any run.
const MAX_AGE_S: u64 = 7 * 24 * 60 * 60;

/// What was acknowledged so far.
pub struct Accounts {
    told: Mutex<Told>,
    count: watch::Sender<u64>,
    receipts: PathBuf,
}

struct Told {
    /// Hashes of the leaves of acknowledged statements, by their places.
    leaves: BTreeMap<u64, (Hash, StatementId)>,
    revoked: BTreeMap<Commitment, Position>,
    /// From submission to FINAL with receipt.
    times: Vec<Duration>,
    receipts: File,
}

impl Accounts {
    /// Nothing yet; receipts are kept in a file in this folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(folder: &Path) -> Result<Self> {
        let receipts = folder.join("receipts.jsonl");
        let file = File::options().create_new(true).append(true).open(&receipts)?;
        let told =
            Told { leaves: BTreeMap::new(), revoked: BTreeMap::new(), times: Vec::new(), receipts: file };
        Ok(Self { told: Mutex::new(told), count: watch::channel(0).0, receipts })
    }

    /// A statement is final.
    ///
    /// # Errors
    /// When another one had been acknowledged at the same place, or the receipts cannot be written.
    pub fn acknowledged(&self, done: &Final, time: Duration) -> Result<()> {
        let mut told = self.told();
        for (index, record) in &done.records {
            let leaf = (record.leaf_hash(), done.id);
            if let Some(before) = told.leaves.insert(index.0, leaf) {
                ensure!(before == leaf, "two different records were acknowledged at leaf {}", index.0);
            }
        }
        for ProvenReceipt { receipt, .. } in &done.receipts {
            // One line a receipt: JSON without indentation.
            let line: serde_json::Value = serde_json::from_str(&receipt.to_json())?;
            writeln!(told.receipts, "{line}").context("cannot keep a receipt")?;
        }
        told.times.push(time);
        self.count.send_modify(|count| *count += 1);
        Ok(())
    }

    /// A revocation is final.
    pub fn revoked(&self, commitment: Commitment, position: Position) {
        self.told().revoked.insert(commitment, position);
    }

    /// Number of acknowledged statements.
    pub fn count(&self) -> u64 {
        *self.count.borrow()
    }

    /// Waits until so many more were acknowledged.
    ///
    /// # Errors
    /// When that takes longer than `within`.
    pub async fn more(&self, count: u64, within: Duration) -> Result<()> {
        let mut counted = self.count.subscribe();
        let wanted = *counted.borrow() + count;
        match tokio::time::timeout(within, counted.wait_for(|count| *count >= wanted)).await {
            Ok(_) => Ok(()),
            Err(_) => bail!("nothing became final for {} s", within.as_secs()),
        }
    }

    /// Length of the shortest log that holds every acknowledged leaf.
    pub fn size(&self) -> u64 {
        self.told().leaves.last_key_value().map_or(0, |(index, _)| index + 1)
    }

    /// Places and hashes of the acknowledged leaves from `first` up to, not with, `end`.
    pub fn leaves(&self, first: u64, end: u64) -> Vec<(u64, Hash)> {
        self.told().leaves.range(first..end).map(|(index, (hash, _))| (*index, *hash)).collect()
    }

    /// What was revoked, by position.
    pub fn revocations(&self) -> Vec<Position> {
        self.told().revoked.values().copied().collect()
    }

    /// From submission to FINAL with receipt, of all statements.
    pub fn times(&self) -> Vec<Duration> {
        self.told().times.clone()
    }

    /// Verifies every receipt offline; their number.
    ///
    /// # Errors
    /// The first one that proves nothing, or something else than what was acknowledged.
    pub fn verify_receipts(&self, trust: &TrustFile, now_s: u64) -> Result<u64> {
        let question = Question::now(now_s, MAX_AGE_S);
        let mut count = 0;
        for line in BufReader::new(File::open(&self.receipts)?).lines() {
            let receipt = Receipt::from_json(line?.as_bytes())?;
            let verdict = verify(&receipt, None, trust, &question).context("an acknowledged receipt")?;
            let leaf = verdict.anchored.leaf.0;
            let known = self.told().leaves.get(&leaf).map(|(hash, _)| *hash);
            ensure!(
                known == Some(kvitto_merkle::leaf_hash(&receipt.anchored.leaf)),
                "the receipt for leaf {leaf} shows another record than was acknowledged"
            );
            count += 1;
        }
        Ok(count)
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        // A violation ends the run, whatever a task that panicked has left.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
