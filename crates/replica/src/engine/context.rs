//! What the engine's core has to know about this ledger: heights, members, headers, votes, proposals and who proposes when.

use std::fmt;
use std::sync::Arc;

use kvitto_ledger::{Header, HeaderId, KeyBytes, LedgerConfig, LedgerId, PublicKey, Signature, SigningKey};
use malachitebft_core_types::{
    self as core, LinearTimeouts, NilOrVal, Round, SignedExtension, SigningScheme, VoteType,
};

use crate::signer::{Point, Step};

const VOTE_TAG: &[u8] = b"kvitto/vote/v1";
const PROPOSAL_TAG: &[u8] = b"kvitto/proposal/v1";

/// Number of the block that is being decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Height(pub(crate) kvitto_ledger::Height);

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::Height for Height {
    const ZERO: Self = Self(kvitto_ledger::Height(0));
    const INITIAL: Self = Self(kvitto_ledger::Height(1));

    fn increment_by(&self, n: u64) -> Self {
        Self(kvitto_ledger::Height(self.0.0.saturating_add(n)))
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.0.checked_sub(n).map(|height| Self(kvitto_ledger::Height(height)))
    }

    fn as_u64(&self) -> u64 {
        self.0.0
    }
}

/// A member, by its consensus key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Address(pub(crate) KeyBytes);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::Address for Address {}

/// What is decided: a header, with its id at hand.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Value {
    id: HeaderId,
    header: Arc<Header>,
}

impl Value {
    pub(crate) fn new(header: impl Into<Arc<Header>>) -> Self {
        let header = header.into();
        Self { id: header.id(), header }
    }

    pub(crate) fn header(&self) -> &Arc<Header> {
        &self.header
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({})", self.id)
    }
}

impl core::Value for Value {
    type Id = HeaderId;

    fn id(&self) -> HeaderId {
        self.id
    }
}

/// A prevote or precommit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vote {
    pub(crate) vote_type: VoteType,
    pub(crate) height: Height,
    pub(crate) round: Round,
    pub(crate) value: NilOrVal<HeaderId>,
    pub(crate) address: Address,
}

impl Vote {
    /// `"kvitto/vote/v1" || 0x00 || ledger id || type (1, 2) || height (8) || round (4) || 0x00, or 0x01 || header id || key`.
    pub(crate) fn sign_bytes(&self, ledger: &LedgerId) -> Vec<u8> {
        let mut bytes = [VOTE_TAG, &[0], &ledger.0].concat();
        bytes.push(match self.vote_type {
            VoteType::Prevote => 1,
            VoteType::Precommit => 2,
        });
        bytes.extend(self.height.0.0.to_be_bytes());
        bytes.extend(round_number(self.round).to_be_bytes());
        match &self.value {
            NilOrVal::Nil => bytes.push(0),
            NilOrVal::Val(id) => {
                bytes.push(1);
                bytes.extend(id.0);
            }
        }
        bytes.extend(self.address.0.0);
        bytes
    }

    pub(crate) fn point(&self) -> Point {
        let step = match self.vote_type {
            VoteType::Prevote => Step::Prevote,
            VoteType::Precommit => Step::Precommit,
        };
        Point { height: self.height.0, round: round_number(self.round), step }
    }
}

impl core::Vote<Context> for Vote {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<HeaderId> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<HeaderId> {
        self.value
    }

    fn vote_type(&self) -> VoteType {
        self.vote_type
    }

    fn validator_address(&self) -> &Address {
        &self.address
    }

    // Vote extensions are off: a checkpoint is cosigned after the commit.
    fn extension(&self) -> Option<&SignedExtension<Context>> {
        None
    }

    fn take_extension(&mut self) -> Option<SignedExtension<Context>> {
        None
    }

    fn extend(self, _: SignedExtension<Context>) -> Self {
        self
    }
}

/// A proposal of a header for a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proposal {
    pub(crate) height: Height,
    pub(crate) round: Round,
    pub(crate) value: Value,
    /// The round of the proof of lock; nil for a new value.
    pub(crate) pol_round: Round,
    pub(crate) address: Address,
}

impl Proposal {
    /// `"kvitto/proposal/v1" || 0x00 || ledger id || height (8) || round (4) || 0x00, or 0x01 || proof-of-lock round (4) ||
    /// header id || key`.
    pub(crate) fn sign_bytes(&self, ledger: &LedgerId) -> Vec<u8> {
        let mut bytes = [PROPOSAL_TAG, &[0], &ledger.0].concat();
        bytes.extend(self.height.0.0.to_be_bytes());
        bytes.extend(round_number(self.round).to_be_bytes());
        match self.pol_round.as_u32() {
            None => bytes.push(0),
            Some(round) => {
                bytes.push(1);
                bytes.extend(round.to_be_bytes());
            }
        }
        bytes.extend(core::Value::id(&self.value).0);
        bytes.extend(self.address.0.0);
        bytes
    }

    pub(crate) fn point(&self) -> Point {
        Point { height: self.height.0, round: round_number(self.round), step: Step::Proposal }
    }
}

impl core::Proposal<Context> for Proposal {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &Value {
        &self.value
    }

    fn take_value(self) -> Value {
        self.value
    }

    fn pol_round(&self) -> Round {
        self.pol_round
    }

    fn validator_address(&self) -> &Address {
        &self.address
    }
}

/// The number of a round that a message stands in. Decoding and the engine give messages no nil round.
fn round_number(round: Round) -> u32 {
    round.as_u32().expect("messages stand in a round")
}

/// Never made: bodies travel apart, and the core does not look at them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {}

impl core::ProposalPart<Context> for Part {
    fn is_first(&self) -> bool {
        match *self {}
    }

    fn is_last(&self) -> bool {
        match *self {}
    }
}

/// A member as the core sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    address: Address,
    key: PublicKey,
}

impl core::Validator<Context> for Member {
    fn address(&self) -> &Address {
        &self.address
    }

    fn public_key(&self) -> &PublicKey {
        &self.key
    }

    fn voting_power(&self) -> u64 {
        1
    }
}

/// The members: sorted by key, as the core wants them, and in the order in which they propose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Members(Arc<MembersInner>);

#[derive(Debug, PartialEq, Eq)]
struct MembersInner {
    sorted: Vec<Member>,
    /// Places in `sorted`, in the order of the configuration.
    rotation: Vec<usize>,
}

impl Members {
    /// The members of a configuration. [`kvitto_ledger::Genesis::check`] has seen to it that keys are usable and distinct.
    pub(crate) fn new(config: &LedgerConfig) -> Self {
        let in_order: Vec<Member> = config
            .members
            .iter()
            .map(|member| Member {
                address: Address(member.consensus.key),
                key: PublicKey::new(&member.consensus.key).expect("the genesis was checked"),
            })
            .collect();
        let mut sorted = in_order.clone();
        sorted.sort_by_key(|member| member.address);
        let place = |member: &Member| sorted.partition_point(|other| other.address < member.address);
        let rotation = in_order.iter().map(place).collect();
        Self(Arc::new(MembersInner { sorted, rotation }))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.rotation.len()
    }

    /// The member at this place in the configuration.
    pub(crate) fn address(&self, member: usize) -> Option<Address> {
        self.0.rotation.get(member).map(|&place| self.0.sorted[place].address)
    }

    /// The place in the configuration of a member.
    pub(crate) fn index(&self, address: &Address) -> Option<usize> {
        let place = self.0.sorted.binary_search_by_key(address, |member| member.address).ok()?;
        self.0.rotation.iter().position(|&other| other == place)
    }

    pub(crate) fn key(&self, address: &Address) -> Option<&PublicKey> {
        let place = self.0.sorted.binary_search_by_key(address, |member| member.address).ok()?;
        Some(&self.0.sorted[place].key)
    }

    /// The place in the configuration of who proposes: round robin over heights and rounds.
    pub(crate) fn proposer(&self, height: kvitto_ledger::Height, round: u32) -> usize {
        let turn = (u128::from(height.0) + u128::from(round)) % self.len() as u128;
        usize::try_from(turn).expect("smaller than the number of members")
    }

    /// Members of whom at least one is honest while fewer than a third are not: floor((n - 1) / 3) + 1.
    pub(crate) fn one_honest(&self) -> usize {
        (self.len() - 1) / 3 + 1
    }
}

impl core::ValidatorSet<Context> for Members {
    fn count(&self) -> usize {
        self.len()
    }

    fn total_voting_power(&self) -> u64 {
        self.len() as u64
    }

    fn get_by_address(&self, address: &Address) -> Option<&Member> {
        let place = self.0.sorted.binary_search_by_key(address, |member| member.address).ok()?;
        self.0.sorted.get(place)
    }

    fn get_by_index(&self, index: usize) -> Option<&Member> {
        self.0.sorted.get(index)
    }
}

/// Ed25519 by the strict rules, the same as for statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ed25519;

impl SigningScheme for Ed25519 {
    type DecodingError = &'static str;
    type Signature = Signature;
    type PublicKey = PublicKey;
    type PrivateKey = SigningKey;

    fn decode_signature(bytes: &[u8]) -> Result<Signature, &'static str> {
        bytes.try_into().map(Signature).map_err(|_| "a signature has 64 bytes")
    }

    fn encode_signature(signature: &Signature) -> Vec<u8> {
        signature.0.to_vec()
    }

    fn decode_public_key(bytes: &[u8]) -> Result<PublicKey, &'static str> {
        let bytes = bytes.try_into().map(KeyBytes).map_err(|_| "a key has 32 bytes")?;
        PublicKey::new(&bytes).map_err(|_| "not a usable key")
    }

    fn encode_public_key(key: &PublicKey) -> Vec<u8> {
        key.bytes().0.to_vec()
    }
}

/// The engine's view of this ledger.
#[derive(Clone, Debug)]
pub(crate) struct Context;

impl core::Context for Context {
    type Address = Address;
    type Height = Height;
    type ProposalPart = Part;
    type Proposal = Proposal;
    type Validator = Member;
    type ValidatorSet = Members;
    type Timeouts = LinearTimeouts;
    type Value = Value;
    type Vote = Vote;
    type Extension = Vec<u8>;
    type SigningScheme = Ed25519;

    fn select_proposer<'a>(&self, members: &'a Members, height: Height, round: Round) -> &'a Member {
        let member = members.proposer(height.0, round_number(round));
        &members.0.sorted[members.0.rotation[member]]
    }

    fn new_proposal(
        &self,
        height: Height,
        round: Round,
        value: Value,
        pol_round: Round,
        address: Address,
    ) -> Proposal {
        Proposal { height, round, value, pol_round, address }
    }

    fn new_prevote(&self, height: Height, round: Round, value: NilOrVal<HeaderId>, address: Address) -> Vote {
        Vote { vote_type: VoteType::Prevote, height, round, value, address }
    }

    fn new_precommit(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<HeaderId>,
        address: Address,
    ) -> Vote {
        Vote { vote_type: VoteType::Precommit, height, round, value, address }
    }
}
