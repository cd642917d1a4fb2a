//! A whole log, audited from outside: honest, altered on the way, and rewritten by members that all signed it.

use bytes::Bytes;
use kvitto_api::testing::MemoryNode;
use kvitto_client::{AuditError, ClientError, VerifiedCheckpoint};
use kvitto_ledger::testing::{Actor, commitment};
use kvitto_ledger::{Height, Position, ReadState, Record, RecordBody};
use kvitto_merkle::status::StatusValue;
use kvitto_merkle::{Frontier, Hash, leaf_hash};
use kvitto_proto::v1::{GetCheckpointResponse, GetEntriesResponse};
use kvitto_storage::Read;

use crate::hostile::{Between, twist};
use crate::proxy::Twists;
use crate::{Stage, client, trust};

/// Everything that records can say.
fn live(stage: &Stage) {
    let (node, school) = (&stage.node, &stage.school);
    node.act(school, school.reserves(2000));
    node.act(school, school.anchors((10..40).map(commitment)));
    let positions = node.reader().positions_at(node.reader().committed()).expect("memory is readable");
    node.act(school, school.anchors_at(commitment(50), Position(positions - 1500)));
    node.act(school, school.sets(StatusValue::Suspended, [commitment(1), commitment(10)]));
    node.act(school, school.sets(StatusValue::Valid, [commitment(1)]));
    node.act(school, school.sets(StatusValue::Revoked, [commitment(10), commitment(50)]));
    node.act(school, school.supersedes(commitment(11), commitment(12)));
    let tao = Actor::new("tao");
    for status in [StatusValue::Suspended, StatusValue::Valid] {
        node.act(&tao, tao.sets_accreditation(school, status));
    }
}

#[tokio::test]
async fn an_honest_log_is_what_its_members_signed() {
    let stage = Stage::new().await;
    let mut seen: Option<VerifiedCheckpoint> = None;
    for round in 0..3_u64 {
        let mut steps = Vec::new();
        let audit =
            stage.client.audit(seen.as_ref(), &mut |done, all| steps.push((done, all))).await.unwrap();
        let tip = stage.node.reader().tip().unwrap();
        assert_eq!(audit.newest.header, tip.header);
        assert_eq!(audit.newest.id, tip.header_id);
        assert_eq!(audit.newest.positions, tip.positions);
        assert_eq!(audit.checkpoint.tree().root, tip.header.log_root);
        assert_eq!(steps.last(), Some(&(tip.header.tree_size, tip.header.tree_size)));
        seen = Some(audit.checkpoint);
        match round {
            0 => live(&stage),
            _ => drop(stage.node.act(&stage.school, stage.school.anchors([commitment(60 + round)]))),
        }
    }
}

fn entries(change: impl Fn(&mut Vec<Bytes>) + Send + Sync + 'static) -> Twists {
    let entries = twist(move |answer: &mut GetEntriesResponse| change(&mut answer.leaves));
    Twists { entries, ..Twists::default() }
}

/// Whatever one node does to the leaves on the way, it is found; the members' signed root is beside it.
#[tokio::test]
async fn every_altered_and_every_dropped_leaf_is_found() {
    let between = Between::new().await;
    live(&between.stage);
    let size = between.stage.client.checkpoint().await.unwrap().size() as usize;
    for at in 0..size {
        between.proxy.twist(entries(move |leaves| {
            let mut leaf = leaves[at].to_vec();
            let last = leaf.len() - 1;
            leaf[last] ^= 1;
            leaves[at] = leaf.into();
        }));
        let altered = between.stage.client.audit(None, &mut |_, _| ()).await.expect_err("altered");
        let AuditError::Fault { fault, .. } = altered else { panic!("{altered:?}") };
        assert!(fault.leaf.0 as usize >= at, "{fault}");
        // A page without its last leaf is only a shorter page.
        if at + 1 == size {
            break;
        }
        between.proxy.twist(entries(move |leaves| {
            if at < leaves.len() {
                leaves.remove(at);
            }
        }));
        let dropped = between.stage.client.audit(None, &mut |_, _| ()).await.expect_err("dropped");
        assert!(
            matches!(&dropped, AuditError::Fault { .. } | AuditError::Client(ClientError::BadAnswer { .. })),
            "{dropped:?}"
        );
    }
    between.proxy.twist(Twists::default());
    between.stage.client.audit(None, &mut |_, _| ()).await.expect("the proxy is honest now");
}

/// All members sign a log in which a block names another status root than its records give.
#[tokio::test]
async fn a_wrong_status_root_is_found_though_every_member_signed_it() {
    let between = Between::new().await;
    live(&between.stage);
    let (node, height) = (&between.stage.node, between.stage.node.reader().committed());
    let size = between.stage.client.checkpoint().await.unwrap().size();
    let forge = |leaves: &mut Vec<Bytes>| {
        let last = leaves.last_mut().expect("leaves");
        let mut record = Record::decode(last).expect("a record");
        let RecordBody::Block(block) = &mut record.body else { panic!("the last one is a block's") };
        block.status_root = Hash([7; 32]);
        *last = record.encode().into();
    };
    let mut leaves: Vec<Bytes> =
        node.reader().leaves(0..size, usize::MAX).unwrap().into_iter().map(Bytes::from).collect();
    forge(&mut leaves);
    let mut frontier = Frontier::new();
    leaves.iter().for_each(|leaf| frontier.push(leaf_hash(leaf)));
    let note = node.note(size, frontier.root(), node.now().seconds());
    let twists = Twists {
        checkpoint: twist(move |answer: &mut GetCheckpointResponse| {
            answer.checkpoint.as_mut().expect("a checkpoint").note = note.clone();
        }),
        ..entries(forge)
    };
    between.proxy.twist(twists);
    // One that has not seen the honest tree.
    let fresh = client(node, std::slice::from_ref(&between.url));
    let error = fresh.audit(None, &mut |_, _| ()).await.expect_err("forged");
    assert_eq!(error.reason(), "STATUS_ROOT");
    let AuditError::Fault { fault, .. } = error else { panic!("a fault") };
    assert_eq!(fault.height, height);
}

/// The same members, another history: each log alone is in order, and only who remembers the first finds out.
#[tokio::test]
async fn a_rewritten_history_becomes_evidence_against_all_who_signed_both() {
    let first = Stage::new().await;
    let seen = first.client.audit(None, &mut |_, _| ()).await.unwrap().checkpoint;
    let names: Vec<String> = first.node.world().members.iter().map(|member| member.name.clone()).collect();

    let second = Stage::of(MemoryNode::with_school(4)).await;
    second.node.act(&second.school, second.school.anchors([commitment(3), commitment(4)]));
    for larger in [false, true] {
        if larger {
            second.node.act(&second.school, second.school.anchors((20..30).map(commitment)));
        }
        second.client.audit(None, &mut |_, _| ()).await.expect("in itself it is in order");
        let error = second.client.audit(Some(&seen), &mut |_, _| ()).await.expect_err("rewritten");
        assert_eq!(error.reason(), "HISTORY_REWRITTEN");
        let AuditError::Rewritten { evidence: Some(evidence), seen_size, size, .. } = error else {
            panic!("with evidence: {error:?}")
        };
        assert_eq!((seen_size == seen.size(), size > seen_size), (true, larger));
        assert_eq!(evidence.check(&trust(&first.node)).expect("it proves").members, names);
    }

    let third = Stage::of(MemoryNode::new(4)).await;
    let error = third.client.audit(Some(&seen), &mut |_, _| ()).await.expect_err("shorter");
    assert_eq!(error.reason(), "NODE_BEHIND");
    assert_eq!(third.node.reader().committed(), Height(0));
}
