//! The ledger as anchoring sees it: statements over one stream, positions proved before they are believed.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use kvitto_client::{
    Answer as Said, Client, ClientError, CredentialName, ManyOptions, Moment, ProvenReceipt, SignedStatement,
};
use kvitto_ledger::state::Outcome;
use kvitto_ledger::{Commitment, Did, Position, RecordBody, StatementId};

use crate::anchoring::{Answer, Refused, Submit};
use crate::exit::Exit;
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
            Said::NothingNew(_) => self.places(&statement.commitments).await.map(Answer::Anchored),
            Said::Final(outcome) => {
                let places = self.proved(statement, &outcome.into_said()).await?;
                Ok(Answer::Anchored(places))
            }
        }
    }

    /// Where the commitments of an executed statement are: new ones by its records, the others by their receipts.
    async fn proved(
        &self,
        statement: &Pending,
        outcome: &Outcome,
    ) -> Result<Vec<(Commitment, Position)>, Failure> {
        let signed = SignedStatement::known(statement.id, statement.bytes.clone());
        let records = self.client.prove_outcome(&signed, outcome).await?;
        let place = |body: RecordBody| match body {
            RecordBody::Anchored(anchored) => Some((anchored.commitment, anchored.position)),
            _ => None,
        };
        let mut places: BTreeMap<Commitment, Position> =
            records.into_iter().filter_map(|(_, record)| place(record.body)).collect();
        let is_missing = |commitment: &&Commitment| !places.contains_key(*commitment);
        let missing: Vec<Commitment> = statement.commitments.iter().filter(is_missing).copied().collect();
        if !missing.is_empty() {
            places.extend(self.places(&missing).await?);
        }
        Ok(places.into_iter().collect())
    }

    async fn places(&self, commitments: &[Commitment]) -> Result<Vec<(Commitment, Position)>, Failure> {
        let name = |commitment: &Commitment| CredentialName::Commitment {
            issuer: self.issuer,
            commitment: *commitment,
        };
        let names: Vec<CredentialName> = commitments.iter().map(name).collect();
        let found = ask(self.client, &names).await?;
        let place = |(commitment, found): (&Commitment, Option<ProvenReceipt>)| {
            found.map(|proven| (*commitment, proven.position())).ok_or_else(|| {
                let message = "a node says that a commitment is anchored, and does not show it";
                Failure::new(
                    Exit::Untrusted,
                    "ANSWER_MISMATCH",
                    message,
                    "run the same command with another node",
                )
            })
        };
        commitments.iter().zip(found).map(place).collect()
    }
}

/// Asks about any number of credentials.
///
/// # Errors
/// As [`ask_each`].
async fn ask(client: &Client, names: &[CredentialName]) -> Result<Vec<Option<ProvenReceipt>>, Failure> {
    let mut found = Vec::with_capacity(names.len());
    let keep = |_, proven| {
        found.push(proven);
        Ok(())
    };
    ask_each(client, names, Moment::Newest, keep).await?;
    Ok(found)
}

/// Asks about any number of credentials, and hands over each answer, in order, with the place of its question: `None` for what
/// the node does not know. Where the ledger goes on meanwhile, later ones are as of later blocks.
///
/// # Errors
/// As [`Client::receipts`]; those of `take`.
pub async fn ask_each(
    client: &Client,
    names: &[CredentialName],
    at: Moment,
    mut take: impl FnMut(usize, Option<ProvenReceipt>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for (part, names) in names.chunks(RECEIPTS_AT_ONCE).enumerate() {
        for (index, answer) in client.receipts(names, at).await?.into_iter().enumerate() {
            let proven = match answer {
                Ok(proven) => Some(proven),
                Err(ClientError::NotFound { .. }) => None,
                Err(error) => return Err(error.into()),
            };
            take(part * RECEIPTS_AT_ONCE + index, proven)?;
        }
    }
    Ok(())
}
