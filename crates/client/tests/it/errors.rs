//! From a node's error to the caller's: reasons, codes, finality.

use std::collections::HashMap;

use kvitto_api::SubmitError;
use kvitto_client::{ClientError, Moment, Refusal};
use kvitto_ledger::testing::{Actor, commitment};
use kvitto_ledger::{AccreditationId, Rejection};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::proxy::Proxy;
use crate::{Stage, client, organisation};

#[tokio::test]
async fn a_rejection_by_the_rules_keeps_reason_number_and_sentence() {
    let stage = Stage::new().await;
    let mut anchor = stage.school.anchors([commitment(3)]);
    anchor.accreditation = AccreditationId([9; 32]);
    let statement = stage.organisation().anchor(anchor).unwrap();
    let rejection = Rejection::AccreditationMissing;
    for error in [
        stage.client.submit(&statement).await.unwrap_err(),
        stage.client.submit_final(&statement).await.unwrap_err(),
    ] {
        let ClientError::Refused(refusal) = error else { panic!("{error:?}") };
        let expected = Refusal {
            code: rejection.code().into(),
            reason: rejection.reason().to_owned(),
            message: rejection.text().to_owned(),
            is_final: false,
        };
        assert_eq!(refusal, expected);
    }
}

#[tokio::test]
async fn a_stranger_is_refused_and_nothing_is_sent_twice() {
    let stage = Stage::new().await;
    let stranger = Actor::new("stranger");
    let statement = organisation(&stage.node, &stranger).anchor(stranger.anchors([commitment(3)])).unwrap();
    let error = stage.client.submit_final(&statement).await.unwrap_err();
    assert_eq!(error.reason(), "SIGNER_UNKNOWN");
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let stage = Stage::new().await;
    let stranger = Actor::new("stranger");
    for (error, reason) in [
        (stage.client.status(stage.credential(77), Moment::Newest).await.unwrap_err(), "NOT_ANCHORED"),
        (stage.client.identifier(&stranger.did, Moment::Newest).await.unwrap_err(), "IDENTIFIER_UNKNOWN"),
        (
            stage.client.accreditation(&stranger.accreditation_key(), Moment::Newest).await.unwrap_err(),
            "ACCREDITATION_UNKNOWN",
        ),
    ] {
        assert!(
            matches!(&error, ClientError::NotFound { reason: found, .. } if found == reason),
            "{error:?}"
        );
    }
    let error = stage.client.status(stage.credential(1), Moment::TreeSize(1)).await.unwrap_err();
    assert!(
        matches!(&error, ClientError::Refused(refusal) if refusal.reason == "AT_UNKNOWN" && refusal.code == 0)
    );
}

#[tokio::test]
async fn every_kind_of_status_becomes_its_kind_of_error() {
    let stage = Stage::new().await;
    let (proxy, url) = Proxy::start(&stage.served.url()).await;
    let mut options = crate::options(&stage.node);
    options.retry_for = std::time::Duration::ZERO;
    let client = kvitto_client::Client::connect(&[url], crate::trust(&stage.node), options).unwrap();
    let with = |code, domain: &str, reason: &str, metadata: &[(&str, &str)]| {
        let metadata: HashMap<_, _> =
            metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Status::with_error_details(code, "why", ErrorDetails::with_error_info(reason, domain, metadata))
    };
    let rules: &[(&str, &str)] = &[("code", "611"), ("final", "true")];
    for (status, kind, reason) in [
        (with(Code::ResourceExhausted, "kvitto", "REVOCATION_QUOTA", rules), "refused", "REVOCATION_QUOTA"),
        (with(Code::NotFound, "kvitto", "ANCHOR_UNKNOWN", rules), "refused", "ANCHOR_UNKNOWN"),
        (with(Code::ResourceExhausted, "kvitto", "MEMPOOL_FULL", &[]), "unavailable", "MEMPOOL_FULL"),
        (with(Code::ResourceExhausted, "elsewhere", "SECRET", &[]), "unavailable", "RESOURCE_EXHAUSTED"),
        (with(Code::InvalidArgument, "kvitto", "DID", &[]), "refused", "DID"),
        (with(Code::Internal, "kvitto", "STORE_FAILED", &[]), "unavailable", "STORE_FAILED"),
        (Status::unavailable("proxy"), "unavailable", "UNREACHABLE"),
        (Status::deadline_exceeded("slow"), "unavailable", "TIMEOUT"),
        (Status::not_found("gone"), "not found", "NOT_FOUND"),
        (Status::permission_denied("proxy"), "refused", "REQUEST_REFUSED"),
        (Status::unimplemented("what"), "bad answer", "PROTOCOL"),
    ] {
        proxy.fail([status]);
        let error = client.checkpoint().await.unwrap_err();
        assert_eq!(error.reason(), reason);
        let found = match &error {
            ClientError::Refused(refusal) => {
                assert_eq!(refusal.is_final, refusal.code == 611);
                "refused"
            }
            ClientError::NotFound { .. } => "not found",
            ClientError::Unavailable(_) => "unavailable",
            ClientError::BadAnswer { .. } => "bad answer",
            ClientError::Local(_) => "local",
        };
        assert_eq!(found, kind, "{reason}");
    }
}

#[tokio::test]
async fn a_node_that_refuses_for_now_is_unavailable_with_its_reason() {
    let stage = Stage::new().await;
    let mut options = crate::options(&stage.node);
    options.retry_for = std::time::Duration::ZERO;
    let impatient =
        kvitto_client::Client::connect(&[stage.served.url()], crate::trust(&stage.node), options).unwrap();
    let statement = stage.organisation().anchor(stage.school.anchors([commitment(3)])).unwrap();
    for (refused, reason) in [
        (SubmitError::MempoolFull { retry_after: std::time::Duration::from_secs(1) }, "MEMPOOL_FULL"),
        (SubmitError::NoQuorum, "NO_QUORUM"),
        (SubmitError::Syncing, "NODE_SYNCING"),
    ] {
        stage.node.refuse_with(Some(refused));
        let error = impatient.submit(&statement).await.unwrap_err();
        assert!(matches!(&error, ClientError::Unavailable(_)), "{error:?}");
        assert_eq!(error.reason(), reason);
    }
    stage.node.refuse_with(None);
    client(&stage.node, &[stage.served.url()]).submit(&statement).await.unwrap();
}
