//! `AnchoringService`: statements in, outcomes out.

use std::sync::Arc;
use std::time::Duration;

use kvitto_ledger::state::{ItemOutcome, Outcome};
use kvitto_ledger::{Position, Rejection, StatementId};
use kvitto_proto::convert::{self, Progress, Refusal, StatementResult};
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
use crate::node::{Admitted, Rejected, Submit, SubmitError};
use crate::notices::Notice;
use crate::reason::{Reason, refuse, refuse_for_now, rejected, store_failed, unavailable};
use crate::submit_stream;

/// Most items whose receipts fit into a unary answer.
pub(crate) const UNARY_RECEIPTS_MAX: usize = 16;

pub(crate) struct Anchoring<S, R> {
    pub(crate) submit: S,
    pub(crate) context: Arc<Context<R>>,
}

/// How waiting for a statement ended.
enum Settled {
    Final(Outcome),
    Dropped(Rejection),
    /// Time is over, or the node stops.
    NotYet,
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
            Ok(Admitted::Executed(id, outcome)) => (id, Some(outcome)),
            Err(SubmitError::Rejected(verdict)) => return self.refused(verdict, with_receipts),
            Err(error) => return Err(not_taken(&error)),
        };
        let result = match self.settle(notices, id, known, deadline).await.map_err(store_failed)? {
            Settled::Final(outcome) => {
                let receipts = if with_receipts { self.receipts(&outcome)? } else { Vec::new() };
                let result = StatementResult { id: Some(id), progress: Progress::Final(outcome) };
                return Ok(answer(result, receipts));
            }
            Settled::Dropped(rejection) => return Err(rejected(&dropped(id, rejection))),
            Settled::NotYet => StatementResult { id: Some(id), progress: Progress::Accepted },
        };
        Ok(answer(result, Vec::new()))
    }

    type SubmitStreamStream = ReceiverStream<Result<SubmitStreamResponse, Status>>;

    async fn submit_stream(
        &self,
        request: Request<Streaming<SubmitStreamRequest>>,
    ) -> Result<Response<Self::SubmitStreamStream>, Status> {
        let permit = self.context.stream_permit()?;
        let answers =
            submit_stream::start(self.submit.clone(), self.context.clone(), request.into_inner(), permit);
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
        let result = StatementResult { id: Some(id), progress };
        Ok(Response::new(GetOutcomeResponse { result: Some(result.into()) }))
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

    /// Waits until a checkpoint covers the statement. `known` is the outcome where it was executed before.
    async fn settle(
        &self,
        mut notices: broadcast::Receiver<Notice>,
        id: StatementId,
        known: Option<Outcome>,
        deadline: Instant,
    ) -> Result<Settled, StoreError> {
        if let Some(outcome) = known.as_ref().filter(|outcome| is_published(&self.context.read, outcome)) {
            return Ok(Settled::Final(outcome.clone()));
        }
        loop {
            let notice = tokio::select! {
                notice = timeout_at(deadline, notices.recv()) => notice,
                () = self.context.drained() => return Ok(Settled::NotYet),
            };
            let settled = match notice {
                Err(_) | Ok(Err(broadcast::error::RecvError::Closed)) => return Ok(Settled::NotYet),
                Ok(Ok(notice)) => settled_by(&notice, &id, known.as_ref()),
                Ok(Err(broadcast::error::RecvError::Lagged(_))) => {
                    look_up(&self.context, &id)?.map(|settled| match settled {
                        Ok(outcome) => Settled::Final(outcome),
                        Err(rejection) => Settled::Dropped(rejection),
                    })
                }
            };
            if let Some(settled) = settled {
                return Ok(settled);
            }
        }
    }

    /// The rules refuse the statement. One that holds nothing new is answered with what there is (RULES 5.6).
    fn refused(&self, verdict: Rejected, with_receipts: bool) -> Result<Response<SubmitResponse>, Status> {
        if verdict.rejection != Rejection::NothingNew {
            return Err(rejected(&verdict));
        }
        let receipts = match with_receipts && verdict.existing.len() <= UNARY_RECEIPTS_MAX {
            true => self.receipts_of(&verdict.existing)?,
            false => Vec::new(),
        };
        Ok(answer(refusal(verdict), receipts))
    }

    /// All or none: a client that finds fewer than it asked for cannot tell which.
    fn receipts_of(&self, positions: &[Position]) -> Result<Vec<bytes::Bytes>, Status> {
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
        Ok(match look_up(&self.context, id).map_err(store_failed)? {
            Some(Ok(outcome)) => Some(Progress::Final(outcome)),
            Some(Err(rejection)) => Some(refusal(dropped(*id, rejection)).progress),
            None if self.submit.is_waiting(id) => Some(Progress::Accepted),
            // Executed, but no checkpoint covers it yet.
            None => {
                let outcome = self.context.read.outcome(id).map_err(|_| refuse(Reason::StoreFailed))?;
                outcome.map(|_| Progress::Accepted)
            }
        })
    }
}

/// Whether a published checkpoint covers the outcome's block.
pub(crate) fn is_published<R: Read>(read: &R, outcome: &Outcome) -> bool {
    read.published().is_some_and(|published| published.height >= outcome.height)
}

/// What is known about a statement without waiting: its published outcome, or why it was dropped.
pub(crate) fn look_up<R: Read>(
    context: &Context<R>,
    id: &StatementId,
) -> Result<Option<Result<Outcome, Rejection>>, StoreError> {
    let Some(published) = context.read.published() else { return Ok(None) };
    let outcome = context.read.outcome_at(published.height, id)?;
    Ok(outcome.map(Ok).or_else(|| context.notices.why_dropped(id).map(Err)))
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

/// A dropped statement's verdict; one that has expired is final.
pub(crate) fn dropped(id: StatementId, rejection: Rejection) -> Rejected {
    let is_final = rejection == Rejection::StatementExpired;
    Rejected { id: Some(id), rejection, is_final, existing: Vec::new() }
}

/// A verdict for the wire: expired or rejected.
pub(crate) fn refusal(verdict: Rejected) -> StatementResult {
    let refusal = Refusal::new(verdict.rejection, verdict.is_final);
    let progress = match verdict.rejection == Rejection::StatementExpired && verdict.is_final {
        true => Progress::Expired(refusal),
        false => Progress::Rejected { refusal, existing: verdict.existing },
    };
    StatementResult { id: verdict.id, progress }
}

fn item_count(outcome: &Outcome) -> usize {
    outcome.leaves as usize + outcome.exceptions.len()
}

fn settled_by(notice: &Notice, id: &StatementId, known: Option<&Outcome>) -> Option<Settled> {
    match notice {
        Notice::Published { height, outcomes } => {
            let told = outcomes.binary_search_by_key(id, |(id, _)| *id).ok().map(|at| &outcomes[at].1);
            let known = known.filter(|known| known.height <= *height);
            told.or(known).cloned().map(Settled::Final)
        }
        Notice::Dropped(dropped) => {
            let at = dropped.binary_search_by_key(id, |(id, _)| *id).ok()?;
            Some(Settled::Dropped(dropped[at].1))
        }
    }
}

fn answer(result: StatementResult, receipts: Vec<bytes::Bytes>) -> Response<SubmitResponse> {
    Response::new(SubmitResponse { result: Some(result.into()), receipts })
}

/// The call's error where the statement was not taken for another reason than the rules.
fn not_taken(error: &SubmitError) -> Status {
    match unavailable(error) {
        Some((reason, retry_after)) => refuse_for_now(reason, retry_after),
        None => refuse(Reason::SafetyHalt),
    }
}
