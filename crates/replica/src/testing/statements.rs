//! Statements for the clusters.

use kvitto_ledger::testing::{Actor, Ledger};
use kvitto_ledger::{Checked, StatementId};

use super::Cluster;

/// Makes statements that all execute on a fresh ledger: the root onboards one organisation after another.
pub struct Statements {
    ledger: Ledger,
    made: usize,
}

impl Statements {
    /// For the ledger of this cluster.
    pub fn new(cluster: &Cluster) -> Self {
        let mut ledger = Ledger::in_world(cluster.world.clone());
        ledger.clock = cluster.now;
        Self { ledger, made: 0 }
    }

    /// The organisation that the statement with this number, from 1, onboards.
    pub fn subject(number: usize) -> Actor {
        Actor::new(&format!("organisation {number}"))
    }

    /// The next one, signed.
    #[expect(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> Checked {
        self.made += 1;
        let subject = Self::subject(self.made);
        let root = self.ledger.root.clone();
        let onboard = root.onboards(&subject, &self.ledger.world.ledger_id);
        self.ledger.sign(&root, onboard)
    }
}

/// Whether every running member has executed all of these.
pub fn all_executed(cluster: &Cluster, ids: &[StatementId]) -> bool {
    let running = cluster.nodes.iter().filter(|node| node.replica.is_some());
    running.into_iter().all(|node| ids.iter().all(|id| node.state.changes.outcomes.contains_key(id)))
}
