//! Payloads in every form but the right one, and times that no statement may have.

use kvitto_ledger::Rejection::{
    self, CborMalformed, CborNotCanonical, SchemaViolation, StatementKind, StatementVersion, ValidityRange,
};
use kvitto_ledger::TimeMs;
use kvitto_ledger::codec::encode;
use kvitto_ledger::statement::Statement;
use kvitto_ledger::testing::{DAY_MS, commitment as c};
use kvitto_merkle::status::StatusValue::Revoked;

use super::envelope::bombs;
use super::{Row, invalid};
use crate::stage::{Parts, Stage, byte_string, school, tao};

/// Where the kind stands: behind `86 01 1b<8> 1b<8> 50<16>`.
const KIND_AT: usize = 37;
/// Where the body begins.
const BODY_AT: usize = 38;

/// A statement whose payload was changed; its signature, which comes after the form, is that of the good one.
fn changed(stage: &Stage, statement: &Statement, change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut parts = Parts::good(stage);
    let mut payload = encode(statement);
    change(&mut payload);
    parts.payload = byte_string(&payload);
    parts.bytes()
}

/// A reservation of one place: its body is `82 5820<32> 01`.
fn reserve(name: impl Into<String>, rejection: Rejection, change: impl Fn(&mut Vec<u8>) + 'static) -> Row {
    invalid(format!("content {}", name.into()), rejection, move |stage| {
        changed(stage, &stage.statement(school().reserves(1)), &change)
    })
}

/// The last field of a reservation, its count, replaced by these bytes.
fn count(name: &str, rejection: Rejection, bytes: &'static [u8]) -> Row {
    reserve(format!("with a count {name}"), rejection, move |payload| {
        payload.pop();
        payload.extend(bytes);
    })
}

pub(super) fn rows() -> Vec<Row> {
    [forms(), counts(), fields(), kinds(), times()].into_iter().flatten().collect()
}

fn forms() -> Vec<Row> {
    let mut rows = vec![
        reserve("empty", CborMalformed, Vec::clear),
        reserve("with a byte too many", CborMalformed, |bytes| bytes.push(0)),
        reserve("with a byte too few", CborMalformed, |bytes| _ = bytes.pop()),
        reserve("cut off in the nonce", CborMalformed, |bytes| bytes.truncate(30)),
        reserve("a map", CborMalformed, |bytes| bytes[0] = 0xa3),
        reserve("a text", CborMalformed, |bytes| bytes[0] = 0x66),
        reserve("a break", CborMalformed, |bytes| bytes[0] = 0xff),
        reserve("with the reserved length 28", CborMalformed, |bytes| bytes[0] = 0x9c),
        reserve("tagged", CborNotCanonical, |bytes| bytes.insert(0, 0xc0)),
        reserve("self-described", CborNotCanonical, |bytes| _ = bytes.splice(0..0, [0xd9, 0xd9, 0xf7])),
        reserve("with a long head", CborNotCanonical, |bytes| _ = bytes.splice(0..1, [0x98, 6])),
        reserve("of unknown length", CborNotCanonical, |bytes| {
            bytes[0] = 0x9f;
            bytes.push(0xff);
        }),
        reserve("with one element more", SchemaViolation, |bytes| {
            bytes[0] = 0x87;
            bytes.push(0xf6);
        }),
        reserve("without a body", SchemaViolation, |bytes| {
            bytes[0] = 0x85;
            bytes.truncate(BODY_AT);
        }),
        reserve("with a body that is null", SchemaViolation, |bytes| {
            bytes.truncate(BODY_AT);
            bytes.push(0xf6);
        }),
        reserve("with a body that is a map", SchemaViolation, |bytes| {
            bytes.truncate(BODY_AT);
            bytes.push(0xa0);
        }),
        reserve("with a body of unknown length", CborNotCanonical, |bytes| {
            bytes[BODY_AT] = 0x9f;
            bytes.push(0xff);
        }),
        reserve("with a body with a long head", CborNotCanonical, |bytes| {
            bytes.splice(BODY_AT..=BODY_AT, [0x98, 2]);
        }),
        reserve("with a field more", SchemaViolation, |bytes| {
            bytes[BODY_AT] += 1;
            bytes.push(0xf6);
        }),
        reserve("with a field less", SchemaViolation, |bytes| {
            bytes[BODY_AT] -= 1;
            bytes.pop();
        }),
        reserve("with an accreditation of 31 bytes", SchemaViolation, |bytes| {
            bytes[BODY_AT + 2] = 31;
            bytes.remove(BODY_AT + 3);
        }),
        reserve("with an accreditation as a text that is not UTF-8", CborMalformed, |bytes| {
            bytes[BODY_AT + 1] = 0x78
        }),
        reserve("with a version in two bytes", CborNotCanonical, |bytes| _ = bytes.splice(1..2, [0x18, 1])),
        reserve("with version 1.0", CborMalformed, |bytes| _ = bytes.splice(1..2, [0xf9, 0x3c, 0x00])),
        reserve("with version 0", StatementVersion, |bytes| bytes[1] = 0),
        reserve("with version 2", StatementVersion, |bytes| bytes[1] = 2),
        reserve("with version 257", StatementVersion, |bytes| _ = bytes.splice(1..2, [0x19, 1, 1])),
        reserve("with version -1", CborMalformed, |bytes| bytes[1] = 0x20),
        reserve("with a time of -1", CborMalformed, |bytes| _ = bytes.splice(2..11, [0x20])),
        reserve("with a time that is a float", CborMalformed, |bytes| bytes[2] = 0xfb),
        reserve("with a time that is a text", CborMalformed, |bytes| _ = bytes.splice(2..11, *b"\x611")),
        reserve("with a nonce of 15 bytes", CborMalformed, |bytes| {
            bytes[20] = 0x4f;
            bytes.remove(21);
        }),
        reserve("with a nonce of 17 bytes", CborMalformed, |bytes| {
            bytes[20] = 0x51;
            bytes.insert(21, 0);
        }),
        reserve("with a nonce in pieces", CborNotCanonical, |bytes| {
            bytes.insert(20, 0x5f);
            bytes.insert(38, 0xff);
        }),
    ];
    for (name, bomb) in bombs() {
        rows.push(reserve(format!("that is a {name}"), CborMalformed, move |bytes| bytes.clone_from(&bomb)));
    }
    rows
}

fn counts() -> Vec<Row> {
    vec![
        count("in two bytes", CborNotCanonical, &[0x18, 1]),
        count("in nine bytes", CborNotCanonical, &[0x1b, 0, 0, 0, 0, 0, 0, 0, 1]),
        count("tagged", CborNotCanonical, &[0xc0, 1]),
        count("that is a bignum", SchemaViolation, &[0xc2, 0x41, 1]),
        count("of 1.0", SchemaViolation, &[0xf9, 0x3c, 0x00]),
        count("of -0.0", SchemaViolation, &[0xf9, 0x80, 0x00]),
        count("that is not a number", SchemaViolation, &[0xf9, 0x7e, 0x00]),
        count("of -1", SchemaViolation, &[0x20]),
        count("of 2^32", SchemaViolation, &[0x1b, 0, 0, 0, 1, 0, 0, 0, 0]),
        count("that is null", SchemaViolation, &[0xf6]),
        count("that is undefined", SchemaViolation, &[0xf7]),
        count("that is true", SchemaViolation, &[0xf5]),
        count("that is a simple value", CborMalformed, &[0xf0]),
        count("that is a simple value in two bytes", CborMalformed, &[0xf8, 0x20]),
        count("that is a text", SchemaViolation, b"\x611"),
        count("that is a text of bad UTF-8", CborMalformed, &[0x61, 0xff]),
        count("that is an array", SchemaViolation, &[0x81, 1]),
        count("that is a map with a doubled key", SchemaViolation, &[0xa2, 0, 0, 0, 0]),
    ]
}

/// Bodies of other kinds, of which one field has another type.
fn fields() -> Vec<Row> {
    type Fault = (&'static str, Rejection, fn(&Stage) -> Statement, fn(&mut Vec<u8>));
    let table: [Fault; 6] = [
        (
            "an anchor whose commitment has 31 bytes",
            SchemaViolation,
            |s| s.statement(school().anchors([c(50)])),
            |bytes| {
                // … 81 82 5820<32> f6
                let at = bytes.len() - 34;
                bytes[at] = 31;
                bytes.remove(at + 1);
            },
        ),
        (
            "an anchor whose reserved position is a text",
            SchemaViolation,
            |s| s.statement(school().anchors([c(50)])),
            |bytes| {
                bytes.pop();
                bytes.extend(*b"\x611");
            },
        ),
        (
            "a status change with an unknown reason",
            SchemaViolation,
            |s| s.statement(school().sets(Revoked, [c(2)])),
            |bytes| *bytes.last_mut().expect("not empty") = 6,
        ),
        (
            "a status change with an unknown status",
            SchemaViolation,
            |s| s.statement(school().sets(Revoked, [c(2)])),
            // … 83 5820<32> 01 f6 00
            |bytes| {
                let at = bytes.len() - 3;
                bytes[at] = 4;
            },
        ),
        (
            "a deactivation whose subject is no DID",
            SchemaViolation,
            |s| s.statement(tao().deactivates(&school())),
            |bytes| bytes[BODY_AT + 3] = b'D',
        ),
        (
            "an accreditation change whose subject is of bad UTF-8",
            CborMalformed,
            |s| s.statement(tao().sets_accreditation(&school(), Revoked)),
            |bytes| bytes[BODY_AT + 3] = 0xff,
        ),
    ];
    table
        .into_iter()
        .map(|(name, rejection, statement, change)| {
            invalid(name, rejection, move |stage| changed(stage, &statement(stage), change))
        })
        .collect()
}

fn kinds() -> Vec<Row> {
    let mut rows = vec![
        reserve("with the kind of an anchor", SchemaViolation, |bytes| {
            bytes[KIND_AT] = kvitto_ledger::statement::Kind::Anchor.code()
        }),
        reserve("with a kind that is a text", CborMalformed, |bytes| {
            bytes.splice(KIND_AT..=KIND_AT, *b"\x611");
        }),
        reserve("with a bad version and a bad kind: the version comes first", StatementVersion, |bytes| {
            (bytes[1], bytes[KIND_AT]) = (0, 0);
        }),
    ];
    let reserved = kvitto_ledger::statement::Kind::ALL.iter().copied();
    let reserved = reserved.filter(|kind| kind.is_reserved());
    for kind in reserved {
        rows.push(reserve(format!("of kind {kind:?}, which is reserved"), StatementKind, move |bytes| {
            bytes[KIND_AT] = kind.code()
        }));
    }
    for kind in [0, 14, 23] {
        rows.push(reserve(format!("of kind {kind}"), StatementKind, move |bytes| bytes[KIND_AT] = kind));
    }
    rows
}

fn times() -> Vec<Row> {
    let window = |name: &str, window: fn(TimeMs) -> (u64, u64)| {
        invalid(format!("valid {name}"), ValidityRange, move |stage| {
            let mut statement = stage.statement(school().reserves(1));
            let (not_before, not_after) = window(stage.now);
            (statement.not_before, statement.not_after) = (TimeMs(not_before), TimeMs(not_after));
            stage.sign(&school(), &statement)
        })
    };
    vec![
        window("for a millisecond more than a day", |now| (now.0, now.0 + DAY_MS + 1)),
        window("for no time", |now| (now.0, now.0)),
        window("backwards", |now| (now.0, now.0 - 1)),
        window("from the end of time to its beginning", |_| (u64::MAX, 0)),
        window("for ever", |_| (0, u64::MAX)),
        window("in seconds for milliseconds at its beginning", |now| (now.0 / 1000, now.0)),
    ]
}
