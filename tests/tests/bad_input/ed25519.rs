//! Signatures on which libraries disagree ("Taming the many EdDSAs", ia.cr/2020/1244): one verdict at every door.
//!
//! The twelve published cases are about messages of their own; `crates/ledger/tests/formats` has them. Here signatures of the same
//! classes are made for messages of ours, by a key that may be registered although it has a component of small order: statements by
//! gRPC, by gossip and in a proposed block, possession proofs, votes, proposals, cosignatures. Keys of small order, and keys that
//! are not written canonically, never get that far: the tables of rows have each of them.

use std::sync::Arc;

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT as B, EIGHT_TORSION};
use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::{EdwardsPoint, Scalar};
use kvitto_ledger::codec::encode;
use kvitto_ledger::document::VerificationMethod;
use kvitto_ledger::execute::BlockFault;
use kvitto_ledger::genesis::{KeyRole, MemberKey, member_key_message};
use kvitto_ledger::keys::thumbprint;
use kvitto_ledger::statement::{Onboard, Possession, Statement};
use kvitto_ledger::testing::{Actor, Ledger, MemoryState, World, commitment};
use kvitto_ledger::{BlockBody, Envelope, KeyBytes, KeyId, LedgerId, PublicKey, Rejection, Signature};
use kvitto_network::Verdict;
use kvitto_node::admission::Admission;
use kvitto_node::gossip::admit;
use kvitto_replica::signer::{Head, Point, Step};
use kvitto_replica::testing::{Cluster, Liar, Pen, Random};
use kvitto_replica::{Fault, Topic, Verdict as ReplicaVerdict, codec};
use sha2::{Digest, Sha512};

use crate::consensus::heard;
use crate::stage::{Stage, byte_string, malleate, school, stranger, tao};
use crate::{
    Real, Service, blocks, check_status, executes, goes_on, proposer, real, refused, simulated, submit,
};

/// A secret, its public key with a component of order 8, and that component.
struct MixedKey {
    secret: Scalar,
    torsion: EdwardsPoint,
    bytes: [u8; 32],
}

fn scalar(bytes: &[&[u8]]) -> Scalar {
    let mut hasher = Sha512::new();
    bytes.iter().for_each(|part| hasher.update(part));
    Scalar::from_bytes_mod_order_wide(&hasher.finalize().into())
}

impl MixedKey {
    fn new(name: &str) -> Self {
        let secret = scalar(&[name.as_bytes()]);
        let torsion = EIGHT_TORSION[1];
        Self { secret, torsion, bytes: (B * secret + torsion).compress().to_bytes() }
    }

    fn key(&self) -> KeyBytes {
        KeyBytes(self.bytes)
    }

    fn method(&self) -> VerificationMethod {
        VerificationMethod::ledger_key(self.key())
    }

    /// The hash that a signature is about.
    fn hash(&self, r: &[u8; 32], message: &[u8]) -> Scalar {
        scalar(&[r, &self.bytes, message])
    }

    /// Signs with nonces from 0 on and R = rB + T', for each T' of small order, until `wanted` says so of what is left of the
    /// equation, R - hT - T', and of the hash.
    fn search(&self, message: &[u8], wanted: impl Fn(EdwardsPoint, Scalar) -> bool) -> Signature {
        for number in 0_u64.. {
            let r = scalar(&[b"nonce", &self.bytes, message, &number.to_be_bytes()]);
            for torsion in EIGHT_TORSION {
                let big_r = (B * r + torsion).compress().to_bytes();
                let h = self.hash(&big_r, message);
                if wanted(torsion + self.torsion * h, h) {
                    return signature(&big_r, &(r + h * self.secret));
                }
            }
        }
        unreachable!("one of eight will do")
    }

    /// R of small order and the S that fits but for it: whether the strict equation holds, chance says.
    fn small_r(&self, message: &[u8], torsion: usize) -> Signature {
        let big_r = EIGHT_TORSION[torsion].compress().to_bytes();
        signature(&big_r, &(self.hash(&big_r, message) * self.secret))
    }
}

fn signature(r: &[u8; 32], s: &Scalar) -> Signature {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(r);
    bytes[32..].copy_from_slice(s.as_bytes());
    Signature(bytes)
}

/// A class of signatures, whether its members are good, and how one is made.
type Class = (&'static str, bool, fn(&MixedKey, &[u8]) -> Signature);

const CLASSES: [Class; 16] = [
    ("R and key of mixed order, the strict equation holds", true, strict),
    ("R of large order, a hash that 8 divides", true, |key, message| {
        key.search(message, |left, h| left == EIGHT_TORSION[0] && h.as_bytes()[0] % 8 == 0)
    }),
    ("only the equation with the cofactor holds", false, |key, message| {
        key.search(message, |left, _| left != EIGHT_TORSION[0])
    }),
    ("the equation with the cofactor holds, unless 8h is reduced first", false, |key, message| {
        let eight = Scalar::from(8_u8);
        key.search(message, |left, h| left != EIGHT_TORSION[0] && (eight * h).as_bytes()[0] % 8 != 0)
    }),
    ("S + L", false, |key, message| {
        let mut signature = strict(key, message);
        malleate(&mut signature.0);
        signature
    }),
    ("S + 2 L", false, |key, message| {
        let mut signature = strict(key, message);
        malleate(&mut signature.0);
        malleate(&mut signature.0);
        signature
    }),
    ("the greatest S", false, |key, message| {
        let mut signature = strict(key, message);
        signature.0[32..].fill(0xff);
        signature
    }),
    ("S = 0, and R neutral", false, |_, _| signature(&EIGHT_TORSION[0].compress().to_bytes(), &Scalar::ZERO)),
    ("S = 0, and R of order 8", false, |_, _| {
        signature(&EIGHT_TORSION[1].compress().to_bytes(), &Scalar::ZERO)
    }),
    ("R neutral", false, |key, message| key.small_r(message, 0)),
    ("R of order 2", false, |key, message| key.small_r(message, 4)),
    ("R of order 4", false, |key, message| key.small_r(message, 2)),
    ("R of order 8", false, |key, message| key.small_r(message, 1)),
    ("R of small order, and the strict equation holds as often as there is one", false, |key, message| {
        let holds = |torsion: &usize| {
            let big_r = EIGHT_TORSION[*torsion];
            big_r + key.torsion * key.hash(&big_r.compress().to_bytes(), message) == EIGHT_TORSION[0]
        };
        key.small_r(message, (0..8).find(holds).unwrap_or(3))
    }),
    ("R neutral, not written canonically", false, |key, message| {
        let mut big_r = [0xff; 32];
        (big_r[0], big_r[31]) = (0xee, 0x7f);
        signature(&big_r, &(key.hash(&big_r, message) * key.secret))
    }),
    ("R neutral, not written canonically, hashed as if it were", false, |key, message| {
        let mut big_r = [0xff; 32];
        (big_r[0], big_r[31]) = (0xee, 0x7f);
        let canonical = EIGHT_TORSION[0].compress().to_bytes();
        signature(&big_r, &(key.hash(&canonical, message) * key.secret))
    }),
];

fn strict(key: &MixedKey, message: &[u8]) -> Signature {
    key.search(message, |left, _| left == EIGHT_TORSION[0])
}

/// What is signed of a COSE_Sign1 (RFC 9052, 4.4), and its bytes around a signature.
fn cose(
    key_id: &KeyId,
    purpose: &[u8],
    ledger: &LedgerId,
    payload: &[u8],
    mut sign: impl FnMut(&[u8]) -> Signature,
) -> Vec<u8> {
    let kid = key_id.to_string();
    let protected = byte_string(&[&[0xa2, 0x01, 0x27, 0x04][..], &byte_string(kid.as_bytes())].concat());
    let aad = byte_string(&[purpose, ledger.as_bytes()].concat());
    let message = [&b"\x84\x6aSignature1"[..], &protected, &aad, &byte_string(payload)].concat();
    let signature = byte_string(&sign(&message).0);
    [&[0xd2, 0x84][..], &protected, &[0xa0], &byte_string(payload), &signature].concat()
}

/// A statement of the school's, signed by its mixed key in this way.
fn signed(stage: &Stage, key: &MixedKey, statement: &Statement, sign: Class) -> Vec<u8> {
    let key_id = KeyId { did: school().did, thumbprint: thumbprint(&key.key()) };
    cose(&key_id, b"kvitto/statement/v1", &stage.ledger_id, &encode(statement), |message| {
        sign.2(key, message)
    })
}

/// The school's document with its own and the mixed key.
fn with_mixed_key(stage: &Stage, key: &MixedKey) -> Vec<u8> {
    stage.signed(&school(), school().puts([school().method(), key.method()]))
}

#[test]
fn the_classes_are_what_they_are_said_to_be() {
    let key = MixedKey::new("school");
    let public = PublicKey::new(&key.key()).expect("of large order, and canonical");
    for (name, good, sign) in CLASSES {
        for message in [&b"a"[..], b"b", b"c"] {
            assert_eq!(public.verifies(message, &sign(&key, message)), good, "{name}");
        }
    }
}

#[test]
fn by_gossip_and_in_a_proposed_block_statements_get_one_verdict() {
    let key = MixedKey::new("school");
    let (world, state, mut stage) = simulated();
    let mut ledger = Ledger::in_world(world.clone());
    (ledger.state, ledger.clock) = (state, stage.now);
    ledger.submit(&with_mixed_key(&stage, &key)).expect("a key of large order");
    let state = ledger.state;
    stage.now.0 += 1000;
    let admission = Admission::new(stage.ledger_id, state.clone());
    for (number, class) in (200..).zip(CLASSES) {
        let (name, good, _) = class;
        let bytes = signed(&stage, &key, &stage.statement(school().anchors([commitment(number)])), class);
        let mut checked = Vec::new();
        let batch = codec::Statements(vec![bytes.clone().into()]).encode();
        let verdict = admit(&batch, &admission, stage.now, |statement| checked.push(statement));
        let expected = if good { Verdict::Accept } else { Verdict::Reject };
        assert_eq!(verdict.expect("memory is readable"), expected, "{name}");
        let mut cluster = Cluster::with_state(world.clone(), &state, 1);
        cluster.now.0 += 2_000;
        match checked.pop().expect("one statement") {
            Ok(statement) => {
                let id = statement.id();
                cluster.submit(0, statement);
                let executed = |cluster: &Cluster| kvitto_replica::testing::all_executed(cluster, &[id]);
                assert!(good && cluster.run_for(60_000, executed), "{name}");
            }
            Err(rejection) => {
                assert_eq!((good, rejection), (false, Rejection::SignatureInvalid), "{name}");
                let liar = proposer(&mut cluster);
                let body = BlockBody(vec![bytes.into()]);
                let header = blocks::header_of(&liar, &cluster, &body);
                let fault = Fault::Block(BlockFault::Statement { index: 0, rejection });
                let found = refused(&mut cluster, &liar, &header, &body.encode(), &fault);
                found.unwrap_or_else(|found| panic!("{name}: {found}"));
                goes_on(&mut cluster, &stage);
            }
        }
    }
}

/// RFC 8032 without the cofactor and without points of small order, point by point: what every node must say, whatever its processor.
fn holds_by_the_book(key: &KeyBytes, message: &[u8], signature: &Signature) -> bool {
    let point = |bytes: &[u8]| {
        let compressed = CompressedEdwardsY::from_slice(bytes).ok()?;
        let point = compressed.decompress()?;
        (point.compress() == compressed && !point.is_small_order()).then_some(point)
    };
    let (big_r, s) = signature.0.split_at(32);
    let s = s.try_into().ok().and_then(|s: [u8; 32]| Scalar::from_canonical_bytes(s).into_option());
    let (Some(key_point), Some(big_r_point), Some(s)) = (point(&key.0), point(big_r), s) else {
        return false;
    };
    B * s == big_r_point + key_point * scalar(&[big_r, &key.0, message])
}

/// Changes a signature somehow: bits, halves, the order of the group, points of small order, whole classes.
fn mutated(random: &mut Random, key: &MixedKey, message: &[u8], other: &Signature) -> Signature {
    let mut signature = strict(key, message);
    let (big_r, s) = signature.0.split_at_mut(32);
    match random.below(8) {
        0 => return CLASSES[random.below(CLASSES.len() as u64) as usize].2(key, message),
        1 => big_r.copy_from_slice(&other.0[..32]),
        2 => s.copy_from_slice(&other.0[32..]),
        3 => big_r.copy_from_slice(&EIGHT_TORSION[random.below(8) as usize].compress().to_bytes()),
        4 => malleate(&mut signature.0),
        5 => s.fill_with(|| random.below(256) as u8),
        6 => {
            let torsion = EIGHT_TORSION[random.below(8) as usize];
            let point = CompressedEdwardsY::from_slice(big_r).ok().and_then(|point| point.decompress());
            big_r.copy_from_slice(&(point.expect("made above") + torsion).compress().to_bytes());
        }
        _ => {
            for _ in 0..=random.below(3) {
                let bit = random.below(512) as usize;
                signature.0[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }
    signature
}

/// `KVITTO_SIGNATURES` says how many, if not these few.
#[test]
fn mutated_signatures_are_judged_by_the_book() {
    let count = std::env::var("KVITTO_SIGNATURES").map_or(3_000, |count| count.parse().expect("a number"));
    let key = MixedKey::new("school");
    let (world, state, mut stage) = simulated();
    let mut ledger = Ledger::in_world(world);
    (ledger.state, ledger.clock) = (state, stage.now);
    ledger.submit(&with_mixed_key(&stage, &key)).expect("a key of large order");
    stage.now.0 += 1000;
    let admission = Admission::new(stage.ledger_id, ledger.state);
    let key_id = KeyId { did: school().did, thumbprint: thumbprint(&key.key()) };
    let payload = encode(&stage.statement(school().anchors([commitment(300)])));
    let mut random = Random::new(1);
    let (mut other, mut good) = (strict(&key, b"another message"), 0);
    for number in 0..count {
        let mut expected = false;
        let mut made = other;
        let bytes = cose(&key_id, b"kvitto/statement/v1", &stage.ledger_id, &payload, |message| {
            made = mutated(&mut random, &key, message, &other);
            expected = holds_by_the_book(&key.key(), message, &made);
            made
        });
        let envelope = admission.decode(bytes.into()).expect("of good form");
        let found = admission.verify(envelope, stage.now).expect("memory is readable").map(drop);
        let expected_verdict = if expected { Ok(()) } else { Err(Rejection::SignatureInvalid) };
        assert_eq!(found, expected_verdict, "signature {number}: {made:?}");
        good += u64::from(expected);
        other = made;
    }
    assert!(good > 0 && good < count, "{good} of {count} are good");
}

#[tokio::test(flavor = "multi_thread")]
async fn by_grpc_statements_get_the_same_verdict() {
    let key = MixedKey::new("school");
    let Real { stage, channel, .. } = &real(1).await;
    let mut node = Service::new(channel.clone());
    executes(&mut node, with_mixed_key(stage, &key)).await;
    for (number, class) in (200..).zip(CLASSES) {
        let (name, good, _) = class;
        let bytes = signed(stage, &key, &stage.statement(school().anchors([commitment(number)])), class);
        if good {
            executes(&mut node, bytes).await;
        } else {
            let status = submit(&mut node, bytes).await.expect_err(name);
            check_status(name, &status, tonic::Code::Unauthenticated, Rejection::SignatureInvalid);
        }
    }
}

#[test]
fn possession_proofs_get_the_same_verdict() {
    let (_, _, stage) = simulated();
    let new = MixedKey::new("new");
    for (name, good, sign) in CLASSES {
        let possession = Possession {
            subject: stranger().did,
            key: new.key(),
            sponsor: tao().did,
            sponsor_accreditation: tao().accreditation,
        };
        let key_id = KeyId { did: stranger().did, thumbprint: thumbprint(&new.key()) };
        let proof =
            cose(&key_id, b"kvitto/possession/v1", &stage.ledger_id, &encode(&possession), |message| {
                sign(&new, message)
            });
        let body = tao().onboards(&stranger(), &stage.ledger_id);
        let body = Onboard { key: new.key(), possession: proof.into(), ..body };
        let found = Envelope::decode(stage.signed(&tao(), body), &stage.ledger_id).map(drop);
        assert_eq!(found, if good { Ok(()) } else { Err(Rejection::PossessionProof) }, "{name}");
    }
}

/// A world in which member 1 has keys of mixed order, which sign as the class says.
fn mixed_world() -> (World, MixedKey, MixedKey) {
    let mut world = World::new(4);
    let (consensus, cosignature) = (MixedKey::new("consensus"), MixedKey::new("cosignature"));
    let origin = world.genesis.origin.clone();
    let member = &mut world.genesis.config.members[1];
    let proven = |key: &MixedKey, role| MemberKey {
        key: key.key(),
        proof: strict(key, &member_key_message(&origin, role, &member.name)),
    };
    (member.consensus, member.cosignature) =
        (proven(&consensus, KeyRole::Consensus), proven(&cosignature, KeyRole::Cosignature));
    world.genesis.check().expect("keys of large order, each signed by itself");
    world.ledger_id = world.genesis.ledger_id();
    (world, consensus, cosignature)
}

#[test]
fn votes_proposals_and_cosignatures_get_the_same_verdict() {
    let (world, consensus, cosignature) = mixed_world();
    let (consensus, cosignature) = (Arc::new(consensus), Arc::new(cosignature));
    for (name, good, sign) in CLASSES {
        // A cluster for each: a member that says two things at one point is told on, which is another test's matter.
        let state = MemoryState::new(&world.genesis);
        let mut cluster = Cluster::with_state(world.clone(), &state, 1);
        let mut liar = Liar::new(&mut cluster, 1);
        let pen = |key: &Arc<MixedKey>| {
            let (bytes, key) = (key.key(), Arc::clone(key));
            Pen { key: bytes, sign: Arc::new(move |message: &[u8]| sign(&key, message)) }
        };
        (liar.consensus, liar.cosignature) = (pen(&consensus), pen(&cosignature));
        let header = liar.empty_block(&cluster, 1);
        let point = |step| Point { height: header.height, round: 0, step };
        let newest = state.newest().header.clone();
        let head = Head { height: newest.height, size: newest.tree_size, root: newest.log_root };
        let now = cluster.now.0 / 1000;
        let messages = [
            (
                "prevote",
                Topic::Consensus,
                liar.vote(point(Step::Prevote), Some(header.id())),
                Fault::Signature,
            ),
            ("precommit", Topic::Consensus, liar.vote(point(Step::Precommit), None), Fault::Signature),
            ("proposal", Topic::Consensus, liar.proposal(0, None, &header), Fault::Signature),
            ("cosignature", Topic::Cosignatures, liar.cosignature(head, now).encode(), Fault::Cosignature),
        ];
        for (kind, topic, bytes, fault) in messages {
            let found = heard(&mut cluster, topic, &bytes);
            let expected = if good {
                (Some(ReplicaVerdict::Accept), None)
            } else {
                (Some(ReplicaVerdict::Reject), Some(fault))
            };
            assert_eq!(found, expected, "{kind}: {name}");
        }
    }
}

/// Who is no member, or names a key that could be nobody's, gets nowhere.
#[test]
fn a_key_that_nobody_may_register_signs_nothing() {
    let (_, state, stage) = simulated();
    let admission = Admission::new(stage.ledger_id, state);
    for (about, key) in crate::stage::BAD_KEYS {
        let key: KeyBytes = key.parse().expect("hexadecimal");
        assert!(PublicKey::new(&key).is_err(), "{about}");
        let key_id = KeyId { did: school().did, thumbprint: thumbprint(&key) };
        // Under a key of small order this verifies for any message, by the lenient equation.
        let neutral = signature(&EIGHT_TORSION[0].compress().to_bytes(), &Scalar::ZERO);
        let statement = stage.statement(Actor::new("school").anchors([commitment(50)]));
        let bytes = cose(&key_id, b"kvitto/statement/v1", &stage.ledger_id, &encode(&statement), |_| neutral);
        let envelope = admission.decode(bytes.into()).expect("of good form");
        let found = admission.verify(envelope, stage.now).expect("memory is readable").map(drop);
        assert_eq!(found, Err(Rejection::KeyUnknown), "{about}");
    }
}
