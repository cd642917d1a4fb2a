//! Goal: a request gets its whole answer or a reason, whatever its size, and never more than its bounds
//! allow. Method: two nodes; the test plays the consumer of both.

use std::time::Duration;

use bytes::Bytes;
use kvitto_network::{ReplyTooLarge, RequestError, Topic};
use tokio::task::JoinHandle;

use crate::node::{Node, id, mesh};

const MIB: usize = 1 << 20;

/// Lets node 1 ask node 2 while the test goes on.
fn ask(nodes: &[Node], message: impl Into<Bytes>) -> JoinHandle<Result<Bytes, RequestError>> {
    let (network, message) = (nodes[0].network.clone(), message.into());
    tokio::spawn(async move { network.request(id(2), message).await })
}

#[tokio::test]
async fn the_largest_request_and_response_make_the_round_trip() {
    let mut nodes = mesh(2, |_| {}).await;
    for (request, response) in
        [(vec![], vec![]), (vec![1; 2 * MIB], vec![2; 2 * MIB]), (vec![3], vec![4; 4 * MIB])]
    {
        let answer = ask(&nodes, request.clone());
        let (from, message, reply) = nodes[1].request().await;
        assert_eq!((from, message), (id(1), request.into()));
        reply.reply(response.clone().into()).unwrap();
        assert_eq!(answer.await.unwrap(), Ok(response.into()));
    }
}

#[tokio::test]
async fn a_push_arrives_and_its_acknowledgement_is_counted() {
    let mut nodes = mesh(2, |_| {}).await;
    nodes[0].network.send(id(2), vec![7; 2 * MIB].into()).unwrap();
    let (from, message, reply) = nodes[1].request().await;
    assert_eq!((from, message.len()), (id(1), 2 * MIB));
    reply.reply(Bytes::new()).unwrap();
    nodes[0].until("the acknowledgement", |metrics| metrics.requests.answered == 1).await;
    nodes[1].until("its record", |metrics| metrics.requests.replied == 1).await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_by_whoever_sees_it_first() {
    let mut nodes = mesh(2, |config| {
        if config.identity.peer_id() == id(1) {
            config.limits.request_bytes_max = 3 * MIB;
            config.limits.response_bytes_max = 1000;
        }
    })
    .await;
    let (bytes, bytes_max) = (3 * MIB + 1, 3 * MIB);
    assert_eq!(ask(&nodes, vec![0; bytes]).await.unwrap(), Err(RequestError::TooLarge { bytes, bytes_max }));
    let sent = nodes[0].network.send(id(2), vec![0; bytes].into());
    assert_eq!(sent, Err(RequestError::TooLarge { bytes, bytes_max }));
    // Node 2 takes requests of 2 MiB.
    assert_eq!(ask(&nodes, vec![0; 3 * MIB]).await.unwrap(), Err(RequestError::Refused));
    // Node 1 takes responses of 1,000 bytes.
    let answer = ask(&nodes, vec![1]);
    nodes[1].request().await.2.reply(vec![0; 1001].into()).unwrap();
    assert_eq!(answer.await.unwrap(), Err(RequestError::Unreadable));
    // Node 2 may answer with 4 MiB.
    let answer = ask(&nodes, vec![2]);
    let too_large = ReplyTooLarge { bytes: 4 * MIB + 1, bytes_max: 4 * MIB };
    assert_eq!(nodes[1].request().await.2.reply(vec![0; 4 * MIB + 1].into()), Err(too_large));
    assert_eq!(answer.await.unwrap(), Err(RequestError::Refused));
    // And all is well.
    let answer = ask(&nodes, vec![3]);
    nodes[1].request().await.2.reply(vec![0; 1000].into()).unwrap();
    assert_eq!(answer.await.unwrap().unwrap().len(), 1000);
}

#[tokio::test]
async fn a_request_that_nobody_answers_has_a_reason() {
    let mut nodes = mesh(2, |config| config.limits.request_timeout = Duration::from_millis(300)).await;
    assert_eq!(nodes[0].network.request(id(9), Bytes::new()).await, Err(RequestError::NotConnected));

    let answer = ask(&nodes, vec![1]);
    drop(nodes[1].request().await.2);
    assert_eq!(answer.await.unwrap(), Err(RequestError::Refused));

    let answer = ask(&nodes, vec![2]);
    let (_, _, reply) = nodes[1].request().await;
    assert!(matches!(answer.await.unwrap(), Err(RequestError::Timeout | RequestError::Refused)));
    // Too late is no error.
    reply.reply(Bytes::new()).unwrap();

    let answer = ask(&nodes, vec![3]);
    let (_, _, _reply) = nodes[1].request().await;
    nodes.remove(1).stop().await;
    assert!(matches!(answer.await.unwrap(), Err(RequestError::Disconnected | RequestError::Refused)));
    assert_eq!(nodes[0].network.metrics().requests.failed, 4);
}

#[tokio::test]
async fn unanswered_requests_are_bounded_on_both_sides() {
    let mut nodes = mesh(2, |config| {
        config.limits.inbound_requests_per_peer_max = 2;
        config.limits.outbound_requests_per_peer_max = 4;
    })
    .await;
    let mut answers: Vec<_> = (0..6).map(|number| ask(&nodes, vec![number])).collect();
    // Two have no place at home, two are refused there, two wait.
    nodes[1].until("the refusals", |metrics| metrics.requests.refused == 2).await;
    for _ in 0..2 {
        nodes[1].request().await.2.reply(Bytes::new()).unwrap();
    }
    let mut results = Vec::new();
    for answer in answers.drain(..) {
        results.push(answer.await.unwrap());
    }
    let count = |result| results.iter().filter(|other| **other == result).count();
    assert_eq!(count(Ok(Bytes::new())), 2, "{results:?}");
    assert_eq!(count(Err(RequestError::Busy)), 2, "{results:?}");
    assert_eq!(count(Err(RequestError::Refused)), 2, "{results:?}");
    // The places are free again.
    let answer = ask(&nodes, vec![9]);
    nodes[1].request().await.2.reply(Bytes::new()).unwrap();
    assert_eq!(answer.await.unwrap(), Ok(Bytes::new()));
}

#[tokio::test]
async fn votes_pass_while_large_transfers_are_under_way() {
    let mut nodes = mesh(2, |_| {}).await;
    let answers: Vec<_> = (0..8).map(|number| ask(&nodes, vec![number; 2 * MIB])).collect();
    let mut replies = Vec::new();
    for _ in 0..8 {
        replies.push(nodes[1].request().await.2);
    }
    replies.into_iter().for_each(|reply| reply.reply(vec![0; 4 * MIB].into()).unwrap());
    nodes[1].publish(Topic::Consensus, b"vote").await;
    assert_eq!(nodes[0].accept().await.2, &b"vote"[..]);
    for answer in answers {
        assert_eq!(answer.await.unwrap().unwrap().len(), 4 * MIB);
    }
}
