//! What a client is told, for each way in which the node can stand: the replica is a script behind the real admission and state.

use kvitto_api::testing::{MemoryNode, Reader};
use kvitto_ledger::testing::{Actor, HOUR_MS, commitment};
use kvitto_replica::MemberStatus;

use super::*;
use crate::core;

/// A node of four members in whose state a school has anchored commitment 1.
struct Stage {
    node: MemoryNode,
    school: Actor,
    desk: Desk<Reader>,
    status: watch::Sender<Option<Status>>,
}

/// How the node stands.
#[derive(Clone, Copy, Debug)]
enum Standing {
    Starting,
    Good,
    /// A peer says that it has one block more.
    Behind,
    /// Two of the four members are in reach.
    Alone,
    Halted,
    /// The school has used up its share of the mempool.
    Crowded,
}
use Standing::{Alone, Behind, Crowded, Good, Halted, Starting};

impl Stage {
    /// The replica says this of every statement.
    fn new(says: Notice) -> Self {
        let node = MemoryNode::with_school(4);
        let school = Actor::new("school");
        node.act(&school, school.anchors([commitment(1)]));
        let (events, mut brought) = core::events();
        let counter = Counter::default();
        let replica = counter.clone();
        tokio::spawn(async move {
            while let Some(Event::Submit(checked, Origin::Local)) = brought.next().await {
                replica.notice(checked.id(), says);
            }
        });
        let status = watch::Sender::new(None);
        let admission =
            Admission::new(node.world().ledger_id, node.reader().clone()).beside(status.subscribe());
        let desk = Desk::new(admission, node.reader().clone(), counter, events, status.subscribe());
        Self { node, school, desk, status }
    }

    fn stand(&self, standing: Standing) {
        let height = self.node.reader().committed();
        let up = |count| {
            let member = move |member| MemberStatus { connected: member < count, ..Default::default() };
            (0..4).map(member)
        };
        let good = Status {
            best_peer: Some(height),
            ..Status::quiet(height, self.node.now(), Some(height), up(3).collect())
        };
        self.status.send_replace(match standing {
            Starting => None,
            Good => Some(good),
            Behind => Some(Status { best_peer: Some(height.next()), ..good }),
            Alone => Some(Status { members: up(2).collect(), ..good }),
            Halted => Some(Status { halted: true, ..good }),
            Crowded => {
                let crowded =
                    kvitto_replica::Crowded { signers: [self.school.did].into(), ..Default::default() };
                Some(Status { crowded, ..good })
            }
        });
    }

    fn anchor(&self, number: u64) -> Bytes {
        self.node.statement(&self.school, self.school.anchors([commitment(number)])).into()
    }

    /// By an organisation that is not in the state.
    fn strangers(&self) -> Bytes {
        let stranger = Actor::new("stranger");
        self.node.statement(&stranger, stranger.anchors([commitment(3)])).into()
    }

    /// The answer in short: a rejection with whether it is final.
    async fn submit(&self, statement: Bytes) -> Result<&'static str, (String, bool)> {
        match self.desk.submit(statement).await {
            Ok(Admitted::Accepted(_)) => Ok("accepted"),
            Ok(Admitted::Executed(..)) => Ok("executed"),
            Err(SubmitError::Rejected(verdict)) => Err((verdict.rejection.reason().into(), verdict.is_final)),
            Err(other) => Err((format!("{other:?}"), false)),
        }
    }
}

fn refused(reason: &str, is_final: bool) -> Result<&'static str, (String, bool)> {
    Err((reason.to_owned(), is_final))
}

#[tokio::test]
async fn a_node_that_is_behind_does_not_judge_by_its_old_state() {
    let rejected = Notice::Rejected;
    let missing = rejected(Rejection::AccreditationMissing);
    for (standing, says, expected) in [
        (Good, missing, refused("ACCREDITATION_MISSING", false)),
        (Behind, missing, refused("Syncing", false)),
        // Blocks that are missing here cannot change it.
        (Behind, rejected(Rejection::NothingNew), refused("NOTHING_NEW", false)),
        (Behind, Notice::Expired, refused("Syncing", false)),
        (Behind, Notice::Accepted, Ok("accepted")),
        (Alone, Notice::Accepted, refused("NoQuorum", false)),
        (Halted, Notice::Accepted, refused("Halted", false)),
        (Starting, Notice::Accepted, refused("Syncing", false)),
    ] {
        let stage = Stage::new(says);
        stage.stand(standing);
        assert_eq!(stage.submit(stage.anchor(2)).await, expected, "{standing:?} {says:?}");
    }
}

#[tokio::test]
async fn what_the_bytes_alone_decide_is_final_however_the_node_stands() {
    let stage = Stage::new(Notice::Accepted);
    let mut tampered = stage.anchor(2).to_vec();
    *tampered.last_mut().unwrap() ^= 1;
    for (standing, expected) in
        [(Good, refused("SIGNER_UNKNOWN", false)), (Behind, refused("Syncing", false))]
    {
        stage.stand(standing);
        assert_eq!(stage.submit(stage.strangers()).await, expected);
        assert_eq!(stage.submit(tampered.clone().into()).await, refused("SIGNATURE_INVALID", true));
        assert_eq!(stage.submit("no statement".into()).await, refused("COSE_MALFORMED", true));
    }
    // Past `not_after` it never will be executed, whatever the reason is now.
    let late = stage.strangers();
    stage.node.pass(HOUR_MS - 1000);
    for number in [5, 6] {
        stage.node.act(&stage.school, stage.school.anchors([commitment(number)]));
    }
    assert_eq!(stage.submit(late).await, refused("SIGNER_UNKNOWN", true));
}

#[tokio::test]
async fn what_was_executed_is_answered_however_the_node_stands() {
    let stage = Stage::new(Notice::Rejected(Rejection::StatementExpired));
    let statement = stage.anchor(2);
    kvitto_api::Submit::submit(&stage.node, statement.clone()).await.unwrap();
    for standing in [Starting, Good, Behind, Alone, Halted] {
        stage.stand(standing);
        assert_eq!(stage.submit(statement.clone()).await, Ok("executed"), "{standing:?}");
    }
}

#[tokio::test]
async fn a_statement_waits_until_it_is_final_or_dropped() {
    let stage = Stage::new(Notice::Accepted);
    stage.stand(Good);
    let Ok(Admitted::Accepted(id)) = stage.desk.submit(stage.anchor(2)).await else { panic!("accepted") };
    assert!(stage.desk.is_waiting(&id));
    stage.desk.counter.notice(id, Notice::Rejected(Rejection::NothingNew));
    assert!(!stage.desk.is_waiting(&id));
    let Ok(Admitted::Accepted(id)) = stage.desk.submit(stage.anchor(3)).await else { panic!("accepted") };
    stage.desk.counter.is_final(&[id]);
    assert!(!stage.desk.is_waiting(&id));
}

#[tokio::test]
async fn who_floods_a_node_is_refused_before_a_signature_is_checked() {
    let stage = Stage::new(Notice::Accepted);
    let forged = |number| {
        let mut bytes = stage.anchor(number).to_vec();
        *bytes.last_mut().expect("not empty") ^= 1;
        Bytes::from(bytes)
    };
    let no_room = refused("SignerQuota { retry_after: 500ms }", false);
    stage.stand(Good);
    let waiting = stage.anchor(2);
    assert_eq!(stage.submit(waiting.clone()).await, Ok("accepted"));
    assert_eq!(stage.submit(forged(3)).await, refused("SIGNATURE_INVALID", true));
    stage.stand(Crowded);
    assert_eq!(stage.submit(stage.anchor(3)).await, no_room);
    assert_eq!(stage.submit(forged(3)).await, no_room);
    assert_eq!(stage.submit(waiting).await, Ok("accepted"), "it has its place");
    assert_eq!(stage.submit(stage.strangers()).await, refused("SIGNER_UNKNOWN", false), "others have room");
}
