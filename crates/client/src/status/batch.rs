//! Many credentials at once: as many calls as it takes, whose receipts come in parts and are put together here.

use std::collections::BTreeMap;

use kvitto_proto::convert::{CredentialName, Moment, ReceiptItem, ReceiptShared};
use kvitto_proto::limits::BATCH_CREDENTIALS_MAX;
use kvitto_proto::v1::batch_get_status_item::Item;
use kvitto_proto::v1::batch_get_status_result::Answer;
use kvitto_proto::v1::{self, BatchGetStatusItem, BatchGetStatusResult};
use kvitto_verifier::Receipt;
use tonic::{Response, Status};

use super::{ProvenReceipt, whole_seconds};
use crate::client::Client;
use crate::error::{BadAnswer, ClientError};
use crate::log::behind;
use crate::newest::Checked;
use crate::pool::Node;

/// A batch may take longer than a single answer.
const BATCH_TIMEOUTS: u32 = 4;
/// After so many verifications the task lets others run.
const VERIFICATIONS_AT_ONCE: usize = 16;

/// What is answered about each of many credentials.
type Answers = Vec<Result<ProvenReceipt, ClientError>>;

/// As of when one of several calls asks.
#[derive(Clone, Copy)]
struct Asked {
    at: Moment,
    /// A node has answered as of it: one that cannot is behind.
    is_known: bool,
}

/// The shared parts of one stream's receipts, the newest ones.
#[derive(Default)]
pub(crate) struct SharedParts(BTreeMap<u32, ReceiptShared>);

impl SharedParts {
    /// A server numbers upwards and refers back to recent parts; older ones are forgotten, so that a stream's memory is bounded.
    const KEPT_MAX: usize = 4096;

    pub(crate) fn add(&mut self, shared: v1::ReceiptShared) -> Result<(), BadAnswer> {
        self.0.insert(shared.shared_id, shared.try_into()?);
        if self.0.len() > Self::KEPT_MAX {
            self.0.pop_first();
        }
        Ok(())
    }

    pub(crate) fn complete(&self, item: Option<v1::ReceiptItem>) -> Result<Receipt, BadAnswer> {
        let item = item.ok_or(BadAnswer::Mismatch("a missing receipt"))?;
        let shared =
            self.0.get(&item.shared_id).ok_or(BadAnswer::Mismatch("the shared part of a receipt"))?;
        Ok(shared.complete(ReceiptItem::try_from(item)?))
    }
}

impl Client {
    /// The status of any number of credentials, all as of one block, in the order asked, each proved or with its own error.
    ///
    /// # Errors
    /// Those of the call as a whole, as [`Client::status`].
    pub async fn statuses(&self, names: &[CredentialName], at: Moment) -> Result<Answers, ClientError> {
        let mut answers = Answers::with_capacity(names.len());
        let mut at = Asked { at: whole_seconds(at), is_known: false };
        for names in names.chunks(BATCH_CREDENTIALS_MAX) {
            let part = self.batch(names, at).await?;
            if let Some(first) = part.iter().flatten().next() {
                at = Asked { at: Moment::Height(first.height()), is_known: true };
            }
            answers.extend(part);
        }
        Ok(answers)
    }

    /// The receipts of any number of credentials, in the order asked, each proved or with its own error. Where the ledger goes on
    /// meanwhile, later ones are as of later blocks.
    ///
    /// # Errors
    /// Those of the call as a whole, as [`Client::status`].
    pub async fn receipts(&self, names: &[CredentialName], at: Moment) -> Result<Answers, ClientError> {
        let mut answers = Answers::with_capacity(names.len());
        let at = Asked { at: whole_seconds(at), is_known: false };
        for names in names.chunks(BATCH_CREDENTIALS_MAX) {
            answers.extend(self.batch(names, at).await?);
        }
        Ok(answers)
    }

    /// One call's worth of credentials, all as of one block.
    async fn batch(&self, names: &[CredentialName], asked: Asked) -> Result<Answers, ClientError> {
        let Asked { at, is_known } = asked;
        let request = v1::BatchGetStatusRequest {
            credentials: names.iter().map(|name| (*name).into()).collect(),
            at: at.into(),
            omit_receipts: false,
        };
        // No more shared parts than answers, and one answer for each name.
        let items_max = names.len().saturating_mul(2);
        let ask = |node: Node| {
            let request = request.clone();
            async move {
                let answer = collect(node, request, items_max).await;
                answer.map_err(|status| if is_known { behind(status) } else { status })
            }
        };
        let check = |node: Node, items: Vec<BatchGetStatusItem>| async move {
            let answer = self.batch_answers(&node, items, names, at).await?;
            let size = answer.iter().flatten().map(|proven| proven.verdict.checkpoint.size).min();
            Ok(Checked { answer, size })
        };
        let time = self.pool().timeout().saturating_mul(BATCH_TIMEOUTS);
        self.ask(at, time, ask, check).await
    }

    async fn batch_answers(
        &self,
        node: &Node,
        items: Vec<BatchGetStatusItem>,
        names: &[CredentialName],
        at: Moment,
    ) -> Result<Answers, ClientError> {
        let bad = |fault: BadAnswer| self.pool().bad_answer(node, fault);
        let mut shared = SharedParts::default();
        let mut answers = Answers::with_capacity(names.len());
        for item in items {
            match item.item {
                Some(Item::ReceiptShared(part)) => shared.add(part).map_err(bad)?,
                Some(Item::Result(result)) => {
                    let name = names.get(answers.len()).filter(|_| result.index as usize == answers.len());
                    let name = name.ok_or_else(|| bad(BadAnswer::Mismatch("the order of answers")))?;
                    answers.push(self.batch_answer(node, result, &shared, name, at).await);
                }
                None => return Err(bad(BadAnswer::Mismatch("an empty item"))),
            }
            if answers.len().is_multiple_of(VERIFICATIONS_AT_ONCE) {
                tokio::task::yield_now().await;
            }
        }
        if answers.len() < names.len() {
            return Err(bad(BadAnswer::Mismatch("the number of answers")));
        }
        let mut heights = answers.iter().flatten().map(ProvenReceipt::height);
        let first = heights.next();
        if heights.any(|height| Some(height) != first) {
            return Err(bad(BadAnswer::Mismatch("the one block of all answers")));
        }
        Ok(answers)
    }

    async fn batch_answer(
        &self,
        node: &Node,
        result: BatchGetStatusResult,
        shared: &SharedParts,
        name: &CredentialName,
        at: Moment,
    ) -> Result<ProvenReceipt, ClientError> {
        match result.answer {
            Some(Answer::ErrorReason(reason)) => {
                let message = "the node knows no such credential".to_owned();
                Err(ClientError::NotFound { reason, message })
            }
            // The receipt says the same, with proof.
            Some(Answer::Status(_)) => {
                let receipt = shared.complete(result.receipt);
                let receipt = receipt.map_err(|fault| self.pool().bad_answer(node, fault))?;
                self.check_receipt(node, receipt, name, at).await
            }
            None => Err(self.pool().bad_answer(node, BadAnswer::Mismatch("an empty answer"))),
        }
    }
}

async fn collect(
    node: Node,
    request: v1::BatchGetStatusRequest,
    items_max: usize,
) -> Result<Response<Vec<BatchGetStatusItem>>, Status> {
    let mut stream = node.status().batch_get_status(request).await?.into_inner();
    let mut items: Vec<BatchGetStatusItem> = Vec::new();
    while let Some(part) = stream.message().await? {
        if part.items.len() > items_max - items.len() {
            return Err(Status::data_loss("more items than were asked for"));
        }
        items.extend(part.items);
    }
    Ok(Response::new(items))
}
