//! Admission: from a statement's bytes to a `Checked` one, beside the replica and in parallel.
//!
//! Form first, then the key that the newest state names, then the signature: the same functions that judge a proposed block. Who floods
//! a node is refused before the signature, which costs more than all else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use kvitto_ledger::execute::signer_key_bytes;
use kvitto_ledger::{
    Checked, Envelope, KeyBytes, LedgerId, PublicKey, ReadState, Rejection, StateError, TimeMs,
};
use kvitto_replica::{AHEAD_MS_MAX, Refusal, Status};
use tokio::sync::watch;

/// Signers' keys that are remembered; when full, it begins anew.
const KEYS_MAX: usize = 1024;

/// Checks statements for one ledger against a state.
#[derive(Clone, Debug)]
pub struct Admission<R> {
    ledger: LedgerId,
    state: R,
    keys: Arc<Keys>,
    replica: Option<watch::Receiver<Option<Status>>>,
}

impl<R: ReadState> Admission<R> {
    /// Checks for `ledger`, with keys from `state`.
    pub fn new(ledger: LedgerId, state: R) -> Self {
        Self { ledger, state, keys: Arc::default(), replica: None }
    }

    /// The same, beside a replica whose mempool may be full.
    pub fn beside(self, replica: watch::Receiver<Option<Status>>) -> Self {
        Self { replica: Some(replica), ..self }
    }

    /// Why the replica would have no room for a new statement, however good it is.
    pub fn refusal(&self, envelope: &Envelope) -> Option<Refusal> {
        let status = self.replica.as_ref()?.borrow();
        status.as_ref()?.crowded.refusal(&envelope.key_id().did)
    }

    /// The form of a statement.
    ///
    /// # Errors
    /// The rejection, codes 100 to 199.
    pub fn decode(&self, bytes: Arc<[u8]>) -> Result<Envelope, Rejection> {
        Envelope::decode(bytes, &self.ledger)
    }

    /// Key and signature of a statement, and then whether it is for a time that is near by this node's clock (RULES 5.4).
    ///
    /// # Errors
    /// Outer: the state cannot be read. Inner: the rejection, codes 200 to 299, or [`Rejection::StatementNotYet`].
    pub fn verify(&self, envelope: Envelope, now: TimeMs) -> Result<Result<Checked, Rejection>, StateError> {
        let key = signer_key_bytes(&self.state, &envelope.key_id(), envelope.statement().body.kind())?;
        let checked = key.and_then(|key| self.keys.read(&key)).and_then(|key| envelope.verify(&key));
        Ok(checked.and_then(|checked| {
            let is_near = checked.statement().not_before.0 <= now.0.saturating_add(AHEAD_MS_MAX);
            if is_near { Ok(checked) } else { Err(Rejection::StatementNotYet) }
        }))
    }
}

/// Usable keys as they were read: statements come from few signers, and unpacking a key costs a tenth of a verification.
#[derive(Debug, Default)]
struct Keys(Mutex<BTreeMap<KeyBytes, PublicKey>>);

impl Keys {
    fn read(&self, bytes: &KeyBytes) -> Result<PublicKey, Rejection> {
        // An entry is inserted whole, whatever panicked.
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = known().get(bytes) {
            return Ok(*key);
        }
        let key = PublicKey::new(bytes).map_err(|_| Rejection::KeyInvalid)?;
        let mut known = known();
        if known.len() >= KEYS_MAX {
            known.clear();
        }
        known.insert(*bytes, key);
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kvitto_ledger::testing::{Actor, HOUR_MS, Ledger, commitment};

    /// The verdict on a statement by `signer` for an hour from the ledger's clock on, with `change` made to its bytes.
    fn verdict(signer: &Actor, change: fn(&mut Vec<u8>)) -> Result<(), Rejection> {
        let mut ledger = Ledger::with_school(1);
        let now = ledger.clock;
        let mut statement = ledger.statement(signer.anchors([commitment(1)]));
        statement.not_before.0 += HOUR_MS;
        statement.not_after.0 += HOUR_MS;
        let mut bytes = ledger.signed(signer, &statement);
        change(&mut bytes);
        let admission = Admission::new(ledger.world.ledger_id, ledger.state);
        let envelope = admission.decode(bytes.into())?;
        admission.verify(envelope, now).expect("memory is readable").map(drop)
    }

    /// A proposed block is judged in this order; whoever asks a node gets the same first answer.
    #[test]
    fn who_signed_comes_before_when() {
        let school = Actor::new("school");
        assert_eq!(verdict(&school, |_| ()), Err(Rejection::StatementNotYet));
        assert_eq!(verdict(&Actor::new("stranger"), |_| ()), Err(Rejection::SignerUnknown));
        assert_eq!(verdict(&school.with_key("other"), |_| ()), Err(Rejection::KeyUnknown));
        let other_signature: fn(&mut Vec<u8>) = |bytes| *bytes.last_mut().expect("not empty") ^= 1;
        assert_eq!(verdict(&school, other_signature), Err(Rejection::SignatureInvalid));
    }
}
