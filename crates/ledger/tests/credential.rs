//! What is taken as a credential, what is refused and why, and what is read from it: small files written for this.

use std::fs;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kvitto_ledger::commitment::{DigestAlgorithm, DigestTarget};
use kvitto_ledger::credential::{Credential, CredentialError, Moment, ReadOptions, Seal, Timing};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const VCDM_1_1: &str = include_str!("data/vcdm11.json");
const VCDM_2_0: &str = include_str!("data/vcdm20.json");
const OPEN_BADGE: &str = include_str!("data/openbadge3.json");
const SD_JWT_CLAIMS: &str = include_str!("data/sd-jwt-claims.json");
const JADES: &str = include_str!("data/jades-general.json");

/// Any signature: nothing here checks it.
const SIGNATURE: &str = "c2lnbmF0dXJl";

fn read(text: &str) -> Result<Credential, CredentialError> {
    Credential::read(text.as_bytes(), &ReadOptions::default())
}

fn unwrapping(member: &str) -> ReadOptions {
    ReadOptions { unwrap: Some(member.to_owned()), ..ReadOptions::default() }
}

fn encoded(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

fn compact(header: &str, payload: &str) -> String {
    format!("{}.{}.{SIGNATURE}", encoded(header), encoded(payload))
}

fn text(credential: &Credential, target: DigestTarget) -> String {
    String::from_utf8(credential.content(target).unwrap().to_vec()).unwrap()
}

#[test]
fn the_data_model_1_1_is_read() {
    let credential = read(VCDM_1_1).unwrap();
    let facts = credential.facts();
    assert_eq!(facts.types, ["VerifiableCredential", "VerifiableAttestation"]);
    assert_eq!(facts.issuer.ids, ["did:ebsi:zExample"]);
    assert_eq!(facts.validity.from, Moment::At(1_704_067_200));
    assert_eq!(facts.validity.until, Moment::At(1_735_689_600));
    assert_eq!(facts.status_entries[0].index, 94_567);
    assert_eq!(facts.status_entries[0].purpose.as_deref(), Some("revocation"));
    assert_eq!(facts.status_entries[0].list, "https://status.example/3");
    assert_eq!((credential.seal(), credential.default_target()), (Seal::None, DigestTarget::Jcs));
}

#[test]
fn the_data_model_2_0_is_read() {
    let credential = read(VCDM_2_0).unwrap();
    let facts = credential.facts();
    assert_eq!(facts.types, ["VerifiableCredential", "ExampleCourseCredential"]);
    assert_eq!(facts.issuer.ids, ["https://school.example/issuer"]);
    assert_eq!(facts.issuer.names.len(), 2);
    assert_eq!(facts.validity.at(1_700_000_000), Timing::Before);
    assert_eq!(facts.validity.at(1_720_000_000), Timing::Within);
    assert_eq!(credential.display_name(&["sv"]), Some("Brandskydd"));
    assert_eq!(credential.display_name(&[]), Some("Fire safety"));
    assert_eq!((credential.seal(), credential.default_target()), (Seal::DataIntegrity, DigestTarget::Jcs));
}

#[test]
fn an_open_badge_is_read() {
    let facts = read(OPEN_BADGE).unwrap().facts().clone();
    assert_eq!(facts.types, ["VerifiableCredential", "OpenBadgeCredential"]);
    assert_eq!(facts.issuer.identifiers[0].scheme, "ext:organisationsnummer");
    assert_eq!(facts.issuer.identifiers[0].value, "212000-0000");
    assert_eq!(facts.issuer.names[0].text, "Exempelstads kommun");
    assert_eq!(facts.titles[0].text, "First aid");
}

#[test]
fn the_claims_of_an_sd_jwt_are_read_sealed_and_unsealed() {
    let sealed =
        format!("{}~{}~", compact(r#"{"alg":"ES256","typ":"dc+sd-jwt"}"#, SD_JWT_CLAIMS), encoded("[1]"));
    let bound = format!("{sealed}{}", compact(r#"{"alg":"ES256","typ":"kb+jwt"}"#, "{}"));
    for file in [SD_JWT_CLAIMS, &sealed, &bound] {
        let facts = read(file).unwrap().facts().clone();
        assert_eq!(facts.types, ["urn:eudi:micro_credential:1"]);
        assert_eq!(facts.issuer.ids, ["https://issuer.example"]);
        assert_eq!(
            (facts.validity.from, facts.validity.until),
            (Moment::At(1_704_067_200), Moment::At(1_735_689_600))
        );
        assert_eq!(facts.status_entries[0].entry_type, "status_list");
        assert_eq!(
            (facts.status_entries[0].index, facts.status_entries[0].list.as_str()),
            (412, "https://issuer.example/list")
        );
    }
    let [sealed, bound] = [sealed, bound].map(|file| read(&file).unwrap());
    assert_eq!(sealed.seal(), Seal::SdJwt);
    assert_eq!(text(&sealed, DigestTarget::Payload), SD_JWT_CLAIMS, "disclosures are no part of the payload");
    assert_eq!(text(&bound, DigestTarget::Payload), SD_JWT_CLAIMS, "nor is the holder's key binding");
}

#[test]
fn a_jwt_of_the_data_model_1_1_is_read_from_its_claim_vc() {
    let payload =
        format!(r#"{{"iss":"did:ebsi:zExample","nbf":1704067201,"exp":1735689599,"vc":{VCDM_1_1}}}"#);
    let credential = read(&compact(r#"{"alg":"EdDSA","typ":"JWT"}"#, &payload)).unwrap();
    let facts = credential.facts();
    assert_eq!(facts.types, ["VerifiableCredential", "VerifiableAttestation"]);
    assert_eq!(facts.issuer.ids, ["did:ebsi:zExample"]);
    assert_eq!(facts.validity.from, Moment::At(1_704_067_201));
    assert_eq!(facts.validity.until, Moment::At(1_735_689_599));
    assert_eq!((credential.seal(), credential.default_target()), (Seal::JwsCompact, DigestTarget::Payload));
    assert_eq!(text(&credential, DigestTarget::Payload), payload);
    let unavailable = credential.digest(DigestAlgorithm::Sha256, DigestTarget::Jcs).unwrap_err();
    assert_eq!(unavailable.reason(), "TARGET_NOT_AVAILABLE");
}

#[test]
fn a_jades_payload_is_taken_exactly_as_sealed() {
    let credential = read(JADES).unwrap();
    assert_eq!(credential.seal(), Seal::JwsGeneral);
    let payload = text(&credential, DigestTarget::Payload);
    assert!(
        payload.starts_with(r#"{ "type" : ["VerifiableCredential", "EuropeanDigitalCredential"]"#),
        "{payload}"
    );
    assert_eq!(credential.facts().types[2], "http://data.europa.eu/snb/credential/e34929035b");
    assert_eq!(credential.facts().issuer.identifiers[0].country.as_deref(), Some("SWE"));
    assert_eq!(credential.display_name(&[]), Some("Brandskydd"));

    // Renewing the seal changes the file and its canonical form, never the payload.
    let renewed = read(&JADES.replacen(r#""etsiU": []"#, r#""etsiU": ["YXJjVHN0"]"#, 1)).unwrap();
    let digest =
        |credential: &Credential, target| credential.digest(DigestAlgorithm::Sha256, target).unwrap();
    assert_eq!(digest(&renewed, DigestTarget::Payload), digest(&credential, DigestTarget::Payload));
    assert_ne!(digest(&renewed, DigestTarget::Jcs), digest(&credential, DigestTarget::Jcs));
}

#[test]
fn flattened_and_general_forms_with_an_encoded_payload_give_the_same_bytes() {
    let payload = encoded(VCDM_2_0);
    let protected = encoded(r#"{"alg":"ES256"}"#);
    let flattened = json!({"payload": payload, "protected": protected, "signature": SIGNATURE});
    let general = json!({"payload": payload, "signatures": [
        {"protected": protected, "signature": SIGNATURE}, {"header": {"alg": "ES256"}, "signature": SIGNATURE},
    ]});
    for (file, seal) in [(flattened, Seal::JwsFlattened), (general, Seal::JwsGeneral)] {
        let credential = read(&file.to_string()).unwrap();
        assert_eq!(credential.seal(), seal);
        assert_eq!(text(&credential, DigestTarget::Payload), VCDM_2_0);
    }
}

#[test]
fn a_wrapper_is_refused_with_a_hint_and_opened_on_request() {
    for (wrapper, member) in [
        (format!(r#"{{"credential":{VCDM_2_0}}}"#), "credential"),
        (format!(r#"{{"vc":{VCDM_2_0}}}"#), "vc"),
        (format!(r#"{{"verifiableCredential":{JADES},"x":1}}"#), "verifiableCredential"),
        (format!(r#"{{"elm":{OPEN_BADGE},"deliveryDetails":{{"type":"Mail"}}}}"#), "elm"),
        (format!(r#"{{"credential":"{}"}}"#, compact(r#"{"alg":"ES256"}"#, VCDM_2_0)), "credential"),
    ] {
        assert_eq!(read(&wrapper), Err(CredentialError::WrappedCredential { member: member.to_owned() }));
        let inner = Credential::read(wrapper.as_bytes(), &unwrapping(member)).unwrap();
        assert!(inner.facts().types.contains(&"VerifiableCredential".to_owned()));
        assert_eq!(text(&inner, DigestTarget::Bytes), wrapper, "target bytes stays the file");
    }
    let wrapper = format!(r#"{{"credential":{VCDM_2_0}}}"#);
    let inner = Credential::read(wrapper.as_bytes(), &unwrapping("credential")).unwrap();
    let direct = read(VCDM_2_0).unwrap();
    assert_eq!(inner.content(DigestTarget::Jcs), direct.content(DigestTarget::Jcs));
    for file in [VCDM_2_0, "[]", &wrapper, &compact(r#"{"alg":"ES256"}"#, VCDM_2_0)] {
        let error = Credential::read(file.as_bytes(), &unwrapping("badge")).unwrap_err();
        assert_eq!(error.reason(), "UNWRAP_MEMBER_MISSING", "{file}");
    }
}

/// Each row: a file that is refused, the reason, and a part of the message.
fn check_refused(rows: Vec<(String, &str, &str)>) {
    for (file, reason, part) in rows {
        let error = read(&file).expect_err(&file);
        assert_eq!(error.reason(), reason, "{file}: {error}");
        assert!(error.to_string().contains(part), "{file}: {error}");
    }
}

#[test]
fn what_is_no_credential_is_refused_with_its_reason() {
    check_refused(vec![
        (" \n".into(), "EMPTY_FILE", "empty"),
        ("%PDF-1.7".into(), "UNKNOWN_FORMAT", "target `bytes`"),
        ("\u{feff}{}".into(), "UNKNOWN_FORMAT", "neither JSON"),
        ("credential".into(), "UNKNOWN_FORMAT", "neither JSON"),
        ("{\"type\":".into(), "MALFORMED_JSON", "EOF"),
        (r#"{"type":"A","credentialSubject":{"id":"a","id":"b"}}"#.into(), "DUPLICATE_MEMBER", "\"id\""),
        (r#"{"type":"A","credentialSubject":{"id":"\ud800"}}"#.into(), "LONE_SURROGATE", "byte 39"),
        (r#"{"type":"A","credentialSubject":{"n":1e400}}"#.into(), "NUMBER_NOT_PRESERVED", "1e400"),
        (
            r#"{"type":"A","credentialSubject":{"n":9007199254740993}}"#.into(),
            "NUMBER_NOT_PRESERVED",
            "9007199254740993",
        ),
        ("[".repeat(5_000), "NESTED_TOO_DEEP", "64"),
        ("{}".into(), "NOT_A_CREDENTIAL", "an empty JSON object"),
        ("[]".into(), "NOT_A_CREDENTIAL", "an array of 0 items"),
        (format!("[{VCDM_2_0}]"), "NOT_A_CREDENTIAL", "an array of 1 items"),
        ("\"text\"".into(), "NOT_A_CREDENTIAL", "a text"),
        (r#"{"type":"Assertion","badge":{}}"#.into(), "NOT_A_CREDENTIAL", "`type`, `badge`"),
        (r#"{"type":"A","credentialSubject":"did:x"}"#.into(), "NOT_A_CREDENTIAL", "`credentialSubject`"),
        (r#"{"type":[],"credentialSubject":{"id":"a"}}"#.into(), "NOT_A_CREDENTIAL", "found"),
        (r#"{"@context":[],"credentialSubject":{"id":"a"}}"#.into(), "NOT_A_CREDENTIAL", "found"),
        (format!(r#"{{"items":[{VCDM_1_1},{VCDM_2_0}]}}"#), "SEVERAL_CREDENTIALS", "2 in the array `items`"),
        (format!(r#"{{"a":{VCDM_1_1},"b":{VCDM_2_0}}}"#), "SEVERAL_CREDENTIALS", "`a`, `b`"),
        (
            format!(r#"{{"type":"VerifiablePresentation","verifiableCredential":{VCDM_2_0}}}"#),
            "PRESENTATION",
            "VerifiablePresentation",
        ),
    ]);
}

#[test]
fn seals_that_are_broken_or_hold_no_credential_are_refused_with_their_reason() {
    let header = r#"{"alg":"ES256"}"#;
    let part = encoded(header);
    let sealed = |payload: &str| compact(header, payload);
    check_refused(vec![
        (sealed(&format!(r#"{{"vp":{{"verifiableCredential":[{VCDM_2_0}]}}}}"#)), "PRESENTATION", "`vp`"),
        (sealed(r#"{"vc":{"type":["VerifiablePresentation"]}}"#), "PRESENTATION", "VerifiablePresentation"),
        (part.clone(), "HEADER_ONLY", "ES256"),
        (format!("{part}.{part}.{part}.{part}.{part}"), "ENCRYPTED", "decrypt"),
        (format!("{part}.{}", encoded(VCDM_2_0)), "MALFORMED_SEAL", "2 parts"),
        (format!("{part}={}.{SIGNATURE}", encoded(VCDM_2_0)), "UNKNOWN_FORMAT", "neither JSON"),
        (format!("{part}=.{}.{SIGNATURE}", encoded(VCDM_2_0)), "MALFORMED_SEAL", "header"),
        (format!("{part}.{}=.{SIGNATURE}", encoded(VCDM_2_0)), "MALFORMED_SEAL", "payload"),
        (format!("{part}.{}.a+b/", encoded(VCDM_2_0)), "MALFORMED_SEAL", "signature"),
        (format!("{part}.{}.{SIGNATURE}~~", encoded(SD_JWT_CLAIMS)), "MALFORMED_SEAL", "disclosure"),
        (format!("{part}.{}.{SIGNATURE}~x.y", encoded(SD_JWT_CLAIMS)), "MALFORMED_SEAL", "key binding"),
        (format!("{part}..{SIGNATURE}"), "DETACHED_SEAL", "not in this file"),
        (format!("{part}.{}.", encoded(VCDM_2_0)), "NOT_SEALED", "no signature"),
        (compact(r#"{"alg":"none"}"#, VCDM_2_0), "NOT_SEALED", "no signature"),
        (compact(r#"{"alg":"ES256","alg":"none"}"#, VCDM_2_0), "MALFORMED_SEAL", "twice"),
        (compact("[]", VCDM_2_0), "MALFORMED_SEAL", "not a JSON object"),
        (sealed("%PDF-1.7"), "SEALED_CONTENT_NOT_JSON", "target `bytes`"),
        (sealed("[]"), "SEALED_CONTENT_NOT_JSON", "an array"),
        (sealed(r#"{"sub":"a"}"#), "NOT_A_CREDENTIAL", "`sub`"),
        (sealed(r#"{"vct":"a","vct":"b"}"#), "DUPLICATE_MEMBER", "\"vct\""),
        (sealed(&format!(r#"{{"credential":{VCDM_2_0}}}"#)), "NOT_A_CREDENTIAL", "`credential`"),
        (
            sealed(&format!(r#"{{"vc":{VCDM_1_1},"type":"A","credentialSubject":{{"id":"b"}}}}"#)),
            "SEVERAL_CREDENTIALS",
            "claim `vc`",
        ),
    ]);
}

#[test]
fn seals_as_json_that_are_broken_are_refused_with_their_reason() {
    let part = encoded(r#"{"alg":"ES256"}"#);
    let json_form = |header: &str, payload: &str| {
        json!({"payload": payload, "signatures": [{"protected": encoded(header), "signature": SIGNATURE}]})
            .to_string()
    };
    check_refused(vec![
        (json_form(r#"{"alg":"ES256","b64":false}"#, VCDM_2_0), "MALFORMED_SEAL", "`crit`"),
        (
            json_form(r#"{"alg":"ES256","b64":0,"crit":["b64"]}"#, VCDM_2_0),
            "MALFORMED_SEAL",
            "neither true nor false",
        ),
        (json_form(r#"{"alg":"ES256"}"#, VCDM_2_0), "MALFORMED_SEAL", "payload"),
        (json_form(r#"{"alg":"ES256"}"#, ""), "DETACHED_SEAL", "not in this file"),
        (
            format!(r#"{{"signatures":[{{"protected":"{part}","signature":"{SIGNATURE}"}}]}}"#),
            "DETACHED_SEAL",
            "not in this file",
        ),
        (r#"{"payload":"e30","signatures":[]}"#.into(), "NOT_SEALED", "no signature"),
        (r#"{"payload":"e30","signatures":{}}"#.into(), "MALFORMED_SEAL", "not an array"),
        (r#"{"payload":"e30","signatures":[1]}"#.into(), "MALFORMED_SEAL", "not an object"),
        (r#"{"payload":"e30","signatures":[{}]}"#.into(), "MALFORMED_SEAL", "missing"),
        (r#"{"payload":"e30","signature":"YQ","signatures":[]}"#.into(), "MALFORMED_SEAL", "both"),
        (
            format!(r#"{{"payload":{{}},"protected":"{part}","signature":"YQ"}}"#),
            "MALFORMED_SEAL",
            "not a string",
        ),
        (r#"{"payload":"e30","protected":1,"signature":"YQ"}"#.into(), "MALFORMED_SEAL", "not a string"),
    ]);
}

#[test]
fn facts_come_from_the_credential_itself_and_not_from_a_stray_member_vc() {
    let file = VCDM_2_0.replacen('{', &format!(r#"{{"vc":{VCDM_1_1},"#), 1);
    assert_eq!(read(&file).unwrap().facts(), read(VCDM_2_0).unwrap().facts());
}

#[test]
fn signatures_that_disagree_about_the_encoding_are_refused() {
    let signature = |header: &str| json!({"protected": encoded(header), "signature": SIGNATURE});
    let headers = [r#"{"alg":"ES256"}"#, r#"{"alg":"ES256","b64":false,"crit":["b64"]}"#];
    let file = json!({"payload": VCDM_2_0, "signatures": headers.map(signature)});
    let error = read(&file.to_string()).unwrap_err();
    assert_eq!(error.reason(), "MALFORMED_SEAL");
    assert!(error.to_string().contains("disagree"), "{error}");
}

#[test]
fn a_file_of_another_kind_is_taken_for_its_bytes_only_when_asked() {
    let options = ReadOptions { opaque: true, ..ReadOptions::default() };
    for file in ["%PDF-1.7", "{\"a\":1,\"a\":2}", "[]"] {
        let credential = Credential::read(file.as_bytes(), &options).unwrap();
        assert_eq!(credential.default_target(), DigestTarget::Bytes);
        assert_eq!(text(&credential, DigestTarget::Bytes), file);
        assert!(
            credential.content(DigestTarget::Jcs).is_err()
                && credential.content(DigestTarget::Payload).is_err()
        );
        assert!(credential.facts().types.is_empty() && credential.display_name(&[]).is_none());
    }
    let readable = Credential::read(VCDM_2_0.as_bytes(), &options).unwrap();
    assert_eq!(readable.default_target(), DigestTarget::Jcs);
    assert_eq!(Credential::read(b" ", &options), Err(CredentialError::EmptyFile));
}

#[test]
fn the_size_is_bounded_before_anything_is_read() {
    let options = ReadOptions { bytes_max: 10, opaque: true, ..ReadOptions::default() };
    let error = Credential::read(VCDM_2_0.as_bytes(), &options).unwrap_err();
    assert_eq!(error, CredentialError::FileTooLarge { bytes: VCDM_2_0.len(), bytes_max: 10 });
}

/// Comparing each type with all before it took minutes on a file of a few megabytes.
#[test]
fn a_file_with_very_many_types_is_read_in_linear_time() {
    let types: Vec<String> = (0..300_000).map(|number| format!("T{number}")).collect();
    let file = json!({"type": types, "credentialSubject": {"id": "a"}, "issuer": types});
    let facts = read(&file.to_string()).unwrap().facts().clone();
    assert_eq!((facts.types.len(), facts.issuer.ids.len()), (300_000, 300_000));
}

/// RFC 8785, 3.2.3: by UTF-16 code units, so that U+1F600 (D83D DE00) stands before U+FB33.
#[test]
fn members_are_sorted_by_utf_16_code_units() {
    let members =
        "\"\u{20ac}\":1,\"\\r\":2,\"\u{fb33}\":3,\"1\":4,\"\u{1f600}\":5,\"\u{80}\":6,\"\u{f6}\":7,\"\":8";
    let credential = read(&format!("{{\"type\":\"T\",\"credentialSubject\":{{{members}}}}}")).unwrap();
    let sorted =
        "\"\":8,\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3";
    let expected = format!("{{\"credentialSubject\":{{{sorted}}},\"type\":\"T\"}}");
    assert_eq!(text(&credential, DigestTarget::Jcs), expected);
}

/// RFC 8785, appendix B, and the numbers that real files hold.
#[test]
fn numbers_are_written_as_ecmascript_writes_them() {
    let rows = [
        ("3.0", "3"),
        ("36.0", "36"),
        ("4.50", "4.5"),
        ("2e-3", "0.002"),
        ("1E30", "1e+30"),
        ("-0", "0"),
        ("0.000000000000000000000000001", "1e-27"),
        ("333333333.33333329", "333333333.3333333"),
        ("5e-324", "5e-324"),
        ("-5e-324", "-5e-324"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
        ("9007199254740992", "9007199254740992"),
        ("-9007199254740992", "-9007199254740992"),
        ("295147905179352830000", "295147905179352830000"),
        ("9.999999999999997e22", "9.999999999999997e+22"),
        ("1e23", "1e+23"),
        ("1.0000000000000001e23", "1.0000000000000001e+23"),
        ("999999999999999700000", "999999999999999700000"),
        ("999999999999999900000", "999999999999999900000"),
        ("1e21", "1e+21"),
        ("9.999999999999997e-7", "9.999999999999997e-7"),
        ("0.000001", "0.000001"),
        ("333333333.3333332", "333333333.3333332"),
        ("333333333.33333325", "333333333.33333325"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("1.7976931348623157E+308", "1.7976931348623157e+308"),
    ];
    for (literal, expected) in rows {
        let credential = read(&format!(r#"{{"type":"T","credentialSubject":{{"n":{literal}}}}}"#)).unwrap();
        let wanted = format!(r#"{{"credentialSubject":{{"n":{expected}}},"type":"T"}}"#);
        assert_eq!(text(&credential, DigestTarget::Jcs), wanted, "{literal}");
    }
}

#[test]
fn the_samples_of_the_node_are_credentials() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../node/samples");
    let sample = |name: &str| {
        Credential::read(&fs::read(folder.join(name)).unwrap(), &ReadOptions::default()).unwrap()
    };

    let course = sample("microcredential.json");
    assert_eq!(course.display_name(&["en"]), Some("Data protection in practice"));
    assert_eq!(course.display_name(&["sv"]), Some("Dataskydd i praktiken"));
    let generic_profile = "http://data.europa.eu/snb/credential/e34929035b";
    assert_eq!(course.facts().types, ["VerifiableCredential", "EuropeanDigitalCredential", generic_profile]);
    let issuer = &course.facts().issuer;
    assert!(issuer.names.iter().any(|name| name.text == "Högskolan Exempelstad"));
    assert_eq!(
        (issuer.identifiers[0].scheme.as_str(), issuer.identifiers[0].value.as_str()),
        ("registration", "202100-0000")
    );
    assert_eq!(course.facts().validity.from, Moment::At(1_780_653_600));

    let badge = sample("openbadge.json");
    assert_eq!(badge.facts().types, ["VerifiableCredential", "OpenBadgeCredential"]);
    assert_eq!(badge.display_name(&[]), Some("Safe work on solar roofs"));
}

#[test]
fn a_credential_is_not_printed_by_debug() {
    let printed = format!("{:?}", read(OPEN_BADGE).unwrap());
    assert!(!printed.contains("First aid") && !printed.contains("Exempel"), "{printed}");
}

/// A JSON value of a few levels; member names and texts from all of Unicode.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_992_i64..=9_007_199_254_740_992).prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no infinities", |number| number.is_finite()).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(".{0,4}", inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The same value with the members of every object in the opposite order.
fn reversed(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(reversed).collect(),
        Value::Object(object) => {
            let members = object.iter().rev().map(|(name, value)| (name.clone(), reversed(value)));
            Value::Object(members.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

/// Bytes that get past the first look: pieces of credentials and seals in any order, and noise.
fn nearly_a_file() -> impl Strategy<Value = Vec<u8>> {
    let pieces = vec![
        "{",
        "}",
        "[",
        "]",
        "\"",
        ":",
        ",",
        "\\u",
        "\\ud800",
        "d800",
        "\\",
        "1e400",
        "9007199254740993",
        "-",
        ".",
        "~",
        "\"payload\":",
        "\"signatures\":",
        "\"signature\":",
        "\"protected\":",
        "\"eyJhbGciOiJFUzI1NiJ9\"",
        "eyJhbGciOiJFUzI1NiJ9",
        "e30",
        "YQ",
        "\"type\":\"A\"",
        "\"credentialSubject\":",
        "\"issuer\":",
        "\"vc\":",
        "\"validFrom\":",
        "\"credentialStatus\":",
        "\"a\"",
        "null",
        " ",
        "\u{1f600}",
    ];
    let piece = prop_oneof![
        4 => prop::sample::select(pieces).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), near in nearly_a_file()) {
        for file in [bytes, near] {
            let strict = Credential::read(&file, &ReadOptions::default());
            let opaque = ReadOptions { opaque: true, ..ReadOptions::default() };
            let lenient = Credential::read(&file, &opaque);
            prop_assert_eq!(lenient.is_err(), file.trim_ascii().is_empty());
            if let Err(error) = strict {
                prop_assert!(!error.to_string().is_empty() && !error.reason().is_empty());
            }
            let _ = Credential::read(&file, &unwrapping("a"));
        }
    }

    #[test]
    fn no_members_of_a_credential_make_it_panic(issuer in json_value(), other in json_value(), name in prop::sample::select(vec![
        "type", "credentialProfiles", "validFrom", "exp", "credentialStatus", "status", "displayParameter", "name", "vct", "iss",
    ])) {
        let mut file = json!({"type": ["A"], "credentialSubject": {"achievement": other, "hasClaim": other}, "issuer": issuer});
        file[name] = other;
        let _ = read(&file.to_string());
    }

    #[test]
    fn the_canonical_form_does_not_depend_on_order_or_white_space(subject in json_value()) {
        let file = json!({"type": "T", "credentialSubject": {"v": subject}});
        let canonical = read(&file.to_string()).unwrap();
        let canonical = canonical.content(DigestTarget::Jcs).unwrap();
        let pretty = serde_json::to_string_pretty(&reversed(&file)).unwrap();
        let again = read(&pretty).unwrap();
        prop_assert_eq!(again.content(DigestTarget::Jcs).unwrap(), canonical);
        let canonical_text = std::str::from_utf8(canonical).unwrap();
        let twice = read(canonical_text).unwrap();
        prop_assert_eq!(twice.content(DigestTarget::Jcs).unwrap(), canonical);
    }
}
