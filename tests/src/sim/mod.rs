//! Deterministic simulation of whole nodes: replicas, disks, clocks and a network, all from one seed.
//!
//! ```text
//!   Clients ── statements, good and bad ──┐
//!   Trouble ── loss, cuts, crashes, ... ──┼──► Cluster (virtual time) ──► everything said, committed, answered
//!   Attack ─── lies with good signatures ─┘                                   │
//!                                                invariants, one file each ◄──┘──► the first Violation
//! ```
//!
//! A run has three parts: trouble; healing, after which the ledger must go on within two simulated minutes; and a look back, in
//! which everything that was ever acknowledged is proved again. Cluster and invariants live beside the replica, in
//! `kvitto_replica::testing`; here are those that need more than it, and the things that happen to them.
//! The same seed does the same, to the last byte: [`Run::trace`] is a digest of all that was sent, committed and published.

mod attack;
mod clients;
mod receipts;
mod trouble;

use std::panic::{AssertUnwindSafe, catch_unwind};

use kvitto_replica::Fault;
use kvitto_replica::testing::invariants::Violation;
use kvitto_replica::testing::{Cluster, Disks, Node};

pub use attack::Strategy;

use attack::Attack;
use clients::Clients;
use receipts::Receipts;

/// How long a healed ledger may take to go on, in milliseconds of virtual time.
const HEALED_MS_MAX: u64 = 120_000;
/// Between two looks of the attackers at the others, in milliseconds.
const TICK_MS: u64 = 20;

/// What is the same for all seeds.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Number of members.
    pub members: usize,
    /// How many of them lie, the last ones.
    pub liars: usize,
    /// What they do; each seed its own where none is given.
    pub strategy: Option<Strategy>,
    /// What disks do.
    pub disks: Disks,
}

impl Setting {
    /// So many members whose disks keep their promises, of whom so many lie.
    pub fn new(members: usize, liars: usize) -> Self {
        Self { members, liars, strategy: None, disks: Disks::default() }
    }

    /// How many members may be faulty.
    pub fn faulty_max(&self) -> usize {
        (self.members - 1) / 3
    }
}

/// What one seed did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// What did not hold, if anything.
    pub violation: Option<Violation>,
    /// A digest of everything that members sent, committed and published.
    pub trace: u64,
    /// Blocks that were decided.
    pub blocks: u64,
    /// Statements that clients were told are final.
    pub finals: u64,
    /// Receipts that were made and verified.
    pub receipts: u64,
    /// Times that a member died.
    pub crashes: u64,
    /// Proofs that honest members have against liars.
    pub evidence: u64,
}

/// Runs one seed.
pub fn run(setting: &Setting, seed: u64) -> Run {
    let attempt = catch_unwind(AssertUnwindSafe(|| {
        let mut simulation = Simulation::new(*setting, seed);
        simulation.run();
        simulation.result()
    }));
    attempt.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
        let violation = Violation { invariant: "no panic", detail: text.to_owned() };
        Run { violation: Some(violation), ..Run::default() }
    })
}

struct Simulation {
    setting: Setting,
    cluster: Cluster,
    clients: Clients,
    attack: Option<Attack>,
    receipts: Receipts,
}

impl Simulation {
    fn new(setting: Setting, seed: u64) -> Self {
        let (clients, mut cluster) = Clients::with_cluster(setting.members, seed);
        cluster.disks = setting.disks;
        cluster.witness.forgiving = true;
        let receipts = Receipts::of(&cluster);
        cluster.witness.hold(Box::new(receipts.clone()));
        let first = setting.members - setting.liars;
        let attack = (setting.liars > 0).then(|| {
            let drawn = Strategy::ALL[cluster.random.below(Strategy::ALL.len() as u64) as usize];
            Attack::new(&mut cluster, first..setting.members, setting.strategy.unwrap_or(drawn))
        });
        Self { setting, cluster, clients, attack, receipts }
    }

    fn run(&mut self) {
        self.trouble();
        self.heal();
        if self.cluster.witness.violation.is_none() {
            self.look_back();
        }
    }

    /// Lets virtual time pass, and the attackers act in it.
    fn pass(&mut self, ms: u64) {
        let Some(attack) = &mut self.attack else { return self.cluster.run_ms(ms) };
        for _ in 0..ms.div_ceil(TICK_MS) {
            attack.act(&mut self.cluster);
            self.cluster.run_ms(TICK_MS);
        }
    }

    /// The members that keep to the rules.
    fn honest(&self) -> std::ops::Range<usize> {
        0..self.setting.members - self.setting.liars
    }

    /// Faults end; then everything that clients may rely on must be decided and final.
    fn heal(&mut self) {
        self.end_trouble();
        if self.cluster.random.chance(500) {
            self.attack = None;
            self.cluster.tamper = None;
        }
        // Everybody that is down comes back, and everything late arrives.
        self.pass(6_000);
        // What a node had not passed on when it died, its client submits again; and something new.
        let (last, _) = self.clients.next(&mut self.cluster, clients::Wish::Must);
        for statement in self.clients.must.iter().chain([&last]) {
            self.cluster.submit(0, statement.clone());
        }
        let must: Vec<_> = self.clients.must.iter().map(|statement| statement.id()).collect();
        let honest = self.honest();
        let done = move |cluster: &Cluster| {
            let executed = |node: usize| {
                must.iter().all(|id| cluster.nodes[node].state.changes.outcomes.contains_key(id))
            };
            must.iter().all(|id| cluster.nodes[0].is_final(id)) && honest.clone().all(executed)
        };
        for _ in 0..HEALED_MS_MAX / 1_000 {
            if self.cluster.witness.violation.is_some() || done(&self.cluster) {
                return;
            }
            self.pass(1_000);
        }
        let missing = self.clients.must.iter().filter(|statement| {
            let executed = |node: &Node| node.state.changes.outcomes.contains_key(&statement.id());
            !self.cluster.nodes[self.honest()].iter().all(executed)
                || !self.cluster.nodes[0].is_final(&statement.id())
        });
        let missing: Vec<_> = missing.map(|statement| statement.statement().body.kind()).collect();
        let stand: Vec<_> = self
            .cluster
            .nodes
            .iter()
            .map(|node| (node.height(), node.replica.as_ref().map(|replica| replica.status())))
            .collect();
        self.cluster
            .witness
            .violated("goes on", format!("{missing:?} are not final after healing: {stand:?}"));
    }

    /// After the end: nobody has stopped or fallen silent, and everything acknowledged can be proved.
    fn look_back(&mut self) {
        for index in self.honest() {
            let node = &self.cluster.nodes[index];
            if let Some(halt) = &node.halted {
                let detail = format!("member {index} has halted: {halt}");
                return self.cluster.witness.violated("nobody halts", detail);
            }
            // Who has lost its journal, but not its guard, may have nothing to say at one height; should it hear of a vote of its own
            // that it has forgotten, its engine refuses to replay that height.
            let is_silent = |fault: &&Fault| matches!(fault, Fault::Muted(_) | Fault::Engine(_));
            if let Some(fault) = node.faults.iter().find(is_silent).filter(|_| !node.was_wiped()) {
                let detail = format!("member {index}: {fault}");
                return self.cluster.witness.violated("nobody falls silent", detail);
            }
        }
        if let Err(detail) = self.receipts.look_back(&self.cluster) {
            self.cluster.witness.violated(receipts::NAME, detail);
        }
    }

    fn result(&self) -> Run {
        let evidence: usize = self.honest().map(|member| self.cluster.nodes[member].evidence.len()).sum();
        Run {
            violation: self.cluster.witness.violation.clone(),
            trace: self.cluster.trace(),
            blocks: self.cluster.witness.blocks.len() as u64,
            finals: self.cluster.witness.finals.len() as u64,
            receipts: self.receipts.count(),
            crashes: self.cluster.crashes,
            evidence: evidence as u64,
        }
    }
}
