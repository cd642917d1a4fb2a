//! RULES 2.4: what starts a height, and that every started height ends.

use kvitto_ledger::execute::BlockFault;
use kvitto_ledger::testing::HOUR_MS;
use kvitto_ledger::{Header, Height, Rejection, StatementId};
use kvitto_replica::signer::{Point, Step};
use kvitto_replica::testing::{Cluster, Liar, Statements, all_executed};
use kvitto_replica::{Fault, Notice, Refusal, Topic};

/// Statements reach nobody but the node that they are submitted to.
fn lose_statements(cluster: &mut Cluster) {
    cluster.tamper = Some(Box::new(|wire| {
        if wire.topic == Some(Topic::Statements) {
            wire.bytes.clear();
        }
    }));
}

#[test]
fn a_statement_that_only_one_member_has_is_sent_again_until_it_is_executed() {
    let mut cluster = Cluster::new(4, 1);
    let mut statements = Statements::new(&cluster);
    lose_statements(&mut cluster);
    let statement = statements.next();
    let id = statement.id();
    cluster.submit(0, statement);
    cluster.run_ms(3_000);
    assert_eq!(cluster.height().0, 0);
    cluster.tamper = None;
    assert!(cluster.run_for(20_000, |cluster| all_executed(cluster, &[id])));
}

#[test]
fn a_submitter_is_told_what_becomes_of_its_statement() {
    let mut cluster = Cluster::new(1, 1);
    let mut statements = Statements::new(&cluster);
    let statement = statements.next();
    let id = statement.id();
    let again = statement.clone();
    cluster.submit(0, statement.clone());
    cluster.submit(0, statement.clone());
    assert!(cluster.run_for(1_000, |cluster| cluster.nodes[0].finals.contains(&id)));
    cluster.submit(0, statement);
    let notices: Vec<_> = cluster.nodes[0].notices.iter().map(|(_, notice)| *notice).collect();
    let height = cluster.nodes[0].state.changes.outcomes[&id].height;
    assert_eq!(notices, [Notice::Accepted, Notice::Accepted, Notice::AlreadyFinal(height)]);
    // For ever, though its time is over.
    cluster.run_ms(2 * HOUR_MS);
    cluster.submit(0, again);
    assert_eq!(cluster.nodes[0].notices.last(), Some(&(id, Notice::AlreadyFinal(height))));
}

#[test]
fn a_refused_statement_is_answered_with_the_reason() {
    let mut cluster = Cluster::new(1, 1);
    let mut statements = Statements::new(&cluster);
    let statement = statements.next();
    let id = statement.id();
    cluster.run_ms(2 * HOUR_MS);
    cluster.submit(0, statement);
    assert_eq!(cluster.nodes[0].notices, [(id, Notice::Rejected(Rejection::StatementExpired))]);
    let statement = statements.next();
    cluster.now.0 -= 2 * HOUR_MS + 61_000;
    let id = statement.id();
    cluster.submit(0, statement);
    assert_eq!(cluster.nodes[0].notices[1], (id, Notice::Rejected(Rejection::StatementNotYet)));
    assert_eq!(cluster.height().0, 0);
}

/// Otherwise a signer could make a node run the rules without end.
#[test]
fn a_signer_over_its_quota_is_refused_before_the_rules_are_asked() {
    let mut cluster = Cluster::new(4, 1);
    cluster.mempool.signer_count_max = 1;
    for node in 0..4 {
        cluster.kill(node);
    }
    cluster.start(0);
    let mut statements = Statements::new(&cluster);
    let (first, again) = (statements.next(), statements.next());
    let id = again.id();
    cluster.submit(0, first);
    // It has expired: the rules would reject it.
    cluster.now.0 += 2 * HOUR_MS;
    cluster.submit(0, again);
    assert_eq!(cluster.nodes[0].notices[1..], [(id, Notice::Refused(Refusal::SignerQuota))]);
}

/// Whether an idle node starts height 1 when these members tell it that they are there.
fn check_started(members: usize, tellers: &[usize], expected: bool) {
    let mut cluster = Cluster::new(members, 1);
    for teller in tellers {
        let liar = Liar::new(&mut cluster, *teller);
        for round in 0..3 {
            let point = Point { height: Height(1), round, step: Step::Prevote };
            liar.tell(&mut cluster, 0, Topic::Consensus, liar.vote(point, None));
        }
    }
    let status = cluster.nodes[0].replica.as_ref().expect("running").status();
    assert_eq!(status.round.is_some(), expected, "{members} members, {tellers:?}");
}

#[test]
fn messages_of_one_more_than_can_be_faulty_start_a_height() {
    check_started(4, &[2], false);
    check_started(4, &[2, 3], true);
    check_started(7, &[2, 3], false);
    check_started(7, &[2, 3, 5], true);
}

/// Whether an idle node starts height 1 when a member proposes an empty block for a round, as it is or changed.
fn check_started_by(proposer: usize, round: u32, change: fn(&mut Header), expected: bool) {
    let mut cluster = Cluster::new(4, 1);
    let liar = Liar::new(&mut cluster, proposer);
    let mut header = liar.empty_block(&cluster, 0);
    change(&mut header);
    liar.tell(&mut cluster, 0, Topic::Consensus, liar.proposal(round, None, &header));
    let status = cluster.nodes[0].replica.as_ref().expect("running").status();
    assert_eq!(status.round.is_some(), expected, "member {proposer}, round {round}");
}

#[test]
fn a_valid_proposal_of_the_first_proposer_starts_a_height() {
    check_started_by(1, 0, |_| {}, true);
    // Not a later proposer's, nor a block that does not execute, nor one that is not its turn.
    check_started_by(2, 1, |_| {}, false);
    check_started_by(1, 0, |header| header.tree_size += 1, false);
    check_started_by(2, 0, |_| {}, false);
}

/// Two of four have a statement that never reaches the others: the height that they start ends with an empty block, because its
/// first proposers have nothing.
#[test]
fn a_proposer_that_has_nothing_to_order_proposes_an_empty_block() {
    let mut cluster = Cluster::new(4, 1);
    let mut statements = Statements::new(&cluster);
    lose_statements(&mut cluster);
    let statement = statements.next();
    let id = statement.id();
    for starter in [0, 3] {
        cluster.submit(starter, statement.clone());
    }
    assert!(cluster.run_for(20_000, |cluster| cluster.height() >= Height(1)));
    assert_eq!(cluster.nodes[0].state.blocks[1].header.statements, 0);
    cluster.tamper = None;
    assert!(cluster.run_for(20_000, |cluster| all_executed(cluster, &[id])));
}

/// RULES 2.6: the rules break on a statement at three of four, so its proposer cannot get it decided, and nothing else suffers.
#[test]
fn a_statement_on_which_the_rules_break_is_quarantined_and_its_block_voted_invalid() {
    let mut cluster = Cluster::new(4, 1);
    let mut statements = Statements::new(&cluster);
    let (breaking, good) = (statements.next(), statements.next());
    for node in [0, 2, 3] {
        cluster.nodes[node].breaks_on = Some(Statements::subject(1).did);
    }
    cluster.submit(1, breaking.clone());
    cluster.submit(0, good.clone());
    assert!(cluster.run_for(20_000, |cluster| all_executed(cluster, &[good.id()])));
    assert_eq!(cluster.nodes[0].state.changes.outcomes.get(&breaking.id()), None);
    let fault = BlockFault::Statement { index: 0, rejection: Rejection::RulesPanic };
    assert!(cluster.nodes[0].faults.contains(&Fault::Block(fault)), "{:?}", cluster.nodes[0].faults);
    // It stays out, whoever brings it, though the defect is gone.
    cluster.nodes[0].breaks_on = None;
    cluster.submit(0, breaking.clone());
    let notice = Notice::Rejected(Rejection::RulesPanic);
    assert_eq!(cluster.nodes[0].notices.last(), Some(&(breaking.id(), notice)));
}

/// RULES 2.6, the proposer's side: it took the statement in, and the rules break on it when the block is built.
#[test]
fn a_proposer_drops_a_statement_on_which_the_rules_break() {
    let mut cluster = Cluster::new(4, 1);
    let mut statements = Statements::new(&cluster);
    let (breaking, good) = (statements.next(), statements.next());
    lose_statements(&mut cluster);
    // Member 2 builds its block when the first proposer's time is over.
    cluster.kill(1);
    cluster.submit(2, breaking.clone());
    cluster.submit(2, good.clone());
    cluster.submit(0, good.clone());
    cluster.nodes[2].breaks_on = Some(Statements::subject(1).did);
    assert!(cluster.run_for(20_000, |cluster| all_executed(cluster, &[good.id()])));
    let of = |notice: &&(StatementId, Notice)| notice.0 == breaking.id();
    let told: Vec<_> = cluster.nodes[2].notices.iter().filter(of).map(|notice| notice.1).collect();
    assert_eq!(told, [Notice::Accepted, Notice::Rejected(Rejection::RulesPanic)]);
}

/// It may not sign, so it starts no height by which the others would learn of it.
#[test]
fn a_statement_that_only_a_member_without_its_guard_has_is_sent_again_until_it_is_executed() {
    let mut cluster = Cluster::new(4, 1);
    let mut statements = Statements::new(&cluster);
    cluster.kill(3);
    cluster.nodes[3].guard = None;
    cluster.start(3);
    cluster.cut.extend([(3, 0), (3, 1), (3, 2)]);
    let statement = statements.next();
    let id = statement.id();
    cluster.submit(3, statement);
    cluster.run_ms(3_000);
    cluster.cut.clear();
    assert!(cluster.run_for(10_000, |cluster| all_executed(cluster, &[id])));
}

#[test]
fn many_statements_share_blocks() {
    let mut cluster = Cluster::new(4, 9);
    let mut statements = Statements::new(&cluster);
    let made: Vec<_> = (0..400).map(|_| statements.next()).collect();
    let ids: Vec<_> = made.iter().map(|statement| statement.id()).collect();
    for (n, statement) in made.into_iter().enumerate() {
        cluster.submit(n % 4, statement);
    }
    assert!(cluster.run_for(20_000, |cluster| all_executed(cluster, &ids)));
    assert!(cluster.height().0 < 40, "{}", cluster.height());
    assert!(cluster.witness.rounds.values().all(|round| *round == 0));
}
