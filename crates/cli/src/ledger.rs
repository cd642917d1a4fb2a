//! The ledger as anchoring sees it: statements over one stream, positions proved before they are believed.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use kvitto_client::{
    Answer as Said, Client, ClientError, CredentialName, ManyOptions, Moment, ProvenReceipt, SignedStatement,
};
use kvitto_ledger::state::Outcome;
use kvitto_ledger::{Commitment, Did, Position, RecordBody, StatementId};

use crate::anchoring::{Answer, Refused, Submit};
use crate::failure::Failure;
use crate::register::Pending;

/// So many receipts are held at once.
const RECEIPTS_AT_ONCE: usize = 1024;
/// So many statements are under way at once.
const IN_FLIGHT: usize = 64;

/// A ledger behind a client, for one issuer.
pub struct Nodes<'a> {
    /// The client.
    pub client: &'a Client,
    /// The issuer that anchors.
    pub issuer: Did,
}

impl Submit for Nodes<'_> {
    async fn submit(
        &mut self,
        statements: &[Pending],
        answered: &mut (dyn FnMut(StatementId, Answer) -> Result<(), Failure> + Send),
    ) -> Result<(), Failure> {
        let by_id: BTreeMap<StatementId, &Pending> =
            statements.iter().map(|statement| (statement.id, statement)).collect();
        let signed = |statement: &Pending| SignedStatement::known(statement.id, statement.bytes.clone());
        let input: Vec<SignedStatement> = statements.iter().map(signed).collect();
        let options = ManyOptions { in_flight: IN_FLIGHT, receipts: false };
        let mut answers = self.client.submit_many(stream::iter(input), options);
        while let Some(answer) = answers.next().await {
            let answer = answer?;
            let Some(statement) = by_id.get(&answer.id) else { continue };
            let settled = self.settled(statement, answer.answer).await?;
            answered(statement.id, settled)?;
        }
        Ok(())
    }
}

impl Nodes<'_> {
    async fn settled(&self, statement: &Pending, said: Said) -> Result<Answer, Failure> {
        match said {
            Said::Accepted => Ok(Answer::Unknown),
            Said::Expired(_) => Ok(Answer::Expired),
            Said::Refused(refusal) => {
                Ok(Answer::Refused(Refused { reason: refusal.reason, message: refusal.message }))
            }
            Said::NothingNew(_) => self.shown(statement, BTreeMap::new()).await,
            Said::Final(outcome) => {
                let places = self.recorded(statement, outcome.as_said()).await?;
                self.shown(statement, places).await
            }
        }
    }

    /// Where an executed statement anchored commitments, by its records.
    async fn recorded(
        &self,
        statement: &Pending,
        outcome: &Outcome,
    ) -> Result<BTreeMap<Commitment, Position>, Failure> {
        let signed = SignedStatement::known(statement.id, statement.bytes.clone());
        let records = self.client.prove_outcome(&signed, outcome).await?;
        let place = |body: RecordBody| match body {
            RecordBody::Anchored(anchored) => Some((anchored.commitment, anchored.position)),
            _ => None,
        };
        Ok(records.into_iter().filter_map(|(_, record)| place(record.body)).collect())
    }

    /// Where all commitments of a statement are: those that are not in `places` were anchored by an earlier one, and their receipts
    /// show it. What no receipt shows yet may stand in a block that no checkpoint covers: the statement has to be sent again.
    async fn shown(
        &self,
        statement: &Pending,
        mut places: BTreeMap<Commitment, Position>,
    ) -> Result<Answer, Failure> {
        let name = |commitment: &Commitment| CredentialName::Commitment {
            issuer: self.issuer,
            commitment: *commitment,
        };
        let is_missing = |commitment: &&Commitment| !places.contains_key(*commitment);
        let missing: Vec<Commitment> = statement.commitments.iter().filter(is_missing).copied().collect();
        let names: Vec<CredentialName> = missing.iter().map(name).collect();
        let keep = |asked: usize, proven: Option<ProvenReceipt>| {
            if let (Some(commitment), Some(proven)) = (missing.get(asked), proven) {
                places.insert(*commitment, proven.position());
            }
            Ok(())
        };
        ask_each(self.client, &names, Moment::Newest, keep).await?;
        Ok(match places.len() == statement.commitments.len() {
            true => Answer::Anchored(places.into_iter().collect()),
            false => Answer::Unknown,
        })
    }
}

/// Asks about any number of credentials, and hands over each answer, in order, with the place of its question: `None` for what
/// the node does not know. Where the ledger goes on meanwhile, later ones are as of later blocks.
///
/// # Errors
/// As [`Client::receipts`]; those of `take`; what a node does not know may be because it is a node of another ledger.
pub async fn ask_each(
    client: &Client,
    names: &[CredentialName],
    at: Moment,
    mut take: impl FnMut(usize, Option<ProvenReceipt>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut is_ledger_known = false;
    for (part, names) in names.chunks(RECEIPTS_AT_ONCE).enumerate() {
        for (index, answer) in client.receipts(names, at).await?.into_iter().enumerate() {
            let proven = match answer {
                Ok(proven) => Some(proven),
                Err(ClientError::NotFound { .. }) => {
                    if !is_ledger_known {
                        client.checkpoint().await?;
                    }
                    None
                }
                Err(error) => return Err(error.into()),
            };
            is_ledger_known = true;
            take(part * RECEIPTS_AT_ONCE + index, proven)?;
        }
    }
    Ok(())
}
