//! Signature checks for the engine, each made once: a message is checked when it arrives, and again inside certificates.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use futures::FutureExt;
use kvitto_ledger::{LedgerId, PublicKey, Signature};
use malachitebft_core_types::{
    CertificateError, CommitCertificate, ExtendedCommitCertificate, PolkaCertificate, RoundCertificate,
    ThresholdParams, ValidatorProof, VoteExtensionPolicy, VoteExtensionScope,
};
use malachitebft_signing::{Error, VerificationResult, Verifier, VerifierExt};

use super::context::{Context, Members, Proposal, Vote};

/// Most signatures that are remembered before all are forgotten; one height of 64 members needs a few hundred.
const REMEMBERED_MAX: usize = 4096;

/// Checks signatures by the strict rules, and remembers the good ones for a while.
#[derive(Debug)]
pub(crate) struct SignatureChecks {
    ledger: LedgerId,
    /// BLAKE3 of key, signature and message. The lock is for `Verifier: Sync`; nobody else holds it.
    good: Mutex<BTreeSet<[u8; 32]>>,
}

#[allow(clippy::result_large_err, reason = "the core wants its own error, whatever its size")]
impl SignatureChecks {
    pub(crate) fn new(ledger: LedgerId) -> Self {
        Self { ledger, good: Mutex::default() }
    }

    pub(crate) fn vote(&self, vote: &Vote, signature: &Signature, key: &PublicKey) -> bool {
        self.check(&vote.sign_bytes(&self.ledger), signature, key)
    }

    pub(crate) fn proposal(&self, proposal: &Proposal, signature: &Signature, key: &PublicKey) -> bool {
        self.check(&proposal.sign_bytes(&self.ledger), signature, key)
    }

    fn check(&self, message: &[u8], signature: &Signature, key: &PublicKey) -> bool {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&key.bytes().0).update(&signature.0).update(message);
        let digest = *hasher.finalize().as_bytes();
        let mut good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        if good.contains(&digest) {
            return true;
        }
        let verifies = key.verifies(message, signature);
        if verifies {
            if good.len() >= REMEMBERED_MAX {
                good.clear();
            }
            good.insert(digest);
        }
        verifies
    }

    pub(crate) fn commit_certificate(
        &self,
        certificate: &CommitCertificate<Context>,
        members: &Members,
        thresholds: ThresholdParams,
    ) -> Result<(), CertificateError<Context>> {
        now(self.verify_commit_certificate(&Context, certificate, members, thresholds))
    }

    pub(crate) fn extended_certificate(
        &self,
        certificate: &ExtendedCommitCertificate<Context>,
        members: &Members,
        thresholds: ThresholdParams,
        policy: VoteExtensionPolicy,
    ) -> Result<(), CertificateError<Context>> {
        now(self.verify_extended_commit_certificate(&Context, certificate, members, thresholds, policy))
    }

    pub(crate) fn polka_certificate(
        &self,
        certificate: &PolkaCertificate<Context>,
        members: &Members,
        thresholds: ThresholdParams,
    ) -> Result<(), CertificateError<Context>> {
        now(self.verify_polka_certificate(&Context, certificate, members, thresholds))
    }

    pub(crate) fn round_certificate(
        &self,
        certificate: &RoundCertificate<Context>,
        members: &Members,
        thresholds: ThresholdParams,
    ) -> Result<(), CertificateError<Context>> {
        now(self.verify_round_certificate(&Context, certificate, members, thresholds))
    }
}

/// The result of a check that has nothing to wait for.
fn now<T>(check: impl Future<Output = T>) -> T {
    check.now_or_never().expect("checks wait for nothing")
}

#[async_trait]
impl Verifier<Context> for SignatureChecks {
    async fn verify_signed_vote(
        &self,
        vote: &Vote,
        signature: &Signature,
        key: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        Ok(VerificationResult::from_bool(self.vote(vote, signature, key)))
    }

    async fn verify_signed_proposal(
        &self,
        proposal: &Proposal,
        signature: &Signature,
        key: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        Ok(VerificationResult::from_bool(self.proposal(proposal, signature, key)))
    }

    async fn verify_signed_vote_extension(
        &self,
        _: &VoteExtensionScope<Context>,
        _: &Vec<u8>,
        _: &Signature,
        _: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        // Vote extensions are off.
        Ok(VerificationResult::Invalid)
    }

    async fn verify_validator_proof(&self, _: &ValidatorProof<Context>) -> Result<VerificationResult, Error> {
        // Peers are admitted by the allow-list, not by proofs.
        Ok(VerificationResult::Invalid)
    }
}
