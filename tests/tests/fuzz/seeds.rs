//! The generator of seeds: a few bytes of each form that a decoder takes, from the worlds and vectors of the other tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};

use kvitto_ledger::codec::encode;
use kvitto_ledger::scope::Role;
use kvitto_ledger::state::{ItemException, ItemOutcome, Outcome};
use kvitto_ledger::statement::Body;
use kvitto_ledger::testing::{Actor, Ledger, MemoryState, World, commitment};
use kvitto_ledger::{
    Header, HeaderId, Height, LeafIndex, Position, ReadState, Record, Rejection, StatementId, TimeMs,
};
use kvitto_merkle::Hash;
use kvitto_merkle::log::InclusionProof;
use kvitto_merkle::note::{Cosignature, SignatureType, VerifierKey};
use kvitto_merkle::status::StatusValue;
use kvitto_merkle::tile::encode_bundle;
use kvitto_proto::convert::{
    self, CredentialName, CredentialStatus, PublishedCheckpoint, Refusal, StatementResult,
};
use kvitto_proto::v1;
use kvitto_replica::Topic;
use kvitto_replica::codec::Statements as Batch;
use kvitto_replica::signer::{Head, Point, Step};
use kvitto_replica::testing::{Cluster, Liar, Statements, all_executed};
use kvitto_storage::Journal;
use kvitto_storage::files::{Directory, MemoryDirectory};
use kvitto_storage::head::{HEAD_FILE, HeadFile};
use kvitto_storage::journal::JOURNAL_FILE;
use kvitto_verifier::receipt::{ChunkProof, LeafProof};
use kvitto_verifier::{Receipt, TrustFile};
use prost::Message;
use serde_json::Value;

type Seeds = BTreeMap<String, Vec<u8>>;

/// The seeds of a target.
pub(crate) fn of(target: &str) -> Seeds {
    match target {
        "consensus" => consensus(),
        "credential" => credentials(),
        "execution" => executions(),
        "files" => files(),
        "gossip" => gossip(),
        "identifier" => identifiers(),
        "note" => notes(),
        "payload" => payloads(),
        "receipt" => receipts(),
        "record" => records(),
        "replica" => scripts(),
        "rows" => rows(),
        "statement" => statements(),
        "sync" => sync(),
        "trust" => trust(),
        "wire" => wire(),
        other => panic!("{other} has no seeds"),
    }
}

fn named(seeds: impl IntoIterator<Item = (impl Into<String>, impl Into<Vec<u8>>)>) -> Seeds {
    seeds.into_iter().map(|(name, bytes)| (name.into().replace(' ', "-"), bytes.into())).collect()
}

fn numbered(seeds: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Seeds {
    named((0..).zip(seeds).map(|(number, bytes): (u32, _)| (format!("{number:02}"), bytes)))
}

fn in_repository(path: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace");
    fs::read(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A body of each kind, with the number by which the target `execution` knows who signs.
fn bodies(ledger: &Ledger) -> Vec<(&'static str, u8, Body)> {
    let [tao, branch, school, club, new] = ["tao", "branch", "school", "club", "new"].map(Actor::new);
    let policy =
        kvitto_ledger::statement::Policy { url: "https://policy.example/1".into(), digest: Hash([1; 32]) };
    vec![
        ("onboard", 1, tao.onboards(&new, &ledger.world.ledger_id).into()),
        ("put", 3, school.puts([school.method(), school.with_key("spare").method()]).into()),
        ("deactivate", 1, tao.deactivates(&school).into()),
        (
            "accredit",
            1,
            kvitto_ledger::statement::Accredit { policy: Some(policy), ..tao.accredits(&club, Role::Ti) }
                .into(),
        ),
        ("accredit below", 2, branch.accredits(&club, Role::Ti).into()),
        ("withdraw", 1, tao.sets_accreditation(&school, StatusValue::Revoked).into()),
        ("suspend", 0, Actor::new("root").sets_accreditation(&tao, StatusValue::Suspended).into()),
        ("reinstate", 1, tao.sets_accreditation(&Actor::new("college"), StatusValue::Valid).into()),
        ("reserve", 3, school.reserves(10).into()),
        ("anchor", 3, school.anchors([commitment(5), commitment(7)]).into()),
        ("anchor at a place", 3, school.anchors_at(commitment(8), Position(6)).into()),
        ("revoke", 3, school.sets(StatusValue::Revoked, [commitment(2), commitment(4)]).into()),
        ("supersede", 3, school.supersedes(commitment(4), commitment(5)).into()),
    ]
}

fn statements() -> Seeds {
    let mut ledger = Ledger::with_school(1);
    let school = ledger.school.clone();
    named(bodies(&ledger).into_iter().map(|(name, _, body)| {
        let statement = ledger.statement(body);
        (name, ledger.signed(&school, &statement))
    }))
}

fn payloads() -> Seeds {
    let mut ledger = Ledger::with_school(1);
    named(bodies(&ledger).into_iter().map(|(name, _, body)| (name, encode(&ledger.statement(body)))))
}

fn executions() -> Seeds {
    let mut ledger = Ledger::with_school(1);
    named(
        bodies(&ledger)
            .into_iter()
            .map(|(name, signer, body)| (name, [vec![signer], encode(&ledger.statement(body))].concat())),
    )
}

/// A ledger in which something of each kind was recorded.
fn busy() -> Ledger {
    let mut ledger = Ledger::with_school(1);
    let (tao, school) = (ledger.tao.clone(), ledger.school.clone());
    for (signer, body) in [
        (&school, Body::from(school.reserves(3))),
        (&school, school.anchors([commitment(1), commitment(2)]).into()),
        (&school, school.supersedes(commitment(1), commitment(2)).into()),
        (&tao, tao.sets_accreditation(&school, StatusValue::Revoked).into()),
    ] {
        ledger.act(signer, body).expect("the rules allow it");
    }
    ledger
}

fn records() -> Seeds {
    let ledger = busy();
    let mut seeds = Seeds::new();
    for leaf in ledger.state.leaves() {
        let record_type = Record::decode(leaf).expect("a record").body.record_type();
        seeds.entry(format!("{record_type:?}").to_lowercase()).or_insert_with(|| leaf.to_vec());
    }
    let newest = ledger.state.newest();
    seeds.insert("header".into(), newest.header.encode());
    seeds.insert("body".into(), newest.body.encode());
    seeds.insert("genesis-itself".into(), encode(&ledger.world.genesis));
    seeds
}

fn receipts() -> Seeds {
    let case = |name: &str| -> Vec<u8> {
        let case = in_repository(&format!("crates/verifier/vectors/accepted/{name}.json"));
        let case: Value = serde_json::from_slice(&case).expect("JSON");
        let receipt = Receipt::from_json(case["receipt"].to_string().as_bytes()).expect("a receipt");
        // Without white space between its members.
        let receipt: Value = serde_json::from_str(&receipt.to_json()).expect("JSON");
        receipt.to_string().into_bytes()
    };
    named(
        [
            "bare",
            "bare-without-opening",
            "by-number",
            "clear",
            "no-opening",
            "reserved",
            "revoked",
            "sealed",
            "suspended",
        ]
        .map(|name| (name, case(name))),
    )
}

fn trust() -> Seeds {
    let trust =
        |members| TrustFile::from_genesis(World::new(members).genesis).expect("a good genesis").to_json();
    let evidence = |name: &str| {
        let case = in_repository(&format!("crates/verifier/vectors/evidence/accepted/{name}.json"));
        let case: Value = serde_json::from_slice(&case).expect("JSON");
        case["evidence"].to_string()
    };
    let mut seeds = named([
        ("one member", trust(1)),
        ("four members", trust(4)),
        ("two roots", evidence("two-roots")),
        ("another beginning", evidence("another-beginning")),
        ("prevotes", evidence("prevotes")),
        ("proposals", evidence("proposals")),
        ("no object", "[]".into()),
        ("empty object", "{}".into()),
        ("another format", trust(1).replace("/v1", "/v2")),
    ]);
    seeds.insert("published".into(), in_repository("crates/verifier/vectors/trust.json"));
    seeds
}

fn notes() -> Seeds {
    let path = |text: &str| text.as_bytes().to_vec();
    let key = VerifierKey::new("a.example/1".parse().expect("a name"), SignatureType::CosignatureV1, [7; 32]);
    let numbers = [5_u64.to_be_bytes(), 8_u64.to_be_bytes()].concat();
    named([
        ("checkpoint", in_repository("crates/merkle/tests/data/checkpoint")),
        ("proof", in_repository("crates/merkle/tests/data/entry271.tlog-proof")),
        ("own proof", in_repository("crates/verifier/vectors/clear.tlog-proof")),
        ("policy", in_repository("crates/merkle/tests/data/policy")),
        ("unsigned checkpoint", path("example.org/log\n7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")),
        ("verifier key", key.to_string().into_bytes()),
        ("tile", path("tile/0/x001/x234/067.p/8")),
        ("entries", path("tile/entries/000")),
        ("bundle", encode_bundle([&b"one"[..], b"", b"three"]).expect("short entries")),
        ("cosignature", Cosignature { timestamp_s: 1_767_225_600, signature: [7; 64] }.to_bytes().to_vec()),
        ("hashes", [numbers, vec![9; 96]].concat()),
    ])
}

fn identifiers() -> Seeds {
    let school = Actor::new("school");
    named([
        ("did", school.did.to_string()),
        ("key id", school.key_id().to_string()),
        ("another method", "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK".into()),
        ("version 2", "did:ebsi:z276KZ8woEPoVATVfWSioq3t".into()),
        ("key", school.key.public().bytes().to_string()),
        ("signature", school.key.sign(b"").to_string()),
        ("commitment", commitment(1).to_string()),
        ("key hash", "0badcafe".into()),
        ("short", "did:ebsi:z".into()),
    ])
}

fn credentials() -> Seeds {
    let data = ["jades-general", "openbadge3", "sd-jwt-claims", "vcdm11", "vcdm20"];
    let vectors = ["clear.json", "elsewhere.json", "nameless.json", "sealed.jws", "two-spellings.json"];
    let mut seeds =
        named(data.map(|name| (name, in_repository(&format!("crates/ledger/tests/data/{name}.json")))));
    seeds.extend(named(
        vectors.map(|name| (name, in_repository(&format!("crates/verifier/vectors/credentials/{name}")))),
    ));
    seeds.extend(named(
        ["course", "openbadge"].map(|name| (name, in_repository(&format!("node/samples/{name}.json")))),
    ));
    seeds.insert(
        "numbers".into(),
        br#"{"a":[1e21,-0,0.1,9007199254740993,1E400,"\ud83d\ude00","\u0000"]}"#.to_vec(),
    );
    seeds
}

/// What members of a cluster have told each other while they executed some statements and one of them caught up.
struct Heard {
    consensus: Vec<Vec<u8>>,
    cosignatures: Vec<Vec<u8>>,
    requests: Vec<Vec<u8>>,
    certificates: Vec<Vec<u8>>,
    journal: Vec<Vec<u8>>,
    guard: Vec<u8>,
}

/// So many messages of each kind, which their second byte says, and of each length about.
fn a_few(messages: impl IntoIterator<Item = Vec<u8>>, of_each: usize) -> Vec<Vec<u8>> {
    let mut seen: BTreeMap<(u8, usize), usize> = BTreeMap::new();
    let mut few = Vec::new();
    for message in messages {
        let count = seen.entry((message[1], message.len() / 64)).or_default();
        if *count < of_each && message.len() < 4096 {
            *count += 1;
            few.push(message);
        }
    }
    few
}

static HEARD: LazyLock<Heard> = LazyLock::new(|| {
    let mut cluster = Cluster::new(4, 1);
    let wires = Arc::new(Mutex::new(Vec::new()));
    let tapped = Arc::clone(&wires);
    cluster.tamper = Some(Box::new(move |wire| {
        tapped.lock().expect("one thread").push((wire.topic, wire.bytes.clone()));
    }));
    let mut statements = Statements::new(&cluster);
    cluster.cut.extend((0..3).flat_map(|other| [(3, other), (other, 3)]));
    let mut journal = Vec::new();
    for _ in 0..3 {
        let statement = statements.next();
        let id = statement.id();
        cluster.submit(0, statement);
        let done = |cluster: &Cluster| {
            (0..3).all(|node| cluster.nodes[node].state.changes.outcomes.contains_key(&id))
        };
        let mut tap = |cluster: &Cluster| {
            if cluster.nodes[1].journal.len() > journal.len() {
                journal.clone_from(&cluster.nodes[1].journal);
            }
            done(cluster)
        };
        assert!(cluster.run_for(60_000, &mut tap));
    }
    cluster.cut.clear();
    let last = statements.next();
    let id = last.id();
    cluster.submit(0, last);
    assert!(cluster.run_for(60_000, |cluster| all_executed(cluster, &[id])));
    cluster.run_ms(15_000);
    let wires = wires.lock().expect("one thread");
    let on =
        |topic: Option<Topic>| wires.iter().filter(move |wire| wire.0 == topic).map(|wire| wire.1.clone());
    let guard = cluster.nodes[0].guard.as_ref().expect("never lost").encode();
    Heard {
        consensus: a_few(on(Some(Topic::Consensus)), 3),
        cosignatures: a_few(on(Some(Topic::Cosignatures)), 3),
        requests: a_few(on(None), 3),
        certificates: cluster.nodes[0]
            .certificates
            .iter()
            .skip(1)
            .take(2)
            .map(|bytes| bytes.to_vec())
            .collect(),
        journal: a_few(journal, 3),
        guard,
    }
});

fn liar() -> Liar {
    Liar::of(&World::new(4), 1)
}

fn header() -> Header {
    MemoryState::new(&World::new(4).genesis).newest().header.clone()
}

/// Certificates that gather votes, as arrays: polka (18), round (19).
fn certificates() -> Vec<Vec<u8>> {
    let signatures: Vec<_> = World::new(4)
        .members
        .iter()
        .map(|member| (member.consensus.public().bytes(), member.consensus.sign(b"something else")))
        .collect();
    let id = HeaderId([1; 32]);
    let skip: Vec<_> =
        signatures.iter().map(|(key, signature)| (1_u8, None::<HeaderId>, key, signature)).collect();
    let framed = |kind: u8, content: Vec<u8>| [vec![1, kind], content].concat();
    vec![
        framed(18, encode(&(1_u64, 0_u32, id, &signatures))),
        framed(19, encode(&(1_u64, 0_u32, 1_u8, &skip))),
    ]
}

fn consensus() -> Seeds {
    let point = |step| Point { height: Height(1), round: 3, step };
    let own = [
        liar().vote(point(Step::Prevote), Some(HeaderId([1; 32]))),
        liar().vote(point(Step::Precommit), None),
        liar().proposal(4, Some(2), &Header { height: Height(1), ..header() }),
    ];
    numbered(
        HEARD
            .consensus
            .iter()
            .cloned()
            .chain(HEARD.certificates.iter().cloned())
            .chain(certificates())
            .chain(own),
    )
}

fn sync() -> Seeds {
    // Nothing else is pulled in a short run: the body of an undecided block, and the answer.
    let framed = |kind: u8, content: Vec<u8>| [vec![1, kind], content].concat();
    let pull = framed(49, encode(&(Height(1), HeaderId([1; 32]))));
    let nothing = framed(64, encode(&(None::<u8>,)));
    let body = framed(64, encode(&(serde_bytes::ByteBuf::from(vec![0x80]),)));
    numbered(HEARD.requests.iter().cloned().chain([pull, nothing, body]))
}

fn gossip() -> Seeds {
    let statements: Vec<Arc<[u8]>> = statements().into_values().map(Arc::from).collect();
    let one = Batch(vec![Arc::clone(&statements[0])]).encode();
    let three = Batch(statements[..3].to_vec()).encode();
    let tiny = Batch(vec![Arc::from([7]), Arc::from([7; 24])]).encode();
    let head = Head { height: Height(9), size: 70_000, root: Hash([2; 32]) };
    let cosignature = liar().cosignature(head, 1_767_225_600).encode();
    numbered(
        HEARD
            .cosignatures
            .iter()
            .cloned()
            .chain([one, three, tiny, cosignature])
            .chain([Batch(vec![Arc::from([0xd2])]).encode()]),
    )
}

/// One step of a script: what happens, and a message.
fn step(kind: u8, message: &[u8]) -> Vec<u8> {
    [&[kind][..], &(message.len() as u16).to_be_bytes(), message].concat()
}

fn scripts() -> Seeds {
    let heard = |kind: u8, messages: &[Vec<u8>]| -> Vec<u8> {
        messages.iter().take(6).flat_map(|message| step(kind, message)).collect()
    };
    named([
        ("consensus", heard(0, &HEARD.consensus)),
        ("cosignatures", heard(1, &HEARD.cosignatures)),
        ("requests", heard(2, &HEARD.requests)),
        ("answers", [vec![6, 1, 9, 1, 9, 1, 9, 1, 9], heard(3, &HEARD.requests)].concat()),
        ("certificates", heard(0, &certificates())),
        // Votes: round, step, whether for a block and which, height.
        ("votes", [[4, 1, 0, 0, 1, 7, 1, 1], [4, 1, 1, 1, 1, 7, 1, 1], [4, 1, 3, 1, 0, 0, 1, 1]].concat()),
        // A proposal of an empty block, then time.
        ("proposal", vec![5, 1, 1, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 2, 0x10, 0x00]),
        ("timers", vec![7, 1, 1, 0, 4, 2, 0x10, 0, 7, 1, 1, 0, 9, 2, 0x20, 0, 7, 1, 1, 0, 8, 2, 0x10, 0]),
        ("everything", (0..16).flat_map(|kind| [kind, 1, 1, 1, 1, 1, 1, 1, 1]).collect()),
    ])
}

fn files() -> Seeds {
    let journal = MemoryDirectory::default();
    let (mut file, _) = Journal::open(journal.clone()).expect("empty");
    for (number, entry) in HEARD.journal.iter().take(3).enumerate() {
        file.append(0, entry).expect("memory has room");
        if number != 1 {
            file.sync().expect("memory has room");
        }
    }
    let journal = journal.read(JOURNAL_FILE).expect("memory").expect("written");
    let heads = MemoryDirectory::default();
    let (mut file, _) = HeadFile::open(heads.clone()).expect("empty");
    let head = kvitto_storage::Head {
        height: Height(1),
        size: 5,
        log_root: Hash([1; 32]),
        status_root: Hash([2; 32]),
    };
    file.write(&head).expect("memory has room");
    let written = heads.read(HEAD_FILE).expect("memory").expect("written");
    let slot = written[written.iter().position(|byte| *byte != 0).expect("not empty")..].to_vec();
    let content = encode(&(head.height, head.size, head.log_root, head.status_root));
    let raw = |bytes: &[u8]| [&[0], bytes].concat();
    let sealed = |bytes: &[u8]| [&[1], bytes].concat();
    let mut seeds = numbered(HEARD.journal.iter().map(|entry| raw(entry)));
    seeds.extend(named([
        ("guard", raw(&HEARD.guard)),
        ("journal", raw(&journal)),
        ("head", raw(&slot)),
        ("head-content", sealed(&content)),
        // kind, synced / 4, length, content.
        ("frames", sealed(&[0, 0, 3, 1, 2, 3, 9, 7, 0, 1, 7, 2, 8, 8])),
    ]));
    seeds
}

fn rows() -> Seeds {
    let ledger = busy();
    let state = &ledger.state;
    let block = state.newest();
    let page: Vec<u8> = state.blocks[1]
        .leaves
        .iter()
        .flat_map(|leaf| [&(leaf.len() as u16).to_be_bytes()[..], leaf].concat())
        .collect();
    let outcomes: Vec<(u64, u32, Vec<ItemException>)> = vec![(4, 2, vec![]), (6, 1, vec![exception()])];
    let places = [[0; 13], [1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0], [3, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 9]];
    let tip = state.tip().expect("memory is readable");
    let manifest = (
        3_u64,
        vec![(0_u64, 2_u64, 0_u32, 1_u32)],
        Vec::<(u32, Vec<(u64, u64)>, (u64, u32, u64), Option<(u64, u64)>)>::new(),
    );
    let merging = (
        3_u64,
        vec![(0_u64, 2_u64, 0_u32, 1_u32)],
        vec![(0_u32, vec![(0_u64, 2_u64)], (0_u64, 1_u32, 2_u64), Some((1_u64, 2_u64)))],
    );
    let entries: Vec<u8> = [1_u64, 7, 2, 9].into_iter().flat_map(u64::to_be_bytes).collect();
    let of_kind = |kind: u8, bytes: &[u8]| [&[kind], bytes].concat();
    let identifier = state.changes.identifiers.values().next_back().expect("several");
    let accreditation = state.changes.accreditations.values().next_back().expect("several");
    let usage = state.changes.usage.values().next().expect("one");
    named([
        ("leaves", of_kind(0, &[&1_u64.to_be_bytes()[..], &page].concat())),
        ("places", of_kind(1, places.as_flattened())),
        ("outcomes", of_kind(2, &encode(&outcomes))),
        ("block", of_kind(3, &encode(&(serde_bytes::ByteBuf::from(block.header.encode()), 7_u64)))),
        ("tip", of_kind(4, &encode(&tip))),
        ("checkpoint", of_kind(5, &[&[0; 15][..], &[9], b"a note"].concat())),
        ("manifest", of_kind(6, &encode(&manifest))),
        ("merging", of_kind(6, &encode(&merging))),
        ("entries", of_kind(7, &entries)),
        // 24 bytes of zeros as LZ4 has them: one literal, then a match.
        ("compressed", of_kind(8, &[0, 0, 0, 24, 0x1f, 0, 1, 0, 0, 0x50, 0, 0, 0, 0, 0])),
        ("identifier", of_kind(9, &encode(identifier))),
        ("accreditation", of_kind(9, &encode(accreditation))),
        ("usage", of_kind(9, &encode(usage))),
    ])
}

fn exception() -> ItemException {
    ItemException { item: 1, outcome: ItemOutcome::Duplicate { position: Position(4) } }
}

fn wire() -> Seeds {
    let ledger = busy();
    let state = &ledger.state;
    let path = InclusionProof::try_from(vec![Hash([1; 32]), Hash([2; 32])]).expect("short");
    let leaf = LeafProof { index: 9, leaf: b"leaf".to_vec(), path: path.clone() };
    let chunk = ChunkProof { index: 1, bytes: vec![0; 256], path };
    let outcome = Outcome {
        height: Height(3),
        time: TimeMs(1_767_225_600_000),
        index: 1,
        first_leaf: LeafIndex(9),
        leaves: 2,
        exceptions: vec![exception()],
    };
    let checkpoint = PublishedCheckpoint {
        note: String::from_utf8(in_repository("crates/merkle/tests/data/checkpoint")).expect("text"),
        tree_size: 300,
        height: Height(7),
    };
    let as_of = convert::AsOf { height: Height(3), tree_size: 9, time: TimeMs(7) };
    let result = |progress| StatementResult { id: Some(StatementId([1; 32])), progress };
    let identifier = state.changes.identifiers.values().next_back().expect("several");
    let accreditation = state.changes.accreditations.values().next_back().expect("several");
    let school = Actor::new("school");
    let status = CredentialStatus {
        as_of,
        position: Position(4),
        status: StatusValue::Superseded,
        commitment: commitment(1),
        issuer: school.did,
        accreditation: school.accreditation,
        credential_type: "Course".into(),
        anchored: TimeMs(7),
        leaf: LeafIndex(9),
    };
    let refusal = Refusal::new(Rejection::NothingNew, true);
    let named_by = |name| v1::Credential::from(name).encode_to_vec();
    let proof = v1::RegistryProof {
        checkpoint: Some(checkpoint.clone().into()),
        block: Some(leaf.clone().into()),
        records: vec![leaf.clone().into()],
        chunks: vec![chunk.clone().into()],
        next_block: Some(leaf.clone().into()),
    };
    let shared = v1::ReceiptShared {
        shared_id: 1,
        block: Some(leaf.clone().into()),
        checkpoint: Some(checkpoint.clone().into()),
        chain: vec![v1::ReceiptLink {
            accreditation: Some(leaf.clone().into()),
            withdrawal: Some(leaf.clone().into()),
        }],
        identifiers: vec![leaf.clone().into()],
        chunks: vec![chunk.clone().into()],
        as_of: Some(v1::ReceiptAsOf {
            block: Some(leaf.clone().into()),
            next_block: Some(leaf.clone().into()),
            chunks: vec![chunk.clone().into()],
        }),
    };
    let item = v1::ReceiptItem {
        shared_id: 1,
        anchored: Some(leaf.clone().into()),
        chunk: Some(chunk.clone().into()),
        status_record: Some(leaf.clone().into()),
        as_of_chunk: None,
        as_of_status_record: None,
    };
    let at = v1::At { moment: Some(v1::at::Moment::TreeSize(9)) };
    let of_kind = |kind: u8, bytes: Vec<u8>| [vec![kind], bytes].concat();
    named([
        ("at", of_kind(0, at.encode_to_vec())),
        ("as of", of_kind(1, v1::AsOf::from(as_of).encode_to_vec())),
        ("outcome", of_kind(2, v1::Outcome::from(&outcome).encode_to_vec())),
        ("exception", of_kind(3, v1::ItemException::from(&exception()).encode_to_vec())),
        (
            "final",
            of_kind(4, v1::StatementResult::from(result(convert::Progress::Final(outcome))).encode_to_vec()),
        ),
        ("rejected", {
            let progress =
                convert::Progress::Rejected { refusal: refusal.clone(), existing: vec![Position(4)] };
            of_kind(4, v1::StatementResult::from(result(progress)).encode_to_vec())
        }),
        ("checkpoint", of_kind(5, v1::Checkpoint::from(checkpoint).encode_to_vec())),
        ("leaf", of_kind(6, v1::LeafProof::from(leaf).encode_to_vec())),
        ("chunk", of_kind(7, v1::ChunkProof::from(chunk).encode_to_vec())),
        ("registry proof", of_kind(8, proof.encode_to_vec())),
        ("shared", of_kind(9, shared.encode_to_vec())),
        ("item", of_kind(10, item.encode_to_vec())),
        ("identifier", of_kind(11, v1::Identifier::from(identifier).encode_to_vec())),
        ("accreditation", of_kind(12, v1::Accreditation::from(accreditation).encode_to_vec())),
        ("scope", of_kind(13, v1::Scope::from(&accreditation.scope).encode_to_vec())),
        (
            "commitment",
            of_kind(
                14,
                named_by(CredentialName::Commitment { issuer: school.did, commitment: commitment(1) }),
            ),
        ),
        ("position", of_kind(14, named_by(CredentialName::Position(Position(4))))),
        ("status", of_kind(15, v1::CredentialStatus::from(status).encode_to_vec())),
        ("rejection", of_kind(15, v1::Rejection::from(refusal).encode_to_vec())),
    ])
}
