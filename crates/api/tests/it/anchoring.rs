//! Submitting: idempotence, waiting by event, streams.

use std::time::Duration;

use kvitto_ledger::testing::commitment;
use kvitto_ledger::{Position, Rejection, StatementId};
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
    assert_eq!(stage.progress(&id).await, Progress::Accepted);
    let waiting = tokio::spawn(async move { client.submit(final_request(statement)).await });
    stage.node.commit();
    assert_eq!(stage.progress(&id).await, Progress::Accepted, "committed is not final");
    stage.node.publish();
    let answer = waiting.await.unwrap().unwrap().into_inner();
    assert!(matches!(result(&answer).progress, Progress::Final(_)));
    assert!(matches!(stage.progress(&id).await, Progress::Final(_)));
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
        stage.node.drop_waiting(Rejection::StatementExpired);
        tokio::task::yield_now().await;
    }
    let status = waiting.await.unwrap().unwrap_err();
    assert_eq!(reason(&status), (Code::FailedPrecondition, "STATEMENT_EXPIRED".to_owned()));
    let progress = stage.progress(&id).await;
    assert!(matches!(progress, Progress::Expired(refusal) if refusal.is_final));
}

#[tokio::test]
async fn a_dropped_statement_that_is_submitted_again_waits_again() {
    let stage = Stage::new().await;
    stage.node.stop_committing();
    let statement = stage.node.statement(&stage.school, stage.school.anchors([commitment(5)]));
    let request = v1::SubmitRequest { statement: statement.into(), ..Default::default() };
    let submit = async || result(&stage.anchoring().submit(request.clone()).await.unwrap().into_inner());
    let id = submit().await.id.unwrap();
    stage.node.drop_waiting(Rejection::AccreditationSuspended);
    assert!(matches!(stage.progress(&id).await, Progress::Rejected { .. }));
    assert_eq!(submit().await.progress, Progress::Accepted);
    assert_eq!(stage.progress(&id).await, Progress::Accepted, "what was said about it before is over");
    stage.node.commit();
    assert_eq!(stage.progress(&id).await, Progress::Accepted);
    stage.node.publish();
    assert!(matches!(stage.progress(&id).await, Progress::Final(_)));
}

/// RULES 5.6: whichever of two statements with the same commitment comes second, its answer is where the first one put it.
#[tokio::test]
async fn of_two_statements_with_one_commitment_the_second_is_answered_with_the_firsts_position() {
    let stage = Stage::new().await;
    stage.node.stop_committing();
    let statement = || stage.node.statement(&stage.school, stage.school.anchors([commitment(5)]));
    let (first, second, third) = (statement(), statement(), statement());
    let submit = |statement: &[u8]| {
        let (mut client, request) = (stage.anchoring(), final_request(statement.to_vec()));
        tokio::spawn(async move { client.submit(request).await })
    };
    let mut waiting = vec![submit(&first)];
    stage.node_holds(1).await;
    waiting.push(submit(&second));
    let streamed = [v1::SubmitStreamRequest { statement: third.into(), tag: 3, ..Default::default() }];
    let streamed = tokio_stream::iter(streamed);
    let mut streamed = stage.anchoring().submit_stream(streamed).await.unwrap().into_inner();
    stage.node_holds(3).await;
    stage.node.commit();
    stage.node.publish();
    let mut answers = Vec::new();
    for answer in waiting {
        answers.push(answer.await.unwrap().unwrap().into_inner());
    }
    let Progress::Final(outcome) = result(&answers[0]).progress else { panic!("{answers:?}") };
    assert_eq!(outcome.leaves, 1);
    let position = Receipt::from_json(&answers[0].receipts[0]).unwrap();
    let Progress::Rejected { refusal, existing } = result(&answers[1]).progress else {
        panic!("{answers:?}")
    };
    assert_eq!((refusal.reason.as_str(), existing.len()), ("NOTHING_NEW", 1));
    assert_eq!(answers[1].receipts, answers[0].receipts);
    check(&stage, &position);
    let told = streamed.next().await.unwrap().unwrap().items.remove(0).item.unwrap();
    let Item::Result(told) = told else { panic!("{told:?}") };
    let told = StatementResult::try_from(told.result).unwrap();
    assert!(matches!(&told.progress, Progress::Rejected { existing: same, .. } if *same == existing));
    assert_eq!(stage.progress(&told.id.unwrap()).await, told.progress, "asked for later, it is the same");
}

/// As for what was executed: nothing is answered that no checkpoint shows.
#[tokio::test]
async fn nothing_new_is_answered_when_a_checkpoint_shows_it() {
    let stage = Stage::new().await;
    stage.node.stop_committing();
    let body = || stage.school.anchors([commitment(5)]);
    let first = stage.node.statement(&stage.school, body());
    let request =
        |statement: &[u8]| v1::SubmitRequest { statement: statement.to_vec().into(), ..Default::default() };
    stage.anchoring().submit(request(&first)).await.unwrap();
    stage.node.commit();
    let again = stage.node.statement(&stage.school, body());
    let early = stage.anchoring().submit(request(&again)).await.unwrap().into_inner();
    assert_eq!(result(&early).progress, Progress::Accepted, "committed is not final");
    let (mut client, waits) = (stage.anchoring(), final_request(again.clone()));
    let waiting = tokio::spawn(async move { client.submit(waits).await });
    stage.node.publish();
    for answer in [waiting.await.unwrap(), stage.anchoring().submit(request(&again)).await] {
        let answer = answer.unwrap().into_inner();
        let Progress::Rejected { existing, .. } = result(&answer).progress else { panic!("{answer:?}") };
        assert_eq!((existing.len(), answer.receipts.len()), (1, 1));
    }
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
    stage.node_holds(100).await;
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
    /// Waits until so many statements are in the mempool.
    async fn node_holds(&self, count: u32) {
        while kvitto_api::Peers::info(&self.node).mempool_statements < count {
            tokio::task::yield_now().await;
        }
    }

    async fn progress(&self, id: &StatementId) -> Progress {
        let request = v1::GetOutcomeRequest { statement_id: id.0.to_vec().into() };
        let response = self.anchoring().get_outcome(request).await.unwrap().into_inner();
        StatementResult::try_from(response.result).unwrap().progress
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
