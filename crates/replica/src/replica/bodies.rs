//! Bodies of proposed blocks: pushed, pulled, served, checked.

use std::sync::Arc;

use kvitto_ledger::{Checked, Header, HeaderId, ReadState, Rejection};

use super::{Phase, Replica};
use crate::check::{self, Begun};
use crate::codec::{BodyMessage, Request, decode_pulled_body, encode_pulled_body};
use crate::effect::{Effect, Fault, Halt};
use crate::input::{Peer, ReplyToken, RequestId, TimerId, VerifyTicket};
use crate::signer::Signer;

/// Wait for a pushed body before it is asked for, in milliseconds.
const PUSH_WAIT_MS: u64 = 100;
/// Heights after the next one whose bodies are kept.
const HEIGHTS_AHEAD: u64 = 2;
/// Most blocks of one answer to a node that is behind.
const SERVE_BYTES_MAX: usize = crate::codec::BLOCKS_BYTES_MAX;

impl<S: Signer> Replica<S> {
    /// A peer's request: every one is answered, pushes with nothing.
    pub(super) fn on_request(&mut self, from: Peer, token: ReplyToken, request: Request) {
        let mut reply: Arc<[u8]> = Arc::from([]);
        match request {
            Request::Body(BodyMessage { header, body }) => self.on_pushed_body(from, header, body),
            Request::Status(height) => self.sync.claim(from, height),
            Request::PullBody(_, id) => {
                let body = self.blocks.body(&id).map(|(_, body)| body);
                reply = encode_pulled_body(body.as_deref()).into();
            }
            Request::PullBlocks(from, count_max) => {
                let bytes_max = SERVE_BYTES_MAX;
                self.out.send(Effect::ServeBlocks { token, from, count_max, bytes_max });
                return;
            }
        }
        self.out.send(Effect::Reply { token, bytes: reply });
    }

    fn on_pushed_body(&mut self, from: Peer, header: Header, body: Arc<[u8]>) {
        let next = self.next_height();
        if header.height < next {
            return;
        }
        let is_member = (from.0 as usize) < self.config.members.len();
        if !is_member || header.height.0 > next.0.saturating_add(HEIGHTS_AHEAD) {
            self.report(Some(from), Fault::Body);
            return;
        }
        self.sync.claim(from, kvitto_ledger::Height(header.height.0 - 1));
        let later = header.height > next || matches!(self.phase, Phase::Committing(_));
        if later {
            self.early_bodies.keep(Arc::new(header), body, from);
        } else {
            self.blocks.add_body(Arc::new(header), body, from);
        }
    }

    /// Checks the next body that is here and wanted, as far as that goes without waiting.
    pub(super) fn check_next_body<R: ReadState>(&mut self, state: &R) -> Result<bool, Halt> {
        let round = if matches!(self.phase, Phase::Running) { self.engine.round() } else { 0 };
        let proposer = self.members().proposer(self.next_height(), round);
        let Some((id, header, body)) = self.blocks.next_open(|peer| peer.0 as usize == proposer) else {
            return Ok(false);
        };
        match check::begin(&header, &body, &self.ledger, &self.mempool, state)? {
            Begun::OtherBody => {
                self.blocks.drop_body(&id);
                self.report(None, Fault::Body);
            }
            Begun::Invalid(fault) => {
                self.blocks.set_checked(&id, None);
                self.report(None, Fault::Block(fault));
            }
            Begun::Ready(statements) => self.finish_check(&id, &header, &statements, state)?,
            Begun::Asked(pending, items) => {
                let ticket = self.ticket();
                self.blocks.set_asked(&id, ticket, pending);
                self.out.send(Effect::Verify { ticket, items });
            }
        }
        Ok(true)
    }

    pub(super) fn on_verified<R: ReadState>(
        &mut self,
        ticket: VerifyTicket,
        answers: Vec<Result<Checked, Rejection>>,
        state: &R,
    ) -> Result<(), Halt> {
        // The block is on its way already, or its height is over.
        if matches!(self.phase, Phase::Committing(_)) {
            return Ok(());
        }
        if let Some((id, header, pending)) = self.blocks.take_asked(ticket) {
            return match pending.complete(answers) {
                Ok(statements) => self.finish_check(&id, &header, &statements, state),
                Err(fault) => {
                    self.blocks.set_checked(&id, None);
                    self.report(None, Fault::Block(fault));
                    Ok(())
                }
            };
        }
        self.on_served_verified(ticket, answers, state)
    }

    fn finish_check<R: ReadState>(
        &mut self,
        id: &HeaderId,
        header: &Header,
        statements: &[Checked],
        state: &R,
    ) -> Result<(), Halt> {
        match check::finish(header, statements, &self.config, state)? {
            Ok(block) => self.blocks.set_checked(id, Some(block)),
            Err(fault) => {
                self.blocks.set_checked(id, None);
                self.report(None, Fault::Block(fault));
            }
        }
        Ok(())
    }

    /// Sees to it that missing bodies are asked for when they are not pushed.
    pub(super) fn pull_bodies_later(&mut self) {
        let committing = matches!(self.phase, Phase::Committing(_));
        if !committing && !self.timers.body && self.blocks.is_missing_body() {
            self.timers.body = true;
            self.set_timer(TimerId::Body, PUSH_WAIT_MS);
        }
    }

    /// Asks for missing bodies: the proposer first, then the other members in turn.
    pub(super) fn pull_bodies(&mut self) {
        let members = self.other_members();
        if members.is_empty() || matches!(self.phase, Phase::Committing(_)) {
            return;
        }
        for (id, proposer, pulls) in self.blocks.to_pull() {
            let first = members.iter().position(|peer| peer.0 as usize == proposer).unwrap_or(0);
            let peer = members[(first + pulls as usize) % members.len()];
            let request = self.request(peer, &Request::PullBody(self.next_height(), id));
            self.blocks.set_pull(&id, request);
        }
    }

    /// The answer to a question for a body or for blocks.
    pub(super) fn on_response(&mut self, id: RequestId, bytes: Option<&[u8]>) {
        if let Some(peer) = self.sync.answered(id) {
            self.on_served(peer, bytes);
            return;
        }
        let Some(header) = self.blocks.take_pull(id) else { return };
        match bytes.map(decode_pulled_body) {
            Some(Ok(Some(body))) => {
                // Whoever sent it: whether it is the right one, its header says.
                self.blocks.add_body(header, body, Peer(u32::MAX));
            }
            Some(Ok(None)) | None => {}
            Some(Err(error)) => self.report(None, Fault::Malformed(error.text())),
        }
    }
}
