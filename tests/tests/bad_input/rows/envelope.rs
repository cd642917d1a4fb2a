//! COSE_Sign1 in every form but the right one (RULES 5.1, 5.2).

use kvitto_ledger::Rejection::{Algorithm, CoseMalformed, CoseNotCanonical, KidSyntax, StatementTooLarge};
use kvitto_ledger::{Rejection, statement::STATEMENT_BYTES_MAX};

use super::{Row, invalid};
use crate::stage::{Parts, byte_string, head, school};

/// A good statement of which one part is changed.
fn part(name: impl Into<String>, rejection: Rejection, change: impl Fn(&mut Parts) + 'static) -> Row {
    invalid(name, rejection, move |stage| {
        let mut parts = Parts::good(stage);
        change(&mut parts);
        parts.bytes()
    })
}

pub(super) fn rows() -> Vec<Row> {
    [whole(), protected(), kids(), unprotected(), payload_and_signature()].into_iter().flatten().collect()
}

fn whole() -> Vec<Row> {
    let mut rows = vec![
        invalid("bytes of which none is a COSE_Sign1", CoseMalformed, |_| vec![0xff; 100]),
        invalid("one zero byte", CoseMalformed, |_| vec![0]),
        invalid("JSON", CoseMalformed, |_| b"{\"statement\":1}".to_vec()),
        invalid("a break without a start", CoseMalformed, |_| vec![0xd2, 0xff]),
        part("untagged", CoseMalformed, |parts| parts.head = vec![0x84]),
        part("COSE_Mac0's tag", CoseMalformed, |parts| parts.head = vec![0xd1, 0x84]),
        part("COSE_Sign's tag", CoseMalformed, |parts| parts.head = vec![0xd8, 98, 0x84]),
        part("COSE_Encrypt0's tag", CoseMalformed, |parts| parts.head = vec![0xd0, 0x84]),
        part("tag 18 in two bytes", CoseMalformed, |parts| parts.head = vec![0xd8, 18, 0x84]),
        part("tag 18 in nine bytes", CoseMalformed, |parts| {
            parts.head = vec![0xdb, 0, 0, 0, 0, 0, 0, 0, 18, 0x84]
        }),
        part("self-described CBOR", CoseMalformed, |parts| parts.head = vec![0xd9, 0xd9, 0xf7, 0xd2, 0x84]),
        part("tagged twice", CoseNotCanonical, |parts| parts.head = vec![0xd2, 0xd2, 0x84]),
        part("an array of three", CoseMalformed, |parts| parts.head = vec![0xd2, 0x83]),
        part("an array of five", CoseMalformed, |parts| {
            parts.head = vec![0xd2, 0x85];
            parts.signature.push(0xf6);
        }),
        part("a map", CoseMalformed, |parts| parts.head = vec![0xd2, 0xa2]),
        part("an array with a long head", CoseNotCanonical, |parts| parts.head = vec![0xd2, 0x98, 4]),
        part("an array with a head of nine bytes", CoseNotCanonical, |parts| {
            parts.head = vec![0xd2, 0x9b, 0, 0, 0, 0, 0, 0, 0, 4]
        }),
        part("an array of unknown length", CoseNotCanonical, |parts| {
            parts.head = vec![0xd2, 0x9f];
            parts.signature.push(0xff);
        }),
        part("a byte behind the statement", CoseMalformed, |parts| parts.signature.push(0)),
        part("a statement behind the statement", CoseMalformed, |parts| {
            let again = parts.bytes();
            parts.signature.extend(again);
        }),
        invalid("one byte more than 256 KiB", StatementTooLarge, |stage| {
            let mut bytes = stage.good();
            bytes.resize(STATEMENT_BYTES_MAX + 1, 0);
            bytes
        }),
        invalid("exactly 256 KiB, of which most is behind the statement", CoseMalformed, |stage| {
            let mut bytes = stage.good();
            bytes.resize(STATEMENT_BYTES_MAX, 0);
            bytes
        }),
    ];
    for info in [28, 29, 30] {
        rows.push(part(format!("an array with the reserved length {info}"), CoseMalformed, move |parts| {
            parts.head = vec![0xd2, 0x80 | info]
        }));
    }
    for (cut, place) in [(1, "the tag"), (2, "the array's head"), (20, "the kid"), (120, "the payload")] {
        rows.push(invalid(format!("cut off behind {place}"), CoseMalformed, move |stage| {
            stage.good()[..cut].to_vec()
        }));
    }
    rows.push(invalid("cut off before the last byte", CoseMalformed, |stage| {
        let mut bytes = stage.good();
        bytes.pop();
        bytes
    }));
    rows
}

fn protected() -> Vec<Row> {
    let kid = || byte_string(school().key_id().to_string().as_bytes());
    let with = |prefix: &[u8], kid: Vec<u8>, suffix: &[u8]| byte_string(&[prefix, &kid, suffix].concat());
    let table: [(&str, Vec<u8>, Rejection); 27] = [
        ("of no bytes", byte_string(&[]), Algorithm),
        ("an empty map", byte_string(&[0xa0]), Algorithm),
        ("an array", byte_string(&[0x80]), CoseMalformed),
        ("an empty array, read as no bytes", vec![0x80], Algorithm),
        ("a map instead of a byte string", vec![0xa0], CoseMalformed),
        ("null", vec![0xf6], CoseMalformed),
        ("without alg", with(&[0xa1, 0x04], kid(), &[]), Algorithm),
        ("with alg none (0)", with(&[0xa2, 0x01, 0x00, 0x04], kid(), &[]), Algorithm),
        ("with ES256", with(&[0xa2, 0x01, 0x26, 0x04], kid(), &[]), Algorithm),
        ("with ES256K", with(&[0xa2, 0x01, 0x38, 0x2e, 0x04], kid(), &[]), Algorithm),
        ("with HS256", with(&[0xa2, 0x01, 0x05, 0x04], kid(), &[]), Algorithm),
        ("with Ed25519 (-19)", with(&[0xa2, 0x01, 0x32, 0x04], kid(), &[]), Algorithm),
        ("with alg as a text", with(b"\xa2\x01\x65EdDSA\x04", kid(), &[]), Algorithm),
        (
            "with the greatest alg",
            with(&[0xa2, 1, 0x1b, 255, 255, 255, 255, 255, 255, 255, 255, 4], kid(), &[]),
            Algorithm,
        ),
        (
            "with alg as a negative bignum",
            with(&[0xa2, 0x01, 0xc3, 0x41, 0x07, 0x04], kid(), &[]),
            CoseMalformed,
        ),
        ("with alg in two bytes", with(&[0xa2, 0x01, 0x38, 0x07, 0x04], kid(), &[]), CoseNotCanonical),
        ("with alg twice", with(&[0xa3, 0x01, 0x27, 0x01, 0x27, 0x04], kid(), &[]), CoseNotCanonical),
        ("with kid first", with(&[0xa2, 0x04], kid(), &[0x01, 0x27]), CoseNotCanonical),
        ("with a content type", with(&[0xa3, 0x01, 0x27, 0x03, 0x00, 0x04], kid(), &[]), CoseNotCanonical),
        ("with crit", with(&[0xa3, 0x01, 0x27, 0x02, 0x81, 0x01, 0x04], kid(), &[]), CoseNotCanonical),
        ("with x5chain", with(&[0xa3, 0x01, 0x27, 0x04], kid(), &[0x18, 33, 0x40]), CoseNotCanonical),
        ("with a text label", with(&[0xa3, 0x01, 0x27, 0x04], kid(), &[0x61, b'a', 0x00]), CoseNotCanonical),
        ("a map of unknown length", with(&[0xbf, 0x01, 0x27, 0x04], kid(), &[0xff]), CoseNotCanonical),
        ("with a byte behind the map", with(&[0xa2, 0x01, 0x27, 0x04], kid(), &[0x00]), CoseMalformed),
        ("without kid", byte_string(&[0xa1, 0x01, 0x27]), KidSyntax),
        ("with kid twice", with(&[0xa3, 0x01, 0x27, 0x04, 0x40, 0x04], kid(), &[]), CoseNotCanonical),
        ("with a kid that is an integer", byte_string(&[0xa2, 0x01, 0x27, 0x04, 0x01]), CoseMalformed),
    ];
    let mut rows: Vec<Row> = table
        .into_iter()
        .map(|(name, protected, rejection)| {
            part(format!("protected header {name}"), rejection, move |parts| {
                parts.protected.clone_from(&protected)
            })
        })
        .collect();
    rows.push(part("protected header with a kid as a text", CoseNotCanonical, |parts| {
        let mut header = parts.header.clone();
        header[4] = 0x78;
        parts.protected = byte_string(&header);
    }));
    rows.push(part("protected header with a long head", CoseNotCanonical, |parts| {
        parts.protected = [&[0x59, 0, parts.header.len() as u8][..], &parts.header].concat();
    }));
    rows.push(part("protected header in two pieces", CoseNotCanonical, |parts| {
        let (a, b) = parts.header.split_at(10);
        parts.protected = [&[0x5f][..], &byte_string(a), &byte_string(b), &[0xff]].concat();
    }));
    rows
}

/// Spellings of a kid, and of the DID in it, that some reader might take for the right one: an allow-list of ASCII, never folded.
fn kids() -> Vec<Row> {
    let kid = school().key_id().to_string();
    let (did, fragment) = kid.split_once('#').expect("did#thumbprint");
    let spellings: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![]),
        ("not UTF-8", vec![0xc3, 0x28]),
        ("overlong UTF-8", vec![0xc0, 0xa3]),
        ("a surrogate", vec![0xed, 0xa0, 0x80]),
        ("a NUL behind it", format!("{kid}\0").into()),
        ("a NUL inside", kid.replacen(':', ":\0", 1).into()),
        ("without a fragment", did.into()),
        ("with an empty fragment", format!("{did}#").into()),
        ("a fragment alone", format!("#{fragment}").into()),
        ("with padding", format!("{did}#{fragment}=").into()),
        ("with two fragments", format!("{did}#{fragment}#").into()),
        ("with a query", format!("{did}?#{fragment}").into()),
        ("with a path", format!("{did}/#{fragment}").into()),
        ("with parameters", format!("{did};a=b#{fragment}").into()),
        ("with a space before", format!(" {kid}").into()),
        ("with a space behind", format!("{kid} ").into()),
        ("with a line break", format!("{kid}\n").into()),
        ("with a byte order mark", format!("\u{feff}{kid}").into()),
        ("with a zero-width space", format!("{did}\u{200b}#{fragment}").into()),
        ("with a right-to-left override", format!("{did}\u{202e}#{fragment}").into()),
        ("with the method in capitals", kid.replacen("did:ebsi", "did:EBSI", 1).into()),
        ("with the scheme in capitals", kid.replacen("did:", "DID:", 1).into()),
        ("with a Cyrillic letter", kid.replacen("did:ebsi", "d\u{456}d:ebsi", 1).into()),
        ("with a full-width colon", kid.replacen(':', "\u{ff1a}", 1).into()),
        ("with a combining mark", kid.replacen("ebsi", "ebsi\u{301}", 1).into()),
        ("percent-encoded", kid.replacen("did:ebsi", "did:ebs%69", 1).into()),
        ("of another method", kid.replacen("did:ebsi", "did:key", 1).into()),
        ("of did:web", kid.replacen("did:ebsi", "did:web", 1).into()),
        ("with another multibase", kid.replacen(":z", ":m", 1).into()),
        ("with a leading one", kid.replacen(":z", ":z1", 1).into()),
        ("with a character that base58 leaves out", kid.replacen(":z", ":z0", 1).into()),
        ("of an identifier of version 2", format!("did:ebsi:z276KZ8woEPoVATVfWSioq3t#{fragment}").into()),
        ("of an identifier of version 0", format!("did:ebsi:z1sLDDSz4DCdAn1W1xf36N2#{fragment}").into()),
        ("of an identifier of 15 bytes", format!("did:ebsi:z8MoeRWmZ1o1GKXGMSJewY#{fragment}").into()),
        ("of an identifier of 17 bytes", format!("did:ebsi:z3UMpLt1GweFEySoN26bCxsjt#{fragment}").into()),
        ("of 2,049 characters and more", format!("{did}{}#{fragment}", "1".repeat(2049)).into()),
        ("with a thumbprint of 44 characters", format!("{did}#{}", "A".repeat(44)).into()),
        ("with a thumbprint of 42 characters", format!("{did}#{}", "A".repeat(42)).into()),
        ("with a thumbprint in standard base64", format!("{did}#{}", "+/".repeat(21) + "A").into()),
        ("with a thumbprint whose last bits are not zero", format!("{did}#{}", "A".repeat(42) + "B").into()),
    ];
    let headed = |kid: &[u8]| byte_string(&[&[0xa2, 0x01, 0x27, 0x04][..], &byte_string(kid)].concat());
    spellings
        .into_iter()
        .map(|(name, spelling)| {
            part(format!("kid {name}"), KidSyntax, move |parts| parts.protected = headed(&spelling))
        })
        .collect()
}

fn unprotected() -> Vec<Row> {
    let kid = byte_string(school().key_id().to_string().as_bytes());
    let table: [(&str, Vec<u8>, Rejection); 7] = [
        ("with kid", [&[0xa1, 0x04][..], &kid].concat(), CoseNotCanonical),
        ("with alg", vec![0xa1, 0x01, 0x27], CoseNotCanonical),
        ("with a counter-signature", vec![0xa1, 0x07, 0x83, 0x40, 0xa0, 0x40], CoseNotCanonical),
        ("of unknown length", vec![0xbf, 0xff], CoseNotCanonical),
        ("with a long head", vec![0xb8, 0x00], CoseNotCanonical),
        ("that is null", vec![0xf6], CoseMalformed),
        ("that is an array", vec![0x80], CoseMalformed),
    ];
    table
        .into_iter()
        .map(|(name, unprotected, rejection)| {
            part(format!("unprotected header {name}"), rejection, move |parts| {
                parts.unprotected.clone_from(&unprotected)
            })
        })
        .collect()
}

fn payload_and_signature() -> Vec<Row> {
    let integers = |bytes: &[u8]| bytes.iter().flat_map(|byte| head(0, (*byte).into())).collect::<Vec<u8>>();
    let mut rows = vec![
        part("payload detached", CoseMalformed, |parts| parts.payload = vec![0xf6]),
        part("payload undefined", CoseMalformed, |parts| parts.payload = vec![0xf7]),
        part("payload as an array of integers", CoseNotCanonical, move |parts| {
            parts.payload = [head(4, parts.content.len()), integers(&parts.content)].concat();
        }),
        part("payload with a long head", CoseNotCanonical, |parts| {
            parts.payload = [&[0x5a, 0, 0, 0, parts.content.len() as u8][..], &parts.content].concat();
        }),
        part("payload in pieces", CoseNotCanonical, |parts| {
            parts.payload = [&[0x5f][..], &byte_string(&parts.content), &[0xff]].concat();
        }),
        part("payload tagged as encoded CBOR", CoseNotCanonical, |parts| {
            parts.payload = [&[0xd8, 24][..], &byte_string(&parts.content)].concat();
        }),
        part("signature with a long head", CoseNotCanonical, |parts| {
            parts.signature.splice(0..2, [0x59, 0, 64]);
        }),
        part("signature as a text", CoseNotCanonical, |parts| {
            parts.signature = [head(3, 64), vec![b'a'; 64]].concat();
        }),
        part("signature null", CoseMalformed, |parts| parts.signature = vec![0xf6]),
    ];
    for len in [0_usize, 63, 65, 128] {
        rows.push(part(format!("signature of {len} bytes"), CoseMalformed, move |parts| {
            parts.signature = byte_string(&vec![1; len])
        }));
    }
    for (name, bomb) in bombs() {
        rows.push(part(format!("{name} in place of the payload"), CoseMalformed, move |parts| {
            parts.payload.clone_from(&bomb)
        }));
    }
    rows
}

/// Bytes that announce more than they hold, or hold themselves.
pub(super) fn bombs() -> Vec<(String, Vec<u8>)> {
    let mut bombs = Vec::new();
    for (major, kind) in [(0x40, "byte string"), (0x60, "text"), (0x80, "array"), (0xa0_u8, "map")] {
        for (len, power) in [(1 << 32, "2^32"), (1 << 63, "2^63"), (u64::MAX, "2^64 - 1")] {
            bombs.push((format!("{kind} of {power}"), [&[major | 27][..], &len.to_be_bytes()].concat()));
        }
    }
    let nested: [(&str, &[u8]); 4] = [
        ("arrays", &[0x81]),
        ("arrays of unknown length", &[0x9f]),
        ("maps", &[0xa1, 0x00]),
        ("tags", &[0xc0]),
    ];
    for (kind, unit) in nested {
        for depth in [129, 100_000] {
            bombs.push((format!("{depth} {kind} in each other"), unit.repeat(depth)));
        }
    }
    bombs
}
