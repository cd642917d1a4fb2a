//! Statements as organisations make them: form, window, order, and the two steps of registration.

use std::sync::Arc;

use kvitto_client::{ClientError, Moment, Organisation, Registration, SignedStatement, Submitted};
use kvitto_ledger::statement::body::{LegalIdentifier, StatusCode};
use kvitto_ledger::statement::{Body, Envelope, PutIdentifier, Reason, StatusItem, StatusTarget};
use kvitto_ledger::testing::{Actor, START, World, commitment};
use kvitto_ledger::{AccreditationId, Did, SigningKey};
use kvitto_merkle::status::StatusValue;

use crate::{Stage, organisation};

fn in_world(actor: &Actor) -> (World, Organisation) {
    let world = World::new(1);
    let organisation =
        Organisation::new(actor.did, actor.key.clone(), world.ledger_id).with_clock(Arc::new(|| START));
    (world, organisation)
}

fn read(world: &World, statement: &SignedStatement) -> Envelope {
    Envelope::decode(&statement.bytes()[..], &world.ledger_id).expect("good form")
}

#[test]
fn statements_are_signed_for_the_window_around_now_and_never_alike() {
    let school = Actor::new("school");
    let (world, organisation) = in_world(&school);
    let one = organisation.anchor(school.anchors([commitment(1)])).unwrap();
    let two = organisation.anchor(school.anchors([commitment(1)])).unwrap();
    assert_ne!(one.id(), two.id());
    let envelope = read(&world, &one);
    assert_eq!(envelope.id(), one.id());
    let statement = envelope.statement();
    assert_eq!((statement.not_before.0, statement.not_after.0), (START.0 - 60_000, START.0 + 3_600_000));
    envelope.verify(&school.key.public()).expect("signed by the school");
    let longest = organisation.with_validity_ms(u64::MAX).anchor(school.anchors([commitment(1)])).unwrap();
    let statement = read(&world, &longest).statement().clone();
    assert_eq!(statement.not_after.0 - statement.not_before.0, 24 * 60 * 60 * 1000);
}

#[test]
fn items_are_put_into_order() {
    let school = Actor::new("school");
    let (world, organisation) = in_world(&school);
    let anchor = organisation.anchor(school.anchors([3, 1, 2].map(commitment))).unwrap();
    let Body::Anchor(anchor) = read(&world, &anchor).statement().body.clone() else { panic!("an anchor") };
    assert!(anchor.items.iter().map(|item| item.commitment).eq([1, 2, 3].map(commitment)));
    let item = |number| StatusItem {
        target: StatusTarget::Commitment(commitment(number)),
        status: StatusCode(StatusValue::Suspended),
        successor: None,
    };
    let change = organisation.set_status(vec![item(9), item(4)], Reason::Unspecified).unwrap();
    let Body::SetStatus(change) = read(&world, &change).statement().body.clone() else { panic!("a change") };
    assert_eq!((change.issuer, &change.items[..]), (school.did, &[item(4), item(9)][..]));
}

#[test]
fn bad_form_is_refused_before_anything_is_sent() {
    let school = Actor::new("school");
    let (_, organisation) = in_world(&school);
    let twice = organisation.anchor(school.anchors([1, 1].map(commitment)));
    let none = organisation.set_status(Vec::new(), Reason::Unspecified);
    let too_many = organisation.reserve(school.accreditation, 0);
    for (made, reason) in [(twice, "ITEM_ORDER"), (none, "ITEM_COUNT"), (too_many, "ITEM_COUNT")] {
        match made {
            Err(ClientError::Refused(refusal)) => {
                assert_eq!((refusal.reason.as_str(), refusal.is_final), (reason, true))
            }
            other => panic!("{reason}: {other:?}"),
        }
    }
}

#[test]
fn foreign_bytes_are_read_as_statements_of_this_ledger_only() {
    let school = Actor::new("school");
    let (world, organisation) = in_world(&school);
    let statement = organisation.reserve(school.accreditation, 1).unwrap();
    let again = SignedStatement::read(statement.bytes().clone(), &world.ledger_id).unwrap();
    assert_eq!(again, statement);
    assert!(SignedStatement::read(&b"not a statement"[..], &world.ledger_id).is_err());
}

#[tokio::test]
async fn a_registration_takes_the_subject_and_its_sponsor() {
    let stage = Stage::new().await;
    let tao = organisation(&stage.node, &Actor::new("tao"));
    let sponsor_accreditation = Actor::new("tao").accreditation;
    let subject = Organisation::new(Did::new([5; 16]), SigningKey::from_seed(&[5; 32]), tao.ledger_id())
        .with_clock(crate::clock(&stage.node));
    let registration = Registration {
        legal_name: "Testskolan AB".to_owned(),
        legal_identifier: LegalIdentifier {
            scheme: "VATRegistration".into(),
            value: "SE556000000001".into(),
        },
        country: "SE".to_owned(),
    };

    let mut request = subject.possession_request(tao.did(), sponsor_accreditation);
    let statement = tao.onboard(request.clone(), registration.clone()).unwrap();
    assert!(matches!(stage.client.submit_final(&statement).await.unwrap(), Submitted::Final(_)));
    let shown = stage.client.identifier(&subject.did(), Moment::Newest).await.unwrap();
    assert_eq!(shown.value.legal_name, "Testskolan AB");

    let document = PutIdentifier { methods: shown.value.methods.clone(), services: Vec::new() };
    stage.client.submit_final(&subject.put_identifier(document).unwrap()).await.unwrap();
    stage.client.submit_final(&tao.deactivate(subject.did()).unwrap()).await.unwrap();
    let shown = stage.client.identifier(&subject.did(), Moment::Newest).await.unwrap();
    assert!(shown.value.deactivated);

    let other = organisation(&stage.node, &stage.school);
    let error = other.onboard(request.clone(), registration.clone()).unwrap_err();
    assert_eq!(error.reason(), "POSSESSION_PROOF");
    request.sponsor_accreditation = AccreditationId([9; 32]);
    let error = tao.onboard(request, registration).unwrap_err();
    assert_eq!(error.reason(), "POSSESSION_PROOF");
}

#[tokio::test]
async fn accreditations_are_given_and_suspended() {
    let stage = Stage::new().await;
    let (tao, school) = (Actor::new("tao"), &stage.school);
    let acting = organisation(&stage.node, &tao);
    let mut second = tao.accredits(school, kvitto_ledger::scope::Role::Ti);
    second.id = AccreditationId([3; 32]);
    stage.client.submit_final(&acting.accredit(second).unwrap()).await.unwrap();
    let held = stage.client.issuer(&school.did, Moment::Newest).await.unwrap().value.1;
    assert_eq!(held.len(), 2);
    let change = tao.sets_accreditation(school, StatusValue::Suspended);
    stage.client.submit_final(&acting.set_accreditation_status(change).unwrap()).await.unwrap();
    let shown = stage.client.accreditation(&school.accreditation_key(), Moment::Newest).await.unwrap();
    assert!(shown.value.suspension.is_some());
}
