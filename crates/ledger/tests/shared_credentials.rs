//! Real credentials, written by others, give the digests that three independent implementations gave.
//!
//! Runs where the folder `../shared/samples` lies beside the repository, and says so where it does not.

#[path = "../../../tests/src/shared.rs"]
#[allow(unreachable_pub, reason = "public where it is at home")]
mod shared;

use std::fs;
use std::path::{Path, PathBuf};

use kvitto_ledger::commitment::{DigestAlgorithm, DigestTarget};
use kvitto_ledger::credential::{Credential, CredentialError, Moment, ReadOptions, Seal};
use shared::shared;

fn samples() -> Option<PathBuf> {
    shared("samples")
}

fn read(folder: &Path, name: &str, options: &ReadOptions) -> Result<Credential, CredentialError> {
    Credential::read(&fs::read(folder.join(name)).expect("the sample is readable"), options)
}

fn unwrapping(member: &str) -> ReadOptions {
    ReadOptions { unwrap: Some(member.to_owned()), ..ReadOptions::default() }
}

fn digest(credential: &Credential, algorithm: DigestAlgorithm, target: DigestTarget) -> String {
    credential.digest(algorithm, target).expect("the target is available").to_string()
}

#[test]
fn the_digests_of_real_credentials_equal_the_table() {
    use DigestAlgorithm::{Sha3_256, Sha256};
    use DigestTarget::{Bytes, Jcs, Payload};
    let Some(folder) = samples() else { return };
    let table = fs::read_to_string(folder.join("DIGESTS.tsv")).expect("the table is readable");
    let mut rows = table.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let header = rows.next().expect("the table has a header");
    let column = |name: &str| header.iter().position(|title| *title == name).expect("the column exists");
    let mut accepted = 0;
    for row in rows.filter(|row| !row[0].starts_with("neg-")) {
        let inner = row[column("inner_jcs_sha256")];
        let options = if inner.is_empty() { ReadOptions::default() } else { unwrapping("credential") };
        let credential =
            read(&folder, row[0], &options).unwrap_or_else(|error| panic!("{}: {error}", row[0]));
        assert_eq!(digest(&credential, Sha256, Bytes), row[column("raw_sha256")], "{}", row[0]);
        if inner.is_empty() {
            assert_eq!(digest(&credential, Sha256, Jcs), row[column("jcs_sha256")], "{}", row[0]);
            assert_eq!(digest(&credential, Sha3_256, Jcs), row[column("jcs_sha3_256")], "{}", row[0]);
            let length = credential.content(Jcs).expect("the target is available").len();
            assert_eq!(length.to_string(), row[column("jcs_bytes")], "{}", row[0]);
        } else {
            assert_eq!(digest(&credential, Sha256, Jcs), inner, "{}", row[0]);
        }
        let payload = row[column("payload_raw_sha256")];
        let default = if payload.is_empty() { Jcs } else { Payload };
        assert_eq!(credential.default_target(), default, "{}", row[0]);
        if !payload.is_empty() {
            assert_eq!(digest(&credential, Sha256, Payload), payload, "{}", row[0]);
        }
        accepted += 1;
    }
    assert_eq!(accepted, 27);
}

#[test]
fn a_wrapper_and_a_lone_header_are_refused_with_what_to_do() {
    let Some(folder) = samples() else { return };
    let wrapper = read(&folder, "03-elm3-mc-annex1-uploadable.json", &ReadOptions::default()).unwrap_err();
    assert_eq!(wrapper, CredentialError::WrappedCredential { member: "credential".to_owned() });
    let header = read(&folder, "neg-01-mynextid-ob3-header-only.jwt", &ReadOptions::default()).unwrap_err();
    assert_eq!(header, CredentialError::HeaderOnly { algorithm: "RS256".to_owned() });
}

#[test]
fn every_sample_tells_its_types_and_most_their_issuer_and_title() {
    let Some(folder) = samples() else { return };
    let mut names: Vec<String> = fs::read_dir(&folder)
        .expect("the folder is readable")
        .map(|entry| entry.expect("the entry is readable").file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains(".json") && !name.starts_with("03-"))
        .collect();
    names.sort();
    for name in &names {
        let credential = read(&folder, name, &ReadOptions::default()).unwrap();
        let facts = credential.facts();
        assert!(facts.types.contains(&"VerifiableCredential".to_owned()), "{name}");
        assert_eq!(facts.issuer.ids.is_empty(), name.starts_with("09-"), "{name}");
        let untitled = ["17", "18", "19", "20", "21", "22", "24"].contains(&&name[..2]);
        assert_eq!(credential.display_name(&[]).is_none(), untitled, "{name}");
        assert_ne!(facts.validity.from, Moment::Unstated, "{name}");
    }
}

#[test]
fn facts_of_chosen_samples_are_what_their_authors_wrote() {
    let Some(folder) = samples() else { return };
    let read = |name: &str| read(&folder, name, &ReadOptions::default()).unwrap();

    let sealed = read("02-elm3-mc-annex1-signed-jades.jsonld");
    assert_eq!(sealed.seal(), Seal::JwsGeneral);
    let issuer = &sealed.facts().issuer;
    assert!(issuer.identifiers.iter().any(|identifier| {
        identifier.scheme == "eIDASIdentifier"
            && identifier.value == "VATES-A00000000"
            && identifier.country.as_deref() == Some("ESP")
    }));
    assert!(sealed.facts().types.contains(&"http://data.europa.eu/snb/credential/e34929035b".to_owned()));
    assert_eq!(sealed.facts().validity.from, Moment::At(1_672_527_600));

    let local_times = read("05-elm3-credential-sample.jsonld");
    assert_eq!(local_times.facts().validity.until, Moment::Unreadable("2024-09-25T00:00:00".to_owned()));

    let enrolment = read("27-mynextid-edc-enrolment-signed-jades.jsonld");
    let entries = &enrolment.facts().status_entries;
    assert_eq!(entries.iter().map(|entry| entry.index).collect::<Vec<_>>(), [197, 197]);
    assert_eq!(entries[1].purpose.as_deref(), Some("suspension"));
    assert_eq!(enrolment.display_name(&["sv", "de"]), Some("Confirmation of Enrolment"));

    let two_lists = read("24-w3c-vc2-multiple-status.json");
    assert_eq!(two_lists.facts().status_entries[0].index, 14_278);
    assert_eq!(two_lists.facts().status_entries[0].list, "https://license.example/credentials/status/84");

    let multilingual = read("23-w3c-vc2-multilingual-name.json");
    assert_eq!(multilingual.display_name(&["fr"]), Some("Exemple de Diplôme Universitaire"));
    assert_eq!(multilingual.facts().issuer.names.len(), 3);
    assert_eq!(read("25-w3c-vc2-bbs-base-proof.json").seal(), Seal::DataIntegrity);
}

const JCS_VECTORS: [&str; 6] = ["arrays", "french", "structures", "unicode", "values", "weird"];

/// Compares the canonical form of a JSON value with the published one; inside a credential, because only credentials are read.
fn check_canonical_form(input: &Path, expected: &[u8]) {
    let file = [br#"{"type":"T","credentialSubject":{"v":"#, &fs::read(input).expect("a vector")[..], b"}}"]
        .concat();
    let credential = Credential::read(&file, &ReadOptions::default()).expect("a credential");
    let canonical = credential.content(DigestTarget::Jcs).expect("the target is available");
    let wanted = [br#"{"credentialSubject":{"v":"#, expected, br#"},"type":"T"}"#].concat();
    assert_eq!(String::from_utf8_lossy(canonical), String::from_utf8_lossy(&wanted), "{}", input.display());
}

#[test]
fn the_canonical_forms_of_the_published_vectors_are_reached() {
    for folder in ["vectors/jcs/testdata", "samples/jcs-vectors"].iter().filter_map(|part| shared(part)) {
        for name in JCS_VECTORS {
            let file = |side: &str| folder.join(side).join(name).with_extension("json");
            let expected = fs::read(file("output")).expect("a vector");
            check_canonical_form(&file("input"), expected.trim_ascii_end());
        }
    }
}

#[test]
fn the_canonical_forms_have_the_published_bytes() {
    let Some(folder) = shared("vectors/jcs/testdata") else { return };
    for name in JCS_VECTORS {
        let dump =
            fs::read_to_string(folder.join("outhex").join(name).with_extension("txt")).expect("a vector");
        let bytes = hex::decode(dump.split_whitespace().collect::<String>()).expect("hexadecimal");
        check_canonical_form(&folder.join("input").join(name).with_extension("json"), &bytes);
    }
}
