//! What an auditor does: reads a whole log from outside, remembers how far, and keeps evidence against members that contradict
//! themselves.

mod support;

use std::sync::Arc;

use kvitto_api::testing::{MemoryNode, Served};
use kvitto_api::{Config, Peers};
use kvitto_cli::Exit;
use kvitto_client::Clock;
use kvitto_ledger::testing::{Actor, commitment};
use kvitto_merkle::Hash;
use kvitto_verifier::evidence::{ConflictingCheckpoints, Contradiction};
use kvitto_verifier::{Evidence, TrustFile};
use support::{Desk, Ended, has_members};

/// A node whose school has anchored something, and its services.
struct Node {
    node: MemoryNode,
    served: Served,
}

impl Node {
    async fn new(anchors: impl IntoIterator<Item = u64>) -> Self {
        let node = MemoryNode::with_school(4);
        let served = node.serve(Config::default()).await;
        let node = Self { node, served };
        node.anchor(anchors);
        node
    }

    fn anchor(&self, anchors: impl IntoIterator<Item = u64>) {
        let school = Actor::new("school");
        self.node.act(&school, school.anchors(anchors.into_iter().map(commitment)));
    }

    /// A desk with this node's trust file.
    fn desk(&self) -> Desk {
        let node = self.node.clone();
        let clock: Clock = Arc::new(move || node.now());
        let desk = Desk::with_clock(clock);
        let trust = TrustFile::from_genesis(self.node.world().genesis.clone()).unwrap();
        desk.write("trust.json", &trust.to_json());
        desk
    }

    async fn run(&self, desk: &Desk, words: &[&str]) -> Ended {
        let url = self.served.url();
        desk.run(&[&["--node", &url, "--trust", "@trust.json"], words].concat()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_remembers_how_far_it_came_and_the_next_continues_it() {
    let node = Node::new([1, 2]).await;
    let desk = node.desk();
    let first = node.run(&desk, &["audit", "--state", "@audit.json"]).await;
    assert_eq!(first.exit, Exit::Ok, "{first:?}");
    has_members(
        &first.output,
        &[
            "ledger_id",
            "leaves",
            "blocks",
            "positions",
            "log_root",
            "status_root",
            "block_time",
            "fresh",
            "signed_by",
        ],
    );
    assert_eq!(first.output["signed_by"].as_array().map(Vec::len), Some(4));
    node.anchor([3]);
    let (exit, words, _) = desk
        .words(&["--node", &node.served.url(), "--trust", "@trust.json", "audit", "--state", "@audit.json"])
        .await;
    assert_eq!(exit, Exit::Ok);
    assert!(words.contains(&format!("continues   the {} leaves", first.output["leaves"])), "{words}");
    let third = node.run(&desk, &["audit"]).await;
    assert_eq!(third.output["leaves"].as_u64(), first.output["leaves"].as_u64().map(|leaves| leaves + 2));
    assert_eq!(third.output.get("continues"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewritten_history_ends_with_evidence_in_a_file() {
    let first = Node::new([1, 2]).await;
    let desk = first.desk();
    first.run(&desk, &["audit", "--state", "@audit.json"]).await;
    let remembered = std::fs::read(desk.path("audit.json")).unwrap();
    let second = Node::new([3, 4]).await;
    second.anchor([5]);
    let audit = ["audit", "--state", "@audit.json", "--evidence", "@found"];
    let ended = second.run(&desk, &audit).await;
    assert_eq!((ended.exit, ended.reason()), (Exit::Untrusted, "HISTORY_REWRITTEN"), "{ended:?}");
    assert_eq!(std::fs::read(desk.path("audit.json")).unwrap(), remembered, "what was seen stays");
    let found: Vec<_> =
        std::fs::read_dir(desk.path("found")).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(found.len(), 1);
    let file = found[0].to_str().unwrap();
    let checked = desk.run(&["--trust", "@trust.json", "evidence", "check", file]).await;
    assert_eq!(checked.exit, Exit::Ok, "{checked:?}");
    assert_eq!(checked.output["evidence"][0]["members"].as_array().map(Vec::len), Some(4));
    assert_eq!(second.run(&desk, &audit).await.exit, Exit::Untrusted, "found again");

    let shorter = MemoryNode::new(4);
    let served = shorter.serve(Config::default()).await;
    let behind = Node { node: shorter, served }.run(&desk, &audit).await;
    assert_eq!((behind.exit, behind.reason()), (Exit::Unreachable, "NODE_BEHIND"), "{behind:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_file_that_cannot_be_used_is_not_overwritten() {
    let node = Node::new([1]).await;
    let desk = node.desk();
    node.run(&desk, &["audit", "--state", "@audit.json"]).await;
    let good = std::fs::read_to_string(desk.path("audit.json")).unwrap();
    let id = node.node.world().ledger_id.to_string();
    for (about, text) in [
        ("no JSON", "{".to_owned()),
        ("another version", good.replace("audit/v1", "audit/v2")),
        ("another ledger", good.replace(&id, &"0".repeat(64))),
        ("no note", good.replace("kvitto.example/test\\n", "")),
        ("another tree", good.replacen("example/test\\n1", "example/test\\n2", 1)),
    ] {
        desk.write("audit.json", &text);
        let ended = node.run(&desk, &["audit", "--state", "@audit.json"]).await;
        assert_eq!((ended.exit, ended.reason()), (Exit::Input, "AUDIT_STATE"), "{about}: {ended:?}");
        assert_eq!(std::fs::read_to_string(desk.path("audit.json")).unwrap(), text, "{about}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_is_listed_fetched_and_checked() {
    let node = Node::new([1]).await;
    let desk = node.desk();
    let none = node.run(&desk, &["evidence", "list"]).await;
    assert_eq!((none.exit, none.output["evidence"].as_array().map(Vec::len)), (Exit::Ok, Some(0)));
    let note = |root| node.node.note(5, Hash([root; 32]), 1).parse().unwrap();
    for root in [1, 2] {
        let checkpoints = ConflictingCheckpoints { smaller: note(0), larger: note(root), proof: None };
        let contradiction = Contradiction::Checkpoints(checkpoints);
        let evidence = Evidence { ledger_id: node.node.world().ledger_id, contradiction };
        node.node.evidence().add(evidence.to_json().into_bytes()).unwrap();
    }
    let listed = node.run(&desk, &["evidence", "list"]).await.output;
    has_members(&listed["evidence"][0], &["id", "kind", "members"]);
    let id = listed["evidence"][1]["id"].as_str().unwrap();
    let one = node.run(&desk, &["evidence", "fetch", id, "-o", "@one"]).await;
    assert_eq!(one.output["evidence"].as_array().map(Vec::len), Some(1), "{one:?}");
    for _ in 0..2 {
        let all = node.run(&desk, &["evidence", "fetch", "-o", "@all"]).await;
        assert_eq!((all.exit, all.output["evidence"].as_array().map(Vec::len)), (Exit::Ok, Some(2)));
        has_members(
            &all.output["evidence"][0],
            &["file", "id", "members", "kind", "smaller_size", "larger_size"],
        );
    }
    assert_eq!(std::fs::read_dir(desk.path("all")).unwrap().count(), 2, "fetched again, written once");
    let unknown = node.run(&desk, &["evidence", "fetch", &"0".repeat(64), "-o", "@all"]).await;
    assert_eq!((unknown.exit, unknown.reason()), (Exit::NotFound, "EVIDENCE_UNKNOWN"));

    let file = one.output["evidence"][0]["file"].as_str().unwrap().to_owned();
    let (exit, words, _) = desk.words(&["--trust", "@trust.json", "evidence", "check", &file]).await;
    assert!(exit == Exit::Ok && words.contains("signed two histories"), "{words}");
    let text = std::fs::read_to_string(&file).unwrap();
    let other = TrustFile::from_genesis(MemoryNode::new(1).world().genesis.clone()).unwrap().to_json();
    desk.write("other.json", &other);
    desk.write("changed", &text.replacen("\\n5\\n", "\\n4\\n", 1));
    desk.write("cut", &text[..text.len() / 2]);
    for (trust, name, reason) in [
        ("@other.json", file.as_str(), "OTHER_LEDGER"),
        ("@trust.json", "@changed", "NOT_SHOWN"),
        ("@trust.json", "@cut", "EVIDENCE_MALFORMED"),
    ] {
        let refused = desk.run(&["--trust", trust, "evidence", "check", name]).await;
        assert_eq!((refused.exit, refused.reason()), (Exit::Input, reason), "{refused:?}");
    }
}
