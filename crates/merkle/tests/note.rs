//! Notes, checkpoints, cosignatures, proof files and policies, signed with real Ed25519 keys.

mod support;

use kvitto_merkle::log::{inclusion_path, root_at, verify_inclusion};
use kvitto_merkle::note::{
    Cosignature, KeyId, Note, NoteError, NoteSignature, SignatureType, VerifiedSignature, VerifierKey,
    cosignature_message, verify_note,
};
use kvitto_merkle::policy::{Policy, PolicyError, PolicyLineError, PolicyLog, PolicyWitness, Threshold};
use kvitto_merkle::tlog_proof::{TlogProof, TlogProofError};
use kvitto_merkle::{Checkpoint, leaf_hash};
use support::{MemoryLog, example_entry, key, name_of, sign, verify};

/// A log of 300 entries, its checkpoint signed by the log and cosigned by four nodes, all from
/// known seeds. The files were also read by transparency-dev/formats (Go) and by the Rust crate
/// signed_note.
const CHECKPOINT: &str = include_str!("data/checkpoint");
const PROOF: &str = include_str!("data/entry271.tlog-proof");
const POLICY: &str = include_str!("data/policy");

const ORIGIN: &str = "ledger.example/main";
const COSIGNED_AT_S: u64 = 1_790_000_000;

fn log_key() -> VerifierKey {
    key(ORIGIN, SignatureType::Ed25519, "log key")
}

fn node_key(node: usize) -> VerifierKey {
    key(&format!("node{node}.example/ledger"), SignatureType::CosignatureV1, &format!("node{node}"))
}

fn all_keys() -> Vec<VerifierKey> {
    [log_key()].into_iter().chain((0..4).map(node_key)).collect()
}

fn cosignature_line(node: usize, timestamp_s: u64, text: &str) -> NoteSignature {
    let signature = sign(&format!("node{node}"), &cosignature_message(timestamp_s, text));
    NoteSignature::of_cosigner(&node_key(node), &Cosignature { timestamp_s, signature })
}

fn log_line(text: &str) -> NoteSignature {
    NoteSignature::of_log(&log_key(), &sign("log key", text.as_bytes()))
}

fn note_of(text: &str, lines: impl IntoIterator<Item = NoteSignature>) -> Note {
    let mut note = Note::unsigned(text.to_owned()).expect("a text");
    lines.into_iter().for_each(|line| note.push(line).expect("room"));
    note
}

#[test]
fn the_note_of_the_specification_verifies() {
    // C2SP/C2SP @5ba5ee8, signed-note.md.
    const VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    const NOTE: &str = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    let key: VerifierKey = VKEY.parse().expect("a key");
    let note: Note = NOTE.parse().expect("a note");
    assert_eq!(note.text(), "This is an example message.\n");
    let expected = VerifiedSignature { key: key.clone(), times_s: vec![] };
    assert_eq!(verify_note(&note, std::slice::from_ref(&key), &verify), Ok(vec![expected]));
    let other: Note = NOTE.replace("an example", "another").parse().expect("a note");
    assert!(matches!(verify_note(&other, &[key], &verify), Err(NoteError::BadSignature { .. })));
}

#[test]
fn the_example_checkpoint_is_made_byte_for_byte_from_its_seeds() {
    let log = MemoryLog::of((0..300).map(|index| leaf_hash(&example_entry(index))));
    let root = root_at(&log, 300).expect("all nodes");
    let checkpoint = Checkpoint { origin: name_of(ORIGIN), size: 300, root };
    let text = checkpoint.to_string();
    let cosigned = (0..4).map(|node| cosignature_line(node, COSIGNED_AT_S, &text));
    let note = note_of(&text, [log_line(&text)].into_iter().chain(cosigned));
    assert_eq!(note.to_string(), CHECKPOINT);

    let proof = inclusion_path(&log, 271, 300).expect("all nodes");
    let extra = example_entry(271);
    assert_eq!(TlogProof { extra, index: 271, proof, checkpoint: note }.to_string(), PROOF);

    let witness = |node| PolicyWitness { name: format!("n{node}"), key: node_key(node), url: None };
    let logs = vec![PolicyLog { key: log_key(), url: None }];
    let policy = Policy::threshold(logs, (0..4).map(witness).collect(), 3).expect("a policy");
    assert_eq!(policy.to_string(), POLICY);
}

#[test]
fn the_example_proof_verifies_from_text_alone() {
    let proof: TlogProof = PROOF.parse().expect("a proof");
    let policy: Policy = POLICY.parse().expect("a policy");
    let signatures = verify_note(&proof.checkpoint, &policy.keys(), &verify).expect("signed");
    let times: Vec<_> = signatures.iter().map(|signature| &signature.times_s[..]).collect();
    assert_eq!(times, [&[][..], &[COSIGNED_AT_S], &[COSIGNED_AT_S], &[COSIGNED_AT_S], &[COSIGNED_AT_S]]);
    let checkpoint: Checkpoint = proof.checkpoint.text().parse().expect("a checkpoint");
    assert!(policy.is_satisfied_by(&checkpoint.origin, &signatures));
    assert!(!policy.is_satisfied_by(&name_of("ledger.example/other"), &signatures));
    let leaf = leaf_hash(&proof.extra);
    assert_eq!(verify_inclusion(&leaf, proof.index, checkpoint.size, &proof.proof, &checkpoint.root), Ok(()));
    assert_eq!(proof.to_string(), PROOF);
}

#[test]
fn lines_count_by_the_rules_of_signed_notes() {
    let text = "ledger.example/main\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    let bad = |line: NoteSignature| {
        let mut text = line.to_string();
        // A digit of the signature, away from name and key id.
        let place = text.len() - 10;
        let other = if &text[place..=place] == "A" { "B" } else { "A" };
        text.replace_range(place..=place, other);
        text.parse::<NoteSignature>().expect("still a line")
    };
    let foreign = |line: NoteSignature| -> NoteSignature {
        line.to_string().replace("node3", "somebody-else").parse().expect("a line")
    };
    let at = |node, time| cosignature_line(node, time, text);
    type Times<'a> = Option<&'a [&'a [u64]]>;
    let cases: [(&str, Vec<NoteSignature>, Times<'_>); 10] = [
        ("no line at all", vec![], None),
        ("the log alone", vec![log_line(text)], Some(&[&[]])),
        ("two cosigners", vec![at(1, 5), at(0, 4)], Some(&[&[5], &[4]])),
        ("one cosigner counts once", vec![at(1, 5), at(0, 4), at(1, 9), at(1, 7)], Some(&[&[5, 9, 7], &[4]])),
        ("unknown lines are ignored", vec![foreign(at(3, 5)), at(0, 4)], Some(&[&[4]])),
        ("unknown lines alone", vec![foreign(at(3, 5))], None),
        ("a bad known line", vec![at(0, 4), bad(at(1, 5)), log_line(text)], None),
        ("a good and a bad one of the same key", vec![at(0, 4), bad(at(0, 5))], None),
        ("a bad line of an unknown key", vec![bad(foreign(at(3, 5))), at(0, 4)], Some(&[&[4]])),
        ("a time past 2^63", vec![at(0, 1 << 63)], None),
    ];
    for (case, lines, expected) in cases {
        let found = verify_note(&note_of(text, lines), &all_keys(), &verify).ok();
        let times: Option<Vec<&[u64]>> =
            found.as_ref().map(|found| found.iter().map(|signature| &signature.times_s[..]).collect());
        assert_eq!(times.as_deref(), expected, "{case}");
    }
}

#[test]
fn a_cosignature_does_not_count_as_a_log_signature_nor_for_another_name() {
    let text = "ledger.example/main\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
    let note = note_of(text, [cosignature_line(0, 7, text)]);
    let renamed = key("node9.example/ledger", SignatureType::CosignatureV1, "node0");
    let retyped = key("node0.example/ledger", SignatureType::Ed25519, "node0");
    for other in [renamed, retyped] {
        assert_eq!(verify_note(&note, &[other], &verify), Err(NoteError::NoKnownSignature));
    }
}

#[test]
fn a_known_line_of_the_wrong_length_rejects_the_note() {
    let text = "text\n";
    let mut bytes = log_key().id().0.to_be_bytes().to_vec();
    bytes.extend_from_slice(&[1; 63]);
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
    let short: NoteSignature = format!("— {ORIGIN} {base64}").parse().expect("a line");
    let note = note_of(text, [log_line(text), short]);
    let refused = NoteError::BadSignature { name: name_of(ORIGIN), key_id: log_key().id() };
    assert_eq!(verify_note(&note, &all_keys(), &verify), Err(refused));
}

#[test]
fn the_key_ids_of_the_example_are_those_of_its_keys() {
    let ids: Vec<_> = all_keys().iter().map(VerifierKey::id).collect();
    let expected = [0x0617_3d70, 0x6bcc_d2a6, 0xfad7_ba78, 0x71ab_684b, 0x3e0a_cf9a].map(KeyId);
    assert_eq!(ids, expected);
}

#[test]
fn proof_files_that_are_not_exactly_right_are_refused() {
    use TlogProofError::*;
    let hash = "4WIsG59N6oJh9paSxZBotp1LrcGbCXgWgjqz5fj/xvg=\n";
    for (text, expected) in [
        (String::new(), FirstLine),
        (PROOF.replace("@v1", "@v2"), FirstLine),
        (PROOF.replace("@v1", "@v1 "), FirstLine),
        (PROOF.replace("extra Z", "extra  Z"), Extra),
        (PROOF.replace("extra Z", "extra \nextra Z"), Extra),
        (PROOF.replace("extra Z", &format!("extra {}Z", "AAAA".repeat(21_846))), Extra),
        (PROOF.replace("extra Z", "extra"), Index),
        (PROOF.replace("index 271", "index 0271"), Index),
        (PROOF.replace("index 271", "index -1"), Index),
        (PROOF.replace("index 271\n", ""), Index),
        (PROOF.replace(hash, "what\n"), Hashes),
        (PROOF.replace(hash, &hash.repeat(58)), Hashes),
        (PROOF.split_once("\n\n").expect("a note").0.to_owned() + "\n", Hashes),
    ] {
        assert_eq!(text.parse::<TlogProof>(), Err(expected), "{text:.200}");
    }
    for text in [PROOF.trim_end().to_owned(), PROOF.replace('—', "-"), format!("{PROOF}\n")] {
        assert!(matches!(text.parse::<TlogProof>(), Err(Checkpoint(_))));
    }
    for good in [PROOF.replace(hash, ""), PROOF.replace(hash, &hash.repeat(57))] {
        assert_eq!(good.parse::<TlogProof>().expect("a proof").to_string(), good);
    }
}

#[test]
fn policies_are_read_with_groups_comments_and_loose_white_space() {
    let (log, keys) = (log_key(), [0, 1, 2, 3].map(node_key));
    let text = format!(
        "# our policy\n\n  log\t{log}   https://ledger.example/log \nwitness X1 {}\nwitness X2 {} https://x2\n\
         group X any X1 X2\nwitness Y1 {}\nwitness Ÿ2 {}\ngroup Y all Y1 Ÿ2\n \t\ngroup both 2 X Y\nquorum both\n",
        keys[0], keys[1], keys[2], keys[3]
    );
    let policy: Policy = text.parse().expect("a policy");
    assert_eq!(policy.quorum(), Some("both"));
    assert_eq!(policy.witnesses().len(), 4);
    assert_eq!(policy.groups()[1].threshold, Threshold::All);
    assert_eq!(policy.logs()[0].url.as_deref(), Some("https://ledger.example/log"));
    assert_eq!(policy.to_string().parse(), Ok(policy.clone()), "what is written is read back");

    let by = |nodes: &[usize], with_log: bool| {
        let witnessed = nodes.iter().map(|&node| node_key(node));
        let keys = witnessed.chain(with_log.then(log_key));
        let signatures: Vec<_> = keys.map(|key| VerifiedSignature { key, times_s: vec![] }).collect();
        policy.is_satisfied_by(&name_of(ORIGIN), &signatures)
    };
    for (nodes, with_log, expected) in [
        (&[0, 2, 3][..], true, true),
        (&[1, 2, 3], true, true),
        (&[0, 1, 2, 3], true, true),
        (&[0, 2, 3], false, false),
        (&[2, 3], true, false),
        (&[0, 1, 2], true, false),
        (&[0, 0, 0], true, false),
        (&[], true, false),
    ] {
        assert_eq!(by(nodes, with_log), expected, "{nodes:?} {with_log}");
    }
    let none: Policy = format!("log {log}\nquorum none\n").parse().expect("a policy");
    let signed = [VerifiedSignature { key: log_key(), times_s: vec![] }];
    assert!(none.is_satisfied_by(&name_of(ORIGIN), &signed) && !none.is_satisfied_by(&name_of(ORIGIN), &[]));
    assert!("quorum none\n".parse::<Policy>().expect("a policy").is_satisfied_by(&name_of(ORIGIN), &[]));
}

#[test]
fn policies_that_break_a_rule_are_refused_with_the_line() {
    use PolicyLineError::*;
    let (log, one, two) = (log_key(), node_key(0), node_key(1));
    let refused = |line, error| Err(PolicyError::Line { line, error });
    for (text, expected) in [
        (String::new(), Err(PolicyError::NoQuorum)),
        (format!("log {log}\n"), Err(PolicyError::NoQuorum)),
        ("quorum none".into(), refused(1, Characters)),
        ("quorum none\r\n".into(), refused(1, Characters)),
        ("# \x7f\nquorum none\n".into(), refused(1, Characters)),
        ("quorum none\nquorum none\n".into(), refused(2, SecondQuorum)),
        ("quorum\n".into(), refused(1, ItemCount)),
        ("quorum a b\n".into(), refused(1, ItemCount)),
        ("quorum a\n".into(), refused(1, NameUndefined)),
        ("Quorum none\n".into(), refused(1, Keyword)),
        ("log\n".into(), refused(1, ItemCount)),
        (format!("log {log} a b\n"), refused(1, ItemCount)),
        (format!("log {one}\n"), refused(1, KeyType)),
        (format!("witness a {log}\n"), refused(1, KeyType)),
        (format!("log {log}\nlog {log}\n"), refused(2, DuplicateKey)),
        (format!("witness a {one}\nwitness b {one}\n"), refused(2, DuplicateKey)),
        (format!("witness a {one}\nwitness a {two}\n"), refused(2, NameTaken)),
        (format!("witness none {one}\n"), refused(1, NameTaken)),
        (format!("witness a {one}\ngroup a any a\n"), refused(2, NameTaken)),
        (format!("witness a {one}\ngroup g any g\n"), refused(2, NameUndefined)),
        (format!("witness a {one}\ngroup g any none\n"), refused(2, NameUndefined)),
        (format!("witness a {one}\ngroup g any a a\n"), refused(2, MemberTwice)),
        (format!("witness a {one}\ngroup g any a\ngroup h any a\n"), refused(3, MemberTwice)),
        (format!("witness a {one}\ngroup g 0 a\n"), refused(2, Threshold)),
        (format!("witness a {one}\ngroup g 2 a\n"), refused(2, Threshold)),
        (format!("witness a {one}\ngroup g 01 a\n"), refused(2, Threshold)),
        (format!("witness a {one}\ngroup g any\n"), refused(2, ItemCount)),
        ("#".repeat(300_000), Err(PolicyError::TooLong)),
    ] {
        assert_eq!(text.parse::<Policy>(), expected, "{text:.100}");
    }
    let key_error = "log what\nquorum none\n".parse::<Policy>();
    assert!(matches!(key_error, Err(PolicyError::Line { line: 1, error: Key(_) })));
}

#[test]
fn a_policy_that_cannot_be_written_cannot_be_made() {
    let witness = |name: &str| vec![PolicyWitness { name: name.into(), key: node_key(0), url: None }];
    let line = |line, error| Err(PolicyError::Line { line, error });
    assert_eq!(Policy::threshold(vec![], witness("a"), 2), line(2, PolicyLineError::Threshold));
    assert_eq!(Policy::threshold(vec![], witness("none"), 1), line(1, PolicyLineError::NameTaken));
    assert_eq!(Policy::threshold(vec![], witness("quorum"), 1), line(2, PolicyLineError::NameTaken));
    assert!(Policy::threshold(vec![], witness("a b"), 1).is_err());
    let log = PolicyLog { key: log_key(), url: Some(String::new()) };
    assert_eq!(Policy::threshold(vec![log], vec![], 0), Err(PolicyError::NotRepresentable));
    assert!(Policy::threshold(vec![], vec![], 0).is_ok());
}
