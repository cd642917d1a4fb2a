//! Goal: four real nodes anchor, prove and revoke; they go on without one of them; the same statement is executed once.
//!
//! Method: a script over the command line, on nodes in this process with their own stores, keys and loopback ports.

use kvitto_cli::Exit;
use kvitto_node::report::Audit;
use kvitto_tests::world::World;

const TYPE: &str = "MicroCredential";
const CREDENTIAL: &str = r#"{
    "@context": ["https://www.w3.org/ns/credentials/v2"],
    "type": ["VerifiableCredential", "MicroCredential"],
    "issuer": "did:ebsi:zZeKyEJfUTGwajhNyNX928z",
    "validFrom": "2026-01-01T00:00:00Z",
    "credentialSubject": { "achievement": "NUMBER" }
}"#;

/// Writes a credential; `number` makes it its own.
fn credential(world: &World, number: usize) -> String {
    let path = world.path(&format!("credential-{number}.json"));
    std::fs::write(&path, CREDENTIAL.replace("NUMBER", &number.to_string())).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn four_members_anchor_prove_and_revoke_and_go_on_without_one() {
    let mut world = World::new(4, &[TYPE]).await.unwrap();
    let school = world.school();
    let register = world.path("register").to_str().unwrap().to_owned();
    let anchor = |file: &str| {
        [
            "anchor".to_owned(),
            file.to_owned(),
            "--register".into(),
            register.clone(),
            "--type".into(),
            TYPE.into(),
        ]
    };
    let first = credential(&world, 1);
    let words = anchor(&first);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    world.succeed(0, &school, &words).await.unwrap();
    // The same file again is already there, on whichever node.
    world.succeed(2, &school, &words).await.unwrap();

    world.cluster.caught_up(3).await.unwrap();
    let status = world.succeed(3, &school, &["status", &first, "--register", &register]).await.unwrap();
    assert!(status.to_string().contains("\"not_revoked\""), "{status}");

    world.succeed(1, &school, &["revoke", &first, "--register", &register]).await.unwrap();
    let again = world.kvitto(2, &school, &["reinstate", &first, "--register", &register]).await.unwrap();
    assert_eq!(again.exit, Exit::Refused, "{}", again.printed);

    world.cluster.stop_member(3).await.unwrap();
    let second = credential(&world, 2);
    let words = anchor(&second);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    world.succeed(0, &school, &words).await.unwrap();

    let sandbox = world.sandbox.clone();
    world.cluster.start_member(&sandbox, 3).await.unwrap();
    world.cluster.caught_up(3).await.unwrap();
    let status = world.succeed(3, &school, &["status", &second, "--register", &register]).await.unwrap();
    assert!(status.to_string().contains("\"not_revoked\""), "{status}");
    world.cluster.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_of_one_member_works_the_same_way() {
    let world = World::new(1, &[TYPE]).await.unwrap();
    let school = world.school();
    let register = world.path("register").to_str().unwrap().to_owned();
    let file = credential(&world, 1);
    let words = ["anchor", &file, "--register", &register, "--type", TYPE];
    world.succeed(0, &school, &words).await.unwrap();
    let receipt = world.path("credential-1.kvitto").to_str().unwrap().to_owned();
    let verified = world.kvitto(0, &school, &["verify", &receipt, "--credential", &file]).await.unwrap();
    assert!(verified.result["verdict"].is_object(), "{}", verified.printed);

    let mut audit = world.cluster.member(0).unwrap().report().audit();
    let ended = audit.wait_for(|audit| *audit != Audit::Running).await.unwrap().clone();
    assert_eq!(ended, Audit::Good);
    world.cluster.stop().await.unwrap();
}
