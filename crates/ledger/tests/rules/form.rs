//! Form: decided by the bytes alone (codes 100 to 129).

use kvitto_ledger::Rejection;
use kvitto_ledger::document::{KeyType, Relationships, Service, VerificationMethod};
use kvitto_ledger::ids::{Commitment, KeyBytes, Position, TimeMs};
use kvitto_ledger::scope::Role;
use kvitto_ledger::statement::body::{Policy, Reason, StatusCode};
use kvitto_ledger::statement::{Body, Kind, Onboard, PutIdentifier, StatusItem, StatusTarget};
use kvitto_ledger::testing::{Actor, DAY_MS, Ledger, commitment, signing_key};
use kvitto_merkle::Hash;
use kvitto_merkle::status::StatusValue::{Revoked, Superseded, Suspended, Valid};

use crate::{Case, Verdict, case, check, club, college, root, school, stranger, tao};

/// Onboards the stranger by the TAO, after `change`.
fn onboard(ledger: &mut Ledger, change: impl FnOnce(&mut Onboard)) -> Verdict {
    let mut body = tao().onboards(&stranger(), &ledger.world.ledger_id);
    change(&mut body);
    ledger.act(&tao(), body)
}

fn name(ledger: &mut Ledger, name: &str) -> Verdict {
    onboard(ledger, |body| body.legal_name = name.into())
}

fn put(ledger: &mut Ledger, change: impl FnOnce(&mut PutIdentifier)) -> Verdict {
    let mut body = school().puts([school().method()]);
    change(&mut body);
    ledger.act(&school(), body)
}

fn method(key_type: KeyType, key: &[u8], relationships: u8) -> VerificationMethod {
    VerificationMethod { key_type, key: key.to_vec().into(), relationships: Relationships(relationships) }
}

fn service(id: &str, url: &str) -> Service {
    Service { id: id.into(), service_type: "LinkedDomains".into(), url: url.into() }
}

/// The payload of an otherwise good statement, its bytes replaced by `change`.
fn payload(ledger: &mut Ledger, change: impl FnOnce(&mut Vec<u8>)) -> Verdict {
    let statement = ledger.statement(school().reserves(1));
    let mut bytes = kvitto_ledger::codec::encode(&statement);
    change(&mut bytes);
    let signed = crate::signer::sign_bytes(&school(), &bytes, &ledger.world.ledger_id);
    ledger.submit(&signed)
}

/// Small-order point of order 8.
const SMALL_ORDER: &str = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a";

fn small_order() -> KeyBytes {
    SMALL_ORDER.parse().expect("hexadecimal")
}

pub(crate) fn cases() -> Vec<Case> {
    [bytes(), times(), organisations(), documents(), accreditations(), credentials()]
        .into_iter()
        .flatten()
        .collect()
}

fn bytes() -> Vec<Case> {
    vec![
        case(
            "D4.2: At most 256 KiB",
            |l| l.submit(&vec![0xd2; 256 * 1024 + 1]),
            Err(Rejection::StatementTooLarge),
        ),
        case(
            "D4.2: At most 256 KiB (exactly: the next check speaks)",
            |l| l.submit(&vec![0xd2; 256 * 1024]),
            Err(Rejection::CoseMalformed),
        ),
        case(
            "5.1: Exactly tag 18 [protected, {}, payload, signature]",
            |l| l.submit(&[]),
            Err(Rejection::CoseMalformed),
        ),
        case(
            "statements are signed with EdDSA (-8)",
            |l| {
                let statement = l.statement(school().reserves(1));
                let mut bytes = l.signed(&school(), &statement);
                // d2 84 58 LL a2 01 27: -8 becomes -7 (ES256).
                bytes[6] = 0x26;
                l.submit(&bytes)
            },
            Err(Rejection::Algorithm),
        ),
        case(
            "kid is did:ebsi version 1, #, and the RFC 7638 thumbprint of the key",
            |l| {
                let statement = l.statement(school().reserves(1));
                let mut bytes = l.signed(&school(), &statement);
                bytes[10] = b'D';
                l.submit(&bytes)
            },
            Err(Rejection::KidSyntax),
        ),
        case(
            "5.1: the whole is re-encoded and compared",
            |l| {
                let statement = l.statement(school().reserves(1));
                let mut bytes = l.signed(&school(), &statement);
                // The array of four with its length in a byte of its own.
                bytes.splice(1..2, [0x98, 0x04]);
                l.submit(&bytes)
            },
            Err(Rejection::CoseNotCanonical),
        ),
        case(
            "the payload is a CBOR array",
            |l| payload(l, |bytes| bytes.clear()),
            Err(Rejection::CborMalformed),
        ),
        case(
            "the payload is a CBOR array (trailing byte)",
            |l| payload(l, |bytes| bytes.push(0)),
            Err(Rejection::CborMalformed),
        ),
        case(
            "the version of the payload's layout is 1",
            |l| payload(l, |bytes| bytes[1] = 2),
            Err(Rejection::StatementVersion),
        ),
        case(
            "the version comes before the kind",
            |l| {
                payload(l, |bytes| {
                    bytes[1] = 0;
                    let at = kind_at(bytes);
                    bytes[at] = 0;
                })
            },
            Err(Rejection::StatementVersion),
        ),
        case(
            "the kind is one that this version of the rules executes",
            |l| {
                payload(l, |bytes| {
                    let at = kind_at(bytes);
                    bytes[at] = 14;
                })
            },
            Err(Rejection::StatementKind),
        ),
        case(
            "the body has exactly the fields of its kind",
            |l| {
                payload(l, |bytes| {
                    let at = kind_at(bytes);
                    bytes[at] = Kind::Anchor.code();
                })
            },
            Err(Rejection::SchemaViolation),
        ),
        case(
            "the payload is in deterministic CBOR",
            |l| {
                payload(l, |bytes| {
                    let last = bytes.pop().expect("not empty");
                    bytes.extend([0x18, last]);
                })
            },
            Err(Rejection::CborNotCanonical),
        ),
    ]
}

/// Where the kind stands in the payload: `86 01 1b<8> 1b<8> 50<16> kind`.
fn kind_at(payload: &[u8]) -> usize {
    assert_eq!((payload[2], payload[11], payload[20]), (0x1b, 0x1b, 0x50));
    37
}

fn window(ledger: &mut Ledger, not_before: u64, not_after: u64) -> Verdict {
    let mut statement = ledger.statement(school().reserves(1));
    (statement.not_before, statement.not_after) = (TimeMs(not_before), TimeMs(not_after));
    ledger.submit(&ledger.signed(&school(), &statement))
}

fn times() -> Vec<Case> {
    vec![
        case(
            "D4.2: not_after - not_before is at most 24 h",
            |l| window(l, l.clock.0, l.clock.0 + DAY_MS),
            Ok(()),
        ),
        case(
            "D4.2: at most 24 h, and a millisecond is more",
            |l| window(l, l.clock.0, l.clock.0 + DAY_MS + 1),
            Err(Rejection::ValidityRange),
        ),
        case(
            "not_after is later than not_before",
            |l| window(l, l.clock.0, l.clock.0),
            Err(Rejection::ValidityRange),
        ),
        case(
            "not_after is later than not_before (reversed)",
            |l| window(l, u64::MAX, 0),
            Err(Rejection::ValidityRange),
        ),
        case(
            "not_after is later than not_before by at most 24 h (all of time)",
            |l| window(l, 0, u64::MAX),
            Err(Rejection::ValidityRange),
        ),
        case(
            "the end of time does not overflow",
            |l| window(l, u64::MAX - 1, u64::MAX),
            Err(Rejection::StatementNotYet),
        ),
    ]
}

fn organisations() -> Vec<Case> {
    vec![
        case(
            "D4.2: legal name (at most 256 bytes, NFC)",
            |l| name(l, "Sk\u{e5}nes Yrkesh\u{f6}gskola"),
            Ok(()),
        ),
        case("D4.2: legal name at most 256 bytes (exactly)", |l| name(l, &"\u{e5}".repeat(128)), Ok(())),
        case(
            "D4.2: legal name at most 256 bytes (one more)",
            |l| name(l, &"a".repeat(257)),
            Err(Rejection::LegalName),
        ),
        case("a legal name is 1 to 256 bytes", |l| name(l, ""), Err(Rejection::LegalName)),
        case("D4.2: NFC", |l| name(l, "Ska\u{30a}ne"), Err(Rejection::LegalName)),
        case("D4.2: no control characters", |l| name(l, "a\u{0}b"), Err(Rejection::LegalName)),
        case("D4.2: no control characters (C1)", |l| name(l, "a\u{85}b"), Err(Rejection::LegalName)),
        case("D4.2: no bidi characters", |l| name(l, "a\u{202e}b"), Err(Rejection::LegalName)),
        case("D4.2: no bidi characters (isolates)", |l| name(l, "a\u{2067}b"), Err(Rejection::LegalName)),
        case(
            "without invisible characters (zero width)",
            |l| name(l, "a\u{200b}b"),
            Err(Rejection::LegalName),
        ),
        case("without outer spaces", |l| name(l, " a"), Err(Rejection::LegalName)),
        case(
            "a legal identifier's scheme and value are 1 to 128 printable ASCII characters",
            |l| onboard(l, |body| body.legal_identifier.value = "\u{c5}".into()),
            Err(Rejection::LegalIdentifier),
        ),
        case(
            "a legal identifier's scheme is not empty",
            |l| onboard(l, |body| body.legal_identifier.scheme.clear()),
            Err(Rejection::LegalIdentifier),
        ),
        case(
            "a legal identifier's value is at most 128 bytes",
            |l| onboard(l, |body| body.legal_identifier.value = "1".repeat(129)),
            Err(Rejection::LegalIdentifier),
        ),
        case(
            "a country is two upper-case letters",
            |l| onboard(l, |body| body.country = "se".into()),
            Err(Rejection::Country),
        ),
        case(
            "a country is two letters",
            |l| onboard(l, |body| body.country = "SWE".into()),
            Err(Rejection::Country),
        ),
        case(
            "a ledger key is of large order",
            |l| onboard(l, |body| body.key = small_order()),
            Err(Rejection::KeyInvalid),
        ),
        case(
            "a ledger key is a curve point",
            |l| onboard(l, |body| body.key = KeyBytes([2; 32])),
            Err(Rejection::KeyInvalid),
        ),
        case(
            "country comes before key",
            |l| {
                onboard(l, |body| {
                    body.country.clear();
                    body.key = small_order();
                })
            },
            Err(Rejection::Country),
        ),
        case(
            "key comes before possession",
            |l| {
                onboard(l, |body| {
                    body.key = small_order();
                    body.possession.clear();
                })
            },
            Err(Rejection::KeyInvalid),
        ),
        case(
            "D4.2: proof of possession by the subject key inside",
            |l| onboard(l, |body| body.possession.clear()),
            Err(Rejection::PossessionProof),
        ),
        case(
            "D4.2: proof of possession by the subject key (another's key)",
            |l| onboard(l, |body| body.key = signing_key("other").public().bytes()),
            Err(Rejection::PossessionProof),
        ),
        case(
            "5.3: payload [DID, key, sponsor's DID, sponsor's accreditation]",
            |l| onboard(l, |body| body.sponsor_accreditation = club().accreditation),
            Err(Rejection::PossessionProof),
        ),
        case(
            "5.3: a proof for one sponsor is none for another, whatever id that one gave its accreditation",
            |l| {
                let copycat = Actor { accreditation: tao().accreditation, ..Actor::new("copycat") };
                l.accredited(&root(), &copycat, Role::Tao);
                let seen = tao().onboards(&stranger(), &l.world.ledger_id);
                l.act(&copycat, seen)
            },
            Err(Rejection::PossessionProof),
        ),
        case(
            "5.3: COSE_Sign1 (its signature changed)",
            |l| onboard(l, |body| *body.possession.last_mut().expect("not empty") ^= 1),
            Err(Rejection::PossessionProof),
        ),
        case(
            "5.3: COSE_Sign1 (a byte behind it)",
            |l| onboard(l, |body| body.possession.push(0)),
            Err(Rejection::PossessionProof),
        ),
        case(
            "5.3: AAD kvitto/possession/v1 || ledger_id",
            |l| {
                let other_ledger = kvitto_ledger::LedgerId([7; 32]);
                l.act(&tao(), tao().onboards(&stranger(), &other_ledger))
            },
            Err(Rejection::PossessionProof),
        ),
    ]
}

fn documents() -> Vec<Case> {
    vec![
        case(
            "D4.2: Ed25519, P-256, secp256k1",
            |l| {
                put(l, |body| {
                    body.methods.extend([
                        method(KeyType::P256, &[1; 64], 1),
                        method(KeyType::Secp256k1, &[1; 64], 31),
                    ])
                })
            },
            Ok(()),
        ),
        case(
            "a DID document lists 1 to 32 keys",
            |l| put(l, |body| body.methods.clear()),
            Err(Rejection::DocumentKeys),
        ),
        case(
            "a DID document lists at most 32 keys",
            |l| put(l, |body| body.methods.extend((0..32).map(|n| method(KeyType::P256, &[n; 64], 1)))),
            Err(Rejection::DocumentKeys),
        ),
        case(
            "a DID document lists 32 keys",
            |l| put(l, |body| body.methods.extend((0..31).map(|n| method(KeyType::P256, &[n; 64], 1)))),
            Ok(()),
        ),
        case(
            "a DID document lists distinct keys",
            |l| put(l, |body| body.methods.push(school().method())),
            Err(Rejection::DocumentKeys),
        ),
        case(
            "a DID document lists well-formed keys",
            |l| put(l, |body| body.methods.push(method(KeyType::P256, &[1; 65], 1))),
            Err(Rejection::DocumentKeys),
        ),
        case(
            "a DID document lists keys each with a relationship",
            |l| put(l, |body| body.methods.push(method(KeyType::P256, &[1; 64], 0))),
            Err(Rejection::DocumentKeys),
        ),
        case(
            "a DID document lists keys each with a known relationship",
            |l| put(l, |body| body.methods.push(method(KeyType::P256, &[1; 64], 32))),
            Err(Rejection::DocumentKeys),
        ),
        case(
            "a ledger key is of large order",
            |l| put(l, |body| body.methods.push(method(KeyType::Ed25519, &small_order().0, 8))),
            Err(Rejection::KeyInvalid),
        ),
        case(
            "keys come before services",
            |l| {
                put(l, |body| {
                    body.methods.push(method(KeyType::Ed25519, &small_order().0, 8));
                    body.services.push(service("", ""));
                })
            },
            Err(Rejection::KeyInvalid),
        ),
        case(
            "D4.2: services limited to https URLs",
            |l| put(l, |body| body.services.push(service("web", "https://school.example/"))),
            Ok(()),
        ),
        case(
            "D4.2: services limited to https URLs",
            |l| put(l, |body| body.services.push(service("web", "http://school.example/"))),
            Err(Rejection::DocumentServices),
        ),
        case(
            "services with distinct ids",
            |l| {
                put(l, |body| {
                    body.services
                        .extend([service("web", "https://a.example"), service("web", "https://b.example")])
                })
            },
            Err(Rejection::DocumentServices),
        ),
        case(
            "at most 16 services",
            |l| {
                put(l, |body| {
                    body.services.extend((0..17).map(|n| service(&n.to_string(), "https://a.example")))
                })
            },
            Err(Rejection::DocumentServices),
        ),
        case(
            "5.4: URLs 2 KiB (exactly)",
            |l| {
                put(l, |body| {
                    body.services
                        .push(service("web", &format!("https://a.example/{}", "a".repeat(2048 - 18))))
                })
            },
            Ok(()),
        ),
        case(
            "5.4: URLs 2 KiB (one more)",
            |l| {
                put(l, |body| {
                    body.services
                        .push(service("web", &format!("https://a.example/{}", "a".repeat(2049 - 18))))
                })
            },
            Err(Rejection::DocumentServices),
        ),
        case(
            "D4.2: at least one ledger key stays",
            |l| put(l, |body| body.methods = vec![method(KeyType::P256, &[1; 64], 31)]),
            Err(Rejection::LastLedgerKey),
        ),
        case(
            "an Ed25519 key with capabilityInvocation stays",
            |l| put(l, |body| body.methods[0].relationships = Relationships::ASSERTION_METHOD),
            Err(Rejection::LastLedgerKey),
        ),
    ]
}

fn accredit(ledger: &mut Ledger, change: impl FnOnce(&mut kvitto_ledger::statement::Accredit)) -> Verdict {
    let mut body = tao().accredits(&club(), Role::Ti);
    change(&mut body);
    ledger.act(&tao(), body)
}

fn accreditations() -> Vec<Case> {
    vec![
        case(
            "D4.2: role (TAO or TI)",
            |l| accredit(l, |body| body.role = Role::RootTao),
            Err(Rejection::RoleUnknown),
        ),
        case(
            "6.1: * only in a root's",
            |l| accredit(l, |body| body.scope.types = ["*".to_owned()].into()),
            Err(Rejection::ScopeForm),
        ),
        case(
            "6.1: * only in a root's (jurisdictions)",
            |l| accredit(l, |body| body.scope.jurisdictions = ["*".to_owned()].into()),
            Err(Rejection::ScopeForm),
        ),
        case(
            "5.4: type and schema ids 256 bytes",
            |l| accredit(l, |body| body.scope.schemas = ["a".repeat(257)].into()),
            Err(Rejection::ScopeForm),
        ),
        case(
            "a scope holds printable ASCII",
            |l| accredit(l, |body| body.scope.types = ["Micro\u{441}redential".to_owned()].into()),
            Err(Rejection::ScopeForm),
        ),
        case(
            "a scope holds EQF levels 1 to 8",
            |l| accredit(l, |body| body.scope.eqf_levels = Some([9].into())),
            Err(Rejection::ScopeForm),
        ),
        case(
            "role comes before scope",
            |l| {
                accredit(l, |body| {
                    body.role = Role::RootTao;
                    body.scope.eqf_levels = Some([0].into());
                })
            },
            Err(Rejection::RoleUnknown),
        ),
        case(
            "an accreditation ends after it begins",
            |l| accredit(l, |body| body.valid_until = body.valid_from),
            Err(Rejection::AccreditationValidityRange),
        ),
        case(
            "a policy URL is https",
            |l| {
                accredit(l, |body| {
                    body.policy = Some(Policy { url: "ftp://a.example".into(), digest: Hash([1; 32]) })
                })
            },
            Err(Rejection::PolicyUrl),
        ),
        case(
            "5.4: a statement whose records would exceed the leaf limit is refused by check",
            |l| accredit(l, |body| body.scope.schemas = (0..200).map(|n| format!("{n:0>256}")).collect()),
            Err(Rejection::LeafTooLarge),
        ),
        case(
            "form comes before signer: too large, and from a stranger",
            |l| {
                let mut body = stranger().accredits(&club(), Role::Ti);
                body.scope.schemas = (0..200).map(|n| format!("{n:0>256}")).collect();
                l.act(&stranger(), body)
            },
            Err(Rejection::LeafTooLarge),
        ),
        case(
            "a status change names a status that this kind of position can take",
            |l| l.act(&tao(), tao().sets_accreditation(&school(), Superseded)),
            Err(Rejection::StatusCode),
        ),
        case(
            "6.3: effective_from belongs to withdrawals only",
            |l| {
                let body = tao().sets_accreditation(&school(), Suspended);
                l.act(
                    &tao(),
                    kvitto_ledger::statement::SetAccreditationStatus {
                        effective_from: Some(l.clock),
                        ..body
                    },
                )
            },
            Err(Rejection::EffectiveFromForm),
        ),
        case(
            "status comes before effective_from",
            |l| {
                let body = tao().sets_accreditation(&school(), Superseded);
                l.act(
                    &tao(),
                    kvitto_ledger::statement::SetAccreditationStatus {
                        effective_from: Some(l.clock),
                        ..body
                    },
                )
            },
            Err(Rejection::StatusCode),
        ),
    ]
}

fn credentials() -> Vec<Case> {
    vec![
        case(
            "5.4: type ids 256 bytes",
            |l| {
                l.act(
                    &school(),
                    kvitto_ledger::statement::Anchor {
                        credential_type: "a".repeat(257),
                        ..school().anchors([commitment(1)])
                    },
                )
            },
            Err(Rejection::CredentialType),
        ),
        case(
            "a credential type is not empty",
            |l| {
                l.act(
                    &school(),
                    kvitto_ledger::statement::Anchor {
                        credential_type: String::new(),
                        ..school().anchors([])
                    },
                )
            },
            Err(Rejection::CredentialType),
        ),
        case(
            "a statement has 1 item at least",
            |l| l.act(&school(), school().anchors([])),
            Err(Rejection::ItemCount),
        ),
        case(
            "D4.2: items: up to 4,096",
            |l| l.act(&school(), school().anchors((0..4096).map(commitment))),
            Ok(()),
        ),
        case(
            "D4.2: items: up to 4,096 (one more)",
            |l| l.act(&school(), school().anchors((0..4097).map(commitment))),
            Err(Rejection::ItemCount),
        ),
        case(
            "D4.2: Reserve count (at most 131,072)",
            |l| l.act(&school(), school().reserves(131_072)),
            Ok(()),
        ),
        case(
            "D4.2: Reserve count (one more)",
            |l| l.act(&school(), school().reserves(131_073)),
            Err(Rejection::ItemCount),
        ),
        case(
            "a reservation has 1 position at least",
            |l| l.act(&school(), school().reserves(0)),
            Err(Rejection::ItemCount),
        ),
        case(
            "5.6: Anchor: items strictly ascending by commitment",
            |l| l.act(&school(), school().anchors([commitment(2), commitment(1)])),
            Err(Rejection::ItemOrder),
        ),
        case(
            "5.6: Anchor: items strictly ascending (twice the same)",
            |l| l.act(&school(), school().anchors([commitment(1), commitment(1)])),
            Err(Rejection::ItemOrder),
        ),
        case(
            "5.7: an Anchor uses a reserved position once",
            |l| {
                let mut body = school().anchors([commitment(1), commitment(2)]);
                body.items.iter_mut().for_each(|item| item.reserved = Some(Position(9)));
                l.act(&school(), body)
            },
            Err(Rejection::ItemOrder),
        ),
        case(
            "5.6: SetStatus: items strictly ascending",
            |l| l.act(&school(), school().sets(Revoked, [commitment(2), commitment(1)])),
            Err(Rejection::ItemOrder),
        ),
        case(
            "5.6: SetStatus: 1 item at least",
            |l| l.act(&school(), school().sets(Revoked, [])),
            Err(Rejection::ItemCount),
        ),
        case(
            "positions sort before commitments",
            |l| {
                let item = |target| StatusItem { target, status: StatusCode(Valid), successor: None };
                l.act(
                    &school(),
                    school().changes([
                        item(StatusTarget::Commitment(Commitment([0; 32]))),
                        item(StatusTarget::Position(Position(1))),
                    ]),
                )
            },
            Err(Rejection::ItemOrder),
        ),
        case(
            "a successor stands with status superseded",
            |l| l.act(&school(), school().sets(Superseded, [commitment(1)])),
            Err(Rejection::SuccessorForm),
        ),
        case(
            "a successor stands only there",
            |l| {
                let mut body = school().supersedes(commitment(1), commitment(2));
                body.items[0].status = StatusCode(Revoked);
                l.act(&school(), body)
            },
            Err(Rejection::SuccessorForm),
        ),
        case(
            "order comes before successor",
            |l| l.act(&school(), school().sets(Superseded, [commitment(2), commitment(1)])),
            Err(Rejection::ItemOrder),
        ),
        case(
            "form comes before signer: items of a stranger",
            |l| l.act(&stranger(), stranger().anchors([])),
            Err(Rejection::ItemCount),
        ),
    ]
}

#[test]
fn form_is_judged_as_the_table_says() {
    check(cases());
}

/// DESIGN 4.2: reason codes are a closed list.
#[test]
fn reasons_are_a_closed_list() {
    let codes: Vec<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(codes, [0, 1, 2, 3, 4, 5]);
    let mut ledger = crate::stage();
    let statement = ledger.statement(college().sets(Revoked, [commitment(1)]));
    let Body::SetStatus(_) = &statement.body else { unreachable!() };
    let mut bytes = kvitto_ledger::codec::encode(&statement);
    *bytes.last_mut().expect("the reason stands last") = 6;
    let signed = crate::signer::sign_bytes(&college(), &bytes, &ledger.world.ledger_id);
    assert_eq!(ledger.submit(&signed), Err(Rejection::SchemaViolation));
}

/// D4.2: the codes of kinds that come with later versions are taken, and nothing with them is executed; nor with any other code.
#[test]
fn only_the_codes_of_executed_kinds_are_read() {
    let mut ledger = crate::stage();
    let reserved = [4, 7, 11, 12, 13];
    for code in 0..=255 {
        let verdict = payload(&mut ledger, |bytes| {
            let at = kind_at(bytes);
            // A number from 24 on takes two bytes (RFC 8949, 3).
            let long = [24, code];
            bytes.splice(at..=at, if code < 24 { long[1..].to_vec() } else { long.to_vec() });
        });
        let kind = Kind::from_code(code);
        assert_eq!(kind.is_some_and(Kind::is_reserved), reserved.contains(&code), "{code}");
        let expected = match kind {
            Some(Kind::Reserve) => Ok(()),
            Some(kind) if !kind.is_reserved() => Err(Rejection::SchemaViolation),
            _ => Err(Rejection::StatementKind),
        };
        assert_eq!(verdict.map(drop), expected, "{code}");
    }
}
