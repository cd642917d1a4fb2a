//! Reading the log: checkpoints that continue one history, and leaves under them.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use kvitto_ledger::{LeafIndex, Record};
use kvitto_merkle::log::{
    ConsistencyProof, InclusionProof, ProofError, verify_consistency, verify_inclusion,
};
use kvitto_merkle::{Checkpoint, Hash, Note, leaf_hash};
use kvitto_proto::convert::{ConvertError, PublishedCheckpoint, array, hashes};
use kvitto_proto::limits::ENTRIES_MAX;
use kvitto_proto::v1;
use kvitto_verifier::Refusal;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::checkpoint::VerifiedCheckpoint;
use crate::client::Client;
use crate::error::{BadAnswer, ClientError, LocalError};
use crate::pool::{Node, Reply, once};
use crate::range::Range;
use crate::watch::Watch;

/// Consecutive leaves that stand in a signed tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenEntries {
    /// Place of the first one.
    pub first: LeafIndex,
    /// The leaves' bytes; at least one, perhaps fewer than asked for.
    pub leaves: Vec<Bytes>,
    /// The tree.
    pub checkpoint: VerifiedCheckpoint,
}

/// A leaf with its inclusion proof, for others to check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenLeaf {
    /// Its place.
    pub index: LeafIndex,
    /// Its bytes.
    pub leaf: Bytes,
    /// Sibling hashes from the leaf up.
    pub path: InclusionProof,
    /// The tree.
    pub checkpoint: VerifiedCheckpoint,
}

impl ProvenEntries {
    /// The records with their places; `None` for a leaf that this version cannot read, though members signed it.
    pub fn records(&self) -> impl Iterator<Item = (LeafIndex, Option<Record>)> {
        let places = (self.first.0..).map(LeafIndex);
        places.zip(self.leaves.iter().map(|leaf| Record::decode(leaf).ok()))
    }
}

impl Client {
    /// The newest checkpoint: signed by a quorum, and continuing every checkpoint that this client has seen.
    ///
    /// # Errors
    /// [`ClientError`]; a [`BadAnswer`] with `Forked` or `Inconsistent` is evidence against members, or a node's fault.
    pub async fn checkpoint(&self) -> Result<VerifiedCheckpoint, ClientError> {
        let ask = |node: Node| async move { node.log().get_checkpoint(v1::GetCheckpointRequest {}).await };
        let Reply { node, answer } = self.pool().call(ask).await?;
        self.accept(&node, answer.checkpoint).await
    }

    /// The newest checkpoint, and from then on each newer or fresher one, each as [`Client::checkpoint`]. Ends with the first error.
    pub fn watch_checkpoints(&self) -> BoxStream<'static, Result<VerifiedCheckpoint, ClientError>> {
        let open = |node: Node| -> futures::future::BoxFuture<'static, _> {
            Box::pin(async move { node.log().watch_checkpoints(v1::WatchCheckpointsRequest {}).await })
        };
        let watch = Watch::new(self.clone(), Arc::new(open));
        let next = |state: Option<(Client, Watch<v1::WatchCheckpointsResponse>)>| async move {
            let (client, mut watch) = state?;
            loop {
                let answer = match watch.next().await {
                    Ok((node, answer)) => client.accept(&node, answer.checkpoint).await,
                    Err(error) => Err(error),
                };
                match answer {
                    // Another node may be a little behind; what it shows is consistent, but not news.
                    Ok(old)
                        if client.heads().newest().is_some_and(|newest| newest.tree.size > old.size()) => {}
                    Ok(checkpoint) => return Some((Ok(checkpoint), Some((client, watch)))),
                    Err(error) => return Some((Err(error), None)),
                }
            }
        };
        stream::unfold(Some((self.clone(), watch)), next).boxed()
    }

    /// Leaves from `first` on, at most `count` (1 to 4,096), all shown to stand in a signed tree. Fewer may come than were asked for.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] with reason `LEAF_INDEX` where the log is not that long; [`ClientError`].
    pub async fn entries(&self, first: LeafIndex, count: u32) -> Result<ProvenEntries, ClientError> {
        if !(1..=ENTRIES_MAX).contains(&count) {
            return Err(LocalError::Request("1 to 4,096 leaves are read at once").into());
        }
        let checkpoint = match self.heads().newest_verified(first.0.saturating_add(count.into())) {
            Some(checkpoint) => checkpoint,
            None => self.checkpoint().await?,
        };
        self.entries_under(first, count, checkpoint).await
    }

    /// As [`Client::entries`], under a known checkpoint.
    pub(crate) async fn entries_under(
        &self,
        first: LeafIndex,
        count: u32,
        checkpoint: VerifiedCheckpoint,
    ) -> Result<ProvenEntries, ClientError> {
        let Some(there) = checkpoint.size().checked_sub(first.0).filter(|there| *there > 0) else {
            let message = format!("the log has {} leaves", checkpoint.size());
            return Err(ClientError::NotFound { reason: "LEAF_INDEX".to_owned(), message });
        };
        let count = u64::from(count).min(there) as u32;
        let request = v1::GetEntriesRequest { first_leaf: first.0, count };
        let ask = |node: Node| async move { node.log().get_entries(request).await.map_err(behind) };
        let Reply { node, answer } = self.pool().call(ask).await?;
        if answer.leaves.is_empty() || answer.leaves.len() > count as usize {
            return Err(self.pool().bad_answer(&node, BadAnswer::Mismatch("the number of leaves")));
        }
        self.check_entries(&node, first, &answer.leaves, &checkpoint).await?;
        Ok(ProvenEntries { first, leaves: answer.leaves, checkpoint })
    }

    /// A checkpoint of at least `size_min` leaves, which some node is known to have published.
    pub(crate) async fn checkpoint_of(&self, size_min: u64) -> Result<VerifiedCheckpoint, ClientError> {
        if let Some(checkpoint) = self.heads().newest_verified(size_min) {
            return Ok(checkpoint);
        }
        let ask = |node: Node| async move {
            let response = node.log().get_checkpoint(v1::GetCheckpointRequest {}).await?;
            let shown = response.get_ref().checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.tree_size);
            if shown < size_min { Err(node_behind("its newest checkpoint is older")) } else { Ok(response) }
        };
        let Reply { node, answer } = self.pool().call(ask).await?;
        self.accept(&node, answer.checkpoint).await
    }

    /// A leaf with its proof under the newest checkpoint.
    ///
    /// # Errors
    /// As [`Client::entries`].
    pub async fn leaf(&self, index: LeafIndex) -> Result<ProvenLeaf, ClientError> {
        let entries = self.entries(index, 1).await?;
        let [leaf] = &entries.leaves[..] else {
            return Err(LocalError::Request("one leaf was asked for").into());
        };
        let (leaf, checkpoint) = (leaf.clone(), entries.checkpoint);
        let path = self.inclusion_proof(index, &leaf_hash(&leaf), &checkpoint).await?;
        Ok(ProvenLeaf { index, leaf, path, checkpoint })
    }

    /// The proof that a leaf with this hash stands at `index` of the checkpoint's tree; checked.
    ///
    /// # Errors
    /// [`ClientError`]; a [`BadAnswer`] with `Merkle` where it does not.
    pub async fn inclusion_proof(
        &self,
        index: LeafIndex,
        hash: &Hash,
        checkpoint: &VerifiedCheckpoint,
    ) -> Result<InclusionProof, ClientError> {
        let (node, path) = self.inclusion_path(index.0, checkpoint.size()).await?;
        verify_inclusion(hash, index.0, checkpoint.size(), &path, &checkpoint.tree().root)
            .map_err(|source| self.pool().bad_answer(&node, BadAnswer::Merkle { what: "a leaf", source }))?;
        Ok(path)
    }

    /// The proof that the first tree is the beginning of the second; checked.
    ///
    /// # Errors
    /// [`ClientError`]; a [`BadAnswer`] with `Merkle` where it is not.
    pub async fn consistency_proof(
        &self,
        first: &VerifiedCheckpoint,
        second: &VerifiedCheckpoint,
    ) -> Result<ConsistencyProof, ClientError> {
        let (first, second) = (first.tree(), second.tree());
        let request = consistency_request(first, second);
        let ask = |node: Node| async move { node.log().get_consistency_proof(request).await.map_err(behind) };
        let Reply { node, answer } = self.pool().call(ask).await?;
        check_consistency(first, second, &answer.path).map_err(|fault| {
            let fault = match fault {
                ConsistencyFault::Message(error) => error.into(),
                ConsistencyFault::Proof(source) => BadAnswer::Merkle { what: "the earlier tree", source },
            };
            self.pool().bad_answer(&node, fault)
        })
    }

    /// Believes a checkpoint that a node shows: its quorum, and that it continues, or is continued by, the newest one seen.
    pub(crate) async fn accept(
        &self,
        node: &Node,
        shown: Option<v1::Checkpoint>,
    ) -> Result<VerifiedCheckpoint, ClientError> {
        let bad = |fault: BadAnswer| self.pool().bad_answer(node, fault);
        let shown = PublishedCheckpoint::try_from(shown).map_err(|error| bad(error.into()))?;
        let checkpoint = self.verify_note(&shown.note).map_err(bad)?;
        if checkpoint.size() != shown.tree_size {
            return Err(bad(BadAnswer::Mismatch("the size beside the checkpoint")));
        }
        self.remember(node, &checkpoint).await?;
        Ok(checkpoint)
    }

    /// As [`Client::accept`], for the note of a receipt that was verified. Costs nothing where its tree is the newest one seen.
    pub(crate) async fn accept_receipt(&self, node: &Node, note: &Note) -> Result<(), ClientError> {
        let verify = || {
            let tree: Checkpoint = note.text().parse().map_err(|_| Refusal::CheckpointMalformed)?;
            if self.heads().newest().is_some_and(|seen| seen.tree == tree) {
                return Ok(None);
            }
            self.verify_head(note.clone()).map(Some)
        };
        match verify().map_err(|fault| self.pool().bad_answer(node, fault))? {
            Some(checkpoint) => self.remember(node, &checkpoint).await,
            None => Ok(()),
        }
    }

    /// A note's quorum, and that it does not contradict the newest one of its size.
    pub(crate) fn verify_note(&self, note: &str) -> Result<VerifiedCheckpoint, BadAnswer> {
        self.verify_head(note.parse().map_err(|_| Refusal::CheckpointMalformed)?)
    }

    fn verify_head(&self, note: Note) -> Result<VerifiedCheckpoint, BadAnswer> {
        let checkpoint = VerifiedCheckpoint::verify(note, self.trust(), self.now_s())?;
        self.heads().check_same_size(checkpoint.tree(), checkpoint.note())?;
        Ok(checkpoint)
    }

    /// Holds a checkpoint against the newest one seen, whose place it takes if it is newer.
    async fn remember(&self, node: &Node, checkpoint: &VerifiedCheckpoint) -> Result<(), ClientError> {
        loop {
            let seen = self.heads().newest().map(|head| head.tree);
            if let Some(seen) = seen.as_ref().filter(|seen| seen.size != checkpoint.size()) {
                self.check_history(node, seen, checkpoint.tree()).await?;
                if checkpoint.size() < seen.size {
                    return Ok(());
                }
            }
            if self.heads().replace(seen.map(|seen| seen.size), checkpoint) {
                return Ok(());
            }
        }
    }

    /// That `shown`, by `node`, and `seen`, of another size, are one history.
    async fn check_history(
        &self,
        node: &Node,
        seen: &Checkpoint,
        shown: &Checkpoint,
    ) -> Result<(), ClientError> {
        let (first, second) = if seen.size < shown.size { (seen, shown) } else { (shown, seen) };
        let request = consistency_request(first, second);
        let ask = |node: Node| async move { node.log().get_consistency_proof(request).await.map_err(behind) };
        let path = match once(node, self.pool().timeout(), ask(node.clone())).await {
            Ok(answer) => answer.path,
            // It shows an older tree, and cannot know the newer one: others do.
            Err(ClientError::Unavailable(_)) => self.pool().call(ask).await?.answer.path,
            Err(error) => return Err(error),
        };
        match check_consistency(first, second, &path) {
            Ok(_) => Ok(()),
            Err(ConsistencyFault::Message(error)) => Err(self.pool().bad_answer(node, error)),
            Err(ConsistencyFault::Proof(source)) => {
                let fault = BadAnswer::Inconsistent { size: shown.size, seen_size: seen.size, source };
                Err(self.pool().bad_answer(node, fault))
            }
        }
    }

    async fn check_entries(
        &self,
        node: &Node,
        first: LeafIndex,
        leaves: &[Bytes],
        checkpoint: &VerifiedCheckpoint,
    ) -> Result<(), ClientError> {
        let (size, root) = (checkpoint.size(), &checkpoint.tree().root);
        let (_, first_path) = self.inclusion_path(first.0, size).await?;
        let last_path = match leaves {
            [_] => first_path.clone(),
            _ => self.inclusion_path(first.0 + leaves.len() as u64 - 1, size).await?.1,
        };
        let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        let range = Range { first: first.0, leaves: &hashes };
        range
            .verify(size, root, &first_path, &last_path)
            .map_err(|source| self.pool().bad_answer(node, BadAnswer::Merkle { what: "a leaf", source }))
    }

    /// A path as a node gives it; not checked.
    async fn inclusion_path(
        &self,
        leaf_index: u64,
        tree_size: u64,
    ) -> Result<(Node, InclusionProof), ClientError> {
        let request = v1::GetInclusionProofRequest { leaf_index, tree_size };
        let ask = |node: Node| async move { node.log().get_inclusion_proof(request).await.map_err(behind) };
        let Reply { node, answer } = self.pool().call(ask).await?;
        let path = array::<32>("leaf_hash", &answer.leaf_hash).and_then(|_| hashes("path", &answer.path));
        let path = path.map_err(|error| self.pool().bad_answer(&node, error))?;
        let path = InclusionProof::new(path)
            .map_err(|source| self.pool().bad_answer(&node, BadAnswer::Merkle { what: "a leaf", source }))?;
        Ok((node, path))
    }
}

/// Why a consistency proof does not count.
enum ConsistencyFault {
    Message(ConvertError),
    Proof(ProofError),
}

fn consistency_request(first: &Checkpoint, second: &Checkpoint) -> v1::GetConsistencyProofRequest {
    v1::GetConsistencyProofRequest { first_tree_size: first.size, second_tree_size: second.size }
}

fn check_consistency(
    first: &Checkpoint,
    second: &Checkpoint,
    path: &[Bytes],
) -> Result<ConsistencyProof, ConsistencyFault> {
    let path = hashes("path", path).map_err(ConsistencyFault::Message)?;
    let path = ConsistencyProof::new(path).map_err(ConsistencyFault::Proof)?;
    verify_consistency(first.size, &first.root, second.size, &second.root, &path)
        .map_err(ConsistencyFault::Proof)?;
    Ok(path)
}

/// The sizes that are asked about were signed by a quorum: a node that does not know them is behind, and another one is asked.
pub(crate) fn behind(status: Status) -> Status {
    if status.code() != Code::OutOfRange {
        return status;
    }
    node_behind(status.message())
}

fn node_behind(message: &str) -> Status {
    let details = ErrorDetails::with_error_info("NODE_BEHIND", "kvitto", []);
    Status::with_error_details(Code::Unavailable, message, details)
}
