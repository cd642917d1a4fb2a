//! Making a replica, after a first start or a crash.

use std::sync::Arc;

use kvitto_ledger::execute::BlockFault;
use kvitto_ledger::genesis::RULES_VERSION;
use kvitto_ledger::{ReadState, TimeMs};
use malachitebft_core_consensus::Input as EngineInput;
use malachitebft_core_types::Value as _;

use super::{Phase, Replica, Timers};
use crate::blocks::{Blocks, EarlyBodies};
use crate::check::{self, Begun};
use crate::clock::Held;
use crate::codec::JournalEntry;
use crate::cosign::Cosign;
use crate::early::EarlyMessages;
use crate::effect::{Effect, Halt};
use crate::engine::Engine;
use crate::engine::context::{Context, Members};
use crate::mempool::Mempool;
use crate::options::Options;
use crate::outbox::Outbox;
use crate::signer::{Head, Signer};
use crate::status::MemberStatus;
use crate::sync::Sync;

impl<S: Signer> Replica<S> {
    /// A replica that goes on where the store and the journal ended. `genesis` in the options has been checked; `journal` holds
    /// the entries that were appended since the last [`Effect::ResetJournal`], in order, without a torn tail.
    ///
    /// The signatures of statements in journaled blocks are checked here, one after another.
    ///
    /// # Errors
    /// [`Halt`]: this node cannot take part.
    pub fn open<R: ReadState>(
        options: Options,
        signer: S,
        journal: impl IntoIterator<Item = Vec<u8>>,
        now: TimeMs,
        state: &R,
    ) -> Result<(Self, Vec<Effect>), Halt> {
        let Options { genesis, member, standing, timeouts, mempool } = options;
        let tip = state.tip()?;
        let rules_version = genesis.config.rules_version;
        if rules_version != RULES_VERSION {
            return Err(Halt::RulesVersion(rules_version));
        }
        let ledger = genesis.ledger_id();
        let members = Members::new(&genesis.config);
        let mut replica = Self {
            cosign: Cosign::new(&genesis, member),
            ledger,
            member,
            started_at: now,
            now,
            out: Outbox::default(),
            phase: Phase::Idle,
            standing,
            halted: false,
            mempool: Mempool::new(mempool),
            engine: Engine::new(ledger, members, member, timeouts, signer, tip.height().next()),
            blocks: Blocks::default(),
            early_bodies: EarlyBodies::default(),
            early: EarlyMessages::default(),
            held: Held::default(),
            sync: Sync::default(),
            unsent: Vec::new(),
            unsent_bytes: 0,
            wanted: None,
            heard: vec![MemberStatus::default(); genesis.config.members.len()],
            timers: Timers::default(),
            next_request: 0,
            next_ticket: 0,
            config: genesis.config,
            tip,
        };
        let (head, time) = (replica.head(), replica.tip.header.time);
        replica.cosign.committed(head, time, now, state)?;
        replica.recover(journal, state)?;
        replica.cosign_newest();
        let settled = replica.settle(state);
        settled?;
        let effects = replica.out.take();
        Ok((replica, effects))
    }

    pub(super) fn head(&self) -> Head {
        let header = &self.tip.header;
        Head { height: header.height, size: header.tree_size, root: header.log_root }
    }

    /// Takes up the height that was in progress.
    fn recover<R: ReadState>(
        &mut self,
        journal: impl IntoIterator<Item = Vec<u8>>,
        state: &R,
    ) -> Result<(), Halt> {
        let next = self.next_height();
        let mut inputs = Vec::new();
        for bytes in journal {
            let entry = JournalEntry::decode(&bytes).map_err(|error| Halt::Journal(error.to_string()))?;
            // The journal may have outlived the commit of its height, by a crash in between.
            if entry.height() != next {
                continue;
            }
            match entry {
                JournalEntry::Block(header, body) => self.recover_block(&header, body, state)?,
                JournalEntry::Built(_, round, id) => self.blocks.set_built(round, id),
                JournalEntry::Engine(_, input) => inputs.push(input),
            }
        }
        if inputs.is_empty() {
            return Ok(());
        }
        self.recover_proposals(&inputs);
        self.phase = Phase::Running;
        self.engine.start(next, self.may_sign(), inputs);
        Ok(())
    }

    /// Executes a block again that was valid before the crash.
    fn recover_block<R: ReadState>(
        &mut self,
        header: &kvitto_ledger::Header,
        body: Arc<[u8]>,
        state: &R,
    ) -> Result<(), Halt> {
        let unreadable = |fault: BlockFault| Halt::Journal(fault.to_string());
        let statements = match check::begin(header, &body, &self.ledger, &self.mempool, state)? {
            Begun::Ready(statements) => statements,
            Begun::Asked(pending, items) => {
                let answers = items.into_iter().map(|(envelope, key)| envelope.verify(&key)).collect();
                pending.complete(answers).map_err(unreadable)?
            }
            Begun::OtherBody => return Err(Halt::Journal("a body is not its header's".to_owned())),
            Begun::Invalid(fault) => return Err(unreadable(fault)),
        };
        let block = check::finish(header, &statements, &self.config, state)?.map_err(unreadable)?;
        self.blocks.add_valid(block, body);
        Ok(())
    }

    /// What the engine is given again, it need not be told. Replayed proposals are never judged by the clock (RULES 2.1).
    fn recover_proposals(&mut self, inputs: &[EngineInput<Context>]) {
        for input in inputs {
            match input {
                EngineInput::Proposal(proposal) => {
                    if let Some(known) = self.known(&proposal.message) {
                        self.blocks.propose(known);
                    }
                }
                EngineInput::ProposedValue(value, _) => self.blocks.set_handed(&value.value.id()),
                _ => {}
            }
        }
    }

    pub(super) fn members(&self) -> &Members {
        self.engine.members()
    }
}
