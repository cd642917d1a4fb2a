//! Members that lie, together where there are several: they see everything, and sign whatever serves them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;

use kvitto_ledger::{BlockBody, Header, HeaderId, Height};
use kvitto_merkle::Hash;
use kvitto_replica::Topic;
use kvitto_replica::signer::{Head, Point, Step};
use kvitto_replica::testing::{Cluster, Liar, Random, Wire};

/// Kinds of messages, as their second byte says.
const PROPOSAL: u8 = 17;
const SERVED_BLOCKS: u8 = 65;

/// What liars do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Anything, at random: votes, proposals and cosignatures of all kinds, about points near the others'.
    Babble,
    /// Every member is told two things about each round.
    Equivocate,
    /// One half of the members is shown one block and its votes, the other half another.
    SplitVotes,
    /// What they should send does not reach some, or most, of the others.
    Withhold,
    /// In their rounds they propose blocks that are wrong, each time in another way.
    ProposeInvalid,
    /// They serve damaged blocks, or none, and claim to have more than there is.
    LieInSync,
    /// Very many messages, signed and not.
    Flood,
}

impl Strategy {
    /// Each of them.
    pub const ALL: [Self; 7] = [
        Self::Babble,
        Self::Equivocate,
        Self::SplitVotes,
        Self::Withhold,
        Self::ProposeInvalid,
        Self::LieInSync,
        Self::Flood,
    ];
}

/// The proposals that were seen on the wire.
type Heard = Rc<RefCell<BTreeMap<(Height, u32), Header>>>;

/// Some members that work together.
pub(super) struct Attack {
    liars: Vec<Liar>,
    strategy: Strategy,
    heard: Heard,
    /// Rounds in which everything was said, with the blocks that were shown.
    shown: BTreeMap<(Height, u32), [HeaderId; 2]>,
    voted: BTreeSet<(Height, u32)>,
}

impl Attack {
    pub(super) fn new(cluster: &mut Cluster, members: Range<usize>, strategy: Strategy) -> Self {
        let liars: Vec<_> = members.map(|member| Liar::new(cluster, member)).collect();
        let heard = Heard::default();
        let first = cluster.nodes.len() - liars.len();
        let on_the_wire = Rc::clone(&heard);
        let mut random = Random::new(cluster.random.number());
        cluster.tamper = Some(Box::new(move |wire| {
            if let Some((point, header)) = Liar::read_proposal(wire.bytes) {
                on_the_wire.borrow_mut().insert((point.height, point.round), header);
            }
            if wire.from >= first {
                tamper(strategy, wire, &mut random);
            }
        }));
        Self { liars, strategy, heard, shown: BTreeMap::new(), voted: BTreeSet::new() }
    }

    /// Looks at the others, and does what the strategy says.
    pub(super) fn act(&mut self, cluster: &mut Cluster) {
        match self.strategy {
            Strategy::Babble => {
                if cluster.random.chance(200) {
                    self.babble(cluster);
                }
            }
            Strategy::Flood => {
                for _ in 0..5 {
                    self.babble(cluster);
                }
            }
            Strategy::Equivocate | Strategy::SplitVotes => self.two_faces(cluster),
            Strategy::ProposeInvalid => self.propose_invalid(cluster),
            Strategy::LieInSync => {
                if cluster.random.chance(50) {
                    let (liar, to) = (self.any(cluster), self.any_other(cluster));
                    let far = 1 + cluster.random.below(1_000);
                    liar.claim(cluster, to, Height(cluster.height().0 + far));
                }
            }
            Strategy::Withhold => {}
        }
    }

    fn any(&self, cluster: &mut Cluster) -> Liar {
        self.liars[cluster.random.below(self.liars.len() as u64) as usize].clone()
    }

    fn any_other(&self, cluster: &mut Cluster) -> usize {
        cluster.random.below((cluster.nodes.len() - self.liars.len()) as u64) as usize
    }

    /// The rounds in which honest members are.
    fn rounds(&self, cluster: &Cluster) -> BTreeSet<(Height, u32, usize)> {
        let honest = cluster.nodes.len() - self.liars.len();
        let running = cluster.nodes[..honest].iter().filter_map(|node| node.replica.as_ref());
        let rounds = running.filter_map(|replica| replica.status().round);
        rounds.map(|round| (round.height, round.round, round.proposer)).collect()
    }

    /// The liar whose turn it is, when its own node is so far that it knows what comes next.
    fn proposer(&self, cluster: &Cluster, height: Height, member: usize) -> Option<&Liar> {
        let liar = self.liars.iter().find(|liar| liar.member == member)?;
        (cluster.nodes[member].height().next() == height).then_some(liar)
    }

    /// Shows each half of the honest members another block, and votes for both, or for the only one and for none.
    fn two_faces(&mut self, cluster: &mut Cluster) {
        let honest = cluster.nodes.len() - self.liars.len();
        for (height, round, proposer) in self.rounds(cluster) {
            if let Some(liar) = self.proposer(cluster, height, proposer).cloned()
                && !self.shown.contains_key(&(height, round))
            {
                let blocks = [liar.empty_block(cluster, 0), liar.empty_block(cluster, 1)];
                for to in 0..honest {
                    let block = &blocks[to * 2 / honest];
                    liar.push_body(cluster, to, block, &BlockBody(Vec::new()));
                    liar.tell(cluster, to, Topic::Consensus, liar.proposal(round, None, block));
                    if self.strategy == Strategy::Equivocate {
                        let other = &blocks[1 - to * 2 / honest];
                        liar.tell(cluster, to, Topic::Consensus, liar.proposal(round, None, other));
                    }
                }
                self.shown.insert((height, round), blocks.map(|block| block.id()));
            }
            self.vote(cluster, height, round, honest);
        }
    }

    fn vote(&mut self, cluster: &mut Cluster, height: Height, round: u32, honest: usize) {
        let heard = self.heard.borrow().get(&(height, round)).map(Header::id);
        let shown = self.shown.get(&(height, round)).map(|blocks| blocks.map(Some));
        let Some(blocks) = shown.or(heard.map(|block| [Some(block), None])) else { return };
        if !self.voted.insert((height, round)) {
            return;
        }
        for liar in &self.liars {
            for step in [Step::Prevote, Step::Precommit] {
                let point = Point { height, round, step };
                for to in 0..honest {
                    let half = to * 2 / honest;
                    liar.tell(cluster, to, Topic::Consensus, liar.vote(point, blocks[half]));
                    if self.strategy == Strategy::Equivocate {
                        liar.tell(cluster, to, Topic::Consensus, liar.vote(point, blocks[1 - half]));
                    }
                }
            }
        }
    }

    fn propose_invalid(&mut self, cluster: &mut Cluster) {
        let honest = cluster.nodes.len() - self.liars.len();
        for (height, round, proposer) in self.rounds(cluster) {
            let Some(liar) = self.proposer(cluster, height, proposer).cloned() else { continue };
            if !self.voted.insert((height, round)) {
                continue;
            }
            let (block, body) = invalid_block(&liar, cluster);
            for to in 0..honest {
                liar.push_body(cluster, to, &block, &body);
                liar.tell(cluster, to, Topic::Consensus, liar.proposal(round, None, &block));
                for step in [Step::Prevote, Step::Precommit] {
                    let point = Point { height, round, step };
                    liar.tell(cluster, to, Topic::Consensus, liar.vote(point, Some(block.id())));
                }
            }
        }
    }

    /// Tells one or all of the others something, about a height and round near theirs.
    fn babble(&self, cluster: &mut Cluster) {
        let liar = self.any(cluster);
        let newest = cluster.nodes[liar.member].state.newest().header.clone();
        let height = Height(newest.height.0 + 1 + cluster.random.below(2));
        let step = if cluster.random.chance(500) { Step::Prevote } else { Step::Precommit };
        let point = Point { height, round: cluster.random.below(4) as u32, step };
        let ahead_ms = [0, 3_000, 8_000, 400 * 24 * 3_600_000][cluster.random.below(4) as usize];
        let block = liar.empty_block(cluster, ahead_ms);
        let (topic, bytes) = match cluster.random.below(7) {
            0 => (Topic::Consensus, liar.vote(point, None)),
            1 => (Topic::Consensus, liar.vote(point, Some(block.id()))),
            2 => (Topic::Consensus, liar.vote(point, Some(HeaderId([7; 32])))),
            3 | 4 => {
                // A round in which it is the liar's turn.
                let members = cluster.nodes.len() as u64;
                let first = (liar.member as u64 + members - block.height.0 % members) % members;
                let round = (first + members * cluster.random.below(3)) as u32;
                let locked_in = cluster.random.chance(300).then(|| cluster.random.below(3) as u32);
                (Topic::Consensus, liar.proposal(round, locked_in, &block))
            }
            5 => {
                let bytes = (0..cluster.random.below(300)).map(|_| cluster.random.number() as u8).collect();
                (if cluster.random.chance(500) { Topic::Consensus } else { Topic::Cosignatures }, bytes)
            }
            _ => {
                let size = 1 + cluster.random.below(newest.tree_size + 3);
                let root = [newest.log_root, newest.status_root, newest.statements_root];
                let root = root[cluster.random.below(3) as usize];
                let at_s = [0, cluster.now.seconds(), cluster.now.seconds() + 86_400];
                let at_s = at_s[cluster.random.below(3) as usize];
                (Topic::Cosignatures, liar.cosignature(Head { height, size, root }, at_s).encode())
            }
        };
        let honest = cluster.nodes.len() - self.liars.len();
        let chosen = cluster.random.below(2 * honest as u64) as usize;
        for to in (0..honest).filter(|to| chosen >= honest || *to == chosen) {
            liar.tell(cluster, to, topic, bytes.clone());
        }
    }
}

/// What liars do with what their own nodes send.
fn tamper(strategy: Strategy, wire: Wire<'_>, random: &mut Random) {
    let kind = wire.bytes.get(1).copied();
    let is_vote_or_proposal = wire.topic == Some(Topic::Consensus);
    match strategy {
        Strategy::Equivocate | Strategy::SplitVotes if is_vote_or_proposal => wire.bytes.clear(),
        Strategy::ProposeInvalid if is_vote_or_proposal && kind == Some(PROPOSAL) => wire.bytes.clear(),
        // Half of the members get nothing, the others half.
        Strategy::Withhold if wire.to.is_multiple_of(2) || random.chance(500) => wire.bytes.clear(),
        Strategy::LieInSync if wire.topic.is_none() && kind == Some(SERVED_BLOCKS) => match random.below(3) {
            0 => wire.bytes.clear(),
            1 => wire.bytes.truncate(random.below(wire.bytes.len() as u64) as usize),
            _ => {
                let at = random.below(wire.bytes.len() as u64) as usize;
                wire.bytes[at] ^= 1 << random.below(8);
            }
        },
        _ => {}
    }
}

/// A block that no honest member may vote for, wrong in one way.
fn invalid_block(liar: &Liar, cluster: &mut Cluster) -> (Header, BlockBody) {
    let mut header = liar.empty_block(cluster, 0);
    let mut body = BlockBody(Vec::new());
    let other = Hash([9; 32]);
    match cluster.random.below(10) {
        0 => header.log_root = other,
        1 => header.status_root = other,
        2 => header.statements_root = other,
        3 => header.tree_size += 1,
        4 => header.statements += 1,
        5 => header.previous = HeaderId([9; 32]),
        6 => header.config_hash.0[0] ^= 1,
        7 => header.time.0 += 3_600_000,
        8 => header.rules_version += 1,
        // A statement that was executed already.
        _ => {
            let blocks = &cluster.nodes[liar.member].state.blocks;
            let old = blocks.iter().rev().find(|block| !block.body.0.is_empty());
            if let Some(old) = old {
                header.statements_root = old.header.statements_root;
                header.statements = old.header.statements;
                body = old.body.clone();
            }
            header.tree_size += 2;
        }
    }
    (header, body)
}
