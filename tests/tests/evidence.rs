//! Goal: what a member signs against itself becomes evidence that anybody can fetch from any node and check without one.
//!
//! Method: a real node of a ledger of four. Its peer is a liar with the keys of the fourth member, which cosigns two trees of one
//! size. `kvitto evidence` lists, fetches and checks what becomes of it, the last without any node. (What the engine catches, votes
//! and proposals, takes the same way from the node's folder on; its unit tests hold that.)

use std::path::Path;

use kvitto_cli::Exit;
use kvitto_ledger::testing::{Actor, MemberKeys as Keys, World};
use kvitto_ledger::{Genesis, Height};
use kvitto_merkle::Hash;
use kvitto_network::{Event, Network, NodeIdentity, PeerAddress, Topic};
use kvitto_node::config::Config;
use kvitto_node::core::now;
use kvitto_node::genesis_file::{GenesisFile, Timeouts};
use kvitto_node::init::{GENESIS_FILE, KEYS_FILE};
use kvitto_node::keys::MemberKeys;
use kvitto_node::node::{Node, Setup};
use kvitto_node::sandbox::{Ports, Sandbox};
use kvitto_node::standing::Vouched;
use kvitto_replica::signer::Head;
use kvitto_replica::testing::Liar;
use kvitto_tests::world::kvitto;

const LIAR: usize = 3;

/// The members' real keys, for a liar.
fn world(sandbox: &Sandbox, genesis: &Genesis) -> World {
    let keys = |(index, member): (usize, &kvitto_ledger::genesis::Member)| {
        let keys = MemberKeys::read(&sandbox.member_folder(index).join(KEYS_FILE)).expect("keys");
        let MemberKeys { consensus, cosignature, log, peer } = keys;
        // Operators vote on changes; nothing here does.
        let operator = log.clone();
        Keys { name: member.name.clone(), consensus, cosignature, log, operator, peer }
    };
    let members = genesis.config.members.iter().enumerate().map(keys).collect();
    World { genesis: genesis.clone(), ledger_id: genesis.ledger_id(), members, root: Actor::new("root") }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_trees_of_one_member_are_caught_served_fetched_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let free = Ports { peers: 0, api: 0, operator: 0 };
    let sandbox = Sandbox::make(&folder.path().join("ledger"), &[free; 4], Timeouts::default()).unwrap();
    let (_, genesis) = GenesisFile::read(&sandbox.member_folder(0).join(GENESIS_FILE)).unwrap();
    let config = Config::read(&sandbox.config(0)).unwrap();
    let node = Node::start(Setup::from_config(&config, Vouched::default()).unwrap()).await.unwrap();
    let url = format!("http://{}", node.api());
    let trust = sandbox.trust_file().display().to_string();
    let online = ["--node", &url, "--trust", &trust];

    let none = kvitto(&[&online[..], &["evidence", "list"]].concat()).await.unwrap();
    assert_eq!((none.exit, none.result["evidence"].as_array().map(Vec::len)), (Exit::Ok, Some(0)));

    let world = world(&sandbox, &genesis);
    let liar = Liar::of(&world, LIAR);
    // Until its last message has arrived.
    let _network = tell(&node, &world, |root| {
        let head = Head { height: Height(0), size: 3, root: Hash([root; 32]) };
        liar.cosignature(head, now().seconds()).encode()
    })
    .await;
    node.report().evidence_count().wait_for(|count| *count > 0).await.unwrap();

    let name = &genesis.config.members[LIAR].name;
    let listed = kvitto(&[&online[..], &["evidence", "list"]].concat()).await.unwrap();
    assert_eq!(listed.result["evidence"][0]["members"][0], name.as_str(), "{}", listed.printed);
    let output = folder.path().join("evidence").display().to_string();
    let fetched = kvitto(&[&online[..], &["evidence", "fetch", "-o", &output]].concat()).await.unwrap();
    assert_eq!(fetched.exit, Exit::Ok, "{}", fetched.printed);
    let file = fetched.result["evidence"][0]["file"].as_str().expect("a file").to_owned();
    node.stop().await.unwrap();

    // No node is left to ask.
    let checked = kvitto(&["evidence", "check", &file, "--trust", &trust]).await.unwrap();
    assert_eq!(checked.exit, Exit::Ok, "{}", checked.printed);
    let proved = &checked.result["evidence"][0];
    assert_eq!((&proved["members"][0], &proved["kind"]), (&name.as_str().into(), &"checkpoints".into()));

    let changed = std::fs::read_to_string(&file).unwrap().replacen("\\n3\\n", "\\n2\\n", 1);
    std::fs::write(Path::new(&file).with_extension("changed"), changed).unwrap();
    let changed = Path::new(&file).with_extension("changed").display().to_string();
    let refused = kvitto(&["evidence", "check", &changed, "--trust", &trust]).await.unwrap();
    assert_eq!(refused.exit, Exit::Input, "{}", refused.printed);

    // The file outlives the node's process.
    let node = Node::start(Setup::from_config(&config, Vouched::default()).unwrap()).await.unwrap();
    assert_eq!(*node.report().evidence_count().borrow(), 1);
    node.stop().await.unwrap();
}

/// As the liar's node, gossips two messages to a node.
async fn tell(node: &Node, world: &World, message: impl Fn(u8) -> Vec<u8>) -> Network {
    let peer = |index: usize| NodeIdentity::from_seed(*world.members[index].peer.seed());
    let addresses = node.peer_addresses().iter().map(|address| (*address).into()).collect();
    let config = kvitto_network::Config {
        identity: peer(LIAR),
        ledger: world.ledger_id.to_string()[..16].to_owned(),
        listen: Vec::new(),
        peers: vec![PeerAddress { peer: peer(0).peer_id(), addresses }],
        limits: kvitto_network::Limits::default(),
    };
    let (network, mut events, _task) = kvitto_network::start(config).await.expect("starts");
    while !matches!(events.recv().await.expect("the network runs"), Event::PeerUp(_)) {}
    for root in 1..=2 {
        network.publish(Topic::Cosignatures, message(root).into()).await.expect("published");
    }
    tokio::spawn(async move { while events.recv().await.is_some() {} });
    network
}
