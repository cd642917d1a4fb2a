//! Goal: gossip reaches every peer once, or every time, as its topic says, and only after it was accepted.
//! Method: real swarms on loopback, two to four of them.

use crate::node::{Node, config, id, mesh, silent};
use bytes::Bytes;
use kvitto_network::{PublishError, Topic, Verdict};

#[tokio::test]
async fn two_peers_exchange_every_topic() {
    let mut nodes = mesh(2, |_| {}).await;
    for topic in Topic::ALL {
        nodes[0].publish(topic, b"from one").await;
        assert_eq!(nodes[1].accept().await, (topic, id(1), Bytes::from_static(b"from one")));
        nodes[1].publish(topic, b"from two").await;
        assert_eq!(nodes[0].accept().await, (topic, id(2), Bytes::from_static(b"from two")));
    }
}

#[tokio::test]
async fn four_peers_each_hear_every_other_on_every_topic_once() {
    let mut nodes = mesh(4, |_| {}).await;
    for topic in Topic::ALL {
        for node in &nodes {
            let message = Bytes::from(vec![node.seed]);
            node.network.publish(topic, message).await.unwrap();
        }
        for node in &mut nodes {
            let mut heard = Vec::new();
            for _ in 0..3 {
                let (on, from, message) = node.accept().await;
                assert_eq!((on, from), (topic, id(message[0])));
                heard.push(message[0]);
            }
            heard.sort_unstable();
            let others: Vec<_> = (1..=4).filter(|seed| *seed != node.seed).collect();
            assert_eq!(heard, others);
        }
    }
    for node in &nodes {
        let metrics = node.network.metrics();
        for topic in Topic::ALL {
            assert_eq!((metrics.gossip[topic].received, metrics.gossip[topic].published), (3, 1));
        }
    }
}

#[tokio::test]
async fn the_same_statement_is_one_message_and_the_same_vote_is_two() {
    let mut nodes = mesh(2, |_| {}).await;
    for _ in 0..2 {
        nodes[0].publish(Topic::Statements, b"same").await;
        nodes[0].publish(Topic::Consensus, b"same").await;
    }
    // Messages of one peer keep their order, so what was to come before the last has come.
    nodes[0].publish(Topic::Cosignatures, b"last").await;
    nodes[1].until("the last message", |metrics| metrics.gossip.cosignatures.received == 1).await;
    let metrics = nodes[1].network.metrics();
    assert_eq!((metrics.gossip.statements.received, metrics.gossip.consensus.received), (1, 2));
    assert_eq!(nodes[0].network.metrics().gossip.statements.published_duplicates, 1);
    let mut topics = Vec::new();
    for _ in 0..4 {
        topics.push(nodes[1].accept().await.0);
    }
    topics.sort_unstable();
    assert_eq!(topics, [Topic::Statements, Topic::Consensus, Topic::Consensus, Topic::Cosignatures]);
}

/// One and three admit each other, but only two knows how to reach them.
async fn line() -> [Node; 3] {
    let mut two = Node::start(config(2, vec![silent(1), silent(3)])).await;
    let mut one = Node::start(config(1, vec![two.address(), silent(3)])).await;
    let mut three = Node::start(config(3, vec![two.address(), silent(1)])).await;
    two.until_up(&[id(1), id(3)]).await;
    one.until_up(&[id(2)]).await;
    three.until_up(&[id(2)]).await;
    [one, two, three]
}

#[tokio::test]
async fn only_an_accepted_message_travels_on() {
    let [one, mut two, mut three] = line().await;
    for verdict in [Some(Verdict::Reject), Some(Verdict::Ignore), None, Some(Verdict::Accept)] {
        one.publish(Topic::Consensus, if verdict == Some(Verdict::Accept) { b"good" } else { b"evil" }).await;
        let gossip = two.gossip().await;
        match verdict {
            Some(verdict) => gossip.token.answer(verdict),
            None => drop(gossip.token),
        }
    }
    let gossip = three.gossip().await;
    assert_eq!(gossip.message, &b"good"[..]);
    assert_eq!((gossip.from, gossip.via), (id(1), id(2)));
    assert_eq!(three.network.metrics().gossip.consensus.received, 1);
    let verdicts = two.network.metrics().gossip.consensus;
    assert_eq!((verdicts.accepted, verdicts.rejected, verdicts.ignored), (1, 1, 2));
}

#[tokio::test]
async fn a_message_by_an_author_that_is_not_admitted_here_is_dropped_without_blame() {
    let mut two = Node::start(config(2, vec![silent(1), silent(3)])).await;
    let mut one = Node::start(config(1, vec![two.address()])).await;
    // Three admits two, but not one.
    let mut three = Node::start(config(3, vec![two.address()])).await;
    two.until_up(&[id(1), id(3)]).await;
    one.until_up(&[id(2)]).await;
    three.until_up(&[id(2)]).await;
    one.publish(Topic::Consensus, b"from one").await;
    two.accept().await;
    three.until("the refusal", |metrics| metrics.gossip.consensus.refused == 1).await;
    two.publish(Topic::Consensus, b"from two").await;
    assert_eq!(three.accept().await, (Topic::Consensus, id(2), Bytes::from_static(b"from two")));
}

#[tokio::test]
async fn oversize_gossip_is_refused_on_both_sides_without_harm() {
    // Two takes less than one may send.
    let mut nodes = mesh(2, |config| {
        if config.identity.peer_id() == id(2) {
            config.limits.gossip_bytes_max.cosignatures = 1 << 10;
        }
    })
    .await;
    let (small, medium, large) = (vec![1; 1 << 10], vec![2; 48 << 10], vec![3; (64 << 10) + 1]);
    let bytes = large.len();
    assert_eq!(
        nodes[0].network.publish(Topic::Cosignatures, large.into()).await,
        Err(PublishError::TooLarge { bytes, bytes_max: 64 << 10 })
    );
    nodes[0].network.publish(Topic::Cosignatures, medium.into()).await.unwrap();
    nodes[0].network.publish(Topic::Cosignatures, vec![4; (1 << 10) + 1].into()).await.unwrap();
    nodes[0].network.publish(Topic::Cosignatures, small.clone().into()).await.unwrap();
    assert_eq!(nodes[1].accept().await.2, small);
    nodes[0].network.publish(Topic::Statements, vec![5; 1 << 20].into()).await.unwrap();
    assert_eq!(nodes[1].accept().await.2.len(), 1 << 20);
}

#[tokio::test]
async fn a_flood_of_full_size_messages_arrives_whole() {
    let mut nodes = mesh(2, |_| {}).await;
    for fill in 0..12u8 {
        nodes[0].network.publish(Topic::Statements, vec![fill; 1 << 20].into()).await.unwrap();
        nodes[0].network.publish(Topic::Consensus, vec![fill; 256 << 10].into()).await.unwrap();
    }
    for _ in 0..24 {
        nodes[1].accept().await;
    }
}

#[tokio::test]
async fn a_peer_whose_messages_are_rejected_again_and_again_is_no_longer_heard() {
    let mut nodes = mesh(2, |_| {}).await;
    for _ in 0..30 {
        nodes[0].publish(Topic::Consensus, b"evil").await;
    }
    // Thirty rejections are more than the score forgives; answered together, so that none is late.
    let mut tokens = Vec::new();
    for _ in 0..30 {
        tokens.push(nodes[1].gossip().await.token);
    }
    tokens.into_iter().for_each(|token| token.answer(Verdict::Reject));
    nodes[1].until("the verdicts", |metrics| metrics.gossip.consensus.rejected == 30).await;
    nodes[0].publish(Topic::Consensus, b"unheard").await;
    // A request runs beside gossip and is still served.
    let answer = tokio::spawn({
        let network = nodes[0].network.clone();
        async move { network.request(id(2), Bytes::new()).await }
    });
    let (_, _, reply) = nodes[1].request().await;
    reply.reply(Bytes::new()).unwrap();
    answer.await.unwrap().unwrap();
    assert_eq!(nodes[1].network.metrics().gossip.consensus.received, 30);
}
