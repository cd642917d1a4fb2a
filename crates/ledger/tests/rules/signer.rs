//! Who signed and when (codes 200 to 302).

use kvitto_ledger::document::Relationships;
use kvitto_ledger::testing::{Actor, DAY_MS, Ledger, commitment};
use kvitto_ledger::{LedgerId, PublicKey, Rejection, Signature, TimeMs};
use kvitto_merkle::status::StatusValue::Revoked;

use crate::{Case, Verdict, case, check, school, stranger, tao};

/// COSE_Sign1 around any payload, written by hand: a second opinion on the layout.
pub(crate) fn sign_bytes(signer: &Actor, payload: &[u8], ledger: &LedgerId) -> Vec<u8> {
    let kid = signer.key_id().to_string();
    let mut protected = vec![0xa2, 0x01, 0x27, 0x04];
    head(&mut protected, 0x40, kid.len());
    protected.extend(kid.as_bytes());
    let mut to_be_signed = vec![0x84, 0x6a];
    to_be_signed.extend(b"Signature1");
    for part in [&protected[..], &[b"kvitto/statement/v1", &ledger.0[..]].concat(), payload] {
        head(&mut to_be_signed, 0x40, part.len());
        to_be_signed.extend(part);
    }
    let Signature(signature) = signer.key.sign(&to_be_signed);
    let mut bytes = vec![0xd2, 0x84];
    head(&mut bytes, 0x40, protected.len());
    bytes.extend(protected);
    bytes.push(0xa0);
    head(&mut bytes, 0x40, payload.len());
    bytes.extend(payload);
    head(&mut bytes, 0x40, 64);
    bytes.extend(signature);
    bytes
}

/// The head of a CBOR item: major type and length (RFC 8949, 3).
fn head(bytes: &mut Vec<u8>, major: u8, len: usize) {
    match len {
        0..24 => bytes.push(major | len as u8),
        24..256 => bytes.extend([major | 24, len as u8]),
        256..65_536 => bytes.extend([major | 25, (len >> 8) as u8, len as u8]),
        _ => bytes.extend([major | 26, (len >> 24) as u8, (len >> 16) as u8, (len >> 8) as u8, len as u8]),
    }
}

fn window(ledger: &mut Ledger, not_before: u64, not_after: u64) -> Verdict {
    let mut statement = ledger.statement(school().reserves(1));
    (statement.not_before, statement.not_after) = (TimeMs(not_before), TimeMs(not_after));
    ledger.submit(&ledger.signed(&school(), &statement))
}

/// Gives the school's key these relationships, beside another key that has them all.
fn relate(ledger: &mut Ledger, relationships: Relationships) {
    let mut method = school().method();
    method.relationships = relationships;
    ledger
        .act(&school(), school().puts([method, school().with_key("spare").method()]))
        .expect("a good document");
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(
            "the signer is a registered organisation",
            |l| l.act(&stranger(), stranger().reserves(1)),
            Err(Rejection::SignerUnknown),
        ),
        case(
            "D4.2: DeactivateIdentifier stops new statements",
            |l| {
                l.act(&school(), school().deactivates(&school()))?;
                l.act(&school(), school().reserves(1))
            },
            Err(Rejection::SignerDeactivated),
        ),
        case(
            "deactivated comes before key",
            |l| {
                l.act(&school(), school().deactivates(&school()))?;
                l.act(&school().with_key("other"), school().reserves(1))
            },
            Err(Rejection::SignerDeactivated),
        ),
        case(
            "the signer's DID document lists the key",
            |l| l.act(&school().with_key("other"), school().reserves(1)),
            Err(Rejection::KeyUnknown),
        ),
        case(
            "5.2: a key rotated away executes nothing",
            |l| {
                let statement = l.sign(&school(), school().reserves(1));
                l.act(&school(), school().puts([school().with_key("new").method()]))?;
                l.run(statement)
            },
            Err(Rejection::KeyUnknown),
        ),
        case(
            "5.2: the new key does",
            |l| {
                l.act(&school(), school().puts([school().with_key("new").method()]))?;
                l.act(&school().with_key("new"), school().reserves(1))
            },
            Ok(()),
        ),
        case(
            "D4.2: key in assertionMethod for Anchor",
            |l| {
                relate(l, Relationships::CAPABILITY_INVOCATION);
                l.act(&school(), school().anchors([commitment(1)]))
            },
            Err(Rejection::KeyRelationship),
        ),
        case(
            "D4.2: key in assertionMethod (also for Reserve)",
            |l| {
                relate(l, Relationships::CAPABILITY_INVOCATION);
                l.act(&school(), school().reserves(1))
            },
            Err(Rejection::KeyRelationship),
        ),
        case(
            "D4.2: key in assertionMethod (also for SetStatus)",
            |l| {
                relate(l, Relationships::CAPABILITY_INVOCATION);
                l.act(&school(), school().sets(Revoked, [commitment(1)]))
            },
            Err(Rejection::KeyRelationship),
        ),
        case(
            "D4.2: everything else capabilityInvocation",
            |l| {
                relate(l, Relationships::ASSERTION_METHOD);
                l.act(&school(), school().puts([school().method()]))
            },
            Err(Rejection::KeyRelationship),
        ),
        case(
            "D4.2: assertionMethod is enough to anchor",
            |l| {
                relate(l, Relationships::ASSERTION_METHOD);
                l.act(&school(), school().anchors([commitment(1)]))
            },
            Ok(()),
        ),
        case(
            "key comes before time",
            |l| {
                let now = l.clock.0;
                let mut statement = l.statement(school().reserves(1));
                statement.not_before = TimeMs(now + 1);
                l.submit(&l.signed(&school().with_key("other"), &statement))
            },
            Err(Rejection::KeyUnknown),
        ),
        case(
            "5.1: the signature is the named key's, over these bytes",
            |l| {
                let statement = l.statement(school().reserves(1));
                let mut bytes = l.signed(&school(), &statement);
                *bytes.last_mut().expect("not empty") ^= 1;
                l.submit(&bytes)
            },
            Err(Rejection::SignatureInvalid),
        ),
        case(
            "D4.2: external AAD = kvitto/statement/v1 || ledger_id (another ledger's)",
            |l| {
                let statement = l.statement(school().reserves(1));
                let bytes = kvitto_ledger::statement::envelope::sign(
                    &statement,
                    school().did,
                    &school().key,
                    &LedgerId([1; 32]),
                );
                l.submit(&bytes)
            },
            Err(Rejection::SignatureInvalid),
        ),
        case(
            "signature comes before time",
            |l| {
                let mut statement = l.statement(school().reserves(1));
                statement.not_before.0 += 1;
                let bytes = kvitto_ledger::statement::envelope::sign(
                    &statement,
                    school().did,
                    &school().key,
                    &LedgerId([1; 32]),
                );
                l.submit(&bytes)
            },
            Err(Rejection::SignatureInvalid),
        ),
        case("not_before = block time", |l| window(l, l.clock.0, l.clock.0 + 1), Ok(())),
        case(
            "not_before is not later than the block's time",
            |l| window(l, l.clock.0 + 1, l.clock.0 + 2),
            Err(Rejection::StatementNotYet),
        ),
        case("not_after = block time", |l| window(l, l.clock.0 - DAY_MS, l.clock.0), Ok(())),
        case(
            "the block's time is not later than not_after",
            |l| window(l, l.clock.0 - DAY_MS, l.clock.0 - 1),
            Err(Rejection::StatementExpired),
        ),
        case(
            "D4.2: The ledger executes an id once, for ever",
            |l| {
                let statement = l.sign(&school(), school().reserves(1));
                l.run(statement.clone())?;
                l.run(statement)
            },
            Err(Rejection::StatementExecuted),
        ),
        case(
            "expired comes before executed",
            |l| {
                let statement = l.sign(&school(), school().reserves(1));
                l.run(statement.clone())?;
                l.clock.0 += DAY_MS;
                l.run(statement)
            },
            Err(Rejection::StatementExpired),
        ),
        case(
            "executed comes before accreditation",
            |l| {
                let statement = l.sign(&school(), school().reserves(1));
                l.run(statement.clone())?;
                l.act(&tao(), tao().sets_accreditation(&school(), Revoked))?;
                l.run(statement)
            },
            Err(Rejection::StatementExecuted),
        ),
        case(
            "time comes before accreditation",
            |l| {
                let mut statement = l.statement(stranger().reserves(1));
                statement.not_before.0 += 1;
                l.submit(&l.signed(&school(), &statement))
            },
            Err(Rejection::StatementNotYet),
        ),
    ]
}

#[test]
fn signer_and_time_are_judged_as_the_table_says() {
    check(cases());
}

/// RULES 5.1: exactly `18([<<{1: -8, 4: kid}>>, {}, payload, signature])`.
#[test]
fn the_library_writes_what_the_specification_says() {
    let mut ledger = crate::stage();
    let statement = ledger.statement(school().reserves(1));
    let by_hand = sign_bytes(&school(), &kvitto_ledger::codec::encode(&statement), &ledger.world.ledger_id);
    assert_eq!(ledger.signed(&school(), &statement), by_hand);
}

/// A key that is checked with must be the one that `kid` names.
#[test]
fn another_key_cannot_vouch() {
    let mut ledger = crate::stage();
    let statement = ledger.statement(school().reserves(1));
    let bytes = ledger.signed(&school(), &statement);
    let envelope = kvitto_ledger::Envelope::decode(bytes, &ledger.world.ledger_id).expect("of good form");
    let other: PublicKey = tao().key.public();
    assert_eq!(envelope.verify(&other).map(|_| ()), Err(Rejection::KeyUnknown));
}
