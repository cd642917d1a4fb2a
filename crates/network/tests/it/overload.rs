//! Goal: a consumer that does not read harms only itself, and not more than the bounds say.
//! Method: node 2 stops reading; node 1 floods it; then node 2 acts and reads.

use bytes::Bytes;
use kvitto_network::{Event, RequestError, Topic, Verdict};

use crate::node::{Node, id, mesh};

const CHANNEL: usize = 4;
const WAITING: usize = 16;

async fn small() -> Vec<Node> {
    mesh(2, |config| {
        config.limits.event_channel_len = CHANNEL;
        config.limits.command_channel_len = 4;
        config.limits.waiting_messages_per_peer_max = WAITING;
        config.limits.outbound_requests_per_peer_max = 30;
    })
    .await
}

#[tokio::test]
async fn a_consumer_that_never_reads_holds_up_nobody_and_grows_nothing() {
    let mut nodes = small().await;
    for number in 0..200u32 {
        for topic in Topic::ALL {
            nodes[0].network.publish(topic, number.to_be_bytes().to_vec().into()).await.unwrap();
        }
    }
    let requests: Vec<_> = (0..20)
        .map(|_| {
            let network = nodes[0].network.clone();
            tokio::spawn(async move { network.request(id(2), Bytes::new()).await })
        })
        .collect();
    let all_received =
        |topic: Topic| move |metrics: &kvitto_network::Metrics| metrics.gossip[topic].received == 200;
    for topic in Topic::ALL {
        nodes[1].until("the flood", all_received(topic)).await;
    }
    nodes[1].until("the refusals", |metrics| metrics.requests.refused == 12).await;

    // Far more than the command queue holds, with nobody reading events.
    for _ in 0..100 {
        nodes[1].publish(Topic::Consensus, b"still here").await;
    }
    assert_eq!(nodes[0].accept().await.2, &b"still here"[..]);

    let mut waiting = 0;
    let mut unanswered = 0;
    while waiting + unanswered < 3 * WAITING + 8 {
        match nodes[1].event().await {
            Event::Gossip { token, .. } => {
                token.answer(Verdict::Accept);
                waiting += 1;
            }
            Event::Request { reply, .. } => {
                reply.reply(Bytes::new()).unwrap();
                unanswered += 1;
            }
            Event::PeerUp(_) | Event::PeerDown(_) => {}
        }
    }
    let metrics = nodes[1].network.metrics();
    let dropped: u64 = Topic::ALL.iter().map(|topic| metrics.gossip[*topic].received_drops).sum();
    // What was delivered is what had a place: in the queues, or in the channel before they filled.
    assert!(dropped >= (600 - 3 * WAITING - CHANNEL) as u64, "{metrics:?}");
    assert!(dropped <= (600 - 3 * WAITING) as u64, "{metrics:?}");
    let mut results = Vec::new();
    for request in requests {
        results.push(request.await.unwrap());
    }
    assert_eq!(results.iter().filter(|result| **result == Ok(Bytes::new())).count(), 8);
    assert_eq!(results.iter().filter(|result| **result == Err(RequestError::Refused)).count(), 12);
}

#[tokio::test]
async fn tokens_that_are_never_answered_are_bounded_for_each_peer_and_topic() {
    let mut nodes = mesh(3, |config| config.limits.unanswered_messages_per_peer_max = 10).await;
    for _ in 0..30 {
        nodes[0].publish(Topic::Consensus, b"vote").await;
    }
    let mut tokens = Vec::new();
    for _ in 0..10 {
        tokens.push(nodes[1].gossip().await.token);
    }
    nodes[1].until("the flood", |metrics| metrics.gossip.consensus.received == 30).await;
    assert_eq!(nodes[1].network.metrics().gossip.consensus.received_drops, 20);
    // Other topics and other peers have places of their own, and answers make new ones.
    nodes[0].publish(Topic::Statements, b"statement").await;
    assert_eq!(nodes[1].accept().await.0, Topic::Statements);
    nodes[2].publish(Topic::Consensus, b"vote of another").await;
    assert_eq!(nodes[1].accept().await, (Topic::Consensus, id(3), b"vote of another"[..].into()));
    drop(tokens);
    nodes[1].until("the answers", |metrics| metrics.gossip.consensus.ignored == 10).await;
    nodes[0].publish(Topic::Consensus, b"vote").await;
    assert_eq!(nodes[1].accept().await.0, Topic::Consensus);
}
