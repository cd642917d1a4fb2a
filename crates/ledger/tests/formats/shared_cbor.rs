//! The published CBOR vectors through the strict decoder. They run where the folder `../shared/vectors` lies beside the repository.

use std::fs;
use std::path::PathBuf;

use kvitto_ledger::codec::decode_strict;
use kvitto_ledger::genesis::Genesis;
use kvitto_ledger::{BlockBody, Header, Record, Statement};
use serde_bytes::ByteBuf;
use serde_json::Value;

fn vectors(name: &str) -> Option<Value> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/cbor");
    if !folder.is_dir() {
        println!("skipped: {} not present", folder.display());
        return None;
    }
    let bytes = fs::read(folder.join(name)).expect("the vectors are readable");
    Some(serde_json::from_slice(&bytes).expect("they are JSON"))
}

fn bytes_of(hexadecimal: &Value) -> Vec<u8> {
    hex::decode(hexadecimal.as_str().expect("a text")).expect("hexadecimal")
}

fn reads<T: serde::Serialize + serde::de::DeserializeOwned>(bytes: &[u8]) -> bool {
    decode_strict::<T>(bytes, 1024).is_ok()
}

type Reader = fn(&[u8]) -> bool;

/// What signed and stored types are made of; none holds a map or a fraction.
const PARTS: [(&str, Reader); 7] = [
    ("unsigned", reads::<u64>),
    ("signed", reads::<i64>),
    ("boolean", reads::<bool>),
    ("null", reads::<Option<u64>>),
    ("text", reads::<String>),
    ("bytes", reads::<ByteBuf>),
    ("array", reads::<Vec<u64>>),
];

const WHOLES: [(&str, Reader); 5] = [
    ("statement", reads::<Statement>),
    ("record", reads::<Record>),
    ("header", reads::<Header>),
    ("body", |bytes| BlockBody::decode(bytes).is_ok()),
    ("genesis", reads::<Genesis>),
];

#[test]
fn what_is_not_deterministic_is_read_as_nothing() {
    let Some(cases) = vectors("deterministic_cases.json") else { return };
    let rejects = cases["reject"].as_array().expect("a list");
    assert!(!rejects.is_empty());
    for case in rejects {
        let bytes = bytes_of(&case[1]);
        for (part, reads) in PARTS.iter().chain(&WHOLES) {
            assert!(!reads(&bytes), "{case} is read as {part}");
        }
    }
}

/// RFC 8949, appendix A: the examples that an encoder does not give back.
#[test]
fn streamed_forms_are_read_as_nothing() {
    let Some(examples) = vectors("rfc8949_appendix_a.json") else { return };
    let streamed: Vec<_> =
        examples.as_array().expect("a list").iter().filter(|example| example["roundtrip"] == false).collect();
    assert!(!streamed.is_empty());
    for example in streamed {
        let bytes = bytes_of(&example["hex"]);
        for (part, reads) in PARTS.iter().chain(&WHOLES) {
            assert!(!reads(&bytes), "{example} is read as {part}");
        }
    }
}

#[test]
fn what_is_deterministic_is_read() {
    let Some(cases) = vectors("deterministic_cases.json") else { return };
    for case in cases["accept"].as_array().expect("a list") {
        let bytes = bytes_of(&case[1]);
        // Major types 0 to 4: integers, byte and text strings, arrays.
        let is_ours = bytes[0] >> 5 <= 4;
        assert_eq!(PARTS.iter().any(|(_, reads)| reads(&bytes)), is_ours, "{case}");
    }
}
