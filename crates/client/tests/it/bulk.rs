//! More credentials than one call takes: they are asked about in as many calls as it needs, and nobody who asks sees that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kvitto_client::{CredentialName, Moment, ProvenReceipt, Submitted};
use kvitto_ledger::testing::commitment;
use kvitto_proto::limits::BATCH_CREDENTIALS_MAX;
use kvitto_proto::v1::BatchGetStatusResponse;

use crate::Stage;
use crate::hostile::Between;
use crate::proxy::Twists;

/// Two full calls and a part of a third.
const COUNT: u64 = 2 * BATCH_CREDENTIALS_MAX as u64 + 76;

/// The numbers of credentials that a stage does not have, ascending by commitment.
fn numbers(count: u64) -> Vec<u64> {
    let mut numbers: Vec<u64> = (1000..1000 + count).collect();
    numbers.sort_by_key(|number| commitment(*number));
    numbers
}

fn names(stage: &Stage, numbers: &[u64]) -> Vec<CredentialName> {
    numbers.iter().map(|number| stage.credential(*number)).collect()
}

#[tokio::test]
async fn an_anchor_of_more_items_than_one_call_takes_comes_with_all_its_receipts() {
    let stage = Stage::new().await;
    let numbers = numbers(BATCH_CREDENTIALS_MAX as u64 + 88);
    let anchor = stage.school.anchors(numbers.iter().copied().map(commitment));
    let statement = stage.organisation().anchor(anchor.clone()).unwrap();
    let again = stage.organisation().anchor(anchor).unwrap();
    for (statement, records) in [(&statement, numbers.len()), (&again, 0)] {
        let submitted = stage.client.submit_final(statement).await.unwrap();
        let anchored = submitted.receipts().iter().map(|proven| proven.verdict.anchored.commitment);
        assert!(anchored.eq(numbers.iter().copied().map(commitment)));
        match submitted {
            Submitted::Final(done) => assert_eq!(done.records.len(), records),
            Submitted::NothingNew(_) => assert_eq!(records, 0),
        }
    }
}

#[tokio::test]
async fn many_statuses_are_as_of_one_block_while_the_ledger_goes_on() {
    let between = Between::new().await;
    let (stage, client) = (&between.stage, &between.stage.client);
    let mut numbers = numbers(COUNT);
    stage.node.act(&stage.school, stage.school.anchors(numbers.iter().copied().map(commitment)));
    // One that is not anchored has its own answer, in its place.
    numbers[BATCH_CREDENTIALS_MAX + 3] = 77;
    let goes_on = || {
        let (node, school, gone_on) =
            (stage.node.clone(), stage.school.clone(), Arc::new(AtomicBool::new(false)));
        between.proxy.twist(Twists {
            batch: Some(Arc::new(move |_: &mut BatchGetStatusResponse| {
                if !gone_on.swap(true, Ordering::Relaxed) {
                    node.act(&school, school.reserves(1));
                }
            })),
            ..Twists::default()
        });
    };
    goes_on();
    let statuses = client.statuses(&names(stage, &numbers), Moment::Newest).await.unwrap();
    goes_on();
    let receipts = client.receipts(&names(stage, &numbers), Moment::Newest).await.unwrap();
    for answers in [&statuses, &receipts] {
        assert_eq!(answers.len(), numbers.len());
        for (number, answer) in numbers.iter().zip(answers) {
            match answer {
                Ok(proven) => assert_eq!(proven.verdict.anchored.commitment, commitment(*number)),
                Err(error) => assert_eq!((error.reason(), *number), ("NOT_ANCHORED", 77)),
            }
        }
    }
    let heights = |answers: &[Result<ProvenReceipt, _>]| {
        let mut heights: Vec<_> = answers.iter().flatten().map(ProvenReceipt::height).collect();
        heights.dedup();
        heights.len()
    };
    assert_eq!((heights(&statuses), heights(&receipts)), (1, 2));
    // A receipt that is kept says what is true now, not what was true when the first of them was asked for.
    assert!(receipts.iter().flatten().all(|proven| proven.receipt.as_of.is_none()));
}

#[tokio::test]
async fn asking_about_nothing_is_answered_with_nothing() {
    let stage = Stage::new().await;
    assert!(stage.client.statuses(&[], Moment::Newest).await.unwrap().is_empty());
    assert!(stage.client.receipts(&[], Moment::Newest).await.unwrap().is_empty());
}
