//! A node that lies about what a statement led to: which of its items have records is believed by their records only.

use kvitto_client::{BadAnswer, Moment, Submitted};
use kvitto_ledger::Rejection as Rule;
use kvitto_ledger::statement::body::StatusCode;
use kvitto_ledger::statement::{Reason, StatusItem, StatusTarget};
use kvitto_ledger::testing::commitment;
use kvitto_merkle::status::StatusValue;
use kvitto_proto::v1::item_exception::Cause;
use kvitto_proto::v1::{ItemException, Outcome, Rejection, SubmitResponse};

use crate::hostile::{Between, fault, twist};
use crate::proxy::Twists;

/// Changes what a submission's answer says about leaves and items.
fn outcome(change: impl Fn(&mut Outcome) + Send + Sync + 'static) -> Twists {
    Twists {
        submit: twist(move |answer: &mut SubmitResponse| {
            change(answer.result.as_mut().and_then(|result| result.outcome.as_mut()).expect("final"))
        }),
        ..Twists::default()
    }
}

fn skipped(item: u32) -> ItemException {
    let rejection = Rejection { code: Rule::AlreadyRevoked.code().into(), ..Rejection::default() };
    let cause = Some(Cause::Skipped(rejection));
    ItemException { item, cause }
}

/// A node that hides that the rules skipped an item would make a revocation that never happened look done.
#[tokio::test]
async fn items_are_changed_only_where_a_record_says_so() {
    let between = Between::new().await;
    let (stage, school) = (&between.stage, &between.stage.school);
    let client = between.impatient(&[&between.url]);
    stage.node.act(school, school.anchors([commitment(3), commitment(4)]));
    stage.node.act(school, school.sets(StatusValue::Revoked, [commitment(1)]));
    let mut items = Vec::new();
    for number in [1, 2, 3, 4] {
        let proven = stage.client.status(stage.credential(number), Moment::Newest).await.unwrap();
        items.push((proven.position(), commitment(number)));
    }
    let by_position = items.iter().map(|(position, _)| StatusTarget::Position(*position));
    let by_commitment = items.iter().map(|(_, commitment)| StatusTarget::Commitment(*commitment));
    let targets: [Vec<StatusTarget>; 2] = [by_position.collect(), by_commitment.collect()];
    type Lie = fn(&mut Outcome);
    let lies: [(&str, Lie); 8] = [
        ("an exception dropped", |said| said.exceptions.clear()),
        ("an exception dropped, and a leaf more", |said| {
            said.exceptions.clear();
            said.leaves += 1;
        }),
        ("an exception dropped, and a leaf before", |said| {
            said.exceptions.clear();
            (said.first_leaf, said.leaves) = (said.first_leaf - 1, said.leaves + 1);
        }),
        ("an exception moved", |said| said.exceptions[0].item = (said.exceptions[0].item + 1) % 4),
        ("an exception invented", |said| {
            said.exceptions = [0, 1, 2, 3].into_iter().filter(|item| *item != 2).map(skipped).collect();
        }),
        ("the last record hidden", |said| {
            let skips = said.exceptions[0].item;
            let last = if skips == 3 { 2 } else { 3 };
            said.exceptions = [skips.min(last), skips.max(last)].into_iter().map(skipped).collect();
            said.leaves -= 1;
        }),
        ("the first record hidden", |said| {
            let skips = said.exceptions[0].item;
            let first = if skips == 0 { 1 } else { 0 };
            said.exceptions = [skips.min(first), skips.max(first)].into_iter().map(skipped).collect();
            (said.first_leaf, said.leaves) = (said.first_leaf + 1, said.leaves - 1);
        }),
        ("records beyond all leaves", |said| said.first_leaf = u64::MAX),
    ];
    for mut targets in targets {
        targets.sort();
        let item = |target: &StatusTarget| StatusItem {
            target: *target,
            status: StatusCode(StatusValue::Suspended),
            successor: None,
        };
        let items: Vec<StatusItem> = targets.iter().map(item).collect();
        let statement = stage.organisation().set_status(items.clone(), Reason::Unspecified).unwrap();
        stage.client.submit_final(&statement).await.unwrap();
        // The log goes on, so that there are leaves after the statement's.
        stage.node.act(school, school.reserves(1));
        for (name, lie) in lies {
            between.proxy.twist(outcome(lie));
            let error = client.submit_final(&statement).await.unwrap_err();
            let expected = if name.contains("beyond") { "NODE_BEHIND" } else { "ANSWER_MISMATCH" };
            assert_eq!(error.reason(), expected, "{name}: {error:?}");
        }
        between.proxy.twist(Twists::default());
        let Submitted::Final(done) = stage.client.submit_final(&statement).await.unwrap() else {
            panic!("a change of statuses")
        };
        assert_eq!((done.records.len(), done.outcome.exceptions.len()), (3, 1));
        let reinstated = school.sets(StatusValue::Valid, [commitment(2), commitment(3), commitment(4)]);
        stage.node.act(school, reinstated);
    }
}

#[tokio::test]
async fn commitments_are_new_only_where_a_record_says_so() {
    let between = Between::new().await;
    let (stage, school) = (&between.stage, &between.stage.school);
    let mut commitments = vec![commitment(1), commitment(5), commitment(6)];
    commitments.sort();
    let anchor = stage.organisation().anchor(school.anchors(commitments)).unwrap();
    type Lie = fn(&mut Outcome);
    let lies: [Lie; 4] = [
        |said| said.exceptions.clear(),
        |said| said.exceptions[0].item = (said.exceptions[0].item + 1) % 3,
        |said| said.exceptions[0] = skipped(said.exceptions[0].item),
        |said| {
            let duplicate = said.exceptions[0].clone();
            said.exceptions = (0..3).map(|item| ItemException { item, ..duplicate.clone() }).collect();
            said.leaves = 0;
        },
    ];
    for lie in lies {
        between.proxy.twist(outcome(lie));
        let error = stage.client.submit_final(&anchor).await.unwrap_err();
        assert!(matches!(fault(error), BadAnswer::Mismatch("the outcome")));
    }
    between.proxy.twist(Twists::default());
    stage.client.submit_final(&anchor).await.unwrap();
}
