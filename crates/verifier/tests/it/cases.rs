//! Receipts that verify, and receipts that must not, each with what is expected of it.

pub(crate) mod forged;
pub(crate) mod honest;

use kvitto_verifier::{Question, Receipt};

/// One receipt with a question about it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// The rule that it shows or breaks.
    pub(crate) rule: &'static str,
    /// What it is about; for a forgery, what was changed.
    pub(crate) about: &'static str,
    /// The receipt file.
    pub(crate) receipt: String,
    /// The credential shown with it: the name of one of the scenario's.
    pub(crate) credential: Option<&'static str>,
    pub(crate) trust: Trust,
    pub(crate) question: Question,
    pub(crate) expected: Expected,
}

/// Which trust file the verifier has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The genesis only.
    First,
    /// With the first epoch closed.
    Later,
}

pub(crate) enum Expected {
    /// A verdict with this overall word and these concerns.
    Verdict(&'static str, &'static [&'static str]),
    /// A refusal with this reason; the honest receipt that was changed.
    Refusal { base: &'static str, reason: &'static str },
}

impl Case {
    fn receipt(mut self, receipt: &Receipt) -> Self {
        self.receipt = receipt.to_json();
        self
    }
}
