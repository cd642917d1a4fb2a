//! The envelope in every form but the right one (RULES 5.1), each with its exact rejection.

use kvitto_ledger::Rejection;
use kvitto_ledger::Rejection::{Algorithm, CoseMalformed, CoseNotCanonical, KidSyntax};

use crate::{Parts, byte_string, decode, head, school};

#[track_caller]
fn check(name: &str, expected: Rejection, change: impl FnOnce(&mut Parts, &[u8], &[u8])) {
    let (mut parts, header, payload) = Parts::good();
    change(&mut parts, &header, &payload);
    assert_eq!(decode(&parts.bytes()), Err(expected), "{name}");
}

#[test]
fn a_statement_is_a_tagged_array_of_four() {
    assert_eq!(decode(&Parts::good().0.bytes()), Ok(()));
    check("untagged", CoseMalformed, |parts, _, _| parts.head = vec![0x84]);
    check("COSE_Mac0's tag", CoseMalformed, |parts, _, _| parts.head = vec![0xd1, 0x84]);
    check("COSE_Sign's tag", CoseMalformed, |parts, _, _| parts.head = vec![0xd8, 98, 0x84]);
    check("tag 18 in two bytes", CoseMalformed, |parts, _, _| parts.head = vec![0xd8, 18, 0x84]);
    check("self-described CBOR", CoseMalformed, |parts, _, _| {
        parts.head = vec![0xd9, 0xd9, 0xf7, 0xd2, 0x84]
    });
    check("tagged twice", CoseNotCanonical, |parts, _, _| parts.head = vec![0xd2, 0xd2, 0x84]);
    check("array of three", CoseMalformed, |parts, _, _| parts.head = vec![0xd2, 0x83]);
    check("array of five", CoseMalformed, |parts, _, _| {
        parts.head = vec![0xd2, 0x85];
        parts.signature.push(0xf6);
    });
    check("array with a long head", CoseNotCanonical, |parts, _, _| parts.head = vec![0xd2, 0x98, 4]);
    check("array of unknown length", CoseNotCanonical, |parts, _, _| {
        parts.head = vec![0xd2, 0x9f];
        parts.signature.push(0xff);
    });
    check("a byte too many", CoseMalformed, |parts, _, _| parts.signature.push(0));
    let bytes = Parts::good().0.bytes();
    for len in 0..bytes.len() {
        assert_eq!(decode(&bytes[..len]), Err(CoseMalformed), "{len} bytes of it");
    }
}

#[test]
fn the_protected_header_is_alg_and_kid_in_that_order() {
    let kid = || byte_string(school().key_id().to_string().as_bytes());
    let with = |prefix: &[u8], kid: Vec<u8>, suffix: &[u8]| byte_string(&[prefix, &kid, suffix].concat());
    let table: [(&str, Vec<u8>, Rejection); 24] = [
        ("no bytes", byte_string(&[]), Algorithm),
        ("an empty map", byte_string(&[0xa0]), Algorithm),
        ("an array", byte_string(&[0x80]), CoseMalformed),
        ("an empty array, read as no bytes", vec![0x80], Algorithm),
        ("a map instead of a byte string", vec![0xa0], CoseMalformed),
        ("null", vec![0xf6], CoseMalformed),
        ("no alg", with(&[0xa1, 0x04], kid(), &[]), Algorithm),
        ("ES256", with(&[0xa2, 0x01, 0x26, 0x04], kid(), &[]), Algorithm),
        ("Ed25519 (-19)", with(&[0xa2, 0x01, 0x32, 0x04], kid(), &[]), Algorithm),
        ("alg as a text", with(b"\xa2\x01\x65EdDSA\x04", kid(), &[]), Algorithm),
        (
            "the greatest alg",
            with(&[0xa2, 1, 0x1b, 255, 255, 255, 255, 255, 255, 255, 255, 4], kid(), &[]),
            Algorithm,
        ),
        ("alg 7 as negative bignum", with(&[0xa2, 0x01, 0xc3, 0x41, 0x07, 0x04], kid(), &[]), CoseMalformed),
        ("alg in two bytes", with(&[0xa2, 0x01, 0x38, 0x07, 0x04], kid(), &[]), CoseNotCanonical),
        ("alg twice", with(&[0xa3, 0x01, 0x27, 0x01, 0x27, 0x04], kid(), &[]), CoseNotCanonical),
        ("kid first", with(&[0xa2, 0x04], kid(), &[0x01, 0x27]), CoseNotCanonical),
        ("content type too", with(&[0xa3, 0x01, 0x27, 0x03, 0x00, 0x04], kid(), &[]), CoseNotCanonical),
        ("x5chain too", with(&[0xa3, 0x01, 0x27, 0x04], kid(), &[0x18, 33, 0x40]), CoseNotCanonical),
        ("a text label too", with(&[0xa3, 0x01, 0x27, 0x04], kid(), &[0x61, b'a', 0x00]), CoseNotCanonical),
        ("a map of unknown length", with(&[0xbf, 0x01, 0x27, 0x04], kid(), &[0xff]), CoseNotCanonical),
        ("a byte behind the map", with(&[0xa2, 0x01, 0x27, 0x04], kid(), &[0x00]), CoseMalformed),
        ("no kid", byte_string(&[0xa1, 0x01, 0x27]), KidSyntax),
        ("an empty kid", byte_string(&[0xa2, 0x01, 0x27, 0x04, 0x40]), KidSyntax),
        ("a kid that is not UTF-8", byte_string(&[0xa2, 0x01, 0x27, 0x04, 0x42, 0xc3, 0x28]), KidSyntax),
        ("a kid that is an integer", byte_string(&[0xa2, 0x01, 0x27, 0x04, 0x01]), CoseMalformed),
    ];
    for (name, protected, expected) in table {
        check(name, expected, |parts, _, _| parts.protected = protected);
    }
    check("a kid as a text", CoseNotCanonical, |parts, header, _| {
        let mut header = header.to_vec();
        header[4] = 0x78;
        parts.protected = byte_string(&header);
    });
    check("a long head", CoseNotCanonical, |parts, header, _| {
        parts.protected = [&[0x59, 0, header.len() as u8][..], header].concat();
    });
    check("in two pieces", CoseNotCanonical, |parts, header, _| {
        let (a, b) = header.split_at(10);
        parts.protected = [&[0x5f][..], &byte_string(a), &byte_string(b), &[0xff]].concat();
    });
}

#[test]
fn a_kid_has_one_spelling() {
    let kid = school().key_id().to_string();
    let (did, fragment) = kid.split_once('#').expect("did#thumbprint");
    let twins = [
        did.to_owned(),
        format!("{did}#"),
        format!("#{fragment}"),
        format!("{did}#{fragment}="),
        format!("{did}#{fragment}#"),
        format!("{did}?#{fragment}"),
        format!("{did}/#{fragment}"),
        format!(" {kid}"),
        format!("{kid} "),
        format!("{did}\u{200b}#{fragment}"),
        kid.replacen("did:ebsi", "did:EBSI", 1),
        kid.replacen("did:ebsi", "DID:ebsi", 1),
        kid.replacen("did:ebsi", "d\u{456}d:ebsi", 1),
        kid.replacen("did:ebsi", "did:ebs%69", 1),
        kid.replacen("did:ebsi", "did:key", 1),
        kid.replacen(":z", ":z1", 1),
        format!("{did}{}#{fragment}", "1".repeat(2049)),
        format!("{did}#{}", "A".repeat(44)),
    ];
    for twin in twins {
        check(&twin, KidSyntax, |parts, _, _| {
            parts.protected =
                byte_string(&[&[0xa2, 0x01, 0x27, 0x04][..], &byte_string(twin.as_bytes())].concat());
        });
    }
}

#[test]
fn nothing_stands_in_the_unprotected_header() {
    let kid = byte_string(school().key_id().to_string().as_bytes());
    let table: [(&str, Vec<u8>, Rejection); 6] = [
        ("kid", [&[0xa1, 0x04][..], &kid].concat(), CoseNotCanonical),
        ("a counter-signature", vec![0xa1, 0x07, 0x83, 0x40, 0xa0, 0x40], CoseNotCanonical),
        ("an empty map of unknown length", vec![0xbf, 0xff], CoseNotCanonical),
        ("an empty map with a long head", vec![0xb8, 0x00], CoseNotCanonical),
        ("null", vec![0xf6], CoseMalformed),
        ("an array", vec![0x80], CoseMalformed),
    ];
    for (name, unprotected, expected) in table {
        check(name, expected, |parts, _, _| parts.unprotected = unprotected);
    }
}

#[test]
fn payload_and_signature_are_byte_strings_inside() {
    check("detached", CoseMalformed, |parts, _, _| parts.payload = vec![0xf6]);
    check("undefined", CoseMalformed, |parts, _, _| parts.payload = vec![0xf7]);
    check("not wrapped", CoseNotCanonical, |parts, _, payload| {
        parts.payload = [&[0x98, payload.len() as u8][..], &integers(payload)].concat();
    });
    check("a long head", CoseNotCanonical, |parts, _, payload| {
        parts.payload = [&[0x5a, 0, 0, 0, payload.len() as u8][..], payload].concat();
    });
    check("in pieces", CoseNotCanonical, |parts, _, payload| {
        parts.payload = [&[0x5f][..], &byte_string(payload), &[0xff]].concat();
    });
    check("tagged as encoded CBOR", CoseNotCanonical, |parts, _, payload| {
        parts.payload = [&[0xd8, 24][..], &byte_string(payload)].concat();
    });
    for len in [0, 63, 65] {
        check("signature length", CoseMalformed, |parts, _, _| parts.signature = byte_string(&vec![1; len]));
    }
    check("a signature with a long head", CoseNotCanonical, |parts, _, _| {
        parts.signature.splice(0..2, [0x59, 0, 64]);
    });
    check("a signature as a text", CoseNotCanonical, |parts, _, _| {
        parts.signature = [head(3, 64), vec![b'a'; 64]].concat();
    });
}

fn integers(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|&byte| head(0, byte.into())).collect()
}
