//! The BFT engine: Malachite's core (Tendermint), and the host that carries out its effects as data.
//!
//! One height at a time: [`Engine::start`], then messages, values and timeouts of that height until [`Output::Decided`]. The core
//! is called only from [`Engine::feed`], never from inside its own effects.
//!
//! The core asks for signatures and must get one. When the signer refuses, or remembers something else at this point, the host
//! answers with a signature of zeros, which verifies nowhere, so the core itself discards what it stands on; nothing of it is
//! journaled or published, and the member takes no part in the rest of the height (RULES 2.3).

pub(crate) mod context;
mod host;
pub(crate) mod verify;

use std::sync::Arc;

use kvitto_ledger::{Header, HeaderId, Height, LedgerId};
use malachitebft_core_consensus::{
    Error, Input, LocallyProposedValue, Params, ProposedValue, State, process,
};
use malachitebft_core_types::{
    CommitCertificate, Round, Timeout, TimeoutKind, Validity, Value as _, ValueOrigin, ValuePayload,
    VoteExtensionPolicy,
};

use crate::codec::ConsensusMessage;
use crate::effect::Fault;
use crate::evidence::Evidence;
use crate::input::TimerId;
use crate::options::Timeouts;
use crate::signer::Signer;
use context::{Address, Context, Members, Value};
use host::Host;
pub(crate) use verify::SignatureChecks;

/// What the engine wants done, in order.
#[derive(Debug)]
pub(crate) enum Output {
    /// Append to the journal.
    Journal(Vec<u8>),
    /// Publish, after everything before it is durable.
    Publish(ConsensusMessage),
    /// Build a block for this round, or serve the one that was built.
    NeedValue(u32),
    /// Push this block's body again: others need it to follow a lock.
    Restream(HeaderId),
    /// Start a timer.
    SetTimer(TimerId, u64),
    /// Stop a timer.
    CancelTimer(TimerId),
    /// The members have decided.
    Decided(CommitCertificate<Context>),
    /// A member signed two conflicting messages.
    Evidence(Evidence),
    /// Something is not as it should be.
    Report(Fault),
}

/// The engine of one member.
pub(crate) struct Engine<S> {
    core: State<Context>,
    host: Host<S>,
}

/// What the engine is given besides messages.
pub(crate) struct Proposed {
    pub(crate) round: u32,
    /// Whose proposal: place in the configuration.
    pub(crate) proposer: usize,
    pub(crate) header: Arc<Header>,
    pub(crate) valid: bool,
}

impl<S: Signer> Engine<S> {
    /// An engine that has not started any height. `member` is the own place in the configuration.
    pub(crate) fn new(
        ledger: LedgerId,
        members: Members,
        member: Option<usize>,
        timeouts: Timeouts,
        signer: S,
        next: Height,
    ) -> Self {
        // A key of zeros is of small order, so no member has it.
        let observer = Address(kvitto_ledger::KeyBytes::default());
        let address = member.and_then(|member| members.address(member)).unwrap_or(observer);
        let params = Params {
            address,
            threshold_params: Default::default(),
            value_payload: ValuePayload::ProposalAndParts,
            enabled: false,
        };
        // The core's own queue for later heights stays empty: early messages wait outside, bounded.
        let core = State::new(Context, context::Height(next), members.clone(), params, 1, 1);
        Self { core, host: Host::new(ledger, members, address, timeouts, signer) }
    }

    /// Starts a height; `journal` holds what the engine was given of it before a crash.
    pub(crate) fn start(&mut self, height: Height, may_sign: bool, journal: Vec<Input<Context>>) {
        self.host.begin(height, may_sign, &journal);
        self.core.params.enabled = may_sign;
        let members = self.host.members.clone();
        self.feed(Input::StartHeight(
            context::Height(height),
            members,
            false,
            None,
            VoteExtensionPolicy::Disabled,
        ));
        if journal.is_empty() {
            return;
        }
        self.core.index_wal_entries(journal.iter());
        for input in journal {
            self.feed(input);
        }
        self.core.reset_entries_index();
        self.host.end_replay();
    }

    /// Gives up the height in progress: it was decided without this engine.
    pub(crate) fn stop(&mut self) {
        self.host.cancel_all();
    }

    pub(crate) fn message(&mut self, message: ConsensusMessage) {
        self.feed(match message {
            ConsensusMessage::Vote(vote) => Input::Vote(vote),
            ConsensusMessage::Proposal(proposal) => Input::Proposal(proposal),
            ConsensusMessage::Polka(certificate) => Input::PolkaCertificate(certificate),
            ConsensusMessage::Round(certificate) => Input::RoundCertificate(certificate),
        });
    }

    /// A proposed block was checked.
    pub(crate) fn value(&mut self, proposed: Proposed) {
        let Some(proposer) = self.host.members.address(proposed.proposer) else { return };
        let value = ProposedValue {
            height: context::Height(proposed.header.height),
            round: Round::new(proposed.round),
            valid_round: Round::Nil,
            proposer,
            value: Value::new(proposed.header),
            validity: Validity::from_bool(proposed.valid),
        };
        self.feed(Input::ProposedValue(value, ValueOrigin::Consensus));
    }

    /// The answer to [`Output::NeedValue`].
    pub(crate) fn propose(&mut self, round: u32, header: Arc<Header>) {
        let height = context::Height(header.height);
        self.feed(Input::Propose(LocallyProposedValue::new(height, Round::new(round), Value::new(header))));
    }

    /// A timer fired; `false` when the engine is not waiting for it.
    pub(crate) fn timeout(&mut self, id: TimerId) -> bool {
        let (round, kind) = match id {
            TimerId::Propose(_, round) => (round, TimeoutKind::Propose),
            TimerId::Prevote(_, round) => (round, TimeoutKind::Prevote),
            TimerId::Precommit(_, round) => (round, TimeoutKind::Precommit),
            TimerId::Rebroadcast(_, round) => (round, TimeoutKind::Rebroadcast),
            _ => return false,
        };
        let awaited = self.host.timers.remove(&id);
        if awaited {
            self.feed(Input::TimeoutElapsed(Timeout::new(Round::new(round), kind)));
        }
        awaited
    }

    pub(crate) fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.host.outputs)
    }

    /// Whether something was signed since this was asked last.
    pub(crate) fn take_signed(&mut self) -> bool {
        std::mem::take(&mut self.host.signed)
    }

    /// The round in progress.
    pub(crate) fn round(&self) -> u32 {
        self.core.round().as_u32().unwrap_or(0)
    }

    /// Whether this member still waits for a proposal, or to propose, in the round in progress.
    pub(crate) fn in_propose_step(&self) -> bool {
        self.core.driver.step_is_propose()
    }

    pub(crate) fn step(&self) -> &'static str {
        let driver = &self.core.driver;
        match () {
            () if driver.step_is_propose() => "propose",
            () if driver.step_is_prevote() => "prevote",
            () if driver.step_is_precommit() => "precommit",
            () if driver.step_is_commit() => "commit",
            () => "unstarted",
        }
    }

    /// Whether a quorum's prevotes for this value were seen here, or this member is locked on it.
    pub(crate) fn is_bound_to(&self, id: &HeaderId) -> bool {
        let state = self.core.driver.round_state();
        state.valid.iter().chain(&state.locked).any(|bound| bound.value.id() == *id)
    }

    pub(crate) fn is_muted(&self) -> bool {
        self.host.muted
    }

    pub(crate) fn members(&self) -> &Members {
        &self.host.members
    }

    pub(crate) fn checks(&self) -> &SignatureChecks {
        &self.host.checks
    }

    pub(crate) fn signer(&self) -> &S {
        &self.host.signer
    }

    pub(crate) fn signer_mut(&mut self) -> &mut S {
        &mut self.host.signer
    }

    /// The greatest height for which this member has, in this run, signed or repeated a precommit for a block.
    pub(crate) fn precommitted(&self) -> Option<Height> {
        self.host.precommitted
    }

    fn feed(&mut self, input: Input<Context>) {
        let Self { core, host } = self;
        host.feeding(&input);
        let result: Result<(), Error<Context>> = process!(
            input: input,
            state: core,
            metrics: &(),
            with: effect => Ok::<_, Error<Context>>(host.carry_out(effect))
        );
        if let Err(error) = result {
            if matches!(error, Error::ReplayDivergence(..)) {
                host.mute();
            }
            host.outputs.push(Output::Report(Fault::Engine(error.to_string())));
        }
        if self.host.muted {
            self.core.params.enabled = false;
        }
    }
}
