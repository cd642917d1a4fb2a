//! Admission: from a statement's bytes to a `Checked` one, beside the replica and in parallel.
//!
//! Form first, then the key that the newest state names, then the signature: the same functions that judge a proposed block.

use std::sync::Arc;

use kvitto_ledger::execute::signer_key;
use kvitto_ledger::{Checked, Envelope, LedgerId, ReadState, Rejection, StateError, TimeMs};

/// Statements that become valid later than this are refused, not kept.
const AHEAD_MS_MAX: u64 = 60_000;

/// Checks statements for one ledger against a state.
#[derive(Clone, Debug)]
pub struct Admission<R> {
    ledger: LedgerId,
    state: R,
}

impl<R: ReadState> Admission<R> {
    /// Checks for `ledger`, with keys from `state`.
    pub fn new(ledger: LedgerId, state: R) -> Self {
        Self { ledger, state }
    }

    /// The form of a statement.
    ///
    /// # Errors
    /// The rejection, codes 100 to 199.
    pub fn decode(&self, bytes: Arc<[u8]>) -> Result<Envelope, Rejection> {
        Envelope::decode(bytes, &self.ledger)
    }

    /// Key and signature of a statement, and whether it is for a time that is near by this node's clock (RULES 5.4).
    ///
    /// # Errors
    /// Outer: the state cannot be read. Inner: the rejection, codes 200 to 299, or [`Rejection::StatementNotYet`].
    pub fn verify(&self, envelope: Envelope, now: TimeMs) -> Result<Result<Checked, Rejection>, StateError> {
        if envelope.statement().not_before.0 > now.0.saturating_add(AHEAD_MS_MAX) {
            return Ok(Err(Rejection::StatementNotYet));
        }
        let key = signer_key(&self.state, &envelope.key_id(), envelope.statement().body.kind())?;
        Ok(key.and_then(|key| envelope.verify(&key)))
    }
}
