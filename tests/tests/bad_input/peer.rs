//! A member's own peer, with a good key and a bad mind, on a real swarm with three real nodes.

use kvitto_ledger::Rejection;
use kvitto_network::{Config, Event, Limits, NodeIdentity, PeerAddress, PeerId, Topic, start};
use kvitto_node::init::KEYS_FILE;
use kvitto_node::keys::MemberKeys;
use kvitto_replica::codec::Statements;
use kvitto_replica::testing::Cluster;
use prost::bytes::Bytes;

use crate::rows::rows;
use crate::{Real, Service, consensus, executes, no_worker_panicked, real, standing};

/// Requests that no honest peer makes.
fn requests() -> Vec<Vec<u8>> {
    let framed = |kind: u8, content: &[u8]| [&[1, kind][..], content].concat();
    vec![
        vec![],
        vec![9, 48, 0x80],
        framed(99, &[0x80]),
        framed(48, &[0x9b, 255, 255, 255, 255, 255, 255, 255, 255]),
        framed(48, &vec![0x81; 100_000]),
        framed(49, &[0x82, 0x1b, 255, 255, 255, 255, 255, 255, 255, 255, 0x40]),
        framed(50, &[0x82, 0, 0]),
        framed(50, &[0x82, 0, 0x18, 65]),
        framed(50, &[0x82, 0x1b, 255, 255, 255, 255, 255, 255, 255, 255, 1]),
        framed(51, &[0x81, 0x1b, 255, 255, 255, 255, 255, 255, 255, 255]),
        framed(64, &[0x81, 0xf6]),
        framed(65, &[0x80]),
        vec![1; 1024 * 1024],
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_peer_changes_nothing_and_stops_nobody() {
    let Real { sandbox, mut nodes, stage, client, channel, _folder } = real(4).await;
    nodes.stop_member(3).await.unwrap();
    let before = standing(&client).await;

    let peer_of = |member: usize| {
        let keys = MemberKeys::read(&sandbox.member_folder(member).join(KEYS_FILE)).unwrap();
        NodeIdentity::from_seed(*keys.peer.seed()).peer_id()
    };
    let keys = MemberKeys::read(&sandbox.member_folder(3).join(KEYS_FILE)).unwrap();
    let victims: Vec<PeerId> = (0..3).map(peer_of).collect();
    let addresses = |member: usize| {
        let node = nodes.member(member).expect("it runs");
        node.peer_addresses().iter().map(|address| (*address).into()).collect()
    };
    let (network, mut events, task) = start(Config {
        identity: NodeIdentity::from_seed(*keys.peer.seed()),
        ledger: stage.ledger_id.to_string()[..16].to_owned(),
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        peers: (0..3)
            .map(|member| PeerAddress { peer: victims[member], addresses: addresses(member) })
            .collect(),
        limits: Limits::default(),
    })
    .await
    .unwrap();
    let mut up = 0;
    while up < victims.len() {
        if let Event::PeerUp(_) = events.recv().await.expect("the network runs") {
            up += 1;
        }
    }
    // Whatever it hears from now on, it drops.
    let deaf = tokio::spawn(async move { while events.recv().await.is_some() {} });

    let mut sent = 0_u32;
    let mut publish = async |topic: Topic, bytes: Vec<u8>| {
        // What is larger than any message may be does not get out of this swarm; other tests have a swarm without bounds.
        sent += u32::from(network.publish(topic, bytes.into()).await.is_ok());
    };
    for row in rows().into_iter().filter(|row| row.rejection != Rejection::StatementTooLarge) {
        publish(Topic::Statements, Statements(vec![(row.statement)(&stage).into()]).encode()).await;
    }
    // Messages that are bad for any ledger, and by another ledger's members for this one.
    for message in consensus::messages(&Cluster::new(4, 1)) {
        let topic = match message.topic {
            kvitto_replica::Topic::Statements => Topic::Statements,
            kvitto_replica::Topic::Consensus => Topic::Consensus,
            kvitto_replica::Topic::Cosignatures => Topic::Cosignatures,
        };
        publish(topic, message.bytes.clone()).await;
        // The same where it does not belong.
        publish(Topic::Statements, message.bytes).await;
    }
    for victim in &victims {
        for request in requests() {
            // Answered, refused or cut off: all the same to the victim.
            let _ = network.request(*victim, Bytes::from(request)).await;
        }
    }
    assert!(sent > 500, "{sent} messages");
    assert_eq!(standing(&client).await, before, "nothing of it was executed");

    let mut node = Service::new(channel);
    executes(&mut node, stage.good()).await;
    let after = standing(&client).await;
    assert_eq!(after.0, before.0 + 2, "one anchor and the block's own record");
    for member in 0..3 {
        nodes.caught_up(member).await.unwrap();
    }
    network.shutdown().await;
    task.await.expect("it does not panic");
    deaf.abort();
    nodes.stop().await.unwrap();
    no_worker_panicked();
}
