//! Carries out the core's effects: signs and checks at once, turns everything else into outputs.

use std::collections::BTreeSet;
use std::time::Duration;

use kvitto_ledger::{HeaderId, Height, LedgerId, Signature};
use malachitebft_core_consensus::{
    ConsensusMsg, Effect, Input, LivenessMsg, MisbehaviorEvidence, Resumable, Resume, SignedConsensusMsg,
    VoteExtensionError,
};
use malachitebft_core_types::{
    LinearTimeouts, NilOrVal, SignedMessage, Timeout, TimeoutKind, Value as _, VoteType,
};

use super::context::{Address, Context, Members, Proposal, Vote};
use super::{Output, SignatureChecks};
use crate::codec::{ConsensusMessage, JournalEntry};
use crate::effect::Fault;
use crate::evidence::{ConflictingMessages, Evidence, Message, Shown};
use crate::input::TimerId;
use crate::options::Timeouts;
use crate::signer::{Point, SignRequest, Signed, Signer, Subject};

/// Verifies nowhere: S is zero, R is no canonical point that fits any message.
const NO_SIGNATURE: Signature = Signature([0; 64]);

/// What it means when the signer refuses because it has signed a later point.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// The engine wants to say something new where it may not: this member is silent for the rest of the height.
    Mutes,
    /// The journal has its signature from before.
    Passed,
}

pub(super) struct Host<S> {
    ledger: LedgerId,
    pub(super) members: Members,
    address: Address,
    timeouts: LinearTimeouts,
    pub(super) signer: S,
    pub(super) checks: SignatureChecks,
    pub(super) outputs: Vec<Output>,
    /// Whether the signer was asked for a new signature since this was last taken.
    pub(super) signed: bool,
    /// With what members have contradicted themselves.
    shown: Shown<Point>,

    // Of the height in progress.
    height: Height,
    /// Whether the signer may be asked for anything, also while the journal is replayed.
    may_sign: bool,
    pub(super) timers: BTreeSet<TimerId>,
    /// What the journal holds already, while it is replayed.
    replayed: Option<BTreeSet<Vec<u8>>>,
    pub(super) muted: bool,
    pub(super) precommitted: Option<Height>,
}

impl<S: Signer> Host<S> {
    pub(super) fn new(
        ledger: LedgerId,
        members: Members,
        address: Address,
        timeouts: Timeouts,
        signer: S,
    ) -> Self {
        Self {
            ledger,
            members,
            address,
            timeouts: linear(timeouts),
            signer,
            checks: SignatureChecks::new(ledger),
            outputs: Vec::new(),
            signed: false,
            shown: Shown::default(),
            height: Height(0),
            may_sign: false,
            timers: BTreeSet::new(),
            replayed: None,
            muted: false,
            precommitted: None,
        }
    }

    pub(super) fn begin(&mut self, height: Height, may_sign: bool, journal: &[Input<Context>]) {
        self.cancel_all();
        self.height = height;
        self.may_sign = may_sign;
        self.muted = false;
        let encoded = |input: &Input<Context>| JournalEntry::Engine(height, input.clone()).encode();
        self.replayed = (!journal.is_empty()).then(|| journal.iter().filter_map(encoded).collect());
    }

    pub(super) fn end_replay(&mut self) {
        self.replayed = None;
    }

    /// An own message that is replayed was signed before: where the guard still remembers its point, it must be the same.
    pub(super) fn feeding(&mut self, input: &Input<Context>) {
        if self.replayed.is_none() {
            return;
        }
        match input {
            Input::Vote(vote) if vote.address == self.address => {
                self.sign_vote(&vote.message, Refusal::Passed);
            }
            Input::Proposal(proposal) if proposal.address == self.address => {
                self.sign_proposal(&proposal.message, Refusal::Passed);
            }
            _ => {}
        }
    }

    pub(super) fn cancel_all(&mut self) {
        for id in std::mem::take(&mut self.timers) {
            self.outputs.push(Output::CancelTimer(id));
        }
    }

    pub(super) fn mute(&mut self) {
        if !self.muted {
            self.muted = true;
            self.outputs.push(Output::Report(Fault::Muted(self.height)));
        }
    }

    /// Every effect is resumed with a value of the kind it wants: anything else would end the input halfway.
    pub(super) fn carry_out(&mut self, effect: Effect<Context>) -> Resume<Context> {
        match effect {
            Effect::CancelAllTimeouts(resume) => {
                self.cancel_all();
                resume.resume_with(())
            }
            Effect::CancelTimeout(timeout, resume) => {
                self.cancel(timeout);
                resume.resume_with(())
            }
            Effect::ScheduleTimeout(timeout, resume) => {
                self.schedule(timeout);
                resume.resume_with(())
            }
            Effect::StartRound(_, _, _, _, resume) => resume.resume_with(()),
            Effect::PublishConsensusMsg(message, resume) => {
                self.publish(match message {
                    SignedConsensusMsg::Vote(vote) => ConsensusMessage::Vote(vote),
                    SignedConsensusMsg::Proposal(proposal) => ConsensusMessage::Proposal(proposal),
                });
                resume.resume_with(())
            }
            Effect::PublishLivenessMsg(message, resume) => {
                self.publish(match message {
                    LivenessMsg::Vote(vote) => ConsensusMessage::Vote(vote),
                    LivenessMsg::PolkaCertificate(certificate) => ConsensusMessage::Polka(certificate),
                    LivenessMsg::SkipRoundCertificate(certificate) => ConsensusMessage::Round(certificate),
                });
                resume.resume_with(())
            }
            Effect::RepublishVote(vote, resume) => {
                self.publish(ConsensusMessage::Vote(vote));
                resume.resume_with(())
            }
            Effect::RepublishRoundCertificate(certificate, resume) => {
                self.publish(ConsensusMessage::Round(certificate));
                resume.resume_with(())
            }
            Effect::GetValue(_, round, _, resume) => {
                self.outputs.push(Output::NeedValue(round.as_u32().unwrap_or(0)));
                resume.resume_with(())
            }
            Effect::RestreamProposal(_, _, _, _, id, resume) => {
                self.outputs.push(Output::Restream(id));
                resume.resume_with(())
            }
            Effect::SignVote(vote, resume) => {
                let signature = self.sign_vote(&vote, Refusal::Mutes).unwrap_or(NO_SIGNATURE);
                resume.resume_with(SignedMessage::new(vote, signature))
            }
            Effect::SignProposal(proposal, resume) => {
                let signature = self.sign_proposal(&proposal, Refusal::Mutes).unwrap_or(NO_SIGNATURE);
                resume.resume_with(SignedMessage::new(proposal, signature))
            }
            Effect::VerifySignature(message, key, resume) => {
                let good = match &message.message {
                    ConsensusMsg::Vote(vote) => self.checks.vote(vote, &message.signature, &key),
                    ConsensusMsg::Proposal(proposal) => {
                        self.checks.proposal(proposal, &message.signature, &key)
                    }
                };
                resume.resume_with(good)
            }
            Effect::VerifyCommitCertificate(certificate, members, thresholds, resume) => {
                resume.resume_with(self.checks.commit_certificate(&certificate, &members, thresholds))
            }
            Effect::VerifyPolkaCertificate(certificate, members, thresholds, resume) => {
                resume.resume_with(self.checks.polka_certificate(&certificate, &members, thresholds))
            }
            Effect::VerifyRoundCertificate(certificate, members, thresholds, resume) => {
                resume.resume_with(self.checks.round_certificate(&certificate, &members, thresholds))
            }
            Effect::VerifyExtendedCommitCertificate(certificate, members, thresholds, policy, resume) => {
                resume.resume_with(self.checks.extended_certificate(
                    &certificate,
                    &members,
                    thresholds,
                    policy,
                ))
            }
            Effect::WalAppend(_, input, resume) => {
                self.append(input);
                resume.resume_with(())
            }
            // Vote extensions are off, and values from sync do not pass through the engine: these are not asked for.
            Effect::ExtendVote(_, _, _, _, resume) => resume.resume_with(None),
            Effect::VerifyVoteExtension(_, _, _, _, _, _, resume) => {
                resume.resume_with(Err(VoteExtensionError::InvalidVoteExtension))
            }
            Effect::CertVerifiedSyncValue(_, _, resume) => resume.resume_with(()),
            Effect::CertRejectedSyncValue(_, _, _, resume) => resume.resume_with(()),
            Effect::Decide(certificate, _, resume) => {
                self.outputs.push(Output::Decided(certificate));
                resume.resume_with(())
            }
            Effect::Finalize(_, _, evidence, resume) => {
                self.evidence(evidence);
                resume.resume_with(())
            }
        }
    }

    fn sign_vote(&mut self, vote: &Vote, refusal: Refusal) -> Option<Signature> {
        let point = vote.point();
        let names_block = vote.value != NilOrVal::Nil;
        if names_block && vote.vote_type == VoteType::Precommit {
            self.precommitted = self.precommitted.max(Some(point.height));
        }
        self.sign(point, names_block, vote.sign_bytes(&self.ledger), refusal)
    }

    fn sign_proposal(&mut self, proposal: &Proposal, refusal: Refusal) -> Option<Signature> {
        self.sign(proposal.point(), true, proposal.sign_bytes(&self.ledger), refusal)
    }

    fn sign(
        &mut self,
        point: Point,
        names_block: bool,
        message: Vec<u8>,
        refusal: Refusal,
    ) -> Option<Signature> {
        if self.muted || !self.may_sign {
            return None;
        }
        self.signed = true;
        match self.signer.sign(SignRequest { subject: Subject::Consensus { point, names_block }, message }) {
            Signed::Signature(signature) => Some(signature),
            Signed::Refused if refusal == Refusal::Passed => None,
            Signed::Earlier { .. } | Signed::Refused => {
                self.mute();
                None
            }
        }
    }

    fn publish(&mut self, message: ConsensusMessage) {
        let unsigned = match &message {
            ConsensusMessage::Vote(vote) => vote.signature == NO_SIGNATURE,
            ConsensusMessage::Proposal(proposal) => proposal.signature == NO_SIGNATURE,
            ConsensusMessage::Polka(_) | ConsensusMessage::Round(_) => false,
        };
        if !self.muted && !unsigned {
            self.outputs.push(Output::Publish(message));
        }
    }

    fn append(&mut self, input: Input<Context>) {
        let Some(bytes) = JournalEntry::Engine(self.height, input).encode() else { return };
        // While the journal is replayed, only what a crash kept out of it is added.
        if self.replayed.as_ref().is_none_or(|replayed| !replayed.contains(&bytes)) {
            self.outputs.push(Output::Journal(bytes));
        }
    }

    fn schedule(&mut self, timeout: Timeout) {
        let Some(id) = self.timer(timeout) else { return };
        let after = self.timeouts.duration_for(timeout);
        self.timers.insert(id);
        self.outputs.push(Output::SetTimer(id, u64::try_from(after.as_millis()).unwrap_or(u64::MAX)));
    }

    fn cancel(&mut self, timeout: Timeout) {
        if let Some(id) = self.timer(timeout)
            && self.timers.remove(&id)
        {
            self.outputs.push(Output::CancelTimer(id));
        }
    }

    fn timer(&self, timeout: Timeout) -> Option<TimerId> {
        let round = timeout.round.as_u32()?;
        Some(match timeout.kind {
            TimeoutKind::Propose => TimerId::Propose(self.height, round),
            TimeoutKind::Prevote => TimerId::Prevote(self.height, round),
            TimeoutKind::Precommit => TimerId::Precommit(self.height, round),
            TimeoutKind::Rebroadcast => TimerId::Rebroadcast(self.height, round),
            // Without a target time a height is finalised as soon as it is decided.
            TimeoutKind::FinalizeHeight(_) => return None,
        })
    }

    fn evidence(&mut self, evidence: MisbehaviorEvidence<Context>) {
        for (first, second) in evidence.votes.into_iter().flat_map(|(_, pairs)| pairs) {
            let [said, contradicting] = [&first, &second].map(|vote| Message {
                block: block_of(&vote.value),
                locked_in: None,
                signature: vote.signature,
            });
            self.contradiction(&first.address, first.point(), said, contradicting);
        }
        for (first, second) in evidence.proposals.into_iter().flat_map(|(_, pairs)| pairs) {
            let [said, contradicting] = [&first, &second].map(|proposal| Message {
                block: Some(proposal.value.id()),
                locked_in: proposal.pol_round.as_u32(),
                signature: proposal.signature,
            });
            self.contradiction(&first.address, first.point(), said, contradicting);
        }
    }

    fn contradiction(&mut self, address: &Address, point: Point, first: Message, second: Message) {
        if let Some(member) = self.members.index(address)
            && self.shown.is_wanted(member, &point)
        {
            self.shown.insert(member, point);
            let messages = Box::new(ConflictingMessages { key: address.0, first, second });
            self.outputs.push(Output::Evidence(Evidence::Messages { member, point, messages }));
        }
    }
}

fn block_of(value: &NilOrVal<HeaderId>) -> Option<HeaderId> {
    match value {
        NilOrVal::Nil => None,
        NilOrVal::Val(id) => Some(*id),
    }
}

fn linear(timeouts: Timeouts) -> LinearTimeouts {
    let ms = Duration::from_millis;
    LinearTimeouts {
        propose: ms(timeouts.propose_ms),
        propose_delta: ms(timeouts.propose_delta_ms),
        prevote: ms(timeouts.vote_ms),
        prevote_delta: ms(timeouts.vote_delta_ms),
        precommit: ms(timeouts.vote_ms),
        precommit_delta: ms(timeouts.vote_delta_ms),
        rebroadcast: ms(timeouts.rebroadcast_ms),
        max_timeout: ms(timeouts.max_ms),
    }
}
