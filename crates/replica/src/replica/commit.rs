//! From the decision to the published checkpoint.

use std::sync::Arc;

use kvitto_ledger::execute::ExecutedBlock;
use kvitto_ledger::{Height, ReadState};

use super::{Phase, Replica};
use crate::blocks::Blocks;
use crate::clock::Held;
use crate::codec::CosignatureMessage;
use crate::cosign::Received;
use crate::effect::{Effect, Fault, Halt, Notice, Verdict};
use crate::input::{Peer, TimerId, Topic};
use crate::mempool::LOOK_MS_MIN;
use crate::options::Standing;
use crate::signer::Signer;
use crate::status::Cosigned;

impl<S: Signer> Replica<S> {
    /// The block is decided: nothing else happens at its height.
    pub(super) fn commit(&mut self, block: Arc<ExecutedBlock>, certificate: Vec<u8>) {
        self.engine.stop();
        self.cancel_build();
        self.phase = Phase::Committing(Arc::clone(&block));
        self.out.commit(Effect::Commit { block, certificate: certificate.into() });
    }

    /// The block is durable, and the state shows it.
    pub(super) fn on_committed<R: ReadState>(&mut self, state: &R) -> Result<(), Halt> {
        let Phase::Committing(block) = std::mem::replace(&mut self.phase, Phase::Idle) else { return Ok(()) };
        self.tip = state.tip()?;
        let height = block.header.height;
        if self.tip.header_id != block.id {
            return Err(Halt::NotCommitted(height));
        }
        self.out.reset_journal();
        self.blocks = Blocks::default();
        self.held = Held::default();
        self.early.forget(height);
        for (from, header, body) in self.early_bodies.take(self.next_height()) {
            self.blocks.add_body(header, body, from);
        }
        self.clear_mempool(&block);
        for evidence in self.cosign.committed(self.head(), block.header.time, self.now, state)? {
            self.out.evidence(evidence);
        }
        if self.is_trusted_again(&block.header) {
            self.standing = Standing::Signing;
        }
        self.sync.committed(height);
        // While catching up only the newest tree is worth a signature.
        if !self.sync.is_busy() {
            self.cosign_newest();
        }
        self.learn_early_proposals();
        // A block may be what a newcomer waits for; what was looked at again in vain waits for its turn.
        self.retry_waiting(LOOK_MS_MIN, state)
    }

    /// Drops what was executed, and what can never be any more.
    fn clear_mempool(&mut self, block: &ExecutedBlock) {
        let height = block.header.height;
        for id in block.changes.outcomes.keys() {
            if self.mempool.remove(id).is_some_and(|removed| removed.local) {
                self.cosign.await_final(height, *id);
            }
        }
        for expired in self.mempool.expire(block.header.time) {
            if expired.local {
                self.out.answer(Effect::Notice { statement: expired.id, notice: Notice::Expired });
            }
        }
    }

    pub(super) fn cosign_newest(&mut self) {
        self.cosign_with(false);
    }

    /// Cosigns the newest tree and tells the others.
    fn cosign_with(&mut self, fresh: bool) {
        if self.may_sign() {
            let precommitted = self.engine.precommitted();
            let message = self.cosign.sign(self.now, fresh, precommitted, self.engine.signer_mut());
            if let Some(message) = message {
                self.out.signed();
                self.publish_cosignature(&message);
            }
        }
        if !self.timers.recosign {
            self.timers.recosign = true;
            let after_ms = self.cosign.next_ms(self.now);
            self.set_timer(TimerId::Recosign, after_ms);
        }
    }

    /// Every 10 s: the freshness of every "not revoked". More often, while the quorum is missing: the same again.
    pub(super) fn recosign(&mut self) {
        let busy = matches!(self.phase, Phase::Committing(_)) || self.sync.is_busy();
        let due = !busy && self.cosign.is_refresh_due(self.now);
        if !due && !self.cosign.is_newest_published() {
            self.repeat_cosignature();
        }
        // Who may not sign starts no height, and depends on the others to have its statements.
        if !busy && !self.may_sign() && matches!(self.phase, Phase::Idle) {
            self.spread_again();
        }
        self.cosign_with(due);
    }

    pub(super) fn repeat_cosignature(&mut self) {
        if let Some(message) = self.cosign.own().cloned() {
            self.publish_cosignature(&message);
        }
    }

    fn publish_cosignature(&mut self, message: &CosignatureMessage) {
        let bytes = message.encode().into();
        self.out.send(Effect::Publish { topic: Topic::Cosignatures, bytes });
    }

    /// A cosignature of a peer; it also says how far the peer is.
    pub(super) fn on_cosignature<R: ReadState>(
        &mut self,
        from: Peer,
        bytes: &[u8],
        state: &R,
    ) -> Result<Verdict, Halt> {
        let message = match CosignatureMessage::decode(bytes) {
            Ok(message) => message,
            Err(error) => {
                self.report(Some(from), Fault::Malformed(error.text()));
                return Ok(Verdict::Reject);
            }
        };
        self.sync.claim(from, message.height);
        let state = (!matches!(self.phase, Phase::Committing(_))).then_some(state);
        let (signer, timestamp_s) = (self.cosign.member_of(&message.key), message.timestamp_s);
        let received = self.cosign.receive(message, self.now, state)?;
        // Only with a good signature it comes so far.
        if matches!(received, Ok(Received::Kept | Received::Late) | Err(Fault::CosignatureTime))
            && let Some(heard) = signer.and_then(|member| self.heard.get_mut(member))
        {
            let (heard_at, earlier) = (self.now, heard.cosigned);
            let fresh = earlier.is_some_and(|earlier| earlier.timestamp_s < timestamp_s);
            heard.heard_at = Some(heard_at);
            heard.cosigned = Some(Cosigned { timestamp_s, heard_at, fresh });
        }
        Ok(match received {
            Ok(Received::Kept) => Verdict::Accept,
            Ok(Received::Late) => {
                // What was said of this tree came before it could be of use there, and comes again only every 10 s.
                self.repeat_cosignature();
                Verdict::Accept
            }
            Ok(Received::Useless) => Verdict::Ignore,
            Ok(Received::Conflict(evidence)) => {
                self.out.evidence(evidence);
                Verdict::Accept
            }
            Err(fault) => {
                let verdict = if fault == Fault::CosignatureTime { Verdict::Ignore } else { Verdict::Reject };
                self.report(Some(from), fault);
                verdict
            }
        })
    }

    /// Publishes the newest checkpoint that has the quorum; only then are statements final (RULES 3.1).
    pub(super) fn publish_quorum(&mut self) {
        let Some(quorum) = self.cosign.quorum() else { return };
        let height: Height = quorum.head.height;
        self.out.answer(Effect::PublishCheckpoint { height, size: quorum.head.size, note: quorum.note });
        if !quorum.finished.is_empty() {
            self.out.answer(Effect::Final { height, statements: quorum.finished });
        }
    }
}
