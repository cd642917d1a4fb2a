//! Payloads of every kind in every form but the right one, each with its exact rejection.

use kvitto_ledger::Rejection::{self, CborMalformed, CborNotCanonical, SchemaViolation};
use kvitto_ledger::codec::encode;
use kvitto_ledger::statement::Statement;
use kvitto_ledger::testing::Actor;

use crate::{Parts, bodies, byte_string, decode, ledger, protected_header};

/// Where the body begins: behind `86 01 1b<8> 1b<8> 50<16> kind`.
const BODY_AT: usize = 38;

fn payloads() -> Vec<(&'static str, Actor, Statement)> {
    let mut ledger = ledger();
    bodies(&ledger).into_iter().map(|(name, signer, body)| (name, signer, ledger.statement(body))).collect()
}

#[test]
fn every_kind_is_read_in_one_form_only() {
    type Change = fn(&mut Vec<u8>);
    let table: [(&str, Change, Rejection); 17] = [
        ("empty", Vec::clear, CborMalformed),
        ("a byte too many", |bytes| bytes.push(0), CborMalformed),
        ("a byte too few", |bytes| _ = bytes.pop(), CborMalformed),
        ("a map", |bytes| bytes[0] = 0xa3, CborMalformed),
        ("tagged", |bytes| bytes.insert(0, 0xc0), CborNotCanonical),
        ("self-described", |bytes| _ = bytes.splice(0..0, [0xd9, 0xd9, 0xf7]), CborNotCanonical),
        ("a long head", |bytes| _ = bytes.splice(0..1, [0x98, 6]), CborNotCanonical),
        (
            "unknown length",
            |bytes| {
                bytes[0] = 0x9f;
                bytes.push(0xff);
            },
            CborNotCanonical,
        ),
        (
            "one element more",
            |bytes| {
                bytes[0] = 0x87;
                bytes.push(0xf6);
            },
            SchemaViolation,
        ),
        (
            "no body",
            |bytes| {
                bytes[0] = 0x85;
                bytes.truncate(BODY_AT);
            },
            SchemaViolation,
        ),
        (
            "a body that is null",
            |bytes| {
                bytes.truncate(BODY_AT);
                bytes.push(0xf6);
            },
            SchemaViolation,
        ),
        (
            "a body that is a map",
            |bytes| {
                bytes.truncate(BODY_AT);
                bytes.push(0xa0);
            },
            SchemaViolation,
        ),
        ("a version in two bytes", |bytes| _ = bytes.splice(1..2, [0x18, 1]), CborNotCanonical),
        ("a version of 1.0", |bytes| _ = bytes.splice(1..2, [0xf9, 0x3c, 0x00]), CborMalformed),
        (
            "a nonce of 15 bytes",
            |bytes| {
                bytes[20] = 0x4f;
                bytes.remove(21);
            },
            CborMalformed,
        ),
        (
            "a body with a long head",
            |bytes| {
                let fields = bytes[BODY_AT] - 0x80;
                bytes.splice(BODY_AT..=BODY_AT, [0x98, fields]);
            },
            CborNotCanonical,
        ),
        (
            "a field more",
            |bytes| {
                bytes[BODY_AT] += 1;
                bytes.push(0xf6);
            },
            SchemaViolation,
        ),
    ];
    for (kind, signer, statement) in payloads() {
        let (mut parts, _, _) = Parts::good();
        parts.protected = byte_string(&protected_header(&signer));
        let payload = encode(&statement);
        parts.payload = byte_string(&payload);
        assert_eq!(decode(&parts.bytes()), Ok(()), "{kind}");
        for (name, change, expected) in &table {
            let mut changed = payload.clone();
            change(&mut changed);
            parts.payload = byte_string(&changed);
            assert_eq!(decode(&parts.bytes()), Err(*expected), "{kind}: {name}");
        }
    }
}

/// Whatever byte of a payload is changed, what is read back is written the same, or it is not read.
#[test]
fn no_other_payload_means_the_same() {
    for (kind, signer, statement) in payloads() {
        let (mut parts, _, _) = Parts::good();
        parts.protected = byte_string(&protected_header(&signer));
        let payload = encode(&statement);
        for at in 0..payload.len() {
            for flip in [0x01, 0x20, 0x80] {
                let mut changed = payload.clone();
                changed[at] ^= flip;
                parts.payload = byte_string(&changed);
                let envelope = kvitto_ledger::Envelope::decode(parts.bytes(), &crate::LEDGER_ID);
                if let Ok(envelope) = envelope {
                    assert_eq!(encode(envelope.statement()), changed, "{kind}, byte {at}");
                }
            }
        }
    }
}
