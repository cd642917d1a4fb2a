//! The engine's messages: in from peers, out to peers, and when a height starts.

use kvitto_ledger::{Header, Height, ReadState, TimeMs};
use malachitebft_core_types::{CommitCertificate, ThresholdParams, Value as _};

use super::{Phase, Replica};
use crate::blocks::{Known, ROUNDS_AHEAD};
use crate::clock;
use crate::codec::{ConsensusMessage, encode_certificate};
use crate::early::HEIGHTS_AHEAD;
use crate::effect::{Effect, Fault, Halt, Verdict};
use crate::engine::Output;
use crate::engine::context::{Context, Proposal};
use crate::input::{Peer, TimerId, Topic};
use crate::options::Standing;
use crate::signer::Signer;

impl<S: Signer> Replica<S> {
    /// A message of the engine from a peer.
    pub(super) fn on_consensus(&mut self, from: Peer, bytes: &[u8]) -> Verdict {
        let message = match ConsensusMessage::decode(bytes) {
            Ok(message) => message,
            Err(error) => {
                self.report(Some(from), Fault::Malformed(error.text()));
                return Verdict::Reject;
            }
        };
        let (height, newest) = (message.height(), self.tip.height());
        if height <= newest {
            return Verdict::Ignore;
        }
        if height.0 > newest.0.saturating_add(HEIGHTS_AHEAD) {
            self.report(Some(from), Fault::TooFarAhead);
            self.sync.claim(from, Height(newest.0.saturating_add(HEIGHTS_AHEAD)));
            return Verdict::Ignore;
        }
        self.sync.claim(from, Height(height.0 - 1));
        let signers = match self.signers(&message) {
            Ok(signers) => signers,
            Err(fault) => {
                self.report(Some(from), fault);
                return Verdict::Reject;
            }
        };
        self.hear(&message, &signers);
        let next = height == self.next_height();
        let running = next && matches!(self.phase, Phase::Running);
        // What is not kept is not learned either: the next copy of it is then the first.
        if !running && !self.keep_early(from, height, signers, &message) {
            self.report(Some(from), Fault::BufferFull);
            return Verdict::Ignore;
        }
        if let ConsensusMessage::Proposal(proposal) = &message
            && next
            && !self.learn(proposal, self.now)
        {
            self.report(Some(from), Fault::TooFarAhead);
            return Verdict::Ignore;
        }
        if running {
            self.give(message);
        }
        Verdict::Accept
    }

    /// Keeps a message for a height that has not started here; `false` when there is no room.
    fn keep_early(
        &mut self,
        from: Peer,
        height: Height,
        signers: Vec<usize>,
        message: &ConsensusMessage,
    ) -> bool {
        // Votes and proposals count as their signer's; a certificate, which anybody can send, as its sender's.
        let sender = match message {
            ConsensusMessage::Vote(_) | ConsensusMessage::Proposal(_) => signers[0],
            ConsensusMessage::Polka(_) | ConsensusMessage::Round(_) => from.0 as usize,
        };
        sender < self.config.members.len()
            && self.early.push(height, sender, signers, self.now, message.clone())
    }

    /// Gives the engine a message of the height in progress. A proposal must have been learned, and may have to wait.
    fn give(&mut self, message: ConsensusMessage) {
        if let ConsensusMessage::Proposal(proposal) = &message {
            let (id, round) = (proposal.value.id(), round_of(proposal));
            if !self.blocks.is_proposed(&id, round) {
                return;
            }
            if clock::is_judged(proposal) && self.blocks.is_untimely(&id, round) {
                self.held.keep(proposal.clone());
                return;
            }
        }
        self.engine.message(message);
    }

    /// The members whose good signatures the message carries, at least one.
    fn signers(&self, message: &ConsensusMessage) -> Result<Vec<usize>, Fault> {
        let (members, checks) = (self.members(), self.engine.checks());
        let index = |address| members.index(address).ok_or(Fault::Signature);
        let good = match message {
            ConsensusMessage::Vote(vote) => {
                let key = members.key(&vote.address).ok_or(Fault::Signature)?;
                checks.vote(&vote.message, &vote.signature, key)
            }
            ConsensusMessage::Proposal(proposal) => {
                let key = members.key(&proposal.address).ok_or(Fault::Signature)?;
                if Some(members.proposer(proposal.height.0, round_of(proposal)))
                    != members.index(&proposal.address)
                {
                    return Err(Fault::NotProposer);
                }
                checks.proposal(&proposal.message, &proposal.signature, key)
            }
            ConsensusMessage::Polka(certificate) => {
                checks.polka_certificate(certificate, members, ThresholdParams::default()).is_ok()
            }
            ConsensusMessage::Round(certificate) => {
                checks.round_certificate(certificate, members, ThresholdParams::default()).is_ok()
            }
        };
        if !good {
            return Err(Fault::Signature);
        }
        match message {
            ConsensusMessage::Vote(vote) => Ok(vec![index(&vote.address)?]),
            ConsensusMessage::Proposal(proposal) => Ok(vec![index(&proposal.address)?]),
            ConsensusMessage::Polka(certificate) => {
                certificate.polka_signatures.iter().map(|entry| index(&entry.address)).collect()
            }
            ConsensusMessage::Round(certificate) => {
                certificate.round_signatures.iter().map(|entry| index(&entry.address)).collect()
            }
        }
    }

    fn hear(&mut self, message: &ConsensusMessage, signers: &[usize]) {
        let place = match message {
            ConsensusMessage::Vote(vote) => Some((vote.height.0, vote.round.as_u32().unwrap_or(0))),
            ConsensusMessage::Proposal(_) => None,
            // Signed at any time, and sent by somebody else.
            ConsensusMessage::Polka(_) | ConsensusMessage::Round(_) => return,
        };
        let now = self.now;
        for signer in signers {
            let Some(heard) = self.heard.get_mut(*signer) else { continue };
            heard.heard_at = Some(now);
            if let Some(place) = place {
                heard.voted = heard.voted.max(Some(place));
                heard.voted_at = Some(now);
            }
        }
    }

    /// Remembers which block is proposed, so that its body can be fetched and checked, and what the own clock said of it when it
    /// `arrived`; `false` when there is no room.
    fn learn(&mut self, proposal: &Proposal, arrived: TimeMs) -> bool {
        let current = if matches!(self.phase, Phase::Running) { self.engine.round() } else { 0 };
        if round_of(proposal) > current.saturating_add(ROUNDS_AHEAD) {
            return false;
        }
        let timely =
            clock::is_judged(proposal).then(|| clock::is_timely(proposal.value.header().time, arrived));
        self.known(proposal).is_some_and(|known| self.blocks.propose(Known { timely, ..known }))
    }

    /// Proposals for the next height may have come before the newest block was here.
    pub(super) fn learn_early_proposals(&mut self) {
        for (proposal, arrived) in self.early.proposals(self.next_height()) {
            self.learn(&proposal, arrived);
        }
    }

    /// A proposal as it is known without a look at the clock.
    pub(super) fn known(&self, proposal: &Proposal) -> Option<Known> {
        let header = proposal.value.header();
        Some(Known {
            header: header.clone(),
            id: proposal.value.id(),
            round: round_of(proposal),
            proposer: self.members().index(&proposal.address)?,
            timely: None,
        })
    }

    /// Does what the engine wants done.
    pub(super) fn carry_engine<R: ReadState>(&mut self, state: &R) -> Result<(), Halt> {
        loop {
            let outputs = self.engine.take_outputs();
            if outputs.is_empty() {
                return Ok(());
            }
            for output in outputs {
                match output {
                    Output::Journal(entry) => self.out.journal(entry),
                    Output::Publish(message) => {
                        let bytes = message.encode().into();
                        self.out.send(Effect::Publish { topic: Topic::Consensus, bytes });
                    }
                    Output::NeedValue(round) => {
                        self.wanted = Some(round);
                        self.build_wanted(state)?;
                    }
                    Output::Restream(id) => self.push_body(&id),
                    Output::SetTimer(id, after_ms) => self.set_timer(id, after_ms),
                    Output::CancelTimer(id) => self.out.answer(Effect::CancelTimer(id)),
                    Output::Decided(certificate) => self.on_decided(&certificate),
                    Output::Evidence(evidence) => self.out.evidence(evidence),
                    Output::Report(fault) => self.report(None, fault),
                }
            }
        }
    }

    fn on_decided(&mut self, certificate: &CommitCertificate<Context>) {
        match self.blocks.executed(&certificate.value_id) {
            Some(block) => self.commit(block, encode_certificate(certificate)),
            // The engine decides only what it was told is valid; should it ever not be so, the block comes from a peer.
            None => self.report(None, Fault::Engine("decided a block that was not checked here".to_owned())),
        }
    }

    /// Starts the next height when there is a reason (RULES 2.4).
    pub(super) fn start_if_due<R: ReadState>(&mut self, state: &R) -> Result<bool, Halt> {
        if !matches!(self.phase, Phase::Idle) || self.sync.is_busy() {
            return Ok(false);
        }
        let next = self.next_height();
        let others = self.early.members(next) >= self.members().one_honest() || self.blocks.has_valid_first();
        let due = others || (self.may_sign() && self.has_executable(state)?);
        if due {
            self.start_next();
        }
        Ok(due)
    }

    fn start_next(&mut self) {
        let next = self.next_height();
        self.flush();
        self.phase = Phase::Running;
        self.wanted = None;
        self.engine.start(next, self.may_sign(), Vec::new());
        for message in self.early.take(next) {
            self.give(message);
        }
    }

    /// Gives the engine the next block whose check is finished.
    pub(super) fn hand_over_next(&mut self) -> bool {
        if !matches!(self.phase, Phase::Running) {
            return false;
        }
        let Some(handed) = self.blocks.hand_over() else {
            return false;
        };
        if let Some(body) = handed.body {
            self.journal_block(&handed.proposed.header, body);
        }
        self.engine.value(handed.proposed);
        true
    }

    /// Gives the engine the next proposal that was held back and is so no more.
    pub(super) fn release_next(&mut self) -> bool {
        if !matches!(self.phase, Phase::Running) {
            return false;
        }
        let released = self.held.release(self.engine.round(), self.engine.in_propose_step());
        let found = released.is_some();
        if let Some(proposal) = released {
            self.engine.message(ConsensusMessage::Proposal(proposal));
        }
        found
    }

    /// Whether this member may sign from now on that the block is committed (RULES 2.3).
    pub(super) fn is_trusted_again(&self, block: &Header) -> bool {
        match self.standing {
            Standing::Signing => true,
            Standing::CatchingUp(lost) => block.height >= lost,
            Standing::Observing => block.time.0 > self.started_at.0.saturating_add(10_000),
        }
    }

    pub(super) fn cancel_build(&mut self) {
        if self.wanted.take().is_some() {
            self.out.answer(Effect::CancelTimer(TimerId::Build));
        }
    }
}

fn round_of(proposal: &Proposal) -> u32 {
    proposal.point().round
}
