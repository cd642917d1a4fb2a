//! The cluster: one queue of events in virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use kvitto_ledger::execute::{ExecutedBlock, signer_key};
use kvitto_ledger::testing::{HOUR_MS, LookUp, MemoryState, START, Watched, World};
use kvitto_ledger::{Checked, Envelope, Height, TimeMs};

use super::invariants::Seen;
use super::witness::Place;
use super::{Disks, Node, Random, Witness};
use crate::codec::{BlockParts, Statements, encode_blocks};
use crate::effect::Effect;
use crate::input::{Input, Origin, Peer, ReplyToken, RequestId, TimerId, Topic, VerdictToken};
use crate::options::{MempoolLimits, Options, Timeouts};
use crate::replica::Replica;
use crate::signer::Guard;

/// Time after which a request counts as unanswered, in milliseconds.
const REQUEST_TIMEOUT_MS: u64 = 10_000;

/// How bad the network is.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    /// Longest delay of a message, in milliseconds.
    pub delay_ms_max: u64,
    /// Messages lost, of a thousand.
    pub loss: u64,
    /// Messages delivered twice, of a thousand.
    pub repeat: u64,
    /// Messages of which one bit is another one when they come, of a thousand.
    pub corrupt: u64,
}

impl Network {
    /// Messages come within 5 ms, once.
    pub const GOOD: Self = Self { delay_ms_max: 5, loss: 0, repeat: 0, corrupt: 0 };
    /// One in ten lost, one in ten doubled, and up to 300 ms on the way, so the order changes.
    pub const BAD: Self = Self { delay_ms_max: 300, loss: 100, repeat: 100, corrupt: 0 };
}

/// A message between two nodes, for a test to change or (by emptying it) to drop.
pub struct Wire<'a> {
    /// Sender.
    pub from: usize,
    /// Receiver.
    pub to: usize,
    /// The topic, for gossip.
    pub topic: Option<Topic>,
    /// The message.
    pub bytes: &'a mut Vec<u8>,
}

type Tamper = Box<dyn FnMut(Wire<'_>)>;

#[derive(Debug)]
enum Event {
    Input(Input),
    Timer(TimerId, u64),
    Ask { from: usize, run: u64, id: RequestId, bytes: Arc<[u8]> },
    Give(RequestId, Option<Arc<[u8]>>),
    Start,
}

/// Members with a network between them.
pub struct Cluster {
    /// Genesis and keys.
    pub world: World,
    /// The members.
    pub nodes: Vec<Node>,
    /// The network.
    pub network: Network,
    /// Pairs between which nothing is delivered, in this direction.
    pub cut: BTreeSet<(usize, usize)>,
    /// Asserts the promises.
    pub witness: Witness,
    /// Chance and order.
    pub random: Random,
    /// True time.
    pub now: TimeMs,
    /// The engine's timeouts.
    pub timeouts: Timeouts,
    /// Bounds on statements, for nodes that start from now on.
    pub mempool: MempoolLimits,
    /// Changes messages on their way.
    pub tamper: Option<Tamper>,
    /// What the disks of all members do.
    pub disks: Disks,
    /// How often a member died.
    pub crashes: u64,
    initial: MemoryState,
    trace: DefaultHasher,
    events: BTreeMap<(TimeMs, u64), (usize, u64, Event)>,
    sequence: u64,
    asks: BTreeMap<u64, (usize, u64, RequestId)>,
}

impl Cluster {
    /// Members that all start from block 0.
    pub fn new(members: usize, seed: u64) -> Self {
        let world = World::new(members);
        let state = MemoryState::new(&world.genesis);
        Self::with_state(world, &state, seed)
    }

    /// Members that all start from the same state.
    pub fn with_state(world: World, state: &MemoryState, seed: u64) -> Self {
        let nodes = world.members.iter().map(|keys| Node::new(state.clone(), keys.clone())).collect();
        let mut witness = Witness::default();
        witness.made.extend(state.changes.outcomes.keys());
        let mut cluster = Self {
            nodes,
            world,
            network: Network::GOOD,
            cut: BTreeSet::new(),
            witness,
            random: Random::new(seed),
            now: TimeMs(START.0 + HOUR_MS),
            timeouts: Timeouts::default(),
            mempool: MempoolLimits::default(),
            tamper: None,
            disks: Disks::default(),
            crashes: 0,
            initial: state.clone(),
            trace: DefaultHasher::new(),
            events: BTreeMap::new(),
            sequence: 0,
            asks: BTreeMap::new(),
        };
        for node in 0..cluster.nodes.len() {
            cluster.start(node);
        }
        cluster
    }

    /// Starts a node from its disk.
    pub fn start(&mut self, index: usize) {
        let now = self.clock(index);
        let node = &mut self.nodes[index];
        let options = Options {
            genesis: self.world.genesis.clone(),
            member: Some(index),
            standing: node.stands(),
            timeouts: self.timeouts,
            mempool: self.mempool,
        };
        let opened = Replica::open(options, node.signer(), node.journal.clone(), now, &node.state);
        let (replica, effects) = match opened {
            Ok(opened) => opened,
            Err(halt) => {
                return self.witness.violated("starts", format!("member {index} cannot start: {halt}"));
            }
        };
        node.replica = Some(replica);
        self.carry_out(index, effects);
        for other in 0..self.nodes.len() {
            if other != index && self.nodes[other].replica.is_some() {
                self.input(index, Input::PeerUp(peer(other)));
                self.input(other, Input::PeerUp(peer(index)));
            }
        }
    }

    /// Kills a node; part of what it had not synced may be on its disk all the same.
    pub fn kill(&mut self, index: usize) {
        self.crashes += 1;
        let kept = self.random.below(4) as usize;
        self.nodes[index].die(kept);
        if !self.disks.sync {
            let lost = self.random.below(3) as usize;
            self.nodes[index].lose_blocks(&self.initial, lost);
        }
        if !self.disks.journal {
            self.nodes[index].journal.clear();
        }
        if !self.disks.guard {
            self.nodes[index].guard = Some(Guard::default());
        }
        for other in 0..self.nodes.len() {
            self.input(other, Input::PeerDown(peer(index)));
        }
    }

    /// Kills a node, and empties its disk but for the guard.
    pub fn wipe(&mut self, index: usize) {
        self.kill(index);
        self.nodes[index].lose_everything(&self.initial);
    }

    /// Stops a node for a while. What comes meanwhile waits, and its timers are late.
    pub fn pause(&mut self, index: usize, ms: u64) {
        let until = TimeMs(self.now.0 + ms);
        self.nodes[index].paused_until = until.max(self.nodes[index].paused_until);
    }

    /// A number that follows from everything that members did so far, in order and time.
    pub fn trace(&self) -> u64 {
        self.trace.finish()
    }

    /// Starts a node after a while.
    pub fn start_later(&mut self, index: usize, after_ms: u64) {
        let run = self.nodes[index].run;
        self.schedule(after_ms, index, run, Event::Start);
    }

    /// A client submits to a node.
    pub fn submit(&mut self, index: usize, statement: Checked) {
        self.witness.made.insert(statement.id());
        self.input(index, Input::Submit { statement, origin: Origin::Local });
    }

    /// Runs until nothing happens any more or `ms` have passed.
    pub fn run_ms(&mut self, ms: u64) {
        let end = TimeMs(self.now.0 + ms);
        self.run_until(end, |_| false);
        self.now = end;
    }

    /// Runs until `done`, at most `ms`; whether it was reached.
    pub fn run_for(&mut self, ms: u64, done: impl FnMut(&Self) -> bool) -> bool {
        self.run_until(TimeMs(self.now.0 + ms), done)
    }

    fn run_until(&mut self, end: TimeMs, mut done: impl FnMut(&Self) -> bool) -> bool {
        loop {
            if done(self) {
                return true;
            }
            if self.witness.violation.is_some() {
                return false;
            }
            let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 <= end) else {
                return false;
            };
            let ((at, _), (index, run, event)) = entry.remove_entry();
            self.now = at;
            self.happen(index, run, event);
        }
    }

    /// The least committed height of the running members.
    pub fn height(&self) -> Height {
        let running = self.nodes.iter().filter(|node| node.replica.is_some());
        running.map(Node::height).min().unwrap_or_default()
    }

    fn clock(&self, index: usize) -> TimeMs {
        TimeMs(self.now.0.saturating_add_signed(self.nodes[index].clock_ahead_ms))
    }

    fn schedule(&mut self, after_ms: u64, index: usize, run: u64, event: Event) {
        self.sequence += 1;
        self.events.insert((TimeMs(self.now.0 + after_ms), self.sequence), (index, run, event));
    }

    fn happen(&mut self, index: usize, run: u64, event: Event) {
        let node = &self.nodes[index];
        if node.run != run {
            return;
        }
        if node.paused_until > self.now {
            let after_ms = node.paused_until.0 - self.now.0;
            return self.schedule(after_ms, index, run, event);
        }
        match event {
            Event::Start => self.start(index),
            Event::Input(input) => self.input(index, input),
            Event::Timer(id, set) => {
                if self.nodes[index].timers.get(&id) == Some(&set) {
                    self.nodes[index].timers.remove(&id);
                    self.input(index, Input::Timer(id));
                }
            }
            Event::Ask { from, run, id, bytes } => {
                self.sequence += 1;
                self.asks.insert(self.sequence, (from, run, id));
                self.input(
                    index,
                    Input::Request { from: peer(from), token: ReplyToken(self.sequence), bytes },
                );
            }
            Event::Give(id, bytes) => {
                if self.nodes[index].asked.remove(&id) {
                    self.input(index, Input::Response { id, bytes });
                }
            }
        }
    }

    /// Has a node's replica handle an input, and carries out what it wants.
    pub fn input(&mut self, index: usize, input: Input) {
        let effects = self.handle(index, input);
        self.carry_out(index, effects);
    }

    /// Has a node's replica handle an input, and only looks at what it wants.
    pub fn handle(&mut self, index: usize, input: Input) -> Vec<Effect> {
        let now = self.clock(index);
        let Node { replica, state, breaks_on, .. } = &mut self.nodes[index];
        let watch = |look_up| {
            let breaks = breaks_on.is_some_and(|did| look_up == LookUp::Identifier(did));
            assert!(!breaks, "a defect in the rules");
            Ok(())
        };
        let state = Watched { state, watch };
        replica.as_mut().map_or_else(Vec::new, |replica| replica.handle(now, input, &state))
    }

    fn carry_out(&mut self, index: usize, effects: Vec<Effect>) {
        for effect in effects {
            if let Some(left) = &mut self.nodes[index].dies_in {
                if *left == 0 {
                    self.half_done(index, effect);
                    self.kill(index);
                    let after_ms = 200 + self.random.below(4000);
                    self.start_later(index, after_ms);
                    return;
                }
                *left -= 1;
            }
            self.carry_out_one(index, effect);
        }
    }

    /// A node dies in the middle of an effect: what it does to the disk may have happened, as far as the disk got.
    fn half_done(&mut self, index: usize, effect: Effect) {
        if self.random.chance(500) {
            return;
        }
        match effect {
            Effect::Commit { block, certificate } => self.commit(index, &block, certificate),
            // The journal comes before the guard.
            Effect::Sync => self.nodes[index].sync_journal(),
            Effect::ResetJournal => self.nodes[index].reset_journal(),
            _ => {}
        }
    }

    fn commit(&mut self, index: usize, block: &ExecutedBlock, certificate: Arc<[u8]>) {
        let node = &mut self.nodes[index];
        node.state.commit(block);
        node.certificates.push(certificate);
        self.observe(|witness, place| witness.committed(index, block, place));
    }

    /// Shows the witness something.
    fn observe(&mut self, show: impl FnOnce(&mut Witness, Place<'_>)) {
        let place = Place { now: self.now, world: &self.world, nodes: &self.nodes };
        show(&mut self.witness, place);
    }

    fn note(&mut self, index: usize, what: &[u8]) {
        (self.now.0, index, what).hash(&mut self.trace);
    }

    fn carry_out_one(&mut self, index: usize, effect: Effect) {
        let run = self.nodes[index].run;
        match &effect {
            Effect::Publish { bytes, .. } | Effect::Push { bytes, .. } | Effect::Reply { bytes, .. } => {
                self.note(index, bytes);
            }
            Effect::Request { bytes, .. } => self.note(index, bytes),
            Effect::Commit { block, .. } => self.note(index, &block.id.0),
            Effect::PublishCheckpoint { note, .. } => self.note(index, note.as_bytes()),
            _ => {}
        }
        let node = &mut self.nodes[index];
        match effect {
            Effect::Journal(entry) => node.unsynced.push(entry.to_vec()),
            Effect::Sync => {
                if self.disks.sync {
                    node.sync_journal();
                }
                if let Some(replica) = &mut node.replica {
                    replica.signer_mut().sync();
                    node.guard = Some(replica.signer().synced().clone());
                }
            }
            Effect::ResetJournal => node.reset_journal(),
            Effect::Publish { topic, bytes } => self.publish(index, topic, &bytes),
            Effect::Push { to, bytes } => {
                for to in to {
                    self.send(index, to.0 as usize, None, &bytes, |bytes| {
                        Event::Input(Input::Request { from: peer(index), token: ReplyToken(0), bytes })
                    });
                }
            }
            Effect::Request { peer: to, id, bytes } => {
                node.asked.insert(id);
                self.schedule(REQUEST_TIMEOUT_MS, index, run, Event::Give(id, None));
                self.send(index, to.0 as usize, None, &bytes, |bytes| Event::Ask {
                    from: index,
                    run,
                    id,
                    bytes,
                });
            }
            Effect::Reply { token, bytes } => self.reply(index, token, &bytes),
            Effect::ServeBlocks { token, from, count_max, bytes_max } => {
                let bytes = serve(node, from, count_max, bytes_max);
                self.reply(index, token, &bytes);
            }
            Effect::Verify { ticket, items } => {
                let statements = items.into_iter().map(|(envelope, key)| envelope.verify(&key)).collect();
                let after_ms = self.random.below(4);
                self.schedule(after_ms, index, run, Event::Input(Input::Verified { ticket, statements }));
            }
            Effect::Commit { block, certificate } => {
                self.commit(index, &block, certificate);
                let after_ms = self.random.below(3);
                self.schedule(after_ms, index, run, Event::Input(Input::Committed));
            }
            Effect::PublishCheckpoint { height, note, .. } => {
                node.published = Some((height, Arc::clone(&note)));
                self.observe(|witness, place| witness.published(index, height, &note, place));
            }
            Effect::Final { height, statements } => {
                node.finals.extend(statements.iter().copied());
                self.observe(|witness, place| witness.is_final(index, height, &statements, place));
            }
            Effect::Notice { statement, notice } => node.notices.push((statement, notice)),
            Effect::SetTimer { id, after_ms } => {
                let set = self.sequence + 1;
                node.timers.insert(id, set);
                self.schedule(after_ms, index, run, Event::Timer(id, set));
            }
            Effect::CancelTimer(id) => {
                node.timers.remove(&id);
            }
            Effect::Evidence(evidence) => {
                self.observe(|witness, place| witness.see(&Seen::Accused { evidence: &evidence }, place));
                self.nodes[index].evidence.push(evidence);
            }
            Effect::Report { peer, fault } => {
                node.blamed.extend(peer);
                node.faults.push(fault);
            }
            Effect::Halt(halt) => node.halted = Some(halt),
            Effect::Verdict { .. } => {}
        }
    }

    fn publish(&mut self, index: usize, topic: Topic, bytes: &[u8]) {
        match topic {
            Topic::Consensus => self.observe(|witness, place| witness.consensus(index, bytes, place)),
            Topic::Cosignatures => self.observe(|witness, place| witness.cosignature(index, bytes, place)),
            Topic::Statements => {}
        }
        for to in (0..self.nodes.len()).filter(|to| *to != index) {
            if topic == Topic::Statements {
                self.spread(index, to, bytes);
            } else {
                self.send(index, to, Some(topic), bytes, |bytes| {
                    Event::Input(Input::Gossip { topic, from: peer(index), token: VerdictToken(0), bytes })
                });
            }
        }
    }

    /// Gossiped statements reach a replica after its node has checked their signatures.
    fn spread(&mut self, from: usize, to: usize, bytes: &[u8]) {
        for bytes in Statements::decode(bytes).expect("replicas publish what they can read").0 {
            let state = &self.nodes[to].state;
            let Ok(envelope) = Envelope::decode(bytes, &self.world.ledger_id) else { continue };
            let kind = envelope.statement().body.kind();
            let Ok(Ok(key)) = signer_key(state, &envelope.key_id(), kind) else { continue };
            let Ok(statement) = envelope.verify(&key) else { continue };
            self.send(from, to, Some(Topic::Statements), &[0], move |_| {
                Event::Input(Input::Submit { statement: statement.clone(), origin: Origin::Peer })
            });
        }
    }

    fn send(
        &mut self,
        from: usize,
        to: usize,
        topic: Option<Topic>,
        bytes: &[u8],
        event: impl Fn(Arc<[u8]>) -> Event,
    ) {
        let mut bytes = bytes.to_vec();
        if let Some(tamper) = &mut self.tamper {
            tamper(Wire { from, to, topic, bytes: &mut bytes });
        }
        if bytes.is_empty() || self.cut.contains(&(from, to)) || self.random.chance(self.network.loss) {
            return;
        }
        if self.network.corrupt > 0 && self.random.chance(self.network.corrupt) {
            let bit = self.random.below(8 * bytes.len() as u64);
            bytes[bit as usize / 8] ^= 1 << (bit % 8);
        }
        let copies = if self.random.chance(self.network.repeat) { 2 } else { 1 };
        let run = self.nodes[to].run;
        for _ in 0..copies {
            let after_ms = 1 + self.random.below(self.network.delay_ms_max);
            self.schedule(after_ms, to, run, event(Arc::from(&bytes[..])));
        }
    }

    fn reply(&mut self, index: usize, token: ReplyToken, bytes: &[u8]) {
        let Some((to, run, id)) = self.asks.remove(&token.0) else { return };
        if self.nodes[to].run == run {
            self.send(index, to, None, bytes, |bytes| Event::Give(id, Some(bytes)));
        }
    }
}

fn serve(node: &Node, from: Height, count_max: u32, bytes_max: usize) -> Vec<u8> {
    let bodies: Vec<_> = node.state.blocks.iter().map(|block| block.body.encode()).collect();
    let mut parts = Vec::new();
    let mut bytes = 16;
    for ((block, certificate), body) in node
        .state
        .blocks
        .iter()
        .zip(&node.certificates)
        .zip(&bodies)
        .skip(from.0 as usize)
        .take(count_max as usize)
    {
        let part = BlockParts { header: &block.header, certificate, body };
        bytes += part.len_max();
        if bytes > bytes_max && !parts.is_empty() {
            break;
        }
        parts.push(part);
    }
    encode_blocks(&parts)
}

pub(super) fn peer(index: usize) -> Peer {
    Peer(u32::try_from(index).expect("few members"))
}
