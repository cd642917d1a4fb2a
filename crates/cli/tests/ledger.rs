//! The commands against a real ledger's services with a node in memory: the whole life of an accreditation and its credentials.

mod support;

use std::fs;
use std::sync::Arc;

use kvitto_api::Config;
use kvitto_api::testing::{MemoryNode, Served};
use kvitto_cli::{Exit, KeyFile};
use serde_json::Value;
use support::{Desk, Ended, has_members};

/// A ledger whose root has key file `root.key`, a TAO with `tao.key` and a school with `school.key`.
struct Stage {
    desk: Desk,
    node: MemoryNode,
    served: Served,
    /// The school's identifier and accreditation.
    school: String,
    accreditation: String,
}

impl Stage {
    async fn empty() -> Self {
        let node = MemoryNode::new(4);
        let served = node.serve(Config::default()).await;
        let time = node.clone();
        let desk = Desk::with_clock(Arc::new(move || time.now()));
        let root = &node.world().root;
        KeyFile::new(root.did, root.key.clone(), None).create(&desk.path("root.key")).unwrap();
        let stage = Self { desk, node, served, school: String::new(), accreditation: String::new() };
        stage.ok(&["trust", "export", "-o", "@trust.json"]).await;
        stage
    }

    async fn new() -> Self {
        let mut stage = Self::empty().await;
        let root = stage.node.world().root.accreditation.to_string();
        let tao = stage.ok(&["--key", "@tao.key", "key", "new"]).await["did"].as_str().unwrap().to_owned();
        let names =
            ["--legal-name", "Exempelmyndigheten", "--legal-id", "VATRegistration:SE1", "--country", "SE"];
        let request = ["--key", "@tao.key", "onboard", "request", "-o", "@tao.request"];
        let root_did = stage.node.world().root.did.to_string();
        let sponsor = ["--sponsor", &root_did, "--sponsor-accreditation", &root];
        stage.ok(&[&request[..], &names, &sponsor].concat()).await;
        let onboarded = stage.ok(&["--key", "@root.key", "onboard", "accept", "@tao.request"]).await;
        has_members(
            &onboarded,
            &[
                "subject",
                "legal_name",
                "legal_identifier",
                "country",
                "statement_id",
                "height",
                "time",
                "time_ms",
            ],
        );
        let types = ["--type", "Course", "--type", "MicroCredential"];
        let accredit = ["--key", "@root.key", "accredit", &tao, "--role", "tao"];
        let accredited = stage.ok(&[&accredit[..], &types].concat()).await;
        let tao_accreditation = accredited["id"].as_str().unwrap().to_owned();

        stage.ok(&["--key", "@school.key", "key", "new"]).await;
        let names = ["--legal-name", "Exempelskolan", "--legal-id", "VATRegistration:SE2", "--country", "SE"];
        let direct = ["--key", "@tao.key", "onboard", "direct", "--subject-key", "@school.key"];
        let school =
            stage.ok(&[&direct[..], &names, &["--sponsor-accreditation", &tao_accreditation]].concat()).await;
        stage.school = school["subject"].as_str().unwrap().to_owned();
        let accredit = ["--key", "@tao.key", "accredit", &stage.school, "--role", "ti", "--type", "Course"];
        let accredited = stage.ok(&accredit).await;
        stage.accreditation = accredited["id"].as_str().unwrap().to_owned();
        stage
    }

    async fn run(&self, words: &[&str]) -> Ended {
        let url = self.served.url();
        let trust: &[&str] =
            if self.desk.path("trust.json").exists() { &["--trust", "@trust.json"] } else { &[] };
        self.desk.run(&[&["--node", &url], trust, words].concat()).await
    }

    async fn ok(&self, words: &[&str]) -> Value {
        let ended = self.run(words).await;
        assert_eq!(ended.exit, Exit::Ok, "{words:?}: {} {}", ended.output, ended.error);
        ended.output
    }

    async fn as_school(&self, words: &[&str]) -> Ended {
        self.run(&[&["--key", "@school.key"], words].concat()).await
    }

    /// Credentials `NAME.json` of the school, anchored with the register `register`.
    async fn anchored(&self, names: &[&str]) -> Value {
        fs::create_dir_all(self.desk.path("out")).unwrap();
        for name in names {
            self.credential(name);
        }
        let anchored = self.as_school(&["anchor", "@out", "--register", "@register"]).await;
        assert_eq!(anchored.exit, Exit::Ok, "{}", anchored.error);
        anchored.output
    }

    fn credential(&self, name: &str) {
        self.desk.write(&format!("out/{name}.json"), &self.text(name));
    }

    fn text(&self, name: &str) -> String {
        format!(
            r#"{{"type":["VerifiableCredential","Course"],"issuer":"{}","credentialSubject":{{"id":"urn:{name}"}}}}"#,
            self.school
        )
    }

    async fn verify(&self, name: &str, more: &[&str]) -> Ended {
        let (receipt, credential) = (format!("@out/{name}.kvitto"), format!("@out/{name}.json"));
        self.desk
            .run(
                &[&["--trust", "@trust.json", "verify", &receipt, "--credential", &credential], more]
                    .concat(),
            )
            .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn anchored_credentials_verify_and_a_second_run_adds_nothing() {
    let stage = Stage::new().await;
    let report = stage.anchored(&["a", "b", "c"]).await;
    has_members(
        &report,
        &["new", "known", "resumed_statements", "statements", "open", "skipped", "refused", "credentials"],
    );
    has_members(
        &report["credentials"][0],
        &["file", "reference", "commitment", "state", "position", "receipt"],
    );
    assert_eq!((report["new"].as_u64(), report["statements"].as_u64()), (Some(3), Some(1)));
    for name in ["a", "b", "c"] {
        let verdict = stage.verify(name, &[]).await;
        assert_eq!(verdict.exit, Exit::Ok, "{}", verdict.output);
        has_members(&verdict.output, &["overall", "exit", "verdict"]);
    }
    let register = fs::read(stage.desk.path("register/register.jsonl")).unwrap();
    fs::remove_file(stage.desk.path("out/b.kvitto")).unwrap();
    let again = stage.anchored(&["a", "b", "c"]).await;
    assert_eq!((again["new"].as_u64(), again["statements"].as_u64()), (Some(0), Some(0)));
    assert_eq!(fs::read(stage.desk.path("register/register.jsonl")).unwrap(), register);
    assert_eq!(stage.verify("b", &[]).await.exit, Exit::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_register_is_made_again_without_a_second_anchor() {
    let stage = Stage::new().await;
    let first = stage.anchored(&["a", "b"]).await;
    fs::remove_dir_all(stage.desk.path("register")).unwrap();
    let again = stage.anchored(&["a", "b"]).await;
    for (index, row) in first["credentials"].as_array().unwrap().iter().enumerate() {
        assert_eq!(again["credentials"][index]["position"], row["position"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_life_of_a_credential_is_shown_and_proved_at_every_time() {
    let stage = Stage::new().await;
    stage.anchored(&["a", "b"]).await;
    let before = stage.node.now().seconds().to_string();
    let then = kvitto_cli::words::time_text(stage.node.now());

    let suspended = stage.as_school(&["suspend", "@out/a.json", "--reason", "issued-in-error"]).await;
    assert_eq!(suspended.exit, Exit::Ok, "{}", suspended.error);
    has_members(
        &suspended.output,
        &["status", "reason", "changed", "already", "refused", "open", "credentials"],
    );
    // The old receipt still shows the old state, as of its checkpoint.
    assert_eq!(stage.verify("a", &[]).await.exit, Exit::Ok);
    assert_eq!(stage.as_school(&["receipt", "@out/a.kvitto"]).await.reason(), "RECEIPT_EXISTS");
    stage.ok(&["receipt", "@out/a.kvitto", "--renew"]).await;
    assert_eq!(stage.verify("a", &[]).await.exit, Exit::NotInOrder);

    let reinstated = stage.as_school(&["reinstate", "--ref", "a", "--register", "@register"]).await;
    assert_eq!(reinstated.output["changed"], 1, "{}", reinstated.error);
    stage.desk.write("list.csv", "file\nout/a.json\n");
    let revoked = stage.as_school(&["revoke", "--csv", "@list.csv", "--register", "@register"]).await;
    assert_eq!((revoked.exit, &revoked.output["changed"]), (Exit::Ok, &1.into()));
    let again = stage.as_school(&["revoke", "@out/a.json"]).await;
    assert_eq!((again.exit, &again.output["already"]), (Exit::Ok, &1.into()));
    let reinstated = stage.as_school(&["reinstate", "@out/a.json"]).await;
    assert_eq!((reinstated.exit, &reinstated.output["refused"]), (Exit::Refused, &1.into()));

    let status = stage.ok(&["status", "@out/a.kvitto"]).await;
    assert_eq!(status["credentials"][0]["anchors"][0]["status"], "revoked");
    has_members(
        &status["credentials"][0]["anchors"][0],
        &[
            "position",
            "status",
            "credential_type",
            "anchored_by",
            "anchored_by_did",
            "anchored",
            "accredited_now",
            "checkpoint_height",
            "fresh",
            "age_s",
            "signed_by",
            "members",
        ],
    );
    let earlier = stage.ok(&["status", "@out/a.kvitto", "--at", &before]).await;
    assert_eq!(earlier["credentials"][0]["anchors"][0]["status"], "not_revoked");
    assert_eq!(earlier["credentials"][0]["anchors"][0]["as_of"]["time"], then.as_str());
    let line =
        ["--node", &stage.served.url(), "--trust", "@trust.json", "status", "@out/a.kvitto", "--at", &before];
    let (_, words, _) = stage.desk.words(&line).await;
    assert!(words.contains(&format!("at {then}: neither revoked")) && !words.contains("as of"), "{words}");

    let proved = stage.as_school(&["receipt", "@out/a.json", "--at", &before]).await;
    let file = proved.output["receipts"][0]["file"].as_str().unwrap().to_owned();
    assert!(file.contains("out/a.20") && file.ends_with(".kvitto"), "{file}");
    let line = ["--trust", "@trust.json", "verify", &file, "--credential", "@out/a.json"];
    assert_eq!(stage.desk.run(&[&line[..], &["--as-of", &before]].concat()).await.exit, Exit::Ok);
    assert_eq!(stage.desk.run(&line).await.exit, Exit::NotInOrder);
}

/// Nodes answer about 512 credentials at once: nobody who uses the commands has to know.
#[tokio::test(flavor = "multi_thread")]
async fn more_credentials_than_a_node_answers_about_at_once_are_anchored_changed_and_shown() {
    let stage = Stage::new().await;
    let names: Vec<String> = (0..600).map(|number| format!("c{number}")).collect();
    let anchored = stage.anchored(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let rows = anchored["credentials"].as_array().unwrap();
    assert!(rows.len() == 600 && rows.iter().all(|row| row["receipt"].is_string()));
    assert_eq!(stage.verify("c599", &[]).await.exit, Exit::Ok);

    stage.desk.write("all.csv", &format!("ref\n{}\n", names.join("\n")));
    let by_reference = ["--csv", "@all.csv", "--register", "@register"];
    let revoked = stage.as_school(&[&["revoke"], &by_reference[..]].concat()).await;
    assert_eq!((revoked.exit, &revoked.output["changed"]), (Exit::Ok, &600.into()), "{}", revoked.error);
    // A file can have been anchored in eight ways: that makes 4,800 questions.
    let shown = stage.as_school(&["status", "@out"]).await;
    let rows = shown.output["credentials"].as_array().unwrap();
    assert!(rows.len() == 600 && rows.iter().all(|row| row["anchors"][0]["status"] == "revoked"));
    let renewed = stage.as_school(&[&["receipt", "--out", "@new"], &by_reference[..]].concat()).await;
    assert_eq!(renewed.output["receipts"].as_array().unwrap().len(), 600);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_issuers_own_references_find_credentials_again() {
    let stage = Stage::new().await;
    fs::create_dir_all(stage.desk.path("out")).unwrap();
    for name in ["a", "b", "c"] {
        stage.credential(name);
    }
    stage.desk.write("wrapped.json", &format!(r#"{{"credential":{}}}"#, stage.text("w")));
    stage.desk.write("references.csv", "file,ref\nb.json,student-7\n");
    let anchor = |words: &[&str]| [&["anchor", "--register", "@register"], words].concat().join(" ");
    for words in [
        anchor(&["@out/a.json", "--ref-from", "credentialSubject/id"]),
        anchor(&["@out/b.json", "--ref-csv", "@references.csv", "--salt", "random"]),
        anchor(&["@out/c.json", "--bare", "--no-receipts"]),
        anchor(&["@wrapped.json", "--unwrap", "credential"]),
    ] {
        let anchored = stage.as_school(&words.split(' ').collect::<Vec<_>>()).await;
        assert_eq!(anchored.exit, Exit::Ok, "{words}: {}", anchored.error);
    }
    let missing = anchor(&["@out/c.json", "--ref-csv", "@references.csv", "--algorithm", "sha3-256"]);
    let missing = stage.as_school(&missing.split(' ').collect::<Vec<_>>()).await;
    assert_eq!(missing.reason(), "REFERENCE_MISSING");
    for reference in ["urn:a", "student-7", "c", "wrapped"] {
        let revoked = stage.as_school(&["revoke", "--ref", reference, "--register", "@register"]).await;
        assert_eq!((revoked.exit, &revoked.output["changed"]), (Exit::Ok, &1.into()), "{reference}");
    }
    // A random salt is in the register only; without it there is nothing to look for.
    let unknown = stage.as_school(&["status", "@out/b.json"]).await;
    assert_eq!(unknown.exit, Exit::NotFound);
    let known = stage.as_school(&["status", "@out/b.json", "--register", "@register"]).await;
    assert_eq!(known.exit, Exit::Ok);
    let unwrapped = stage.as_school(&["status", "@wrapped.json", "--unwrap", "credential"]).await;
    assert_eq!(unwrapped.output["credentials"][0]["anchors"][0]["status"], "revoked");
    let list = "Ref;x\nurn:a;1\nnobody;2\n";
    stage.desk.write("list.csv", list);
    let unknown = stage.as_school(&["status", "--csv", "@list.csv", "--register", "@register"]).await;
    assert!(unknown.error["error"]["message"].as_str().unwrap().contains("line 3"), "{}", unknown.error);
    let unknown = stage.as_school(&["revoke", "--ref", "nobody", "--register", "@register"]).await;
    assert_eq!((unknown.exit, unknown.reason()), (Exit::NotFound, "REFERENCE_UNKNOWN"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_reference_of_two_credentials_revokes_both_only_when_told_so() {
    let stage = Stage::new().await;
    for (directory, name) in [("one", "a"), ("two", "b")] {
        fs::create_dir_all(stage.desk.path(directory)).unwrap();
        stage.desk.write(&format!("{directory}/diploma.json"), &stage.text(name));
    }
    let anchored = ["anchor", "@one/diploma.json", "@two/diploma.json", "--register", "@register"];
    assert_eq!(stage.as_school(&anchored).await.output["new"], 2);
    let revoke = ["revoke", "--ref", "diploma", "--register", "@register"];
    let refused = stage.as_school(&revoke).await;
    assert_eq!((refused.exit, refused.reason()), (Exit::Usage, "REFERENCE_AMBIGUOUS"));
    let shown = stage.as_school(&["status", "--ref", "diploma", "--register", "@register"]).await;
    let statuses = shown.output["credentials"][0]["anchors"].as_array().unwrap();
    assert!(statuses.len() == 2 && statuses.iter().all(|anchor| anchor["status"] == "not_revoked"));
    let revoked = stage.as_school(&[&revoke[..], &["--all"]].concat()).await;
    assert_eq!((revoked.exit, &revoked.output["changed"]), (Exit::Ok, &2.into()));
}

/// What was anchored stays in the register with its salt: a new key file changes statuses, and anchors nothing a second time.
#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_goes_on_with_a_new_key_file() {
    let stage = Stage::new().await;
    stage.anchored(&["a", "b"]).await;
    let new = ["--key", "@new.key", "key", "new", "--did", &stage.school, "--salt-key-from", "@school.key"];
    let added = stage.ok(&new).await;
    let other = stage.ok(&["--key", "@other.key", "key", "new", "--did", &stage.school]).await;
    for key in [added, other] {
        let put = stage.as_school(&["did", "put", "--add-key", key["public_key"].as_str().unwrap()]).await;
        assert_eq!(put.exit, Exit::Ok, "{}", put.error);
    }
    let by_reference = ["--key", "@other.key", "revoke", "--ref", "b", "--register", "@register"];
    assert_eq!(stage.ok(&by_reference).await["changed"], 1);
    let receipt =
        ["--key", "@other.key", "receipt", "--ref", "b", "--register", "@register", "--out", "@new"];
    stage.ok(&receipt).await;
    let verify = ["--trust", "@trust.json", "verify", "@new/b.kvitto", "--credential", "@out/b.json"];
    assert_eq!(stage.desk.run(&verify).await.exit, Exit::NotInOrder);
    let before = fs::read(stage.desk.path("out/a.kvitto")).unwrap();
    let again = stage.ok(&["--key", "@new.key", "anchor", "@out/a.json", "--register", "@another"]).await;
    let position = |receipt: &[u8]| serde_json::from_slice::<Value>(receipt).unwrap()["anchored"].clone();
    assert_eq!(again["credentials"][0]["state"], "anchored");
    let after = fs::read(stage.desk.path("out/a.kvitto")).unwrap();
    assert_eq!(position(&after)["leaf"], position(&before)["leaf"]);
}

/// A node of another ledger knows none of it, which is not the same as missing receipts.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_ledger_is_found_out_before_anything_is_called_missing() {
    let stage = Stage::new().await;
    stage.anchored(&["a"]).await;
    let other = MemoryNode::new(1);
    let served = other.serve(Config::default()).await;
    let (url, trust) = (served.url(), ["--trust", "@trust.json", "--key", "@school.key"]);
    for words in [&["anchor", "@out", "--register", "@register"][..], &["status", "@out/a.json"]] {
        let ended = stage.desk.run(&[&["--node", &url], &trust[..], words].concat()).await;
        assert!(matches!(ended.exit, Exit::Untrusted | Exit::TrustOutOfDate), "{words:?}: {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superseded_credential_names_its_successor_by_anchor() {
    let stage = Stage::new().await;
    stage.anchored(&["a", "b"]).await;
    stage.credential("unknown");
    let unknown = stage.as_school(&["supersede", "@out/a.json", "--by", "@out/unknown.json"]).await;
    assert_eq!((unknown.exit, unknown.reason()), (Exit::NotFound, "NOT_ANCHORED"));
    let done = stage.as_school(&["supersede", "@out/a.json", "--by", "@out/b.json"]).await;
    assert_eq!((done.exit, &done.output["changed"]), (Exit::Ok, &1.into()), "{}", done.error);
    let status = stage.as_school(&["status", "@out/a.json", "@out/b.json"]).await.output;
    assert_eq!(status["credentials"][0]["anchors"][0]["status"], "superseded");
    assert_eq!(status["credentials"][1]["anchors"][0]["status"], "not_revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_verifies_alone_and_is_renewed_in_place() {
    let stage = Stage::new().await;
    stage.anchored(&["a", "b"]).await;
    let mismatch = ["bundle", "@out/a.json", "@out/b.kvitto", "-o", "@wrong.bundle"];
    assert_eq!(stage.desk.run(&mismatch).await.reason(), "COMMITMENT_DIFFERS");
    let made = stage.desk.run(&["bundle", "@out/a.json", "@out/a.kvitto", "-o", "@a.bundle"]).await;
    has_members(&made.output, &["file", "commitment"]);
    let verify = ["--trust", "@trust.json", "verify", "@a.bundle"];
    assert_eq!(stage.desk.run(&verify).await.exit, Exit::Ok);
    stage.as_school(&["revoke", "@out/a.json"]).await;
    stage.ok(&["receipt", "@a.bundle", "--renew"]).await;
    assert_eq!(stage.desk.run(&verify).await.exit, Exit::NotInOrder);
}

#[tokio::test(flavor = "multi_thread")]
async fn verification_ends_with_a_code_of_its_own_for_each_kind_of_doubt() {
    let stage = Stage::new().await;
    stage.anchored(&["a", "b"]).await;
    let later = (stage.node.now().seconds() + 3 * 24 * 3600).to_string();
    let receipt_only = ["--trust", "@trust.json", "verify", "@out/a.kvitto"];
    assert_eq!(stage.desk.run(&receipt_only).await.exit, Exit::CannotTell);
    assert_eq!(stage.verify("a", &["--at", &later]).await.exit, Exit::TooOld);
    assert_eq!(stage.verify("a", &["--at", &later, "--max-age", "7d"]).await.exit, Exit::Ok);
    let other = ["--trust", "@trust.json", "verify", "@out/a.kvitto", "--credential", "@out/b.json"];
    let refused = stage.desk.run(&other).await;
    assert_eq!(refused.exit, Exit::NotInOrder);
    assert_eq!(refused.output["refusal"]["reason"], "COMMITMENT_DIFFERS");
    has_members(&refused.output, &["overall", "exit", "refusal", "next"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn faulty_files_stop_a_run_before_anything_is_sent_unless_they_are_to_be_left_out() {
    let stage = Stage::new().await;
    fs::create_dir_all(stage.desk.path("out")).unwrap();
    stage.credential("a");
    stage.desk.write("out/broken.json", "{");
    let stopped = stage.as_school(&["anchor", "@out", "--register", "@register"]).await;
    assert_eq!((stopped.exit, stopped.reason()), (Exit::Input, "MALFORMED_JSON"));
    assert!(!stage.desk.path("register").exists());
    let skipped = stage.as_school(&["anchor", "@out", "--register", "@register", "--skip-faulty"]).await;
    assert_eq!((skipped.exit, &skipped.output["new"]), (Exit::Ok, &1.into()));
    assert_eq!(skipped.output["skipped"][0]["reason"], "MALFORMED_JSON");
    let text = stage.text("other").replace("Course", "Award");
    stage.desk.write("out/broken.json", &text);
    let skipped = stage.as_school(&["anchor", "@out", "--register", "@register", "--skip-faulty"]).await;
    assert_eq!((skipped.exit, &skipped.output["skipped"][0]["reason"]), (Exit::Ok, &"TYPE_UNCLEAR".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_anchors_only_what_it_is_accredited_for() {
    let stage = Stage::new().await;
    fs::create_dir_all(stage.desk.path("out")).unwrap();
    stage.credential("a");
    let anchor = ["anchor", "@out/a.json", "--register", "@register"];
    let out_of_scope =
        [&anchor[..], &["--type", "MicroCredential", "--accreditation", &stage.accreditation]].concat();
    let refused = stage.as_school(&out_of_scope).await;
    assert_eq!(refused.exit, Exit::Refused);
    assert_eq!(refused.output["refused"][0]["reason"], "ACCREDITATION_SCOPE");
    // The same credential again, as the right type.
    assert_eq!(stage.as_school(&anchor).await.exit, Exit::Ok);

    let listed = stage.ok(&["--key", "@school.key", "accreditation", "list"]).await;
    has_members(&listed, &["did", "legal_name", "as_of_height", "as_of", "accreditations"]);
    assert_eq!(listed["accreditations"][0]["status"], "in_force");
    let of_school = [stage.school.as_str(), stage.accreditation.as_str()];
    let suspend = ["--key", "@tao.key", "accreditation", "suspend"];
    stage.ok(&[&suspend[..], &of_school, &["--reason", "key-compromise"]].concat()).await;
    stage.credential("b");
    let frozen = stage.as_school(&["anchor", "@out/b.json", "--register", "@register"]).await;
    assert_eq!((frozen.exit, frozen.reason()), (Exit::NotFound, "ACCREDITATION_MISSING"));
    let revoke = stage.as_school(&["revoke", "@out/a.json"]).await;
    assert_eq!(revoke.exit, Exit::Refused, "{}", revoke.output);
    let reinstate = ["--key", "@tao.key", "accreditation", "reinstate"];
    stage.ok(&[&reinstate[..], &of_school].concat()).await;
    assert_eq!(stage.as_school(&["anchor", "@out/b.json", "--register", "@register"]).await.exit, Exit::Ok);
    let withdraw = ["--key", "@tao.key", "accreditation", "withdraw"];
    stage.ok(&[&withdraw[..], &of_school].concat()).await;
    let listed = stage.ok(&["accreditation", "list", &stage.school]).await;
    assert_eq!(listed["accreditations"][0]["status"], "withdrawn");
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_shown_changed_and_deactivated() {
    let stage = Stage::new().await;
    let shown = stage.ok(&["did", "show", &stage.school]).await;
    has_members(
        &shown,
        &[
            "did",
            "legal_name",
            "legal_identifier",
            "country",
            "sponsor",
            "deactivated",
            "as_of_height",
            "as_of",
            "document",
        ],
    );
    assert_eq!(shown["legal_name"], "Exempelskolan");
    let held = stage.ok(&["--key", "@tao.key", "accreditation", "list"]).await;
    let sponsor = held["accreditations"][0]["id"].as_str().unwrap();
    let names = ["--legal-name", "Exempelskolan AB", "--legal-id", "VATRegistration:SE2", "--country", "SE"];
    let again = ["--key", "@tao.key", "onboard", "direct", "--subject-key", "@school.key"];
    let corrected = stage.ok(&[&again[..], &names, &["--sponsor-accreditation", sponsor]].concat()).await;
    assert_eq!(corrected["before"]["legal_name"], "Exempelskolan");
    let added = stage.ok(&["--key", "@second.key", "key", "new", "--did", &stage.school]).await;
    let key = added["public_key"].as_str().unwrap();
    let put = stage.as_school(&["did", "put", "--add-key", key]).await;
    assert_eq!(put.exit, Exit::Ok, "{}", put.error);
    let shown = stage.ok(&["did", "show", &stage.school]).await;
    assert_eq!(shown["document"]["verificationMethod"].as_array().unwrap().len(), 2);
    stage.desk.write("document.json", &shown["document"].to_string());
    stage.ok(&["--key", "@second.key", "did", "put", "@document.json"]).await;
    stage.ok(&["--key", "@tao.key", "did", "deactivate", &stage.school]).await;
    let refused = stage.as_school(&["did", "put", "@document.json"]).await;
    assert_eq!((refused.exit, refused.reason()), (Exit::Refused, "SIGNER_DEACTIVATED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trust_file_is_exported_for_the_named_ledger_only() {
    let stage = Stage::empty().await;
    let shown = stage.ok(&["trust", "show"]).await;
    has_members(&shown, &["origin", "ledger_id", "epochs", "quorum", "members", "roots"]);
    assert_eq!(shown["ledger_id"], stage.node.world().ledger_id.to_string());
    let other = "00".repeat(32);
    let refused = stage.run(&["trust", "export", "-o", "@other.json", "--ledger-id", &other]).await;
    assert_eq!((refused.exit, refused.reason()), (Exit::Untrusted, "OTHER_LEDGER"));
    assert!(!stage.desk.path("other.json").exists());
    let unknown = stage.run(&["did", "show", "did:ebsi:zZeKyEJfUTGwajhNyNX928z"]).await;
    assert_eq!(unknown.exit, Exit::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn load_measures_beside_the_floors() {
    let stage = Stage::new().await;
    let load = ["load", "--statements", "8", "--items", "5", "--idle", "2"];
    let report = stage.as_school(&load).await;
    assert_eq!(report.exit, Exit::Ok, "{}", report.error);
    has_members(&report.output, &["cores", "members", "floors", "verification_floor_per_s", "bulk", "idle"]);
    assert_eq!(report.output["bulk"]["statements"], 8);
    assert_eq!(report.output["idle"]["count"], 2);
}
