//! An honest node: everything it answers is verified and handed on.

use futures::StreamExt;
use kvitto_client::{Answer, ClientError, CredentialName, ManyOptions, Moment, Operator, Submitted};
use kvitto_ledger::commitment::{DigestAlgorithm, DigestTarget, Opening, Salt};
use kvitto_ledger::scope::Role;
use kvitto_ledger::statement::body::StatusCode;
use kvitto_ledger::statement::{AnchorItem, Reason, StatusItem, StatusTarget};
use kvitto_ledger::testing::{Actor, commitment};
use kvitto_ledger::{Height, LeafIndex, Position, RecordBody, TimeMs};
use kvitto_merkle::leaf_hash;
use kvitto_merkle::status::StatusValue;
use kvitto_verifier::verdict::{Concern, Status};

use crate::{Stage, options};

fn revocation(number: u64) -> StatusItem {
    StatusItem {
        target: StatusTarget::Commitment(commitment(number)),
        status: StatusCode(StatusValue::Revoked),
        successor: None,
    }
}

#[tokio::test]
async fn a_status_is_proved_by_commitment_and_by_position() {
    let stage = Stage::new().await;
    let by_commitment = stage.client.status(stage.credential(1), Moment::Newest).await.unwrap();
    assert_eq!(by_commitment.status(), Status::NotRevoked);
    assert_eq!(by_commitment.verdict.concerns, [Concern::NoCredential]);
    assert_eq!(by_commitment.verdict.anchored.by.did, stage.school.did);
    let position = CredentialName::Position(by_commitment.position());
    let by_position = stage.client.status(position, Moment::Newest).await.unwrap();
    assert_eq!(by_position.verdict.anchored, by_commitment.verdict.anchored);
    let said = stage.client.status_unproved(stage.credential(2), Moment::Newest).await.unwrap();
    assert_eq!(said.as_said().status, StatusValue::Valid);
}

#[tokio::test]
async fn a_status_is_proved_as_of_a_time_a_height_and_a_size() {
    let stage = Stage::new().await;
    let before = stage.node.now();
    let size = stage.client.checkpoint().await.unwrap().size();
    let height =
        stage.client.status(stage.credential(1), Moment::Newest).await.unwrap().verdict.checkpoint.height;
    stage.node.act(&stage.school, stage.school.sets(StatusValue::Revoked, [commitment(1)]));
    for moment in [
        Moment::Time(before),
        Moment::Time(TimeMs(before.0 + 999)),
        Moment::Height(height),
        Moment::TreeSize(size),
    ] {
        let then = stage.client.status(stage.credential(1), moment).await.unwrap();
        assert_eq!(then.status(), Status::NotRevoked, "{moment:?}");
        assert_eq!(then.verdict.status.status, Status::Revoked, "{moment:?}");
    }
    for moment in [Moment::Newest, Moment::Time(stage.node.now()), Moment::Height(Height(height.0 + 1))] {
        let now = stage.client.receipt(stage.credential(1), moment).await.unwrap();
        assert_eq!(now.status(), Status::Revoked, "{moment:?}");
    }
}

#[tokio::test]
async fn a_time_that_no_checkpoint_covers_yet_is_unavailable_and_no_lie() {
    let stage = Stage::new().await;
    let later = Moment::Time(TimeMs(stage.node.now().0 + 30_000));
    let error = stage.client.status(stage.credential(1), later).await.unwrap_err();
    assert!(matches!(error, ClientError::Unavailable(_)), "{error:?}");
    assert_eq!(error.reason(), "TIME_NOT_COVERED");
}

#[tokio::test]
async fn a_batch_answers_each_credential_in_order_with_its_own_error() {
    let stage = Stage::new().await;
    let names = [stage.credential(2), stage.credential(9), stage.credential(1), stage.credential(2)];
    let answers = stage.client.statuses(&names, Moment::Newest).await.unwrap();
    let found: Vec<_> =
        answers.iter().map(|answer| answer.as_ref().map(|proven| proven.position())).collect();
    assert_eq!(found[0].as_ref().unwrap(), found[3].as_ref().unwrap());
    assert!(found[2].as_ref().unwrap() < found[0].as_ref().unwrap());
    assert_eq!(found[1].as_ref().unwrap_err().reason(), "NOT_ANCHORED");
}

#[tokio::test]
async fn submitting_proves_the_records_and_brings_a_receipt_for_each_item() {
    let stage = Stage::new().await;
    for count in [1, 16, 40] {
        let numbers = count * 100..count * 101;
        let anchor = stage.school.anchors(numbers.clone().rev().map(commitment));
        let statement = stage.organisation().anchor(anchor).unwrap();
        let Submitted::Final(done) = stage.client.submit_final(&statement).await.unwrap() else {
            panic!("new")
        };
        assert_eq!(done.id, statement.id());
        let found: Vec<_> = done.receipts.iter().map(|proven| proven.verdict.anchored.commitment).collect();
        assert_eq!(found, numbers.map(commitment).collect::<Vec<_>>(), "{count}");
        let recorded = done.records.iter().map(|(_, record)| match &record.body {
            RecordBody::Anchored(anchored) => anchored.position,
            other => panic!("{other:?}"),
        });
        assert!(recorded.eq(done.receipts.iter().map(|proven| proven.position())));
        assert_eq!(
            stage.client.submit_final(&statement).await.unwrap(),
            Submitted::Final(done),
            "idempotent"
        );
    }
}

#[tokio::test]
async fn what_was_anchored_before_comes_with_its_receipts() {
    let stage = Stage::new().await;
    let statement =
        stage.organisation().anchor(stage.school.anchors([commitment(2), commitment(1)])).unwrap();
    let Submitted::NothingNew(found) = stage.client.submit_final(&statement).await.unwrap() else {
        panic!("anchored before")
    };
    let found: Vec<_> = found.receipts.iter().map(|proven| proven.verdict.anchored.commitment).collect();
    assert_eq!(found, [commitment(1), commitment(2)]);
    let partly = stage.organisation().anchor(stage.school.anchors([commitment(3), commitment(1)])).unwrap();
    let Submitted::Final(done) = stage.client.submit_final(&partly).await.unwrap() else {
        panic!("one is new")
    };
    assert_eq!((done.records.len(), done.receipts.len()), (1, 2));
}

#[tokio::test]
async fn an_opening_is_added_on_this_side_only_and_only_if_it_fits() {
    let stage = Stage::new().await;
    let opening = Opening {
        algorithm: DigestAlgorithm::Sha256,
        target: DigestTarget::Jcs,
        salt: Some(Salt::new([7; 32])),
        digest: DigestAlgorithm::Sha256.digest(b"a credential"),
    };
    let anchor = stage.school.anchors([opening.commitment()]);
    let statement = stage.organisation().anchor(anchor).unwrap();
    let submitted = stage.client.submit_final(&statement).await.unwrap();
    let [proven] = submitted.receipts() else { panic!("one item") };
    assert!(proven.receipt.opening.is_none());
    let receipt = proven.opened(&opening).unwrap();
    assert_eq!(receipt.opening.unwrap().salt, opening.salt);
    let other = Opening { salt: Some(Salt::new([8; 32])), ..opening };
    assert!(matches!(proven.opened(&other), Err(ClientError::Local(_))));
}

#[tokio::test]
async fn outcomes_are_asked_for_and_proved_later() {
    let stage = Stage::new().await;
    let statement = stage.organisation().set_status(vec![revocation(1)], Reason::IssuedInError).unwrap();
    assert_eq!(stage.client.outcome(&statement.id()).await.unwrap(), None);
    assert!(matches!(stage.client.submit(&statement).await.unwrap(), Answer::Accepted | Answer::Final(_)));
    let Some(Answer::Final(outcome)) = stage.client.outcome(&statement.id()).await.unwrap() else {
        panic!("committed at once")
    };
    let records = stage.client.prove_outcome(&statement, outcome.as_said()).await.unwrap();
    assert!(matches!(&records[..], [(_, record)] if matches!(record.body, RecordBody::Status(_))));
}

#[tokio::test]
async fn organisations_and_accreditations_are_proved_roots_included() {
    let stage = Stage::new().await;
    let (root, tao) = (Actor::new("root"), Actor::new("tao"));
    for actor in [&root, &tao, &stage.school] {
        let shown = stage.client.identifier(&actor.did, Moment::Newest).await.unwrap();
        assert_eq!((shown.value.did, shown.value.deactivated), (actor.did, false));
        assert_eq!(shown.as_of.tree_size, shown.checkpoint.size());
    }
    let school = stage.client.issuer(&stage.school.did, Moment::Newest).await.unwrap();
    assert_eq!(school.value.1.len(), 1);
    let key = stage.school.accreditation_key();
    let links = stage.client.trust_chain(&key, Moment::Newest).await.unwrap();
    let subjects: Vec<_> = links.value.iter().map(|link| link.key.subject).collect();
    assert_eq!(subjects, [root.did, tao.did, stage.school.did]);
    let listed = stage.client.identifiers(Moment::Newest, None, 2).await.unwrap().into_said();
    let rest = stage.client.identifiers(Moment::Newest, listed.next.as_ref(), 2).await.unwrap().into_said();
    assert_eq!((listed.entries.len(), rest.entries.len(), rest.next), (2, 1, None));
    let under =
        stage.client.accreditations_under(&tao.accreditation_key(), Moment::Newest, None, 0).await.unwrap();
    assert_eq!(under.as_said().entries, school.value.1);
}

#[tokio::test]
async fn everything_an_organisation_was_accredited_for_is_shown_however_much_it_is() {
    let stage = Stage::new().await;
    let tao = Actor::new("tao");
    for number in 0..250_u64 {
        let mut accreditation = tao.accredits(&stage.school, Role::Ti);
        accreditation.id.0[..8].copy_from_slice(&number.to_be_bytes());
        stage.node.act(&tao, accreditation);
    }
    let shown = stage.client.issuer(&stage.school.did, Moment::Newest).await.unwrap();
    assert_eq!(shown.value.1.len(), 251);
    assert_eq!(shown.as_of.tree_size, shown.checkpoint.size());
}

#[tokio::test]
async fn withdrawals_and_suspensions_are_proved_and_so_is_the_time_before_them() {
    let stage = Stage::new().await;
    let tao = Actor::new("tao");
    let key = stage.school.accreditation_key();
    let before = stage.client.accreditation(&key, Moment::Newest).await.unwrap();
    stage.node.act(&tao, tao.sets_accreditation(&stage.school, StatusValue::Suspended));
    let suspended = stage.client.accreditation(&key, Moment::Newest).await.unwrap();
    assert!(suspended.value.suspension.is_some());
    stage.node.act(&tao, tao.sets_accreditation(&stage.school, StatusValue::Revoked));
    let withdrawn = stage.client.accreditation(&key, Moment::Newest).await.unwrap();
    assert_eq!(withdrawn.value.withdrawal.as_ref().map(|withdrawal| withdrawal.by), Some(tao.did));
    let then = stage.client.accreditation(&key, Moment::Height(before.as_of.height)).await.unwrap();
    assert_eq!((then.value, then.as_of), (before.value, before.as_of));
}

#[tokio::test]
async fn leaves_are_proved_in_ranges_and_one_by_one() {
    let stage = Stage::new().await;
    let all = stage.client.entries(LeafIndex(0), 4096).await.unwrap();
    assert_eq!(all.leaves.len() as u64, all.checkpoint.size());
    assert!(all.records().all(|(_, record)| record.is_some()));
    let some = stage.client.entries(LeafIndex(3), 2).await.unwrap();
    assert_eq!(some.leaves, all.leaves[3..5]);
    let leaf = stage.client.leaf(LeafIndex(4)).await.unwrap();
    assert_eq!(leaf.leaf, all.leaves[4]);
    let hash = leaf_hash(&leaf.leaf);
    assert_eq!(stage.client.inclusion_proof(LeafIndex(4), &hash, &leaf.checkpoint).await.unwrap(), leaf.path);
    let beyond = stage.client.entries(LeafIndex(all.checkpoint.size()), 1).await.unwrap_err();
    assert_eq!(beyond.reason(), "LEAF_INDEX");
    stage.node.act(&stage.school, stage.school.anchors([commitment(3)]));
    let newer = stage.client.checkpoint().await.unwrap();
    stage.client.consistency_proof(&all.checkpoint, &newer).await.unwrap();
}

#[tokio::test]
async fn checkpoints_are_watched_and_told_to_who_keeps_them() {
    let stage = Stage::new().await;
    let kept = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let sink = kept.clone();
    let mut options = options(&stage.node);
    options.on_checkpoint = Some(std::sync::Arc::new(move |checkpoint| {
        sink.lock().unwrap().push(checkpoint.clone());
    }));
    let client =
        kvitto_client::Client::connect(&[stage.served.url()], crate::trust(&stage.node), options).unwrap();
    let mut checkpoints = client.watch_checkpoints();
    let first = checkpoints.next().await.unwrap().unwrap();
    stage.node.act(&stage.school, stage.school.anchors([commitment(3)]));
    let second = checkpoints.next().await.unwrap().unwrap();
    assert!(second.size() > first.size());
    assert_eq!(*kept.lock().unwrap(), [first, second.clone()]);

    let mut options = crate::options(&stage.node);
    options.newest_seen = Some(second.note().clone());
    let again =
        kvitto_client::Client::connect(&[stage.served.url()], crate::trust(&stage.node), options).unwrap();
    assert_eq!(again.checkpoint().await.unwrap(), second);
}

#[tokio::test]
async fn a_watched_status_comes_at_once_and_after_each_change() {
    let stage = Stage::new().await;
    let mut watch = stage.client.watch_status(&[stage.credential(1), stage.credential(2)]).unwrap();
    for _ in 0..2 {
        let (_, proven) = watch.next().await.unwrap().unwrap();
        assert_eq!(proven.status(), Status::NotRevoked);
    }
    stage.node.act(&stage.school, stage.school.sets(StatusValue::Suspended, [commitment(2)]));
    let (index, proven) = watch.next().await.unwrap().unwrap();
    assert_eq!((index, proven.status()), (1, Status::Suspended));
}

#[tokio::test]
async fn many_statements_are_answered_with_receipts_where_asked_for() {
    let stage = Stage::new().await;
    for receipts in [false, true] {
        let base = if receipts { 10_000 } else { 20_000 };
        let organisation = stage.organisation();
        let statements: Vec<_> = (0..50)
            .map(|number| {
                let commitments = [commitment(base + 2 * number), commitment(base + 2 * number + 1)];
                organisation.anchor(stage.school.anchors(commitments)).unwrap()
            })
            .chain([organisation
                .set_status(vec![revocation(1 + u64::from(receipts))], Reason::Unspecified)
                .unwrap()])
            .collect();
        let options = ManyOptions { in_flight: 8, receipts };
        let mut answers = stage.client.submit_many(futures::stream::iter(statements.clone()), options);
        let mut count = 0;
        while let Some(answered) = answers.next().await {
            let answered = answered.unwrap();
            let statement = &statements[answered.index as usize];
            assert_eq!(answered.id, statement.id());
            assert!(matches!(answered.answer, Answer::Final(_)), "{answered:?}");
            let expected = if receipts && answered.index < 50 { 2 } else { 0 };
            assert_eq!(answered.receipts.len(), expected);
            count += 1;
        }
        assert_eq!(count, statements.len());
    }
}

#[tokio::test]
async fn reserved_positions_are_used_and_proved() {
    let stage = Stage::new().await;
    let statement = stage.organisation().reserve(stage.school.accreditation, 5).unwrap();
    let Submitted::Final(done) = stage.client.submit_final(&statement).await.unwrap() else { panic!("new") };
    let [(_, record)] = &done.records[..] else { panic!("one record") };
    let RecordBody::Reservation(reservation) = &record.body else { panic!("{record:?}") };
    let position = Position(reservation.first.0 + 3);
    let mut anchor = stage.school.anchors([]);
    anchor.items = vec![AnchorItem { commitment: commitment(8), reserved: Some(position) }];
    let anchored = stage.client.submit_final(&stage.organisation().anchor(anchor).unwrap()).await.unwrap();
    assert_eq!(anchored.receipts()[0].position(), position);
    let unused = CredentialName::Position(Position(position.0 + 1));
    assert_eq!(stage.client.status(unused, Moment::Newest).await.unwrap_err().reason(), "NOT_ANCHORED");
}

#[tokio::test]
async fn the_operator_hears_about_the_node_and_its_peers() {
    let stage = Stage::new().await;
    let address = format!("http://{}", stage.served.operator);
    let operator = Operator::connect(&address, &options(&stage.node)).unwrap();
    let info = operator.info().await.unwrap();
    assert_eq!((info.ledger_id, info.is_signing), (stage.node.world().ledger_id, true));
    assert_eq!(operator.peers().await.unwrap().len(), 3);
    assert_eq!(operator.diagnose().await.unwrap()[0].check, "store.head");
}
