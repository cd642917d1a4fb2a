//! Goal: four real nodes anchor, prove and revoke; they go on without one of them; the same statement is executed once; a node
//! speaks TLS where its configuration says so.
//!
//! Method: a script over the command line or the SDK, on nodes in this process with their own stores, keys and loopback ports.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use futures::StreamExt;
use kvitto_cli::{Exit, KeyFile};
use kvitto_client::{
    Answer, Answered, Client, ClientError, ManyOptions, Moment, Options, Organisation, SignedStatement,
    Submitted,
};
use kvitto_ledger::commitment::{DigestAlgorithm, DigestTarget};
use kvitto_ledger::state::Outcome;
use kvitto_ledger::statement::{Anchor, AnchorItem};
use kvitto_ledger::{AccreditationId, Commitment, Envelope, LeafIndex, Record};
use kvitto_node::config::{Config, TlsConfig};
use kvitto_node::genesis_file::Timeouts;
use kvitto_node::node::{Node, Setup};
use kvitto_node::report::Audit;
use kvitto_node::sandbox::{Ports, Sandbox};
use kvitto_node::standing::Vouched;
use kvitto_tests::world::World;
use kvitto_verifier::TrustFile;
use kvitto_verifier::verdict::Anchored;

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

/// How long the statement can be executed that is sent again and again; much longer than the first time takes.
const VALIDITY: Duration = Duration::from_secs(10);

fn trust(sandbox: &Sandbox) -> TrustFile {
    TrustFile::from_json(&std::fs::read(sandbox.trust_file()).unwrap()).unwrap()
}

fn client(world: &World, member: usize) -> Client {
    Client::connect(&[world.cluster.url(member)], trust(&world.sandbox), Options::default()).unwrap()
}

/// The school, signing for itself.
struct School {
    organisation: Organisation,
    accreditation: AccreditationId,
}

impl School {
    async fn of(world: &World) -> Self {
        let key = KeyFile::read(&world.school()).unwrap();
        let (_, held) = client(world, 0).issuer(&key.did(), Moment::Newest).await.unwrap().value;
        let ledger = trust(&world.sandbox).ledger_id();
        let organisation = Organisation::new(key.did(), key.key().clone(), ledger);
        let organisation = organisation.with_validity_ms(VALIDITY.as_millis() as u64);
        Self { organisation, accreditation: held[0].key.id }
    }

    fn anchors(&self, numbers: impl IntoIterator<Item = u64>) -> SignedStatement {
        let item = |number: u64| {
            let mut commitment = Commitment::default();
            commitment.0[..8].copy_from_slice(&number.to_be_bytes());
            AnchorItem { commitment, reserved: None }
        };
        let anchor = Anchor {
            accreditation: self.accreditation,
            credential_type: TYPE.into(),
            algorithm: DigestAlgorithm::Sha256,
            target: DigestTarget::Jcs,
            bare: false,
            items: numbers.into_iter().map(item).collect(),
        };
        self.organisation.anchor(anchor).unwrap()
    }
}

/// What a client is told of a statement. Fresher cosignatures make no other receipt, so of those counts what they prove.
#[derive(Debug, PartialEq)]
struct Told {
    outcome: Outcome,
    records: Vec<(LeafIndex, Record)>,
    anchored: Vec<Anchored>,
}

async fn submit(world: &World, member: usize, statement: &SignedStatement) -> Told {
    let submitted = client(world, member).submit_final(statement).await.unwrap();
    let Submitted::Final(done) = submitted else { panic!("{submitted:?}") };
    let anchored: Vec<_> = done.receipts.into_iter().map(|proven| proven.verdict.anchored).collect();
    assert_eq!(anchored.len(), 2);
    Told { outcome: done.outcome, records: done.records, anchored }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_executed_once_whoever_gets_it_however_late() {
    let mut world = World::new(4, &[TYPE]).await.unwrap();
    let school = School::of(&world).await;
    let statement = school.anchors([1, 2]);
    let first = submit(&world, 0, &statement).await;

    world.cluster.caught_up(1).await.unwrap();
    assert_eq!(submit(&world, 1, &statement).await, first, "another node");

    world.cluster.stop_member(2).await.unwrap();
    let sandbox = world.sandbox.clone();
    world.cluster.start_member(&sandbox, 2).await.unwrap();
    world.cluster.caught_up(2).await.unwrap();
    assert_eq!(submit(&world, 2, &statement).await, first, "a node that has started again");

    // Other blocks, until one is later than the statement may be executed.
    let ledger = school.organisation.ledger_id();
    let not_after = Envelope::decode(&statement.bytes()[..], &ledger).unwrap().statement().not_after;
    let (node, mut number) = (client(&world, 0), 100);
    let size = loop {
        node.submit_final(&school.anchors([number])).await.unwrap();
        number += 1;
        let newest = node.identifier(&school.organisation.did(), Moment::Newest).await.unwrap();
        if newest.as_of.time > not_after {
            break newest.as_of.tree_size;
        }
    };
    for member in 0..4 {
        world.cluster.caught_up(member).await.unwrap();
        assert_eq!(submit(&world, member, &statement).await, first, "member {member}, too late");
        let options = ManyOptions { receipts: true, ..ManyOptions::default() };
        let twice = futures::stream::iter([statement.clone(), statement.clone()]);
        let mut answers = client(&world, member).submit_many(twice, options);
        let mut count = 0;
        while let Some(answered) = answers.next().await {
            let Answered { answer, receipts, .. } = answered.unwrap();
            let Answer::Final(outcome) = answer else { panic!("{answer:?}") };
            assert_eq!(outcome.as_said(), &first.outcome);
            let anchored: Vec<_> = receipts.into_iter().map(|proven| proven.verdict.anchored).collect();
            assert_eq!(anchored, first.anchored);
            count += 1;
        }
        assert_eq!(count, 2);
    }
    // Had anything been recorded, it would stand before this one.
    node.submit_final(&school.anchors([99])).await.unwrap();
    assert_eq!(node.checkpoint().await.unwrap().size(), size + 2, "one record, and that of its block");
    world.cluster.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_speaks_tls_where_its_configuration_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let free = Ports { peers: 0, api: 0, operator: 0 };
    let sandbox = Sandbox::make(folder.path(), &[free], Timeouts::default()).unwrap();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let member = sandbox.member_folder(0);
    std::fs::write(member.join("api.crt"), certified.cert.pem()).unwrap();
    std::fs::write(member.join("api.key"), certified.key_pair.serialize_pem()).unwrap();
    std::fs::set_permissions(member.join("api.key"), PermissionsExt::from_mode(0o600)).unwrap();
    let mut config: toml::Table = std::fs::read_to_string(sandbox.config(0)).unwrap().parse().unwrap();
    let tls = TlsConfig { certificate: "api.crt".into(), key: "api.key".into() };
    config["api"].as_table_mut().unwrap().insert("tls".into(), toml::Value::try_from(tls).unwrap());
    std::fs::write(sandbox.config(0), config.to_string()).unwrap();

    let setup = Setup::from_config(&Config::read(&sandbox.config(0)).unwrap(), Vouched::default()).unwrap();
    let node = Node::start(setup).await.unwrap();
    let connect = |scheme: &str, options| {
        let url = format!("{scheme}://localhost:{}", node.api().port());
        Client::connect(&[url], trust(&sandbox), options).unwrap()
    };
    let trusting = Options { ca_pem: Some(certified.cert.pem().into_bytes()), ..Options::default() };
    assert_eq!(connect("https", trusting).checkpoint().await.unwrap().size(), 3, "the genesis");
    for scheme in ["http", "https"] {
        let options = Options { retry_for: Duration::ZERO, ..Options::default() };
        let error = connect(scheme, options).checkpoint().await.unwrap_err();
        assert!(matches!(error, ClientError::Unavailable(_)), "{scheme}: {error}");
    }
    node.stop().await.unwrap();
}
