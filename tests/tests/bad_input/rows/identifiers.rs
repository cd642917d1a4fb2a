//! Organisations: names, keys, documents.

use kvitto_ledger::Rejection::{
    self, AccreditationMissing, AccreditationWithdrawn, AccreditorRole, Country, DocumentKeys,
    DocumentServices, IdentifierDeactivated, IdentifierExists, IdentifierUnknown, KeyInvalid, LastLedgerKey,
    LegalIdentifier, LegalName, NotSponsor, PossessionProof,
};
use kvitto_ledger::document::{KeyType, Relationships, Service, VerificationMethod};
use kvitto_ledger::statement::{Onboard, PutIdentifier};
use kvitto_ledger::testing::{Actor, signing_key};
use kvitto_ledger::{KeyBytes, LedgerId};

use super::{Row, denied, exists, invalid, unknown, unmet};
use crate::stage::{BAD_KEYS, branch, club, college, dismissed, gone, school, stranger, tao};

pub(super) fn rows() -> Vec<Row> {
    [names(), keys(), documents(), registry()].into_iter().flatten().collect()
}

/// The TAO onboards the stranger, after a change.
fn onboard(name: impl Into<String>, rejection: Rejection, change: impl Fn(&mut Onboard) + 'static) -> Row {
    invalid(format!("onboarding {}", name.into()), rejection, move |stage| {
        let mut body = tao().onboards(&stranger(), &stage.ledger_id);
        change(&mut body);
        stage.signed(&tao(), body)
    })
}

fn names() -> Vec<Row> {
    let names: [(&str, &str); 12] = [
        ("empty", ""),
        ("not in NFC", "Ska\u{30a}ne"),
        ("with a NUL", "a\0b"),
        ("with a line break", "a\nb"),
        ("with a C1 control character", "a\u{85}b"),
        ("with a right-to-left override", "a\u{202e}b"),
        ("with a bidirectional isolate", "a\u{2067}b"),
        ("with a zero-width space", "a\u{200b}b"),
        ("with a zero-width joiner", "a\u{200d}b"),
        ("with a soft hyphen", "a\u{ad}b"),
        ("with a tag character", "a\u{e0061}b"),
        ("with outer spaces", " a"),
    ];
    let mut rows: Vec<Row> = names
        .into_iter()
        .map(|(about, name)| {
            onboard(format!("with a name {about}"), LegalName, move |body| body.legal_name = name.into())
        })
        .collect();
    rows.push(onboard("with a name of 257 bytes", LegalName, |body| body.legal_name = "a".repeat(257)));
    for (about, scheme, value) in [
        ("without a scheme", "", "1"),
        ("without a value", "VATRegistration", ""),
        ("with a value that is not ASCII", "VATRegistration", "\u{c5}"),
        ("with a control character", "VATRegistration", "1\t2"),
        ("with an outer space", "VATRegistration", "1 "),
    ] {
        rows.push(onboard(format!("with a legal identifier {about}"), LegalIdentifier, move |body| {
            (body.legal_identifier.scheme, body.legal_identifier.value) = (scheme.into(), value.into())
        }));
    }
    rows.push(onboard("with a legal identifier of 129 bytes", LegalIdentifier, |body| {
        body.legal_identifier.value = "1".repeat(129)
    }));
    for country in ["", "S", "se", "SWE", "S1", "\u{c5}\u{c5}"] {
        rows.push(onboard(format!("in country {country:?}"), Country, move |body| {
            body.country = country.into()
        }));
    }
    rows.push(onboard("with a bad country and a bad key: the country comes first", Country, |body| {
        body.country.clear();
        body.key = KeyBytes([0; 32]);
    }));
    rows
}

fn keys() -> Vec<Row> {
    let mut rows: Vec<Row> = BAD_KEYS
        .iter()
        .map(|(about, key)| {
            onboard(format!("with a key {about}"), KeyInvalid, move |body| {
                body.key = key.parse().expect("hexadecimal")
            })
        })
        .collect();
    rows.extend([
        onboard("without a possession proof", PossessionProof, |body| body.possession.clear()),
        onboard("with another key's possession proof", PossessionProof, |body| {
            body.key = signing_key("other").public().bytes()
        }),
        onboard("with a possession proof of another accreditation", PossessionProof, |body| {
            body.sponsor_accreditation = club().accreditation
        }),
        onboard("with a changed possession proof", PossessionProof, |body| {
            *body.possession.last_mut().expect("not empty") ^= 1
        }),
        onboard("with a malleated possession proof", PossessionProof, |body| {
            let at = body.possession.len() - 64;
            crate::stage::malleate(&mut body.possession[at..]);
        }),
        onboard("with a byte behind the possession proof", PossessionProof, |body| body.possession.push(0)),
        onboard("with a cut possession proof", PossessionProof, |body| _ = body.possession.pop()),
        invalid("onboarding with a possession proof for another ledger", PossessionProof, |s| {
            s.signed(&tao(), tao().onboards(&stranger(), &LedgerId([7; 32])))
        }),
        invalid("onboarding with a possession proof for another sponsor", PossessionProof, |s| {
            s.signed(&branch(), tao().onboards(&stranger(), &s.ledger_id))
        }),
    ]);
    rows
}

fn method(key_type: KeyType, key: &[u8], relationships: u8) -> VerificationMethod {
    VerificationMethod { key_type, key: key.to_vec().into(), relationships: Relationships(relationships) }
}

fn service(id: &str, service_type: &str, url: &str) -> Service {
    Service { id: id.into(), service_type: service_type.into(), url: url.into() }
}

/// The school puts a document, after a change.
fn put(name: impl Into<String>, rejection: Rejection, change: impl Fn(&mut PutIdentifier) + 'static) -> Row {
    invalid(format!("a document {}", name.into()), rejection, move |stage| {
        let mut body = school().puts([school().method()]);
        change(&mut body);
        stage.signed(&school(), body)
    })
}

fn documents() -> Vec<Row> {
    let mut rows = vec![
        put("without keys", DocumentKeys, |body| body.methods.clear()),
        put("with 33 keys", DocumentKeys, |body| {
            body.methods.extend((0..32).map(|n| method(KeyType::P256, &[n; 64], 1)))
        }),
        put("with one key twice", DocumentKeys, |body| body.methods.push(school().method())),
        put("with a P-256 key of 65 bytes", DocumentKeys, |body| {
            body.methods.push(method(KeyType::P256, &[4; 65], 1))
        }),
        put("with a secp256k1 key of 33 bytes", DocumentKeys, |body| {
            body.methods.push(method(KeyType::Secp256k1, &[2; 33], 1))
        }),
        put("with an Ed25519 key of 31 bytes", DocumentKeys, |body| {
            body.methods.push(method(KeyType::Ed25519, &[2; 31], 1))
        }),
        put("with a key without a relationship", DocumentKeys, |body| {
            body.methods.push(method(KeyType::P256, &[1; 64], 0))
        }),
        put("with a key in an unknown relationship", DocumentKeys, |body| {
            body.methods.push(method(KeyType::P256, &[1; 64], 32))
        }),
        put("without a ledger key that may act", LastLedgerKey, |body| {
            body.methods = vec![method(KeyType::Ed25519, &school().key.public().bytes().0, 1)]
        }),
        put("whose only key that may act is a P-256 key", LastLedgerKey, |body| {
            body.methods = vec![method(KeyType::P256, &[1; 64], 31)]
        }),
        put("with 17 services", DocumentServices, |body| {
            body.services =
                (0..17).map(|n| service(&format!("s{n}"), "LinkedDomains", "https://a.example")).collect()
        }),
        put("with one service id twice", DocumentServices, |body| {
            body.services = vec![service("a", "LinkedDomains", "https://a.example"); 2]
        }),
        put("with a service without an id", DocumentServices, |body| {
            body.services = vec![service("", "LinkedDomains", "https://a.example")]
        }),
        put("with a service without a type", DocumentServices, |body| {
            body.services = vec![service("a", "", "https://a.example")]
        }),
    ];
    for (about, url) in BAD_URLS {
        rows.push(put(format!("with a service at a URL {about}"), DocumentServices, move |body| {
            body.services = vec![service("a", "LinkedDomains", url)]
        }));
    }
    for (about, key) in &BAD_KEYS[..4] {
        rows.push(put(format!("with a key {about}"), KeyInvalid, move |body| {
            let key: KeyBytes = key.parse().expect("hexadecimal");
            body.methods.push(method(KeyType::Ed25519, &key.0, 8));
        }));
    }
    rows
}

/// URLs that two parsers may read apart.
pub(super) const BAD_URLS: [(&str, &str); 10] = [
    ("without TLS", "http://a.example"),
    ("of another scheme", "javascript:alert(1)"),
    ("without a host", "https:///path"),
    ("with user information", "https://a.example@b.example"),
    ("with capitals", "https://A.example"),
    ("of an address", "https://127.0.0.1/"),
    ("of an IPv6 address", "https://[::1]/"),
    ("with a fragment", "https://a.example/#a"),
    ("with a backslash", "https://a.example\\@b.example"),
    ("with port 0", "https://a.example:0/"),
];

fn registry() -> Vec<Row> {
    let onboards = |by: fn() -> Actor, whom: fn() -> Actor| {
        move |stage: &crate::stage::Stage| stage.signed(&by(), by().onboards(&whom(), &stage.ledger_id))
    };
    vec![
        denied("a school onboards", AccreditorRole, onboards(school, stranger)),
        denied(
            "an organisation without an accreditation onboards",
            AccreditationMissing,
            onboards(club, stranger),
        ),
        denied("a withdrawn organisation onboards", AccreditationWithdrawn, onboards(dismissed, stranger)),
        exists("onboarding what another sponsor has onboarded", IdentifierExists, onboards(branch, school)),
        exists("onboarding what is deactivated", IdentifierExists, onboards(tao, gone)),
        exists("onboarding oneself", IdentifierExists, onboards(tao, tao)),
        exists("onboarding again with a key that is not in the document", IdentifierExists, |s| {
            s.signed(&tao(), tao().onboards(&school().with_key("other"), &s.ledger_id))
        }),
        exists("onboarding a root", IdentifierExists, |s| {
            s.signed(&tao(), tao().onboards(&s.root, &s.ledger_id))
        }),
        unknown("deactivating what is not registered", IdentifierUnknown, |s| {
            s.signed(&tao(), tao().deactivates(&stranger()))
        }),
        unmet("deactivating what is deactivated", IdentifierDeactivated, |s| {
            s.signed(&tao(), tao().deactivates(&gone()))
        }),
        denied("deactivating another's school", NotSponsor, |s| {
            s.signed(&branch(), branch().deactivates(&school()))
        }),
        denied("a school deactivates its sponsor", NotSponsor, |s| {
            s.signed(&school(), school().deactivates(&tao()))
        }),
        denied("a college deactivates a school", NotSponsor, |s| {
            s.signed(&college(), college().deactivates(&school()))
        }),
    ]
}
