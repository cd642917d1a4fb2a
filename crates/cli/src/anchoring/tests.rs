//! Anchoring against a simulated ledger, with crashes at every point: one commitment for one credential, whatever happens.

use kvitto_ledger::commitment::{DigestAlgorithm, DigestTarget};
use kvitto_ledger::statement::{Body, Envelope};
use kvitto_ledger::{Did, LedgerId};
use kvitto_merkle::Hash;

use super::*;
use crate::keyfile::KeyFile;
use crate::register::short_disk::ShortDisk;
use crate::register::{RegisterEntry, scan};

const LEDGER: LedgerId = LedgerId([1; 32]);

/// What a ledger does about anchors: executes a statement once, and gives a commitment one position.
#[derive(Default)]
struct Ledger {
    positions: BTreeMap<Commitment, Position>,
    /// In the order of execution, items as in the statement.
    statements: BTreeMap<StatementId, Vec<Commitment>>,
    received: usize,
    /// What happens to the n-th statement it receives; beyond the end all goes well.
    script: Vec<Event>,
}

#[derive(Clone, Copy, PartialEq)]
enum Event {
    Executed,
    /// Executed, but the answer is lost.
    AnswerLost,
    /// Neither executed nor answered.
    Lost,
    /// The connection breaks.
    Broken,
    Refused,
    Expired,
}

impl Submit for Ledger {
    async fn submit(
        &mut self,
        statements: &[Pending],
        answered: &mut (dyn FnMut(StatementId, Answer) -> Result<(), Failure> + Send),
    ) -> Result<(), Failure> {
        for statement in statements {
            let event = self.script.get(self.received).copied().unwrap_or(Event::Executed);
            self.received += 1;
            // What was executed once is answered so for ever.
            let is_executed = self.statements.contains_key(&statement.id);
            let event = if is_executed && event != Event::Broken { Event::Executed } else { event };
            let refused = Refused { reason: "ACCREDITATION_SCOPE".to_owned(), message: String::new() };
            match event {
                Event::Executed => answered(statement.id, Answer::Anchored(self.execute(statement)))?,
                Event::AnswerLost => drop(self.execute(statement)),
                Event::Lost => answered(statement.id, Answer::Unknown)?,
                Event::Broken => return Err(Failure::new(Exit::Unreachable, "UNREACHABLE", "", "")),
                Event::Refused => answered(statement.id, Answer::Refused(refused))?,
                Event::Expired => answered(statement.id, Answer::Expired)?,
            }
        }
        Ok(())
    }
}

impl Ledger {
    fn execute(&mut self, statement: &Pending) -> Vec<(Commitment, Position)> {
        let envelope = Envelope::decode(statement.bytes.as_slice(), &LEDGER).unwrap();
        assert_eq!(envelope.id(), statement.id);
        let Body::Anchor(anchor) = &envelope.statement().body else { panic!("another kind") };
        let commitments: Vec<_> = anchor.items.iter().map(|item| item.commitment).collect();
        self.statements.entry(statement.id).or_insert(commitments.clone());
        let mut place = |commitment| {
            let next = Position(self.positions.len() as u64);
            (commitment, *self.positions.entry(commitment).or_insert(next))
        };
        commitments.into_iter().map(&mut place).collect()
    }
}

fn credentials(key: &KeyFile, count: u8) -> Vec<CredentialEntry> {
    let salt_key = key.salt_key().unwrap();
    let entry = |number: u8| {
        let (algorithm, target, digest) = (DigestAlgorithm::Sha256, DigestTarget::Jcs, Hash([number; 32]));
        let opening = salt_key.opening_for(algorithm, target, digest);
        CredentialEntry {
            reference: format!("student-{number}"),
            algorithm,
            target,
            digest,
            salt: opening.salt.clone().into(),
            commitment: opening.commitment(),
            credential_type: "MicroCredential".to_owned(),
            accreditation: AccreditationId([3; 32]),
        }
    };
    (0..count).map(entry).collect()
}

fn open(bytes: &[u8], room: usize, issuer: Did) -> Result<Register<ShortDisk>, RegisterError> {
    let scanned = scan(bytes)?;
    let good = usize::try_from(scanned.good_bytes).unwrap();
    let disk = ShortDisk { bytes: bytes[..good].to_vec(), room };
    Register::resume(disk, scanned, &RegisterEntry::new(LEDGER, issuer))
}

fn anchoring(key: &KeyFile, batch: usize) -> Anchoring {
    Anchoring { signer: Organisation::new(key.did(), key.key().clone(), LEDGER), batch }
}

/// One run of the program: enters, sends, and leaves the file behind.
async fn run(
    bytes: &mut Vec<u8>,
    room: usize,
    key: &KeyFile,
    ledger: &mut Ledger,
) -> Result<Summary, Failure> {
    // The head of a new register may not fit either.
    let Ok(mut register) = open(bytes, room, key.did()) else {
        bytes.truncate(0);
        return Err(Failure::new(Exit::Io, "NO_ROOM", "", ""));
    };
    let result = async {
        enter(&mut register, credentials(key, 5))?;
        anchoring(key, 2).run(&mut register, ledger, &mut |_| {}).await
    }
    .await;
    *bytes = register.disk().bytes.clone();
    result
}

fn check_complete(bytes: &[u8], key: &KeyFile, ledger: &Ledger, case: &str) {
    let register = open(bytes, 0, key.did()).unwrap();
    assert_eq!(register.rows().len(), 5, "{case}");
    assert_eq!(ledger.positions.len(), 5, "{case}");
    for row in register.rows() {
        assert_eq!(row.position(), ledger.positions.get(&row.credential.commitment).copied(), "{case}");
    }
    assert_eq!(register.pending().count(), 0, "{case}");
}

#[tokio::test]
async fn cut_off_at_any_byte_the_next_run_completes_and_the_one_after_sends_nothing() {
    let key = KeyFile::generate(None).unwrap();
    let mut whole = Vec::new();
    run(&mut whole, usize::MAX, &key, &mut Ledger::default()).await.unwrap();
    // Around every line's end, and a few places inside.
    let ends: BTreeSet<usize> = (1..=whole.len()).filter(|at| whole[at - 1] == b'\n').collect();
    let around = ends.iter().flat_map(|end| [end - 1, *end, end + 1]);
    let rooms: BTreeSet<usize> = around.chain((0..whole.len()).step_by(97)).collect();
    for room in rooms {
        let case = format!("room for {room} bytes");
        let (mut bytes, mut ledger) = (Vec::new(), Ledger::default());
        let cut_off = run(&mut bytes, room, &key, &mut ledger).await;
        assert_eq!(cut_off.is_ok(), room >= bytes.len() && bytes.len() >= whole.len(), "{case}");
        run(&mut bytes, usize::MAX, &key, &mut ledger).await.unwrap();
        check_complete(&bytes, &key, &ledger, &case);
        let (length, received) = (bytes.len(), ledger.received);
        let again = run(&mut bytes, usize::MAX, &key, &mut ledger).await.unwrap();
        assert_eq!((again, bytes.len(), ledger.received), (Summary::default(), length, received), "{case}");
    }
}

#[tokio::test]
async fn whatever_the_network_does_the_same_bytes_are_sent_until_they_are_answered() {
    use Event::*;
    let key = KeyFile::generate(None).unwrap();
    for script in [
        vec![AnswerLost],
        vec![Lost, Lost, Lost],
        vec![AnswerLost, AnswerLost, AnswerLost, Lost, AnswerLost],
        vec![Broken],
        vec![Executed, Broken, AnswerLost],
        vec![Lost, Executed, AnswerLost, Expired],
        vec![Expired, Expired],
    ] {
        let mut ledger = Ledger { script, ..Ledger::default() };
        let mut bytes = Vec::new();
        for _ in 0..6 {
            // A broken connection ends a run; the next one goes on.
            let _ = run(&mut bytes, usize::MAX, &key, &mut ledger).await;
        }
        check_complete(&bytes, &key, &ledger, "");
        // Nothing was signed anew but what had expired: each commitment was executed in one statement.
        let items: usize = ledger.statements.values().map(Vec::len).sum();
        assert_eq!(items, 5);
    }
}

#[tokio::test]
async fn a_refused_credential_rests_until_it_is_anchored_again_with_the_same_commitment() {
    let key = KeyFile::generate(None).unwrap();
    let mut ledger = Ledger { script: vec![Event::Refused; 3], ..Ledger::default() };
    let mut register = open(&[], usize::MAX, key.did()).unwrap();
    let anchoring = super::tests::anchoring(&key, 1);
    let entries = credentials(&key, 3);
    enter(&mut register, entries.clone()).unwrap();
    let summary = anchoring.run(&mut register, &mut ledger, &mut |_| {}).await.unwrap();
    assert_eq!(summary.refused["ACCREDITATION_SCOPE"].1, 3);
    let resting = anchoring.run(&mut register, &mut ledger, &mut |_| {}).await.unwrap();
    assert_eq!(resting, Summary::default());
    let other_type = CredentialEntry {
        credential_type: "Course".to_owned(),
        reference: "x".to_owned(),
        ..entries[1].clone()
    };
    assert_eq!(enter(&mut register, vec![other_type]).unwrap(), Entered { new: 0, known: 1 });
    anchoring.run(&mut register, &mut ledger, &mut |_| {}).await.unwrap();
    assert_eq!(ledger.positions.keys().copied().collect::<Vec<_>>(), [entries[1].commitment]);
    let row = register.row_with(&entries[1].commitment).unwrap();
    assert_eq!((row.credential.credential_type.as_str(), row.state.name()), ("Course", "anchored"));
    assert_eq!(row.credential.reference, "student-1");
}

#[tokio::test]
async fn positions_tell_nothing_about_the_order_of_files() {
    let key = KeyFile::generate(None).unwrap();
    let mut ledger = Ledger::default();
    let mut register = open(&[], usize::MAX, key.did()).unwrap();
    let entries = credentials(&key, 120);
    enter(&mut register, entries.clone()).unwrap();
    let anchoring = super::tests::anchoring(&key, 12);
    anchoring.run(&mut register, &mut ledger, &mut |_| {}).await.unwrap();
    assert_eq!(ledger.statements.len(), 10);
    for commitments in ledger.statements.values() {
        assert!(commitments.is_sorted(), "items stand in the order of their commitments");
    }
    let positions: Vec<u64> = entries.iter().map(|entry| ledger.positions[&entry.commitment].0).collect();
    assert!(!positions.is_sorted());
    // In file order about half of all neighbours would be ascending by chance; all but none or all would be a pattern.
    let ascending = positions.windows(2).filter(|pair| pair[0] < pair[1]).count();
    assert!((30..90).contains(&ascending), "{ascending} of 119");
}

#[tokio::test]
async fn the_same_digest_twice_is_one_row() {
    let key = KeyFile::generate(None).unwrap();
    let mut register = open(&[], usize::MAX, key.did()).unwrap();
    let twice = [credentials(&key, 2), credentials(&key, 2)].concat();
    assert_eq!(enter(&mut register, twice.clone()).unwrap(), Entered { new: 2, known: 2 });
    assert_eq!(enter(&mut register, twice).unwrap(), Entered { new: 0, known: 4 });
    assert_eq!(register.rows().len(), 2);
}
