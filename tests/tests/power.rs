//! Goal: whatever write or fsync it happens at, a loss of power at all members at once loses nothing that was acknowledged, and
//! the ledger goes on (RULES 4.2).
//!
//! Method: whole replicas over stores, journals and guards on the disk, in one deterministic loop with virtual time. The n-th disk
//! operation of all of them together fails, and every later one; then all are opened again from what is there. For each n.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use kvitto_ledger::execute::{genesis_block, signer_key};
use kvitto_ledger::testing::{Actor, Ledger, MemberKeys};
use kvitto_ledger::{Checked, Envelope, Height, ReadState, StatementId, TimeMs};
use kvitto_replica::codec::{BlockParts, Statements, encode_blocks};
use kvitto_replica::signer::{Guard, MemorySigner};
use kvitto_replica::{
    Effect, Input, MempoolLimits, Options, Origin, Peer, Replica, ReplyToken, RequestId, Standing, Timeouts,
    TimerId, Topic, VerdictToken, is_certified,
};
use kvitto_storage::disk::{self, SledStore};
use kvitto_storage::faults::Faults;
use kvitto_storage::files::OsDirectory;
use kvitto_storage::slots::{Content, SlotFile, SlotFormat};
use kvitto_storage::{Journal, Published, Read, Store, StoreError};

const GUARD: SlotFormat = SlotFormat { name: "guard", magic: b"kvguardt", content_bytes_max: 64 * 1024 };
/// No run needs nearly as many inputs.
const INPUTS_MAX: usize = 100_000;

/// A running member.
struct Member {
    replica: Replica<MemorySigner>,
    store: SledStore,
    journal: Journal<OsDirectory>,
    guard: SlotFile<OsDirectory>,
}

/// The disks of all members, and the members while they run.
struct Power {
    ledger: Ledger,
    folder: tempfile::TempDir,
    faults: Faults,
    members: Vec<Member>,
    inputs: VecDeque<(usize, Input)>,
    timers: BTreeMap<(TimeMs, u64), (usize, TimerId)>,
    /// Who asked, by the token that its request got.
    asked: BTreeMap<u64, (usize, RequestId)>,
    sequence: u64,
    now: TimeMs,
    /// What clients were told is final.
    acknowledged: BTreeSet<StatementId>,
}

impl Power {
    fn new(members: usize) -> Self {
        let ledger = Ledger::new(members);
        let now = ledger.clock;
        let mut power = Self {
            ledger,
            folder: tempfile::tempdir().unwrap(),
            faults: Faults::none(),
            members: Vec::new(),
            inputs: VecDeque::new(),
            timers: BTreeMap::new(),
            asked: BTreeMap::new(),
            sequence: 0,
            now,
            acknowledged: BTreeSet::new(),
        };
        power.start().unwrap();
        power
    }

    fn path(&self, index: usize, name: &str) -> PathBuf {
        self.folder.path().join(index.to_string()).join(name)
    }

    /// Starts all members from their disks.
    fn start(&mut self) -> Result<(), StoreError> {
        let count = self.ledger.world.members.len();
        let mut started = Vec::new();
        for index in 0..count {
            let (member, effects) = self.open(index);
            self.members.push(member);
            started.push(effects);
        }
        for (index, effects) in started.into_iter().enumerate() {
            self.carry_out(index, effects)?;
            let others = (0..count).filter(|other| *other != index);
            self.inputs.extend(others.map(|other| (index, Input::PeerUp(peer(other)))));
        }
        Ok(())
    }

    fn open(&self, index: usize) -> (Member, Vec<Effect>) {
        let genesis = &self.ledger.world.genesis;
        let data = self.path(index, "data");
        let options = disk::Options {
            cache_bytes: 1024 * 1024,
            ballast_bytes: 0,
            faults: self.faults.clone(),
            ..disk::Options::default()
        };
        let certified = |header: &_, certificate: &[u8]| is_certified(genesis, header, certificate);
        let opened = SledStore::open(&data, &options, &genesis_block(genesis), &certified).unwrap();
        assert!(opened.set_aside.is_none() && opened.lost.is_none(), "a loss of power is no damage");
        let files = |path| OsDirectory::open(path, self.faults.clone()).unwrap();
        let (journal, entries) = Journal::open(files(&data)).unwrap();
        let (mut guard, content) = SlotFile::open(files(&self.path(index, "guard")), GUARD).unwrap();
        let remembered = match content {
            Content::Newest(bytes) => Guard::decode(&bytes).unwrap(),
            Content::None => Guard::default(),
            Content::Lost => panic!("the guard is lost"),
        };
        guard.write(&remembered.encode()).unwrap();
        let MemberKeys { consensus, cosignature, log, .. } = self.ledger.world.members[index].clone();
        let options = Options {
            genesis: genesis.clone(),
            member: Some(index),
            standing: Standing::Signing,
            timeouts: Timeouts::default(),
            mempool: MempoolLimits::default(),
        };
        let signer = MemorySigner::new(consensus, cosignature, log, remembered);
        let entries = entries.into_iter().map(|entry| entry.bytes);
        let (replica, effects) = Replica::open(options, signer, entries, self.now, &opened.store).unwrap();
        (Member { replica, store: opened.store, journal, guard }, effects)
    }

    /// Everything that is not on a disk is gone; then all members start again.
    fn lose_power(&mut self) {
        self.members.clear();
        self.inputs.clear();
        self.timers.clear();
        self.asked.clear();
        self.faults.fail_after(u64::MAX);
        self.start().unwrap();
    }

    fn statement(&mut self) -> Checked {
        let subject = Actor::new(&format!("organisation {}", self.sequence));
        self.sequence += 1;
        self.ledger.clock = self.now;
        let root = self.ledger.root.clone();
        let onboard = root.onboards(&subject, &self.ledger.world.ledger_id);
        self.ledger.sign(&root, onboard)
    }

    fn submit(&mut self, index: usize, statement: &Checked) {
        self.inputs.push_back((index, Input::Submit { statement: statement.clone(), origin: Origin::Local }));
    }

    /// Runs until a client is told that the statement is final.
    fn run_until_final(&mut self, id: StatementId) -> Result<(), StoreError> {
        for _ in 0..INPUTS_MAX {
            if self.acknowledged.contains(&id) {
                return Ok(());
            }
            let (index, input) = match self.inputs.pop_front() {
                Some(next) => next,
                None => {
                    let ((at, _), (index, timer)) =
                        self.timers.pop_first().expect("the cosignature's timer runs");
                    self.now = self.now.max(at);
                    (index, Input::Timer(timer))
                }
            };
            let Member { replica, store, .. } = &mut self.members[index];
            let effects = replica.handle(self.now, input, store);
            self.carry_out(index, effects)?;
        }
        panic!("the ledger stands still");
    }

    fn carry_out(&mut self, index: usize, effects: Vec<Effect>) -> Result<(), StoreError> {
        effects.into_iter().try_for_each(|effect| self.carry_out_one(index, effect))
    }

    fn carry_out_one(&mut self, index: usize, effect: Effect) -> Result<(), StoreError> {
        let member = &mut self.members[index];
        match effect {
            Effect::Journal(entry) => member.journal.append(0, &entry)?,
            Effect::Sync => {
                member.journal.sync()?;
                member.replica.signer_mut().sync();
                let guard = member.replica.signer().synced().encode();
                let failed = |source| StoreError::Failed { operation: "write the guard", source };
                member.guard.write(&guard).map_err(failed)?;
            }
            Effect::ResetJournal => member.journal.reset()?,
            Effect::Commit { block, certificate } => {
                member.store.commit(&block, &certificate)?;
                self.inputs.push_front((index, Input::Committed));
            }
            Effect::PublishCheckpoint { height, size, note } => {
                member.store.put_checkpoint(&Published { height, size, note })?;
            }
            Effect::Final { statements, .. } => self.acknowledged.extend(statements),
            Effect::Publish { topic, bytes } => self.publish(index, topic, &bytes),
            Effect::Push { to, bytes } => {
                // Nobody waits for the answer to a push.
                let input = Input::Request { from: peer(index), token: ReplyToken(0), bytes };
                self.inputs.extend(to.into_iter().map(|to| (to.0 as usize, input.clone())));
            }
            Effect::Request { peer: to, id, bytes } => {
                self.sequence += 1;
                self.asked.insert(self.sequence, (index, id));
                let token = ReplyToken(self.sequence);
                self.inputs.push_back((to.0 as usize, Input::Request { from: peer(index), token, bytes }));
            }
            Effect::Reply { token, bytes } => self.reply(token, bytes),
            Effect::ServeBlocks { token, from, count_max, .. } => {
                let blocks = served(&member.store.reader(), from, count_max)?;
                self.reply(token, blocks.into());
            }
            Effect::Verify { ticket, items } => {
                let statements = items.into_iter().map(|(envelope, key)| envelope.verify(&key)).collect();
                self.inputs.push_back((index, Input::Verified { ticket, statements }));
            }
            Effect::SetTimer { id, after_ms } => {
                self.timers.retain(|_, running| *running != (index, id));
                self.sequence += 1;
                self.timers.insert((TimeMs(self.now.0 + after_ms), self.sequence), (index, id));
            }
            Effect::CancelTimer(id) => self.timers.retain(|_, running| *running != (index, id)),
            Effect::Evidence(_) => panic!("evidence against an honest member"),
            Effect::Halt(halt) => panic!("member {index} has halted: {halt}"),
            Effect::Notice { .. } | Effect::Verdict { .. } | Effect::Report { .. } => {}
        }
        Ok(())
    }

    fn publish(&mut self, index: usize, topic: Topic, bytes: &Arc<[u8]>) {
        for to in (0..self.members.len()).filter(|to| *to != index) {
            if topic == Topic::Statements {
                self.spread(to, bytes);
                continue;
            }
            let (from, token) = (peer(index), VerdictToken(0));
            self.inputs.push_back((to, Input::Gossip { topic, from, token, bytes: Arc::clone(bytes) }));
        }
    }

    /// Gossiped statements reach a replica after its node has checked their signatures.
    fn spread(&mut self, to: usize, bytes: &[u8]) {
        let ledger = self.ledger.world.ledger_id;
        for bytes in Statements::decode(bytes).unwrap().0 {
            let envelope = Envelope::decode(bytes, &ledger).unwrap();
            let kind = envelope.statement().body.kind();
            let key = signer_key(&self.members[to].store, &envelope.key_id(), kind).unwrap().unwrap();
            let statement = envelope.verify(&key).unwrap();
            self.inputs.push_back((to, Input::Submit { statement, origin: Origin::Peer }));
        }
    }

    fn reply(&mut self, token: ReplyToken, bytes: Arc<[u8]>) {
        if let Some((to, id)) = self.asked.remove(&token.0) {
            self.inputs.push_back((to, Input::Response { id, bytes: Some(bytes) }));
        }
    }

    /// How many members have executed the statement.
    fn executed(&self, id: &StatementId) -> usize {
        let has = |member: &&Member| member.store.outcome(id).unwrap().is_some();
        self.members.iter().filter(has).count()
    }
}

fn served(reader: &impl Read, from: Height, count_max: u32) -> Result<Vec<u8>, StoreError> {
    let mut blocks = Vec::new();
    for height in (from.0..=reader.committed().0).take(count_max as usize).map(Height) {
        let body = reader.body(height)?.unwrap();
        blocks.push((reader.header(height)?.unwrap(), body, reader.certificate(height)?.unwrap()));
    }
    let parts = blocks
        .iter()
        .map(|(header, body, certificate)| BlockParts { header, certificate, body })
        .collect::<Vec<_>>();
    Ok(encode_blocks(&parts))
}

fn peer(index: usize) -> Peer {
    Peer(u32::try_from(index).unwrap())
}

/// Power is lost at the n-th disk operation of a ledger that decides its second block; whether that came at all.
fn check_loss_at(members: usize, operation: u64) -> bool {
    let mut power = Power::new(members);
    let (first, second, third) = (power.statement(), power.statement(), power.statement());
    power.submit(0, &first);
    power.run_until_final(first.id()).unwrap();
    power.faults.fail_after(operation);
    power.submit(members - 1, &second);
    let was_lost = power.run_until_final(second.id()).is_err();
    power.lose_power();
    let quorum = power.ledger.world.genesis.config.quorum();
    for id in &power.acknowledged {
        assert!(power.executed(id) >= quorum, "{members} members, operation {operation}: {id} is lost");
    }
    power.submit(0, &second);
    power.submit(0, &third);
    power.run_until_final(third.id()).unwrap();
    assert!(power.executed(&second.id()) >= quorum, "{members} members, operation {operation}");
    was_lost
}

#[test]
fn a_single_member_loses_power_at_every_write_and_fsync() {
    let operations = (0..).take_while(|operation| check_loss_at(1, *operation)).count();
    assert!(operations > 15, "journal, guard, block, HEAD, checkpoint: {operations} operations");
}

#[test]
fn four_members_lose_power_at_once_at_every_write_and_fsync() {
    let operations = (0..).take_while(|operation| check_loss_at(4, *operation)).count();
    assert!(operations > 70, "four times as much, and cosignatures: {operations} operations");
}
