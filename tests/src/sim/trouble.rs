//! What happens to members and their network, drawn from the seed.

use kvitto_replica::testing::{Cluster, Network, Random};

use super::Simulation;
use super::clients::Wish;

/// Moments at which something may happen.
const STEPS: usize = 30;
/// Clocks of members are at most so far off, in milliseconds, but for one that jumps.
const CLOCK_ERROR_MS: u64 = 2_000;
const HOUR_MS: i64 = 60 * 60 * 1_000;

/// A good network, a bad one, or any between them and worse.
fn a_network(random: &mut Random) -> Network {
    match random.below(4) {
        0 | 1 => Network::GOOD,
        2 => Network::BAD,
        _ => Network {
            delay_ms_max: 5 + random.below(1_000),
            loss: random.below(300),
            repeat: random.below(500),
            corrupt: random.below(30),
        },
    }
}

impl Simulation {
    /// Clients submit while things go wrong.
    pub(super) fn trouble(&mut self) {
        self.cluster.witness.clock_error_ms = CLOCK_ERROR_MS;
        for node in &mut self.cluster.nodes {
            let ahead = self.cluster.random.below(2 * CLOCK_ERROR_MS) as i64;
            node.clock_ahead_ms = ahead - CLOCK_ERROR_MS as i64;
        }
        self.cluster.network = a_network(&mut self.cluster.random);
        for _ in 0..STEPS {
            self.go_wrong();
            let (statement, _) = self.clients.next(&mut self.cluster, Wish::Any);
            for _ in 0..=self.cluster.random.below(2) {
                let to = self.any_member();
                self.cluster.submit(to, statement.clone());
            }
            let ms = self.cluster.random.below(800);
            self.pass(ms);
            if self.cluster.witness.violation.is_some() {
                return;
            }
        }
    }

    /// One more thing goes wrong, or nothing.
    fn go_wrong(&mut self) {
        let (member, other) = (self.any_member(), self.any_member());
        let members = self.setting.members;
        let may_lose_another = self.may_lose_another();
        let cluster = &mut self.cluster;
        match cluster.random.below(20) {
            0..=3 if cluster.nodes[member].replica.is_some() => {
                cluster.nodes[member].dies_in = Some(cluster.random.below(60));
            }
            4 => _ = cluster.cut.insert((member, other)),
            5 => {
                let side = 1 + cluster.random.below((1 << members) - 1);
                let is_here = |member: usize| side >> member & 1 == 1;
                let pairs = (0..members * members).map(|pair| (pair / members, pair % members));
                cluster.cut.extend(pairs.filter(|(from, to)| is_here(*from) != is_here(*to)));
            }
            6..=8 => cluster.cut.clear(),
            9 | 10 => {
                let ms = 100 + cluster.random.below(4_000);
                cluster.pause(member, ms);
            }
            11 => self.black_out(),
            12 => cluster.network = a_network(&mut cluster.random),
            13 if may_lose_another => {
                let jump = [HOUR_MS, -HOUR_MS, 24 * HOUR_MS, -24 * HOUR_MS];
                cluster.nodes[member].clock_ahead_ms = jump[cluster.random.below(4) as usize];
                cluster.witness.off.insert(member);
            }
            14 if may_lose_another && cluster.nodes[member].replica.is_some() => {
                cluster.wipe(member);
                if cluster.random.chance(300) {
                    cluster.nodes[member].guard = None;
                }
                let after_ms = cluster.random.below(2_000);
                cluster.start_later(member, after_ms);
            }
            _ => {}
        }
    }

    /// Everybody loses power at once.
    fn black_out(&mut self) {
        for member in 0..self.setting.members {
            if self.cluster.nodes[member].replica.is_some() {
                self.cluster.kill(member);
                let after_ms = 100 + self.cluster.random.below(1_500);
                self.cluster.start_later(member, after_ms);
            }
        }
    }

    /// Whether one more member may be worse than unlucky.
    fn may_lose_another(&self) -> bool {
        let Cluster { nodes, witness, .. } = &self.cluster;
        let wiped = nodes.iter().filter(|node| node.was_wiped()).count();
        self.setting.liars + witness.off.len() + wiped < self.setting.faulty_max()
    }

    fn any_member(&mut self) -> usize {
        self.cluster.random.below(self.setting.members as u64) as usize
    }

    /// Network and clocks are as they should be, and nobody dies any more.
    pub(super) fn end_trouble(&mut self) {
        let cluster = &mut self.cluster;
        cluster.network = Network::GOOD;
        cluster.cut.clear();
        let now = cluster.now;
        for (index, node) in cluster.nodes.iter_mut().enumerate() {
            node.dies_in = None;
            node.paused_until = node.paused_until.min(now);
            if cluster.witness.off.contains(&index) {
                node.clock_ahead_ms = 0;
            }
        }
    }
}
