//! The proposer's side: building a block, keeping it, proposing it.

use std::sync::Arc;

use kvitto_ledger::block::BODY_BYTES_MAX;
use kvitto_ledger::execute::build;
use kvitto_ledger::{Header, HeaderId, ReadState, Rejection, StatementId};

use super::{Phase, Replica};
use crate::check::Keys;
use crate::clock;
use crate::codec::{BodyMessage, JournalEntry, Request};
use crate::effect::{Effect, Halt};
use crate::input::TimerId;
use crate::signer::Signer;

impl<S: Signer> Replica<S> {
    /// Builds and proposes what the engine waits for, unless the own clock has to catch up first.
    pub(super) fn build_wanted<R: ReadState>(&mut self, state: &R) -> Result<(), Halt> {
        let Some(round) = self.wanted else { return Ok(()) };
        let awaited = matches!(self.phase, Phase::Running)
            && self.engine.round() == round
            && self.engine.in_propose_step();
        if !awaited {
            self.wanted = None;
            return Ok(());
        }
        if let Some(header) = self.blocks.built(round) {
            self.wanted = None;
            self.propose(round, header);
            return Ok(());
        }
        let wait_ms = clock::wait_ms(self.tip.header.time, self.now);
        if wait_ms > 0 {
            self.set_timer(TimerId::Build, wait_ms);
            return Ok(());
        }
        self.wanted = None;
        let header = self.build(round, state)?;
        self.propose(round, header);
        Ok(())
    }

    /// Builds the block for a round and journals it: after a crash the same one is proposed again.
    fn build<R: ReadState>(&mut self, round: u32, state: &R) -> Result<Arc<Header>, Halt> {
        let next = self.next_height();
        let mut keys = Keys::new(state);
        let mut candidates = Vec::new();
        let mut stale = Vec::new();
        // Some may be refused: twice what fits.
        let turn = next.0.wrapping_add(u64::from(round));
        for candidate in self.mempool.candidates(turn, 2 * BODY_BYTES_MAX) {
            if keys.names(&candidate)? {
                candidates.push(candidate);
            } else {
                stale.push((candidate.id(), Rejection::KeyUnknown));
            }
        }
        let built = build(state, &self.config, self.block_time(), candidates)?;
        for (id, rejection) in stale.into_iter().chain(built.refused) {
            self.set_aside(&id, rejection);
        }
        let block = Arc::new(built.block);
        let body: Arc<[u8]> = block.body.encode().into();
        let (id, header) = (block.id, Arc::new(block.header.clone()));
        self.blocks.add_valid(block, Arc::clone(&body));
        self.blocks.set_built(round, id);
        self.journal_block(&header, body);
        self.journal(&JournalEntry::Built(next, round, id));
        Ok(header)
    }

    fn propose(&mut self, round: u32, header: Arc<Header>) {
        let id = header.id();
        self.blocks.set_handed(&id);
        self.push_body(&id);
        self.engine.propose(round, header);
    }

    /// A statement that does not execute now: kept if time alone can change that.
    pub(super) fn set_aside(&mut self, id: &StatementId, rejection: Rejection) {
        if rejection.is_for_now() {
            self.mempool.set_waiting(id, rejection, self.block_time());
            self.retry_later();
            return;
        }
        if rejection == Rejection::RulesPanic {
            self.mempool.quarantine(*id);
        }
        self.drop_rejected(id, rejection);
    }

    /// Sends a block's body to the other members; it binds nobody, so it does not wait for the disk.
    pub(super) fn push_body(&mut self, id: &HeaderId) {
        let Some((header, body)) = self.blocks.body(id) else { return };
        let to = self.other_members();
        if header.statements == 0 || to.is_empty() {
            return;
        }
        let bytes = Request::Body(BodyMessage { header: Header::clone(&header), body }).encode().into();
        self.out.send_early(Effect::Push { to, bytes });
    }

    pub(super) fn journal_block(&mut self, header: &Arc<Header>, body: Arc<[u8]>) {
        self.journal(&JournalEntry::Block(Arc::clone(header), body));
    }

    fn journal(&mut self, entry: &JournalEntry) {
        let bytes = entry.encode().expect("only some of the engine's inputs are not for the journal");
        self.out.journal(bytes);
    }
}
