//! `StatusService`: the status of credentials with proof, as of any published moment.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;

use futures::stream::{self, Stream};
use kvitto_ledger::Height;
use kvitto_merkle::status::StatusValue;
use kvitto_proto::convert::{self, ConvertError, CredentialName};
use kvitto_proto::limits::{BATCH_CREDENTIALS_MAX, WATCH_CREDENTIALS_MAX};
use kvitto_proto::v1::batch_get_status_item::Item;
use kvitto_proto::v1::batch_get_status_result::Answer;
use kvitto_proto::v1::status_service_server::StatusService;
use kvitto_proto::v1::{
    BatchGetStatusItem, BatchGetStatusRequest, BatchGetStatusResponse, BatchGetStatusResult, Credential,
    GetReceiptRequest, GetReceiptResponse, GetStatusRequest, GetStatusResponse, WatchStatusRequest,
    WatchStatusResponse,
};
use kvitto_storage::prove::{Anchored, Prover, Subject};
use kvitto_storage::{Read, StoreError};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::context::Context;
use crate::moment;
use crate::places::Place;
use crate::reason::{Reason, refuse, store_failed};
use crate::receipts::{Proved, SharedNumbers, status_of};

/// Credentials of a batch that are answered in one message.
const BATCH_STEP: usize = 32;

pub(crate) struct Statuses<R> {
    pub(crate) context: Arc<Context<R>>,
}

#[tonic::async_trait]
impl<R: Read> StatusService for Statuses<R> {
    async fn get_status(
        &self,
        request: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        let request = request.into_inner();
        let (prover, anchored) = self.find(request.credential.as_ref(), request.at)?;
        let proved = self.context.prove(&prover, &anchored, !request.omit_receipt).map_err(store_failed)?;
        let status = status_of(&prover, &anchored, proved.status);
        Ok(Response::new(GetStatusResponse { status: Some(status.into()), receipt: proved.receipt.into() }))
    }

    type BatchGetStatusStream = Answers<BatchGetStatusResponse>;

    async fn batch_get_status(
        &self,
        request: Request<BatchGetStatusRequest>,
    ) -> Result<Response<Self::BatchGetStatusStream>, Status> {
        let request = request.into_inner();
        if !(1..=BATCH_CREDENTIALS_MAX).contains(&request.credentials.len()) {
            return Err(refuse(Reason::BatchSize));
        }
        let names = request.credentials.iter().map(name).collect::<Result<Vec<_>, _>>()?;
        let batch = Batch {
            prover: moment::at(&self.context.read, request.at.into())?,
            context: self.context.clone(),
            names: (0..).zip(names).collect(),
            with_receipts: !request.omit_receipts,
            numbers: SharedNumbers::default(),
        };
        Ok(Response::new(Box::pin(stream::unfold(batch, |mut batch| async {
            // Each step computes for a while; others get their turn in between.
            tokio::task::yield_now().await;
            let step = batch.step()?;
            Some((step, batch))
        }))))
    }

    async fn get_receipt(
        &self,
        request: Request<GetReceiptRequest>,
    ) -> Result<Response<GetReceiptResponse>, Status> {
        let request = request.into_inner();
        let (prover, anchored) = self.find(request.credential.as_ref(), request.at)?;
        let proved = self.context.receipts.proved(&prover, &anchored).map_err(store_failed)?;
        Ok(Response::new(GetReceiptResponse { receipt: proved.receipt.into() }))
    }

    type WatchStatusStream = Answers<WatchStatusResponse>;

    async fn watch_status(
        &self,
        request: Request<WatchStatusRequest>,
    ) -> Result<Response<Self::WatchStatusStream>, Status> {
        if !(1..=WATCH_CREDENTIALS_MAX).contains(&request.get_ref().credentials.len()) {
            return Err(refuse(Reason::BatchSize));
        }
        let place = self.context.stream_place(&request)?;
        let request = request.into_inner();
        let checkpoints = self.context.notices.checkpoints();
        let prover = moment::newest(&self.context.read)?;
        let watched = request.credentials.iter().map(|credential| {
            let anchored = prover.anchored(subject(name(credential)?)).map_err(store_failed)?;
            let anchored = anchored.map_err(|_| refuse(Reason::NotAnchored))?;
            Ok(Watched { anchored, last: None })
        });
        let watch = StatusWatch {
            watched: watched.collect::<Result<_, Status>>()?,
            context: self.context.clone(),
            seen: None,
            with_receipts: !request.omit_receipts,
            queue: VecDeque::new(),
            checkpoints,
            _place: place,
        };
        Ok(Response::new(Box::pin(stream::unfold(Some(watch), |watch| async {
            let mut watch = watch?;
            match watch.next().await {
                Ok(answer) => Some((Ok(answer), Some(watch))),
                Err(status) => Some((Err(status), None)),
            }
        }))))
    }
}

/// A stream of answers; it is only as far ahead as the client takes them.
pub(crate) type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl<R: Read> Context<R> {
    /// A credential's status, with the receipt if it is wanted.
    fn prove(
        &self,
        prover: &Prover<R>,
        anchored: &Anchored,
        with_receipt: bool,
    ) -> Result<Proved, StoreError> {
        match with_receipt {
            true => self.receipts.proved(prover, anchored),
            false => {
                let status = prover.status(anchored.record.position)?;
                Ok(Proved { status, receipt: String::new() })
            }
        }
    }
}

impl<R: Read> Statuses<R> {
    fn find(
        &self,
        credential: Option<&Credential>,
        at: Option<kvitto_proto::v1::At>,
    ) -> Result<(Prover<R>, Anchored), Status> {
        let name = name(credential.ok_or_else(|| refuse(Reason::Credential))?)?;
        let prover = moment::at(&self.context.read, at.into())?;
        let anchored = prover.anchored(subject(name)).map_err(store_failed)?;
        Ok((prover, anchored.map_err(|_| refuse(Reason::NotAnchored))?))
    }
}

fn name(credential: &Credential) -> Result<CredentialName, Status> {
    credential.try_into().map_err(|error| {
        refuse(match error {
            ConvertError::Unknown(_) => Reason::Did,
            ConvertError::Length { .. } => Reason::Commitment,
            ConvertError::Missing(_) => Reason::Credential,
        })
    })
}

fn subject(name: CredentialName) -> Subject {
    match name {
        CredentialName::Position(position) => Subject::Position(position),
        CredentialName::Commitment { issuer, commitment } => Subject::Commitment { issuer, commitment },
    }
}

struct Batch<R> {
    context: Arc<Context<R>>,
    prover: Prover<R>,
    names: VecDeque<(u32, CredentialName)>,
    with_receipts: bool,
    numbers: SharedNumbers,
}

impl<R: Read> Batch<R> {
    /// The next message; `None` after the last.
    fn step(&mut self) -> Option<Result<BatchGetStatusResponse, Status>> {
        let count = self.names.len().min(BATCH_STEP);
        let names: Vec<_> = self.names.drain(..count).collect();
        if names.is_empty() {
            return None;
        }
        let mut items = Vec::with_capacity(names.len());
        for (index, name) in names {
            if let Err(error) = self.answer(index, name, &mut items) {
                self.names.clear();
                return Some(Err(store_failed(error)));
            }
        }
        Some(Ok(BatchGetStatusResponse { items }))
    }

    fn answer(
        &mut self,
        index: u32,
        name: CredentialName,
        items: &mut Vec<BatchGetStatusItem>,
    ) -> Result<(), StoreError> {
        let mut result = BatchGetStatusResult { index, answer: None, receipt: None };
        match self.prover.anchored(subject(name))? {
            Err(_) => result.answer = Some(Answer::ErrorReason(Reason::NotAnchored.name().to_owned())),
            Ok(anchored) if self.with_receipts => {
                let (shared, own) = self.context.receipts.parts(&self.prover, &anchored)?;
                let (number, first) = self.numbers.number(anchored.accreditation(), &shared);
                items.extend(
                    first.map(|shared| BatchGetStatusItem { item: Some(Item::ReceiptShared(shared)) }),
                );
                result.answer = Some(self.status(&anchored, own.status));
                result.receipt = Some(convert::receipt_item(number, own.part));
            }
            Ok(anchored) => {
                let status = self.prover.status(anchored.record.position)?;
                result.answer = Some(self.status(&anchored, status));
            }
        }
        items.push(BatchGetStatusItem { item: Some(Item::Result(result)) });
        Ok(())
    }

    fn status(&self, anchored: &Anchored, status: StatusValue) -> Answer {
        Answer::Status(status_of(&self.prover, anchored, status).into())
    }
}

struct Watched {
    anchored: Anchored,
    last: Option<StatusValue>,
}

/// Compares on demand, so a slow client costs nothing and several changes between two answers come as one.
struct StatusWatch<R> {
    context: Arc<Context<R>>,
    watched: Vec<Watched>,
    /// The block compared with last.
    seen: Option<Height>,
    with_receipts: bool,
    queue: VecDeque<WatchStatusResponse>,
    checkpoints: watch::Receiver<u64>,
    _place: Place,
}

impl<R: Read> StatusWatch<R> {
    async fn next(&mut self) -> Result<WatchStatusResponse, Status> {
        loop {
            if let Some(answer) = self.queue.pop_front() {
                return Ok(answer);
            }
            if self.seen.is_some() {
                tokio::select! {
                    changed = self.checkpoints.changed() => changed.map_err(|_| refuse(Reason::Draining))?,
                    () = self.context.drained() => return Err(refuse(Reason::Draining)),
                }
            }
            self.compare()?;
        }
    }

    fn compare(&mut self) -> Result<(), Status> {
        let prover = moment::newest(&self.context.read)?;
        if self.seen == Some(prover.height()) {
            return Ok(());
        }
        self.seen = Some(prover.height());
        for (index, Watched { anchored, last }) in (0..).zip(&mut self.watched) {
            let value = prover.status(anchored.record.position).map_err(store_failed)?;
            if last.replace(value) == Some(value) {
                continue;
            }
            let proved = self.context.prove(&prover, anchored, self.with_receipts).map_err(store_failed)?;
            let status = Some(status_of(&prover, anchored, proved.status).into());
            self.queue.push_back(WatchStatusResponse { index, status, receipt: proved.receipt.into() });
        }
        Ok(())
    }
}
