//! `StatusService`: the status of credentials with proof, as of any published moment.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;

use futures::stream::{self, Stream};
use kvitto_ledger::{Height, Position};
use kvitto_merkle::status::{StatusValue, chunk_index};
use kvitto_proto::convert::{ConvertError, CredentialName};
use kvitto_proto::v1::batch_get_status_item::Item;
use kvitto_proto::v1::batch_get_status_result::Answer;
use kvitto_proto::v1::status_service_server::StatusService;
use kvitto_proto::v1::{
    BatchGetStatusItem, BatchGetStatusRequest, BatchGetStatusResponse, BatchGetStatusResult, Credential,
    GetReceiptRequest, GetReceiptResponse, GetStatusRequest, GetStatusResponse, WatchStatusRequest,
    WatchStatusResponse,
};
use kvitto_storage::{Read, StoreError};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tonic::{Request, Response, Status};

use crate::context::Context;
use crate::proofs::chunk_at;
use crate::reason::{Reason, refuse, store_failed};
use crate::receipts::{self, Anchored, SharedNumbers};
use crate::snapshot::Snapshot;

/// Most credentials of one batch.
const BATCH_MAX: usize = 512;
/// Credentials of a batch that are answered in one message.
const BATCH_STEP: usize = 32;
/// Most credentials of one watch.
const WATCH_MAX: usize = 256;

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
        let (snapshot, anchored) = self.find(request.credential.as_ref(), request.at)?;
        let status = receipts::status_of(&snapshot, &anchored).map_err(store_failed)?;
        let receipt = match request.omit_receipt {
            true => bytes::Bytes::new(),
            false => self.receipt(&snapshot, &anchored)?,
        };
        Ok(Response::new(GetStatusResponse { status: Some(status.into()), receipt }))
    }

    type BatchGetStatusStream = Answers<BatchGetStatusResponse>;

    async fn batch_get_status(
        &self,
        request: Request<BatchGetStatusRequest>,
    ) -> Result<Response<Self::BatchGetStatusStream>, Status> {
        let request = request.into_inner();
        if !(1..=BATCH_MAX).contains(&request.credentials.len()) {
            return Err(refuse(Reason::BatchSize));
        }
        let names = request.credentials.iter().map(name).collect::<Result<Vec<_>, _>>()?;
        let batch = Batch {
            snapshot: Snapshot::at(&self.context.read, request.at.into())?,
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
        let (snapshot, anchored) = self.find(request.credential.as_ref(), request.at)?;
        Ok(Response::new(GetReceiptResponse { receipt: self.receipt(&snapshot, &anchored)? }))
    }

    type WatchStatusStream = Answers<WatchStatusResponse>;

    async fn watch_status(
        &self,
        request: Request<WatchStatusRequest>,
    ) -> Result<Response<Self::WatchStatusStream>, Status> {
        let request = request.into_inner();
        if !(1..=WATCH_MAX).contains(&request.credentials.len()) {
            return Err(refuse(Reason::BatchSize));
        }
        let permit = self.context.stream_permit()?;
        let checkpoints = self.context.notices.checkpoints();
        let snapshot = Snapshot::newest(&self.context.read)?;
        let watched = request.credentials.iter().map(|credential| {
            let anchored = locate(&snapshot, name(credential)?).map_err(store_failed)?;
            let anchored = anchored.ok_or_else(|| refuse(Reason::NotAnchored))?;
            Ok(Watched { position: anchored.record.position, last: None })
        });
        let watch = StatusWatch {
            watched: watched.collect::<Result<_, Status>>()?,
            context: self.context.clone(),
            seen: None,
            with_receipts: !request.omit_receipts,
            queue: VecDeque::new(),
            checkpoints,
            _permit: permit,
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

impl<R: Read> Statuses<R> {
    fn find(
        &self,
        credential: Option<&Credential>,
        at: Option<kvitto_proto::v1::At>,
    ) -> Result<(Snapshot<R>, Anchored), Status> {
        let name = name(credential.ok_or_else(|| refuse(Reason::Credential))?)?;
        let snapshot = Snapshot::at(&self.context.read, at.into())?;
        let anchored = locate(&snapshot, name).map_err(store_failed)?;
        Ok((snapshot, anchored.ok_or_else(|| refuse(Reason::NotAnchored))?))
    }

    fn receipt(&self, snapshot: &Snapshot<R>, anchored: &Anchored) -> Result<bytes::Bytes, Status> {
        receipts::json(&self.context.receipts, snapshot, anchored).map(Into::into).map_err(store_failed)
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

/// The credential's record. For an issuer that is not registered and for one that has not anchored the commitment the answer
/// is the same, whoever else has (RULES 9).
fn locate<R: Read>(snapshot: &Snapshot<R>, name: CredentialName) -> Result<Option<Anchored>, StoreError> {
    let position = match name {
        CredentialName::Position(position) => Some(position),
        CredentialName::Commitment { issuer, commitment } => {
            match snapshot.read.identifier_at(snapshot.height(), &issuer)? {
                Some(issuer) => snapshot
                    .read
                    .anchors_at(snapshot.height(), issuer.number, &[commitment])?
                    .into_iter()
                    .next()
                    .flatten(),
                None => None,
            }
        }
    };
    position.map_or(Ok(None), |position| receipts::anchored(snapshot, position))
}

struct Batch<R> {
    context: Arc<Context<R>>,
    snapshot: Snapshot<R>,
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
        match locate(&self.snapshot, name)? {
            None => result.answer = Some(Answer::ErrorReason(Reason::NotAnchored.name().to_owned())),
            Some(anchored) => {
                let status = receipts::status_of(&self.snapshot, &anchored)?;
                result.answer = Some(Answer::Status(status.into()));
                if self.with_receipts {
                    let key = receipts::key_of(&anchored);
                    let shared = self.context.receipts.shared(&self.snapshot, &key)?;
                    let (number, is_new) = self.numbers.number(key, &shared);
                    if is_new {
                        let shared = Item::ReceiptShared(shared.to_wire(number));
                        items.push(BatchGetStatusItem { item: Some(shared) });
                    }
                    let own = receipts::item(&self.snapshot, &shared, &anchored)?;
                    result.receipt = Some(own.into_wire(number));
                }
            }
        }
        items.push(BatchGetStatusItem { item: Some(Item::Result(result)) });
        Ok(())
    }
}

struct Watched {
    position: Position,
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
    _permit: OwnedSemaphorePermit,
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
        let snapshot = Snapshot::newest(&self.context.read)?;
        if self.seen == Some(snapshot.height()) {
            return Ok(());
        }
        self.seen = Some(snapshot.height());
        for (index, watched) in (0..).zip(&mut self.watched) {
            let position = watched.position;
            let chunk =
                chunk_at(&snapshot.read, snapshot.height(), chunk_index(position.0)).map_err(store_failed)?;
            let value = chunk.value(position.0);
            if watched.last.replace(value) == Some(value) {
                continue;
            }
            let anchored = receipts::anchored(&snapshot, position).map_err(store_failed)?;
            let anchored = anchored.ok_or_else(|| refuse(Reason::NotAnchored))?;
            let status = receipts::status_of(&snapshot, &anchored).map_err(store_failed)?;
            let receipt = match self.with_receipts {
                true => receipts::json(&self.context.receipts, &snapshot, &anchored).map_err(store_failed)?,
                false => String::new(),
            };
            self.queue.push_back(WatchStatusResponse {
                index,
                status: Some(status.into()),
                receipt: receipt.into(),
            });
        }
        Ok(())
    }
}
