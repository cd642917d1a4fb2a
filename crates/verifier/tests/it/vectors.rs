//! The cases as files that other verifiers can be tested with, and the comparison of this verifier with each of them.
//!
//! To change them is a decision: `KVITTO_UPDATE_VECTORS=1 cargo test -p kvitto-verifier` writes them, and the difference is reviewed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use kvitto_ledger::credential::Credential;
use kvitto_ledger::genesis::{GENESIS_BYTES_MAX, MEMBERS_MAX, ORIGIN_BYTES_MAX};
use kvitto_ledger::record::LEAF_BYTES_MAX;
use kvitto_merkle::log::{PROOF_HASHES_MAX, TREE_SIZE_MAX};
use kvitto_merkle::note::{NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX};
use kvitto_merkle::tlog_proof::EXTRA_BYTES_MAX;
use kvitto_verifier::receipt::RECEIPT_BYTES_MAX;
use kvitto_verifier::trust::EPOCHS_MAX;
use kvitto_verifier::{Question, Receipt, Refusal, TrustFile, Verdict, verify};
use serde_json::{Map, Value, json};

use crate::cases::{Case, Expected, Trust, forged, honest};
use crate::scenario::Scenario;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

fn answer(
    receipt: &[u8],
    credential: Option<&[u8]>,
    trust: &TrustFile,
    question: &Question,
) -> Result<Verdict, Refusal> {
    verify(&Receipt::from_json(receipt)?, credential, trust, question)
}

fn question_json(question: &Question) -> Value {
    let mut object = Map::new();
    object.insert("at_s".into(), question.at_s.into());
    object.insert("max_age_s".into(), question.max_age_s.into());
    if let Some(as_of_s) = question.as_of_s {
        object.insert("as_of_s".into(), as_of_s.into());
    }
    if !question.status_lists.is_empty() {
        object.insert("status_lists".into(), question.status_lists.clone().into());
    }
    Value::Object(object)
}

/// The file of a case, with what this verifier answers.
fn file(s: &Scenario, case: &Case) -> Value {
    let trust = match case.trust {
        Trust::First => &s.trust,
        Trust::Later => &s.trust_later,
    };
    let credential = case.credential.map(|name| &s.items[name]);
    let bytes = credential.map(|item| &item.bytes[..]);
    let answer = answer(case.receipt.as_bytes(), bytes, trust, &case.question);
    let mut object = Map::new();
    object.insert("rule".into(), case.rule.into());
    object.insert("about".into(), case.about.into());
    if let Expected::Refusal { base, .. } = case.expected {
        object.insert("base".into(), base.into());
    }
    object.insert("credential".into(), credential.map(|item| item.file.clone()).into());
    object.insert("trust".into(), trust_file(case.trust).into());
    object.insert("question".into(), question_json(&case.question));
    match &answer {
        Ok(verdict) => {
            object.insert("verdict".into(), json!(verdict));
            object.insert("text".into(), verdict.to_string().lines().collect::<Vec<_>>().into());
        }
        Err(refusal) => {
            object.insert("refusal".into(), json!(refusal));
        }
    }
    // What is not one JSON object of the format is kept as a text, byte for byte.
    match (&answer, serde_json::from_str::<Value>(&case.receipt)) {
        (Err(Refusal::ReceiptMalformed(_)), _) | (_, Err(_)) => {
            object.insert("receipt_text".into(), case.receipt.clone().into());
        }
        (_, Ok(receipt)) => {
            object.insert("receipt".into(), receipt);
        }
    }
    Value::Object(object)
}

fn trust_file(trust: Trust) -> &'static str {
    match trust {
        Trust::First => "trust.json",
        Trust::Later => "trust-later.json",
    }
}

fn pretty(value: &Value) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).expect("plain JSON");
    text.push(b'\n');
    text
}

/// Every file of the vectors by its path.
fn files(s: &Scenario) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    files.insert(trust_file(Trust::First).to_owned(), s.trust.to_json().into_bytes());
    files.insert(trust_file(Trust::Later).to_owned(), s.trust_later.to_json().into_bytes());
    files.insert("trust-small-order-key.json".into(), crate::trust::with_small_order_key(s).into_bytes());
    for item in s.items.values() {
        files.insert(item.file.clone(), item.bytes.clone());
    }
    let clear = s.receipt("clear", crate::scenario::LAST, None);
    files.insert("clear.kvitto".into(), clear.to_json().into_bytes());
    files.insert("clear.tlog-proof".into(), clear.anchored.tlog_proof.to_string().into_bytes());
    files.insert("clear.anchored".into(), clear.anchored.leaf);
    files.extend(crate::evidence::files(s));
    for (folder, cases) in [("accepted", honest::cases(s)), ("refused", forged::cases(s))] {
        for case in cases {
            let path = format!("{folder}/{}.json", case.name);
            assert!(files.insert(path, pretty(&file(s, &case))).is_none(), "{} twice", case.name);
        }
    }
    files
}

/// The committed files, written first where that is asked for.
static COMMITTED: LazyLock<BTreeMap<String, Vec<u8>>> = LazyLock::new(|| {
    if std::env::var_os("KVITTO_UPDATE_VECTORS").is_some() {
        write(&files(&Scenario::new()));
    }
    let mut found = BTreeMap::new();
    read(&folder(), "", &mut found);
    found
});

#[test]
fn the_committed_vectors_are_those_that_the_scenario_gives() {
    let (files, found) = (files(&Scenario::new()), &*COMMITTED);
    assert_eq!(found.keys().collect::<Vec<_>>(), files.keys().collect::<Vec<_>>());
    for (path, bytes) in &files {
        assert!(
            found[path] == *bytes,
            "{path} has changed: KVITTO_UPDATE_VECTORS=1 writes it, if that is meant"
        );
    }
}

fn write(files: &BTreeMap<String, Vec<u8>>) {
    for part in ["accepted", "refused", "credentials", "evidence/accepted", "evidence/refused"] {
        let part = folder().join(part);
        if part.exists() {
            std::fs::remove_dir_all(&part).expect("removable");
        }
        std::fs::create_dir_all(&part).expect("writable");
    }
    for (path, bytes) in files {
        std::fs::write(folder().join(path), bytes).expect("writable");
    }
}

fn read(folder: &Path, prefix: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let entry = entry.expect("readable");
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            read(&entry.path(), &format!("{path}/"), found);
        } else {
            found.insert(path, std::fs::read(entry.path()).expect("readable"));
        }
    }
}

#[test]
fn the_committed_trust_file_with_a_key_of_small_order_is_refused() {
    assert!(TrustFile::from_json(&COMMITTED["trust-small-order-key.json"]).is_err());
}

/// Reads the files only, as a test of another verifier would.
#[test]
fn every_committed_vector_gets_its_answer() {
    let found = &*COMMITTED;
    let mut refused = 0;
    for (path, bytes) in
        found.iter().filter(|(path, _)| path.contains('/') && !path.starts_with("credentials/"))
    {
        let vector: Value = serde_json::from_slice(bytes).expect("JSON");
        if path.starts_with("evidence/") {
            let trust = TrustFile::from_json(&found[vector["trust"].as_str().expect("a path")]);
            crate::evidence::check_vector(path, &vector, &trust.expect("good"));
            continue;
        }
        let receipt = match vector.get("receipt_text") {
            Some(text) => text.as_str().expect("a text").as_bytes().to_vec(),
            None => pretty(&vector["receipt"]),
        };
        let trust = TrustFile::from_json(&found[vector["trust"].as_str().expect("a path")]).expect("good");
        let credential = vector["credential"].as_str().map(|path| &found[path][..]);
        match answer(&receipt, credential, &trust, &question(&vector["question"])) {
            Ok(verdict) => {
                assert_eq!(json!(verdict), vector["verdict"], "{path}");
                let text: Vec<&str> =
                    vector["text"].as_array().expect("lines").iter().filter_map(Value::as_str).collect();
                assert_eq!(verdict.to_string().lines().collect::<Vec<_>>(), text, "{path}");
            }
            Err(refusal) => {
                // Where exactly a malformed file breaks depends on how it is laid out.
                assert_eq!(
                    refusal.reason(),
                    vector["refusal"]["reason"].as_str().expect("a reason"),
                    "{path}"
                );
                refused += 1;
            }
        }
    }
    assert!(refused >= 40, "only {refused} forgeries");
}

fn question(json: &Value) -> Question {
    let mut question =
        Question::now(json["at_s"].as_u64().expect("s"), json["max_age_s"].as_u64().expect("s"));
    question.as_of_s = json["as_of_s"].as_u64();
    let lists = json["status_lists"].as_array().map(Vec::as_slice).unwrap_or_default();
    question.status_lists = lists.iter().filter_map(|prefix| prefix.as_str().map(str::to_owned)).collect();
    question
}

#[test]
fn every_case_is_answered_as_its_author_expected() {
    let s = Scenario::new();
    let mut wrong = Vec::new();
    for case in honest::cases(&s).iter().chain(&forged::cases(&s)) {
        let got = file(&s, case);
        let (expected, got) = match case.expected {
            Expected::Verdict(overall, concerns) => (
                json!([overall, concerns]),
                json!([got.pointer("/verdict/overall"), got.pointer("/verdict/concerns")]),
            ),
            Expected::Refusal { reason, .. } => (json!([reason]), json!([got.pointer("/refusal/reason")])),
        };
        if got != expected {
            wrong.push(format!(
                "{}: expected {expected}, got {got}: {:?}",
                case.name,
                file(&s, case).get("refusal")
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every refusal is shown by at least one vector, so that none is dead and none is undocumented.
#[test]
fn every_reason_has_a_vector_and_stands_in_the_format_page() {
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("RECEIPT.md")).expect("the page");
    let source = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/refusal.rs"))
        .expect("source");
    let reasons: Vec<&str> =
        source.split("=> \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(reasons.len() > 40);
    let s = Scenario::new();
    let shown: Vec<&str> = forged::cases(&s)
        .iter()
        .filter_map(|case| match case.expected {
            Expected::Refusal { reason, .. } => Some(reason),
            Expected::Verdict(..) => None,
        })
        .collect();
    for reason in reasons {
        // So large a file is no vector; `a_file_of_more_than_two_mebibytes_is_refused` shows it.
        assert!(shown.contains(&reason) || reason == "RECEIPT_TOO_LARGE", "{reason} has no vector");
        assert!(page.contains(&format!("`{reason}`")), "{reason} is not in RECEIPT.md");
    }
}

/// The limits on the format page are those that are enforced.
#[test]
fn the_format_page_has_the_limits_of_the_code() {
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("RECEIPT.md")).expect("the page");
    for (limit, written) in [
        (RECEIPT_BYTES_MAX, "2 MiB (2,097,152 bytes)"),
        (NOTE_BYTES_MAX, "128 KiB (131,072 bytes)"),
        (NOTE_SIGNATURES_MAX, "1 to 64 signature lines"),
        (PROOF_HASHES_MAX, "63 hashes"),
        (EXTRA_BYTES_MAX, "65,536 bytes"),
        (LEAF_BYTES_MAX, "65,535 bytes"),
        (Credential::BYTES_MAX_DEFAULT, "8 MiB (8,388,608 bytes)"),
        (EPOCHS_MAX, "1 to 1,024 epochs"),
        (GENESIS_BYTES_MAX, "at most 65,000 bytes"),
        (MEMBERS_MAX, "1 to 64 members"),
        (ORIGIN_BYTES_MAX, "1 to 128 printable"),
    ] {
        assert!(page.contains(written), "{written}");
        let numbers = written.split(|c: char| !c.is_ascii_digit() && c != ',');
        let mut numbers = numbers.filter_map(|number| number.replace(',', "").parse::<usize>().ok());
        assert!(numbers.any(|number| number == limit), "{limit} is not {written}");
    }
    assert!(page.contains("2^62 leaves") && TREE_SIZE_MAX == 1 << 62);
}

#[test]
fn words_that_promise_too_much_are_in_no_verdict() {
    let s = Scenario::new();
    for case in honest::cases(&s) {
        let text = file(&s, &case)["text"].to_string().to_lowercase();
        for word in ["valid", "issued by", "certificate", "qualified", "blockchain"] {
            // Types, names and identifiers are not ours to choose; none of the vectors has these words in them.
            assert!(!text.contains(word), "{}: {word} in {text}", case.name);
        }
        assert!(text.contains("anchored by") && text.contains("as of checkpoint of size"), "{text}");
        // RULES 8.7: always "as of", with the age.
        let text = text.replace("as now known", "");
        assert!(
            text.split(|c: char| !c.is_alphanumeric()).all(|word| word != "now"),
            "{}: {text}",
            case.name
        );
    }
}

#[test]
fn a_file_of_more_than_two_mebibytes_is_refused() {
    let mut text = Scenario::new().receipt("clear", crate::scenario::LAST, None).to_json();
    text.push_str(&" ".repeat(2 * 1024 * 1024 - text.len()));
    assert!(Receipt::from_json(text.as_bytes()).is_ok());
    text.push(' ');
    let refusal = Refusal::from(Receipt::from_json(text.as_bytes()).expect_err("too large"));
    assert_eq!(refusal.reason(), "RECEIPT_TOO_LARGE");
}

#[test]
fn refusals_and_errors_hold_no_secret() {
    let s = Scenario::new();
    for case in forged::cases(&s) {
        let refusal = file(&s, &case)["refusal"].to_string();
        let salt = s.items[case.credential.unwrap_or("clear")].opening.salt.clone();
        if let Some(salt) = salt {
            use base64::{Engine, engine::general_purpose::STANDARD};
            assert!(!refusal.contains(&STANDARD.encode(salt.as_bytes())[..8]), "{}", case.name);
        }
    }
}
