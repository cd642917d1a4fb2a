//! Goal: the network starts whole or not at all, and ends when it is told or forgotten.
//! Method: configurations that cannot work; handles, receivers and tasks dropped one by one.

use bytes::Bytes;
use kvitto_network::{Config, Limits, PublishError, RequestError, StartError, Topic, start};

use crate::node::{Node, config, id, mesh, silent};

/// What a case changes in a good configuration.
type Adjust = fn(&mut Config);

async fn refusal(adjust: impl Fn(&mut Config)) -> StartError {
    let mut config = config(1, vec![silent(2)]);
    adjust(&mut config);
    start(config).await.map(|_| ()).unwrap_err()
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_refused_by_name() {
    let cases: [(Adjust, &str); 4] = [
        (|config| config.ledger = "a/b".to_owned(), "the ledger's name cannot be part of a protocol name"),
        (|config| config.limits.send_queue_len = 0, "the limit send_queue_len is out of range"),
        (|config| config.limits.peers_max = 0, "the limit peers_max is out of range"),
        (
            |config| {
                config.limits = Limits { peers_max: 1, ..config.limits };
                config.peers.push(silent(3));
            },
            "2 peers are above the limit of 1",
        ),
    ];
    for (adjust, text) in cases {
        assert_eq!(refusal(adjust).await.to_string(), text);
    }
}

#[tokio::test]
async fn an_address_in_use_is_said_so() {
    let first = Node::start(config(1, vec![])).await;
    let address = first.network.local_addresses()[0];
    let error = refusal(|config| config.listen = vec![address]).await;
    assert!(matches!(error, StartError::Listen { address: named, .. } if named == address), "{error}");
}

#[tokio::test]
async fn without_listeners_a_node_still_dials() {
    let mut listening = Node::start(config(1, vec![silent(2)])).await;
    let mut config = config(2, vec![listening.address()]);
    config.listen.clear();
    let mut dialling = Node::start(config).await;
    assert!(dialling.network.local_addresses().is_empty());
    dialling.until_up(&[id(1)]).await;
    listening.until_up(&[id(2)]).await;
}

#[tokio::test]
async fn shutdown_tells_everybody() {
    let mut nodes = mesh(2, |_| {}).await;
    let network = nodes[1].network.clone();
    let pending = tokio::spawn({
        let network = network.clone();
        async move { network.request(id(1), Bytes::new()).await }
    });
    let (_, _, _reply) = nodes[0].request().await;
    nodes.remove(1).stop().await;
    assert_eq!(pending.await.unwrap(), Err(RequestError::Stopped));
    assert_eq!(network.publish(Topic::Consensus, Bytes::new()).await, Err(PublishError::Stopped));
    assert_eq!(network.request(id(1), Bytes::new()).await, Err(RequestError::Stopped));
    assert_eq!(network.metrics().connections, 0);
    network.shutdown().await;
    nodes[0].until_down(id(2)).await;
}

#[tokio::test]
async fn the_task_ends_with_the_last_handle() {
    let mut nodes = mesh(2, |_| {}).await;
    let Node { network, task, events, .. } = nodes.remove(1);
    let clone = network.clone();
    drop(network);
    clone.publish(Topic::Consensus, Bytes::from_static(b"last words")).await.unwrap();
    assert_eq!(nodes[0].accept().await.2, &b"last words"[..]);
    drop(clone);
    task.await.unwrap();
    nodes[0].until_down(id(2)).await;
    drop(events);
}

#[tokio::test]
async fn without_a_consumer_everything_inbound_is_dropped_and_the_rest_works() {
    let mut nodes = mesh(2, |_| {}).await;
    let Node { network, events, task: _task, .. } = nodes.remove(1);
    drop(events);
    nodes[0].publish(Topic::Consensus, b"unheard").await;
    // The first event that finds nobody shows that the consumer is gone.
    nodes[0].publish(Topic::Consensus, b"unheard").await;
    assert_eq!(nodes[0].network.request(id(2), Bytes::new()).await, Err(RequestError::Refused));
    network.publish(Topic::Consensus, Bytes::from_static(b"heard")).await.unwrap();
    assert_eq!(nodes[0].accept().await.2, &b"heard"[..]);
}
