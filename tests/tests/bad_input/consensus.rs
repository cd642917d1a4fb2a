//! Consensus messages that no honest member sends: each with its verdict and fault, and nothing moves.

use kvitto_ledger::codec::encode;
use kvitto_ledger::{Header, HeaderId, Height, KeyBytes, Signature, TimeMs};
use kvitto_merkle::Hash;
use kvitto_replica::signer::{Head, Point, Step};
use kvitto_replica::testing::{Cluster, Liar};
use kvitto_replica::{Effect, Fault, Input, Peer, Topic, Verdict, VerdictToken};

use crate::stage::{BAD_KEYS, malleate};

/// A bad message.
pub(crate) struct BadMessage {
    /// What is bad about it; no two messages have one name.
    pub(crate) name: String,
    pub(crate) topic: Topic,
    pub(crate) bytes: Vec<u8>,
    pub(crate) verdict: Verdict,
    /// `None` where nothing is worth a report.
    pub(crate) fault: Option<Fault>,
}

const FORM: Option<Fault> = Some(Fault::Malformed("not in deterministic form"));
const RANGE: Option<Fault> = Some(Fault::Malformed("content out of range"));
const KIND: Option<Fault> = Some(Fault::Malformed("unknown kind"));
const VERSION: Option<Fault> = Some(Fault::Malformed("unknown version"));
const TOO_LONG: Option<Fault> = Some(Fault::Malformed("too long"));

fn framed(kind: u8, content: &impl serde::Serialize) -> Vec<u8> {
    [&[1, kind][..], &encode(content)].concat()
}

/// Everything that member 1 of the cluster could say to member 0, which has just begun.
pub(crate) fn messages(cluster: &Cluster) -> Vec<BadMessage> {
    let makers = [forms, votes, proposals, certificates, cosignatures];
    makers.into_iter().flat_map(|make| make(cluster)).collect()
}

fn message(name: impl Into<String>, bytes: Vec<u8>, verdict: Verdict, fault: Option<Fault>) -> BadMessage {
    BadMessage { name: name.into(), topic: Topic::Consensus, bytes, verdict, fault }
}

fn rejected(name: impl Into<String>, bytes: Vec<u8>, fault: Option<Fault>) -> BadMessage {
    message(name, bytes, Verdict::Reject, fault)
}

fn liar(cluster: &Cluster) -> Liar {
    Liar::of(&cluster.world, 1)
}

fn next(cluster: &Cluster) -> Height {
    cluster.nodes[0].height().next()
}

fn good_vote(cluster: &Cluster) -> Vec<u8> {
    let point = Point { height: next(cluster), round: 0, step: Step::Prevote };
    liar(cluster).vote(point, Some(HeaderId([1; 32])))
}

fn forms(cluster: &Cluster) -> Vec<BadMessage> {
    let vote = good_vote(cluster);
    let changed = |change: fn(&mut Vec<u8>)| {
        let mut bytes = vote.clone();
        change(&mut bytes);
        bytes
    };
    let mut messages = vec![
        rejected("a message of no bytes", vec![], FORM),
        rejected("a message of 32 KiB and one byte", vec![1; 32 * 1024 + 1], TOO_LONG),
        rejected("a message of 1 MiB", vec![1; 1 << 20], TOO_LONG),
        rejected("a message of version 0", changed(|bytes| bytes[0] = 0), VERSION),
        rejected("a message of version 9", changed(|bytes| bytes[0] = 9), VERSION),
        rejected("a message of kind 0", changed(|bytes| bytes[1] = 0), KIND),
        rejected("a message of kind 99", changed(|bytes| bytes[1] = 99), KIND),
        rejected("a request among votes", framed(51, &(Height(1),)), KIND),
        rejected("a cosignature among votes", changed(|bytes| bytes[1] = 32), KIND),
        rejected("a journal entry among votes", framed(81, &(Height(1), 0_u32, HeaderId([1; 32]))), KIND),
        rejected("a commit certificate among votes", changed(|bytes| bytes[1] = 112), KIND),
        rejected("a vote with a byte too many", changed(|bytes| bytes.push(0)), FORM),
        rejected("a vote with a long head", changed(|bytes| _ = bytes.splice(2..3, [0x98, 6])), FORM),
        rejected(
            "a vote of unknown length",
            changed(|bytes| {
                bytes[2] = 0x9f;
                bytes.push(0xff);
            }),
            FORM,
        ),
        rejected("a vote that is tagged", changed(|bytes| bytes.insert(2, 0xc0)), FORM),
        rejected(
            "a vote with an element less",
            changed(|bytes| {
                bytes[2] -= 1;
                bytes.truncate(bytes.len() - 66);
            }),
            FORM,
        ),
        rejected(
            "a vote with an element more",
            changed(|bytes| {
                bytes[2] += 1;
                bytes.push(0xf6);
            }),
            FORM,
        ),
        rejected("a vote as a proposal", changed(|bytes| bytes[1] = 17), FORM),
        rejected("100,000 arrays in each other", [&[1, 16][..], &vec![0x81; 30_000]].concat(), FORM),
        rejected(
            "an array of 2^64 - 1",
            [1, 16, 0x9b, 255, 255, 255, 255, 255, 255, 255, 255].to_vec(),
            FORM,
        ),
    ];
    for len in 1..vote.len() {
        messages.push(rejected(format!("a vote cut to {len} bytes"), vote[..len].to_vec(), FORM));
    }
    messages
}

type WireVote = (u8, u64, u64, Option<HeaderId>, KeyBytes, Signature);

fn votes(cluster: &Cluster) -> Vec<BadMessage> {
    let (height, key) = (next(cluster).0, cluster.world.members[1].consensus.public().bytes());
    let (id, none) = (Some(HeaderId([1; 32])), Signature([0; 64]));
    let vote = |vote: WireVote| framed(16, &vote);
    let signed = |height: u64, round: u32| {
        liar(cluster).vote(Point { height: Height(height), round, step: Step::Prevote }, id)
    };
    let tampered = |change: fn(&mut [u8])| {
        let mut bytes = good_vote(cluster);
        let at = bytes.len() - 64;
        change(&mut bytes[at..]);
        bytes
    };
    let signature = Some(Fault::Signature);
    let mut messages = vec![
        rejected("a vote of type 0", vote((0, height, 0, id, key, none)), RANGE),
        rejected("a vote of type 3", vote((3, height, 0, id, key, none)), RANGE),
        rejected("a vote of type 255", vote((255, height, 0, id, key, none)), RANGE),
        rejected("a vote in round 1,000,001", vote((1, height, 1_000_001, id, key, none)), RANGE),
        rejected("a vote in round 2^32 - 1", vote((1, height, u64::from(u32::MAX), id, key, none)), RANGE),
        rejected("a vote in round 2^32", vote((1, height, 1 << 32, id, key, none)), FORM),
        rejected("a vote in round 2^63 - 1", vote((1, height, i64::MAX as u64, id, key, none)), FORM),
        rejected("a vote in round 2^64 - 1", vote((1, height, u64::MAX, id, key, none)), FORM),
        rejected("a vote in round -1", framed(16, &(1_u8, height, -1_i64, id, key, none)), FORM),
        rejected(
            "a vote for a header id of 31 bytes",
            framed(16, &(1_u8, height, 0_u32, serde_bytes::ByteBuf::from([1; 31]), key, none)),
            FORM,
        ),
        rejected(
            "a vote with a signature of 63 bytes",
            framed(16, &(1_u8, height, 0_u32, id, key, serde_bytes::ByteBuf::from([1; 63]))),
            FORM,
        ),
        rejected("a vote without a signature", vote((1, height, 0, id, key, none)), signature.clone()),
        rejected("a vote by nobody", vote((1, height, 0, id, KeyBytes([2; 32]), none)), signature.clone()),
        rejected(
            "a vote by a cosignature key",
            vote((1, height, 0, id, cluster.world.members[1].cosignature.public().bytes(), none)),
            signature.clone(),
        ),
        rejected(
            "a vote with another member's signature",
            {
                let point = Point { height: next(cluster), round: 0, step: Step::Prevote };
                let other = Liar::of(&cluster.world, 2).vote(point, id);
                let mut bytes = good_vote(cluster);
                let at = bytes.len() - 64;
                bytes[at..].copy_from_slice(&other[at..]);
                bytes
            },
            signature.clone(),
        ),
        rejected(
            "a vote with the signature of another round",
            {
                let (mut bytes, other) = (good_vote(cluster), signed(height, 1));
                let at = bytes.len() - 64;
                bytes[at..].copy_from_slice(&other[at..]);
                bytes
            },
            signature.clone(),
        ),
        rejected("a vote with a malleated signature", tampered(malleate), signature.clone()),
        rejected(
            "a vote with an R of small order",
            tampered(|bytes| {
                bytes[..32].fill(0);
                bytes[0] = 1;
            }),
            signature.clone(),
        ),
        rejected("a vote with a flipped bit in S", tampered(|bytes| bytes[40] ^= 1), signature.clone()),
        message("a vote for the newest block's height", signed(height - 1, 0), Verdict::Ignore, None),
        message("a vote for height 0", signed(0, 0), Verdict::Ignore, None),
        message("a vote far ahead", signed(height + 1_000_000, 0), Verdict::Ignore, Some(Fault::TooFarAhead)),
        message(
            "a vote for the last height of all",
            signed(u64::MAX, 0),
            Verdict::Ignore,
            Some(Fault::TooFarAhead),
        ),
    ];
    for (about, key) in &BAD_KEYS {
        let key = key.parse().expect("hexadecimal");
        let neutral = Signature(std::array::from_fn(|at| u8::from(at == 0)));
        messages.push(rejected(
            format!("a vote by a key {about}"),
            vote((1, height, 0, id, key, neutral)),
            signature.clone(),
        ));
    }
    messages
}

fn proposals(cluster: &Cluster) -> Vec<BadMessage> {
    let proposer = usize::try_from(next(cluster).0).expect("a low height") % cluster.nodes.len();
    let (liar, honest) = (Liar::of(&cluster.world, proposer), Liar::of(&cluster.world, (proposer + 1) % 4));
    let header = liar.empty_block(cluster, 1);
    let good = liar.proposal(0, None, &header);
    let tampered = |change: fn(&mut [u8])| {
        let mut bytes = good.clone();
        let at = bytes.len() - 64;
        change(&mut bytes[at..]);
        bytes
    };
    let signature = Some(Fault::Signature);
    let key = cluster.world.members[proposer].consensus.public().bytes();
    let wire =
        |round: u32, pol: Option<u32>| framed(17, &(round, header.clone(), pol, key, Signature([0; 64])));
    let mut messages = vec![
        rejected(
            "a proposal by who is not the proposer",
            honest.proposal(0, None, &header),
            Some(Fault::NotProposer),
        ),
        rejected("a proposal in another's round", liar.proposal(1, None, &header), Some(Fault::NotProposer)),
        rejected(
            "a proposal by nobody",
            framed(17, &(0_u32, header.clone(), None::<u32>, KeyBytes([2; 32]), Signature([0; 64]))),
            signature.clone(),
        ),
        rejected("a proposal without a signature", wire(0, None), signature.clone()),
        rejected("a proposal with a malleated signature", tampered(malleate), signature.clone()),
        rejected("a proposal with a flipped bit", tampered(|bytes| bytes[0] ^= 1), signature.clone()),
        rejected("a proposal locked in its own round", wire(0, Some(0)), RANGE),
        rejected("a proposal locked in a later round", wire(4, Some(7)), RANGE),
        rejected("a proposal in round 1,000,001", wire(1_000_001, None), RANGE),
        rejected("a proposal in round 2^32 - 1", wire(u32::MAX, None), RANGE),
        message(
            "a proposal in a round far ahead",
            liar.proposal(400_000, None, &header),
            Verdict::Ignore,
            Some(Fault::TooFarAhead),
        ),
        message(
            "a proposal of the newest height",
            liar.proposal(0, None, &cluster.nodes[0].state.newest().header),
            Verdict::Ignore,
            None,
        ),
        message(
            "a proposal far ahead",
            liar.proposal(0, None, &Header { height: Height(1_000_000), ..header.clone() }),
            Verdict::Ignore,
            Some(Fault::TooFarAhead),
        ),
        message(
            "a proposal for the last height of all",
            liar.proposal(0, None, &Header { height: Height(u64::MAX), ..header.clone() }),
            Verdict::Ignore,
            Some(Fault::TooFarAhead),
        ),
    ];
    for len in (1..good.len()).step_by(7) {
        messages.push(rejected(format!("a proposal cut to {len} bytes"), good[..len].to_vec(), FORM));
    }
    messages
}

fn certificates(cluster: &Cluster) -> Vec<BadMessage> {
    let (height, id) = (next(cluster), HeaderId([1; 32]));
    // Good signatures, of votes that say something else.
    let entries: Vec<(KeyBytes, Signature)> = cluster
        .world
        .members
        .iter()
        .map(|member| (member.consensus.public().bytes(), member.consensus.sign(b"something else")))
        .collect();
    let polka = |entries: &[(KeyBytes, Signature)]| framed(18, &(height, 0_u32, id, entries));
    let round = |kind: u8, vote: u8, entries: &[(KeyBytes, Signature)]| {
        let entries: Vec<_> =
            entries.iter().map(|(key, signature)| (vote, None::<HeaderId>, key, signature)).collect();
        framed(19, &(height, 0_u32, kind, entries))
    };
    let twice = [entries[0], entries[0]];
    let outsiders: Vec<_> = (0..4).map(|n| (KeyBytes([n; 32]), entries[0].1)).collect();
    let many: Vec<_> = (0..65).map(|n| (KeyBytes([n; 32]), entries[0].1)).collect();
    let signature = Some(Fault::Signature);
    let good_length = polka(&entries);
    let mut messages = vec![
        rejected("an empty polka certificate", polka(&[]), RANGE),
        rejected("a polka certificate with one signer twice", polka(&twice), RANGE),
        rejected("a polka certificate of 65 signers", polka(&many), RANGE),
        rejected("a polka certificate of one signer", polka(&entries[..1]), signature.clone()),
        rejected("a polka certificate of outsiders", polka(&outsiders), signature.clone()),
        rejected("a polka certificate with signatures of something else", polka(&entries), signature.clone()),
        rejected(
            "a polka certificate in round 1,000,001",
            framed(18, &(height, 1_000_001_u32, id, &entries)),
            RANGE,
        ),
        rejected("an empty round certificate", round(1, 1, &[]), RANGE),
        rejected("a round certificate with one signer twice", round(1, 1, &twice), RANGE),
        rejected("a round certificate of 65 signers", round(1, 1, &many), RANGE),
        rejected("a round certificate of type 0", round(0, 1, &entries), RANGE),
        rejected("a round certificate of type 3", round(3, 1, &entries), RANGE),
        rejected("a round certificate of votes of type 3", round(1, 3, &entries), RANGE),
        rejected("a round certificate of one signer", round(1, 1, &entries[..1]), signature.clone()),
        rejected("a round certificate of outsiders", round(1, 1, &outsiders), signature.clone()),
        rejected(
            "a round certificate with signatures of something else",
            round(1, 1, &entries),
            signature.clone(),
        ),
        rejected(
            "a precommit certificate with signatures of something else",
            round(2, 2, &entries),
            signature,
        ),
    ];
    for len in (1..good_length.len()).step_by(41) {
        messages.push(rejected(
            format!("a polka certificate cut to {len} bytes"),
            good_length[..len].to_vec(),
            FORM,
        ));
    }
    messages
}

fn cosignatures(cluster: &Cluster) -> Vec<BadMessage> {
    let newest = &cluster.nodes[0].state.newest().header;
    let head = Head { height: newest.height, size: newest.tree_size, root: newest.log_root };
    let now = cluster.now.0 / 1000;
    let of = |head: Head, timestamp: u64| liar(cluster).cosignature(head, timestamp);
    let on = |name: &str, bytes: Vec<u8>, fault: Option<Fault>| BadMessage {
        topic: Topic::Cosignatures,
        ..rejected(name, bytes, fault)
    };
    let mut malleated = of(head, now);
    malleate(&mut malleated.signature.0);
    let mut small_order = of(head, now);
    small_order.signature.0[..32].fill(0);
    small_order.signature.0[0] = 1;
    let mut other_time = of(head, now);
    other_time.timestamp_s -= 1;
    let mut nobody = of(head, now);
    nobody.key = KeyBytes([2; 32]);
    let mut consensus_key = of(head, now);
    consensus_key.key = cluster.world.members[1].consensus.public().bytes();
    let good = of(head, now).encode();
    let mut messages = vec![
        on("a cosignature of no bytes", vec![], FORM),
        on("a cosignature of 513 bytes", vec![1; 513], TOO_LONG),
        on(
            "a cosignature of version 2",
            {
                let mut bytes = good.clone();
                bytes[0] = 2;
                bytes
            },
            VERSION,
        ),
        on("a vote among cosignatures", good_vote(cluster), KIND),
        on("a cosignature with a byte too many", [&good[..], &[0]].concat(), FORM),
        on("a cosignature of an empty tree", of(Head { size: 0, ..head }, now).encode(), RANGE),
        on(
            "a cosignature after the end of time",
            {
                let mut late = of(head, now);
                late.timestamp_s = u64::MAX;
                late.encode()
            },
            RANGE,
        ),
        on("a malleated cosignature", malleated.encode(), Some(Fault::Cosignature)),
        on("a cosignature with an R of small order", small_order.encode(), Some(Fault::Cosignature)),
        on("a cosignature of another time", other_time.encode(), Some(Fault::Cosignature)),
        on("a cosignature by nobody", nobody.encode(), Some(Fault::Cosignature)),
        on("a cosignature by a consensus key", consensus_key.encode(), Some(Fault::Cosignature)),
    ];
    for len in (1..good.len()).step_by(11) {
        messages.push(on(&format!("a cosignature cut to {len} bytes"), good[..len].to_vec(), FORM));
    }
    messages
}

/// What member 0 says about a message, and the first thing that it reports.
pub(crate) fn heard(cluster: &mut Cluster, topic: Topic, bytes: &[u8]) -> (Option<Verdict>, Option<Fault>) {
    let token = VerdictToken(7);
    let input = Input::Gossip { topic, from: Peer(1), token, bytes: bytes.into() };
    let effects = cluster.handle(0, input);
    let verdict = effects.iter().find_map(|effect| match effect {
        Effect::Verdict { token: given, verdict } if *given == token => Some(*verdict),
        _ => None,
    });
    let fault = effects.iter().find_map(|effect| match effect {
        Effect::Report { fault, .. } => Some(fault.clone()),
        _ => None,
    });
    (verdict, fault)
}

/// Headers of which one field is not what executing leads to, with the field's name.
pub(crate) fn odd_headers(good: &Header) -> Vec<(&'static str, Header)> {
    let good = good.clone();
    let other = Hash([7; 32]);
    vec![
        ("rules version 0", Header { rules_version: 0, ..good.clone() }),
        ("rules version 2", Header { rules_version: 2, ..good.clone() }),
        ("another predecessor", Header { previous: HeaderId([7; 32]), ..good.clone() }),
        ("no predecessor", Header { previous: HeaderId::default(), ..good.clone() }),
        ("its predecessor's time", Header { time: TimeMs(0), ..good.clone() }),
        ("another configuration", Header { config_hash: kvitto_ledger::ConfigHash([7; 32]), ..good.clone() }),
        ("another log root", Header { log_root: other, ..good.clone() }),
        ("another status root", Header { status_root: other, ..good.clone() }),
        ("a tree size of one more", Header { tree_size: good.tree_size + 1, ..good.clone() }),
        ("a tree size of one less", Header { tree_size: good.tree_size - 1, ..good.clone() }),
        ("a tree size of 0", Header { tree_size: 0, ..good.clone() }),
        ("the largest tree size", Header { tree_size: u64::MAX, ..good }),
    ]
}
