//! A node that lies: whatever it changes in an answer, the client refuses the answer and says what is wrong with it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use kvitto_client::{BadAnswer, Client, ClientError, Clock, CredentialName, ManyOptions, Moment, Options};
use kvitto_ledger::testing::{Actor, commitment};
use kvitto_ledger::{Height, LeafIndex, Position, TimeMs};
use kvitto_merkle::Hash;
use kvitto_merkle::status::StatusValue;
use kvitto_proto::v1::batch_get_status_item::Item;
use kvitto_proto::v1::registry_service_client::RegistryServiceClient;
use kvitto_proto::v1::{
    BatchGetStatusItem, BatchGetStatusResponse, GetAccreditationRequest, GetAccreditationResponse,
    GetCheckpointResponse, GetConsistencyProofResponse, GetEntriesResponse, GetIdentifierResponse,
    GetInclusionProofResponse, GetIssuerResponse, GetReceiptResponse, GetStatusResponse,
    GetTrustChainResponse, LeafProof, PositionStatus, RegistryProof, SubmitResponse, SubmitStreamResponse,
    WatchStatusResponse, batch_get_status_result, submit_stream_item,
};
use kvitto_verifier::{Receipt, Refusal};

use crate::proxy::{Proxy, Twist, Twists};
use crate::{Stage, client, options, trust};

/// A stage whose client talks to a proxy.
pub(crate) struct Between {
    pub(crate) stage: Stage,
    pub(crate) proxy: Proxy,
    pub(crate) url: String,
}

impl Between {
    pub(crate) async fn new() -> Self {
        let mut stage = Stage::new().await;
        let (proxy, url) = Proxy::start(&stage.served.url()).await;
        stage.client = client(&stage.node, std::slice::from_ref(&url));
        Self { stage, proxy, url }
    }

    /// A client that gives up when the first node that it asks has no answer.
    pub(crate) fn impatient(&self, endpoints: &[&str]) -> Client {
        let options = Options { retry_for: Duration::ZERO, ..options(&self.stage.node) };
        Client::connect(endpoints, trust(&self.stage.node), options).expect("usable endpoints")
    }
}

pub(crate) fn twist<T>(change: impl Fn(&mut T) + Send + Sync + 'static) -> Twist<T> {
    Some(Arc::new(change))
}

pub(crate) fn fault(error: ClientError) -> BadAnswer {
    match error {
        ClientError::BadAnswer { fault, .. } => *fault,
        other => panic!("not a bad answer: {other:?}"),
    }
}

fn edited(json: &Bytes, change: impl Fn(&mut Receipt)) -> Bytes {
    let mut receipt = Receipt::from_json(json).expect("an honest receipt");
    change(&mut receipt);
    receipt.to_json().into()
}

#[tokio::test]
async fn a_tampered_receipt_is_refused_with_the_verifiers_reason() {
    let between = Between::new().await;
    type Change = fn(&mut Receipt);
    let changes: [(Change, &str); 5] = [
        (|receipt| receipt.anchored.leaf[40] ^= 1, "LEAF_NOT_INCLUDED"),
        (|receipt| receipt.status.chunks[0].bytes[0] ^= 1, "CHUNK_NOT_INCLUDED"),
        (|receipt| receipt.chain[1].accreditation.leaf[9] ^= 1, "LEAF_NOT_INCLUDED"),
        (|receipt| receipt.block.leaf.push(0), "LAST_LEAF_NOT_BLOCK"),
        (|receipt| receipt.identifiers.clear(), "IDENTIFIER_MISSING"),
    ];
    for (change, reason) in changes {
        between.proxy.twist(Twists {
            status: twist(move |answer: &mut GetStatusResponse| {
                answer.receipt = edited(&answer.receipt, change)
            }),
            receipt: twist(move |answer: &mut GetReceiptResponse| {
                answer.receipt = edited(&answer.receipt, change)
            }),
            ..Twists::default()
        });
        let (client, name) = (&between.stage.client, between.stage.credential(1));
        for error in [
            client.status(name, Moment::Newest).await.unwrap_err(),
            client.receipt(name, Moment::Newest).await.unwrap_err(),
        ] {
            assert_eq!(error.reason(), reason);
            assert!(matches!(fault(error), BadAnswer::Proof(_)));
        }
    }
}

#[tokio::test]
async fn a_receipt_without_a_quorum_is_refused() {
    let between = Between::new().await;
    between.proxy.twist(Twists {
        receipt: twist(|answer: &mut GetReceiptResponse| {
            answer.receipt = edited(&answer.receipt, |receipt| {
                let note = &mut receipt.anchored.tlog_proof.checkpoint;
                let text = note.text().to_owned();
                let lines: Vec<_> = note.signatures().iter().take(4).cloned().collect();
                *note = kvitto_merkle::Note::unsigned(text).expect("a text");
                lines.into_iter().for_each(|line| note.push(line).expect("room"));
            });
        }),
        ..Twists::default()
    });
    let error = between.stage.client.receipt(between.stage.credential(1), Moment::Newest).await.unwrap_err();
    assert!(matches!(fault(error), BadAnswer::Proof(Refusal::NoQuorum { signed: 2, needed: 3 })));
}

#[tokio::test]
async fn an_answer_about_something_else_is_refused_however_true_it_is() {
    let between = Between::new().await;
    let (client, stage) = (&between.stage.client, &between.stage);
    let other = client.receipt(stage.credential(2), Moment::Newest).await.unwrap();
    stage.node.act(&stage.school, stage.school.sets(StatusValue::Revoked, [commitment(1)]));
    let earlier =
        client.receipt(stage.credential(1), Moment::Height(other.verdict.checkpoint.height)).await.unwrap();
    for (name, moment, receipt, what) in [
        (stage.credential(1), Moment::Newest, &other, "the credential"),
        (CredentialName::Position(Position(0)), Moment::Newest, &other, "the credential"),
        (stage.credential(1), Moment::Newest, &earlier, "the moment"),
        (stage.credential(1), Moment::Height(Height(2)), &earlier, "the moment"),
        (stage.credential(1), Moment::TreeSize(7), &earlier, "the moment"),
    ] {
        let json = Bytes::from(receipt.receipt.to_json());
        between.proxy.twist(Twists {
            receipt: twist(move |answer: &mut GetReceiptResponse| answer.receipt = json.clone()),
            ..Twists::default()
        });
        let error = match client.receipt(name, moment).await {
            Err(ClientError::NotFound { .. }) => continue,
            other => other.unwrap_err(),
        };
        assert!(matches!(fault(error), BadAnswer::Mismatch(found) if found == what), "{name:?} {moment:?}");
    }
    between.proxy.twist(Twists {
        status: twist(|answer: &mut GetStatusResponse| {
            if let Some(status) = &mut answer.status {
                status.set_status(PositionStatus::Valid);
            }
        }),
        ..Twists::default()
    });
    let error = client.status(stage.credential(1), Moment::Newest).await.unwrap_err();
    assert!(matches!(fault(error), BadAnswer::Mismatch("the status")));
}

#[tokio::test]
async fn a_forked_checkpoint_is_refused_with_evidence_that_names_the_members() {
    let between = Between::new().await;
    let honest = between.stage.client.checkpoint().await.unwrap();
    let node = between.stage.node.clone();
    let forged = node.note(honest.size(), Hash([7; 32]), node.now().seconds());
    between.proxy.twist(Twists {
        checkpoint: twist(move |answer: &mut GetCheckpointResponse| {
            if let Some(checkpoint) = &mut answer.checkpoint {
                checkpoint.note = forged.clone();
            }
        }),
        ..Twists::default()
    });
    let BadAnswer::Forked { size, evidence } = fault(between.stage.client.checkpoint().await.unwrap_err())
    else {
        panic!("a fork")
    };
    assert_eq!(size, honest.size());
    assert_eq!(evidence.check(between.stage.client.trust()).unwrap().members.len(), 4);
    between.proxy.twist(Twists::default());
    assert_eq!(between.stage.client.checkpoint().await.unwrap(), honest, "the fork left no trace");
}

#[tokio::test]
async fn a_checkpoint_that_does_not_continue_the_one_seen_before_is_refused() {
    let between = Between::new().await;
    let (client, node) = (&between.stage.client, &between.stage.node);
    let seen = client.checkpoint().await.unwrap();
    for size in [seen.size() + 1, seen.size() - 1] {
        let forged = node.note(size, Hash([7; 32]), node.now().seconds());
        between.proxy.twist(Twists {
            checkpoint: twist(move |answer: &mut GetCheckpointResponse| {
                if let Some(checkpoint) = &mut answer.checkpoint {
                    (checkpoint.note, checkpoint.tree_size) = (forged.clone(), size);
                }
            }),
            consistency: twist(|answer: &mut GetConsistencyProofResponse| answer.path.truncate(1)),
            ..Twists::default()
        });
        if size > seen.size() {
            // The honest node behind has to know the size to give any proof.
            node.act(&between.stage.school, between.stage.school.anchors([commitment(3)]));
        }
        let error = fault(client.checkpoint().await.unwrap_err());
        assert!(
            matches!(error, BadAnswer::Inconsistent { seen_size, .. } if seen_size == seen.size()),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn checkpoints_without_a_quorum_from_the_future_or_misnumbered_are_refused() {
    let between = Between::new().await;
    let node = between.stage.node.clone();
    let honest = between.stage.client.checkpoint().await.unwrap();
    let unsigned = honest.note().text().to_owned() + "\n\u{2014} nobody AAAAAAAA\n";
    let future = node.note(honest.size(), honest.tree().root, node.now().seconds() + 61);
    for (note, size, reason) in [
        (unsigned, honest.size(), "NO_QUORUM"),
        (future, honest.size(), "FROM_THE_FUTURE"),
        ("no note".to_owned(), honest.size(), "CHECKPOINT_MALFORMED"),
        (honest.note().to_string(), honest.size() + 1, "ANSWER_MISMATCH"),
    ] {
        between.proxy.twist(Twists {
            checkpoint: twist(move |answer: &mut GetCheckpointResponse| {
                if let Some(checkpoint) = &mut answer.checkpoint {
                    (checkpoint.note, checkpoint.tree_size) = (note.clone(), size);
                }
            }),
            ..Twists::default()
        });
        assert_eq!(between.stage.client.checkpoint().await.unwrap_err().reason(), reason);
    }
}

#[tokio::test]
async fn changed_moved_or_missing_leaves_are_refused() {
    let between = Between::new().await;
    type Change = fn(&mut Vec<Bytes>);
    let changes: [(Change, &str); 4] = [
        (|leaves| leaves[1] = Bytes::from_static(b"forged"), "PROOF_INVALID"),
        (|leaves| leaves.swap(0, 1), "PROOF_INVALID"),
        (Vec::clear, "ANSWER_MISMATCH"),
        (|leaves| leaves.push(Bytes::new()), "ANSWER_MISMATCH"),
    ];
    for (change, reason) in changes {
        between.proxy.twist(Twists {
            entries: twist(move |answer: &mut GetEntriesResponse| change(&mut answer.leaves)),
            ..Twists::default()
        });
        let error = between.stage.client.entries(LeafIndex(2), 3).await.unwrap_err();
        assert_eq!(error.reason(), reason);
    }
    between.proxy.twist(Twists {
        inclusion: twist(|answer: &mut GetInclusionProofResponse| answer.path.clear()),
        ..Twists::default()
    });
    assert_eq!(between.stage.client.leaf(LeafIndex(2)).await.unwrap_err().reason(), "PROOF_INVALID");
}

#[tokio::test]
async fn a_submission_is_final_only_with_this_statements_records_and_receipts() {
    let between = Between::new().await;
    let (client, stage) = (&between.stage.client, &between.stage);
    let organisation = stage.organisation();
    for (number, twists, reason) in [
        (
            11,
            Twists {
                submit: twist(|answer: &mut SubmitResponse| {
                    let outcome = answer.result.as_mut().and_then(|result| result.outcome.as_mut());
                    outcome.expect("final").first_leaf = 3;
                }),
                ..Twists::default()
            },
            "ANSWER_MISMATCH",
        ),
        (
            12,
            Twists {
                submit: twist(|answer: &mut SubmitResponse| {
                    answer.result.as_mut().expect("a result").statement_id = vec![1; 32].into();
                }),
                ..Twists::default()
            },
            "ANSWER_MISMATCH",
        ),
        (
            13,
            Twists {
                submit: twist(|answer: &mut SubmitResponse| {
                    let change = |receipt: &mut Receipt| receipt.anchored.leaf[50] ^= 1;
                    answer.receipts[0] = edited(&answer.receipts[0], change);
                }),
                ..Twists::default()
            },
            "LEAF_NOT_INCLUDED",
        ),
        (
            14,
            Twists {
                submit: twist(|answer: &mut SubmitResponse| {
                    answer.result.as_mut().expect("a result").outcome = None;
                }),
                ..Twists::default()
            },
            "ANSWER_MALFORMED",
        ),
    ] {
        let statement = organisation.anchor(stage.school.anchors([commitment(number)])).unwrap();
        between.proxy.twist(twists);
        let error = client.submit_final(&statement).await.unwrap_err();
        assert_eq!(error.reason(), reason, "{number}: {error:?}");
        fault(error);
        between.proxy.twist(Twists::default());
        client.submit_final(&statement).await.expect("the same bytes, answered honestly");
    }
}

#[tokio::test]
async fn a_forged_receipt_in_a_stream_ends_it_before_its_statement_counts_as_answered() {
    let between = Between::new().await;
    between.proxy.twist(Twists {
        streamed: twist(|answer: &mut SubmitStreamResponse| {
            for item in &mut answer.items {
                if let Some(submit_stream_item::Item::Receipt(receipt)) = &mut item.item {
                    receipt.item ^= 1;
                }
            }
        }),
        ..Twists::default()
    });
    let anchor = between.stage.school.anchors([commitment(21), commitment(22)]);
    let statement = between.stage.organisation().anchor(anchor).unwrap();
    let statements = futures::stream::iter([statement.clone()]);
    let options = ManyOptions { receipts: true, ..ManyOptions::default() };
    let mut answers = between.stage.client.submit_many(statements, options);
    let error = answers.next().await.unwrap().unwrap_err();
    assert!(matches!(fault(error), BadAnswer::Mismatch("the credential")));
    assert!(answers.next().await.is_none());
    between.proxy.twist(Twists::default());
    let submitted = between.stage.client.submit_final(&statement).await.unwrap();
    assert_eq!(submitted.receipts().len(), 2, "recorded all the same");
}

#[tokio::test]
async fn a_batch_with_missing_swapped_or_forged_answers_is_refused() {
    let between = Between::new().await;
    let names = [between.stage.credential(1), between.stage.credential(2)];
    type Change = fn(&mut Vec<BatchGetStatusItem>);
    let whole: [(Change, &str); 3] = [
        (|items| drop(items.pop()), "ANSWER_MISMATCH"),
        (|items| items.swap(1, 2), "ANSWER_MISMATCH"),
        (|items| items.extend(items.clone()), "PROTOCOL"),
    ];
    for (change, reason) in whole {
        between.proxy.twist(Twists {
            batch: twist(move |answer: &mut BatchGetStatusResponse| change(&mut answer.items)),
            ..Twists::default()
        });
        let error = between.stage.client.statuses(&names, Moment::Newest).await.unwrap_err();
        assert_eq!(error.reason(), reason);
    }
    between.proxy.twist(Twists {
        batch: twist(|answer: &mut BatchGetStatusResponse| {
            for item in &mut answer.items {
                if let Some(Item::Result(result)) = &mut item.item
                    && result.index == 1
                    && let Some(batch_get_status_result::Answer::Status(_)) = &result.answer
                {
                    let anchored = result.receipt.as_mut().and_then(|receipt| receipt.anchored.as_mut());
                    anchored.expect("a receipt").index += 1;
                }
            }
        }),
        ..Twists::default()
    });
    let answers = between.stage.client.statuses(&names, Moment::Newest).await.unwrap();
    assert!(answers[0].is_ok());
    assert_eq!(answers[1].as_ref().unwrap_err().reason(), "LEAF_NOT_INCLUDED");
}

#[tokio::test]
async fn a_forged_answer_ends_a_watch() {
    let between = Between::new().await;
    between.proxy.twist(Twists {
        watched_status: twist(|answer: &mut WatchStatusResponse| {
            answer.receipt = edited(&answer.receipt, |receipt| receipt.status.chunks[0].bytes[0] ^= 1);
        }),
        ..Twists::default()
    });
    let mut watch = between.stage.client.watch_status(&[between.stage.credential(1)]).unwrap();
    let error = watch.next().await.unwrap().unwrap_err();
    assert_eq!(error.reason(), "CHUNK_NOT_INCLUDED");
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn what_a_registry_answer_says_beyond_its_records_is_refused() {
    let between = Between::new().await;
    let (client, school, tao) = (&between.stage.client, &between.stage.school, Actor::new("tao"));
    let key = school.accreditation_key();
    between.proxy.twist(Twists {
        identifier: twist(|answer: &mut GetIdentifierResponse| {
            answer.identifier.as_mut().expect("found").legal_name = "Another name".to_owned();
        }),
        issuer: twist(|answer: &mut GetIssuerResponse| answer.accreditations[0].valid_until_ms += 1),
        accreditation: twist(|answer: &mut GetAccreditationResponse| {
            let found = answer.accreditation.as_mut().expect("found");
            found.suspension =
                Some(kvitto_proto::v1::Suspension { by_did: found.subject_did.clone(), reason: 0 });
        }),
        chain: twist(|answer: &mut GetTrustChainResponse| {
            answer.links.remove(0);
            answer.proof.as_mut().expect("a proof").records.remove(0);
        }),
        ..Twists::default()
    });
    for error in [
        client.identifier(&school.did, Moment::Newest).await.unwrap_err(),
        client.issuer(&school.did, Moment::Newest).await.unwrap_err(),
        client.accreditation(&key, Moment::Newest).await.unwrap_err(),
        client.trust_chain(&key, Moment::Newest).await.unwrap_err(),
    ] {
        assert!(matches!(fault(error), BadAnswer::Mismatch(_)));
    }
    between.stage.node.act(&tao, tao.sets_accreditation(school, StatusValue::Revoked));
    between.proxy.twist(Twists {
        accreditation: twist(|answer: &mut GetAccreditationResponse| {
            answer.accreditation.as_mut().expect("found").withdrawal = None;
            answer.proof.as_mut().expect("a proof").records.pop();
        }),
        ..Twists::default()
    });
    let error = client.accreditation(&key, Moment::Newest).await.unwrap_err();
    assert!(matches!(fault(error), BadAnswer::Mismatch("the accreditation's record")));
}

#[tokio::test]
async fn a_registry_proof_is_held_against_root_block_and_moment() {
    let between = Between::new().await;
    type Change = fn(&mut RegistryProof);
    let changes: [(Change, &str); 6] = [
        (|proof| proof.records[0].index += 1, "PROOF_INVALID"),
        (
            |proof| proof.block.as_mut().expect("a block").leaf = Bytes::from_static(b"no record"),
            "PROOF_INVALID",
        ),
        (|proof| proof.block = Some(proof.records[0].clone()), "ANSWER_MISMATCH"),
        (|proof| proof.chunks.clear(), "CHUNK_MISSING"),
        (|proof| proof.records.push(proof.records[0].clone()), "ANSWER_MISMATCH"),
        (|proof| proof.checkpoint = None, "ANSWER_MALFORMED"),
    ];
    let key = between.stage.school.accreditation_key();
    for (change, reason) in changes {
        between.proxy.twist(Twists {
            accreditation: twist(move |answer: &mut GetAccreditationResponse| {
                change(answer.proof.as_mut().expect("a proof"))
            }),
            ..Twists::default()
        });
        let error = between.stage.client.accreditation(&key, Moment::Newest).await.unwrap_err();
        assert_eq!(error.reason(), reason, "{error:?}");
    }
    let then = between.stage.client.checkpoint().await.unwrap().size();
    between.stage.node.act(&between.stage.school, between.stage.school.anchors([commitment(3)]));
    between.proxy.twist(Twists::default());
    let earlier = between.stage.client.accreditation(&key, Moment::TreeSize(then)).await.unwrap();
    assert_eq!(earlier.as_of.tree_size, then);
}

#[tokio::test]
async fn an_older_block_is_not_taken_for_a_later_time() {
    let between = Between::new().await;
    let (stage, tao) = (&between.stage, Actor::new("tao"));
    let key = stage.school.accreditation_key();
    let before = stage.node.now();
    stage.node.act(&tao, tao.sets_accreditation(&stage.school, StatusValue::Revoked));
    let withdrawn = stage.node.now();
    stage.node.act(&stage.school, stage.school.sets(StatusValue::Revoked, [commitment(1)]));
    let at = |moment: Moment| GetAccreditationRequest {
        subject_did: key.subject.to_string(),
        id: Bytes::copy_from_slice(&key.id.0),
        at: moment.into(),
    };
    let mut node = RegistryServiceClient::connect(stage.served.url()).await.unwrap();
    let older = node.get_accreditation(at(Moment::Time(before))).await.unwrap().into_inner();
    let newest = node.get_accreditation(at(Moment::Newest)).await.unwrap().into_inner();
    let newest = newest.proof.unwrap().block;
    type Change = fn(&mut RegistryProof, Option<LeafProof>);
    let changes: [Change; 4] = [
        |_, _| {},
        |proof, _| proof.next_block = None,
        |proof, newest| proof.next_block = newest,
        |proof, _| proof.next_block = proof.block.clone(),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let (mut forged, newest) = (older.clone(), newest.clone());
        change(forged.proof.as_mut().expect("a proof"), newest);
        between.proxy.twist(Twists {
            accreditation: twist(move |answer: &mut GetAccreditationResponse| *answer = forged.clone()),
            ..Twists::default()
        });
        for moment in [Moment::Time(withdrawn), Moment::Newest] {
            let error = stage.client.accreditation(&key, moment).await.unwrap_err();
            let found = fault(error);
            assert!(matches!(found, BadAnswer::Mismatch("the moment")), "{number} {moment:?}: {found:?}");
        }
    }
    between.proxy.twist(Twists::default());
    for (time, is_withdrawn) in [(before, false), (TimeMs(withdrawn.0 - 1), false), (withdrawn, true)] {
        let shown = stage.client.accreditation(&key, Moment::Time(time)).await.unwrap();
        assert_eq!(shown.value.withdrawal.is_some(), is_withdrawn, "{time}");
    }
}

#[tokio::test]
async fn an_old_checkpoint_is_neither_the_newest_state_nor_that_of_a_later_time() {
    let stage = Stage::new().await;
    let (key, now) = (stage.school.accreditation_key(), stage.node.now());
    let asked_later = |later_s: u64| {
        let clock: Clock = Arc::new(move || TimeMs(now.0 + later_s * 1000));
        let options = Options { max_age: Duration::from_secs(60), clock, ..options(&stage.node) };
        Client::connect(&[stage.served.url()], trust(&stage.node), options).unwrap()
    };
    asked_later(60).accreditation(&key, Moment::Newest).await.unwrap();
    let late = asked_later(61);
    for (moment, reason) in
        [(Moment::Newest, "CHECKPOINT_TOO_OLD"), (Moment::Time(TimeMs(now.0 + 1)), "TIME_NOT_COVERED")]
    {
        let error = late.accreditation(&key, moment).await.unwrap_err();
        assert!(matches!(error, ClientError::Unavailable(_)));
        assert_eq!(error.reason(), reason);
    }
    late.accreditation(&key, Moment::Time(now)).await.unwrap();
}

#[tokio::test]
async fn pages_of_one_answer_that_do_not_fit_together_are_refused() {
    let between = Between::new().await;
    let school = &between.stage.school;
    let height = between.stage.client.issuer(&school.did, Moment::Newest).await.unwrap().as_of.height;
    between.proxy.twist(Twists {
        issuer: twist(|answer: &mut GetIssuerResponse| answer.next_cursor = "more of the same".to_owned()),
        ..Twists::default()
    });
    let error = between.stage.client.issuer(&school.did, Moment::Newest).await.unwrap_err();
    assert_eq!(error.reason(), "CURSOR_INVALID", "the honest node behind knows no such page");
    let again = format!("{:016x}{}", height.0, "00".repeat(32));
    between.proxy.twist(Twists {
        issuer: twist(move |answer: &mut GetIssuerResponse| answer.next_cursor = again.clone()),
        ..Twists::default()
    });
    let error = between.stage.client.issuer(&school.did, Moment::Newest).await.unwrap_err();
    assert!(matches!(fault(error), BadAnswer::Mismatch("the next page")), "the first page again");
}
