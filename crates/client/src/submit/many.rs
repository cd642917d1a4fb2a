//! Submitting many statements over one stream, with a bounded number under way and answers as they come.
//!
//! ```text
//!  statements ──► open (tag, bytes; at most `in_flight`) ──► stream ──► node
//!                   ▲                                                    │ answer: closes the tag
//!                   ├── "unavailable": sent again after a pause ◄────────┤
//!                   └── stream broken: all open ones, at the next node ◄─┘
//! ```
//!
//! With receipts, an answer waits until all receipts of its statement have come and were verified.

mod open;

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::stream::{BoxStream, Fuse};
use futures::{Stream, StreamExt};
use kvitto_ledger::StatementId;
use kvitto_proto::v1::submit_stream_item::Item;
use kvitto_proto::v1::{
    self, SubmitStreamReceipt, SubmitStreamRequest, SubmitStreamResponse, SubmitStreamResult,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_stream::wrappers::{ReceiverStream, UnboundedReceiverStream};
use tonic::Streaming;

use super::{Answer, not_final_yet};
use crate::client::Client;
use crate::error::{BadAnswer, ClientError, Unavailable};
use crate::pool::{Backoff, Node, stream_ended};
use crate::statement::SignedStatement;
use crate::status::{ProvenReceipt, SharedParts};
use open::Open;

/// Answers that wait for a slow caller before the stream is read no further.
const ANSWERS_AHEAD: usize = 1024;
/// After so many receipts the task lets others run.
const RECEIPTS_AT_ONCE: usize = 16;

/// How many statements are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManyOptions {
    /// Most statements under way; at least 1.
    pub in_flight: usize,
    /// Fetch and verify the receipts of what is anchored.
    pub receipts: bool,
}

impl Default for ManyOptions {
    fn default() -> Self {
        Self { in_flight: 4096, receipts: false }
    }
}

/// What became of one of many statements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The how-manieth statement of the input, from 0.
    pub index: u64,
    /// Its identity.
    pub id: StatementId,
    /// What became of it; never [`Answer::Accepted`].
    pub answer: Answer,
    /// With [`ManyOptions::receipts`], of a statement that is final and anchors: the receipt of every item, in its order.
    pub receipts: Vec<ProvenReceipt>,
}

/// Answers in the order in which they come about; ends after the last one, or with the first error. Dropping it stops the work.
pub struct Submissions(ReceiverStream<Result<Answered, ClientError>>);

impl Stream for Submissions {
    type Item = Result<Answered, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl Client {
    /// Submits statements and yields what became of each, as nodes say it, until all are answered.
    ///
    /// What a break of the connection leaves unanswered is sent again, the same bytes, at the next node. An error ends the
    /// stream: [`ClientError::Unavailable`] when no node answers anything for long, [`ClientError::BadAnswer`]. Statements
    /// without an answer may or may not be recorded then; submitting them again does no harm.
    pub fn submit_many(
        &self,
        statements: impl Stream<Item = SignedStatement> + Send + 'static,
        options: ManyOptions,
    ) -> Submissions {
        let (answers, receiver) = mpsc::channel(ANSWERS_AHEAD);
        let sending = Sending {
            client: self.clone(),
            input: statements.boxed().fuse(),
            input_ended: false,
            options,
            open: BTreeMap::new(),
            again: BTreeSet::new(),
            next_tag: 0,
            backoff: self.pool().backoff(),
            answers,
            silent_since: Instant::now(),
        };
        tokio::spawn(sending.run());
        Submissions(ReceiverStream::new(receiver))
    }
}

struct Sending {
    client: Client,
    input: Fuse<BoxStream<'static, SignedStatement>>,
    input_ended: bool,
    options: ManyOptions,
    /// Statements without an answer, by tag.
    open: BTreeMap<u64, Open>,
    /// Those of them that a node could not take, to be sent again after a pause.
    again: BTreeSet<u64>,
    next_tag: u64,
    backoff: Backoff,
    answers: mpsc::Sender<Result<Answered, ClientError>>,
    /// Since when no statement was answered.
    silent_since: Instant,
}

/// Why a stream to a node is over.
enum End {
    /// Everything is answered.
    Done,
    /// The caller has gone.
    Dropped,
    /// Another stream may do better.
    Broken(Node, Unavailable),
    /// Nothing will.
    Failed(ClientError),
}

/// One stream to a node.
struct Session {
    node: Node,
    requests: mpsc::UnboundedSender<SubmitStreamRequest>,
    answers: Streaming<SubmitStreamResponse>,
    shared: SharedParts,
    /// When those of `again` are sent again.
    resume: Option<Instant>,
}

impl Sending {
    async fn run(mut self) {
        let error = loop {
            match self.session().await {
                End::Done | End::Dropped => return,
                End::Failed(error) => break error,
                End::Broken(node, unavailable) => {
                    self.client.pool().avoid(&node);
                    let pause = self.backoff.pause(unavailable.retry_after);
                    if self.silent_since.elapsed() + pause >= self.client.pool().retry_for() {
                        break unavailable.into();
                    }
                    sleep(pause).await;
                }
            }
        };
        // A caller that has gone needs no reason.
        let _ = self.answers.send(Err(error)).await;
    }

    async fn session(&mut self) -> End {
        if self.open.is_empty() && !self.take_first().await {
            return End::Done;
        }
        let mut session = match self.connect().await {
            Ok(session) => session,
            Err(end) => return end,
        };
        loop {
            if self.open.is_empty() && self.input_ended {
                return End::Done;
            }
            let has_room = !self.input_ended && self.open.len() < self.options.in_flight.max(1);
            let silent_until = self.silent_since.checked_add(self.client.options().final_for);
            let step = tokio::select! {
                message = session.answers.message() => self.message(&mut session, message).await,
                next = self.input.next(), if has_room => {
                    self.take(next).into_iter().for_each(|tag| self.send(&session, tag));
                    Ok(())
                }
                () = at(session.resume) => {
                    session.resume = None;
                    std::mem::take(&mut self.again).into_iter().for_each(|tag| self.send(&session, tag));
                    Ok(())
                }
                () = at(silent_until), if !self.open.is_empty() => {
                    Err(End::Failed(not_final_yet(&session.node).into()))
                }
                () = self.answers.closed() => Err(End::Dropped),
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    /// Waits for the first statement before anything is connected.
    async fn take_first(&mut self) -> bool {
        let next = tokio::select! {
            next = self.input.next() => next,
            () = self.answers.closed() => None,
        };
        self.take(next).is_some()
    }

    /// Opens the stream and sends everything that is open.
    async fn connect(&mut self) -> Result<Session, End> {
        let node = self.client.pool().preferred();
        let time = self.client.pool().timeout();
        let (requests, outbound) = mpsc::unbounded_channel();
        self.again.clear();
        for (tag, open) in &mut self.open {
            open.forget_receipts();
            // The receiver is held here.
            let _ = requests.send(open.request(*tag, self.options.receipts));
        }
        let mut service = node.clone().anchoring();
        let opened = timeout(time, service.submit_stream(UnboundedReceiverStream::new(outbound))).await;
        let error = match opened {
            Ok(Ok(response)) => {
                let (answers, shared) = (response.into_inner(), SharedParts::default());
                return Ok(Session { node, requests, answers, shared, resume: None });
            }
            Ok(Err(status)) => ClientError::of_status(node.name(), &status),
            Err(_) => ClientError::timeout(node.name(), time),
        };
        Err(End::of(node, error))
    }

    /// Takes a statement in; gives its tag.
    fn take(&mut self, next: Option<SignedStatement>) -> Option<u64> {
        let Some(statement) = next else {
            self.input_ended = true;
            return None;
        };
        if self.open.is_empty() {
            self.silent_since = Instant::now();
        }
        let tag = self.next_tag;
        self.next_tag += 1;
        self.open.insert(tag, Open::new(statement));
        Some(tag)
    }

    fn send(&self, session: &Session, tag: u64) {
        if let Some(open) = self.open.get(&tag) {
            // Should the stream be over, its end says so, and everything open is sent again.
            let _ = session.requests.send(open.request(tag, self.options.receipts));
        }
    }

    async fn message(
        &mut self,
        session: &mut Session,
        message: Result<Option<SubmitStreamResponse>, tonic::Status>,
    ) -> Result<(), End> {
        let response = match message {
            Ok(Some(response)) => response,
            Ok(None) => return Err(End::Broken(session.node.clone(), stream_ended(&session.node))),
            Err(status) => {
                let error = ClientError::of_status(session.node.name(), &status);
                return Err(End::of(session.node.clone(), error));
            }
        };
        let node = session.node.clone();
        let bad = |client: &Client, fault| End::Failed(client.pool().bad_answer(&node, fault));
        let mut receipts = 0;
        for item in response.items {
            match item.item {
                Some(Item::Result(result)) => self.result(session, result).await?,
                Some(Item::ReceiptShared(part)) => {
                    session.shared.add(part).map_err(|fault| bad(&self.client, fault))?;
                }
                Some(Item::Receipt(receipt)) => {
                    self.receipt(session, receipt).await?;
                    receipts += 1;
                    if receipts % RECEIPTS_AT_ONCE == 0 {
                        tokio::task::yield_now().await;
                    }
                }
                None => return Err(bad(&self.client, BadAnswer::Mismatch("an empty item"))),
            }
        }
        Ok(())
    }

    async fn result(&mut self, session: &mut Session, result: SubmitStreamResult) -> Result<(), End> {
        // What was sent twice is answered twice.
        let Some(open) = self.open.get_mut(&result.tag) else { return Ok(()) };
        if !result.unavailable_reason.is_empty() {
            self.again.insert(result.tag);
            session.resume.get_or_insert_with(|| Instant::now() + self.backoff.pause_here());
            return Ok(());
        }
        let answer =
            self.client.read_result(&session.node, &open.id(), result.result).map_err(End::Failed)?;
        let done = match &answer {
            Answer::Accepted => {
                // It was not waited for long enough there: sent again, it is waited for again.
                self.again.insert(result.tag);
                session.resume.get_or_insert_with(|| Instant::now() + self.backoff.pause_here());
                return Ok(());
            }
            Answer::Final(_) if self.options.receipts => {
                open.expect_receipts(answer, &self.client).map_err(End::Failed)?
            }
            _ => Some((answer, Vec::new())),
        };
        self.close(result.tag, done).await
    }

    async fn receipt(&mut self, session: &Session, receipt: SubmitStreamReceipt) -> Result<(), End> {
        let Some(open) = self.open.get_mut(&receipt.tag) else { return Ok(()) };
        let made = session.shared.complete(receipt.receipt);
        let made = made.map_err(|fault| End::Failed(self.client.pool().bad_answer(&session.node, fault)))?;
        let done = open.receipt(receipt.item, made, &session.node, &self.client).await;
        let done = done.map_err(End::Failed)?;
        self.close(receipt.tag, done).await
    }

    /// Hands an answer to the caller, if it is complete.
    async fn close(&mut self, tag: u64, done: Option<(Answer, Vec<ProvenReceipt>)>) -> Result<(), End> {
        let Some((answer, receipts)) = done else { return Ok(()) };
        let Some(open) = self.open.remove(&tag) else { return Ok(()) };
        self.again.remove(&tag);
        self.silent_since = Instant::now();
        self.backoff.reset(self.client.options().retry_pause);
        let answered = Answered { index: tag, id: open.id(), answer, receipts };
        self.answers.send(Ok(answered)).await.map_err(|_| End::Dropped)
    }
}

impl End {
    fn of(node: Node, error: ClientError) -> Self {
        match error {
            ClientError::Unavailable(unavailable) => Self::Broken(node, unavailable),
            error => Self::Failed(error),
        }
    }
}

/// Never, where there is no such time.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}

/// How a statement is sent.
fn request(statement: &SignedStatement, tag: u64, receipts: bool) -> SubmitStreamRequest {
    SubmitStreamRequest { statement: statement.bytes().clone(), tag, wait: v1::Wait::Final.into(), receipts }
}
