//! Ed25519: one verdict for every signature, wherever it is looked at.

use kvitto_ledger::execute::signer_key;
use kvitto_ledger::ids::KeyBytes;
use kvitto_ledger::testing::Ledger;
use kvitto_ledger::{Envelope, PublicKey, Rejection, Signature};

use crate::{ledger, school};

/// The twelve cases of "Taming the many EdDSAs" (ia.cr/2020/1244, table 6; ed25519-speccheck): message, key, signature, and
/// whether it verifies by the strict rules.
const SPECCHECK: [(&str, &str, &str, bool); 12] = [
    (
        "8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a0000000000000000000000000000000000000000000000000000000000000000",
        false,
    ),
    (
        "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
        false,
    ),
    (
        "aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa8c4bd45aecaca5b24fb97bc10ac27ac8751a7dfe1baff8b953ec9f5833ca260e",
        false,
    ),
    (
        "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "9046a64750444938de19f227bb80485e92b83fdb4b6506c160484c016cc1852f87909e14428a7a1d62e9f22f3d3ad7802db02eb2e688b6c52fcd6648a98bd009",
        true,
    ),
    (
        "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed5125ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09",
        false,
    ),
    (
        "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "21122a84e0b5fca4052f5b1235c80a537878b38f3142356b2c2384ebad4668b7e40bc836dac0f71076f9abe3a53f9c03c1ceeeddb658d0030494ace586687405",
        false,
    ),
    (
        "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
        "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
        "e96f66be976d82e60150baecff9906684aebb1ef181f67a7189ac78ea23b6c0e547f7690a0e2ddcd04d87dbc3490dc19b3b3052f7ff0538cb68afb369ba3a514",
        false,
    ),
    (
        "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
        "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
        "8ce5b96c8f26d0ab6c47958c9e68b937104cd36e13c33566acd2fe8d38aa19427e71f98a473474f2f13f06f97c20d58cc3f54b8bd0d272f42b695dd7e89a8c22",
        false,
    ),
    (
        "9bedc267423725d473888631ebf45988bad3db83851ee85c85e241a07d148b41",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff03be9678ac102edcd92b0210bb34d7428d12ffc5df5f37e359941266a4e35f0f",
        false,
    ),
    (
        "9bedc267423725d473888631ebf45988bad3db83851ee85c85e241a07d148b41",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffca8c5b64cd208982aa38d4936621a4775aa233aa0505711d8fdcfdaa943d4908",
        false,
    ),
    (
        "e96b7021eb39c1a163b6da4e3093dcd3f21387da4cc4572be588fafae23c155b",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "a9d55260f765261eb9b84e106f665e00b867287a761990d7135963ee0a7d59dca5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
        false,
    ),
    (
        "39a591f5321bbe07fd5a23dc2f39d025d74526615746727ceefd6e82ae65c06f",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "a9d55260f765261eb9b84e106f665e00b867287a761990d7135963ee0a7d59dca5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
        false,
    ),
];

#[test]
fn the_speccheck_cases_have_the_strict_verdict() {
    for (number, (message, key, signature, expected)) in SPECCHECK.into_iter().enumerate() {
        let message = hex::decode(message).expect("hexadecimal");
        let key: KeyBytes = key.parse().expect("hexadecimal");
        let signature: Signature = signature.parse().expect("hexadecimal");
        let verdict = PublicKey::new(&key).is_ok_and(|key| key.verifies(&message, &signature));
        assert_eq!(verdict, expected, "case {number}");
    }
}

/// The eight points of small order, and the non-canonical spellings of them.
const SMALL_ORDER: [&str; 14] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

#[test]
fn no_key_of_small_order_is_registered() {
    for key in SMALL_ORDER {
        let key: KeyBytes = key.parse().expect("hexadecimal");
        let mut ledger = ledger();
        let mut method = school().method();
        method.key = key.0.to_vec().into();
        let document = school().puts([school().method(), method]);
        assert_eq!(ledger.act(&school(), document), Err(Rejection::KeyInvalid), "{key}");
    }
}

/// The order of the base point, little-endian.
const L: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

/// S + L: the same point, so a lenient check accepts it as a second signature.
fn malleated(signature: &mut [u8]) {
    let order = hex::decode(L).expect("hexadecimal");
    let mut carry = 0;
    for (byte, add) in signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    assert_eq!(carry, 0);
}

/// What admission and a voter do with the bytes of a statement; both have only this way to a checked one.
fn verdict(ledger: &Ledger, bytes: &[u8]) -> Result<(), Rejection> {
    let envelope = Envelope::decode(bytes, &ledger.world.ledger_id)?;
    let kind = envelope.statement().body.kind();
    let key = signer_key(&ledger.state, &envelope.key_id(), kind).expect("memory is readable")?;
    envelope.verify(&key).map(|_| ())
}

#[test]
fn a_tampered_signature_is_refused_wherever_it_is_looked_at() {
    let mut ledger = ledger();
    let statement = ledger.statement(school().reserves(1));
    let good = ledger.signed(&school(), &statement);
    assert_eq!(verdict(&ledger, &good), Ok(()));
    let signature_at = good.len() - 64;
    type Tamper = fn(&mut [u8]);
    let table: [(&str, Tamper); 7] = [
        ("S + L", malleated),
        ("S = 0", |signature| signature[32..].fill(0)),
        ("S of all ones", |signature| signature[32..].fill(0xff)),
        ("R of small order", |signature| {
            signature[..32].fill(0);
            signature[0] = 1;
        }),
        ("R that is no point", |signature| signature[..32].fill(2)),
        ("R not canonical", |signature| {
            signature[..32].fill(0xff);
            (signature[0], signature[31]) = (0xee, 0x7f);
        }),
        ("all zero", |signature| signature.fill(0)),
    ];
    for (name, tamper) in table {
        let mut bytes = good.clone();
        tamper(&mut bytes[signature_at..]);
        assert_eq!(verdict(&ledger, &bytes), Err(Rejection::SignatureInvalid), "{name}");
        assert_eq!(ledger.submit(&bytes), Err(Rejection::SignatureInvalid), "{name}");
    }
    for bit in 0..512 {
        let mut bytes = good.clone();
        bytes[signature_at + bit / 8] ^= 1 << (bit % 8);
        assert_eq!(verdict(&ledger, &bytes), Err(Rejection::SignatureInvalid), "bit {bit}");
    }
}
