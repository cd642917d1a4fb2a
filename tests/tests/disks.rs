//! Goal: a node whose disk has lost, damaged or no room for something does not pretend otherwise, and goes on once it is mended.
//!
//! Method: one or two real nodes in this process; between two starts their folders are treated as operators and disks treat them.

use std::fs;

use futures::StreamExt;
use kvitto_node::check_command;
use kvitto_node::config::Config;
use kvitto_node::genesis_file::GenesisFile;
use kvitto_node::node::{Node, Setup};
use kvitto_node::standing::Vouched;
use kvitto_proto::v1;
use kvitto_tests::faults::tools::copy_folder;
use kvitto_tests::world::World;
use tonic::transport::Channel;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

const TYPE: &str = "MicroCredential";

/// Starts the ledger's only member; it must refuse, and say this.
async fn refused(world: &World, expected: &str) {
    let setup = Setup::from_config(&config(world), Vouched::default()).unwrap();
    let error = format!("{:#}", Node::start(setup).await.err().unwrap());
    assert!(error.contains(expected), "{error}");
}

fn config(world: &World) -> Config {
    Config::read(&world.sandbox.config(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_alone_does_not_begin_its_ledger_anew() {
    let mut world = World::new(1, &[TYPE]).await.unwrap();
    world.cluster.stop_member(0).await.unwrap();
    let config = config(&world);
    let (_, genesis) = GenesisFile::read(&config.genesis).unwrap();
    let whole = world.path("whole");
    copy_folder(&config.data, &whole).unwrap();

    fs::write(config.data.join("HEAD"), b"").unwrap();
    let error = check_command::run(&config, &genesis, false).unwrap_err();
    assert!(format!("{error:#}").contains("HEAD cannot be read"), "{error:#}");
    assert!(!config.data.join("damaged-1").exists(), "a check changes nothing");

    for _ in 0..2 {
        refused(&world, "no other member has what is missing").await;
    }
    assert!(config.data.join("damaged-1").join("sled").exists(), "what was damaged is kept");
    fs::remove_dir_all(&config.data).unwrap();
    refused(&world, "but the store ends with block 0").await;

    fs::remove_dir_all(&config.data).unwrap();
    copy_folder(&whole, &config.data).unwrap();
    check_command::run(&config, &genesis, false).unwrap();
    let sandbox = world.sandbox.clone();
    world.cluster.start_member(&sandbox, 0).await.unwrap();
    world.cluster.caught_up(0).await.unwrap();
    world.cluster.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_running_member_cannot_use_its_guard() {
    let world = World::new(1, &[TYPE]).await.unwrap();
    let mut setup = Setup::from_config(&config(&world), Vouched::default()).unwrap();
    setup.data = world.path("copy");
    let error = format!("{:#}", Node::start(setup).await.err().unwrap());
    assert!(error.contains("guard") && error.contains("in use"), "{error}");
    world.cluster.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_a_node_answers_readers_until_there_is_room_again() {
    let mut world = World::new(1, &[TYPE]).await.unwrap();
    let school = world.school();
    let register = world.path("register").to_str().unwrap().to_owned();
    let file = world.path("credential.json");
    let credential = r#"{ "@context": ["https://www.w3.org/ns/credentials/v2"], "type": ["VerifiableCredential", "MicroCredential"],
        "issuer": "did:ebsi:zZeKyEJfUTGwajhNyNX928z", "credentialSubject": { "achievement": "1" } }"#;
    fs::write(&file, credential).unwrap();
    let file = file.to_str().unwrap().to_owned();
    let anchor = ["anchor", &file, "--register", &register, "--type", TYPE];
    world.succeed(0, &school, &anchor).await.unwrap();
    world.cluster.stop_member(0).await.unwrap();

    // Who writes to it is told that there is no room.
    std::os::unix::fs::symlink("/dev/full", config(&world).data.join("room")).unwrap();
    let sandbox = world.sandbox.clone();
    world.cluster.start_member(&sandbox, 0).await.unwrap();
    let status = ["status", &file, "--register", &register];
    world.succeed(0, &school, &status).await.unwrap();
    let channel = Channel::from_shared(world.cluster.url(0)).unwrap().connect().await.unwrap();
    let mut health = HealthClient::new(channel);
    for (service, expected) in [("reads", ServingStatus::Serving), ("writes", ServingStatus::NotServing)] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let mut reports = health.watch(request).await.unwrap().into_inner();
        // The first answer may come before the first report.
        while reports.next().await.unwrap().unwrap().status() != expected {}
    }
    let operator = format!("http://{}", world.cluster.member(0).unwrap().operator());
    let mut operator = v1::operator_service_client::OperatorServiceClient::connect(operator).await.unwrap();
    let findings = operator.diagnose(v1::DiagnoseRequest {}).await.unwrap().into_inner().findings;
    assert!(findings[0].message.contains("disk was full"), "{findings:?}");
    drop((health, operator));
    world.cluster.stop_member(0).await.unwrap();

    world.cluster.start_member(&sandbox, 0).await.unwrap();
    world.succeed(0, &school, &["revoke", &file, "--register", &register]).await.unwrap();
    world.cluster.stop().await.unwrap();
}
