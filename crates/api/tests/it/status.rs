//! Status of credentials: now, as of earlier, in batches, watched.

use kvitto_ledger::testing::commitment;
use kvitto_merkle::status::StatusValue;
use kvitto_proto::convert::{CredentialStatus, ReceiptItem, ReceiptShared};
use kvitto_proto::v1::{self, batch_get_status_item::Item, batch_get_status_result::Answer};
use kvitto_verifier::verdict::Status;

use kvitto_verifier::{Question, Receipt, TrustFile, verify};
use tokio_stream::StreamExt;

use crate::Stage;

impl Stage {
    async fn status_at(&self, number: u64, at: Option<v1::At>) -> (StatusValue, Receipt) {
        let request =
            v1::GetStatusRequest { credential: Some(self.credential(number)), at, omit_receipt: false };
        let answer = self.status().get_status(request).await.unwrap().into_inner();
        let status = CredentialStatus::try_from(answer.status).unwrap();
        let receipt = Receipt::from_json(&answer.receipt).unwrap();
        assert_eq!(
            receipt.to_json().as_bytes(),
            answer.receipt,
            "written from parts, and as the format has it"
        );
        (status.status, receipt)
    }

    fn proved(&self, receipt: &Receipt, as_of_s: Option<u64>) -> (Status, Option<Status>) {
        let trust = TrustFile::from_genesis(self.node.world().genesis.clone()).unwrap();
        let question = Question { as_of_s, ..Question::now(self.node.now().seconds(), 60) };
        let verdict = verify(receipt, None, &trust, &question).expect("a receipt that proves something");
        (verdict.status.status, verdict.as_of.map(|as_of| as_of.status.status))
    }
}

#[tokio::test]
async fn a_status_is_proved_now_and_as_of_every_earlier_moment() {
    let stage = Stage::new().await;
    let school = &stage.school;
    let anchored_at = stage.node.now();
    stage.node.act(school, school.sets(StatusValue::Suspended, [commitment(1)]));
    let suspended_at = stage.node.now();
    stage.node.act(school, school.sets(StatusValue::Revoked, [commitment(1)]));
    let (status, receipt) = stage.status_at(1, None).await;
    assert_eq!(status, StatusValue::Revoked);
    assert_eq!(stage.proved(&receipt, None), (Status::Revoked, None));
    for (time, expected, proved) in [
        (anchored_at, StatusValue::Valid, Status::NotRevoked),
        (suspended_at, StatusValue::Suspended, Status::Suspended),
    ] {
        let at = v1::At { moment: Some(v1::at::Moment::TimeMs(time.0)) };
        let (status, receipt) = stage.status_at(1, Some(at)).await;
        assert_eq!(status, expected);
        assert_eq!(stage.proved(&receipt, Some(time.seconds())), (Status::Revoked, Some(proved)));
    }
    assert_eq!(stage.status_at(2, None).await.0, StatusValue::Valid);
}

#[tokio::test]
async fn a_receipt_made_again_under_the_same_checkpoint_is_the_same() {
    let stage = Stage::new().await;
    let request = || v1::GetReceiptRequest { credential: Some(stage.credential(2)), at: None };
    let first = stage.status().get_receipt(request()).await.unwrap().into_inner();
    assert_eq!(stage.status().get_receipt(request()).await.unwrap().into_inner(), first);
    stage.node.publish();
    let fresher = stage.status().get_receipt(request()).await.unwrap().into_inner();
    assert_eq!(fresher, first, "the same tree, signed at the same time");
}

#[tokio::test]
async fn a_batch_is_answered_in_order_with_faults_in_their_places() {
    let stage = Stage::new().await;
    stage.node.act(&stage.school, stage.school.anchors((100..200).map(commitment)));
    let numbers: Vec<u64> = (100..200).chain([999]).collect();
    let credentials = numbers.iter().map(|number| stage.credential(*number)).collect();
    let request = v1::BatchGetStatusRequest { credentials, at: None, omit_receipts: false };
    let mut answers = stage.status().batch_get_status(request).await.unwrap().into_inner();
    let (mut seen, mut shared) = (0, Vec::new());
    while let Some(batch) = answers.next().await {
        for item in batch.unwrap().items {
            match item.item.unwrap() {
                Item::ReceiptShared(part) => shared.push(ReceiptShared::try_from(part).unwrap()),
                Item::Result(result) => {
                    assert_eq!(result.index, seen);
                    seen += 1;
                    match result.answer.unwrap() {
                        Answer::ErrorReason(reason) => {
                            assert_eq!((result.index, reason.as_str()), (100, "NOT_ANCHORED"));
                        }
                        Answer::Status(status) => {
                            let status = CredentialStatus::try_from(Some(status)).unwrap();
                            assert_eq!(status.commitment, commitment(numbers[result.index as usize]));
                            let item = result.receipt.unwrap();
                            let shared = &shared[item.shared_id as usize - 1];
                            let receipt = shared.complete(ReceiptItem::try_from(item).unwrap());
                            assert_eq!(stage.proved(&receipt, None).0, Status::NotRevoked);
                        }
                    }
                }
            }
        }
    }
    assert_eq!((seen, shared.len()), (101, 1));
}

#[tokio::test]
async fn a_watcher_is_told_each_change_and_nothing_else() {
    let stage = Stage::new().await;
    let school = &stage.school;
    let credentials = vec![stage.credential(1), stage.credential(2)];
    let request = v1::WatchStatusRequest { credentials, omit_receipts: false };
    let mut answers = stage.status().watch_status(request).await.unwrap().into_inner();
    let mut next = async || {
        let answer = answers.next().await.unwrap().unwrap();
        let status = CredentialStatus::try_from(answer.status).unwrap();
        (answer.index, status.status)
    };
    assert_eq!(next().await, (0, StatusValue::Valid));
    assert_eq!(next().await, (1, StatusValue::Valid));
    stage.node.act(school, school.anchors([commitment(50)]));
    stage.node.act(school, school.sets(StatusValue::Suspended, [commitment(2)]));
    assert_eq!(next().await, (1, StatusValue::Suspended));
    stage.node.publish();
    stage.node.act(school, school.sets(StatusValue::Revoked, [commitment(1)]));
    assert_eq!(next().await, (0, StatusValue::Revoked));
}
