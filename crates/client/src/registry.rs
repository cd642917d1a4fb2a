//! Reading the registry: organisations and accreditations, as their records say under a checkpoint of a quorum.
//!
//! What is proved: that every record shown was made, and what the status tree says of every accreditation after the block that the
//! answer is as of; that a block asked for by time is the last one before it; and that the newest one is not older than
//! [`Options::max_age`](crate::Options::max_age). What is not: that no newer record was left out (a log does not prove absence), an
//! organisation's number, who suspended an accreditation and why.

mod claims;
mod proof;

use kvitto_ledger::Did;
use kvitto_ledger::state::{Accreditation, AccreditationKey, Identifier};
use kvitto_proto::convert::{AsOf, ConvertError, Moment};
use kvitto_proto::v1;

use crate::checkpoint::VerifiedCheckpoint;
use crate::client::Client;
use crate::error::{BadAnswer, ClientError, Unavailable};
use crate::pool::{Node, Reply};
use crate::status::not_covered;
use crate::unproved::Unproved;
use proof::Shown;

/// Most links of a chain, root included (RULES 6.1).
const LINKS_MAX: usize = 8;
/// Accreditations of an organisation that are asked for at once; the most that a node gives.
const PAGE_SIZE: u32 = 200;

/// An answer whose records stand in a tree that a quorum signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven<T> {
    /// The answer.
    pub value: T,
    /// The block that it is as of; shown to be in the tree, and the last one at the moment that was asked about.
    pub as_of: AsOf,
    /// The tree; of an answer in several parts, that of the first one.
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
    /// [`ClientError::NotFound`] `IDENTIFIER_UNKNOWN` (the node's word); [`ClientError::Unavailable`] `TIME_NOT_COVERED` for a time
    /// that no checkpoint is as new as, and `CHECKPOINT_TOO_OLD` for the newest state; [`ClientError`].
    pub async fn identifier(&self, did: &Did, at: Moment) -> Result<Proven<Identifier>, ClientError> {
        let request = v1::GetIdentifierRequest { did: did.to_string(), at: at.into() };
        let ask = |node: Node| {
            let request = request.clone();
            async move { node.registry().get_identifier(request).await }
        };
        let Reply { node, answer } = self.pool().call(ask).await?;
        self.checked(&node, at, || {
            let mut shown = Shown::open(self, answer.proof, answer.as_of, at)?;
            let value = identifier(answer.identifier, did)?;
            shown.identifier(&value, self.trust())?;
            shown.finish(value)
        })
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
        let (_, mut found, mut next) = self.issuer_page(did, at, None).await?;
        while next.is_some() {
            let at = Moment::Height(found.as_of.height);
            let (node, page, after) = self.issuer_page(did, at, next.as_ref()).await?;
            let (identifier, held) = page.value;
            let last = found.value.1.last().map(|last| last.key);
            let goes_on = page.as_of == found.as_of
                && identifier == found.value.0
                && held.first().is_some_and(|first| Some(first.key) > last);
            if !goes_on {
                return Err(self.pool().bad_answer(&node, BadAnswer::Mismatch("the next page")));
            }
            found.value.1.extend(held);
            next = after;
        }
        Ok(found)
    }

    async fn issuer_page(
        &self,
        did: &Did,
        at: Moment,
        from: Option<&Cursor>,
    ) -> Result<(Node, Proven<(Identifier, Vec<Accreditation>)>, Option<Cursor>), ClientError> {
        let request = v1::GetIssuerRequest {
            did: did.to_string(),
            at: at.into(),
            page_size: PAGE_SIZE,
            cursor: wire_cursor(from),
        };
        let ask = |node: Node| {
            let request = request.clone();
            async move { node.registry().get_issuer(request).await }
        };
        let Reply { node, answer } = self.pool().call(ask).await?;
        let page = self.checked(&node, at, || {
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
        })?;
        Ok((node, page, cursor(answer.next_cursor)))
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
        self.checked(&node, at, || {
            let mut shown = Shown::open(self, answer.proof, answer.as_of, at)?;
            let value = answer.accreditation.ok_or(ConvertError::Missing("accreditation"))?;
            let value = Accreditation::try_from(value)?;
            if value.key != *key {
                return Err(BadAnswer::Mismatch("the accreditation"));
            }
            shown.accreditations(std::slice::from_ref(&value))?;
            shown.finish(value)
        })
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
        self.checked(&node, at, || {
            let mut shown = Shown::open(self, answer.proof, answer.as_of, at)?;
            let links = accreditations(answer.links)?;
            shown.accreditations(&links)?;
            let is_chain = links.len() <= LINKS_MAX
                && links.last().is_some_and(|last| last.key == *key)
                && links.windows(2).all(|pair| pair[1].parent_key() == Some(pair[0].key))
                && links.first().is_some_and(|first| shown.is_root(first));
            if is_chain { shown.finish(links) } else { Err(BadAnswer::Mismatch("the chain")) }
        })
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

impl Client {
    /// An answer that `check` finds true, and that is new enough for the moment asked about.
    fn checked<T>(
        &self,
        node: &Node,
        at: Moment,
        check: impl FnOnce() -> Result<Proven<T>, BadAnswer>,
    ) -> Result<Proven<T>, ClientError> {
        let proven = check().map_err(|fault| self.pool().bad_answer(node, fault))?;
        let fresh_at_s = proven.checkpoint.fresh_at_s();
        match at {
            Moment::Newest if self.now_s().saturating_sub(fresh_at_s) > self.options().max_age.as_secs() => {
                Err(too_old(node).into())
            }
            // After the newest block the answer holds until the freshness: no block decided before that is missing.
            Moment::Time(time)
                if proven.as_of.tree_size == proven.checkpoint.size()
                    && proven.as_of.time < time
                    && fresh_at_s.saturating_mul(1000) < time.0 =>
            {
                Err(not_covered(node).into())
            }
            _ => Ok(proven),
        }
    }
}

fn too_old(node: &Node) -> Unavailable {
    Unavailable {
        node: node.name().to_owned(),
        reason: "CHECKPOINT_TOO_OLD".to_owned(),
        message: "the newest checkpoint is older than the greatest age allowed".to_owned(),
        retry_after: None,
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

fn cursor(next: String) -> Option<Cursor> {
    Some(next).filter(|next| !next.is_empty()).map(Cursor)
}

fn page<T>(
    entries: Result<Vec<T>, ConvertError>,
    as_of: Option<v1::AsOf>,
    next: String,
) -> Result<Listed<T>, ConvertError> {
    Ok(Unproved::new(Page { entries: entries?, as_of: as_of.try_into()?, next: cursor(next) }))
}
