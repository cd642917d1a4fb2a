//! Statements, their payloads, records, headers and bodies.

use std::sync::LazyLock;

use kvitto_ledger::block::{BlockBody, Header};
use kvitto_ledger::codec::{decode_strict, encode};
use kvitto_ledger::genesis::Genesis;
use kvitto_ledger::statement::STATEMENT_BYTES_MAX;
use kvitto_ledger::statement::envelope::sign;
use kvitto_ledger::testing::{Actor, World};
use kvitto_ledger::{Envelope, LedgerId, Record, Statement};

use super::assert_same;

static LEDGER_ID: LazyLock<LedgerId> = LazyLock::new(|| World::new(1).ledger_id);

/// The bytes of a statement. One that is taken has one spelling: signed again by whoever it names, only the signature differs.
pub fn statement(bytes: &[u8]) {
    let Ok(envelope) = Envelope::decode(bytes, &LEDGER_ID) else { return };
    let payload = encode(envelope.statement());
    assert_eq!(decode_strict::<Statement>(&payload, STATEMENT_BYTES_MAX).as_ref(), Ok(envelope.statement()));
    let (unsigned, _) = bytes.split_at(bytes.len() - 64);
    assert!(unsigned.windows(payload.len()).any(|part| part == payload), "the payload stands in the bytes");
    let again = Envelope::decode(bytes, &LEDGER_ID).expect("it was taken before");
    assert_eq!((again.id(), again.key_id()), (envelope.id(), envelope.key_id()));
    let mut other_signature = bytes.to_vec();
    *other_signature.last_mut().expect("not empty") ^= 1;
    let other =
        Envelope::decode(other_signature, &LEDGER_ID).expect("the form does not depend on the signature");
    assert_eq!(other.id(), envelope.id(), "nor does the id");
}

/// The payload of a statement, inside an envelope of the only form.
pub fn payload(bytes: &[u8]) {
    static SCHOOL: LazyLock<Actor> = LazyLock::new(|| Actor::new("school"));
    // The longest head that a payload of at most 256 KiB has.
    let head = |bytes: &[u8]| match bytes.len() {
        len @ 0..24 => vec![0x40 | len as u8],
        len @ 24..256 => vec![0x58, len as u8],
        len @ 256..65_536 => [&[0x59][..], &(len as u16).to_be_bytes()].concat(),
        len => [&[0x5a][..], &(len as u32).to_be_bytes()].concat(),
    };
    let kid = SCHOOL.key_id().to_string();
    let protected = [&[0xa2, 0x01, 0x27, 0x04][..], &head(kid.as_bytes()), kid.as_bytes()].concat();
    let parts = [
        &[0xd2, 0x84][..],
        &head(&protected),
        &protected,
        &[0xa0],
        &head(bytes),
        bytes,
        &[0x58, 64],
        &[7; 64],
    ];
    let Ok(envelope) = Envelope::decode(parts.concat(), &LEDGER_ID) else { return };
    assert_same("payload", bytes, Some(encode(envelope.statement())));
    let signed = sign(envelope.statement(), SCHOOL.did, &SCHOOL.key, &LEDGER_ID);
    let again = Envelope::decode(signed, &LEDGER_ID).expect("it was taken before");
    assert_eq!(again.id(), envelope.id());
    again.verify(&SCHOOL.key.public()).expect("its own signature");
}

/// Leaves of the log, headers, bodies and the genesis: one spelling each.
pub fn record(bytes: &[u8]) {
    assert_same("record", bytes, Record::decode(bytes).ok().map(|record| record.encode()));
    assert_same("header", bytes, Header::decode(bytes).ok().map(|header| header.encode()));
    if let Ok(body) = BlockBody::decode(bytes) {
        let _ = body.root();
        assert_same("body", bytes, Some(body.encode()));
    }
    if let Ok(genesis) = decode_strict::<Genesis>(bytes, kvitto_ledger::genesis::GENESIS_BYTES_MAX) {
        let _ = genesis.check();
        assert_same("genesis", bytes, Some(encode(&genesis)));
    }
}
