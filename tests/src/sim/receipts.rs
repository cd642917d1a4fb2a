//! Every acknowledged receipt verifies, as a file, by the public verifier: when it is given, and for ever.

use std::cell::RefCell;
use std::rc::Rc;

use kvitto_ledger::execute::{ExecutedBlock, genesis_block};
use kvitto_ledger::{Record, RecordBody, StatementId, TimeMs};
use kvitto_merkle::Checkpoint;
use kvitto_replica::testing::Cluster;
use kvitto_replica::testing::invariants::{Invariant, Scene, Seen};
use kvitto_storage::prove::{Moment, Prover, Subject};
use kvitto_storage::{MemoryDisk, MemoryStore, Published, Store};
use kvitto_verifier::verdict::{Concern, Overall, Status};
use kvitto_verifier::{Question, Receipt, TrustFile, verify};

/// The invariant's name.
pub(super) const NAME: &str = "receipts verify";
/// Receipts that are made in one run: each costs some signatures to check.
const RECEIPTS_MAX: usize = 24;
/// Nothing in a run is older.
const AGE_S_MAX: u64 = 30 * 24 * 3_600;
/// Clocks may be off by so much, in seconds: what is asked at once may be asked by an earlier clock than the signers'.
const CLOCK_ERROR_S: u64 = 10;

/// A receipt that somebody was given.
struct Given {
    json: String,
    subject: Subject,
    /// When, in seconds.
    at_s: u64,
}

struct Books {
    /// The log, as a node keeps it.
    store: MemoryStore,
    trust: TrustFile,
    given: Vec<Given>,
}

/// Makes receipts as nodes do, and keeps them as holders do.
#[derive(Clone)]
pub(super) struct Receipts(Rc<RefCell<Books>>);

impl Receipts {
    pub(super) fn of(cluster: &Cluster) -> Self {
        let genesis = &cluster.world.genesis;
        let disk = MemoryDisk::new();
        let store = MemoryStore::open(disk, &genesis_block(genesis), &|_, _| true).expect("an empty store");
        let trust = TrustFile::from_genesis(genesis.clone()).expect("a ledger");
        Self(Rc::new(RefCell::new(Books { store, trust, given: Vec::new() })))
    }

    pub(super) fn count(&self) -> u64 {
        self.0.borrow().given.len() as u64
    }

    /// Verifies everything that was given out again, long afterwards, and as renewed under the newest checkpoint.
    pub(super) fn look_back(&self, cluster: &Cluster) -> Result<(), String> {
        let books = self.0.borrow();
        let newest = cluster.nodes.iter().filter_map(|node| node.published.as_ref());
        let newest = newest.max_by_key(|(height, _)| *height).ok_or("nothing was published")?;
        let published = published(newest.0, &newest.1)?;
        let now_s = cluster.now.seconds() + CLOCK_ERROR_S;
        for given in &books.given {
            let receipt = Receipt::from_json(given.json.as_bytes()).map_err(|error| error.to_string())?;
            books.check(&receipt, now_s)?;
            // As of when it was given, and as of now.
            for moment in [Moment::Time(TimeMs(given.at_s * 1000)), Moment::Checkpoint] {
                let prover = Prover::new(books.store.reader(), published.clone(), moment);
                let prover = prover.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
                let renewed = prover.receipt(given.subject).map_err(|error| error.to_string())?;
                match renewed {
                    Ok(renewed) => books.check(&renewed, now_s)?,
                    // Its block's time is a little later than the moment of the answer, by another clock.
                    Err(unprovable) if matches!(moment, Moment::Time(_)) => _ = unprovable,
                    Err(unprovable) => return Err(unprovable.to_string()),
                }
            }
        }
        Ok(())
    }
}

impl Invariant for Receipts {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, seen: &Seen<'_>, scene: &Scene<'_>) -> Result<(), String> {
        match seen {
            Seen::Committed { member, block, is_new: true } => {
                let mut books = self.0.borrow_mut();
                let known = books.store.head().height.0 as usize + 1;
                let blocks = &scene.nodes[*member].state.blocks[known..=block.header.height.0 as usize];
                blocks
                    .iter()
                    .try_for_each(|block| books.store.commit(block, &[]).map_err(|error| error.to_string()))
            }
            Seen::Final { member, statements, .. }
                if !scene.liars.contains(member) && !scene.off.contains(member) =>
            {
                let node = &scene.nodes[*member];
                let (height, note) = node.published.as_ref().ok_or("final without a checkpoint")?;
                let published = published(*height, note)?;
                let outcomes = &node.state.changes.outcomes;
                for id in *statements {
                    let height = outcomes.get(id).ok_or("final without an outcome")?.height;
                    let block = &node.state.blocks[height.0 as usize];
                    self.0.borrow_mut().give(&published, block, *id, scene.now)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Books {
    /// Makes a receipt for one of the credentials that a statement anchored.
    fn give(
        &mut self,
        published: &Published,
        block: &ExecutedBlock,
        statement: StatementId,
        now: TimeMs,
    ) -> Result<(), String> {
        let records = block.leaves.iter().filter_map(|leaf| Record::decode(leaf).ok());
        let anchored =
            records.filter(|record| record.statement_id == statement).find_map(|record| match record.body {
                RecordBody::Anchored(anchored) => Some(anchored.position),
                _ => None,
            });
        let Some(position) = anchored.filter(|_| self.given.len() < RECEIPTS_MAX) else { return Ok(()) };
        let subject = Subject::Position(position);
        let prover = Prover::new(self.store.reader(), published.clone(), Moment::Checkpoint);
        let prover = prover.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        let receipt = prover.receipt(subject).map_err(|error| error.to_string())?;
        let receipt = receipt.map_err(|unprovable| unprovable.to_string())?;
        self.check(&receipt, now.seconds() + CLOCK_ERROR_S)?;
        self.given.push(Given { json: receipt.to_json(), subject, at_s: now.seconds() });
        Ok(())
    }

    /// The verifier accepts it, and misses nothing but the credential, which nobody showed.
    fn check(&self, receipt: &Receipt, at_s: u64) -> Result<(), String> {
        let verdict = verify(receipt, None, &self.trust, &Question::now(at_s, AGE_S_MAX));
        let verdict = verdict.map_err(|refusal| refusal.to_string())?;
        let of_status = match verdict.status.status {
            Status::Revoked => Some(Concern::Revoked),
            Status::Suspended => Some(Concern::Suspended),
            Status::Superseded => Some(Concern::Superseded),
            _ => None,
        };
        // An accreditation that was withdrawn in the very block of the anchor does not cover it (RULES 6.4).
        let withdrawals = verdict.accredited.links.iter().filter_map(|link| link.withdrawal.as_ref());
        let earliest = withdrawals.map(|withdrawal| withdrawal.effective_from_s).min();
        let is_withdrawn = earliest.is_some_and(|from_s| from_s == verdict.anchored.at_s);
        let of_chain = (is_withdrawn && !verdict.accredited.then).then_some(Concern::NotAccreditedThen);
        let against: Vec<_> = of_status.into_iter().chain(of_chain).collect();
        let overall = if against.is_empty() { Overall::CannotTell } else { Overall::NotInOrder };
        let expected: Vec<_> = against.into_iter().chain([Concern::NoCredential]).collect();
        if verdict.concerns == expected && verdict.overall == overall {
            Ok(())
        } else {
            Err(format!("the verdict is {:?}, for {:?}", verdict.overall, verdict.concerns))
        }
    }
}

/// A checkpoint as a store keeps it.
fn published(height: kvitto_ledger::Height, note: &std::sync::Arc<str>) -> Result<Published, String> {
    let parsed: kvitto_merkle::Note = note.parse().map_err(|error| format!("{error:?}"))?;
    let checkpoint: Checkpoint = parsed.text().parse().map_err(|error| format!("{error:?}"))?;
    Ok(Published { height, size: checkpoint.size, note: note.clone() })
}
