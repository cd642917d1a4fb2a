//! A ledger to run statements on, one block at a time.

use super::actor::Actor;
use super::memory::MemoryState;
use super::world::{HOUR_MS, START, World};
use crate::execute::{Built, build, signer_key};
use crate::genesis::Limits;
use crate::ids::{Nonce, TimeMs};
use crate::rejection::Rejection;
use crate::scope::Role;
use crate::state::Outcome;
use crate::statement::envelope::sign;
use crate::statement::{Body, Checked, Envelope, Statement};

/// A ledger of one process: a state, a clock, and a Root TAO, a TAO and a school to act on it.
///
/// The clock is the time of the next block. Whoever sets it keeps it later than the newest block; every block moves it on by a second.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// Genesis and keys.
    pub world: World,
    /// The state.
    pub state: MemoryState,
    /// Time of the next block.
    pub clock: TimeMs,
    /// The Root TAO.
    pub root: Actor,
    /// A TAO, accredited by the root; known to the ledger after [`Ledger::with_school`].
    pub tao: Actor,
    /// A trusted issuer, accredited by the TAO; known to the ledger after [`Ledger::with_school`].
    pub school: Actor,
    nonce: u128,
}

impl Ledger {
    /// A ledger of so many members after block 0.
    pub fn new(members: usize) -> Self {
        Self::in_world(World::new(members))
    }

    /// A ledger of one member with other limits, after block 0.
    pub fn with_limits(limits: Limits) -> Self {
        Self::in_world(World::with_limits(1, limits))
    }

    /// The ledger of this world, after block 0.
    pub fn in_world(world: World) -> Self {
        Self {
            state: MemoryState::new(&world.genesis),
            clock: TimeMs(START.0 + HOUR_MS),
            root: world.root.clone(),
            tao: Actor::new("tao"),
            school: Actor::new("school"),
            world,
            nonce: 0,
        }
    }

    /// A ledger in which the root has accredited the TAO, and the TAO the school.
    pub fn with_school(members: usize) -> Self {
        Self::new(members).and_school()
    }

    /// Has the root accredit the TAO, and the TAO the school.
    pub fn and_school(mut self) -> Self {
        let (root, tao, school) = (self.root.clone(), self.tao.clone(), self.school.clone());
        self.accredited(&root, &tao, Role::Tao);
        self.accredited(&tao, &school, Role::Ti);
        self
    }

    /// Onboards `subject` and accredits it, both by `by`.
    ///
    /// # Panics
    /// When the rules refuse that.
    pub fn accredited(&mut self, by: &Actor, subject: &Actor, role: Role) {
        let onboard = by.onboards(subject, &self.world.ledger_id);
        self.act(by, onboard).expect("the sponsor may onboard");
        self.act(by, by.accredits(subject, role)).expect("the sponsor may accredit");
    }

    /// A statement around `body`: executable from the clock on, for an hour, with a nonce of its own.
    pub fn statement(&mut self, body: impl Into<Body>) -> Statement {
        self.nonce += 1;
        Statement {
            not_before: self.clock,
            not_after: TimeMs(self.clock.0 + HOUR_MS),
            nonce: Nonce(self.nonce.to_be_bytes()),
            body: body.into(),
        }
    }

    /// The signed bytes of a statement.
    pub fn signed(&self, signer: &Actor, statement: &Statement) -> Vec<u8> {
        sign(statement, signer.did, &signer.key, &self.world.ledger_id)
    }

    /// Signs `body` and checks form and signature, with the signer's own key.
    ///
    /// # Panics
    /// When the form is not good.
    pub fn sign(&mut self, signer: &Actor, body: impl Into<Body>) -> Checked {
        let statement = self.statement(body);
        self.check(signer, &statement).expect("the body is of good form")
    }

    /// Signs `statement` and checks form and signature, with the signer's own key.
    ///
    /// # Errors
    /// The rejections 100 to 199.
    pub fn check(&self, signer: &Actor, statement: &Statement) -> Result<Checked, Rejection> {
        Envelope::decode(self.signed(signer, statement), &self.world.ledger_id)?.verify(&signer.key.public())
    }

    /// Signs `body` and runs it, as [`Ledger::submit`].
    ///
    /// # Errors
    /// The rejection.
    pub fn act(&mut self, signer: &Actor, body: impl Into<Body>) -> Result<Outcome, Rejection> {
        let statement = self.statement(body);
        self.submit(&self.signed(signer, &statement))
    }

    /// Checks the bytes of a statement as a node does, and commits a block of it alone.
    ///
    /// # Errors
    /// The rejection; nothing is committed.
    pub fn submit(&mut self, bytes: &[u8]) -> Result<Outcome, Rejection> {
        let envelope = Envelope::decode(bytes, &self.world.ledger_id)?;
        let kind = envelope.statement().body.kind();
        let key = signer_key(&self.state, &envelope.key_id(), kind).expect("memory is readable")?;
        self.run(envelope.verify(&key)?)
    }

    /// Commits a block of one statement.
    ///
    /// # Errors
    /// The rejection; nothing is committed.
    pub fn run(&mut self, statement: Checked) -> Result<Outcome, Rejection> {
        let id = statement.id();
        let built = self.build([statement]);
        match built.refused.first() {
            Some((_, rejection)) => Err(*rejection),
            None => {
                self.commit(&built);
                Ok(self.state.changes.outcomes[&id].clone())
            }
        }
    }

    /// Builds the next block without committing it.
    pub fn build(&self, candidates: impl IntoIterator<Item = Checked>) -> Built {
        build(&self.state, &self.world.genesis.config, self.clock, candidates).expect("memory is readable")
    }

    /// Commits a block that was built at the clock, and moves the clock on.
    pub fn commit(&mut self, built: &Built) {
        self.state.commit(&built.block);
        self.clock.0 += 1000;
    }
}
