//! Goal: bad input gets one verdict wherever it comes in, changes nothing, and stops no node.
//!
//! Method: one table of bad statements, each with its code and reason, run three ways. By gRPC on a real node; by gossip, through a
//! node's own admission and into the replicas of a simulated cluster; and inside a block that a member proposes with a good
//! signature, to the other members of such a cluster. After each the tip, the log's root and the status root are what they were,
//! and in the end a good statement is executed.
//!
//! What differs by nature: gossip has nobody to answer. Peers get a verdict on the message; from code 300 on the reason is that of
//! the function by which the replica judges. A block's body that cannot be read at all is no body of that header, and names no
//! rejection: bad form is that of a statement in a body that can be read.

mod rows;
mod stage;

use kvitto_client::{Client, Options};
use kvitto_ledger::execute::{BlockFault, judge};
use kvitto_ledger::testing::{Actor, HOUR_MS, Ledger, MemoryState, World};
use kvitto_ledger::{BlockBody, Checked, Envelope, Header, LeafIndex, RecordBody, Rejection};
use kvitto_merkle::Hash;
use kvitto_network::Verdict;
use kvitto_node::admission::Admission;
use kvitto_node::cluster::Cluster as Nodes;
use kvitto_node::core::now;
use kvitto_node::genesis_file::{GenesisFile, Timeouts};
use kvitto_node::gossip::admit;
use kvitto_node::init::GENESIS_FILE;
use kvitto_node::sandbox::{Ports, Sandbox};
use kvitto_proto::v1::anchoring_service_client::AnchoringServiceClient;
use kvitto_proto::v1::{StatementState, SubmitRequest, SubmitResponse, Wait};
use kvitto_replica::testing::{Cluster, Liar};
use kvitto_replica::{Fault, Input, Origin, Topic, codec};
use kvitto_verifier::TrustFile;
use tonic::transport::Channel;
use tonic::{Response, Status};
use tonic_types::StatusExt;

use rows::{Row, rows};
use stage::{Stage, school};

type Service = AnchoringServiceClient<Channel>;

async fn submit(node: &mut Service, bytes: Vec<u8>) -> Result<Response<SubmitResponse>, Status> {
    let wait = Wait::Final.into();
    node.submit(SubmitRequest { statement: bytes.into(), wait, ..Default::default() }).await
}

async fn executes(node: &mut Service, bytes: Vec<u8>) {
    let answer = submit(node, bytes).await.expect("a good statement").into_inner();
    assert_eq!(answer.result.expect("a result").state(), StatementState::Final);
}

/// Size and root of the log and root of the status tree, as proved to a client.
async fn standing(client: &Client) -> (u64, Hash, Hash) {
    let checkpoint = client.checkpoint().await.expect("a checkpoint");
    let (size, root) = (checkpoint.tree().size, checkpoint.tree().root);
    let entries = client.entries(LeafIndex(size - 1), 1).await.expect("the newest leaf");
    match entries.records().next() {
        Some((_, Some(record))) => match record.body {
            RecordBody::Block(block) => (size, root, block.status_root),
            other => panic!("the last leaf of a checkpoint is its block's, not {other:?}"),
        },
        _ => panic!("the newest leaf is a record"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_grpc_a_node_answers_each_with_its_code_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    let free = Ports { peers: 0, api: 0, operator: 0 };
    let sandbox = Sandbox::make(&folder.path().join("ledger"), &[free], Timeouts::default()).unwrap();
    let nodes = Nodes::start(&sandbox).await.unwrap();
    let (_, genesis) = GenesisFile::read(&sandbox.member_folder(0).join(GENESIS_FILE)).unwrap();
    let root_key = kvitto_cli::KeyFile::read(&sandbox.root_key()).unwrap();
    let root = Actor {
        name: "root".into(),
        did: root_key.did(),
        key: root_key.key().clone(),
        accreditation: genesis.config.roots[0].accreditation,
    };
    let stage = Stage::new(genesis.ledger_id(), root, genesis.config.roots[0].valid_from, now());
    let mut node = Service::connect(nodes.url(0)).await.unwrap();
    for statement in stage.setup() {
        executes(&mut node, statement).await;
    }
    let trust = TrustFile::from_genesis(genesis).unwrap();
    let client = Client::connect(&[nodes.url(0)], trust, Options::default()).unwrap();
    let before = standing(&client).await;
    for Row { name, statement, code, rejection } in rows() {
        let status = submit(&mut node, statement(&stage)).await.expect_err(name);
        let info = status.get_details_error_info().expect(name);
        assert_eq!((status.code(), info.reason.as_str()), (code, rejection.reason()), "{name}: {status:?}");
        assert_eq!((info.domain.as_str(), &info.metadata["code"]), ("kvitto", &rejection.code().to_string()));
        assert!(status.message().contains(rejection.text()), "{name}: {}", status.message());
        assert_eq!(standing(&client).await, before, "{name}");
    }
    executes(&mut node, stage.good()).await;
    nodes.stop().await.unwrap();
}

/// A simulated ledger on which the stage has been set, and the stage.
fn simulated() -> (World, MemoryState, Stage) {
    let mut ledger = Ledger::new(4);
    // The simulated clusters begin an hour after block 0.
    let now = ledger.clock;
    ledger.clock.0 -= HOUR_MS / 2;
    let (ledger_id, start) = (ledger.world.ledger_id, ledger.world.genesis.config.roots[0].valid_from);
    let stage = Stage::new(ledger_id, ledger.root.clone(), start, now);
    for statement in stage.setup() {
        ledger.submit(&statement).expect("a good statement");
    }
    (ledger.world, ledger.state, stage)
}

fn checked(bytes: Vec<u8>, signer: &Actor, stage: &Stage) -> Checked {
    let envelope = Envelope::decode(bytes, &stage.ledger_id).expect("of good form");
    envelope.verify(&signer.key.public()).expect("its own signature")
}

/// Submits a good statement to member 0 and waits until every member has executed it.
#[track_caller]
fn goes_on(cluster: &mut Cluster, stage: &Stage) {
    let good = checked(stage.good(), &school(), stage);
    let id = good.id();
    cluster.submit(0, good);
    assert!(cluster.run_for(60_000, |cluster| kvitto_replica::testing::all_executed(cluster, &[id])));
    assert!(cluster.nodes.iter().all(|node| node.halted.is_none()));
}

/// The newest header of every member; it names height, log root and status root.
fn tips(cluster: &Cluster) -> Vec<Header> {
    cluster.nodes.iter().map(|node| node.state.newest().header.clone()).collect()
}

/// What the sender's peers are told about a message with this statement. From code 300 on a node does not judge for others: it may
/// lag behind; only what is for a far time is not passed on.
fn gossip_verdict(rejection: Rejection) -> Verdict {
    match rejection.code() {
        _ if rejection.is_for_ever() => Verdict::Reject,
        200..=300 => Verdict::Ignore,
        _ => Verdict::Accept,
    }
}

#[test]
fn by_gossip_each_is_refused_for_the_same_reason() {
    let (world, state, stage) = simulated();
    let config = world.genesis.config.clone();
    let admission = Admission::new(stage.ledger_id, state.clone());
    let mut cluster = Cluster::with_state(world, &state, 1);
    let before = tips(&cluster);
    for Row { name, statement, rejection, .. } in rows() {
        let batch = codec::Statements(vec![statement(&stage).into()]).encode();
        let mut heard = Vec::new();
        let verdict = admit(&batch, &admission, stage.now, |statement| heard.push(statement));
        assert_eq!(verdict.expect("memory is readable"), gossip_verdict(rejection), "{name}");
        let [statement] = <[_; 1]>::try_from(heard).expect("one statement");
        let refused = statement.and_then(|statement| {
            for member in 0..cluster.nodes.len() {
                cluster.input(member, Input::Submit { statement: statement.clone(), origin: Origin::Peer });
            }
            judge(&state, &config, cluster.now, &statement).expect("memory is readable")
        });
        assert_eq!(refused.map(drop), Err(rejection), "{name}");
        cluster.run_ms(5_000);
        assert_eq!(tips(&cluster), before, "{name}");
    }
    goes_on(&mut cluster, &stage);
}

/// The proposer of the next height makes a block of one statement, and signs it for the others.
fn propose(cluster: &mut Cluster, bytes: Vec<u8>) -> usize {
    let members = cluster.nodes.len();
    let height = cluster.nodes[0].state.newest().header.height.next();
    let proposer = usize::try_from(height.0).expect("a low height") % members;
    let liar = Liar::new(cluster, proposer);
    let body = BlockBody(vec![bytes.into()]);
    let header = Header { statements: 1, statements_root: body.root(), ..liar.empty_block(cluster, 1) };
    let proposal = liar.proposal(0, None, &header);
    for to in (0..members).filter(|to| *to != proposer) {
        liar.tell(cluster, to, Topic::Consensus, proposal.clone());
        liar.push_body(cluster, to, &header, &body);
    }
    proposer
}

#[test]
fn in_a_proposed_block_each_makes_the_block_invalid_for_the_same_reason() {
    let (world, state, stage) = simulated();
    for Row { name, statement, rejection, .. } in rows() {
        let mut cluster = Cluster::with_state(world.clone(), &state, 1);
        let before = tips(&cluster);
        let proposer = propose(&mut cluster, statement(&stage));
        let expected = Fault::Block(BlockFault::Statement { index: 0, rejection });
        let found = |cluster: &Cluster| {
            let voters = cluster.nodes.iter().enumerate().filter(|(member, _)| *member != proposer);
            voters.into_iter().all(|(_, node)| node.faults.contains(&expected))
        };
        let all_found = cluster.run_for(2_000, found);
        let faults: Vec<_> = cluster.nodes.iter().map(|node| &node.faults).collect();
        assert!(all_found, "{name}: {faults:?}");
        assert_eq!(tips(&cluster), before, "{name}");
        goes_on(&mut cluster, &stage);
        assert!(tips(&cluster).iter().all(|tip| tip.status_root == before[0].status_root), "{name}");
    }
}
