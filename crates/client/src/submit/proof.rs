//! What a statement led to, as its own records say: they are all read, and held against its items.
//!
//! ```text
//!  statement:        item 0     item 1     item 2 …     the items without an exception have a record each, in their order
//!  log:       other │ record of 0 │ record of 2 │ …│ other
//!                     first_leaf ──── leaves ────►       what stands on either side is no record of this statement
//! ```

use std::collections::BTreeMap;

use kvitto_ledger::state::{ItemOutcome, Outcome};
use kvitto_ledger::statement::body::StatusItem;
use kvitto_ledger::statement::{AnchorItem, Body, SetStatus, StatusTarget};
use kvitto_ledger::{Commitment, LeafIndex, Position, Record, RecordBody};
use kvitto_proto::convert::{CredentialName, Moment};
use kvitto_proto::limits::ENTRIES_MAX;

use super::read_envelope;
use crate::client::Client;
use crate::error::{BadAnswer, ClientError};
use crate::statement::SignedStatement;

/// Where the commitments are that a `SetStatus` names.
type Places = BTreeMap<Commitment, Position>;

impl Client {
    /// Proves what a node says a statement led to: all its records, under a checkpoint of a quorum, and thereby which items have
    /// one, and which have none.
    ///
    /// For an anchor they hold each new commitment with its position, so this is the cheap way to get positions in bulk; for a
    /// change of statuses each position that was changed. Why an item has none is the node's word.
    ///
    /// # Errors
    /// [`ClientError`]; a [`BadAnswer`] where the records do not say what the outcome says.
    pub async fn prove_outcome(
        &self,
        statement: &SignedStatement,
        outcome: &Outcome,
    ) -> Result<Vec<(LeafIndex, Record)>, ClientError> {
        let envelope = read_envelope(statement, self)?;
        let body = &envelope.statement().body;
        let bad = || self.pool().bad_answer(&self.pool().preferred(), BadAnswer::Mismatch("the outcome"));
        let recorded = recorded(body, outcome).ok_or_else(bad)?;
        let records = self.records_of(statement, outcome).await?;
        let places = match body {
            // Records name positions only. Where every item has one, their order says which is which.
            Body::SetStatus(change) if !outcome.exceptions.is_empty() => Some(self.places(change).await?),
            _ => None,
        };
        let bodies = records.iter().map(|(_, record)| &record.body);
        let agrees = match body {
            Body::Anchor(anchor) => {
                let items = recorded.iter().filter_map(|item| anchor.items.get(*item));
                items.zip(bodies).all(|(item, body)| is_anchored(item, body))
            }
            Body::SetStatus(change) => {
                let items = recorded.iter().filter_map(|item| change.items.get(*item));
                items.zip(bodies).all(|(item, body)| is_changed(item, places.as_ref(), body))
            }
            _ => true,
        };
        if agrees { Ok(records) } else { Err(bad()) }
    }

    /// All records of a statement: those that the outcome says, with what stands before and after them.
    async fn records_of(
        &self,
        statement: &SignedStatement,
        outcome: &Outcome,
    ) -> Result<Vec<(LeafIndex, Record)>, ClientError> {
        let bad = || self.pool().bad_answer(&self.pool().preferred(), BadAnswer::Mismatch("the outcome"));
        // The log begins with the genesis, and every block ends with its own record.
        let before = outcome.first_leaf.0.checked_sub(1).ok_or_else(bad)?;
        let after = outcome.first_leaf.0.saturating_add(outcome.leaves.into());
        let checkpoint = self.checkpoint_of(after.saturating_add(1)).await?;
        let mut records = Vec::new();
        let mut next = before;
        while next <= after {
            let count = u32::try_from(after - next + 1).unwrap_or(u32::MAX).min(ENTRIES_MAX);
            let entries = self.entries_under(LeafIndex(next), count, checkpoint.clone()).await?;
            next += entries.leaves.len() as u64;
            for (leaf, record) in entries.records() {
                // A leaf of a later version beside them is none of this statement's.
                let own = record
                    .filter(|record| record.statement_id == statement.id() && record.time == outcome.time);
                if own.is_some() != (before < leaf.0 && leaf.0 < after) {
                    return Err(bad());
                }
                records.extend(own.map(|own| (leaf, own)));
            }
        }
        Ok(records)
    }

    /// Where the commitments are that a change of statuses names.
    async fn places(&self, change: &SetStatus) -> Result<Places, ClientError> {
        let commitment = |item: &StatusItem| match item.target {
            StatusTarget::Commitment(commitment) => Some(commitment),
            StatusTarget::Position(_) => None,
        };
        let commitments: Vec<Commitment> = change.items.iter().filter_map(commitment).collect();
        let name = |commitment: &Commitment| CredentialName::Commitment {
            issuer: change.issuer,
            commitment: *commitment,
        };
        let names: Vec<CredentialName> = commitments.iter().map(name).collect();
        let mut places = Places::new();
        for (commitment, answer) in commitments.into_iter().zip(self.receipts(&names, Moment::Newest).await?)
        {
            match answer {
                Ok(proven) => {
                    places.insert(commitment, proven.position());
                }
                // Nothing was changed where nothing is.
                Err(ClientError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(places)
    }
}

/// The items of a statement that have a record, by an outcome that can be one of such a statement.
fn recorded(body: &Body, outcome: &Outcome) -> Option<Vec<usize>> {
    let items = match body {
        Body::Anchor(anchor) => anchor.items.len(),
        Body::SetStatus(change) => change.items.len(),
        _ => 1,
    };
    let is_possible = |exception: &ItemOutcome| match body {
        Body::Anchor(_) => matches!(exception, ItemOutcome::Duplicate { .. }),
        Body::SetStatus(_) => matches!(exception, ItemOutcome::Skipped(_)),
        _ => false,
    };
    let exceptions = &outcome.exceptions;
    let is_one = exceptions.is_sorted_by(|a, b| a.item < b.item)
        && exceptions.iter().all(|exception| is_possible(&exception.outcome));
    let has_record =
        |item: &usize| exceptions.binary_search_by_key(item, |exception| exception.item as usize).is_err();
    let recorded: Vec<usize> = (0..items).filter(has_record).collect();
    let counts = recorded.len() == outcome.leaves as usize && recorded.len() + exceptions.len() == items;
    (is_one && counts && !recorded.is_empty()).then_some(recorded)
}

fn is_anchored(item: &AnchorItem, body: &RecordBody) -> bool {
    matches!(body, RecordBody::Anchored(anchored)
        if anchored.commitment == item.commitment
            && item.reserved.is_none_or(|reserved| reserved == anchored.position))
}

fn is_changed(item: &StatusItem, places: Option<&Places>, body: &RecordBody) -> bool {
    let RecordBody::Status(changed) = body else { return false };
    let is_there = match &item.target {
        StatusTarget::Position(position) => changed.position == *position,
        StatusTarget::Commitment(commitment) => {
            places.is_none_or(|places| places.get(commitment) == Some(&changed.position))
        }
    };
    is_there && changed.status == item.status && changed.successor.is_some() == item.successor.is_some()
}
