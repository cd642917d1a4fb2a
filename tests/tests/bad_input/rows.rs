//! The table: what is sent, and the answer. The code of gRPC stands beside the rejection because clients see it.

use kvitto_ledger::codec::encode;
use kvitto_ledger::scope::{Role, Scope};
use kvitto_ledger::statement::envelope::sign;
use kvitto_ledger::statement::{Accredit, Anchor, Onboard, SetStatus};
use kvitto_ledger::testing::{Actor, HOUR_MS, commitment as c};
use kvitto_ledger::{KeyBytes, LedgerId, Rejection, TimeMs};
use kvitto_merkle::status::StatusValue::{Revoked, Suspended, Valid};
use tonic::Code::{self, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, Unauthenticated};

use crate::stage::{Stage, branch, club, college, dismissed, lapsed, school, stranger, tao};

/// A bad statement.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) statement: fn(&Stage) -> Vec<u8>,
    pub(crate) code: Code,
    pub(crate) rejection: Rejection,
}

pub(crate) fn rows() -> Vec<Row> {
    [bytes(), signers(), accreditations(), credentials()].into_iter().flatten().collect()
}

fn row(name: &'static str, statement: fn(&Stage) -> Vec<u8>, code: Code, rejection: Rejection) -> Row {
    Row { name, statement, code, rejection }
}

fn bytes() -> Vec<Row> {
    vec![
        row("no COSE_Sign1", |_| vec![0xff; 100], InvalidArgument, Rejection::CoseMalformed),
        row(
            "malformed CBOR",
            |s| with_payload(s, |payload| payload.truncate(30)),
            InvalidArgument,
            Rejection::CborMalformed,
        ),
        row(
            "non-canonical CBOR: the array's length in two bytes",
            |s| with_payload(s, |payload| _ = payload.splice(0..1, [0x98, 6])),
            InvalidArgument,
            Rejection::CborNotCanonical,
        ),
        row(
            "unknown field: one more behind those of the body",
            |s| {
                with_payload(s, |payload| {
                    payload[BODY_AT] += 1;
                    payload.push(0xf6);
                })
            },
            InvalidArgument,
            Rejection::SchemaViolation,
        ),
        row(
            "oversize statement: one byte too many",
            |s| {
                let mut bytes = s.good();
                bytes.resize(256 * 1024 + 1, 0);
                bytes
            },
            InvalidArgument,
            Rejection::StatementTooLarge,
        ),
        row(
            "small-order key",
            |s| {
                let body = tao().onboards(&stranger(), &s.ledger_id);
                s.signed(&tao(), Onboard { key: small_order(), ..body })
            },
            InvalidArgument,
            Rejection::KeyInvalid,
        ),
    ]
}

fn signers() -> Vec<Row> {
    vec![
        row(
            "wrong ledger",
            |s| {
                let statement = s.statement(school().anchors([c(50)]));
                sign(&statement, school().did, &school().key, &LedgerId([7; 32]))
            },
            Unauthenticated,
            Rejection::SignatureInvalid,
        ),
        row(
            "bad key: one that the document does not list",
            |s| s.signed(&school().with_key("other"), school().anchors([c(50)])),
            PermissionDenied,
            Rejection::KeyUnknown,
        ),
        row(
            "bad key: another's signature under its name",
            |s| {
                let mut bytes = s.signed(&school(), school().anchors([c(50)]));
                *bytes.last_mut().expect("not empty") ^= 1;
                bytes
            },
            Unauthenticated,
            Rejection::SignatureInvalid,
        ),
        row(
            "bad key: an unknown organisation's",
            |s| s.signed(&stranger(), stranger().anchors([c(50)])),
            PermissionDenied,
            Rejection::SignerUnknown,
        ),
        row("expired", |s| shifted(s, &school(), -2), FailedPrecondition, Rejection::StatementExpired),
        row("future", |s| shifted(s, &school(), 3), FailedPrecondition, Rejection::StatementNotYet),
        row(
            "future, and signed with a bad key: who comes before when",
            |s| shifted(s, &school().with_key("other"), 3),
            PermissionDenied,
            Rejection::KeyUnknown,
        ),
    ]
}

fn accreditations() -> Vec<Row> {
    vec![
        row(
            "unaccredited issuer",
            |s| s.signed(&club(), club().anchors([c(50)])),
            PermissionDenied,
            Rejection::AccreditationMissing,
        ),
        row(
            "expired accreditation",
            |s| s.signed(&lapsed(), lapsed().anchors([c(50)])),
            PermissionDenied,
            Rejection::AccreditationExpired,
        ),
        row(
            "withdrawn accreditation",
            |s| s.signed(&dismissed(), dismissed().anchors([c(50)])),
            PermissionDenied,
            Rejection::AccreditationWithdrawn,
        ),
        row(
            "type out of scope",
            |s| {
                s.signed(&school(), Anchor { credential_type: "Diploma".into(), ..school().anchors([c(50)]) })
            },
            PermissionDenied,
            Rejection::AccreditationScope,
        ),
        row(
            "accreditation cycle",
            |s| {
                let body = s.accredits(&branch(), &tao(), Role::Tao);
                s.signed(&branch(), Accredit { id: branch().accreditation, ..body })
            },
            FailedPrecondition,
            Rejection::AccreditationCycle,
        ),
        row(
            "widened scope",
            |s| {
                let body = s.accredits(&branch(), &club(), Role::Ti);
                let scope = Scope { types: ["Diploma".to_owned()].into(), ..body.scope.clone() };
                s.signed(&branch(), Accredit { scope, ..body })
            },
            PermissionDenied,
            Rejection::ScopeWidened,
        ),
    ]
}

fn credentials() -> Vec<Row> {
    vec![
        row(
            "unknown commitment",
            |s| s.signed(&school(), school().sets(Revoked, [c(50)])),
            NotFound,
            Rejection::AnchorUnknown,
        ),
        row(
            "someone else's commitment, as one's own: answered like an unknown one",
            |s| s.signed(&school(), school().sets(Revoked, [c(3)])),
            NotFound,
            Rejection::AnchorUnknown,
        ),
        row(
            "someone else's commitment, as the other's",
            |s| s.signed(&school(), SetStatus { issuer: college().did, ..school().sets(Revoked, [c(3)]) }),
            PermissionDenied,
            Rejection::NotIssuer,
        ),
        row(
            "revoke twice",
            |s| s.signed(&school(), school().sets(Revoked, [c(1)])),
            FailedPrecondition,
            Rejection::AlreadyRevoked,
        ),
        row(
            "un-revoke",
            |s| s.signed(&school(), school().sets(Valid, [c(1)])),
            FailedPrecondition,
            Rejection::AlreadyRevoked,
        ),
        row(
            "un-revoke by way of a suspension",
            |s| s.signed(&school(), school().sets(Suspended, [c(1)])),
            FailedPrecondition,
            Rejection::AlreadyRevoked,
        ),
    ]
}

/// Where the body of a payload begins: behind `86 01 1b<8> 1b<8> 50<16> kind`.
const BODY_AT: usize = 38;

/// A statement whose payload was changed; its signature, which comes after the form, is that of the good one.
fn with_payload(stage: &Stage, change: fn(&mut Vec<u8>)) -> Vec<u8> {
    let statement = stage.statement(school().reserves(1));
    let bytes = stage.sign(&school(), &statement);
    let mut payload = encode(&statement);
    // The payload is a byte string with a head of two bytes, and so is the signature behind it.
    let (before, signature) = (bytes.len() - 66 - payload.len() - 2, &bytes[bytes.len() - 66..]);
    change(&mut payload);
    let head = [0x58, u8::try_from(payload.len()).expect("a short statement")];
    [&bytes[..before], &head, &payload, signature].concat()
}

/// An anchor by `signer` for a time so many hours from now.
fn shifted(stage: &Stage, signer: &Actor, hours: i64) -> Vec<u8> {
    let mut statement = stage.statement(signer.anchors([c(50)]));
    for time in [&mut statement.not_before, &mut statement.not_after] {
        *time = TimeMs(time.0.saturating_add_signed(hours * HOUR_MS as i64));
    }
    stage.sign(signer, &statement)
}

/// A point of order 8.
fn small_order() -> KeyBytes {
    let key = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a";
    key.parse().expect("hexadecimal")
}
