//! Reading the registry: organisations and accreditations, as their records say under a checkpoint of a quorum.
//!
//! What is proved: that every record shown was made, and what the status tree says of every accreditation after the block that the
//! answer is as of. What is not: that no newer record was left out (a log does not prove absence), an organisation's number, who
//! suspended an accreditation and why, and that a block asked for by time is the last one before it.

mod claims;
mod proof;

use kvitto_ledger::Did;
use kvitto_ledger::state::{Accreditation, AccreditationKey, Identifier};
use kvitto_proto::convert::{AsOf, ConvertError, Moment};
use kvitto_proto::v1;

use crate::checkpoint::VerifiedCheckpoint;
use crate::client::Client;
use crate::error::{BadAnswer, ClientError};
use crate::pool::{Node, Reply};
use crate::unproved::Unproved;
use proof::Shown;

/// Most links of a chain, root included (RULES 6.1).
const LINKS_MAX: usize = 8;

/// An answer whose records stand in a tree that a quorum signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven<T> {
    /// The answer.
    pub value: T,
    /// The block that it is as of; shown to be in the tree.
    pub as_of: AsOf,
    /// The tree.
    pub checkpoint: VerifiedCheckpoint,
}

/// Part of a list. That nothing is missing from it cannot be proved; each entry can, by asking for it alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// Its entries.
    pub entries: Vec<T>,
    /// The block that it is as of.
    pub as_of: AsOf,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<Cursor>,
}

/// A page, on the node's word.
pub type Listed<T> = Unproved<Page<T>>;

/// Where a page begins. Opaque.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(String);

impl Client {
    /// One organisation.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] `IDENTIFIER_UNKNOWN` (the node's word); [`ClientError`].
    pub async fn identifier(&self, did: &Did, at: Moment) -> Result<Proven<Identifier>, ClientError> {
        let request = v1::GetIdentifierRequest { did: did.to_string(), at: at.into() };
        let ask = |node: Node| {
            let request = request.clone();
            async move { node.registry().get_identifier(request).await }
        };
        let Reply { node, answer } = self.pool().call(ask).await?;
        let checked = || {
            let mut shown = Shown::open(self, answer.proof, answer.as_of, at)?;
            let value = identifier(answer.identifier, did)?;
            shown.identifier(&value, self.trust())?;
            shown.finish(value)
        };
        checked().map_err(|fault| self.pool().bad_answer(&node, fault))
    }

    /// An organisation with everything that it was ever accredited for, ascending by id.
    ///
    /// # Errors
    /// As [`Client::identifier`].
    pub async fn issuer(
        &self,
        did: &Did,
        at: Moment,
    ) -> Result<Proven<(Identifier, Vec<Accreditation>)>, ClientError> {
        let request = v1::GetIssuerRequest { did: did.to_string(), at: at.into() };
        let ask = |node: Node| {
            let request = request.clone();
            async move { node.registry().get_issuer(request).await }
        };
        let Reply { node, answer } = self.pool().call(ask).await?;
        let checked = || {
            let mut shown = Shown::open(self, answer.proof, answer.as_of, at)?;
            let value = identifier(answer.identifier, did)?;
            shown.identifier(&value, self.trust())?;
            let held = accreditations(answer.accreditations)?;
            let is_own =
                held.iter().all(|held| held.key.subject == *did) && held.is_sorted_by(|a, b| a.key < b.key);
            if !is_own {
                return Err(BadAnswer::Mismatch("an accreditation"));
            }
            shown.accreditations(&held)?;
            shown.finish((value, held))
        };
        checked().map_err(|fault| self.pool().bad_answer(&node, fault))
    }

    /// One accreditation.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] `ACCREDITATION_UNKNOWN` (the node's word); [`ClientError`].
    pub async fn accreditation(
        &self,
        key: &AccreditationKey,
        at: Moment,
    ) -> Result<Proven<Accreditation>, ClientError> {
        let (subject_did, id) = wire_key(key);
        let request = v1::GetAccreditationRequest { subject_did, id, at: at.into() };
        let ask = |node: Node| {
            let request = request.clone();
            async move { node.registry().get_accreditation(request).await }
        };
        let Reply { node, answer } = self.pool().call(ask).await?;
        let checked = || {
            let mut shown = Shown::open(self, answer.proof, answer.as_of, at)?;
            let value = answer.accreditation.ok_or(ConvertError::Missing("accreditation"))?;
            let value = Accreditation::try_from(value)?;
            if value.key != *key {
                return Err(BadAnswer::Mismatch("the accreditation"));
            }
            shown.accreditations(std::slice::from_ref(&value))?;
            shown.finish(value)
        };
        checked().map_err(|fault| self.pool().bad_answer(&node, fault))
    }

    /// An accreditation and everything above it, root first: each link hangs on the one before it, the first is a root of the ledger.
    ///
    /// # Errors
    /// As [`Client::accreditation`].
    pub async fn trust_chain(
        &self,
        key: &AccreditationKey,
        at: Moment,
    ) -> Result<Proven<Vec<Accreditation>>, ClientError> {
        let (subject_did, id) = wire_key(key);
        let request = v1::GetTrustChainRequest { subject_did, id, at: at.into() };
        let ask = |node: Node| {
            let request = request.clone();
            async move { node.registry().get_trust_chain(request).await }
        };
        let Reply { node, answer } = self.pool().call(ask).await?;
        let checked = || {
            let mut shown = Shown::open(self, answer.proof, answer.as_of, at)?;
            let links = accreditations(answer.links)?;
            shown.accreditations(&links)?;
            let is_chain = links.len() <= LINKS_MAX
                && links.last().is_some_and(|last| last.key == *key)
                && links.windows(2).all(|pair| pair[1].parent_key() == Some(pair[0].key))
                && links.first().is_some_and(|first| shown.is_root(first));
            if is_chain { shown.finish(links) } else { Err(BadAnswer::Mismatch("the chain")) }
        };
        checked().map_err(|fault| self.pool().bad_answer(&node, fault))
    }

    /// All organisations, ascending by identifier, page by page (at most 200 each; 0 leaves it to the node).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn identifiers(
        &self,
        at: Moment,
        from: Option<&Cursor>,
        page_size: u32,
    ) -> Result<Listed<Identifier>, ClientError> {
        let request = v1::ListIdentifiersRequest { page_size, cursor: wire_cursor(from), at: at.into() };
        let ask = |node: Node| {
            let request = request.clone();
            async move { node.registry().list_identifiers(request).await }
        };
        let Reply { node, answer } = self.pool().call(ask).await?;
        let entries: Result<Vec<_>, ConvertError> =
            answer.identifiers.into_iter().map(Identifier::try_from).collect();
        page(entries, answer.as_of, answer.next_cursor).map_err(|error| self.pool().bad_answer(&node, error))
    }

    /// The accreditations that hang on `parent`, page by page (at most 200 each; 0 leaves it to the node).
    ///
    /// # Errors
    /// [`ClientError::NotFound`] `ACCREDITATION_UNKNOWN` (the node's word); [`ClientError`].
    pub async fn accreditations_under(
        &self,
        parent: &AccreditationKey,
        at: Moment,
        from: Option<&Cursor>,
        page_size: u32,
    ) -> Result<Listed<Accreditation>, ClientError> {
        let (parent_subject_did, parent_id) = wire_key(parent);
        let cursor = wire_cursor(from);
        let request =
            v1::ListAccreditationsRequest { parent_subject_did, parent_id, page_size, cursor, at: at.into() };
        let ask = |node: Node| {
            let request = request.clone();
            async move { node.registry().list_accreditations(request).await }
        };
        let Reply { node, answer } = self.pool().call(ask).await?;
        let entries = accreditations(answer.accreditations);
        page(entries, answer.as_of, answer.next_cursor).map_err(|error| self.pool().bad_answer(&node, error))
    }
}

fn identifier(answer: Option<v1::Identifier>, did: &Did) -> Result<Identifier, BadAnswer> {
    let value = Identifier::try_from(answer.ok_or(ConvertError::Missing("identifier"))?)?;
    if value.did == *did { Ok(value) } else { Err(BadAnswer::Mismatch("the organisation")) }
}

fn accreditations(answer: Vec<v1::Accreditation>) -> Result<Vec<Accreditation>, ConvertError> {
    answer.into_iter().map(Accreditation::try_from).collect()
}

fn wire_key(key: &AccreditationKey) -> (String, bytes::Bytes) {
    (key.subject.to_string(), bytes::Bytes::copy_from_slice(&key.id.0))
}

fn wire_cursor(from: Option<&Cursor>) -> String {
    from.map(|cursor| cursor.0.clone()).unwrap_or_default()
}

fn page<T>(
    entries: Result<Vec<T>, ConvertError>,
    as_of: Option<v1::AsOf>,
    next: String,
) -> Result<Listed<T>, ConvertError> {
    let next = Some(next).filter(|next| !next.is_empty()).map(Cursor);
    Ok(Unproved::new(Page { entries: entries?, as_of: as_of.try_into()?, next }))
}
