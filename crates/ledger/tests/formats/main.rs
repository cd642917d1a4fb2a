//! Formats: frozen by vectors, read in one form only, and harmless whatever the bytes are.

mod arbitrary;
mod bombs;
mod ed25519;
mod envelope;
mod payload;
mod shared_cbor;
mod vectors;

use kvitto_ledger::codec::encode;
use kvitto_ledger::scope::Role;
use kvitto_ledger::statement::Body;
use kvitto_ledger::testing::{Actor, Ledger, commitment};
use kvitto_ledger::{Envelope, LedgerId, Rejection, Signature};
use kvitto_merkle::status::StatusValue;
use std::sync::LazyLock;

fn ledger() -> Ledger {
    Ledger::with_school(1)
}

fn school() -> Actor {
    Actor::new("school")
}

/// A body of each kind, with who signs it.
fn bodies(ledger: &Ledger) -> Vec<(&'static str, Actor, Body)> {
    let (tao, school, new) = (Actor::new("tao"), school(), Actor::new("new"));
    vec![
        ("Onboard", tao.clone(), tao.onboards(&new, &ledger.world.ledger_id).into()),
        (
            "PutIdentifier",
            school.clone(),
            school.puts([school.method(), school.with_key("spare").method()]).into(),
        ),
        ("DeactivateIdentifier", tao.clone(), tao.deactivates(&school).into()),
        ("Accredit", tao.clone(), tao.accredits(&new, Role::Ti).into()),
        ("SetAccreditationStatus", tao.clone(), tao.sets_accreditation(&school, StatusValue::Revoked).into()),
        ("Reserve", school.clone(), school.reserves(10).into()),
        ("Anchor", school.clone(), school.anchors([commitment(1), commitment(2)]).into()),
        ("SetStatus", school.clone(), school.supersedes(commitment(1), commitment(2)).into()),
    ]
}

static LEDGER_ID: LazyLock<LedgerId> = LazyLock::new(|| ledger().world.ledger_id);

fn decode(bytes: &[u8]) -> Result<(), Rejection> {
    Envelope::decode(bytes, &LEDGER_ID).map(|_| ())
}

/// The head of a CBOR item: major type and length, in the shortest form (RFC 8949, 3).
fn head(major: u8, len: usize) -> Vec<u8> {
    let major = major << 5;
    match len {
        0..24 => vec![major | len as u8],
        24..256 => vec![major | 24, len as u8],
        256..65_536 => [&[major | 25][..], &(len as u16).to_be_bytes()].concat(),
        _ => [&[major | 26][..], &(len as u32).to_be_bytes()].concat(),
    }
}

fn byte_string(bytes: &[u8]) -> Vec<u8> {
    [&head(2, bytes.len())[..], bytes].concat()
}

/// The protected header of what `signer` signs, before it becomes a byte string.
fn protected_header(signer: &Actor) -> Vec<u8> {
    let kid = signer.key_id().to_string();
    [&[0xa2, 0x01, 0x27, 0x04][..], &byte_string(kid.as_bytes())].concat()
}

/// The encoded parts of a COSE_Sign1, each to be replaced.
struct Parts {
    head: Vec<u8>,
    protected: Vec<u8>,
    unprotected: Vec<u8>,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl Parts {
    /// Those of a good statement; and its protected header and payload before they became byte strings.
    fn good() -> (Self, Vec<u8>, Vec<u8>) {
        static LEDGER: LazyLock<Ledger> = LazyLock::new(ledger);
        let mut ledger = LEDGER.clone();
        let statement = ledger.statement(school().reserves(1));
        let header = protected_header(&school());
        let payload = encode(&statement);
        let bytes = ledger.signed(&school(), &statement);
        let Some(&signature) = bytes.last_chunk::<64>() else { unreachable!() };
        let parts = Self {
            head: vec![0xd2, 0x84],
            protected: byte_string(&header),
            unprotected: vec![0xa0],
            payload: byte_string(&payload),
            signature: byte_string(&Signature(signature).0),
        };
        assert_eq!(parts.bytes(), bytes);
        (parts, header, payload)
    }

    fn bytes(&self) -> Vec<u8> {
        [&self.head, &self.protected, &self.unprotected, &self.payload, &self.signature]
            .into_iter()
            .flatten()
            .copied()
            .collect()
    }
}
