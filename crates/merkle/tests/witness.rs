//! Checkpoints of other people's logs, judged as a C2SP witness judges what is submitted to it, where the vectors are beside the repository.
//!
//! A submission is `old <size>`, the hashes of a consistency proof, an empty line, and the checkpoint as a signed note
//! (<https://c2sp.org/tlog-witness>).

mod support;

use std::fs;
use std::path::Path;

use kvitto_merkle::log::{ConsistencyProof, verify_consistency};
use kvitto_merkle::note::{Note, NoteError, NoteFormatError, SignatureType, VerifierKey, verify_note};
use kvitto_merkle::policy::Policy;
use kvitto_merkle::{Checkpoint, EMPTY_ROOT, Hash, sha256};
use serde_json::Value;
use support::{name_of, vectors, verify};

struct Submission {
    old_size: u64,
    proof: ConsistencyProof,
    note: Result<Note, NoteFormatError>,
}

fn text(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).expect("a vector file")
}

impl Submission {
    fn read(text: &str) -> Submission {
        let (head, note) = text.split_once("\n\n").expect("an empty line");
        let mut lines = head.lines();
        let old_size = lines.next().and_then(|line| line.strip_prefix("old ")).expect("an old size");
        let hash = |line: &str| {
            use base64::{Engine, engine::general_purpose::STANDARD};
            Hash(STANDARD.decode(line).expect("base64").try_into().expect("32 bytes"))
        };
        Submission {
            old_size: old_size.parse().expect("a size"),
            proof: ConsistencyProof::new(lines.map(hash).collect()).expect("a proof"),
            note: note.parse(),
        }
    }
}

/// The submissions of a test script, each with the HTTP status of its answer.
fn submissions(script: &str) -> Vec<(Submission, u16)> {
    let requests = script.split("/add-checkpoint\n```\n").skip(1);
    let each = requests.map(|request| {
        let (body, answer) = request.split_once("```\nHTTP ").expect("an answer");
        let status = answer.lines().next().and_then(|line| line.parse().ok()).expect("a status");
        (Submission::read(body), status)
    });
    each.collect()
}

/// What a witness answers that knows one log, and that log's head; it remembers what it accepts.
fn answer(submitted: &Submission, key: &VerifierKey, known: &mut Checkpoint) -> u16 {
    // One of litewitness's bad signatures has stray bits in its base64, which our notes never have.
    let Ok(note) = &submitted.note else { return 403 };
    let checkpoint: Checkpoint = note.text().parse().expect("a checkpoint");
    if checkpoint.origin != known.origin {
        return 403;
    }
    if verify_note(note, std::slice::from_ref(key), &verify).is_err() {
        return 403;
    }
    if submitted.old_size != known.size {
        return 409;
    }
    let (old, new) = (&*known, &checkpoint);
    if old.size > 0 && verify_consistency(old.size, &old.root, new.size, &new.root, &submitted.proof).is_err()
    {
        return 422;
    }
    *known = checkpoint;
    200
}

#[test]
fn the_submissions_to_litewitness_get_its_answers() {
    let Some(script) = vectors("c2sp/torchwood/cmd/litewitness/testdata/litewitness.txt") else { return };
    let script = text(script);
    // A sigsum log is named by the hash of its key.
    let key =
        script.split("add-sigsum-log -key=").nth(1).and_then(|rest| rest.lines().next()).expect("a key");
    let key: Hash = key.parse().expect("32 bytes");
    let origin = name_of(&format!("sigsum.org/v1/tree/{}", sha256(&[key.as_bytes()])));
    let log = VerifierKey::new(origin.clone(), SignatureType::Ed25519, key.0);
    let mut known = Checkpoint { origin, size: 0, root: EMPTY_ROOT };
    let submissions = submissions(&script);
    assert_eq!(submissions.len(), 9);
    for (place, (submitted, expected)) in submissions.iter().enumerate() {
        assert_eq!(answer(submitted, &log, &mut known), *expected, "submission {place}");
    }
    assert_eq!(known.size, 5);
}

#[test]
fn a_note_of_the_go_checksum_database_verifies() {
    let Some(script) = vectors("c2sp/torchwood/cmd/litewitness/testdata/sumdb.txt") else { return };
    let script = text(script);
    let key = script.split(" -key ").nth(1).and_then(|rest| rest.lines().next()).expect("a key");
    let key: VerifierKey = key.parse().expect("a verifier key");
    let [(submitted, 200)] = &submissions(&script)[..] else { panic!("one submission") };
    let note = submitted.note.as_ref().expect("a note");
    let found = verify_note(note, std::slice::from_ref(&key), &verify).expect("signed");
    assert_eq!(found.iter().map(|signature| &signature.key).collect::<Vec<_>>(), [&key]);
    let other = note.to_string().replace("35225469", "35225468").parse().expect("a note");
    assert!(matches!(verify_note(&other, &[key], &verify), Err(NoteError::BadSignature { .. })));
    // Its origin has spaces, which no name of a key of ours may have.
    assert!(note.text().parse::<Checkpoint>().is_err());
}

#[test]
fn the_generated_submission_leads_from_the_old_root_to_its_checkpoint() {
    let Some(folder) = vectors("c2sp/generated") else { return };
    let submitted = Submission::read(&text(folder.join("add-checkpoint.request")));
    let note = submitted.note.as_ref().expect("a note");
    assert_eq!(note.to_string(), text(folder.join("checkpoint")));
    let policy: Policy = text(folder.join("policy")).parse().expect("a policy");
    let meta: Value = serde_json::from_str(&text(folder.join("meta.json"))).expect("JSON");
    let root = meta["old_root_hex"].as_str().expect("a text").parse().expect("a hash");
    let log = policy.logs()[0].key.clone();
    let mut known = Checkpoint { origin: log.name().clone(), size: submitted.old_size, root };
    assert_eq!(answer(&submitted, &log, &mut known), 200);
    assert_eq!(known.size, 300);
    assert_eq!(answer(&submitted, &log, &mut known), 409);
}
