//! `SubmitStream`: one task per stream, no task per statement; answers go out in batches.
//!
//! ```text
//!  client ──► reading (stops while too much is under way) ──► admissions ──► waiting ──┐
//!  client ◄── outbox (at most BATCH_ITEMS) ◄── ACCEPTED, REJECTED … ◄┘    notices ─────┴──► FINAL, receipts
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use kvitto_ledger::StatementId;
use kvitto_ledger::state::Outcome;
use kvitto_proto::convert::{self, Progress, StatementResult};
use kvitto_proto::v1::submit_stream_item::Item;
use kvitto_proto::v1::{
    SubmitStreamItem, SubmitStreamReceipt, SubmitStreamRequest, SubmitStreamResponse, SubmitStreamResult,
    Wait,
};
use kvitto_storage::{Read, StoreError};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use crate::anchoring::anchored_by;
use crate::context::Context;
use crate::moment;
use crate::node::{Admitted, Submit, SubmitError};
use crate::notices::Notice;
use crate::places::Place;
use crate::reason::{Reason, refuse, store_failed, unavailable};
use crate::receipts::SharedNumbers;
use crate::settled::{Known, Settled, refused, result};

/// Most items of one answer.
const BATCH_ITEMS: usize = 256;
/// Answers that may wait for a slow client before the stream stops reading.
const ANSWERS_AHEAD: usize = 4;

type Answers = mpsc::Sender<Result<SubmitStreamResponse, Status>>;

/// What the client asked for with a statement.
#[derive(Clone, Copy)]
struct Wish {
    tag: u64,
    receipts: bool,
    until_final: bool,
    /// Notices that the session had seen when it began to bring the statement to the node.
    seen: u64,
}

struct Session<R> {
    context: Arc<Context<R>>,
    answers: Answers,
    /// Statements that no checkpoint covers yet.
    waiting: BTreeMap<StatementId, Vec<Wish>>,
    waiting_count: usize,
    /// Those of them that the node has done with.
    known: BTreeMap<StatementId, Known>,
    /// Notices so far.
    seen: u64,
    numbers: SharedNumbers,
    outbox: Vec<SubmitStreamItem>,
}

/// The stream is over: the client has gone, or it ends with an error that was sent.
struct Ended;

/// Starts the stream's task; the answers come out of the receiver.
pub(crate) fn start<S: Submit, R: Read>(
    submit: S,
    context: Arc<Context<R>>,
    inbound: Streaming<SubmitStreamRequest>,
    place: Place,
) -> mpsc::Receiver<Result<SubmitStreamResponse, Status>> {
    let (answers, outbound) = mpsc::channel(ANSWERS_AHEAD);
    let session = Session {
        context,
        answers,
        waiting: BTreeMap::new(),
        waiting_count: 0,
        known: BTreeMap::new(),
        seen: 0,
        numbers: SharedNumbers::default(),
        outbox: Vec::new(),
    };
    tokio::spawn(async move {
        let _place = place;
        // Either way the end of the answers has told the client.
        let _ = session.run(submit, inbound).await;
    });
    outbound
}

impl<R: Read> Session<R> {
    async fn run<S: Submit>(
        mut self,
        submit: S,
        mut inbound: Streaming<SubmitStreamRequest>,
    ) -> Result<(), Ended> {
        let (admissions_max, waiting_max) =
            (self.context.config.stream_admissions_max, self.context.config.stream_waiting_max);
        let mut notices = self.context.notices.subscribe();
        let context = self.context.clone();
        let mut drained = std::pin::pin!(context.drained());
        let mut admissions: FuturesUnordered<BoxFuture<'static, _>> = FuturesUnordered::new();
        let mut reading = true;
        while reading || !admissions.is_empty() || !self.waiting.is_empty() {
            let has_room = admissions.len() < admissions_max && self.waiting_count < waiting_max;
            tokio::select! {
                biased;
                notice = notices.recv() => self.notice(notice).await?,
                Some((wish, admitted)) = admissions.next() => {
                    self.admitted(wish, admitted).await?;
                    while self.outbox.len() < BATCH_ITEMS
                        && let Some(Some((wish, admitted))) = admissions.next().now_or_never()
                    {
                        self.admitted(wish, admitted).await?;
                    }
                }
                message = inbound.message(), if reading && has_room => match message {
                    Ok(Some(request)) => {
                        admissions.push(admission(submit.clone(), request, self.seen).boxed());
                    }
                    Ok(None) => reading = false,
                    Err(status) => return self.end(status).await,
                },
                () = &mut drained => return self.end(refuse(Reason::Draining)).await,
                () = self.answers.closed() => return Err(Ended),
            }
            self.flush().await?;
        }
        Ok(())
    }

    /// A statement was taken or refused.
    async fn admitted(&mut self, wish: Wish, admitted: Result<Admitted, SubmitError>) -> Result<(), Ended> {
        let (id, known) = match admitted {
            // A notice that came before the answer may have been about it, when nobody waited for it yet.
            Ok(Admitted::Accepted(id)) if wish.seen != self.seen => match self.context.known(&id) {
                Ok(known) => (id, known),
                Err(error) => return self.end(store_failed(error)).await,
            },
            Ok(Admitted::Accepted(id)) => (id, None),
            Ok(Admitted::Executed(id, outcome)) => (id, Some(Known::Executed(outcome))),
            Err(SubmitError::Rejected(verdict)) => match verdict.id {
                Some(id) => (id, Some(Known::Rejected(verdict))),
                None => {
                    let progress = refused(&verdict, Vec::new());
                    self.result(wish, StatementResult { id: None, progress });
                    return Ok(());
                }
            },
            Err(error) => {
                let reason = unavailable(&error).map_or(Reason::SafetyHalt, |(reason, _)| reason);
                self.push(Item::Result(SubmitStreamResult {
                    tag: wish.tag,
                    result: None,
                    unavailable_reason: reason.name().to_owned(),
                }));
                return Ok(());
            }
        };
        let settled = match known.as_ref().map(|known| self.context.settled(known)).transpose() {
            Ok(settled) => settled.flatten(),
            Err(error) => return self.end(store_failed(error)).await,
        };
        match settled {
            Some(settled) => return self.answer(id, wish, settled).await,
            None if wish.until_final => {
                self.waiting.entry(id).or_default().push(wish);
                self.waiting_count += 1;
                self.known.extend(known.map(|known| (id, known)));
            }
            None => self.result(wish, result(id, Progress::Accepted)),
        }
        Ok(())
    }

    async fn notice(&mut self, notice: Result<Notice, RecvError>) -> Result<(), Ended> {
        self.seen += 1;
        match notice {
            Ok(Notice::Published { outcomes, .. }) => {
                for (id, outcome) in outcomes.iter() {
                    if self.waiting.contains_key(id) {
                        self.settle(*id, &Settled::Final(outcome.clone())).await?;
                    }
                }
            }
            Ok(Notice::Dropped(verdicts)) => {
                for verdict in verdicts.iter() {
                    if let Some(id) = verdict.id.filter(|id| self.waiting.contains_key(id)) {
                        self.known.insert(id, Known::Rejected(verdict.clone()));
                    }
                }
            }
            Err(RecvError::Lagged(_)) => self.look_everything_up().await?,
            Err(RecvError::Closed) => return Err(Ended),
        }
        self.settle_known().await
    }

    /// Notices were missed: asks the store about everything that waits.
    async fn look_everything_up(&mut self) -> Result<(), Ended> {
        for id in self.waiting.keys() {
            match self.context.known(id) {
                Ok(known) => self.known.extend(known.map(|known| (*id, known))),
                Err(error) => return self.end(store_failed(error)).await,
            }
        }
        Ok(())
    }

    /// Answers what a checkpoint covers by now.
    async fn settle_known(&mut self) -> Result<(), Ended> {
        let settled = self.known.iter().map(|(id, known)| Ok((*id, self.context.settled(known)?)));
        let settled = match settled.collect::<Result<Vec<_>, StoreError>>() {
            Ok(settled) => settled,
            Err(error) => return self.end(store_failed(error)).await,
        };
        for (id, settled) in settled {
            if let Some(settled) = settled {
                self.settle(id, &settled).await?;
            }
        }
        Ok(())
    }

    /// Stops waiting for a statement, and answers everyone who did.
    async fn settle(&mut self, id: StatementId, settled: &Settled) -> Result<(), Ended> {
        self.known.remove(&id);
        let wishes = self.waiting.remove(&id).unwrap_or_default();
        self.waiting_count -= wishes.len();
        for wish in wishes {
            self.answer(id, wish, settled.clone()).await?;
        }
        Ok(())
    }

    /// Answers a statement, followed by its receipts where they were asked for.
    async fn answer(&mut self, id: StatementId, wish: Wish, settled: Settled) -> Result<(), Ended> {
        let with_receipts = match &settled {
            Settled::Final(outcome) if wish.receipts => Some(outcome.clone()),
            _ => None,
        };
        self.result(wish, result(id, settled.progress()));
        if let Some(outcome) = with_receipts {
            self.receipts(wish.tag, &outcome).await?;
        }
        if self.outbox.len() >= BATCH_ITEMS {
            self.flush().await?;
        }
        Ok(())
    }

    async fn receipts(&mut self, tag: u64, outcome: &Outcome) -> Result<(), Ended> {
        let prover = match moment::newest(&self.context.read) {
            Ok(prover) => prover,
            Err(status) => return self.end(status).await,
        };
        let anchored = match anchored_by(&prover, outcome) {
            Ok(anchored) => anchored,
            Err(error) => return self.end(store_failed(error)).await,
        };
        for (item, anchored) in anchored {
            let (shared, own) = match self.context.receipts.parts(&prover, &anchored) {
                Ok(parts) => parts,
                Err(error) => return self.end(store_failed(error)).await,
            };
            let (number, first) = self.numbers.number(anchored.accreditation(), &shared);
            if let Some(shared) = first {
                self.push(Item::ReceiptShared(shared));
            }
            let receipt = Some(convert::receipt_item(number, own.part));
            self.push(Item::Receipt(SubmitStreamReceipt { tag, item, receipt }));
            if self.outbox.len() >= BATCH_ITEMS {
                self.flush().await?;
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    fn result(&mut self, wish: Wish, result: StatementResult) {
        let result = Some(result.into());
        self.push(Item::Result(SubmitStreamResult {
            tag: wish.tag,
            result,
            unavailable_reason: String::new(),
        }));
    }

    fn push(&mut self, item: Item) {
        self.outbox.push(SubmitStreamItem { item: Some(item) });
    }

    async fn flush(&mut self) -> Result<(), Ended> {
        if self.outbox.is_empty() {
            return Ok(());
        }
        let items = std::mem::take(&mut self.outbox);
        self.answers.send(Ok(SubmitStreamResponse { items })).await.map_err(|_| Ended)
    }

    async fn end(&mut self, status: Status) -> Result<(), Ended> {
        self.flush().await?;
        // Whether the client still listens makes no difference now.
        let _ = self.answers.send(Err(status)).await;
        Err(Ended)
    }
}

async fn admission<S: Submit>(
    submit: S,
    request: SubmitStreamRequest,
    seen: u64,
) -> (Wish, Result<Admitted, SubmitError>) {
    let until_final = request.wait() != Wait::Accepted;
    let wish = Wish { tag: request.tag, receipts: request.receipts, until_final, seen };
    (wish, submit.submit(request.statement).await)
}
