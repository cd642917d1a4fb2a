//! Nodes that do not answer: the same bytes again, there or elsewhere, for as long as was said.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt;
use kvitto_api::Config;
use kvitto_api::testing::MemoryNode;
use kvitto_client::{Client, ClientError, Moment, Options, Submitted};
use kvitto_ledger::testing::commitment;
use kvitto_proto::v1::batch_get_status_item::Item;
use kvitto_proto::v1::batch_get_status_result::Answer;
use kvitto_proto::v1::{BatchGetStatusResponse, SubmitResponse};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::proxy::{Proxy, Twists};
use crate::{Stage, client, options, trust};

/// An error as nodes make it.
pub(crate) fn error(code: Code, reason: &str, retry_after: Option<Duration>) -> Status {
    let mut details = ErrorDetails::with_error_info(reason, "kvitto", HashMap::new());
    if retry_after.is_some() {
        details.set_retry_info(retry_after);
    }
    Status::with_error_details(code, "for a test", details)
}

#[tokio::test]
async fn a_full_mempool_gets_the_same_bytes_again_until_it_takes_them() {
    let stage = Stage::new().await;
    let (proxy, url) = Proxy::start(&stage.served.url()).await;
    let client = client(&stage.node, &[url]);
    proxy.fail([
        error(Code::ResourceExhausted, "MEMPOOL_FULL", None),
        error(Code::Unavailable, "NO_QUORUM", None),
        error(Code::Unavailable, "NODE_SYNCING", None),
    ]);
    let statement = stage.organisation().anchor(stage.school.anchors([commitment(3)])).unwrap();
    let submitted = client.submit_final(&statement).await.unwrap();
    assert!(matches!(submitted, Submitted::Final(_)));
    assert_eq!(proxy.submitted(), vec![statement.bytes().clone(); 4]);
}

/// A node knows a commitment as soon as its block is committed; readers see the block when a checkpoint covers it.
#[tokio::test]
async fn an_earlier_anchor_without_a_checkpoint_is_waited_for() {
    let stage = Stage::new().await;
    let (proxy, url) = Proxy::start(&stage.served.url()).await;
    let client = client(&stage.node, &[url]);
    let (submissions, questions) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let asked = questions.clone();
    proxy.twist(Twists {
        submit: Some(Arc::new(move |answer: &mut SubmitResponse| {
            if submissions.fetch_add(1, Ordering::Relaxed) < 2 {
                answer.receipts.clear();
            }
        })),
        batch: Some(Arc::new(move |answer: &mut BatchGetStatusResponse| {
            asked.fetch_add(1, Ordering::Relaxed);
            for item in &mut answer.items {
                if let Some(Item::Result(result)) = &mut item.item {
                    result.answer = Some(Answer::ErrorReason("NOT_ANCHORED".to_owned()));
                }
            }
        })),
        ..Twists::default()
    });
    let statement = stage.organisation().anchor(stage.school.anchors([commitment(1)])).unwrap();
    let submitted = client.submit_final(&statement).await.unwrap();
    assert!(matches!(&submitted, Submitted::NothingNew(found) if found.receipts.len() == 1));
    assert_eq!((proxy.submitted().len(), questions.load(Ordering::Relaxed)), (3, 2));
}

#[tokio::test]
async fn the_time_that_a_node_asks_for_is_waited() {
    let stage = Stage::new().await;
    let (proxy, url) = Proxy::start(&stage.served.url()).await;
    let client = client(&stage.node, &[url]);
    let asked = Duration::from_millis(150);
    proxy.fail([error(Code::ResourceExhausted, "OVERLOADED", Some(asked))]);
    let before = Instant::now();
    client.checkpoint().await.unwrap();
    assert!(before.elapsed() >= asked);
}

#[tokio::test]
async fn another_node_is_asked_at_once_and_from_then_on() {
    let stage = Stage::new().await;
    let (first, first_url) = Proxy::start(&stage.served.url()).await;
    let (second, second_url) = Proxy::start(&stage.served.url()).await;
    let client = client(&stage.node, &[first_url, second_url]);
    first.fail([error(Code::Unavailable, "DRAINING", Some(Duration::from_secs(30)))]);
    let before = Instant::now();
    client.checkpoint().await.unwrap();
    client.checkpoint().await.unwrap();
    assert!(before.elapsed() < Duration::from_secs(30));
    assert_eq!((first.calls(), second.calls()), (1, 2));
}

#[tokio::test]
async fn an_address_where_nobody_is_is_passed_over() {
    let stage = Stage::new().await;
    // Bound and given up: nobody else listens there now.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let both = client(&stage.node, &[nobody.clone(), stage.served.url()]);
    both.status(stage.credential(1), Moment::Newest).await.unwrap();
    let options = Options { retry_for: Duration::from_millis(20), ..options(&stage.node) };
    let alone = Client::connect(&[nobody], trust(&stage.node), options).unwrap();
    let failed = alone.checkpoint().await.unwrap_err();
    assert!(matches!(failed, ClientError::Unavailable(_)), "{failed:?}");
    assert_eq!(failed.reason(), "UNREACHABLE");
}

#[tokio::test]
async fn a_refusal_is_not_tried_again() {
    let stage = Stage::new().await;
    let (proxy, url) = Proxy::start(&stage.served.url()).await;
    let client = client(&stage.node, &[url]);
    for (code, reason) in
        [(Code::InvalidArgument, "DID"), (Code::OutOfRange, "AT_UNKNOWN"), (Code::NotFound, "X")]
    {
        let before = proxy.calls();
        proxy.fail([error(code, reason, None)]);
        let failed = client.identifier(&stage.school.did, Moment::Newest).await.unwrap_err();
        assert_eq!(failed.reason(), reason);
        assert_eq!(proxy.calls(), before + 1);
    }
}

#[tokio::test]
async fn a_statement_that_is_never_recorded_is_not_final_yet() {
    let stage = Stage::new().await;
    stage.node.stop_committing();
    let options = Options { final_for: Duration::from_millis(50), ..options(&stage.node) };
    let client = Client::connect(&[stage.served.url()], trust(&stage.node), options).unwrap();
    let statement = stage.organisation().anchor(stage.school.anchors([commitment(3)])).unwrap();
    let failed = client.submit_final(&statement).await.unwrap_err();
    assert_eq!(failed.reason(), "NOT_FINAL_YET");
    stage.node.commit();
    stage.node.publish();
    assert!(matches!(client.submit_final(&statement).await.unwrap(), Submitted::Final(_)));
}

#[tokio::test]
async fn a_watch_goes_on_at_another_node() {
    let stage = Stage::new().await;
    let (first, first_url) = Proxy::start(&stage.served.url()).await;
    let (second, second_url) = Proxy::start(&stage.served.url()).await;
    let client = client(&stage.node, &[first_url, second_url]);
    first.fail([error(Code::Unavailable, "DRAINING", None)]);
    let mut watch = client.watch_status(&[stage.credential(1)]).unwrap();
    let (index, _) = watch.next().await.unwrap().unwrap();
    assert_eq!((index, first.calls(), second.calls()), (0, 1, 1));
}

#[tokio::test]
async fn a_node_that_is_behind_is_not_taken_for_a_liar() {
    let stage = Stage::new().await;
    // The same blocks, but for the last one.
    let late = MemoryNode::with_school(4);
    let served = late.serve(Config::default()).await;
    let options = Options { retry_for: Duration::from_millis(100), ..options(&stage.node) };
    let client = Client::connect(&[stage.served.url(), served.url()], trust(&stage.node), options).unwrap();
    let (newest, end) = (client.checkpoint().await.unwrap(), stage.node.now());
    stage.served.stop().await.unwrap();
    let older = client.checkpoint().await;
    assert!(late.now() < end);
    // Nobody is left who could show that both are one history.
    let failed = older.unwrap_err();
    assert!(matches!(failed, ClientError::Unavailable(_)), "{failed:?}");
    late.act(&stage.school, stage.school.anchors([commitment(1), commitment(2)]));
    assert_eq!(client.checkpoint().await.unwrap().tree(), newest.tree());
}
