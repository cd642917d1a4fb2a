//! Every reason, by the call that provokes it, and the table in ERRORS.md.

use std::collections::BTreeMap;
use std::time::Duration;

use kvitto_api::{Reason, SubmitError, code_of};
use kvitto_ledger::Rejection;
use kvitto_ledger::rejection::Class;
use kvitto_ledger::testing::{Actor, HOUR_MS, commitment};
use kvitto_merkle::status::StatusValue;
use kvitto_proto::limits::{BATCH_CREDENTIALS_MAX, WATCH_CREDENTIALS_MAX};
use kvitto_proto::v1;
use tonic::Code;
use tonic_types::StatusExt;

use crate::{Stage, reason, refused};

#[test]
fn the_list_for_readers_is_the_table() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/ERRORS.md")).unwrap();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let expected: Vec<_> = Reason::ALL
        .iter()
        .map(|reason| {
            vec![format!("`{}`", reason.name()), grpc_name(reason.code()), reason.text().to_owned()]
        })
        .collect();
    assert_eq!(rows, expected);
}

fn grpc_name(code: Code) -> String {
    let camel = format!("{code:?}");
    camel.chars().enumerate().fold(String::new(), |mut name, (at, letter)| {
        if at > 0 && letter.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
        name
    })
}

#[test]
fn reasons_of_services_and_rejections_do_not_contradict_each_other() {
    let rejections: BTreeMap<_, _> =
        Rejection::ALL.iter().map(|rejection| (rejection.reason(), code_of(rejection.class()))).collect();
    for reason in Reason::ALL {
        let same = rejections.get(reason.name()).is_none_or(|code| *code == reason.code());
        assert!(same, "{} has two codes", reason.name());
    }
}

#[test]
fn every_class_of_rejections_has_its_code() {
    for (class, code) in [
        (Class::Invalid, Code::InvalidArgument),
        (Class::Unauthenticated, Code::Unauthenticated),
        (Class::Denied, Code::PermissionDenied),
        (Class::NotFound, Code::NotFound),
        (Class::Exists, Code::AlreadyExists),
        (Class::Precondition, Code::FailedPrecondition),
        (Class::Exhausted, Code::ResourceExhausted),
    ] {
        assert_eq!(code_of(class), code);
    }
}

#[tokio::test]
async fn a_rejected_statement_carries_its_reason_number_and_finality() {
    let stage = Stage::new().await;
    let school = &stage.school;
    let stranger = Actor::new("stranger");
    // Whatever the reason, past `not_after` it stays so.
    let late = stage.node.statement(&stranger, stranger.anchors([commitment(3)]));
    stage.node.pass(HOUR_MS - 1000);
    stage.node.act(school, school.anchors([commitment(50)]));
    stage.node.act(school, school.sets(StatusValue::Revoked, [commitment(1)]));
    let mut tampered = stage.node.statement(school, school.anchors([commitment(9)]));
    *tampered.last_mut().unwrap() ^= 1;
    let cases = [
        (b"no statement".to_vec(), Code::InvalidArgument, "COSE_MALFORMED", "true"),
        (tampered, Code::Unauthenticated, "SIGNATURE_INVALID", "true"),
        (late, Code::PermissionDenied, "SIGNER_UNKNOWN", "true"),
        (
            stage.node.statement(&stranger, stranger.anchors([commitment(3)])),
            Code::PermissionDenied,
            "SIGNER_UNKNOWN",
            "false",
        ),
        (
            stage.node.statement(school, school.sets(StatusValue::Revoked, [commitment(77)])),
            Code::NotFound,
            "ANCHOR_UNKNOWN",
            "false",
        ),
        (
            stage.node.statement(school, school.sets(StatusValue::Revoked, [commitment(1)])),
            Code::FailedPrecondition,
            "ALREADY_REVOKED",
            "false",
        ),
    ];
    for (statement, code, expected, is_final) in cases {
        let request = v1::SubmitRequest { statement: statement.into(), ..Default::default() };
        let status = stage.anchoring().submit(request).await.unwrap_err();
        assert_eq!(reason(&status), (code, expected.to_owned()), "{status:?}");
        let info = status.get_details_error_info().unwrap();
        assert_eq!(
            (info.domain.as_str(), info.metadata["final"].as_str()),
            ("kvitto", is_final),
            "{expected}"
        );
        let rejection = Rejection::ALL.iter().find(|rejection| rejection.reason() == expected).unwrap();
        assert_eq!(info.metadata["code"], rejection.code().to_string());
        assert_eq!(info.metadata.contains_key("statement_id"), expected != "COSE_MALFORMED");
    }
}

#[tokio::test]
async fn what_keeps_a_node_from_taking_statements_is_said_with_a_time_to_come_back() {
    let stage = Stage::new().await;
    let retry_after = Duration::from_millis(1500);
    for (error, code, expected, delay) in [
        (SubmitError::MempoolFull { retry_after }, Code::ResourceExhausted, "MEMPOOL_FULL", retry_after),
        (SubmitError::SignerQuota { retry_after }, Code::ResourceExhausted, "SIGNER_QUOTA", retry_after),
        (SubmitError::Syncing, Code::Unavailable, "NODE_SYNCING", Duration::from_secs(1)),
        (SubmitError::NoQuorum, Code::Unavailable, "NO_QUORUM", Duration::from_secs(1)),
        (SubmitError::Halted, Code::Unavailable, "SAFETY_HALT", Duration::from_secs(1)),
    ] {
        stage.node.refuse_with(Some(error));
        let status = stage.anchoring().submit(v1::SubmitRequest::default()).await.unwrap_err();
        assert_eq!(reason(&status), (code, expected.to_owned()));
        assert_eq!(status.get_details_retry_info().unwrap().retry_delay, Some(delay), "{expected}");
    }
}

#[tokio::test]
async fn questions_that_cannot_be_answered_say_what_is_wrong_with_them() {
    let stage = Stage::new().await;
    let (mut status, mut anchoring) = (stage.status(), stage.anchoring());
    let named = |name| Some(v1::Credential { name: Some(name) });
    let commitment_of = |issuer_did: &str, commitment: &'static [u8]| {
        named(v1::credential::Name::Commitment(v1::IssuedCommitment {
            issuer_did: issuer_did.to_owned(),
            commitment: commitment.into(),
        }))
    };
    let school = stage.school.did.to_string();
    for (credential, code, expected) in [
        (None, Code::InvalidArgument, "CREDENTIAL"),
        (Some(v1::Credential::default()), Code::InvalidArgument, "CREDENTIAL"),
        (commitment_of("did:web:school", &[1; 32]), Code::InvalidArgument, "DID"),
        (commitment_of(&school, &[1; 31]), Code::InvalidArgument, "COMMITMENT"),
        (commitment_of(&school, &[1; 32]), Code::NotFound, "NOT_ANCHORED"),
        // An accreditation's position, and one that does not exist.
        (named(v1::credential::Name::Position(0)), Code::NotFound, "NOT_ANCHORED"),
        (named(v1::credential::Name::Position(u64::MAX)), Code::NotFound, "NOT_ANCHORED"),
    ] {
        let request = v1::GetStatusRequest { credential, ..Default::default() };
        refused(status.get_status(request).await, code, expected);
    }
    for count in [0, BATCH_CREDENTIALS_MAX + 1] {
        let credentials = vec![stage.credential(1); count];
        let request = v1::BatchGetStatusRequest { credentials, ..Default::default() };
        refused(status.batch_get_status(request).await, Code::InvalidArgument, "BATCH_SIZE");
    }
    for count in [0, WATCH_CREDENTIALS_MAX + 1] {
        let credentials = vec![stage.credential(1); count];
        let request = v1::WatchStatusRequest { credentials, ..Default::default() };
        refused(status.watch_status(request).await, Code::InvalidArgument, "BATCH_SIZE");
    }
    let request = |len| v1::GetOutcomeRequest { statement_id: vec![7; len].into() };
    refused(anchoring.get_outcome(request(31)).await, Code::InvalidArgument, "STATEMENT_ID");
    refused(anchoring.get_outcome(request(32)).await, Code::NotFound, "STATEMENT_UNKNOWN");
}

/// RULES 9: whether somebody else has anchored a commitment, nobody learns.
#[tokio::test]
async fn somebody_elses_commitment_an_unregistered_issuer_and_an_unknown_one_are_answered_alike() {
    let stage = Stage::new().await;
    let asked = |issuer: &str, number| v1::Credential {
        name: Some(v1::credential::Name::Commitment(v1::IssuedCommitment {
            issuer_did: Actor::new(issuer).did.to_string(),
            commitment: commitment(number).0.to_vec().into(),
        })),
    };
    let (mut refusals, mut reasons) = (Vec::new(), Vec::new());
    for credential in [asked("tao", 1), asked("stranger", 1), asked("school", 999), asked("stranger", 999)] {
        let credentials = vec![credential.clone()];
        let request = v1::BatchGetStatusRequest { credentials, ..Default::default() };
        let batch = stage.status().batch_get_status(request).await.unwrap().into_inner().message().await;
        reasons.push(batch.unwrap().unwrap());
        let watched = v1::WatchStatusRequest { credentials: vec![credential.clone()], ..Default::default() };
        let credential = Some(credential);
        let request = v1::GetStatusRequest { credential: credential.clone(), ..Default::default() };
        let receipt = v1::GetReceiptRequest { credential, ..Default::default() };
        for status in [
            stage.status().get_status(request).await.unwrap_err(),
            stage.status().get_receipt(receipt).await.unwrap_err(),
            stage.status().watch_status(watched).await.unwrap_err(),
        ] {
            assert_eq!(reason(&status), (Code::NotFound, "NOT_ANCHORED".to_owned()));
            refusals.push((status.code(), status.message().to_owned(), status.details().to_vec()));
        }
    }
    assert!(refusals.iter().all(|refusal| *refusal == refusals[0]), "{refusals:?}");
    assert!(reasons.iter().all(|reason| *reason == reasons[0]), "{reasons:?}");
    stage
        .status()
        .get_status(v1::GetStatusRequest { credential: Some(asked("school", 1)), ..Default::default() })
        .await
        .expect("it is anchored, by the school");
}

#[tokio::test]
async fn moments_outside_the_published_log_are_out_of_range() {
    use v1::at::Moment;
    let stage = Stage::new().await;
    let newest = stage.log().get_checkpoint(v1::GetCheckpointRequest {}).await.unwrap().into_inner();
    let newest = newest.checkpoint.unwrap();
    for moment in [
        Moment::Height(newest.height + 1),
        Moment::Height(u64::MAX),
        Moment::TreeSize(0),
        Moment::TreeSize(newest.tree_size - 1),
        Moment::TreeSize(newest.tree_size + 1),
        Moment::TimeMs(0),
    ] {
        let request = v1::GetStatusRequest {
            credential: Some(stage.credential(1)),
            at: Some(v1::At { moment: Some(moment) }),
            omit_receipt: true,
        };
        refused(stage.status().get_status(request).await, Code::OutOfRange, "AT_UNKNOWN");
    }
}
