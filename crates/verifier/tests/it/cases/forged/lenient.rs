//! Cosignatures that lenient implementations of Ed25519 take and strict ones refuse (RULES 8.2): one answer for every verifier.

use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::{EdwardsPoint, Scalar};
use kvitto_ledger::genesis::KeyRole;
use kvitto_merkle::Note;
use kvitto_merkle::note::{Cosignature, cosignature_message};
use sha2::{Digest, Sha512};

use super::Forger;
use crate::cases::Case;
use crate::history::{Signers, cosignature_line, sign};
use crate::ledger::member_key;
use crate::scenario::{LAST, Scenario, block_s, signers};

/// The order of the base point, little-endian: 2^252 + 27742317777372353535851937790883648493.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// The neutral point, of order 1: as a key it "verifies" the signature of itself and the scalar 0 over every text.
pub(crate) const NEUTRAL: [u8; 32] = {
    let mut point = [0; 32];
    point[0] = 1;
    point
};

pub(super) fn signatures(s: &Scenario) -> Vec<Case> {
    let mut f = Forger::new(s, "clear", "8.2");
    let text = s.history.checkpoint(LAST).to_string();
    let time_s = block_s(LAST) + 12;
    let message = cosignature_message(time_s, &text);
    let mut with = |name, about, signature| {
        f.change(name, about, "BAD_COSIGNATURE", |receipt| {
            receipt.anchored.tlog_proof.checkpoint =
                note(&text, Cosignature { timestamp_s: time_s, signature });
        });
    };
    let honest = member_key(2, KeyRole::Cosignature).sign(&message).0;
    with("scalar-plus-order", "a cosignature with the order added to its scalar", plus_order(honest));
    let point = small_order_signature(&message);
    with("small-order-point", "a cosignature whose point is of small order", point);
    f.cases
}

/// Two members' honest lines, and a third one's with this cosignature.
fn note(text: &str, third: Cosignature) -> Note {
    let mut note = sign(text, &Signers { logs: vec![0], cosigners: signers(LAST, &[0, 1]) });
    note.push(cosignature_line(2, third)).expect("room");
    note
}

/// The same signature with another, not canonical, spelling of its scalar.
fn plus_order(mut signature: [u8; 64]) -> [u8; 64] {
    let mut carry = 0;
    for (digit, more) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*digit) + u16::from(more) + carry;
        (*digit, carry) = (sum as u8, sum >> 8);
    }
    assert_eq!(carry, 0);
    signature
}

/// Member 2's signature with the neutral point in place of a random one: `S B = R + k A` holds for it.
fn small_order_signature(message: &[u8]) -> [u8; 64] {
    let key = member_key(2, KeyRole::Cosignature);
    let mut secret: [u8; 32] = Sha512::digest(*key.seed())[..32].try_into().expect("32 bytes");
    secret[0] &= 0xf8;
    secret[31] = secret[31] & 0x7f | 0x40;
    let k = Sha512::new()
        .chain_update(NEUTRAL)
        .chain_update(key.public().bytes().0)
        .chain_update(message)
        .finalize();
    let k = Scalar::from_bytes_mod_order_wide(&k.into());
    let scalar = k * Scalar::from_bytes_mod_order(secret);
    let public = CompressedEdwardsY(key.public().bytes().0).decompress().expect("a point");
    assert_eq!(EdwardsPoint::mul_base(&scalar), k * public, "a lenient verifier takes it");
    [NEUTRAL, scalar.to_bytes()].concat().try_into().expect("64 bytes")
}
