//! Submitting statements: the same bytes, as often as it takes, until the ledger has decided.

mod many;
mod proof;

use std::time::Duration;

use kvitto_ledger::state::Outcome;
use kvitto_ledger::statement::{Body, Envelope};
use kvitto_ledger::{Commitment, Did, LeafIndex, Position, Record, StatementId};
use kvitto_proto::convert::{self, CredentialName, Moment, Progress, Refusal, StatementResult};
use kvitto_proto::v1;
use tokio::time::{Instant, sleep};

pub use many::{Answered, ManyOptions, Submissions};

use crate::client::Client;
use crate::error::{BadAnswer, ClientError, LocalError, Unavailable};
use crate::pool::{Node, Reply, deadline};
use crate::statement::SignedStatement;
use crate::status::ProvenReceipt;
use crate::unproved::Unproved;

/// Longest wait that one call asks a node for.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// What became of a statement, as a node says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// In a node's mempool; not recorded yet.
    Accepted,
    /// Recorded for ever. [`Client::prove_outcome`] proves it.
    Final(Unproved<Outcome>),
    /// All its commitments had been anchored before, at these positions, in the order of its items.
    NothingNew(Unproved<Vec<Position>>),
    /// Refused by the rules; for ever where `is_final`.
    Refused(Refusal),
    /// It came too late, and never will be recorded.
    Expired(Refusal),
}

/// How submitting ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// The statement is recorded.
    Final(Final),
    /// It anchors nothing that was not anchored before.
    NothingNew(NothingNew),
}

/// A recorded statement, proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Final {
    /// Which statement.
    pub id: StatementId,
    /// What it led to. Its leaves, its time and which items have none are proved by `records`; height, place in the block, the
    /// positions of duplicates and the reasons of skipped items are the node's word.
    pub outcome: Outcome,
    /// All its records, shown to stand in a tree that a quorum signed, with their places.
    pub records: Vec<(LeafIndex, Record)>,
    /// Statements that anchor: the receipt of every item, in the statement's order.
    pub receipts: Vec<ProvenReceipt>,
}

/// The commitments of a statement had all been anchored before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NothingNew {
    /// Which statement.
    pub id: StatementId,
    /// The receipt of every item, in the statement's order.
    pub receipts: Vec<ProvenReceipt>,
}

impl Submitted {
    /// The receipts of everything that the statement anchored or found anchored.
    pub fn receipts(&self) -> &[ProvenReceipt] {
        match self {
            Self::Final(done) => &done.receipts,
            Self::NothingNew(found) => &found.receipts,
        }
    }
}

impl Client {
    /// Hands a statement to a node. Sending it again, anywhere, gives the same answer.
    ///
    /// # Errors
    /// [`ClientError::Refused`]; [`ClientError::Unavailable`] when nobody took it for as long as
    /// [`retry_for`](crate::Options::retry_for).
    pub async fn submit(&self, statement: &SignedStatement) -> Result<Answer, ClientError> {
        let request = request(statement, v1::Wait::Accepted, Duration::ZERO);
        let (node, answer) = self.send(request, self.pool().timeout()).await?;
        let (answer, _) = self.read_answer(&node, statement, answer)?;
        Ok(answer)
    }

    /// Submits a statement and waits until it is recorded under a checkpoint that a quorum signed; proves that it is, and
    /// brings the receipts of what it anchors.
    ///
    /// # Errors
    /// [`ClientError::Refused`]; [`ClientError::Unavailable`] with reason `NOT_FINAL_YET` when it was accepted but not
    /// recorded within [`final_for`](crate::Options::final_for): submit the same bytes again.
    pub async fn submit_final(&self, statement: &SignedStatement) -> Result<Submitted, ClientError> {
        let content = Content::of(statement, self)?;
        let give_up = deadline(self.options().final_for);
        let mut backoff = self.pool().backoff();
        loop {
            let wait = give_up.saturating_duration_since(Instant::now()).min(WAIT_MAX);
            let request = request(statement, v1::Wait::Final, wait);
            let (node, answer) = self.send(request, wait.saturating_add(self.pool().timeout())).await?;
            let (answer, receipts) = self.read_answer(&node, statement, answer)?;
            match answer {
                Answer::Final(outcome) => {
                    let outcome = outcome.into_said();
                    let records = self.prove_outcome(statement, &outcome).await?;
                    let receipts = self.receipts_of(&node, &content, receipts).await?;
                    return Ok(Submitted::Final(Final { id: statement.id(), outcome, records, receipts }));
                }
                Answer::NothingNew(_) => match self.receipts_of(&node, &content, receipts).await {
                    Ok(receipts) => {
                        return Ok(Submitted::NothingNew(NothingNew { id: statement.id(), receipts }));
                    }
                    // The block that anchored them is not under a checkpoint yet.
                    Err(ClientError::NotFound { .. }) if Instant::now() < give_up => {
                        sleep(backoff.pause_here()).await;
                    }
                    Err(error) => return Err(error),
                },
                Answer::Refused(refusal) | Answer::Expired(refusal) => {
                    return Err(ClientError::Refused(refusal));
                }
                Answer::Accepted if Instant::now() >= give_up => return Err(not_final_yet(&node).into()),
                Answer::Accepted => sleep(backoff.pause(None)).await,
            }
        }
    }

    /// What became of a statement; `None` where this node knows nothing of it (its word).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn outcome(&self, id: &StatementId) -> Result<Option<Answer>, ClientError> {
        let request = v1::GetOutcomeRequest { statement_id: bytes::Bytes::copy_from_slice(&id.0) };
        let ask = |node: Node| {
            let request = request.clone();
            async move { node.anchoring().get_outcome(request).await }
        };
        match self.pool().call(ask).await {
            Ok(Reply { node, answer }) => self.read_result(&node, id, answer.result).map(Some),
            Err(ClientError::NotFound { reason, .. }) if reason == "STATEMENT_UNKNOWN" => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn send(
        &self,
        request: v1::SubmitRequest,
        time: Duration,
    ) -> Result<(Node, v1::SubmitResponse), ClientError> {
        let ask = |node: Node| {
            let request = request.clone();
            async move { node.anchoring().submit(request).await }
        };
        let Reply { node, answer } = self.pool().call_within(time, ask).await?;
        Ok((node, answer))
    }

    fn read_answer(
        &self,
        node: &Node,
        statement: &SignedStatement,
        answer: v1::SubmitResponse,
    ) -> Result<(Answer, Vec<bytes::Bytes>), ClientError> {
        Ok((self.read_result(node, &statement.id(), answer.result)?, answer.receipts))
    }

    /// A result as the answer about the statement `id`.
    pub(crate) fn read_result(
        &self,
        node: &Node,
        id: &StatementId,
        result: Option<v1::StatementResult>,
    ) -> Result<Answer, ClientError> {
        let result =
            StatementResult::try_from(result).map_err(|error| self.pool().bad_answer(node, error))?;
        // A node that cannot read the bytes names no id.
        let is_about = result.id == Some(*id)
            || (result.id.is_none() && matches!(result.progress, Progress::Rejected { .. }));
        if !is_about {
            return Err(self.pool().bad_answer(node, BadAnswer::Mismatch("the statement's id")));
        }
        Ok(match result.progress {
            Progress::Accepted => Answer::Accepted,
            Progress::Final(outcome) => Answer::Final(Unproved::new(outcome)),
            Progress::Rejected { refusal, existing }
                if refusal.reason == NOTHING_NEW && !existing.is_empty() =>
            {
                Answer::NothingNew(Unproved::new(existing))
            }
            Progress::Rejected { refusal, .. } => Answer::Refused(refusal),
            Progress::Expired(refusal) => Answer::Expired(refusal),
        })
    }

    /// The receipts of all items: as they came with the answer, or asked for, where there were too many for one.
    async fn receipts_of(
        &self,
        node: &Node,
        content: &Content,
        came: Vec<bytes::Bytes>,
    ) -> Result<Vec<ProvenReceipt>, ClientError> {
        let names = content.names();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        if came.len() == names.len() {
            let mut receipts = Vec::with_capacity(came.len());
            for (name, json) in names.iter().zip(&came) {
                receipts.push(self.receipt_answer(node, json, name, Moment::Newest).await?);
            }
            return Ok(receipts);
        }
        self.receipts(&names, Moment::Newest).await?.into_iter().collect()
    }
}

const NOTHING_NEW: &str = kvitto_ledger::Rejection::NothingNew.reason();

/// What a statement anchors, and for whom.
pub(crate) struct Content {
    issuer: Did,
    commitments: Vec<Commitment>,
}

impl Content {
    pub(crate) fn of(statement: &SignedStatement, client: &Client) -> Result<Self, ClientError> {
        let envelope = read_envelope(statement, client)?;
        let commitments = match &envelope.statement().body {
            Body::Anchor(anchor) => anchor.items.iter().map(|item| item.commitment).collect(),
            _ => Vec::new(),
        };
        Ok(Self { issuer: envelope.key_id().did, commitments })
    }

    pub(crate) fn len(&self) -> usize {
        self.commitments.len()
    }

    /// The name of one item's credential.
    pub(crate) fn name(&self, item: usize) -> Option<CredentialName> {
        let commitment = *self.commitments.get(item)?;
        Some(convert::CredentialName::Commitment { issuer: self.issuer, commitment })
    }

    fn names(&self) -> Vec<CredentialName> {
        (0..self.len()).filter_map(|item| self.name(item)).collect()
    }
}

/// What a statement says; it has the id that is said.
fn read_envelope(statement: &SignedStatement, client: &Client) -> Result<Envelope, ClientError> {
    let ledger = client.trust().ledger_id();
    let envelope = Envelope::decode(&statement.bytes()[..], &ledger).map_err(ClientError::refused_here)?;
    if envelope.id() != statement.id() {
        return Err(LocalError::Request("the statement has another id than is said").into());
    }
    Ok(envelope)
}

fn request(statement: &SignedStatement, wait: v1::Wait, time: Duration) -> v1::SubmitRequest {
    v1::SubmitRequest {
        statement: statement.bytes().clone(),
        wait: wait.into(),
        // 0 would mean the server's default.
        wait_ms: u32::try_from(time.as_millis()).unwrap_or(u32::MAX).max(1),
        omit_receipts: false,
    }
}

pub(crate) fn not_final_yet(node: &Node) -> Unavailable {
    Unavailable {
        node: node.name().to_owned(),
        reason: "NOT_FINAL_YET".to_owned(),
        message: "the statement was accepted, but is not recorded yet: submit the same bytes again"
            .to_owned(),
        retry_after: None,
    }
}
