//! `AnchoringService`: statements in, outcomes out.

use std::sync::Arc;
use std::time::Duration;

use kvitto_ledger::state::{ItemOutcome, Outcome};
use kvitto_ledger::{Position, Rejection, StatementId};
use kvitto_proto::convert::{self, Progress};
use kvitto_proto::v1::anchoring_service_server::AnchoringService;
use kvitto_proto::v1::{
    GetOutcomeRequest, GetOutcomeResponse, SubmitRequest, SubmitResponse, SubmitStreamRequest,
    SubmitStreamResponse, Wait,
};
use kvitto_storage::prove::{Anchored, Prover, Subject};
use kvitto_storage::{Read, StoreError};
use tokio::sync::broadcast;
use tokio::time::{Instant, timeout_at};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::context::Context;
use crate::moment;
use crate::node::{Admitted, Submit, SubmitError};
use crate::notices::Notice;
use crate::reason::{Reason, refuse, refuse_for_now, rejected, store_failed, unavailable};
use crate::settled::{Known, Settled, result};
use crate::submit_stream;

/// Most items whose receipts fit into a unary answer.
pub(crate) const UNARY_RECEIPTS_MAX: usize = 16;

pub(crate) struct Anchoring<S, R> {
    pub(crate) submit: S,
    pub(crate) context: Arc<Context<R>>,
}

#[tonic::async_trait]
impl<S: Submit, R: Read> AnchoringService for Anchoring<S, R> {
    async fn submit(&self, request: Request<SubmitRequest>) -> Result<Response<SubmitResponse>, Status> {
        let request = request.into_inner();
        let deadline = Instant::now() + self.wait(&request);
        let with_receipts = !request.omit_receipts;
        // Listening begins before submitting, so that nothing that happens afterwards is missed.
        let notices = self.context.notices.subscribe();
        let (id, known) = match self.submit.submit(request.statement).await {
            Ok(Admitted::Accepted(id)) => (id, None),
            Ok(Admitted::Executed(id, outcome)) => (id, Some(Known::Executed(outcome))),
            Err(SubmitError::Rejected(verdict)) => match verdict.id {
                Some(id) => (id, Some(Known::Rejected(verdict))),
                None => return Err(rejected(&verdict)),
            },
            Err(error) => return Err(not_taken(&error)),
        };
        let settled = self.settle(notices, &id, known, deadline).await.map_err(store_failed)?;
        let receipts = match &settled {
            None => Vec::new(),
            Some(Settled::Refused(verdict, _)) if verdict.rejection != Rejection::NothingNew => {
                return Err(rejected(verdict));
            }
            Some(_) if !with_receipts => Vec::new(),
            Some(Settled::Final(outcome)) => self.receipts(outcome)?,
            Some(Settled::Refused(_, existing)) => self.receipts_of(existing)?,
        };
        let progress = settled.map_or(Progress::Accepted, Settled::progress);
        let result = Some(result(id, progress).into());
        Ok(Response::new(SubmitResponse { result, receipts }))
    }

    type SubmitStreamStream = ReceiverStream<Result<SubmitStreamResponse, Status>>;

    async fn submit_stream(
        &self,
        request: Request<Streaming<SubmitStreamRequest>>,
    ) -> Result<Response<Self::SubmitStreamStream>, Status> {
        let place = self.context.stream_place(&request)?;
        let answers =
            submit_stream::start(self.submit.clone(), self.context.clone(), request.into_inner(), place);
        Ok(Response::new(ReceiverStream::new(answers)))
    }

    async fn get_outcome(
        &self,
        request: Request<GetOutcomeRequest>,
    ) -> Result<Response<GetOutcomeResponse>, Status> {
        let id = convert::statement_id(&request.into_inner().statement_id)
            .map_err(|_| refuse(Reason::StatementId))?;
        let progress = self.progress(&id)?;
        let progress = progress.ok_or_else(|| refuse(Reason::StatementUnknown))?;
        Ok(Response::new(GetOutcomeResponse { result: Some(result(id, progress).into()) }))
    }
}

impl<S: Submit, R: Read> Anchoring<S, R> {
    /// How long to wait for FINAL.
    fn wait(&self, request: &SubmitRequest) -> Duration {
        let config = &self.context.config;
        match (request.wait(), request.wait_ms) {
            (Wait::Unspecified | Wait::Accepted, _) => Duration::ZERO,
            (Wait::Final, 0) => config.wait_default,
            (Wait::Final, wait_ms) => Duration::from_millis(wait_ms.into()).min(config.wait_max),
        }
    }

    /// Waits until a checkpoint covers what is `known`, or is to become known, about the statement; `None` where time is over
    /// before, or the node stops.
    async fn settle(
        &self,
        mut notices: broadcast::Receiver<Notice>,
        id: &StatementId,
        mut known: Option<Known>,
        deadline: Instant,
    ) -> Result<Option<Settled>, StoreError> {
        loop {
            if let Some(known) = &known
                && let Some(settled) = self.context.settled(known)?
            {
                return Ok(Some(settled));
            }
            let notice = tokio::select! {
                notice = timeout_at(deadline, notices.recv()) => notice,
                () = self.context.drained() => return Ok(None),
            };
            let news = match notice {
                Err(_) | Ok(Err(broadcast::error::RecvError::Closed)) => return Ok(None),
                Ok(Ok(notice)) => notice.about(id),
                Ok(Err(broadcast::error::RecvError::Lagged(_))) => self.context.known(id)?,
            };
            known = news.or(known);
        }
    }

    /// All or none: a client that finds fewer than it asked for cannot tell which.
    fn receipts_of(&self, positions: &[Position]) -> Result<Vec<bytes::Bytes>, Status> {
        if positions.len() > UNARY_RECEIPTS_MAX {
            return Ok(Vec::new());
        }
        let prover = moment::newest(&self.context.read)?;
        let anchored: Result<Vec<_>, StoreError> =
            positions.iter().map(|position| prover.anchored(Subject::Position(*position))).collect();
        let anchored: Result<Vec<_>, _> = anchored.map_err(store_failed)?.into_iter().collect();
        self.files(&prover, &anchored.unwrap_or_default())
    }

    fn receipts(&self, outcome: &Outcome) -> Result<Vec<bytes::Bytes>, Status> {
        if item_count(outcome) > UNARY_RECEIPTS_MAX {
            return Ok(Vec::new());
        }
        let prover = moment::newest(&self.context.read)?;
        let anchored = anchored_by(&prover, outcome).map_err(store_failed)?;
        let anchored: Vec<_> = anchored.into_iter().map(|(_, anchored)| anchored).collect();
        self.files(&prover, &anchored)
    }

    fn files(&self, prover: &Prover<R>, anchored: &[Anchored]) -> Result<Vec<bytes::Bytes>, Status> {
        let file = |anchored| Ok(self.context.receipts.proved(prover, anchored)?.receipt.into());
        anchored.iter().map(file).collect::<Result<_, _>>().map_err(store_failed)
    }

    fn progress(&self, id: &StatementId) -> Result<Option<Progress>, Status> {
        // In this order: one that was dropped may be back in the mempool, and one that waits may have been executed.
        let is_waiting = self.submit.is_waiting(id);
        match self.context.known(id).map_err(store_failed)? {
            Some(Known::Rejected(_)) if is_waiting => Ok(Some(Progress::Accepted)),
            Some(known) => {
                let settled = self.context.settled(&known).map_err(store_failed)?;
                Ok(Some(settled.map_or(Progress::Accepted, Settled::progress)))
            }
            None => Ok(is_waiting.then_some(Progress::Accepted)),
        }
    }
}

/// The credentials that an executed statement anchored or found anchored, with their items' numbers.
pub(crate) fn anchored_by<R: Read>(
    prover: &Prover<R>,
    outcome: &Outcome,
) -> Result<Vec<(u32, Anchored)>, StoreError> {
    let mut found = Vec::new();
    for item in 0..u32::try_from(item_count(outcome)).unwrap_or(u32::MAX) {
        let anchored = match outcome.item(item) {
            ItemOutcome::Recorded { leaf } => match prover.anchored_by(leaf)? {
                Some(anchored) => Some(anchored),
                // A statement of another kind: none of its records anchors anything.
                None => return Ok(Vec::new()),
            },
            ItemOutcome::Duplicate { position } => prover.anchored(Subject::Position(position))?.ok(),
            ItemOutcome::Skipped(_) => None,
        };
        found.extend(anchored.map(|anchored| (item, anchored)));
    }
    Ok(found)
}

fn item_count(outcome: &Outcome) -> usize {
    outcome.leaves as usize + outcome.exceptions.len()
}

/// The call's error where the statement was not taken for another reason than the rules.
fn not_taken(error: &SubmitError) -> Status {
    match unavailable(error) {
        Some((reason, retry_after)) => refuse_for_now(reason, retry_after),
        None => refuse(Reason::SafetyHalt),
    }
}
