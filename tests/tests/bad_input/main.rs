//! Goal: bad input gets one verdict wherever it comes in, changes nothing, and stops no node.
//!
//! Method: tables of named cases, each with its code and reason or its verdict and fault. Bad statements are run three ways: by gRPC
//! on a real node; by gossip, through a node's own admission and into the replicas of a simulated cluster; and inside a block that a
//! member proposes with a good signature, to the other members of such a cluster. Bad questions go to a real node, bad consensus
//! messages and blocks to the replicas of a cluster, and all of it, sent by a member's own peer, to three real nodes. After each
//! the tip, the log's root and the status root are what they were, and in the end a good statement is executed.
//!
//! What differs by nature: gossip has nobody to answer. Peers get a verdict on the message; from code 300 on the reason is that of
//! the function by which the replica judges. A block's body that cannot be read at all is no body of that header, and names no
//! rejection: bad form is that of a statement in a body that can be read.

mod blocks;
mod consensus;
mod ed25519;
mod peer;
mod reads;
mod rows;
mod stage;

use std::collections::BTreeSet;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

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

use blocks::blocks;
use reads::{Asker, questions};
use rows::{Row, rows};
use stage::{RESERVED, Stage, school};

type Service = AnchoringServiceClient<Channel>;

/// Reasons that no row provokes, and why.
const NOT_HERE: [(Rejection, &str); 4] = [
    (
        Rejection::StatementExecuted,
        "by gRPC a repeated statement is answered as before; see below, and the blocks",
    ),
    (
        Rejection::ReservationQuota,
        "takes half a million places by default; crates/ledger/tests/rules has it with small limits",
    ),
    (
        Rejection::RevocationQuota,
        "takes 100,000 revocations by default; crates/ledger/tests/rules has it with small limits",
    ),
    (Rejection::RulesPanic, "is for a defect in the rules; crates/replica has one made for it"),
];

#[test]
fn there_are_as_many_cases_as_promised_and_every_reason_is_among_them() {
    let cluster = Cluster::new(4, 1);
    let tables: [(&str, Vec<String>); 4] = [
        ("statements", rows().into_iter().map(|row| row.name).collect()),
        ("questions", questions().into_iter().map(|question| question.name).collect()),
        ("messages", consensus::messages(&cluster).into_iter().map(|message| message.name).collect()),
        ("blocks", blocks().into_iter().map(|block| block.name).collect()),
    ];
    let mut total = 0;
    for (table, names) in &tables {
        let mut distinct = BTreeSet::new();
        let twice = names.iter().find(|name| !distinct.insert(*name));
        assert_eq!(twice, None, "two {table} have one name");
        println!("{table}: {}", names.len());
        total += names.len();
    }
    println!("together: {total}");
    let statements = tables[0].1.len();
    assert!(statements >= 250 && total >= 500, "{statements} bad statements, {total} cases");
    let provoked: Vec<Rejection> = rows().iter().map(|row| row.rejection).collect();
    for rejection in Rejection::ALL {
        let excused = NOT_HERE.iter().any(|(excused, _)| excused == rejection);
        assert!(provoked.contains(rejection) != excused, "{} is provoked or excused", rejection.reason());
    }
}

/// Panics of threads that a runtime runs: in a task, one goes unnoticed but for what the task would have done.
static WORKERS_PANICKED: AtomicU32 = AtomicU32::new(0);

/// Counts them from now on.
fn watch_workers() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let of_worker = std::thread::current().name().is_some_and(|name| name.starts_with("tokio"));
            WORKERS_PANICKED.fetch_add(of_worker.into(), Ordering::SeqCst);
            before(panic);
        }));
    });
}

fn no_worker_panicked() {
    assert_eq!(WORKERS_PANICKED.load(Ordering::SeqCst), 0, "no worker panics, whatever comes in");
}

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

/// Real nodes of a ledger on which the stage has been set.
struct Real {
    _folder: tempfile::TempDir,
    sandbox: Sandbox,
    nodes: Nodes,
    stage: Stage,
    client: Client,
    channel: Channel,
}

async fn real(members: usize) -> Real {
    watch_workers();
    let folder = tempfile::tempdir().unwrap();
    let free = Ports { peers: 0, api: 0, operator: 0 };
    let ports = vec![free; members];
    let sandbox = Sandbox::make(&folder.path().join("ledger"), &ports, Timeouts::default()).unwrap();
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
    let channel = Channel::from_shared(nodes.url(0)).unwrap().connect().await.unwrap();
    let mut node = Service::new(channel.clone());
    for statement in stage.setup() {
        executes(&mut node, statement).await;
    }
    let trust = TrustFile::from_genesis(genesis).unwrap();
    let client = Client::connect(&[nodes.url(0)], trust, Options::default()).unwrap();
    Real { _folder: folder, sandbox, nodes, stage, client, channel }
}

fn check_status(name: &str, status: &Status, code: tonic::Code, rejection: Rejection) {
    let info = status.get_details_error_info().expect(name);
    assert_eq!((status.code(), info.reason.as_str()), (code, rejection.reason()), "{name}: {status:?}");
    assert_eq!((info.domain.as_str(), &info.metadata["code"]), ("kvitto", &rejection.code().to_string()));
    assert!(status.message().contains(rejection.text()), "{name}: {}", status.message());
}

#[tokio::test(flavor = "multi_thread")]
async fn by_grpc_a_node_answers_each_with_its_code_and_reason() {
    let Real { nodes, stage, client, channel, .. } = &real(1).await;
    let mut node = Service::new(channel.clone());
    let before = standing(client).await;
    for Row { name, statement, code, rejection } in rows() {
        let answer = submit(&mut node, statement(stage)).await;
        match rejection {
            // Passes with time alone: the node keeps it, and no block takes it.
            Rejection::AccreditationNotYet => {
                let kept = answer.expect(&name).into_inner().result.expect(&name);
                assert_eq!(kept.state(), StatementState::Accepted, "{name}");
            }
            // Comes with where it was anchored before, so it is no error.
            Rejection::NothingNew => {
                let refused = answer.expect(&name).into_inner().result.expect(&name);
                assert!(
                    refused.state() == StatementState::Rejected && !refused.existing_positions.is_empty(),
                    "{name}"
                );
                assert_eq!(refused.rejection.expect(&name).reason, rejection.reason(), "{name}");
            }
            _ => check_status(&name, &answer.expect_err(&name), code, rejection),
        }
        assert_eq!(standing(client).await, before, "{name}");
    }
    let height = client.checkpoint().await.expect("a checkpoint");
    let newest =
        (nodes.member(0).and_then(|node| node.published()).expect("published").0, height.tree().size);
    for question in questions() {
        let name = question.name;
        let asker = Asker { channel: channel.clone(), newest };
        let status = (question.ask)(asker).await.expect_err(&name);
        let info = status.get_details_error_info();
        let reason = info.as_ref().map(|info| info.reason.as_str());
        assert_eq!((status.code(), reason), (question.code, question.reason), "{name}: {status:?}");
        assert!(info.is_none_or(|info| info.domain == "kvitto"), "{name}");
    }
    assert_eq!(standing(client).await, before, "questions change nothing");
    let good = stage.good();
    executes(&mut node, good.clone()).await;
    let after = standing(client).await;
    executes(&mut node, good).await;
    assert_eq!(
        standing(client).await,
        after,
        "what is submitted again is answered as before, and executed once"
    );
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
    let place = kvitto_ledger::ReadState::place(&ledger.state, RESERVED).expect("memory is readable");
    assert!(place.is_some_and(|place| place.owner == ledger.state.changes.identifiers[&school().did].number));
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
        ..300 if rejection.is_for_ever() => Verdict::Reject,
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
    let mut wrong = Vec::new();
    for Row { name, statement, rejection, .. } in rows().into_iter().chain([executed()]) {
        let batch = codec::Statements(vec![statement(&stage).into()]).encode();
        let mut heard = Vec::new();
        let verdict = admit(&batch, &admission, stage.now, |statement| heard.push(statement));
        let [statement] = <[_; 1]>::try_from(heard).expect("one statement");
        let refused = statement.and_then(|statement| {
            for member in 0..cluster.nodes.len() {
                cluster.input(member, Input::Submit { statement: statement.clone(), origin: Origin::Peer });
            }
            judge(&state, &config, cluster.now, &statement).expect("memory is readable")
        });
        let found = (verdict.expect("memory is readable"), refused.map(drop));
        if found != (gossip_verdict(rejection), Err(rejection)) {
            wrong.push((name.clone(), found, rejection));
        }
        cluster.run_ms(1_000);
        assert_eq!(tips(&cluster), before, "{name}");
    }
    assert!(wrong.is_empty(), "name, what was found, what was expected: {wrong:#?}");
    goes_on(&mut cluster, &stage);
}

/// A statement of the stage again, which no service answers with a rejection.
fn executed() -> Row {
    Row {
        name: "executed before".into(),
        // The first of them has the nonce 1 and is the same whenever it is made.
        statement: Box::new(|stage| {
            Stage::new(stage.ledger_id, stage.root.clone(), stage.start, stage.now).setup().swap_remove(0)
        }),
        code: tonic::Code::AlreadyExists,
        rejection: Rejection::StatementExecuted,
    }
}

#[test]
fn batches_that_are_none_are_refused_as_a_whole() {
    let (_, state, stage) = simulated();
    let admission = Admission::new(stage.ledger_id, state);
    let good = codec::Statements(vec![stage.good().into()]).encode();
    let changed = |change: fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        bytes
    };
    for (name, bytes) in [
        ("no bytes", vec![]),
        ("random bytes", vec![0x5a; 300]),
        ("a byte too many", changed(|bytes| bytes.push(0))),
        ("a byte too few", changed(|bytes| _ = bytes.pop())),
        ("another version", changed(|bytes| bytes[0] = 2)),
        ("another kind", changed(|bytes| bytes[1] = 16)),
        ("a long head", changed(|bytes| _ = bytes.splice(2..3, [0x98, 1]))),
        (
            "of unknown length",
            changed(|bytes| {
                bytes[2] = 0x9f;
                bytes.push(0xff);
            }),
        ),
        ("tagged", changed(|bytes| bytes.insert(2, 0xc0))),
        ("no statements", codec::Statements(vec![]).encode()),
        ("an empty statement", codec::Statements(vec![stage.good().into(), [].into()]).encode()),
        ("longer than any", vec![1; codec::STATEMENTS_BYTES_MAX + 1]),
        ("a declared length of 2^64 - 1", vec![1, 1, 0x9b, 255, 255, 255, 255, 255, 255, 255, 255]),
        ("arrays in each other", [&[1, 1][..], &vec![0x81; 100_000]].concat()),
        ("a bare statement", stage.good()),
    ] {
        let heard = |_| panic!("{name}: nothing of it is taken");
        let verdict = admit(&bytes, &admission, stage.now, heard).expect("memory is readable");
        assert_eq!(verdict, Verdict::Reject, "{name}");
    }
    // One bad statement among good ones: the good ones are taken, and the message counts as bad.
    let mut bad = stage.good();
    *bad.last_mut().expect("not empty") ^= 1;
    let mixed = codec::Statements(vec![stage.good().into(), bad.into()]).encode();
    let mut heard = Vec::new();
    let verdict = admit(&mixed, &admission, stage.now, |statement| heard.push(statement.is_ok()));
    assert_eq!((verdict.expect("memory is readable"), heard), (Verdict::Reject, vec![true, false]));
}

#[test]
fn messages_of_consensus_that_are_none_are_dropped_and_nothing_moves() {
    let (world, state, stage) = simulated();
    let mut cluster = Cluster::with_state(world, &state, 1);
    Liar::new(&mut cluster, 1);
    let before = tips(&cluster);
    for message in consensus::messages(&cluster) {
        let said = consensus::heard(&mut cluster, message.topic, &message.bytes);
        assert_eq!(said, (Some(message.verdict), message.fault), "{}", message.name);
        assert_eq!(tips(&cluster), before, "{}", message.name);
        assert_eq!(cluster.nodes[0].halted, None, "{}", message.name);
    }
    cluster.run_ms(5_000);
    assert_eq!(tips(&cluster), before, "not even an empty block was begun");
    goes_on(&mut cluster, &stage);
}

/// The proposer of the next height, who lies.
fn proposer(cluster: &mut Cluster) -> Liar {
    let height = cluster.nodes[0].state.newest().header.height.next();
    let proposer = usize::try_from(height.0).expect("a low height") % cluster.nodes.len();
    Liar::new(cluster, proposer)
}

/// Proposes a block with a good signature to the others, and runs until each has found this fault; gives what they found instead.
fn refused(
    cluster: &mut Cluster,
    liar: &Liar,
    header: &Header,
    body: &[u8],
    fault: &Fault,
) -> Result<(), String> {
    let proposal = liar.proposal(0, None, header);
    for to in (0..cluster.nodes.len()).filter(|to| *to != liar.member) {
        liar.tell(cluster, to, Topic::Consensus, proposal.clone());
        liar.push_bytes(cluster, to, header, body);
    }
    let found = |cluster: &Cluster| {
        let voters = cluster.nodes.iter().enumerate().filter(|(member, _)| *member != liar.member);
        voters.into_iter().all(|(_, node)| node.faults.contains(fault))
    };
    if cluster.run_for(2_000, found) {
        return Ok(());
    }
    Err(format!("{:?}", cluster.nodes.iter().map(|node| &node.faults).collect::<Vec<_>>()))
}

#[test]
fn in_a_proposed_block_each_makes_the_block_invalid_for_the_same_reason() {
    let (world, state, stage) = simulated();
    let mut seen = BTreeSet::new();
    for Row { name, statement, rejection, .. } in rows().into_iter().chain([executed()]) {
        let mut cluster = Cluster::with_state(world.clone(), &state, 1);
        let before = tips(&cluster);
        let liar = proposer(&mut cluster);
        let body = BlockBody(vec![statement(&stage).into()]);
        let header = blocks::header_of(&liar, &cluster, &body);
        let fault = Fault::Block(BlockFault::Statement { index: 0, rejection });
        refused(&mut cluster, &liar, &header, &body.encode(), &fault)
            .unwrap_or_else(|found| panic!("{name}: {found}"));
        assert_eq!(tips(&cluster), before, "{name}");
        // Once for each reason: what comes afterwards is the same for all of them.
        if seen.insert(rejection.code()) {
            goes_on(&mut cluster, &stage);
            assert!(tips(&cluster).iter().all(|tip| tip.status_root == before[0].status_root), "{name}");
        }
    }
}

#[test]
fn blocks_that_are_not_what_they_say_are_invalid_and_not_decided() {
    let (world, state, stage) = simulated();
    for block in blocks() {
        let name = block.name;
        let mut cluster = Cluster::with_state(world.clone(), &state, 1);
        let before = tips(&cluster);
        let liar = proposer(&mut cluster);
        let (header, body) = (block.make)(&stage, &cluster, &liar);
        refused(&mut cluster, &liar, &header, &body, &block.fault)
            .unwrap_or_else(|found| panic!("{name}: {found}"));
        assert_eq!(tips(&cluster), before, "{name}");
        goes_on(&mut cluster, &stage);
        let honest = cluster.nodes.iter().enumerate().filter(|(member, _)| *member != liar.member);
        let decided =
            |id| honest.clone().any(|(_, node)| node.state.blocks.iter().any(|block| block.id == id));
        assert!(!decided(header.id()), "{name}");
    }
}
