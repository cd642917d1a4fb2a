//! Who signed, with what, and for when.

use kvitto_ledger::Rejection::{
    KeyRelationship, KeyUnknown, SignatureInvalid, SignerDeactivated, SignerUnknown, StatementExpired,
    StatementNotYet,
};
use kvitto_ledger::statement::Body;
use kvitto_ledger::statement::envelope::sign;
use kvitto_ledger::testing::{Actor, DAY_MS, HOUR_MS, commitment as c};
use kvitto_ledger::{LedgerId, TimeMs};

use super::{Row, denied, unmet, unsigned};
use crate::stage::{Stage, gone, malleate, school, stranger, tao};

pub(super) fn rows() -> Vec<Row> {
    [signers(), signatures(), times()].into_iter().flatten().collect()
}

fn anchors(stage: &Stage, signer: &Actor) -> Vec<u8> {
    stage.signed(signer, signer.anchors([c(50)]))
}

fn signers() -> Vec<Row> {
    vec![
        denied("an unknown organisation", SignerUnknown, |s| anchors(s, &stranger())),
        denied("an unknown organisation with a known key", SignerUnknown, |s| {
            anchors(s, &Actor { did: stranger().did, ..school() })
        }),
        denied("a deactivated organisation", SignerDeactivated, |s| anchors(s, &gone())),
        denied("a deactivated organisation that wants to come back", SignerDeactivated, |s| {
            s.signed(&gone(), gone().puts([gone().method()]))
        }),
        denied("a key that the document does not list", KeyUnknown, |s| {
            anchors(s, &school().with_key("other"))
        }),
        denied("a key that the document lists no more", KeyUnknown, |s| {
            anchors(s, &school().with_key("school's old key"))
        }),
        denied("another organisation's key under one's own name", KeyUnknown, |s| {
            anchors(s, &Actor { key: tao().key, ..school() })
        }),
        denied("a key for assertions acts in the registry", KeyRelationship, |s| {
            s.signed(&school().with_key("school's assertion key"), school().deactivates(&school()))
        }),
        denied("a key for invocations anchors", KeyRelationship, |s| {
            anchors(s, &school().with_key("school's invocation key"))
        }),
        denied("a key for invocations reserves", KeyRelationship, |s| {
            s.signed(&school().with_key("school's invocation key"), school().reserves(1))
        }),
        denied("a key for invocations changes a status", KeyRelationship, |s| {
            let body = school().sets(kvitto_merkle::status::StatusValue::Revoked, [c(2)]);
            s.signed(&school().with_key("school's invocation key"), body)
        }),
        denied("a key for authentication anchors", KeyRelationship, |s| {
            anchors(s, &school().with_key("school's authentication key"))
        }),
    ]
}

fn signatures() -> Vec<Row> {
    type Tamper = fn(&mut [u8]);
    let table: [(&str, Tamper); 12] = [
        ("with its last bit flipped", |signature| signature[63] ^= 1),
        ("with the first bit of R flipped", |signature| signature[0] ^= 1),
        ("of all zeros", |signature| signature.fill(0)),
        ("of all ones", |signature| signature.fill(0xff)),
        ("with S + L", malleate),
        ("with S = 0", |signature| signature[32..].fill(0)),
        ("with S of all ones", |signature| signature[32..].fill(0xff)),
        ("with an S whose top bits are set", |signature| signature[63] |= 0xe0),
        ("with an R of small order", |signature| {
            signature[..32].fill(0);
            signature[0] = 1;
        }),
        ("with an R that is no point", |signature| signature[..32].fill(2)),
        ("with an R that is not canonical", |signature| {
            signature[..32].fill(0xff);
            (signature[0], signature[31]) = (0xee, 0x7f);
        }),
        ("with R and S swapped", |signature| signature.rotate_left(32)),
    ];
    let mut rows: Vec<Row> = table
        .into_iter()
        .map(|(name, tamper)| {
            unsigned(format!("a signature {name}"), SignatureInvalid, move |stage| {
                let mut bytes = anchors(stage, &school());
                let at = bytes.len() - 64;
                tamper(&mut bytes[at..]);
                bytes
            })
        })
        .collect();
    rows.extend([
        unsigned("a signature for another ledger", SignatureInvalid, |s| {
            sign(&s.statement(school().anchors([c(50)])), school().did, &school().key, &LedgerId([7; 32]))
        }),
        unsigned("a signature for no ledger", SignatureInvalid, |s| {
            sign(&s.statement(school().anchors([c(50)])), school().did, &school().key, &LedgerId([0; 32]))
        }),
        unsigned("a signature of another statement", SignatureInvalid, |s| {
            let (mut bytes, other) = (anchors(s, &school()), anchors(s, &school()));
            let at = bytes.len() - 64;
            bytes[at..].copy_from_slice(&other[at..]);
            bytes
        }),
        unsigned("a signature by another key", SignatureInvalid, |s| {
            let statement = s.statement(school().anchors([c(50)]));
            let mut bytes = s.sign(&school(), &statement);
            let other = s.sign(&school().with_key("other"), &statement);
            let at = bytes.len() - 64;
            bytes[at..].copy_from_slice(&other[other.len() - 64..]);
            bytes
        }),
        unsigned("a possession proof's signature", SignatureInvalid, |s| {
            let mut bytes = anchors(s, &school());
            let at = bytes.len() - 64;
            let onboard = tao().onboards(&school(), &s.ledger_id);
            bytes[at..].copy_from_slice(&onboard.possession[onboard.possession.len() - 64..]);
            bytes
        }),
        unsigned("a byte of the payload changed after signing", SignatureInvalid, |s| {
            let mut bytes = anchors(s, &school());
            // The nonce's last byte: 16 bytes behind `50`, in front of the kind.
            let at = bytes.windows(3).position(|part| part == [0x09, 0x86, 0x58]).expect("an anchor's body");
            bytes[at - 1] ^= 1;
            bytes
        }),
    ]);
    rows
}

/// A statement for other times: so many milliseconds from now, for two hours.
fn shifted(stage: &Stage, signer: &Actor, body: impl Into<Body>, shift_ms: i64) -> Vec<u8> {
    let mut statement = stage.statement(body);
    for time in [&mut statement.not_before, &mut statement.not_after] {
        *time = TimeMs(time.0.saturating_add_signed(shift_ms));
    }
    stage.sign(signer, &statement)
}

fn times() -> Vec<Row> {
    let (hour, day) = (HOUR_MS as i64, DAY_MS as i64);
    let anchor = |signer: &Actor| signer.anchors([c(50)]);
    vec![
        unmet("expired an hour ago", StatementExpired, move |s| {
            shifted(s, &school(), anchor(&school()), -2 * hour)
        }),
        unmet("expired a year ago", StatementExpired, move |s| {
            shifted(s, &school(), anchor(&school()), -365 * day)
        }),
        unmet("from the beginning of time", StatementExpired, |s| {
            let mut statement = s.statement(school().anchors([c(50)]));
            (statement.not_before, statement.not_after) = (TimeMs(0), TimeMs(DAY_MS));
            s.sign(&school(), &statement)
        }),
        unmet("for two hours from now", StatementNotYet, move |s| {
            shifted(s, &school(), anchor(&school()), 3 * hour)
        }),
        unmet("for next year", StatementNotYet, move |s| shifted(s, &school(), anchor(&school()), 365 * day)),
        unmet("for the end of time", StatementNotYet, |s| {
            let mut statement = s.statement(school().anchors([c(50)]));
            (statement.not_before, statement.not_after) = (TimeMs(u64::MAX - 1), TimeMs(u64::MAX));
            s.sign(&school(), &statement)
        }),
        denied("for later, with a bad key: who comes before when", KeyUnknown, move |s| {
            shifted(s, &school().with_key("other"), anchor(&school()), 3 * hour)
        }),
        denied("expired, of an unknown organisation: who comes before when", SignerUnknown, move |s| {
            shifted(s, &stranger(), anchor(&stranger()), -2 * hour)
        }),
        unsigned(
            "expired, with a bad signature: the signature comes before when",
            SignatureInvalid,
            move |s| {
                let mut bytes = shifted(s, &school(), anchor(&school()), -2 * hour);
                *bytes.last_mut().expect("not empty") ^= 1;
                bytes
            },
        ),
    ]
}
