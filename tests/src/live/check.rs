//! The checker: after faults have healed, all nodes hold one log, everything acknowledged is in it, and what is revoked is revoked.
//!
//! It reads as any client does. Its clients live as long as it: a node that comes back with another history, or a shorter one that
//! it calls the newest, is found out by what they remember.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt};
use kvitto_client::{Client, CredentialName, Moment, Options, VerifiedCheckpoint, system_clock};
use kvitto_ledger::LeafIndex;
use kvitto_merkle::{Hash, leaf_hash};
use kvitto_proto::limits::ENTRIES_MAX;
use kvitto_verifier::verdict::Status;

use super::accounts::Accounts;
use super::ledger::Ledger;
use crate::faults::Outcome;

/// How long nodes have to come into step.
const IN_STEP: Duration = Duration::from_secs(120);

/// Compares the nodes with each other and with the accounts.
pub struct Checker {
    clients: Vec<Client>,
    /// So many leaves were found equal on all nodes.
    compared: u64,
}

/// What a check has found in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Leaves of the log, the same on every node.
    pub leaves: u64,
    /// Acknowledged statements, all in it.
    pub acknowledged: u64,
    /// Their receipts, all verified offline.
    pub receipts: u64,
    /// Acknowledged revocations, all standing on every node.
    pub revocations: usize,
}

impl Checker {
    /// Asks every member's node.
    ///
    /// # Errors
    /// When an address is none.
    pub fn new(ledger: &Ledger) -> Result<Self> {
        let options =
            || Options { retry_for: IN_STEP, timeout: Duration::from_secs(10), ..Options::default() };
        let clients = (0..ledger.members()).map(|index| ledger.client(index, options()));
        Ok(Self { clients: clients.collect::<Result<_>>()?, compared: 0 })
    }

    /// Waits until a member has published a tree of at least this size.
    ///
    /// # Errors
    /// When it does not come into step.
    pub async fn published(&self, member: usize, size: u64) -> Result<()> {
        published(&self.clients[member], size).await.map(drop)
    }

    /// Waits until every node has published everything acknowledged so far, and compares what is new since the last time.
    ///
    /// # Errors
    /// A violation, or a node that does not come into step.
    pub async fn compare(&mut self, accounts: &Accounts) -> Result<()> {
        let size = accounts.size();
        try_join_all(self.clients.iter().map(|client| published(client, size))).await?;
        let logs =
            try_join_all(self.clients.iter().map(|client| leaves(client, self.compared, size))).await?;
        let first = logs.first().context("a ledger has members")?;
        for (member, log) in logs.iter().enumerate() {
            if let Some(at) = log.iter().zip(first).position(|(leaf, other)| leaf != other) {
                bail!("members 1 and {} differ at leaf {}", member + 1, self.compared + at as u64);
            }
        }
        for (index, hash) in accounts.leaves(self.compared, size) {
            let there = first.get((index - self.compared) as usize);
            ensure!(there == Some(&hash), "leaf {index} is not what was acknowledged");
        }
        self.compared = self.compared.max(size);
        Ok(())
    }

    /// The whole check, once nothing is written any more.
    ///
    /// # Errors
    /// A violation, or a node that does not come into step.
    pub async fn finish(mut self, ledger: &Ledger, accounts: &Accounts) -> Result<Checked> {
        let newest =
            try_join_all(self.clients.iter().map(|client| published(client, accounts.size()))).await?;
        let largest = newest.iter().map(VerifiedCheckpoint::size).max().context("a ledger has members")?;
        let heads = try_join_all(self.clients.iter().map(|client| published(client, largest))).await?;
        let tree = heads[0].tree();
        for (member, head) in heads.iter().enumerate() {
            ensure!(head.tree() == tree, "members 1 and {} show different trees", member + 1);
        }
        self.compared = 0;
        self.compare(accounts).await?;
        let revoked = accounts.revocations();
        let names: Vec<_> = revoked.iter().map(|position| CredentialName::Position(*position)).collect();
        for (member, client) in self.clients.iter().enumerate() {
            for (answer, position) in client.statuses(&names, Moment::Newest).await?.into_iter().zip(&revoked)
            {
                let status = answer?.status();
                ensure!(
                    status == Status::Revoked,
                    "position {} was revoked, and is {status:?} at member {}",
                    position.0,
                    member + 1
                );
            }
        }
        let receipts = accounts.verify_receipts(ledger.trust(), system_clock()().seconds())?;
        Ok(Checked {
            leaves: tree.size,
            acknowledged: accounts.count(),
            receipts,
            revocations: revoked.len(),
        })
    }
}

impl Checked {
    /// Adds it to what came of a fault.
    pub fn report(self, outcome: &mut Outcome) {
        outcome.add("statements acknowledged and there", self.acknowledged);
        outcome.add("leaves equal on all nodes", self.leaves);
        outcome.add("receipts verified offline", self.receipts);
        outcome.add("revocations standing", self.revocations as u64);
    }
}

/// Waits until the node has published a tree of at least this size.
async fn published(client: &Client, size: u64) -> Result<VerifiedCheckpoint> {
    let watch = client.watch_checkpoints();
    let reached = watch.try_filter(|checkpoint| std::future::ready(checkpoint.size() >= size));
    match tokio::time::timeout(IN_STEP, std::pin::pin!(reached).next()).await {
        Ok(Some(checkpoint)) => Ok(checkpoint?),
        Ok(None) => bail!("a node's checkpoints have ended"),
        Err(_) => bail!("a node has not published {size} leaves within {} s", IN_STEP.as_secs()),
    }
}

/// Hashes of the leaves from `first` up to, not with, `end`; each shown to stand in a signed tree.
async fn leaves(client: &Client, first: u64, end: u64) -> Result<Vec<Hash>> {
    let mut hashes = Vec::new();
    let mut next = first;
    while next < end {
        let count = (end - next).min(ENTRIES_MAX.into()) as u32;
        let entries = client.entries(LeafIndex(next), count).await?;
        next += entries.leaves.len() as u64;
        hashes.extend(entries.leaves.iter().map(|leaf| leaf_hash(leaf)));
    }
    Ok(hashes)
}
