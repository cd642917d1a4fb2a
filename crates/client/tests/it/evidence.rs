//! Evidence is listed, page by page, and believed only after it was checked.

use bytes::Bytes;
use kvitto_client::{ClientError, EvidenceSummary};
use kvitto_merkle::Hash;
use kvitto_proto::v1::{GetEvidenceResponse, ListEvidenceResponse};
use kvitto_verifier::Evidence;
use kvitto_verifier::evidence::{Act, ConflictingCheckpoints, Contradiction};

use crate::Stage;
use crate::hostile::{Between, fault, twist};
use crate::proxy::Twists;

/// Gives a node so many pieces of evidence against all its members.
fn accuse(stage: &Stage, pieces: u8) -> Vec<Hash> {
    let (node, ledger_id) = (&stage.node, stage.node.world().ledger_id);
    let note = |root| node.note(5, Hash([root; 32]), 1).parse().expect("a note");
    let piece = |number| {
        let checkpoints = ConflictingCheckpoints { smaller: note(0), larger: note(number), proof: None };
        let evidence = Evidence { ledger_id, contradiction: Contradiction::Checkpoints(checkpoints) };
        let file = evidence.to_json().into_bytes();
        let id = Evidence::id(&file);
        kvitto_api::Peers::evidence(node).add(file).expect("it proves something");
        id
    };
    let mut ids: Vec<Hash> = (1..=pieces).map(piece).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn all_evidence_is_listed_and_each_piece_proves_who_did_what() {
    let stage = Stage::new().await;
    let empty = stage.client.list_evidence(None).await.unwrap().into_said();
    assert_eq!((empty.evidence, empty.next), (Vec::new(), None));
    let ids = accuse(&stage, 201);
    let names: Vec<String> = stage.node.world().members.iter().map(|member| member.name.clone()).collect();
    let (mut listed, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = stage.client.list_evidence(after).await.unwrap().into_said();
        listed.extend(page.evidence);
        (after, pages) = (page.next, pages + 1);
        if after.is_none() {
            break;
        }
    }
    let expected: Vec<_> = ids
        .iter()
        .map(|id| EvidenceSummary { id: *id, kind: "checkpoints".to_owned(), members: names.clone() })
        .collect();
    assert_eq!((listed, pages), (expected, 2));
    let proven = stage.client.evidence(ids[7]).await.unwrap();
    assert_eq!(proven.misconduct.members, names);
    assert_eq!(proven.misconduct.act, Act::Checkpoints { smaller_size: 5, larger_size: 5 });
    let unknown = stage.client.evidence(Hash([1; 32])).await.unwrap_err();
    assert!(matches!(unknown, ClientError::NotFound { .. }) && unknown.reason() == "EVIDENCE_UNKNOWN");
}

#[tokio::test]
async fn a_node_accuses_nobody_without_proof() {
    let between = Between::new().await;
    let ids = accuse(&between.stage, 2);
    let client = &between.stage.client;
    let shown =
        |change: fn(&mut GetEvidenceResponse)| Twists { evidence: twist(change), ..Twists::default() };
    let listed =
        |change: fn(&mut ListEvidenceResponse)| Twists { evidence_list: twist(change), ..Twists::default() };
    // Another file than was asked for.
    between.proxy.twist(shown(|answer| answer.file = Bytes::from_static(b"{}")));
    assert_eq!(fault(client.evidence(ids[0]).await.unwrap_err()).reason(), "ANSWER_MISMATCH");
    // One whose id is right, and which proves nothing.
    between.proxy.twist(shown(|answer| {
        let text = String::from_utf8(answer.file.to_vec()).expect("JSON");
        let mut evidence = Evidence::from_json(text.as_bytes()).expect("evidence");
        let Contradiction::Checkpoints(checkpoints) = &mut evidence.contradiction else {
            panic!("checkpoints")
        };
        checkpoints.larger = checkpoints.smaller.clone();
        answer.file = evidence.to_json().into();
    }));
    let file = client.evidence(ids[0]).await.unwrap_err();
    assert_eq!(fault(file).reason(), "ANSWER_MISMATCH", "its id is another one");
    let changes: [fn(&mut ListEvidenceResponse); 5] = [
        |answer| answer.evidence.reverse(),
        |answer| answer.evidence[0].members.clear(),
        |answer| answer.evidence[0].members[0] = "honest.example/\u{1b}[2J".to_owned(),
        |answer| answer.evidence[0].kind = "gossip".to_owned(),
        |answer| answer.evidence[0].evidence_id = Bytes::from_static(b"short"),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        between.proxy.twist(listed(change));
        fault(client.list_evidence(None).await.expect_err(&format!("{number}")));
    }
    // A page that never moves on.
    between.proxy.twist(listed(|answer| answer.more = true));
    let next = client.list_evidence(None).await.unwrap().into_said().next;
    between.proxy.twist(Twists::default());
    assert_eq!(client.list_evidence(next).await.unwrap().into_said().evidence, Vec::new());
    assert_eq!(client.evidence(ids[1]).await.unwrap().misconduct.members.len(), 4);
}

/// The id fits, because the node has made it up from a file that proves nothing.
#[tokio::test]
async fn a_file_that_proves_nothing_is_refused_with_its_reason() {
    let between = Between::new().await;
    let (node, ledger_id) = (&between.stage.node, between.stage.node.world().ledger_id);
    let note = || node.note(5, Hash([1; 32]), 1).parse().expect("a note");
    let checkpoints = ConflictingCheckpoints { smaller: note(), larger: note(), proof: None };
    let file = Evidence { ledger_id, contradiction: Contradiction::Checkpoints(checkpoints) }.to_json();
    let id = Evidence::id(file.as_bytes());
    accuse(&between.stage, 1);
    let known = between.stage.client.list_evidence(None).await.unwrap().into_said().evidence[0].id;
    assert_ne!(known, id);
    let served = Bytes::from(file);
    between.proxy.answer_evidence(served);
    let error = fault(between.stage.client.evidence(id).await.unwrap_err());
    assert_eq!(error.reason(), "NO_CONFLICT");
}
