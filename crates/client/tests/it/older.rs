//! A node that shows what was true once, with every signature and proof in order: only the client's memory tells that more is known.

use std::sync::Mutex;

use kvitto_client::{BadAnswer, ClientError, Moment};
use kvitto_ledger::LeafIndex;
use kvitto_ledger::testing::commitment;
use kvitto_merkle::status::StatusValue;
use kvitto_proto::v1::{
    BatchGetStatusResponse, GetConsistencyProofResponse, GetReceiptResponse, GetStatusResponse,
};
use kvitto_verifier::verdict::Status;

use crate::client;
use crate::hostile::{Between, fault, twist};
use crate::proxy::{Twist, Twists};

/// Gives the first answer again, whatever is asked later.
fn replay<T: Clone + Send + 'static>() -> Twist<T> {
    let first: Mutex<Option<T>> = Mutex::default();
    twist(move |answer: &mut T| *answer = first.lock().unwrap().get_or_insert_with(|| answer.clone()).clone())
}

#[tokio::test]
async fn an_older_answer_is_not_the_newest_one_and_the_next_node_is_asked() {
    let between = Between::new().await;
    let (stage, name) = (&between.stage, between.stage.credential(1));
    between.proxy.twist(Twists {
        status: replay::<GetStatusResponse>(),
        receipt: replay::<GetReceiptResponse>(),
        batch: replay::<BatchGetStatusResponse>(),
        ..Twists::default()
    });
    let direct = stage.served.url();
    let alone = between.impatient(&[&between.url]);
    let either = client(&stage.node, &[between.url.clone(), direct]);
    for client in [&alone, &either] {
        client.status(name, Moment::Newest).await.unwrap();
        client.receipt(name, Moment::Newest).await.unwrap();
        client.statuses(&[name], Moment::Newest).await.unwrap();
    }
    stage.node.act(&stage.school, stage.school.sets(StatusValue::Revoked, [commitment(1)]));
    for client in [&alone, &either] {
        // Another answer of the same node brings the news.
        let said = client.identifier(&stage.school.did, Moment::Newest).await.unwrap();
        client.entries(LeafIndex(said.checkpoint.size() - 1), 1).await.unwrap();
    }
    for error in [
        alone.status(name, Moment::Newest).await.unwrap_err(),
        alone.receipt(name, Moment::Newest).await.unwrap_err(),
        alone.statuses(&[name], Moment::Newest).await.unwrap_err(),
    ] {
        assert!(matches!(&error, ClientError::Unavailable(_)), "{error:?}");
        assert_eq!(error.reason(), "NODE_BEHIND");
    }
    for proven in [
        either.status(name, Moment::Newest).await.unwrap(),
        either.receipt(name, Moment::Newest).await.unwrap(),
        either.statuses(&[name], Moment::Newest).await.unwrap().remove(0).unwrap(),
    ] {
        assert_eq!(proven.status(), Status::Revoked);
    }
}

#[tokio::test]
async fn a_receipt_is_remembered_and_what_comes_later_continues_its_tree() {
    let between = Between::new().await;
    let (stage, name) = (&between.stage, between.stage.credential(1));
    let client = between.impatient(&[&between.url]);
    let old = client.receipt(name, Moment::Newest).await.unwrap().receipt.to_json();
    stage.node.act(&stage.school, stage.school.sets(StatusValue::Revoked, [commitment(1)]));
    between.proxy.twist(Twists {
        consistency: twist(|answer: &mut GetConsistencyProofResponse| answer.path.truncate(1)),
        ..Twists::default()
    });
    let error = fault(client.receipt(name, Moment::Newest).await.unwrap_err());
    assert!(matches!(error, BadAnswer::Inconsistent { .. }), "{error:?}");
    between.proxy.twist(Twists::default());
    assert_eq!(client.receipt(name, Moment::Newest).await.unwrap().status(), Status::Revoked);
    between.proxy.twist(Twists {
        receipt: twist(move |answer: &mut GetReceiptResponse| answer.receipt = old.clone().into()),
        ..Twists::default()
    });
    let replayed = client.receipt(name, Moment::Newest).await.unwrap_err();
    assert_eq!(replayed.reason(), "NODE_BEHIND");
}
