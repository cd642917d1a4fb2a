//! Auditing a log from outside: reads every leaf from its node and recomputes everything, up to a checkpoint that a quorum signed.

use bytes::Bytes;
use kvitto_merkle::log::{ConsistencyProof, verify_consistency};
use kvitto_merkle::{Checkpoint, Hash};
use kvitto_proto::convert::hashes;
use kvitto_proto::limits::ENTRIES_MAX;
use kvitto_proto::v1;
use kvitto_verifier::evidence::{ConflictingCheckpoints, Contradiction, OtherBeginning};
use kvitto_verifier::replay::BlockEnd;
use kvitto_verifier::{Evidence, Replay, ReplayFault};
use thiserror::Error;

use crate::checkpoint::VerifiedCheckpoint;
use crate::client::Client;
use crate::error::{BadAnswer, ClientError};
use crate::log::behind;
use crate::pool::{Node, Reply};

/// A log that is, leaf for leaf, what its blocks and its members say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Up to where.
    pub checkpoint: VerifiedCheckpoint,
    /// The block that it ends with.
    pub newest: BlockEnd,
}

/// Why an audit ended otherwise.
#[derive(Debug, Error)]
pub enum AuditError {
    /// Something in the log does not follow from what stands before it, or the leaves are not those that were signed.
    #[error("{node}: {fault}")]
    Fault {
        /// Who served the leaves.
        node: String,
        /// What it is.
        #[source]
        fault: ReplayFault,
    },
    /// The log is another one than that of the checkpoint seen before: its members took something back.
    #[error(
        "{node} shows a log of {size} leaves that does not begin with the one of {seen_size} leaves seen before"
    )]
    Rewritten {
        /// Who served the leaves.
        node: String,
        /// Leaves of the log.
        size: u64,
        /// Leaves of the one seen before.
        seen_size: u64,
        /// Both signed heads with what shows that they contradict each other; `None` where the node does not give the proof.
        evidence: Option<Box<Evidence>>,
    },
    /// The node has not even the checkpoint that was seen before, so nothing can be said about what came after it.
    #[error("{node} shows a log of {size} leaves, and {seen_size} were seen before")]
    Behind {
        /// Who.
        node: String,
        /// Leaves of its log.
        size: u64,
        /// Leaves of the one seen before.
        seen_size: u64,
    },
    /// A node did not answer as it should.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl AuditError {
    /// The stable name of what went wrong, for scripts.
    pub fn reason(&self) -> &str {
        match self {
            Self::Fault { fault, .. } => fault.reason(),
            Self::Rewritten { .. } => "HISTORY_REWRITTEN",
            Self::Behind { .. } => "NODE_BEHIND",
            Self::Client(error) => error.reason(),
        }
    }
}

impl Client {
    /// Reads the whole log up to the newest checkpoint, and recomputes every root. With `seen`, a checkpoint of an earlier audit,
    /// also that nothing was taken back since. `progress` is told how many leaves of how many are done.
    ///
    /// No leaf is believed before the end; memory does not grow with the log ([`Replay`]).
    ///
    /// # Errors
    /// [`AuditError`].
    pub async fn audit(
        &self,
        seen: Option<&VerifiedCheckpoint>,
        progress: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<Audit, AuditError> {
        let checkpoint = self.checkpoint().await?;
        let (mut node, size) = (String::new(), checkpoint.size());
        let mut replay = Replay::new(self.trust(), seen.map(VerifiedCheckpoint::size));
        while replay.size() < size {
            let page = self.unproved_leaves(replay.size(), size).await?;
            node = page.node.name().to_owned();
            for leaf in page.answer {
                replay.leaf(&leaf).map_err(|fault| AuditError::Fault { node: node.clone(), fault })?;
            }
            progress(replay.size(), size);
        }
        let newest = replay.check(checkpoint.tree());
        let newest = newest.map_err(|fault| AuditError::Fault { node: node.clone(), fault })?.clone();
        if let Some(seen) = seen {
            self.check_seen(node, seen, &checkpoint, replay.root_at(seen.size())).await?;
        }
        Ok(Audit { checkpoint, newest })
    }

    /// Leaves from `first` on, as many as come at once, on a node's word.
    async fn unproved_leaves(&self, first_leaf: u64, size: u64) -> Result<Reply<Vec<Bytes>>, ClientError> {
        let count = u32::try_from(size - first_leaf).unwrap_or(ENTRIES_MAX).min(ENTRIES_MAX);
        let request = v1::GetEntriesRequest { first_leaf, count };
        let ask = |node: Node| async move { node.log().get_entries(request).await.map_err(behind) };
        let Reply { node, answer } = self.pool().call(ask).await?;
        if answer.leaves.is_empty() || answer.leaves.len() > count as usize {
            return Err(self.pool().bad_answer(&node, BadAnswer::Mismatch("the number of leaves")));
        }
        Ok(Reply { node, answer: answer.leaves })
    }

    /// That the log whose root at the size of `seen` is `root` continues it.
    async fn check_seen(
        &self,
        node: String,
        seen: &VerifiedCheckpoint,
        newest: &VerifiedCheckpoint,
        root: Option<Hash>,
    ) -> Result<(), AuditError> {
        let (seen_tree, tree) = (seen.tree(), newest.tree());
        let (size, seen_size) = (tree.size, seen_tree.size);
        if seen_size > size {
            return Err(AuditError::Behind { node, size, seen_size });
        }
        let Some(root) = root.filter(|root| *root != seen_tree.root) else { return Ok(()) };
        let proof = match seen_size == size {
            true => None,
            false => self.other_beginning(seen_size, root, tree).await,
        };
        let evidence = (seen_size == size || proof.is_some()).then(|| {
            let (smaller, larger) = (seen.note().clone(), newest.note().clone());
            let contradiction = Contradiction::Checkpoints(ConflictingCheckpoints { smaller, larger, proof });
            Box::new(Evidence { ledger_id: self.trust().ledger_id(), contradiction })
        });
        Err(AuditError::Rewritten { node, size, seen_size, evidence })
    }

    /// The proof that `larger` begins with the tree of this size and root, if a node gives it.
    async fn other_beginning(&self, size: u64, root: Hash, larger: &Checkpoint) -> Option<OtherBeginning> {
        let request = v1::GetConsistencyProofRequest { first_tree_size: size, second_tree_size: larger.size };
        let ask = |node: Node| async move { node.log().get_consistency_proof(request).await.map_err(behind) };
        let path = self.pool().call(ask).await.ok()?.answer.path;
        let path = ConsistencyProof::new(hashes("path", &path).ok()?).ok()?;
        verify_consistency(size, &root, larger.size, &larger.root, &path).ok()?;
        Some(OtherBeginning { root, path })
    }
}
