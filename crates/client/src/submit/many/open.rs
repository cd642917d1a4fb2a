//! One of many statements, from being sent until it is answered with everything that belongs to the answer.

use std::collections::BTreeMap;

use kvitto_ledger::StatementId;
use kvitto_proto::convert::Moment;
use kvitto_proto::v1::SubmitStreamRequest;
use kvitto_verifier::Receipt;

use super::{Answer, request};
use crate::client::Client;
use crate::error::{BadAnswer, ClientError};
use crate::pool::Node;
use crate::statement::SignedStatement;
use crate::status::ProvenReceipt;
use crate::submit::Content;

/// A complete answer.
type Done = Option<(Answer, Vec<ProvenReceipt>)>;

/// A statement without a complete answer.
pub(super) struct Open {
    statement: SignedStatement,
    /// Final, but receipts are still to come.
    incomplete: Option<Incomplete>,
}

struct Incomplete {
    answer: Answer,
    content: Content,
    receipts: BTreeMap<usize, ProvenReceipt>,
}

impl Open {
    pub(super) fn new(statement: SignedStatement) -> Self {
        Self { statement, incomplete: None }
    }

    pub(super) fn id(&self) -> StatementId {
        self.statement.id()
    }

    pub(super) fn request(&self, tag: u64, receipts: bool) -> SubmitStreamRequest {
        request(&self.statement, tag, receipts)
    }

    /// Everything comes again over another stream.
    pub(super) fn forget_receipts(&mut self) {
        self.incomplete = None;
    }

    /// It is final: complete at once if it anchors nothing.
    pub(super) fn expect_receipts(&mut self, answer: Answer, client: &Client) -> Result<Done, ClientError> {
        let content = Content::of(&self.statement, client)?;
        if content.len() == 0 {
            return Ok(Some((answer, Vec::new())));
        }
        self.incomplete = Some(Incomplete { answer, content, receipts: BTreeMap::new() });
        Ok(None)
    }

    /// The receipt of an item, which has to be about that item's commitment.
    pub(super) async fn receipt(
        &mut self,
        item: u32,
        receipt: Receipt,
        node: &Node,
        client: &Client,
    ) -> Result<Done, ClientError> {
        let mismatch = || client.pool().bad_answer(node, BadAnswer::Mismatch("the item of a receipt"));
        let incomplete = self.incomplete.as_mut().ok_or_else(mismatch)?;
        let item = item as usize;
        let name = incomplete.content.name(item).ok_or_else(mismatch)?;
        let proven = client.check_receipt(node, receipt, &name, Moment::Newest).await?;
        incomplete.receipts.insert(item, proven);
        if incomplete.receipts.len() < incomplete.content.len() {
            return Ok(None);
        }
        let complete = self.incomplete.take().ok_or_else(mismatch)?;
        Ok(Some((complete.answer, complete.receipts.into_values().collect())))
    }
}
