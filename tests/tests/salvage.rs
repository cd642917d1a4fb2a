//! Goal: a ledger whose only member finds its store damaged refuses to go on, takes its blocks back, and goes on.
//!
//! Method: the story of RULES 4.2 for one member: HEAD names another root, so the database is set aside although its blocks are
//! good; then the same with one block that is not.

use kvitto_cli::Exit;
use kvitto_ledger::Genesis;
use kvitto_merkle::Hash;
use kvitto_node::config::Config;
use kvitto_node::genesis_file::GenesisFile;
use kvitto_node::report::Audit;
use kvitto_node::salvage_command;
use kvitto_storage::Head;
use kvitto_storage::faults::Faults;
use kvitto_storage::files::OsDirectory;
use kvitto_storage::head::HeadFile;
use kvitto_tests::world::World;

const TYPE: &str = "MicroCredential";
const CREDENTIAL: &str = r#"{
    "@context": ["https://www.w3.org/ns/credentials/v2"],
    "type": ["VerifiableCredential", "MicroCredential"],
    "issuer": "did:ebsi:zZeKyEJfUTGwajhNyNX928z",
    "credentialSubject": { "achievement": "Welding" }
}"#;

/// Lets HEAD say something that the database does not.
fn damage(config: &Config) {
    let directory = OsDirectory::open(&config.data, Faults::none()).unwrap();
    let (mut file, head) = HeadFile::open(directory).unwrap();
    file.write(&Head { log_root: Hash([7; 32]), ..head.unwrap() }).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_member_takes_its_blocks_back_from_a_store_that_was_set_aside() {
    let mut world = World::new(1, &[TYPE]).await.unwrap();
    let (school, sandbox) = (world.school(), world.sandbox.clone());
    let (file, register) = (world.path("credential.json"), world.path("register"));
    std::fs::write(&file, CREDENTIAL).unwrap();
    let (file, register) = (file.to_str().unwrap(), register.to_str().unwrap());
    world.succeed(0, &school, &["anchor", file, "--register", register, "--type", TYPE]).await.unwrap();
    // The audit reads the store, and salvage wants it for itself.
    let mut audit = world.cluster.member(0).unwrap().report().audit();
    audit.wait_for(|audit| *audit != Audit::Running).await.unwrap();
    world.cluster.stop_member(0).await.unwrap();

    let config = Config::read(&sandbox.config(0)).unwrap();
    let (_, genesis): (_, Genesis) = GenesisFile::read(&config.genesis).unwrap();
    let nothing = format!("{:#}", salvage_command::run(&config, &genesis).unwrap_err());
    assert!(nothing.contains("nothing was set aside"), "{nothing}");
    damage(&config);
    for _ in 0..2 {
        let refused = format!("{:#}", world.cluster.start_member(&sandbox, 0).await.unwrap_err());
        assert!(refused.contains("kvitto-node salvage"), "{refused}");
    }

    salvage_command::run(&config, &genesis).unwrap();
    // Once more finds nothing to do.
    salvage_command::run(&config, &genesis).unwrap();
    world.cluster.start_member(&sandbox, 0).await.unwrap();
    let words = ["revoke", file, "--register", register];
    world.succeed(0, &school, &words).await.unwrap();
    let receipt = world.path("credential.kvitto").to_str().unwrap().to_owned();
    let verified = world.kvitto(0, &school, &["verify", &receipt, "--credential", file]).await.unwrap();
    assert!(matches!(verified.exit, Exit::CannotTell | Exit::NotInOrder), "{}", verified.printed);
    assert!(verified.result["verdict"].is_object(), "{}", verified.printed);
    world.cluster.stop().await.unwrap();
}
