//! Bytes that no honest peer sends: counted, dropped, and never a panic.

use kvitto_ledger::codec::encode;
use kvitto_ledger::{HeaderId, Height, KeyBytes, Signature};
use kvitto_replica::signer::{Point, Step};
use kvitto_replica::testing::{Cluster, Liar, Network, Random, Statements, all_executed};
use kvitto_replica::{Effect, Fault, Input, Peer, ReplyToken, Topic, Verdict, VerdictToken};

fn message(kind: u8, content: &impl serde::Serialize) -> Vec<u8> {
    [&[1, kind][..], &encode(content)].concat()
}

/// The first fault that a running member finds, and its verdict.
fn check(cluster: &mut Cluster, bytes: Vec<u8>, verdict: Verdict, fault: Option<Fault>) {
    let gossip = Input::Gossip {
        topic: Topic::Consensus,
        from: Peer(1),
        token: VerdictToken(7),
        bytes: bytes.clone().into(),
    };
    let effects = cluster.handle(0, gossip);
    let given = effects.iter().find_map(|effect| match effect {
        Effect::Verdict { token: VerdictToken(7), verdict } => Some(*verdict),
        _ => None,
    });
    let found = effects.iter().find_map(|effect| match effect {
        Effect::Report { fault, .. } => Some(fault.clone()),
        _ => None,
    });
    assert_eq!((given, found), (Some(verdict), fault), "{bytes:02x?}");
}

#[test]
fn messages_out_of_range_are_dropped_for_the_reason() {
    let mut cluster = Cluster::new(4, 1);
    let liar = Liar::new(&mut cluster, 1);
    let vote = |round| liar.vote(Point { height: Height(1), round, step: Step::Prevote }, None);
    let world = cluster.world.clone();
    let (key, none) = (world.members[1].consensus.public().bytes(), Signature([0; 64]));
    let id = HeaderId([1; 32]);
    let malformed = |text| Some(Fault::Malformed(text));
    let twice = vec![(key, none), (key, none)];
    let nobody: Vec<(KeyBytes, Signature)> = Vec::new();
    for (bytes, verdict, fault) in [
        (vec![], Verdict::Reject, malformed("not in deterministic form")),
        (vec![1; 40_000], Verdict::Reject, malformed("too long")),
        (vec![9, 16, 0x80], Verdict::Reject, malformed("unknown version")),
        (vec![1, 99, 0x80], Verdict::Reject, malformed("unknown kind")),
        (
            message(16, &(3_u8, 1_u64, 0_u32, Some(id), key, none)),
            Verdict::Reject,
            malformed("content out of range"),
        ),
        (
            message(16, &(1_u8, 1_u64, u32::MAX, Some(id), key, none)),
            Verdict::Reject,
            malformed("content out of range"),
        ),
        (
            message(16, &(1_u8, 1_u64, i64::MAX, Some(id), key, none)),
            Verdict::Reject,
            malformed("not in deterministic form"),
        ),
        (message(18, &(1_u64, 0_u32, id, &nobody)), Verdict::Reject, malformed("content out of range")),
        (message(18, &(1_u64, 0_u32, id, &twice)), Verdict::Reject, malformed("content out of range")),
        (message(18, &(1_u64, 0_u32, id, &twice[..1])), Verdict::Reject, Some(Fault::Signature)),
        (message(16, &(1_u8, 1_u64, 0_u32, Some(id), key, none)), Verdict::Reject, Some(Fault::Signature)),
        (
            message(16, &(1_u8, 1_u64, 0_u32, Some(id), KeyBytes([2; 32]), none)),
            Verdict::Reject,
            Some(Fault::Signature),
        ),
        (
            message(16, &(1_u8, u64::MAX, 0_u32, Some(id), key, none)),
            Verdict::Ignore,
            Some(Fault::TooFarAhead),
        ),
        (message(16, &(1_u8, 0_u64, 0_u32, Some(id), key, none)), Verdict::Ignore, None),
        (vote(999_999), Verdict::Accept, None),
        (vote(0), Verdict::Accept, None),
    ] {
        check(&mut cluster, bytes, verdict, fault);
    }
}

#[test]
fn early_messages_of_one_member_do_not_fill_the_memory() {
    let mut cluster = Cluster::new(4, 1);
    let liar = Liar::new(&mut cluster, 1);
    let mut full = 0;
    for round in 0..200 {
        let bytes = liar.vote(Point { height: Height(3), round, step: Step::Prevote }, None).into();
        let gossip = Input::Gossip { topic: Topic::Consensus, from: Peer(1), token: VerdictToken(0), bytes };
        let effects = cluster.handle(0, gossip);
        full += effects
            .iter()
            .filter(|effect| matches!(effect, Effect::Report { fault: Fault::BufferFull, .. }))
            .count();
    }
    assert_eq!(full, 200 - 24);
}

#[test]
fn random_bytes_never_panic() {
    let mut cluster = Cluster::new(4, 1);
    let mut random = Random::new(5);
    for n in 0..20_000_u64 {
        let len = random.below(60) as usize;
        let mut bytes: Vec<u8> = (0..len).map(|_| random.number() as u8).collect();
        let kinds = [16, 17, 18, 19, 32, 48, 49, 50, 51, 64, 65];
        let head = [1, kinds[random.below(11) as usize], 0x80 | random.below(8) as u8];
        for (byte, head) in bytes.iter_mut().zip(head) {
            *byte = head;
        }
        let bytes = bytes.into();
        let topic = if n % 2 == 0 { Topic::Consensus } else { Topic::Cosignatures };
        let input = match n % 3 {
            0 => Input::Request { from: Peer(1), token: ReplyToken(n), bytes },
            _ => Input::Gossip { topic, from: Peer(1), token: VerdictToken(n), bytes },
        };
        cluster.input(0, input);
    }
    assert_eq!(cluster.nodes[0].halted, None);
}

#[test]
fn messages_that_are_changed_on_the_way_do_no_harm() {
    for seed in 0..15 {
        let mut cluster = Cluster::new(4, seed);
        cluster.network = Network { delay_ms_max: 100, repeat: 50, ..Network::GOOD };
        let mut random = Random::new(seed);
        cluster.tamper = Some(Box::new(move |wire| {
            if random.chance(150) && wire.bytes.len() > 2 {
                let at = random.below(wire.bytes.len() as u64) as usize;
                wire.bytes[at] ^= 1 << random.below(8);
            }
        }));
        let mut statements = Statements::new(&cluster);
        let mut ids = Vec::new();
        for n in 0..8 {
            let statement = statements.next();
            ids.push(statement.id());
            cluster.submit(n % 4, statement);
            cluster.run_ms(500);
        }
        let done = cluster.run_for(120_000, |cluster| all_executed(cluster, &ids));
        let stand: Vec<_> =
            cluster.nodes.iter().map(|node| node.replica.as_ref().map(|replica| replica.status())).collect();
        assert!(done, "seed {seed}: {stand:#?}");
        assert!(cluster.nodes.iter().all(|node| node.halted.is_none()));
    }
}
