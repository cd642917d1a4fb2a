//! Receipts that must not verify: one change each, with the reason for which it is refused.
//!
//! Where the change is behind a signature, the forger is a quorum of members: such a case shows that a verifier checks the rule
//! itself and does not take the members' word for it.

mod files;

mod checkpoint;

pub(crate) mod lenient;

mod status;

mod commitment;

mod chain;

use kvitto_verifier::receipt::{Consistency, Receipt};

use super::{Case, Expected, Trust};
use crate::history::History;
use crate::scenario::{LAST, Scenario, question};

/// Builds the cases of one base receipt.
struct Forger<'a> {
    s: &'a Scenario,
    base: &'static str,
    rule: &'static str,
    cases: Vec<Case>,
}

impl<'a> Forger<'a> {
    fn new(s: &'a Scenario, base: &'static str, rule: &'static str) -> Self {
        Self { s, base, rule, cases: Vec::new() }
    }

    fn honest(&self) -> Receipt {
        self.s.receipt(self.base, LAST, None)
    }

    /// The item's receipt in a history that a quorum of forgers signed.
    fn forged(&self, change: impl FnOnce(&mut History)) -> Receipt {
        let mut history = self.s.history.clone();
        change(&mut history);
        self.s.receipt_in(&history, self.base, LAST, None)
    }

    fn text(
        &mut self,
        name: &'static str,
        about: &'static str,
        reason: &'static str,
        receipt: String,
    ) -> &mut Case {
        self.cases.push(Case {
            name,
            rule: self.rule,
            about,
            receipt,
            credential: Some(self.base),
            trust: Trust::First,
            question: question(LAST),
            expected: Expected::Refusal { base: self.base, reason },
        });
        self.cases.last_mut().expect("just added")
    }

    fn add(
        &mut self,
        name: &'static str,
        about: &'static str,
        reason: &'static str,
        receipt: &Receipt,
    ) -> &mut Case {
        self.text(name, about, reason, receipt.to_json())
    }

    /// One change of the honest receipt.
    fn change(
        &mut self,
        name: &'static str,
        about: &'static str,
        reason: &'static str,
        change: impl FnOnce(&mut Receipt),
    ) -> &mut Case {
        let mut receipt = self.honest();
        change(&mut receipt);
        self.add(name, about, reason, &receipt)
    }

    /// One change of the ledger, signed by the members.
    fn forge(
        &mut self,
        name: &'static str,
        about: &'static str,
        reason: &'static str,
        change: impl FnOnce(&mut History),
    ) -> &mut Case {
        let receipt = self.forged(change);
        self.add(name, about, reason, &receipt)
    }
}

pub(crate) fn cases(s: &Scenario) -> Vec<Case> {
    [
        files::files(s),
        checkpoint::checkpoints(s),
        checkpoint::epochs(s),
        checkpoint::cosignatures(s),
        lenient::signatures(s),
        status::blocks(s),
        status::chunks(s),
        status::statuses(s),
        status::as_of(s),
        status::times(s),
        commitment::anchored(s),
        commitment::openings(s),
        chain::chains(s),
        chain::links(s),
        chain::withdrawals(s),
        chain::identifiers(s),
    ]
    .into_iter()
    .flatten()
    .collect()
}

pub(crate) fn consistency(s: &Scenario, block: usize, later: usize) -> Consistency {
    Consistency { path: s.history.nodes().consistency(s.history.size(block), s.history.size(later)) }
}
