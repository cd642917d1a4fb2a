//! `LogService`: checkpoints, leaves and proofs of the published log, and evidence.

use std::sync::Arc;

use futures::stream;
use kvitto_ledger::LeafIndex;
use kvitto_merkle::Hash;
use kvitto_proto::convert::hash_bytes;
use kvitto_proto::limits::{ENTRIES_MAX, EVIDENCE_PAGE_MAX};
use kvitto_proto::v1::log_service_server::LogService;
use kvitto_proto::v1::{
    EvidenceSummary, GetCheckpointRequest, GetCheckpointResponse, GetConsistencyProofRequest,
    GetConsistencyProofResponse, GetEntriesRequest, GetEntriesResponse, GetEvidenceRequest,
    GetEvidenceResponse, GetInclusionProofRequest, GetInclusionProofResponse, ListEvidenceRequest,
    ListEvidenceResponse, WatchCheckpointsRequest, WatchCheckpointsResponse,
};
use kvitto_storage::prove::{consistency, inclusion};
use kvitto_storage::{Published, Read};
use tonic::{Request, Response, Status};

use crate::context::Context;
use crate::dossier::{Dossier, Exhibit};
use crate::moment::checkpoint;
use crate::reason::{Reason, refuse, store_failed};
use crate::status::Answers;

const ENTRIES_DEFAULT: u32 = 256;
const EVIDENCE_PAGE_DEFAULT: u32 = 50;
const ENTRIES_BYTES_MAX: usize = 1024 * 1024;

pub(crate) struct Log<R> {
    pub(crate) evidence: Dossier,
    pub(crate) context: Arc<Context<R>>,
}

impl<R: Read> Log<R> {
    fn published(&self) -> Result<Published, Status> {
        self.context.read.published().ok_or_else(|| refuse(Reason::NodeSyncing))
    }

    /// Whether there is a published tree of this size.
    fn check_size(&self, size: u64) -> Result<(), Status> {
        match (1..=self.published()?.size).contains(&size) {
            true => Ok(()),
            false => Err(refuse(Reason::TreeSize)),
        }
    }
}

#[tonic::async_trait]
impl<R: Read> LogService for Log<R> {
    async fn get_checkpoint(
        &self,
        _: Request<GetCheckpointRequest>,
    ) -> Result<Response<GetCheckpointResponse>, Status> {
        let checkpoint = Some(checkpoint(&self.published()?).into());
        Ok(Response::new(GetCheckpointResponse { checkpoint }))
    }

    type WatchCheckpointsStream = Answers<WatchCheckpointsResponse>;

    async fn watch_checkpoints(
        &self,
        request: Request<WatchCheckpointsRequest>,
    ) -> Result<Response<Self::WatchCheckpointsStream>, Status> {
        let place = self.context.stream_place(&request)?;
        let mut checkpoints = self.context.notices.checkpoints();
        self.published()?;
        checkpoints.mark_changed();
        let context = self.context.clone();
        let state = Some((context, checkpoints, place));
        Ok(Response::new(Box::pin(stream::unfold(state, |state| async {
            let (context, mut checkpoints, place) = state?;
            let changed = tokio::select! {
                changed = checkpoints.changed() => changed.is_ok(),
                () = context.drained() => false,
            };
            let published = context.read.published().filter(|_| changed);
            let Some(published) = published else { return Some((Err(refuse(Reason::Draining)), None)) };
            let checkpoint = Some(checkpoint(&published).into());
            Some((Ok(WatchCheckpointsResponse { checkpoint }), Some((context, checkpoints, place))))
        }))))
    }

    async fn get_entries(
        &self,
        request: Request<GetEntriesRequest>,
    ) -> Result<Response<GetEntriesResponse>, Status> {
        let GetEntriesRequest { first_leaf, count } = request.into_inner();
        let count = match count {
            0 => ENTRIES_DEFAULT,
            1..=ENTRIES_MAX => count,
            _ => return Err(refuse(Reason::PageSize)),
        };
        let size = self.published()?.size;
        if first_leaf >= size {
            return Err(refuse(Reason::LeafIndex));
        }
        let end = size.min(first_leaf.saturating_add(count.into()));
        let leaves = self.context.read.leaves(first_leaf..end, ENTRIES_BYTES_MAX).map_err(store_failed)?;
        Ok(Response::new(GetEntriesResponse { leaves: leaves.into_iter().map(Into::into).collect() }))
    }

    async fn get_inclusion_proof(
        &self,
        request: Request<GetInclusionProofRequest>,
    ) -> Result<Response<GetInclusionProofResponse>, Status> {
        let GetInclusionProofRequest { leaf_index, tree_size } = request.into_inner();
        self.check_size(tree_size)?;
        if leaf_index >= tree_size {
            return Err(refuse(Reason::LeafIndex));
        }
        let read = &self.context.read;
        let proof = inclusion(read, LeafIndex(leaf_index), tree_size).map_err(store_failed)?;
        let proof = proof.map_err(|_| refuse(Reason::TreeSize))?;
        let hash = read.log_node(0, leaf_index).map_err(store_failed)?;
        let hash = hash.ok_or_else(|| refuse(Reason::LeafIndex))?;
        Ok(Response::new(GetInclusionProofResponse {
            leaf_hash: bytes::Bytes::copy_from_slice(&hash.0),
            path: hash_bytes(proof.hashes()),
        }))
    }

    async fn get_consistency_proof(
        &self,
        request: Request<GetConsistencyProofRequest>,
    ) -> Result<Response<GetConsistencyProofResponse>, Status> {
        let GetConsistencyProofRequest { first_tree_size, second_tree_size } = request.into_inner();
        self.check_size(first_tree_size)?;
        self.check_size(second_tree_size)?;
        if first_tree_size > second_tree_size {
            return Err(refuse(Reason::TreeSize));
        }
        let proof =
            consistency(&self.context.read, first_tree_size, second_tree_size).map_err(store_failed)?;
        let proof = proof.map_err(|_| refuse(Reason::TreeSize))?;
        Ok(Response::new(GetConsistencyProofResponse { path: hash_bytes(proof.hashes()) }))
    }

    async fn list_evidence(
        &self,
        request: Request<ListEvidenceRequest>,
    ) -> Result<Response<ListEvidenceResponse>, Status> {
        let ListEvidenceRequest { page_size, after } = request.into_inner();
        let count = match page_size {
            0 => EVIDENCE_PAGE_DEFAULT,
            1..=EVIDENCE_PAGE_MAX => page_size,
            _ => return Err(refuse(Reason::PageSize)),
        };
        let after = if after.is_empty() { None } else { Some(evidence_id(&after)?) };
        let mut page = self.evidence.page(after, count as usize + 1);
        let more = page.len() > count as usize;
        page.truncate(count as usize);
        let summary = |(id, exhibit): (Hash, Exhibit)| EvidenceSummary {
            evidence_id: bytes::Bytes::copy_from_slice(&id.0),
            kind: exhibit.kind.to_owned(),
            members: exhibit.members,
            file_bytes: u32::try_from(exhibit.file.len()).unwrap_or(u32::MAX),
        };
        Ok(Response::new(ListEvidenceResponse { evidence: page.into_iter().map(summary).collect(), more }))
    }

    async fn get_evidence(
        &self,
        request: Request<GetEvidenceRequest>,
    ) -> Result<Response<GetEvidenceResponse>, Status> {
        let id = evidence_id(&request.into_inner().evidence_id)?;
        let exhibit = self.evidence.exhibit(&id).ok_or_else(|| refuse(Reason::EvidenceUnknown))?;
        Ok(Response::new(GetEvidenceResponse { file: exhibit.file }))
    }
}

#[allow(clippy::result_large_err, reason = "tonic's own error")]
fn evidence_id(bytes: &[u8]) -> Result<Hash, Status> {
    bytes.try_into().map(Hash).map_err(|_| refuse(Reason::EvidenceId))
}
