//! Goal: exactly the admitted peers are connected, and they find each other again after every loss.
//! Method: real swarms; a crash is the abrupt end of the node's task.

use bytes::Bytes;
use kvitto_network::{HostPort, Limits, PeerAddress, Topic};

use crate::node::{Node, config, id, mesh, silent};

#[tokio::test]
async fn a_stranger_is_refused_before_it_can_say_anything() {
    let mut member = Node::start(config(1, vec![silent(2)])).await;
    let stranger = Node::start(config(9, vec![member.address()])).await;
    member.until("the refusal", |metrics| metrics.connections_refused >= 1).await;
    // It tries again, as nodes do, with the same result.
    member.until("another refusal", |metrics| metrics.connections_refused >= 2).await;
    let mut other = Node::start(config(2, vec![member.address()])).await;
    other.until_up(&[id(1)]).await;
    member.until_up(&[id(2)]).await;
    assert_eq!(member.up, [id(2)].into());
    assert_eq!(member.network.connected_peers(), [id(2)]);
    assert_eq!(stranger.network.connected_peers(), []);
    assert_eq!(stranger.network.metrics().peers, 0);
}

#[tokio::test]
async fn somebody_else_at_a_members_address_is_not_connected_to() {
    let impostor = Node::start(config(9, vec![silent(1)])).await;
    let address = PeerAddress { peer: id(2), ..impostor.address() };
    let member = Node::start(config(1, vec![address])).await;
    member.until("the failed dials", |metrics| metrics.dials_failed >= 2).await;
    assert_eq!(member.network.metrics().connections_established, 0);
    assert_eq!(impostor.network.connected_peers(), []);
}

#[tokio::test]
async fn a_restarted_peer_is_connected_again() {
    let mut one = Node::start(config(1, vec![silent(2)])).await;
    let mut two = Node::start(config(2, vec![one.address()])).await;
    one.network.set_peers(vec![two.address()]).await.unwrap();
    one.until_up(&[id(2)]).await;
    two.until_up(&[id(1)]).await;
    for is_graceful in [true, false] {
        let listen = two.network.local_addresses().to_vec();
        match is_graceful {
            true => two.stop().await,
            false => {
                two.task.abort();
                assert!(two.task.await.unwrap_err().is_cancelled());
            }
        }
        one.until_down(id(2)).await;
        let mut again = config(2, vec![one.address()]);
        again.listen = listen;
        two = Node::start(again).await;
        one.until_up(&[id(2)]).await;
        two.until_up(&[id(1)]).await;
        one.publish(Topic::Consensus, b"welcome").await;
        assert_eq!(two.accept().await.2, &b"welcome"[..]);
        two.publish(Topic::Consensus, b"thanks").await;
        assert_eq!(one.accept().await.2, &b"thanks"[..]);
    }
}

#[tokio::test]
async fn both_may_dial() {
    let mut one = Node::start(config(1, vec![])).await;
    let mut two = Node::start(config(2, vec![])).await;
    for round in 1..=3 {
        let (to_one, to_two) = (vec![one.address()], vec![two.address()]);
        let (first, second) = tokio::join!(one.network.set_peers(to_two), two.network.set_peers(to_one));
        first.and(second).unwrap();
        one.until_up(&[id(2)]).await;
        two.until_up(&[id(1)]).await;
        assert!((1..=2).contains(&one.network.metrics().connections), "round {round}");
        one.publish(Topic::Consensus, b"hello").await;
        assert_eq!(two.accept().await.2, &b"hello"[..]);
        // Who is no longer admitted is disconnected, on both sides.
        let (first, second) = tokio::join!(one.network.set_peers(vec![]), two.network.set_peers(vec![]));
        first.and(second).unwrap();
        one.until_down(id(2)).await;
        two.until_down(id(1)).await;
    }
}

#[tokio::test]
async fn a_removed_peer_is_a_stranger() {
    let mut nodes = mesh(3, |_| {}).await;
    let two = nodes[1].address();
    nodes[0].network.set_peers(vec![two]).await.unwrap();
    nodes[0].until_down(id(3)).await;
    nodes[2].until_down(id(1)).await;
    nodes[0].until("a refusal", |metrics| metrics.connections_refused >= 1).await;
    nodes[0].publish(Topic::Consensus, b"to two").await;
    assert_eq!(nodes[1].accept().await.2, &b"to two"[..]);
    assert_eq!(nodes[0].network.connected_peers(), [id(2)]);
}

#[tokio::test]
async fn host_names_are_resolved_by_the_system_and_bad_ones_only_fail() {
    let mut one = Node::start(config(1, vec![silent(2)])).await;
    let port = one.network.local_addresses()[0].port();
    let hosts = ["no-such-host.invalid", "localhost"];
    let addresses = hosts.map(|host| HostPort { host: host.to_owned(), port }).to_vec();
    let mut two = Node::start(config(2, vec![PeerAddress { peer: id(1), addresses }])).await;
    one.until_up(&[id(2)]).await;
    two.until_up(&[id(1)]).await;
}

#[tokio::test]
async fn more_peers_than_the_limit_are_refused_as_a_whole() {
    use kvitto_network::SetPeersError;
    let limits = Limits { peers_max: 1, ..Limits::default() };
    let mut config = config(1, vec![silent(2)]);
    config.limits = limits;
    let node = Node::start(config).await;
    let result = node.network.set_peers(vec![silent(2), silent(3)]).await;
    assert_eq!(result, Err(SetPeersError::TooMany { peers: 2, peers_max: 1 }));
    assert_eq!(
        node.network.request(id(2), Bytes::new()).await.unwrap_err().to_string(),
        "the peer is not connected"
    );
}
