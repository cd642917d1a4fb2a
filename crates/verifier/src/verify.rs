//! The verification of a receipt, step by step in the order of the rules (RULES 8).
//!
//! ```text
//! 8.1 checkpoint ─► 8.2 quorum ─► 8.3 block ─► 8.4 anchored, opening, statuses ─► 8.5 chain ─► 8.6 compare ─► 8.7 conclude
//! ```
//!
//! Every step takes what the earlier ones have shown, and nothing that was not signed.

mod tree;

mod checkpoint;

mod quorum;

mod block;

mod anchored;

mod statuses;

mod chain;

mod identifiers;

mod compare;

mod conclude;

pub use quorum::{Signed, signed_by_quorum};

use crate::receipt::Receipt;
use crate::refusal::Refusal;
use crate::trust::TrustFile;
use crate::verdict::Verdict;

/// What a verifier asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The time it is, in seconds since 1970-01-01T00:00:00Z.
    pub at_s: u64,
    /// How old the checkpoint may be, in seconds.
    pub max_age_s: u64,
    /// The time to answer for, where it is not now: the overall word is then about that time.
    pub as_of_s: Option<u64>,
    /// The member of a wrapper that holds the credential.
    pub unwrap: Option<String>,
    /// Prefixes of the URLs of this ledger's status lists. Without any, an equal index in a list is taken for this ledger's.
    pub status_lists: Vec<String>,
}

impl Question {
    /// Is it in order at `at_s`, by a checkpoint that is at most `max_age_s` old?
    pub fn now(at_s: u64, max_age_s: u64) -> Self {
        Self { at_s, max_age_s, as_of_s: None, unwrap: None, status_lists: Vec::new() }
    }
}

/// Decides what `receipt` proves, about `credential` where one is given.
///
/// # Errors
/// [`Refusal`]: the receipt proves nothing; the first reason in the order of the rules.
pub fn verify(
    receipt: &Receipt,
    credential: Option<&[u8]>,
    trust: &TrustFile,
    question: &Question,
) -> Result<Verdict, Refusal> {
    let head = checkpoint::open(receipt, trust)?;
    let signed = signed_by_quorum(head.note, head.epoch, question.at_s)?;
    let blocks = block::check(&head.tree, receipt)?;
    let period = block::period(&blocks, &signed, question.as_of_s)?;
    let anchored = anchored::check(&head.tree, &receipt.anchored)?;
    let opened = anchored::open(receipt.opening.as_ref(), &anchored.record, credential, question)?;
    let links = chain::read(&head.tree, &receipt.chain)?;
    let statuses = statuses::check(&head.tree, receipt, &blocks, &anchored, &links)?;
    chain::check(&links, &statuses.now, head.epoch.config(), &anchored.record)?;
    let organisations = identifiers::check(&head.tree, &receipt.identifiers, &links)?;
    let comparisons = compare::check(&opened, &anchored.record, organisations.issuer(), question);
    Ok(conclude::verdict(conclude::Shown {
        trust,
        question,
        head,
        signed,
        blocks,
        period,
        anchored,
        opened,
        links,
        statuses,
        organisations,
        comparisons,
    }))
}
