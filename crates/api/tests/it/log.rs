//! The log: checkpoints, entries, proofs, and what is out of range.

use kvitto_api::Peers;
use kvitto_ledger::testing::commitment;
use kvitto_merkle::log::{ConsistencyProof, InclusionProof, verify_consistency, verify_inclusion};
use kvitto_merkle::{Checkpoint, Hash, Note, leaf_hash};
use kvitto_proto::{convert, v1};
use kvitto_storage::Read;
use kvitto_verifier::Evidence;
use kvitto_verifier::evidence::{ConflictingCheckpoints, Contradiction};
use tokio_stream::StreamExt;
use tonic::Code;

use crate::{Stage, refused};

impl Stage {
    async fn checkpoint(&self) -> Checkpoint {
        let answer = self.log().get_checkpoint(v1::GetCheckpointRequest {}).await.unwrap().into_inner();
        let checkpoint = answer.checkpoint.unwrap();
        let note: Note = checkpoint.note.parse().unwrap();
        let signed: Checkpoint = note.text().parse().unwrap();
        assert_eq!(signed.size, checkpoint.tree_size);
        signed
    }
}

fn hashes(path: &[bytes::Bytes]) -> Vec<Hash> {
    convert::hashes("path", path).unwrap()
}

#[tokio::test]
async fn every_leaf_is_proved_under_the_checkpoint() {
    let stage = Stage::new().await;
    let checkpoint = stage.checkpoint().await;
    let mut leaves = Vec::new();
    while (leaves.len() as u64) < checkpoint.size {
        let request = v1::GetEntriesRequest { first_leaf: leaves.len() as u64, count: 3 };
        leaves.extend(stage.log().get_entries(request).await.unwrap().into_inner().leaves);
    }
    for (index, leaf) in (0..).zip(&leaves) {
        let request = v1::GetInclusionProofRequest { leaf_index: index, tree_size: checkpoint.size };
        let answer = stage.log().get_inclusion_proof(request).await.unwrap().into_inner();
        assert_eq!(answer.leaf_hash, leaf_hash(leaf).0.to_vec());
        let proof = InclusionProof::new(hashes(&answer.path)).unwrap();
        assert_eq!(
            verify_inclusion(&leaf_hash(leaf), index, checkpoint.size, &proof, &checkpoint.root),
            Ok(())
        );
    }
}

#[tokio::test]
async fn an_earlier_tree_is_proved_to_be_the_beginning_of_a_later_one() {
    let stage = Stage::new().await;
    let earlier = stage.checkpoint().await;
    stage.node.act(&stage.school, stage.school.anchors((10..30).map(commitment)));
    let later = stage.checkpoint().await;
    let request =
        v1::GetConsistencyProofRequest { first_tree_size: earlier.size, second_tree_size: later.size };
    let answer = stage.log().get_consistency_proof(request).await.unwrap().into_inner();
    let proof = ConsistencyProof::new(hashes(&answer.path)).unwrap();
    assert_eq!(verify_consistency(earlier.size, &earlier.root, later.size, &later.root, &proof), Ok(()));
}

#[tokio::test]
async fn what_is_not_published_is_out_of_range() {
    let stage = Stage::new().await;
    let size = stage.checkpoint().await.size;
    // Committed, but no checkpoint covers it: readers see nothing of it.
    stage.node.stop_committing();
    let statement = stage.node.statement(&stage.school, stage.school.anchors([commitment(5)]));
    let request = v1::SubmitRequest { statement: statement.into(), ..Default::default() };
    stage.anchoring().submit(request).await.unwrap();
    stage.node.commit();
    assert_eq!(stage.checkpoint().await.size, size);
    let mut log = stage.log();
    let entries = |first_leaf, count| v1::GetEntriesRequest { first_leaf, count };
    refused(log.get_entries(entries(size, 1)).await, Code::OutOfRange, "LEAF_INDEX");
    refused(log.get_entries(entries(0, 4097)).await, Code::InvalidArgument, "PAGE_SIZE");
    assert_eq!(log.get_entries(entries(size - 1, 10)).await.unwrap().into_inner().leaves.len(), 1);
    let inclusion = |leaf_index, tree_size| v1::GetInclusionProofRequest { leaf_index, tree_size };
    for (leaf, tree_size, expected) in [
        (0, 0, "TREE_SIZE"),
        (0, size + 1, "TREE_SIZE"),
        (size, size, "LEAF_INDEX"),
        (0, u64::MAX, "TREE_SIZE"),
    ] {
        refused(log.get_inclusion_proof(inclusion(leaf, tree_size)).await, Code::OutOfRange, expected);
    }
    for (first, second) in [(0, size), (size, size - 1), (1, size + 1), (0, 0)] {
        let request = v1::GetConsistencyProofRequest { first_tree_size: first, second_tree_size: second };
        refused(log.get_consistency_proof(request).await, Code::OutOfRange, "TREE_SIZE");
    }
    let request = v1::GetStatusRequest { credential: Some(stage.credential(5)), ..Default::default() };
    refused(stage.status().get_status(request).await, Code::NotFound, "NOT_ANCHORED");
}

#[tokio::test]
async fn a_watcher_of_checkpoints_gets_the_newest_one_and_then_newer_ones() {
    let stage = Stage::new().await;
    let mut answers =
        stage.log().watch_checkpoints(v1::WatchCheckpointsRequest {}).await.unwrap().into_inner();
    let mut next = async || answers.next().await.unwrap().unwrap().checkpoint.unwrap().height;
    let height = stage.node.reader().committed().0;
    assert_eq!(next().await, height);
    stage.node.act(&stage.school, stage.school.anchors([commitment(10)]));
    assert_eq!(next().await, height + 1);
}

#[tokio::test]
async fn evidence_is_served_in_pages_and_by_its_id() {
    let stage = Stage::new().await;
    let ledger_id = stage.node.world().ledger_id;
    let note = |root| stage.node.note(5, Hash([root; 32]), 1).parse().unwrap();
    for root in 1..=5 {
        let checkpoints = ConflictingCheckpoints { smaller: note(0), larger: note(root), proof: None };
        let evidence = Evidence { ledger_id, contradiction: Contradiction::Checkpoints(checkpoints) };
        stage.node.evidence().add(evidence.to_json().into_bytes()).unwrap();
    }
    let checkpoints = ConflictingCheckpoints { smaller: note(0), larger: note(0), proof: None };
    let nothing = Evidence { ledger_id, contradiction: Contradiction::Checkpoints(checkpoints) };
    assert!(stage.node.evidence().add(nothing.to_json().into_bytes()).is_err(), "it proves nothing");
    let list = async |page_size, after: &[u8]| {
        let request = v1::ListEvidenceRequest { page_size, after: after.to_vec().into() };
        stage.log().list_evidence(request).await
    };
    let all = list(0, &[]).await.unwrap().into_inner();
    assert_eq!((all.evidence.len(), all.more), (5, false));
    let first = list(3, &[]).await.unwrap().into_inner();
    assert_eq!((&first.evidence[..], first.more), (&all.evidence[..3], true));
    let rest = list(2, &first.evidence[2].evidence_id).await.unwrap().into_inner();
    assert_eq!((&rest.evidence[..], rest.more), (&all.evidence[3..], false));
    for summary in &all.evidence {
        let request = v1::GetEvidenceRequest { evidence_id: summary.evidence_id.clone() };
        let file = stage.log().get_evidence(request).await.unwrap().into_inner().file;
        assert_eq!(
            (Evidence::id(&file).0.to_vec(), file.len()),
            (summary.evidence_id.to_vec(), summary.file_bytes as usize)
        );
        assert_eq!((summary.kind.as_str(), summary.members.len()), ("checkpoints", 4));
    }
    refused(list(201, &[]).await, Code::InvalidArgument, "PAGE_SIZE");
    refused(list(0, &[1; 31]).await, Code::InvalidArgument, "EVIDENCE_ID");
    let get = async |id: &[u8]| {
        let request = v1::GetEvidenceRequest { evidence_id: id.to_vec().into() };
        stage.log().get_evidence(request).await
    };
    refused(get(&[1; 33]).await, Code::InvalidArgument, "EVIDENCE_ID");
    refused(get(&[1; 32]).await, Code::NotFound, "EVIDENCE_UNKNOWN");
}
