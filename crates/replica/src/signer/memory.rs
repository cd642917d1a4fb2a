//! A signer with its keys and its guard in memory, for tests and simulations.

use kvitto_ledger::SigningKey;

use super::{Guard, GuardAnswer, SignRequest, Signed, Signer, Subject};

/// Keys and guard. A crash is simulated by keeping [`MemorySigner::synced`] of before.
#[derive(Clone, Debug)]
pub struct MemorySigner {
    consensus: SigningKey,
    cosignature: SigningKey,
    log: SigningKey,
    guard: Guard,
    synced: Guard,
}

impl MemorySigner {
    /// A signer that remembers what `guard` does.
    pub fn new(consensus: SigningKey, cosignature: SigningKey, log: SigningKey, guard: Guard) -> Self {
        Self { consensus, cosignature, log, synced: guard.clone(), guard }
    }

    /// What [`crate::Effect::Sync`] does to the guard.
    pub fn sync(&mut self) {
        self.synced.clone_from(&self.guard);
    }

    /// The guard as it survives a crash.
    pub fn synced(&self) -> &Guard {
        &self.synced
    }
}

impl Signer for MemorySigner {
    fn sign(&mut self, request: SignRequest) -> Signed {
        match self.guard.ask(&request) {
            GuardAnswer::Sign => {
                let key = match request.subject {
                    Subject::Consensus { .. } => &self.consensus,
                    Subject::Cosignature(_) => &self.cosignature,
                    Subject::Log(_) => &self.log,
                };
                let signature = key.sign(&request.message);
                self.guard.record(&request, signature);
                Signed::Signature(signature)
            }
            GuardAnswer::Repeat(signature) => Signed::Signature(signature),
            GuardAnswer::Earlier { message, signature } => Signed::Earlier { message, signature },
            GuardAnswer::Refuse => Signed::Refused,
        }
    }
}
