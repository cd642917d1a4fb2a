//! The one task that owns the replica: it takes events in, and carries effects out, in order.
//!
//! ```text
//!   clients ── admission ──┐                        ┌──► journal, guard, store      (persist)
//!   network ── gossip ─────┼──► events ──► replica ─┼──► network                    (send)
//!   tasks ──── answers ────┘    bounded     effects └──► watchers, published tip    (answer)
//! ```
//!
//! It runs on a thread of its own, because persisting blocks. The first failed write ends the node.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use kvitto_ledger::{Checked, Header, Height, Rejection, TimeMs};
use kvitto_network::{Network, ReplyHandle, ValidationToken, Verdict as NetworkVerdict};
use kvitto_replica::{
    Effect, Input, Origin, Peer, Replica, ReplyToken, RequestId, Topic, Verdict, VerdictToken, VerifyTicket,
    codec,
};
use kvitto_storage::files::OsDirectory;
use kvitto_storage::{Journal, Published, Read, Store};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant};

use crate::desk::Counter;
use crate::peers::PeerTable;
use crate::report::Report;
use crate::signer::FileSigner;
use crate::timers::Timers;

/// Statements that wait for the replica, and events of every other kind; who brings more waits.
const EVENTS_MAX: usize = 1024;

/// The replica's entries say themselves what they are.
const JOURNAL_KIND: u8 = 0;

/// Something that happened outside the replica.
#[derive(Debug)]
pub enum Event {
    /// A statement was admitted.
    Submit(Checked, Origin),
    /// Votes, proposals or cosignatures came by gossip.
    Gossip(Topic, Peer, Bytes, ValidationToken),
    /// A peer asks or pushes.
    Request(Peer, Bytes, ReplyHandle),
    /// A peer is there.
    PeerUp(Peer),
    /// A peer is gone.
    PeerDown(Peer),
    /// Stop after what is in progress.
    Stop,
}

/// What a task that the replica asked for has found.
#[derive(Debug)]
enum Answer {
    Response(RequestId, Option<Bytes>),
    Verified(VerifyTicket, Vec<Result<Checked, Rejection>>),
}

/// Where events are brought to. Statements queue apart, so that votes do not wait behind them.
#[derive(Clone, Debug)]
pub struct Events {
    first: mpsc::Sender<Event>,
    statements: mpsc::Sender<Event>,
}

/// Where [`Core::run`] takes events from.
#[derive(Debug)]
pub struct Inbox {
    first: mpsc::Receiver<Event>,
    statements: mpsc::Receiver<Event>,
}

/// The replica takes no events any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

/// A channel for [`Core::run`].
pub fn events() -> (Events, Inbox) {
    let (first, first_out) = mpsc::channel(EVENTS_MAX);
    let (statements, statements_out) = mpsc::channel(EVENTS_MAX);
    (Events { first, statements }, Inbox { first: first_out, statements: statements_out })
}

impl Events {
    /// Brings an event, when there is room.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn send(&self, event: Event) -> Result<(), Stopped> {
        self.queue(&event).send(event).await.map_err(|_| Stopped)
    }

    /// The same for a thread that may wait.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn blocking_send(&self, event: Event) -> Result<(), Stopped> {
        self.queue(&event).blocking_send(event).map_err(|_| Stopped)
    }

    fn queue(&self, event: &Event) -> &mpsc::Sender<Event> {
        if matches!(event, Event::Submit(..)) { &self.statements } else { &self.first }
    }
}

impl Inbox {
    /// The next event: statements when there is nothing else. `None` when nobody can bring any more.
    pub async fn next(&mut self) -> Option<Event> {
        tokio::select! {
            biased;
            Some(event) = self.first.recv() => Some(event),
            Some(statement) = self.statements.recv() => Some(statement),
            else => None,
        }
    }
}

/// See the module's head.
pub struct Core<S: Store> {
    /// Decides.
    pub replica: Replica<FileSigner>,
    /// What the replica wants done before anything else.
    pub started: Vec<Effect>,
    /// Keeps blocks.
    pub store: S,
    /// Keeps what must be known before a block is decided.
    pub journal: Journal<OsDirectory>,
    /// Sends.
    pub network: Network,
    /// Who is who.
    pub peers: Arc<PeerTable>,
    /// Where clients wait for their statements.
    pub counter: Counter,
    /// What the node says of itself.
    pub report: Report,
    /// Where tasks run that the replica asks for.
    pub tasks: Handle,
}

/// What is under way.
struct Pending {
    answers: mpsc::UnboundedSender<Answer>,
    verdicts: BTreeMap<u64, ValidationToken>,
    replies: BTreeMap<u64, ReplyHandle>,
    next_token: u64,
    timers: Timers,
    inputs: VecDeque<Input>,
}

impl<S: Store> Core<S> {
    /// Runs until [`Event::Stop`], the end of all event senders, or the first thing that must not be survived.
    ///
    /// # Errors
    /// A write failed, the state cannot be read, or continuing could break a promise.
    pub async fn run(mut self, mut events: Inbox) -> Result<()> {
        // Not bounded by itself, but there is one answer for each thing that the replica asked for, and it bounds those.
        let (answers_in, mut answers) = mpsc::unbounded_channel();
        let mut pending = Pending {
            answers: answers_in,
            verdicts: BTreeMap::new(),
            replies: BTreeMap::new(),
            next_token: 0,
            timers: Timers::default(),
            inputs: VecDeque::new(),
        };
        let started = std::mem::take(&mut self.started);
        self.perform(started, &mut pending).await?;
        loop {
            while let Some(input) = pending.inputs.pop_front() {
                let effects = self.replica.handle(now(), input, &self.store);
                self.perform(effects, &mut pending).await?;
            }
            let next_timer = pending.timers.next();
            tokio::select! {
                biased;
                Some(answer) = answers.recv() => pending.inputs.push_back(input_of_answer(answer)),
                () = sleep_until(next_timer) => {
                    pending.inputs.extend(pending.timers.due(Instant::now()).map(Input::Timer));
                }
                event = events.next() => match event {
                    None | Some(Event::Stop) => return Ok(()),
                    Some(event) => {
                        let input = pending.input_of_event(event);
                        pending.inputs.push_back(input);
                    }
                },
            }
        }
    }

    async fn perform(&mut self, effects: Vec<Effect>, pending: &mut Pending) -> Result<()> {
        for effect in effects {
            self.perform_one(effect, pending).await?;
        }
        self.report.set_status(self.replica.status());
        Ok(())
    }

    async fn perform_one(&mut self, effect: Effect, pending: &mut Pending) -> Result<()> {
        match effect {
            Effect::Journal(entry) => {
                self.journal.append(JOURNAL_KIND, &entry).context("cannot write the journal")?
            }
            Effect::Sync => {
                self.journal.sync().context("cannot sync the journal")?;
                self.replica.signer_mut().sync().context("cannot sync the guard")?;
            }
            Effect::ResetJournal => self.journal.reset().context("cannot reset the journal")?,
            Effect::Publish { topic, bytes } => self.publish(topic, bytes).await,
            Effect::Push { to, bytes } => self.push(&to, &bytes_of(bytes)),
            Effect::Request { peer, id, bytes } => self.request(peer, id, bytes_of(bytes), pending),
            Effect::Reply { token, bytes } => pending.reply(token, bytes_of(bytes)),
            Effect::ServeBlocks { token, from, count_max, bytes_max } => {
                if let Some(reply) = pending.replies.remove(&token.0) {
                    let reader = self.store.reader();
                    self.tasks
                        .spawn_blocking(move || serve_blocks(&reader, from, count_max, bytes_max, reply));
                }
            }
            Effect::Verdict { token, verdict } => pending.verdict(token, verdict),
            Effect::Verify { ticket, items } => {
                let answers = pending.answers.clone();
                self.tasks.spawn_blocking(move || {
                    let statements = items.into_iter().map(|(envelope, key)| envelope.verify(&key)).collect();
                    // The core is gone when the node stops.
                    let _ = answers.send(Answer::Verified(ticket, statements));
                });
            }
            Effect::Commit { block, certificate } => {
                self.store.commit(&block, &certificate).context("cannot commit a block")?;
                let outcomes = block.changes.outcomes.iter().map(|(id, outcome)| (*id, outcome.clone()));
                self.counter.notices().committed(block.header.height, outcomes);
                pending.inputs.push_front(Input::Committed);
            }
            Effect::PublishCheckpoint { height, size, note } => {
                let published = Published { height, size, note };
                self.store.put_checkpoint(&published).context("cannot keep a checkpoint")?;
                self.counter.notices().published(height);
            }
            Effect::Final { statements, .. } => self.counter.is_final(&statements),
            Effect::Notice { statement, notice } => self.counter.notice(statement, notice),
            Effect::SetTimer { id, after_ms } => {
                pending.timers.set(id, Instant::now(), Duration::from_millis(after_ms));
            }
            Effect::CancelTimer(id) => pending.timers.cancel(id),
            Effect::Evidence(evidence) => self.report.keep_evidence(&evidence)?,
            Effect::Report { peer, fault } => {
                let peer = peer.map_or("nobody", |peer| self.peers.name(peer));
                tracing::warn!(peer, %fault, "fault");
            }
            Effect::Halt(halt) => {
                // Health checks and the operator learn of it while the process ends.
                self.report.set_status(self.replica.status());
                bail!("halted, because going on could break a promise: {halt}")
            }
        }
        Ok(())
    }

    async fn publish(&self, topic: Topic, bytes: Arc<[u8]>) {
        if let Err(error) = self.network.publish(network_topic(topic), bytes_of(bytes)).await {
            tracing::debug!(%error, ?topic, "a gossip message was not sent");
        }
    }

    fn push(&self, to: &[Peer], bytes: &Bytes) {
        for peer in to {
            if let Some(Err(error)) = self.peers.id(*peer).map(|id| self.network.send(id, bytes.clone())) {
                tracing::debug!(%error, peer = self.peers.name(*peer), "a push was not sent");
            }
        }
    }

    fn request(&self, peer: Peer, id: RequestId, bytes: Bytes, pending: &Pending) {
        let (network, answers) = (self.network.clone(), pending.answers.clone());
        let peer_id = self.peers.id(peer);
        self.tasks.spawn(async move {
            let response = match peer_id {
                Some(peer_id) => network.request(peer_id, bytes).await.ok(),
                None => None,
            };
            // The core is gone when the node stops.
            let _ = answers.send(Answer::Response(id, response));
        });
    }
}

impl Pending {
    fn input_of_event(&mut self, event: Event) -> Input {
        match event {
            Event::Submit(statement, origin) => Input::Submit { statement, origin },
            Event::Gossip(topic, from, bytes, token) => {
                let number = self.token();
                self.verdicts.insert(number, token);
                Input::Gossip { topic, from, token: VerdictToken(number), bytes: Arc::from(&*bytes) }
            }
            Event::Request(from, bytes, reply) => {
                let number = self.token();
                self.replies.insert(number, reply);
                Input::Request { from, token: ReplyToken(number), bytes: Arc::from(&*bytes) }
            }
            Event::PeerUp(peer) => Input::PeerUp(peer),
            Event::PeerDown(peer) => Input::PeerDown(peer),
            Event::Stop => unreachable!("the loop ends with it"),
        }
    }

    fn token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token
    }

    fn verdict(&mut self, token: VerdictToken, verdict: Verdict) {
        if let Some(token) = self.verdicts.remove(&token.0) {
            token.answer(match verdict {
                Verdict::Accept => NetworkVerdict::Accept,
                Verdict::Reject => NetworkVerdict::Reject,
                Verdict::Ignore => NetworkVerdict::Ignore,
            });
        }
    }

    fn reply(&mut self, token: ReplyToken, bytes: Bytes) {
        if let Some(Err(error)) = self.replies.remove(&token.0).map(|reply| reply.reply(bytes)) {
            tracing::warn!(%error, "an answer was not sent");
        }
    }
}

fn input_of_answer(answer: Answer) -> Input {
    match answer {
        Answer::Response(id, bytes) => Input::Response { id, bytes: bytes.map(|bytes| Arc::from(&*bytes)) },
        Answer::Verified(ticket, statements) => Input::Verified { ticket, statements },
    }
}

/// Reads blocks from the store and answers with them; with fewer, or none, where the store cannot be read.
fn serve_blocks<R: Read>(reader: &R, from: Height, count_max: u32, bytes_max: usize, reply: ReplyHandle) {
    // A peer may ask from the last height of all on; a range without an end would count past it.
    let heights = (from.0..=u64::MAX).map(Height).take(usize::try_from(count_max).unwrap_or(usize::MAX));
    let read = |height| {
        let (header, body, certificate) =
            (reader.header(height).ok()??, reader.body(height).ok()??, reader.certificate(height).ok()??);
        Some((header, body, certificate))
    };
    let blocks: Vec<_> = heights
        .map_while(read)
        .scan(0, |bytes, block| {
            let first = *bytes == 0;
            *bytes += parts(&block).len_max();
            (first || *bytes <= bytes_max).then_some(block)
        })
        .collect();
    let answer = codec::encode_blocks(&blocks.iter().map(parts).collect::<Vec<_>>());
    if let Err(error) = reply.reply(Bytes::from(answer)) {
        tracing::warn!(%error, "blocks were not sent");
    }
}

fn parts((header, body, certificate): &(Header, Vec<u8>, Vec<u8>)) -> codec::BlockParts<'_> {
    codec::BlockParts { header, certificate, body }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The member's own clock.
pub fn now() -> TimeMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    TimeMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn bytes_of(bytes: Arc<[u8]>) -> Bytes {
    Bytes::from_owner(bytes)
}

/// The network's name of a topic.
fn network_topic(topic: Topic) -> kvitto_network::Topic {
    match topic {
        Topic::Statements => kvitto_network::Topic::Statements,
        Topic::Consensus => kvitto_network::Topic::Consensus,
        Topic::Cosignatures => kvitto_network::Topic::Cosignatures,
    }
}

#[cfg(test)]
mod tests {
    use kvitto_ledger::testing::{Actor, Ledger, commitment};

    use super::*;

    #[tokio::test]
    async fn votes_do_not_wait_behind_statements() {
        let (events, mut inbox) = events();
        let mut ledger = Ledger::new(1);
        let actor = Actor::new("school");
        for number in 0..3 {
            let statement = ledger.sign(&actor, actor.anchors([commitment(number)]));
            events.send(Event::Submit(statement, Origin::Peer)).await.expect("there is room");
        }
        events.send(Event::PeerUp(Peer(1))).await.expect("there is room");
        events.send(Event::PeerDown(Peer(1))).await.expect("there is room");
        drop(events);
        let mut order = Vec::new();
        while let Some(event) = inbox.next().await {
            order.push(matches!(event, Event::Submit(..)));
        }
        assert_eq!(order, [false, false, true, true, true]);
    }
}
