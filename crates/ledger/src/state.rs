//! The state that follows from the log: what the rules look up, and what a block changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use kvitto_merkle::status::{Chunk, StatusSource};
use kvitto_merkle::{Frontier, Hash};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::block::Header;
use crate::codec::cbor_array;
use crate::did::Did;
use crate::document::{Relationships, Service, VerificationMethod};
use crate::ids::{
    AccreditationId, Commitment, HeaderId, Height, KeyBytes, LeafIndex, Position, RegistrantNumber,
    StatementId, Thumbprint, TimeMs,
};
use crate::rejection::Rejection;
use crate::scope::{Role, Scope};
use crate::statement::body::{LegalIdentifier, Policy, Reason};

/// The store could not answer. Not a verdict of the rules: the node stops.
#[derive(Debug, Error)]
#[error("the state cannot be read")]
pub struct StateError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Point look-ups in the state after the newest committed block.
pub trait ReadState {
    /// What is true after the newest block.
    fn tip(&self) -> Result<Tip, StateError>;

    /// An organisation. Shared, because almost every statement asks for the same few.
    fn identifier(&self, did: &Did) -> Result<Option<Arc<Identifier>>, StateError>;

    /// An accreditation. Shared, because almost every statement asks for the same few.
    fn accreditation(&self, key: &AccreditationKey) -> Result<Option<Arc<Accreditation>>, StateError>;

    /// Where these commitments of one issuer are, in the order asked.
    fn anchors(
        &self,
        issuer: RegistrantNumber,
        commitments: &[Commitment],
    ) -> Result<Vec<Option<Position>>, StateError>;

    /// What a position is used for.
    fn place(&self, position: Position) -> Result<Option<Place>, StateError>;

    /// A record of the log.
    fn log_leaf(&self, index: LeafIndex) -> Result<Option<Vec<u8>>, StateError>;

    /// A perfect node of the log; level 0 is a leaf hash.
    fn log_hash(&self, level: u8, index: u64) -> Result<Option<Hash>, StateError>;

    /// The newest record that changed the status of a position; `None` where none did.
    fn status_leaf(&self, position: Position) -> Result<Option<LeafIndex>, StateError>;

    /// A chunk of the status tree; `None` where all its bits are zero.
    fn status_chunk(&self, index: u64) -> Result<Option<Chunk>, StateError>;

    /// The root of a perfect subtree of the status tree; `None` where it covers only zeros.
    fn status_node(&self, level: u8, index: u64) -> Result<Option<Hash>, StateError>;

    /// What an organisation has used of its quotas.
    fn usage(&self, registrant: RegistrantNumber) -> Result<Usage, StateError>;

    /// What became of a statement, if it was executed.
    fn outcome(&self, id: &StatementId) -> Result<Option<Outcome>, StateError>;
}

/// [`ReadState`]'s status tree as the source of [`kvitto_merkle::status`].
pub(crate) struct StatusNodes<'a, S>(pub(crate) &'a S);

impl<S: ReadState> StatusSource for StatusNodes<'_, S> {
    type Error = StateError;

    fn status_node(&self, level: u8, index: u64) -> Result<Option<Hash>, StateError> {
        self.0.status_node(level, index)
    }
}

cbor_array! {
    /// What is true after a block.
    pub struct Tip {
        /// The block's header.
        pub header: Header,
        /// Its id.
        pub header_id: HeaderId,
        /// The log's right edge.
        pub frontier: Frontier,
        /// Number of positions.
        pub positions: u64,
        /// Number of registered organisations.
        pub registrants: u32,
        /// Number of accreditations that are suspended because a key was in wrong hands ([`Accreditation::is_compromised`]).
        pub compromised: u64,
    }
}

impl Tip {
    /// Number of the newest block.
    pub fn height(&self) -> Height {
        self.header.height
    }
}

cbor_array! {
    /// A registered organisation.
    pub struct Identifier {
        /// Its number.
        pub number: RegistrantNumber,
        /// Its identifier.
        pub did: Did,
        /// Legal name.
        pub legal_name: String,
        /// Official identifier; roots have none.
        pub legal_identifier: Option<LegalIdentifier>,
        /// ISO 3166-1 alpha-2 country code.
        pub country: String,
        /// Who onboarded it; a root itself.
        pub sponsor: Did,
        /// Under which of the sponsor's accreditations.
        pub sponsor_accreditation: AccreditationId,
        /// Keys.
        pub methods: Vec<VerificationMethod>,
        /// Services.
        pub services: Vec<Service>,
        /// Whether it can sign no more.
        pub deactivated: bool,
        /// Its newest `Identifier` record; a root has none until it changes something.
        pub leaf: Option<LeafIndex>,
    }
}

impl Identifier {
    /// The Ed25519 key with this thumbprint and what it may be used for.
    pub fn ledger_key(&self, thumbprint: &Thumbprint) -> Option<(KeyBytes, Relationships)> {
        let method = self.methods.iter().find(|method| method.thumbprint().as_ref() == Some(thumbprint))?;
        Some((method.ed25519()?, method.relationships))
    }
}

cbor_array! {
    /// Which accreditation: ids are unique per subject.
    #[derive(Copy, PartialOrd, Ord, Hash)]
    pub struct AccreditationKey {
        /// Who is accredited.
        pub subject: Did,
        /// The id.
        pub id: AccreditationId,
    }
}

cbor_array! {
    /// A suspension in force.
    pub struct Suspension {
        /// By whom.
        pub by: Did,
        /// Why.
        pub reason: Reason,
    }
}

cbor_array! {
    /// A withdrawal, for good.
    pub struct Withdrawal {
        /// By whom.
        pub by: Did,
        /// From when.
        pub effective_from: TimeMs,
        /// Why.
        pub reason: Reason,
        /// Its record.
        pub leaf: LeafIndex,
    }
}

cbor_array! {
    /// An accreditation with its present status.
    pub struct Accreditation {
        /// Which one.
        pub key: AccreditationKey,
        /// Who gave it; a root's own DID for a root.
        pub accreditor: Did,
        /// The accreditor's accreditation that it hangs on; none for a root.
        pub parent: Option<AccreditationId>,
        /// To do what.
        pub role: Role,
        /// For what.
        pub scope: Scope,
        /// First moment of validity.
        pub valid_from: TimeMs,
        /// Last moment of validity.
        pub valid_until: TimeMs,
        /// Policy it is given under.
        pub policy: Option<Policy>,
        /// SHA-256 of an accreditation credential.
        pub credential_digest: Option<Hash>,
        /// Its place in the status tree.
        pub position: Position,
        /// Its newest `Accreditation` record.
        pub leaf: LeafIndex,
        /// The suspension in force, if any.
        pub suspension: Option<Suspension>,
        /// The withdrawal, if any.
        pub withdrawal: Option<Withdrawal>,
    }
}

impl Accreditation {
    /// The accreditation it hangs on; none for a root.
    pub fn parent_key(&self) -> Option<AccreditationKey> {
        self.parent.map(|id| AccreditationKey { subject: self.accreditor, id })
    }

    /// Whether it is suspended because a key was in wrong hands.
    pub fn is_compromised(&self) -> bool {
        self.suspension.as_ref().is_some_and(|suspension| suspension.reason == Reason::KeyCompromise)
    }
}

/// What a position is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Whose it is: the issuer's, or the accredited organisation's.
    pub owner: RegistrantNumber,
    /// For what.
    pub content: PlaceContent,
}

/// See [`Place`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceContent {
    /// An accreditation.
    Accreditation,
    /// Reserved for a credential that is not anchored yet.
    Reserved,
    /// An anchored credential.
    Anchored {
        /// Its `Anchored` record.
        leaf: LeafIndex,
    },
}

cbor_array! {
    /// What an organisation has used of its quotas.
    #[derive(Copy, Default)]
    pub struct Usage {
        /// Reserved positions without a credential.
        pub reserved_unused: u32,
        /// The hour that `revoked` counts: block time in hours since the epoch.
        pub hour: u64,
        /// Revocations in that hour.
        pub revoked: u32,
    }
}

cbor_array! {
    /// What an executed statement led to. Its records stand at `first_leaf` and after it: one for each item without exception.
    pub struct Outcome {
        /// The block.
        pub height: Height,
        /// The block's time.
        pub time: TimeMs,
        /// Its place among the block's statements, from 0.
        pub index: u32,
        /// Its first record.
        pub first_leaf: LeafIndex,
        /// Number of its records.
        pub leaves: u32,
        /// Items without a record of their own, ascending.
        pub exceptions: Vec<ItemException>,
    }
}

impl Outcome {
    /// What became of item `item` (from 0) of the statement.
    pub fn item(&self, item: u32) -> ItemOutcome {
        match self.exceptions.binary_search_by_key(&item, |exception| exception.item) {
            Ok(at) => self.exceptions[at].outcome,
            Err(before) => {
                ItemOutcome::Recorded { leaf: LeafIndex(self.first_leaf.0 + u64::from(item) - before as u64) }
            }
        }
    }
}

cbor_array! {
    /// An item of a statement that led to no record.
    pub struct ItemException {
        /// Which item, from 0.
        pub item: u32,
        /// Why; never `Recorded`.
        pub outcome: ItemOutcome,
    }
}

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemOutcome {
    /// It has a record of its own.
    Recorded {
        /// Where.
        leaf: LeafIndex,
    },
    /// It had been anchored before, by the same issuer.
    Duplicate {
        /// Where.
        position: Position,
    },
    /// It was skipped.
    Skipped(Rejection),
}

/// CBOR: `[0, leaf]`, `[1, position]` or `[2, code]`.
impl Serialize for ItemOutcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Recorded { leaf } => (0_u8, leaf.0),
            Self::Duplicate { position } => (1, position.0),
            Self::Skipped(rejection) => (2, u64::from(rejection.code())),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ItemOutcome {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let unknown = || serde::de::Error::custom("unknown outcome");
        match <(u8, u64)>::deserialize(deserializer)? {
            (0, leaf) => Ok(Self::Recorded { leaf: LeafIndex(leaf) }),
            (1, position) => Ok(Self::Duplicate { position: Position(position) }),
            (2, code) => {
                let rejection = u16::try_from(code).ok().and_then(Rejection::from_code);
                rejection.map(Self::Skipped).ok_or_else(unknown)
            }
            _ => Err(unknown()),
        }
    }
}

/// Everything that a block changes in the state, besides the log itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// New or changed organisations.
    pub identifiers: BTreeMap<Did, Identifier>,
    /// New or changed accreditations.
    pub accreditations: BTreeMap<AccreditationKey, Accreditation>,
    /// Changed quotas.
    pub usage: BTreeMap<RegistrantNumber, Usage>,
    /// New or changed uses of positions.
    pub places: BTreeMap<Position, Place>,
    /// Newly anchored commitments.
    pub anchors: BTreeMap<(RegistrantNumber, Commitment), Position>,
    /// Changed chunks of the status tree.
    pub chunks: BTreeMap<u64, Chunk>,
    /// The newest `Status` or `AccreditationStatus` record of positions whose status changed.
    pub status_leaves: BTreeMap<Position, LeafIndex>,
    /// Executed statements.
    pub outcomes: BTreeMap<StatementId, Outcome>,
}

impl Changes {
    /// Adds what came later; on the same key the later one stays.
    pub(crate) fn absorb(&mut self, later: Self) {
        absorb(&mut self.identifiers, later.identifiers);
        absorb(&mut self.accreditations, later.accreditations);
        absorb(&mut self.usage, later.usage);
        absorb(&mut self.places, later.places);
        absorb(&mut self.anchors, later.anchors);
        absorb(&mut self.chunks, later.chunks);
        absorb(&mut self.status_leaves, later.status_leaves);
        absorb(&mut self.outcomes, later.outcomes);
    }
}

/// A statement is often the first of its block to change something, and thousands of entries need not be inserted twice.
fn absorb<K: Ord, V>(earlier: &mut BTreeMap<K, V>, later: BTreeMap<K, V>) {
    if earlier.is_empty() {
        *earlier = later;
    } else {
        earlier.extend(later);
    }
}
