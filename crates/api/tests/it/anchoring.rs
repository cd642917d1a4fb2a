//! Submitting: idempotence, waiting by event, streams.

use std::time::Duration;

use kvitto_ledger::testing::commitment;
use kvitto_ledger::{Position, Rejection};
use kvitto_proto::convert::{Progress, ReceiptItem, ReceiptShared, StatementResult};
use kvitto_proto::v1::{self, submit_stream_item::Item};
use kvitto_storage::Read;

use kvitto_verifier::{Question, Receipt, TrustFile, verify};
use tokio_stream::StreamExt;
use tonic::Code;

use crate::{Stage, reason};

fn final_request(statement: Vec<u8>) -> v1::SubmitRequest {
    v1::SubmitRequest { statement: statement.into(), wait: v1::Wait::Final.into(), ..Default::default() }
}

fn result(response: &v1::SubmitResponse) -> StatementResult {
    response.result.clone().try_into().expect("a result")
}

/// The receipt proves that its commitment was anchored.
fn check(stage: &Stage, receipt: &Receipt) {
    let trust = TrustFile::from_genesis(stage.node.world().genesis.clone()).unwrap();
    let question = Question::now(stage.node.now().seconds(), 60);
    let verdict = verify(receipt, None, &trust, &question).expect("a receipt that proves something");
    assert_eq!(verdict.anchored.by.did, stage.school.did);
}

#[tokio::test]
async fn final_comes_with_receipts_that_verify_and_stays_the_same_for_ever() {
    let stage = Stage::new().await;
    let body = stage.school.anchors([commitment(2), commitment(3), commitment(4)]);
    let statement = stage.node.statement(&stage.school, body);
    let first = stage.anchoring().submit(final_request(statement.clone())).await.unwrap().into_inner();
    let Progress::Final(outcome) = result(&first).progress else { panic!("{first:?}") };
    assert_eq!((outcome.leaves, outcome.exceptions.len()), (2, 1), "commitment 2 was there before");
    assert_eq!(first.receipts.len(), 3);
    for receipt in &first.receipts {
        check(&stage, &Receipt::from_json(receipt).unwrap());
    }
    for _ in 0..2 {
        let again = stage.anchoring().submit(final_request(statement.clone())).await.unwrap().into_inner();
        assert_eq!(again, first);
    }
    let size = stage.node.reader().leaves(0..10_000, usize::MAX).unwrap().len();
    stage.anchoring().submit(final_request(statement)).await.unwrap();
    assert_eq!(stage.node.reader().leaves(0..10_000, usize::MAX).unwrap().len(), size);
}

#[tokio::test]
async fn final_is_answered_only_after_a_checkpoint_covers_the_block() {
    let stage = Stage::new().await;
    stage.node.stop_committing();
    let statement = stage.node.statement(&stage.school, stage.school.anchors([commitment(5)]));
    let mut client = stage.anchoring();
    let accepted = client
        .submit(v1::SubmitRequest { statement: statement.clone().into(), ..Default::default() })
        .await
        .unwrap()
        .into_inner();
    let id = result(&accepted).id.unwrap();
    assert_eq!(result(&accepted).progress, Progress::Accepted);
    let outcome = |mut client: v1::anchoring_service_client::AnchoringServiceClient<_>| async move {
        let request = v1::GetOutcomeRequest { statement_id: id.0.to_vec().into() };
        let response: v1::GetOutcomeResponse = client.get_outcome(request).await.unwrap().into_inner();
        StatementResult::try_from(response.result).unwrap().progress
    };
    assert_eq!(outcome(stage.anchoring()).await, Progress::Accepted);
    let waiting = tokio::spawn(async move { client.submit(final_request(statement)).await });
    stage.node.commit();
    assert_eq!(outcome(stage.anchoring()).await, Progress::Accepted, "committed is not final");
    stage.node.publish();
    let answer = waiting.await.unwrap().unwrap().into_inner();
    assert!(matches!(result(&answer).progress, Progress::Final(_)));
    assert!(matches!(outcome(stage.anchoring()).await, Progress::Final(_)));
}

#[tokio::test]
async fn when_the_wait_is_over_the_answer_is_accepted_and_no_error() {
    let stage = Stage::new().await;
    stage.node.stop_committing();
    let statement = stage.node.statement(&stage.school, stage.school.anchors([commitment(5)]));
    let request = v1::SubmitRequest { wait_ms: 20, ..final_request(statement) };
    let answer = stage.anchoring().submit(request).await.unwrap().into_inner();
    assert_eq!(result(&answer).progress, Progress::Accepted);
}

#[tokio::test]
async fn a_statement_that_is_dropped_while_one_waits_is_answered_with_the_reason() {
    let stage = Stage::new().await;
    stage.node.stop_committing();
    let statement = stage.node.statement(&stage.school, stage.school.anchors([commitment(5)]));
    let request = v1::SubmitRequest { statement: statement.clone().into(), ..Default::default() };
    let id = result(&stage.anchoring().submit(request).await.unwrap().into_inner()).id.unwrap();
    let mut client = stage.anchoring();
    let waiting = tokio::spawn(async move { client.submit(final_request(statement)).await });
    while !waiting.is_finished() {
        // Dropped again and again until the waiter listens.
        stage.node.notices().dropped([(id, Rejection::StatementExpired)]);
        tokio::task::yield_now().await;
    }
    let status = waiting.await.unwrap().unwrap_err();
    assert_eq!(reason(&status), (Code::FailedPrecondition, "STATEMENT_EXPIRED".to_owned()));
    let request = v1::GetOutcomeRequest { statement_id: id.0.to_vec().into() };
    let response = stage.anchoring().get_outcome(request).await.unwrap().into_inner();
    let progress = StatementResult::try_from(response.result).unwrap().progress;
    assert!(matches!(progress, Progress::Expired(refusal) if refusal.is_final));
}

#[tokio::test]
async fn anchoring_nothing_new_is_answered_with_what_there_is() {
    let stage = Stage::new().await;
    let statement = stage.node.statement(&stage.school, stage.school.anchors([commitment(1), commitment(2)]));
    let answer = stage.anchoring().submit(final_request(statement)).await.unwrap().into_inner();
    let Progress::Rejected { refusal, existing } = result(&answer).progress else { panic!("{answer:?}") };
    assert_eq!(refusal.reason, "NOTHING_NEW");
    assert_eq!(existing, [Position(3), Position(4)]);
    assert_eq!(answer.receipts.len(), 2);
    for receipt in &answer.receipts {
        check(&stage, &Receipt::from_json(receipt).unwrap());
    }
}

#[tokio::test]
async fn more_than_16_items_come_without_receipts() {
    let stage = Stage::new().await;
    let body = stage.school.anchors((10..27).map(commitment));
    let answer = stage.anchoring().submit(final_request(stage.node.statement(&stage.school, body))).await;
    let answer = answer.unwrap().into_inner();
    assert!(matches!(result(&answer).progress, Progress::Final(_)));
    assert!(answer.receipts.is_empty());
}

#[tokio::test]
async fn a_stream_answers_every_statement_and_sends_the_shared_part_once() {
    let stage = Stage::new().await;
    stage.node.stop_committing();
    let statements: Vec<_> = (0..100)
        .map(|number| {
            let body = stage.school.anchors([commitment(100 + number)]);
            v1::SubmitStreamRequest {
                statement: stage.node.statement(&stage.school, body).into(),
                tag: number,
                receipts: true,
                ..Default::default()
            }
        })
        .chain([v1::SubmitStreamRequest { statement: "nonsense".into(), tag: 1000, ..Default::default() }])
        .collect();
    let mut answers =
        stage.anchoring().submit_stream(tokio_stream::iter(statements)).await.unwrap().into_inner();
    let (mut finals, mut shared, mut receipts, mut rejected) = (0, Vec::new(), 0, 0);
    while stage.node_waits_for() < 100 {
        tokio::task::yield_now().await;
    }
    stage.node.commit();
    stage.node.publish();
    while let Some(batch) = answers.next().await {
        for item in batch.unwrap().items {
            match item.item.unwrap() {
                Item::Result(result) => match StatementResult::try_from(result.result).unwrap().progress {
                    Progress::Final(_) => finals += 1,
                    Progress::Rejected { refusal, .. } => {
                        assert_eq!((result.tag, refusal.reason.as_str()), (1000, "COSE_MALFORMED"));
                        rejected += 1;
                    }
                    other => panic!("{other:?}"),
                },
                Item::ReceiptShared(part) => {
                    assert_eq!(part.shared_id as usize, shared.len() + 1);
                    shared.push(ReceiptShared::try_from(part).unwrap());
                }
                Item::Receipt(receipt) => {
                    let item = receipt.receipt.unwrap();
                    let shared = &shared[item.shared_id as usize - 1];
                    check(&stage, &shared.complete(ReceiptItem::try_from(item).unwrap()));
                    receipts += 1;
                }
            }
        }
    }
    assert_eq!((finals, shared.len(), receipts, rejected), (100, 1, 100, 1));
}

impl Stage {
    fn node_waits_for(&self) -> u32 {
        kvitto_api::Peers::info(&self.node).mempool_statements
    }
}

#[tokio::test]
async fn a_stream_says_when_a_statement_was_not_taken() {
    let stage = Stage::new().await;
    stage
        .node
        .refuse_with(Some(kvitto_api::SubmitError::MempoolFull { retry_after: Duration::from_secs(1) }));
    let requests = tokio_stream::iter([v1::SubmitStreamRequest { tag: 7, ..Default::default() }]);
    let mut answers = stage.anchoring().submit_stream(requests).await.unwrap().into_inner();
    let batch = answers.next().await.unwrap().unwrap();
    let [v1::SubmitStreamItem { item: Some(Item::Result(result)) }] = &batch.items[..] else {
        panic!("{batch:?}")
    };
    assert_eq!((result.tag, result.unavailable_reason.as_str()), (7, "MEMPOOL_FULL"));
    assert!(answers.next().await.is_none());
}
