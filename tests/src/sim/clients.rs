//! Clients of a simulated ledger: an accreditor and schools that act, and some that try what they may not.

use kvitto_ledger::scope::Role;
use kvitto_ledger::statement::body::StatusCode;
use kvitto_ledger::statement::{Body, StatusItem, StatusTarget};
use kvitto_ledger::testing::{Actor, Ledger, commitment};
use kvitto_ledger::{Checked, Commitment, Position, TimeMs};
use kvitto_merkle::status::StatusValue;
use kvitto_replica::testing::{Cluster, Random};

/// Everybody who signs statements.
pub(super) struct Clients {
    ledger: Ledger,
    academy: Actor,
    stranger: Actor,
    /// What the school has asked to be anchored.
    anchored: Vec<Commitment>,
    /// What the academy has.
    others: Vec<Commitment>,
    made: u64,
    /// What can only be executed, sooner or later.
    pub(super) must: Vec<Checked>,
}

/// Which statements are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// Any, bad ones too.
    Any,
    /// One that can only be executed.
    Must,
}

impl Clients {
    /// The clients, and the cluster of so many members whose ledger knows them.
    pub(super) fn with_cluster(members: usize, seed: u64) -> (Self, Cluster) {
        let mut ledger = Ledger::with_school(members);
        let (root, tao) = (ledger.root.clone(), ledger.tao.clone());
        let (academy, stranger) = (Actor::new("academy"), Actor::new("stranger"));
        ledger.accredited(&tao, &academy, Role::Ti);
        ledger.act(&root, root.onboards(&stranger, &ledger.world.ledger_id)).expect("the root may onboard");
        let mut cluster = Cluster::with_state(ledger.world.clone(), &ledger.state, seed);
        cluster.now = ledger.clock;
        let (anchored, others, must) = (Vec::new(), Vec::new(), Vec::new());
        (Self { ledger, academy, stranger, anchored, others, made: 0, must }, cluster)
    }

    /// The next statement, signed, and whether it can only be executed.
    pub(super) fn next(&mut self, cluster: &mut Cluster, wish: Wish) -> (Checked, bool) {
        self.ledger.clock = cluster.now;
        self.made += 1;
        let random = &mut cluster.random;
        let kind = if wish == Wish::Must { random.below(5) } else { random.below(18) };
        let (signer, body) = self.body(kind, random);
        let must = kind < 5;
        let mut statement = self.ledger.statement(body);
        if !must && random.chance(100) {
            statement.not_after = TimeMs(statement.not_before.0 + 1 + random.below(3_000));
        }
        let checked = self.ledger.check(&signer, &statement).expect("its form is good");
        if must {
            self.must.push(checked.clone());
        }
        (checked, must)
    }

    fn body(&mut self, kind: u64, random: &mut Random) -> (Actor, Body) {
        let Self { academy, stranger, .. } = self;
        let (academy, stranger) = (academy.clone(), stranger.clone());
        let Ledger { root, tao, school, world, .. } = &self.ledger;
        let (root, tao, school) = (root.clone(), tao.clone(), school.clone());
        let status = [StatusValue::Revoked, StatusValue::Suspended, StatusValue::Valid];
        let status = status[random.below(3) as usize];
        match kind {
            0..=2 => {
                let new = self.new_commitments(random);
                self.anchored.extend(&new);
                (school.clone(), school.anchors(new).into())
            }
            3 => {
                let subject = Actor::new(&format!("organisation {}", self.made));
                (root.clone(), root.onboards(&subject, &world.ledger_id).into())
            }
            4 => (school.clone(), school.reserves(1 + random.below(3) as u32).into()),
            5 | 6 => {
                let new = self.new_commitments(random);
                self.others.extend(&new);
                (academy.clone(), academy.anchors(new).into())
            }
            7 => (
                tao.clone(),
                tao.sets_accreditation(&academy, [status, StatusValue::Valid][random.below(2) as usize])
                    .into(),
            ),
            // Nobody has accredited it.
            8 => (stranger.clone(), stranger.anchors(self.new_commitments(random)).into()),
            // Not its own, perhaps.
            9 => {
                let target = StatusTarget::Position(Position(random.below(40)));
                let item = StatusItem { target, status: StatusCode(status), successor: None };
                (academy.clone(), academy.changes([item]).into())
            }
            // What is there already, perhaps, and something new.
            12 => {
                let known = [pick(&self.others, random), commitment(1_000 * self.made)];
                self.others.push(known[1]);
                (academy.clone(), academy.anchors(known).into())
            }
            13 => {
                (academy.clone(), academy.sets(StatusValue::Revoked, [pick(&self.anchored, random)]).into())
            }
            10 => {
                let old = pick(&self.anchored, random);
                let new = pick(&self.anchored, random);
                (school.clone(), school.supersedes(old, new).into())
            }
            11 => (academy.clone(), academy.sets(status, [pick(&self.others, random)]).into()),
            // Also again, and of what is not there yet.
            _ => (school.clone(), school.sets(status, [pick(&self.anchored, random)]).into()),
        }
    }

    fn new_commitments(&self, random: &mut Random) -> Vec<Commitment> {
        (0..=random.below(4)).map(|n| commitment(1_000 * self.made + n)).collect()
    }
}

/// One of them, or one that nobody has anchored.
fn pick(commitments: &[Commitment], random: &mut Random) -> Commitment {
    let chosen = random.below(commitments.len() as u64 + 1) as usize;
    commitments.get(chosen).copied().unwrap_or(commitment(0))
}
