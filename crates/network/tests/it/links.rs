//! Goal: no link stays connected without being up.
//! Method: two processes with one key, as a copied folder makes them; a relay that stops carrying anything, as
//! a machine without power does. Other ways to notice (pings, age of connections) are set too far off to help.

use std::net::SocketAddr;
use std::time::Duration;

use kvitto_network::{Config, PeerAddress, Topic};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::node::{Node, config, id, silent};

/// Nothing in these tests takes that long.
const NEVER: Duration = Duration::from_secs(3600);

/// Member `seed`, that learns of a dead or half-open link only as the test lets it.
fn unaware(seed: u8, peers: Vec<PeerAddress>) -> Config {
    let mut config = config(seed, peers);
    config.limits.connect_timeout = NEVER;
    config.limits.up_timeout = NEVER;
    config.limits.ping_interval = NEVER;
    config
}

async fn both_hear_each_other(one: &mut Node, two: &mut Node) {
    one.publish(Topic::Consensus, b"from one").await;
    assert_eq!(two.accept().await.2, &b"from one"[..]);
    two.publish(Topic::Consensus, b"from two").await;
    assert_eq!(one.accept().await.2, &b"from two"[..]);
}

#[tokio::test]
async fn a_member_is_up_again_after_a_copy_of_it_came_and_went() {
    let mut two = Node::start(unaware(2, vec![silent(1)])).await;
    let mut copy = Node::start(unaware(1, vec![two.address()])).await;
    copy.until_up(&[id(2)]).await;
    two.until_up(&[id(1)]).await;
    // For two this is a further connection with one, so that it says nothing about itself on it.
    let mut real = Node::start(unaware(1, vec![two.address()])).await;
    two.until("the second connection", |metrics| metrics.connections == 2).await;
    copy.stop().await;
    real.until_up(&[id(2)]).await;
    two.until_down(id(1)).await;
    two.until_up(&[id(1)]).await;
    both_hear_each_other(&mut real, &mut two).await;
}

#[tokio::test]
async fn a_peer_that_knows_nothing_of_an_old_connection_is_up_once_it_asks_afresh() {
    let mut two = Node::start(unaware(2, vec![silent(1)])).await;
    let relay = Relay::start(two.network.local_addresses()[0]).await;
    let through_relay = PeerAddress { peer: id(2), addresses: vec![relay.address.into()] };
    let mut one = Node::start(unaware(1, vec![through_relay])).await;
    one.until_up(&[id(2)]).await;
    two.until_up(&[id(1)]).await;
    // The power goes: two hears no more of the connection, not even its end.
    relay.silence.send_replace(true);
    one.task.abort();
    let mut again = unaware(1, vec![two.address()]);
    again.limits.up_timeout = Duration::from_secs(1);
    let mut one = Node::start(again).await;
    one.until_up(&[id(2)]).await;
    two.until_down(id(1)).await;
    two.until_up(&[id(1)]).await;
    both_hear_each_other(&mut one, &mut two).await;
}

/// Carries connections to one address, until it is silenced; then it keeps them open and carries nothing.
struct Relay {
    address: SocketAddr,
    silence: watch::Sender<bool>,
}

impl Relay {
    async fn start(target: SocketAddr) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (silence, silenced) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, target, silenced.clone()));
            }
        });
        Relay { address, silence }
    }
}

async fn carry(mut near: TcpStream, target: SocketAddr, mut silenced: watch::Receiver<bool>) {
    let mut far = TcpStream::connect(target).await.unwrap();
    tokio::select! {
        // An error is an end as good as any.
        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
        _ = silenced.wait_for(|is_silent| *is_silent) => {}
    }
    // The sender is held by the test: the streams live as long as it does.
    while silenced.changed().await.is_ok() {}
}
