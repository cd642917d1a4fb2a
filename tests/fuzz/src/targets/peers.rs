//! Messages between members: each decoder, and a running replica.

use std::sync::{Arc, LazyLock};

use kvitto_ledger::testing::{MemoryState, World};
use kvitto_ledger::{Header, HeaderId, Height};
use kvitto_merkle::Hash;
use kvitto_replica::codec::{CosignatureMessage, Statements};
use kvitto_replica::signer::{Head, Point, Step};
use kvitto_replica::testing::{Cluster, DECODERS, Liar};
use kvitto_replica::{Input, Peer, ReplyToken, RequestId, TimerId, Topic, VerdictToken};

use super::assert_same;

fn decoders(names: &[&str], bytes: &[u8]) {
    for (name, decoder) in DECODERS.iter().filter(|(name, _)| names.contains(name)) {
        assert_same(name, bytes, decoder(bytes));
    }
}

/// Votes, proposals, certificates.
pub fn consensus(bytes: &[u8]) {
    decoders(&["consensus", "certificate"], bytes);
}

/// Requests and answers.
pub fn sync(bytes: &[u8]) {
    decoders(&["request", "body", "blocks"], bytes);
}

/// Statements and cosignatures.
pub fn gossip(bytes: &[u8]) {
    assert_same("statements", bytes, Statements::decode(bytes).ok().map(|statements| statements.encode()));
    assert_same("cosignature", bytes, CosignatureMessage::decode(bytes).ok().map(|message| message.encode()));
    if let Ok(Statements(statements)) = Statements::decode(bytes) {
        let again: Vec<Arc<[u8]>> =
            Statements::batches(statements.iter().cloned()).into_iter().flat_map(|batch| batch.0).collect();
        assert_eq!(again, statements);
    }
}

/// A script of things that happen to a replica: bytes by every way, and well-signed messages of one member with odd content.
/// One member alone moves nothing: the replica neither stops nor commits a block.
pub fn replica(bytes: &[u8]) {
    static WORLD: LazyLock<(World, MemoryState)> = LazyLock::new(|| {
        let world = World::new(4);
        let state = MemoryState::new(&world.genesis);
        (world, state)
    });
    let (world, state) = &*WORLD;
    let mut cluster = Cluster::with_state(world.clone(), state, 1);
    let liar = Liar::new(&mut cluster, 1);
    // Nothing else is heard: a member that is told nothing but lies.
    for other in 1..4 {
        cluster.cut.extend([(other, 0), (0, other)]);
    }
    let mut script = Script(bytes);
    for _ in 0..64 {
        let Some(step) = script.byte() else { break };
        happen(&mut cluster, &liar, step, &mut script);
    }
    assert_eq!(cluster.nodes[0].halted, None);
    assert_eq!(cluster.nodes[0].height(), Height(0), "no quorum has said anything");
}

fn happen(cluster: &mut Cluster, liar: &Liar, step: u8, script: &mut Script<'_>) {
    let (from, token) = (Peer(1), VerdictToken(0));
    match step % 8 {
        0 | 1 => {
            let topic = if step.is_multiple_of(8) { Topic::Consensus } else { Topic::Cosignatures };
            cluster.input(0, Input::Gossip { topic, from, token, bytes: script.message() });
        }
        2 => cluster.input(0, Input::Request { from, token: ReplyToken(0), bytes: script.message() }),
        3 => {
            let id = RequestId(script.number() % 8);
            cluster.input(0, Input::Response { id, bytes: Some(script.message()) });
        }
        4 => {
            let round = script.number() as u32 % 1_000_001;
            let step = if script.byte() == Some(0) { Step::Prevote } else { Step::Precommit };
            let block = (script.byte() != Some(0)).then(|| HeaderId([script.byte().unwrap_or(7); 32]));
            let point = Point { height: Height(script.number() % 5), round, step };
            liar.tell(cluster, 0, Topic::Consensus, liar.vote(point, block));
        }
        5 => {
            let header = odd_header(liar.empty_block(cluster, script.number() % 10_000), script);
            let round = script.number() as u32 % 16;
            let locked = round.checked_sub(1 + script.number() as u32 % 4);
            liar.tell(cluster, 0, Topic::Consensus, liar.proposal(round, locked, &header));
            let body =
                kvitto_ledger::BlockBody(vec![script.message(); usize::from(script.byte().unwrap_or(0) % 3)]);
            liar.push_body(cluster, 0, &header, &body);
        }
        6 => {
            let head = Head {
                height: Height(script.number()),
                size: script.number(),
                root: Hash([script.byte().unwrap_or(0); 32]),
            };
            let message = liar.cosignature(head, script.number()).encode();
            liar.tell(cluster, 0, Topic::Cosignatures, message);
            liar.claim(cluster, 0, Height(script.number()));
        }
        _ => {
            let (height, round) = (Height(script.number() % 3), script.number() as u32 % 4);
            let timers = [
                TimerId::Propose(height, round),
                TimerId::Prevote(height, round),
                TimerId::Precommit(height, round),
                TimerId::Rebroadcast(height, round),
                TimerId::Build,
                TimerId::Body,
                TimerId::Flush,
                TimerId::Retry,
                TimerId::Sync,
                TimerId::Recosign,
            ];
            let timer = timers[usize::from(script.byte().unwrap_or(0)) % timers.len()];
            cluster.input(0, Input::Timer(timer));
            cluster.run_ms(script.number() % 20_000);
        }
    }
}

/// The header with one field said otherwise.
fn odd_header(header: Header, script: &mut Script<'_>) -> Header {
    let (field, number) = (script.byte().unwrap_or(0), script.number());
    let hash = Hash([number as u8; 32]);
    match field % 10 {
        1 => Header { rules_version: number as u16, ..header },
        2 => Header { height: Height(number), ..header },
        3 => Header { previous: HeaderId(hash.0), ..header },
        4 => Header { time: kvitto_ledger::TimeMs(number), ..header },
        5 => Header { statements_root: hash, ..header },
        6 => Header { statements: number as u32, ..header },
        7 => Header { tree_size: number, ..header },
        8 => Header { log_root: hash, ..header },
        9 => Header { status_root: hash, ..header },
        _ => header,
    }
}

/// Bytes as instructions; what is missing is zero.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A number of as many bytes as its first one says.
    fn number(&mut self) -> u64 {
        let len = usize::from(self.byte().unwrap_or(0) % 9);
        self.take(len).iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn message(&mut self) -> Arc<[u8]> {
        let len = usize::from(self.byte().unwrap_or(0)) << 8 | usize::from(self.byte().unwrap_or(0));
        Arc::from(self.take(len))
    }
}
