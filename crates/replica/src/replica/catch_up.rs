//! Catching up with blocks that peers serve, and telling them how far this node is.

use std::sync::Arc;

use kvitto_ledger::{Checked, ReadState, Rejection};

use super::{Phase, Replica};
use crate::certified::names_and_verifies;
use crate::check::{self, Begun};
use crate::codec::{PULL_BLOCKS_MAX, Request, ServedBlock, decode_blocks};
use crate::effect::{Effect, Fault, Halt};
use crate::input::{Peer, TimerId, VerifyTicket};
use crate::signer::Signer;
use crate::sync::{Next, WAIT_MS};

impl<S: Signer> Replica<S> {
    pub(super) fn on_peer_up(&mut self, peer: Peer) {
        self.sync.up(peer);
        let bytes = Request::Status(self.tip.height()).encode().into();
        self.out.send(Effect::Push { to: vec![peer], bytes });
        self.repeat_cosignature();
        self.repeat_votes();
    }

    /// What was published while a peer was away is lost for it, so the engine need not wait until it repeats its votes.
    fn repeat_votes(&mut self) {
        if matches!(self.phase, Phase::Running) {
            self.engine.timeout(TimerId::Rebroadcast(self.next_height(), self.engine.round()));
        }
    }

    /// Asks for blocks when somebody is ahead.
    pub(super) fn catch_up(&mut self) {
        if matches!(self.phase, Phase::Committing(_)) {
            return;
        }
        match self.sync.next(self.tip.height()) {
            Next::Nothing => {}
            Next::Wait => self.set_timer(TimerId::Sync, WAIT_MS),
            Next::Ask(peer) => {
                let request = self.request(peer, &Request::PullBlocks(self.next_height(), PULL_BLOCKS_MAX));
                self.sync.set_asked(request, peer);
            }
        }
    }

    /// A peer's answer to the question for blocks.
    pub(super) fn on_served(&mut self, peer: Peer, bytes: Option<&[u8]>) {
        let Some(bytes) = bytes else {
            self.sync.fail(peer, false);
            return;
        };
        let newest = self.tip.height();
        match decode_blocks(bytes) {
            Err(error) => {
                self.report(Some(peer), Fault::Malformed(error.text()));
                self.sync.fail(peer, true);
            }
            Ok(blocks) if blocks.last().is_none_or(|block| block.header.height <= newest) => {
                // Nothing new: the node has moved on since it asked, or the peer has less than it said.
                self.sync.fail(peer, true);
            }
            Ok(blocks) => self.sync.serve(peer, blocks),
        }
    }

    /// Checks the next served block, as far as that goes without waiting.
    pub(super) fn check_served<R: ReadState>(&mut self, state: &R) -> Result<bool, Halt> {
        let Some(block) = self.sync.front(self.tip.height()).cloned() else { return Ok(false) };
        if !self.is_certified(&block) {
            self.distrust();
            return Ok(true);
        }
        match check::begin(&block.header, &block.body, &self.ledger, &self.mempool, state)? {
            Begun::OtherBody => self.distrust(),
            Begun::Invalid(fault) => return Err(Halt::Diverged { height: block.header.height, fault }),
            Begun::Ready(statements) => self.commit_served(&block, &statements, state)?,
            Begun::Asked(pending, items) => {
                let ticket = self.ticket();
                self.sync.set_checking(ticket, pending);
                self.out.send(Effect::Verify { ticket, items });
            }
        }
        Ok(true)
    }

    /// Whether it is the next block, and a quorum has decided it.
    fn is_certified(&self, block: &ServedBlock) -> bool {
        let header = &block.header;
        let follows = header.height == self.next_height() && header.previous == self.tip.header_id;
        follows && names_and_verifies(self.engine.checks(), self.members(), header, &block.certificate)
    }

    fn distrust(&mut self) {
        if let Some(peer) = self.sync.server() {
            self.report(Some(peer), Fault::Blocks);
            self.sync.fail(peer, true);
        } else {
            self.sync.abandon();
        }
    }

    pub(super) fn on_served_verified<R: ReadState>(
        &mut self,
        ticket: VerifyTicket,
        answers: Vec<Result<Checked, Rejection>>,
        state: &R,
    ) -> Result<(), Halt> {
        let Some((block, pending)) = self.sync.take_checking(ticket) else { return Ok(()) };
        if block.header.height != self.next_height() {
            return Ok(());
        }
        match pending.complete(answers) {
            Ok(statements) => self.commit_served(&block, &statements, state),
            Err(fault) => Err(Halt::Diverged { height: block.header.height, fault }),
        }
    }

    /// A certified block must execute here as it did at the members who decided it.
    fn commit_served<R: ReadState>(
        &mut self,
        block: &ServedBlock,
        statements: &[Checked],
        state: &R,
    ) -> Result<(), Halt> {
        let executed = check::finish(&block.header, statements, &self.config, state)?
            .map_err(|fault| Halt::Diverged { height: block.header.height, fault })?;
        self.sync.succeed();
        self.commit(Arc::clone(&executed), block.certificate.clone());
        Ok(())
    }
}
