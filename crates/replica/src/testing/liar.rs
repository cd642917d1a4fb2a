//! A member that signs whatever it is told to: messages that no honest member would send, with good signatures.

use std::sync::Arc;

use kvitto_ledger::testing::{MemberKeys, World};
use kvitto_ledger::{
    BlockBody, Header, HeaderId, KeyBytes, LedgerId, Signature, SigningKey, TimeMs, execute,
};
use kvitto_merkle::Checkpoint;
use kvitto_merkle::note::cosignature_message;
use malachitebft_core_types::{NilOrVal, Round, SignedMessage, VoteType};

use super::{Cluster, cluster::peer};
use crate::codec::{
    BodyMessage, ConsensusMessage, CosignatureMessage, Request, encode_proposal, encode_vote,
};
use crate::engine::context::{Address, Height, Proposal, Value, Vote};
use crate::input::{Input, ReplyToken, Topic, VerdictToken};
use crate::signer::{Head, Point, Step};

/// Signs a message.
type Sign = Arc<dyn Fn(&[u8]) -> Signature>;

/// A key, and how it signs: not every public key has a private one that signs as it should.
#[derive(Clone)]
pub struct Pen {
    /// The public key.
    pub key: KeyBytes,
    /// Signs a message.
    pub sign: Sign,
}

impl Pen {
    fn of(key: &SigningKey) -> Self {
        let (public, key) = (key.public().bytes(), key.clone());
        Self { key: public, sign: Arc::new(move |message| key.sign(message)) }
    }
}

impl std::fmt::Debug for Pen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pen({})", self.key)
    }
}

/// The keys of a member, and what it can make of them.
#[derive(Clone, Debug)]
pub struct Liar {
    /// Place in the configuration.
    pub member: usize,
    /// Signs votes and proposals.
    pub consensus: Pen,
    /// Cosigns.
    pub cosignature: Pen,
    origin: String,
    ledger: LedgerId,
}

impl Liar {
    /// Lies as this member of the cluster, of which nothing is asserted any more.
    pub fn new(cluster: &mut Cluster, member: usize) -> Self {
        cluster.witness.liars.insert(member);
        Self::of(&cluster.world, member)
    }

    /// With the keys of this member.
    pub fn of(world: &World, member: usize) -> Self {
        let World { genesis, ledger_id, members, .. } = world;
        let MemberKeys { consensus, cosignature, .. } = &members[member];
        Self {
            member,
            consensus: Pen::of(consensus),
            cosignature: Pen::of(cosignature),
            origin: genesis.origin.clone(),
            ledger: *ledger_id,
        }
    }

    fn address(&self) -> Address {
        Address(self.consensus.key)
    }

    /// A vote, for nil or a block.
    ///
    /// # Panics
    /// When the point is a proposal's.
    pub fn vote(&self, point: Point, block: Option<HeaderId>) -> Vec<u8> {
        let vote_type = match point.step {
            Step::Prevote => VoteType::Prevote,
            Step::Precommit => VoteType::Precommit,
            Step::Proposal => panic!("a proposal is no vote"),
        };
        let vote = Vote {
            vote_type,
            height: Height(point.height),
            round: Round::new(point.round),
            value: block.map_or(NilOrVal::Nil, NilOrVal::Val),
            address: self.address(),
        };
        let signature = (self.consensus.sign)(&vote.sign_bytes(&self.ledger));
        encode_vote(&SignedMessage::new(vote, signature))
    }

    /// A proposal, of a new value or with a round in which it is said to have been locked.
    pub fn proposal(&self, round: u32, locked_in: Option<u32>, header: &Header) -> Vec<u8> {
        let proposal = Proposal {
            height: Height(header.height),
            round: Round::new(round),
            value: Value::new(header.clone()),
            pol_round: locked_in.map_or(Round::Nil, Round::new),
            address: self.address(),
        };
        let signature = (self.consensus.sign)(&proposal.sign_bytes(&self.ledger));
        encode_proposal(&SignedMessage::new(proposal, signature))
    }

    /// What a proposal is about: its point and the header that it names. `None` for any other message.
    pub fn read_proposal(bytes: &[u8]) -> Option<(Point, Header)> {
        match ConsensusMessage::decode(bytes).ok()? {
            ConsensusMessage::Proposal(proposal) => {
                Some((proposal.point(), Header::clone(proposal.value.header())))
            }
            _ => None,
        }
    }

    /// A cosignature of any tree, at any time.
    ///
    /// # Panics
    /// When the genesis has an origin that is none.
    pub fn cosignature(&self, head: Head, timestamp_s: u64) -> CosignatureMessage {
        let origin = self.origin.parse().expect("the genesis was checked");
        let text = Checkpoint { origin, size: head.size, root: head.root }.to_string();
        let signature = (self.cosignature.sign)(&cosignature_message(timestamp_s, &text));
        let Head { height, size, root } = head;
        let key = self.cosignature.key;
        CosignatureMessage { height, size, root, timestamp_s, key, signature }
    }

    /// The header of a valid block without statements, after the newest one that the liar's node has, this far ahead of true time,
    /// or later where it has to be.
    ///
    /// # Panics
    /// Never: memory is readable.
    pub fn empty_block(&self, cluster: &Cluster, ahead_ms: u64) -> Header {
        let (state, config) = (&cluster.nodes[self.member].state, &cluster.world.genesis.config);
        let time = TimeMs((cluster.now.0 + ahead_ms).max(state.newest().header.time.0 + 1));
        execute::build(state, config, time, []).expect("memory is readable").block.header
    }

    /// Tells one node that the liar has this block.
    pub fn claim(&self, cluster: &mut Cluster, to: usize, height: kvitto_ledger::Height) {
        let (from, token) = (peer(self.member), ReplyToken(0));
        let bytes = Request::Status(height).encode().into();
        cluster.input(to, Input::Request { from, token, bytes });
    }

    /// Sends a message to one node.
    pub fn tell(&self, cluster: &mut Cluster, to: usize, topic: Topic, bytes: impl Into<Arc<[u8]>>) {
        let (from, token) = (peer(self.member), VerdictToken(0));
        cluster.input(to, Input::Gossip { topic, from, token, bytes: bytes.into() });
    }

    /// Pushes a body that may be no body at all.
    pub fn push_bytes(&self, cluster: &mut Cluster, to: usize, header: &Header, body: &[u8]) {
        let message = BodyMessage { header: header.clone(), body: body.into() };
        let (from, token) = (peer(self.member), ReplyToken(0));
        cluster.input(to, Input::Request { from, token, bytes: Request::Body(message).encode().into() });
    }

    /// Pushes the body of a block to one node.
    pub fn push_body(&self, cluster: &mut Cluster, to: usize, header: &Header, body: &BlockBody) {
        self.push_bytes(cluster, to, header, &body.encode());
    }
}
