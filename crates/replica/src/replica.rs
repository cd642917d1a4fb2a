//! The parent of all modules: takes inputs apart, calls the modules, and keeps the order of effects.
//!
//! Each height goes through three phases:
//!
//! ```text
//!            something to order                decided                      Input::Committed
//!   Idle ───────────────────────► Running ────────────────► Committing ──────────────────────► Idle
//!     └──────────────── served by a peer, certified ──────────────▲
//! ```

mod bodies;
mod catch_up;
mod commit;
mod consensus;
mod proposing;
mod start;
mod submit;

use std::sync::Arc;

use kvitto_ledger::execute::ExecutedBlock;
use kvitto_ledger::{Height, LedgerConfig, LedgerId, ReadState, StateError, TimeMs, Tip};

use crate::blocks::{Blocks, EarlyBodies};
use crate::clock::Held;
use crate::codec::Request;
use crate::cosign::Cosign;
use crate::early::EarlyMessages;
use crate::effect::{Effect, Fault, Halt, Verdict};
use crate::engine::Engine;
use crate::input::{Input, Peer, RequestId, TimerId, Topic, VerifyTicket};
use crate::mempool::Mempool;
use crate::options::Standing;
use crate::outbox::Outbox;
use crate::signer::Signer;
use crate::status::{MemberStatus, RoundStatus, Status};
use crate::sync::Sync;

/// A node's part in a ledger.
pub struct Replica<S> {
    // What stays the same.
    config: LedgerConfig,
    ledger: LedgerId,
    member: Option<usize>,
    started_at: TimeMs,

    // What this input is about.
    now: TimeMs,
    out: Outbox,

    // Where the ledger is.
    tip: Tip,
    phase: Phase,
    standing: Standing,
    halted: bool,

    // The parts.
    mempool: Mempool,
    engine: Engine<S>,
    blocks: Blocks,
    early_bodies: EarlyBodies,
    early: EarlyMessages,
    held: Held,
    sync: Sync,
    cosign: Cosign,

    /// Local statements that are not sent yet.
    unsent: Vec<Arc<[u8]>>,
    unsent_bytes: usize,
    /// The round for which the engine waits for a block of this member.
    wanted: Option<u32>,
    heard: Vec<MemberStatus>,
    timers: Timers,
    next_request: u64,
    next_ticket: u64,
}

/// How far the height after the newest block is.
#[derive(Debug)]
enum Phase {
    /// Not started.
    Idle,
    /// The engine works on it.
    Running,
    /// Decided; the block is on its way into the store.
    Committing(Arc<ExecutedBlock>),
}

/// Which of the timers that are not the engine's run.
#[derive(Debug, Default)]
struct Timers {
    flush: bool,
    /// When it fires.
    retry: Option<TimeMs>,
    body: bool,
    recosign: bool,
}

impl From<StateError> for Halt {
    fn from(error: StateError) -> Self {
        Self::State(error.0.to_string())
    }
}

impl<S: Signer> Replica<S> {
    /// Handles one input. `now` is the member's own clock; `state` shows the newest committed block.
    ///
    /// The effects are to be carried out in order, all of them, before the next input is handled.
    pub fn handle<R: ReadState>(&mut self, now: TimeMs, input: Input, state: &R) -> Vec<Effect> {
        if self.halted {
            return Vec::new();
        }
        self.now = now;
        let handled = self.dispatch(input, state).and_then(|()| self.settle(state));
        self.effects_of(handled)
    }

    fn effects_of(&mut self, handled: Result<(), Halt>) -> Vec<Effect> {
        match handled {
            Ok(()) => self.out.take(),
            Err(halt) => {
                self.halted = true;
                vec![Effect::Halt(halt)]
            }
        }
    }

    fn dispatch<R: ReadState>(&mut self, input: Input, state: &R) -> Result<(), Halt> {
        match input {
            Input::Submit { statement, origin } => self.submit(statement, origin, state)?,
            Input::Gossip { topic, from, token, bytes } => {
                let verdict = match topic {
                    Topic::Consensus => self.on_consensus(from, &bytes),
                    Topic::Cosignatures => self.on_cosignature(from, &bytes, state)?,
                    Topic::Statements => Verdict::Ignore,
                };
                self.out.send(Effect::Verdict { token, verdict });
            }
            Input::Request { from, token, bytes } => match Request::decode(&bytes) {
                Ok(request) => self.on_request(from, token, request),
                Err(error) => {
                    self.report(Some(from), Fault::Malformed(error.text()));
                    self.out.send(Effect::Reply { token, bytes: Arc::from([]) });
                }
            },
            Input::Response { id, bytes } => self.on_response(id, bytes.as_deref()),
            Input::PeerUp(peer) => {
                self.hear_of(peer);
                self.on_peer_up(peer);
            }
            Input::PeerDown(peer) => {
                self.hear_of(peer);
                self.sync.down(peer);
            }
            Input::Verified { ticket, statements } => self.on_verified(ticket, statements, state)?,
            Input::Committed => self.on_committed(state)?,
            Input::Timer(id) => self.on_timer(id, state)?,
        }
        Ok(())
    }

    /// Lets every part go as far as it can without waiting.
    fn settle<R: ReadState>(&mut self, state: &R) -> Result<(), Halt> {
        loop {
            self.carry_engine(state)?;
            let progress = !matches!(self.phase, Phase::Committing(_))
                && (self.check_next_body(state)?
                    || self.hand_over_next()
                    || self.release_next()
                    || self.start_if_due(state)?
                    || self.check_served(state)?);
            if !progress {
                break;
            }
        }
        if matches!(self.phase, Phase::Running) {
            self.blocks.forget_before(self.engine.round(), |id| self.engine.is_bound_to(id));
        }
        self.catch_up();
        self.pull_bodies_later();
        self.publish_quorum();
        self.tell_evicted();
        if self.engine.take_signed() {
            self.out.signed();
        }
        Ok(())
    }

    fn on_timer<R: ReadState>(&mut self, id: TimerId, state: &R) -> Result<(), Halt> {
        match id {
            TimerId::Propose(..) | TimerId::Prevote(..) | TimerId::Precommit(..) => {
                if matches!(self.phase, Phase::Running) {
                    self.engine.timeout(id);
                }
            }
            TimerId::Rebroadcast(..) => {
                if matches!(self.phase, Phase::Running) && self.engine.timeout(id) {
                    self.spread_again();
                }
            }
            TimerId::Build => self.build_wanted(state)?,
            TimerId::Body => {
                self.timers.body = false;
                self.pull_bodies();
            }
            TimerId::Flush => self.flush(),
            TimerId::Retry => {
                self.timers.retry = None;
                self.retry_waiting(0, state)?;
            }
            TimerId::Sync => self.sync.timeout(),
            TimerId::Recosign => {
                self.timers.recosign = false;
                self.recosign();
            }
        }
        Ok(())
    }

    /// How the replica stands, for operators.
    pub fn status(&self) -> Status {
        let next = self.next_height();
        let running = matches!(self.phase, Phase::Running);
        let round = running.then(|| RoundStatus {
            height: next,
            round: self.engine.round(),
            step: self.engine.step(),
            proposer: self.engine.members().proposer(next, self.engine.round()),
        });
        let connected = |member: usize| {
            Some(member) == self.member || u32::try_from(member).is_ok_and(|peer| self.sync.is_up(Peer(peer)))
        };
        let claimed =
            |member: usize| u32::try_from(member).ok().and_then(|peer| self.sync.claimed(Peer(peer)));
        let member = |(member, heard): (usize, &MemberStatus)| MemberStatus {
            connected: connected(member),
            height: claimed(member),
            ..*heard
        };
        let catching_up = match self.standing {
            Standing::CatchingUp(height) => Some(height),
            Standing::Signing | Standing::Observing => None,
        };
        Status {
            height: self.tip.height(),
            block_time: self.tip.header.time,
            published: self.cosign.published(),
            best_peer: self.sync.best(),
            round,
            observing: !self.may_sign(),
            catching_up,
            muted: running && self.engine.is_muted(),
            halted: self.halted,
            mempool_count: self.mempool.len(),
            mempool_bytes: self.mempool.bytes(),
            crowded: self.mempool.crowded(),
            members: self.heard.iter().enumerate().map(member).collect(),
        }
    }

    /// The signer, for the node's part in [`Effect::Sync`].
    pub fn signer(&self) -> &S {
        self.engine.signer()
    }

    /// The signer, for the node's part in [`Effect::Sync`].
    pub fn signer_mut(&mut self) -> &mut S {
        self.engine.signer_mut()
    }

    fn next_height(&self) -> Height {
        self.tip.height().next()
    }

    /// A member's connection comes or goes.
    fn hear_of(&mut self, peer: Peer) {
        let member = usize::try_from(peer.0).ok().and_then(|member| self.heard.get_mut(member));
        if let Some(heard) = member {
            heard.heard_at = Some(self.now);
        }
    }

    fn may_sign(&self) -> bool {
        self.member.is_some() && self.standing == Standing::Signing
    }

    /// The time of the next block, were it built now.
    fn block_time(&self) -> TimeMs {
        TimeMs(self.now.0.max(self.tip.header.time.0.saturating_add(1)))
    }

    fn request(&mut self, peer: Peer, request: &Request) -> RequestId {
        self.next_request += 1;
        let id = RequestId(self.next_request);
        self.out.send(Effect::Request { peer, id, bytes: request.encode().into() });
        id
    }

    fn ticket(&mut self) -> VerifyTicket {
        self.next_ticket += 1;
        VerifyTicket(self.next_ticket)
    }

    fn report(&mut self, peer: Option<Peer>, fault: Fault) {
        self.out.answer(Effect::Report { peer, fault });
    }

    fn set_timer(&mut self, id: TimerId, after_ms: u64) {
        self.out.answer(Effect::SetTimer { id, after_ms });
    }

    /// The other members that are connected.
    fn other_members(&self) -> Vec<Peer> {
        let is_member = |peer: &Peer| (peer.0 as usize) < self.config.members.len();
        self.sync.peers_up().filter(is_member).collect()
    }
}
