//! Receipts that a store makes, as the verifier judges them: for every commitment, under every checkpoint, as of every block.

use kvitto_ledger::genesis::KeyRole;
use kvitto_ledger::state::{AccreditationKey, PlaceContent};
use kvitto_ledger::testing::{Actor, Ledger, commitment};
use kvitto_ledger::{Commitment, Did, Height, LeafIndex, Position, TimeMs};
use kvitto_merkle::log::{verify_consistency, verify_inclusion};
use kvitto_merkle::note::{Cosignature, NoteSignature, SignatureType, VerifierKey, cosignature_message};
use kvitto_merkle::status::StatusValue;
use kvitto_merkle::{Checkpoint, Hash, leaf_hash};
use kvitto_storage::prove::{Item, Moment, Prover, Subject, Unprovable, consistency, inclusion};
use kvitto_storage::suite::history::History;
use kvitto_storage::{MemoryDisk, MemoryStore, Published, Read, Store};
use kvitto_verifier::{Question, Receipt, Refusal, TrustFile, Verdict, verify};

fn store(history: &History) -> MemoryStore {
    let mut store = MemoryStore::open(MemoryDisk::new(), &history.blocks[0], &|_, _| true).expect("opens");
    history.blocks[1..].iter().for_each(|block| store.commit(block, &[]).expect("committed"));
    store
}

/// The checkpoint after a block, cosigned by the one member ten seconds later.
fn published(history: &History, height: Height) -> Published {
    let header = &history.blocks[height.0 as usize].header;
    let origin = history.genesis.origin.parse().expect("a name");
    let checkpoint = Checkpoint { origin, size: header.tree_size, root: header.log_root };
    let member = &Ledger::new(1).world.members[0];
    let role = SignatureType::CosignatureV1;
    let key =
        VerifierKey::new(member.name.parse().expect("a name"), role, member.cosignature.public().bytes().0);
    let timestamp_s = header.time.seconds() + 10;
    let message = cosignature_message(timestamp_s, &checkpoint.to_string());
    let signature = member.cosignature.sign(&message).0;
    let mut note = checkpoint.to_note();
    note.push(NoteSignature::of_cosigner(&key, &Cosignature { timestamp_s, signature })).expect("room");
    assert_eq!(KeyRole::Cosignature.name(), "cosignature");
    Published { height, size: header.tree_size, note: note.to_string().into() }
}

fn prover<R: Read>(reader: &R, published: &Published, moment: Moment) -> Prover<R> {
    Prover::new(reader.clone(), published.clone(), moment).expect("readable").expect("in the log")
}

/// Put together from parts, or written from them, it is the same receipt.
fn assert_parts_give<R: Read>(prover: &Prover<R>, position: Position, receipt: &Receipt) {
    let anchored = prover.anchored(Subject::Position(position)).expect("readable").expect("anchored");
    let shared = prover.shared(&anchored.accreditation()).expect("readable");
    let Item { part, status } = prover.item(&shared, &anchored).expect("readable");
    assert_eq!(shared.text().complete(&part), receipt.to_json());
    assert_eq!(status, prover.status(position).expect("readable"));
    assert_eq!(shared.complete(part), *receipt);
}

fn judged(history: &History, published: &Published, receipt: &Receipt) -> Result<Verdict, Refusal> {
    let trust = TrustFile::from_genesis(history.genesis.clone()).expect("a good genesis");
    let time = history.blocks[published.height.0 as usize].header.time;
    // Through the file, as a holder gets it.
    let receipt = Receipt::from_json(receipt.to_json().as_bytes()).expect("as written");
    verify(&receipt, None, &trust, &Question::now(time.seconds() + 20, 3_600))
}

/// (issuer, commitment, position) of everything that was anchored up to a block.
fn anchored(reader: &impl Read, history: &History, at: Height) -> Vec<(Did, Commitment, Position)> {
    let blocks = &history.blocks[..=at.0 as usize];
    let anchors = blocks.iter().flat_map(|block| block.changes.anchors.clone());
    let issuer = |number| reader.registrant_at(at, number).expect("readable").expect("registered");
    anchors.map(|((number, commitment), position)| (issuer(number), commitment, position)).collect()
}

#[test]
fn every_receipt_is_true_under_every_checkpoint() {
    let history = History::small();
    let store = store(&history);
    let reader = store.reader();
    let newest = history.newest().header.height;
    for height in 0..=newest.0 {
        let published = published(&history, Height(height));
        let prover = prover(&reader, &published, Moment::Checkpoint);
        for (issuer, commitment, position) in
            anchored(&reader, &history, Height(height)).into_iter().step_by(9)
        {
            let receipt = prover.receipt(Subject::Commitment { issuer, commitment });
            let receipt = receipt.expect("readable").expect("anchored");
            let by_position = prover.receipt(Subject::Position(position)).expect("readable");
            assert_eq!(by_position.as_ref(), Ok(&receipt));
            assert_parts_give(&prover, position, &receipt);
            let verdict = judged(&history, &published, &receipt).expect("it proves something");
            assert_eq!((verdict.anchored.by.did, verdict.anchored.commitment), (issuer, commitment));
            assert_eq!(verdict.anchored.position, position);
            let chunk = reader.status_chunk_at(Height(height), position.0 / 1024).expect("readable");
            let value = chunk.map_or(StatusValue::Valid, |chunk| chunk.value(position.0));
            assert_eq!(verdict.status.status, value.into(), "{position} at {height}");
        }
    }
}

#[test]
fn receipts_as_of_every_block_say_what_was_true_then() {
    let history = History::small();
    let store = store(&history);
    let reader = store.reader();
    let newest = history.newest().header.height;
    let published = published(&history, newest);
    let now = prover(&reader, &published, Moment::Checkpoint);
    let school = Actor::new("school").did;
    for number in [1, 2, 3, 4, 5] {
        let subject = Subject::Commitment { issuer: school, commitment: commitment(number) };
        let found = now.anchored(subject).expect("readable").expect("anchored");
        let position = found.record.position;
        let anchored_in = reader.height_of_leaf(found.leaf).expect("readable").expect("in the log");
        for block in &history.blocks {
            let (height, time) = (block.header.height, block.header.time);
            let then = prover(&reader, &published, Moment::Height(height));
            let receipt = then.receipt(subject).expect("readable");
            for same in [Moment::Time(TimeMs(time.0 + 1)), Moment::TreeSize(block.header.tree_size)] {
                let then = prover(&reader, &published, same);
                assert_eq!(then.receipt(subject).expect("readable"), receipt);
            }
            if height < anchored_in {
                assert_eq!(receipt, Err(Unprovable::NotAnchored));
                continue;
            }
            let receipt = receipt.expect("anchored by then");
            assert_parts_give(&then, position, &receipt);
            let verdict = judged(&history, &published, &receipt).expect("true");
            let chunk = reader.status_chunk_at(height, position.0 / 1024).expect("readable");
            let value = chunk.map_or(StatusValue::Valid, |chunk| chunk.value(position.0));
            assert_eq!(then.status(position).expect("readable"), value);
            let said = verdict.as_of.map_or(verdict.status.status, |as_of| as_of.status.status);
            assert_eq!(said, value.into(), "{number} at {height}");
        }
    }
}

#[test]
fn what_is_not_there_is_said_to_be_so() {
    let history = History::small();
    let store = store(&history);
    let reader = store.reader();
    let newest = history.newest().header.height;
    let published = published(&history, newest);
    let prover = prover(&reader, &published, Moment::Checkpoint);
    let check = |subject, expected| {
        let receipt = prover.receipt(subject).expect("readable");
        assert_eq!(receipt.map(drop), Err(expected), "{subject:?}");
    };
    let of = |name: &str, number| Subject::Commitment {
        issuer: Actor::new(name).did,
        commitment: commitment(number),
    };
    check(of("school", 999_999), Unprovable::NotAnchored);
    check(of("nobody", 1), Unprovable::NotAnchored);
    check(Subject::Position(Position(u64::MAX)), Unprovable::NotAnchored);
    check(Subject::Position(Position(0)), Unprovable::NoCredential);
    let reserved = (0..).map(Position).find(|position| {
        let place = reader.place_at(newest, *position).expect("readable").expect("taken");
        place.content == PlaceContent::Reserved
    });
    check(Subject::Position(reserved.expect("some are left")), Unprovable::NoCredential);
    let unknown = AccreditationKey { subject: Actor::new("nobody").did, id: Default::default() };
    assert_eq!(prover.chain(&unknown).expect("readable"), []);
    prover.shared(&unknown).expect_err("a caller's mistake");
    let size = published.size;
    for moment in [
        Moment::Time(TimeMs(0)),
        Moment::Height(newest.next()),
        Moment::TreeSize(0),
        Moment::TreeSize(size - 1),
        Moment::TreeSize(size + 1),
    ] {
        let outside = Prover::new(reader.clone(), published.clone(), moment).expect("readable");
        assert_eq!(outside.map(drop), Err(Unprovable::MomentOutside), "{moment:?}");
    }
}

#[test]
fn paths_between_all_sizes_verify() {
    let history = History::small();
    let store = store(&history);
    let reader = store.reader();
    let roots: Vec<(u64, Hash)> =
        history.blocks.iter().map(|block| (block.header.tree_size, block.header.log_root)).collect();
    for (position, (new, new_root)) in roots.iter().enumerate() {
        for (old, old_root) in &roots[..=position] {
            let proof = consistency(&reader, *old, *new).expect("readable").expect("in range");
            verify_consistency(*old, old_root, *new, new_root, &proof).expect("it verifies");
        }
        for index in (0..*new).step_by(17) {
            let leaf = reader.leaf(LeafIndex(index)).expect("readable").expect("there");
            let proof = inclusion(&reader, LeafIndex(index), *new).expect("readable").expect("in range");
            verify_inclusion(&leaf_hash(&leaf), index, *new, &proof, new_root).expect("it verifies");
        }
    }
    let size = roots.last().expect("there is block 0").0;
    for (index, tree) in [(size, size), (0, size + 1), (0, 0), (0, u64::MAX)] {
        assert!(inclusion(&reader, LeafIndex(index), tree).expect("readable").is_err(), "{index} {tree}");
    }
    for (old, new) in [(0, size), (size, size - 1), (1, size + 1), (1, u64::MAX)] {
        assert!(consistency(&reader, old, new).expect("readable").is_err(), "{old} {new}");
    }
}
