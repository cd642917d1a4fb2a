//! Anchoring by way of the register: prepare, journal, send, keep the answers; as often as it takes, with one result.
//!
//! ```text
//!  rows (fsync) ─► shuffle ─► statements, signed (fsync) ─► send ─► answers (fsync)
//!                                   ▲                         │
//!                  next run: the same bytes again ◄── no answer
//! ```
//!
//! Items are shuffled over all statements, and sorted by commitment inside each (RULES 5.6), so that positions tell nothing
//! about the order of files.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use kvitto_client::Organisation;
use kvitto_ledger::commitment::{DigestAlgorithm, DigestTarget};
use kvitto_ledger::statement::{Anchor, AnchorItem};
use kvitto_ledger::{AccreditationId, Commitment, Position, StatementId};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::register::{CredentialEntry, Disk, Pending, Register, RegisterError, Row, RowState};

/// So many statements are journaled and sent before the answers of all are awaited.
const WINDOW_STATEMENTS: usize = 256;

/// What became of a statement that anchors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Every commitment of it is on the ledger, by it or by an earlier one.
    Anchored(Vec<(Commitment, Position)>),
    /// The rules refuse it.
    Refused(Refused),
    /// It came too late and never will be executed.
    Expired,
    /// Taken by a node, or nothing was heard: it has to be sent again.
    Unknown,
}

/// A refusal by the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Stable name.
    pub reason: String,
    /// One sentence.
    pub message: String,
}

/// Sends statements to a ledger.
pub trait Submit: Send {
    /// Sends every statement, as it is, and tells `answered` what became of each; a statement that it never tells about
    /// counts as [`Answer::Unknown`]. Sending the same bytes again gives the same answer.
    ///
    /// # Errors
    /// Nobody can be reached, or an error of `answered`, which ends it at once.
    fn submit(
        &mut self,
        statements: &[Pending],
        answered: &mut (dyn FnMut(StatementId, Answer) -> Result<(), Failure> + Send),
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// How credentials came into the register.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entered {
    /// New rows.
    pub new: usize,
    /// Rows that were there already; rows of refused statements are tried again.
    pub known: usize,
}

/// Enters credentials into the register, durably. A digest that has a row keeps that row, with its salt and reference; one that
/// occurs twice in `credentials` gets one row.
///
/// # Errors
/// The register's.
pub fn enter<D: Disk>(
    register: &mut Register<D>,
    credentials: Vec<CredentialEntry>,
) -> Result<Entered, RegisterError> {
    let mut entered = Entered::default();
    let mut seen = BTreeSet::new();
    let mut rows = Vec::new();
    for credential in credentials {
        let digest = (credential.algorithm, credential.target, credential.digest);
        if !seen.insert(digest) {
            entered.known += 1;
            continue;
        }
        match register.row_of(&digest) {
            None => {
                entered.new += 1;
                rows.push(credential);
            }
            Some(Row { credential: known, state: RowState::Refused { .. }, .. }) => {
                entered.known += 1;
                let CredentialEntry { credential_type, accreditation, .. } = credential;
                rows.push(CredentialEntry { credential_type, accreditation, ..known.clone() });
            }
            Some(_) => entered.known += 1,
        }
    }
    register.add(rows)?;
    Ok(entered)
}

/// How an anchoring run went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Statements that were sent again from an earlier run.
    pub resumed: usize,
    /// Statements of this run.
    pub statements: usize,
    /// Refusals, each once, with the number of credentials.
    pub refused: BTreeMap<String, (String, usize)>,
    /// Credentials whose answer is still open.
    pub open: usize,
}

/// Who anchors, on which ledger, how.
pub struct Anchoring {
    /// The issuer on its ledger.
    pub signer: Organisation,
    /// Most items of one statement.
    pub batch: usize,
}

impl Anchoring {
    /// Anchors every prepared row of the register, after sending again what an earlier run left open. `progress` is told the
    /// number of credentials that were answered.
    ///
    /// # Errors
    /// The register's, the sender's.
    pub async fn run<D: Disk + Send>(
        &self,
        register: &mut Register<D>,
        ledger: &mut impl Submit,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Summary, Failure> {
        let mut summary = Summary::default();
        let left_open: Vec<Pending> = register.pending().cloned().collect();
        summary.resumed = left_open.len();
        for window in left_open.chunks(WINDOW_STATEMENTS) {
            send(register, ledger, window, &mut summary, progress).await?;
        }
        let prepared = self.prepare(register)?;
        summary.statements = prepared.len();
        for window in prepared.chunks(WINDOW_STATEMENTS) {
            register.journal(window.to_vec())?;
            send(register, ledger, window, &mut summary, progress).await?;
        }
        summary.open = register.pending().map(|pending| pending.commitments.len()).sum();
        Ok(summary)
    }

    /// Signed statements of all prepared rows, in random order.
    fn prepare<D: Disk>(&self, register: &Register<D>) -> Result<Vec<Pending>, Failure> {
        let mut groups: BTreeMap<Group, Vec<Commitment>> = BTreeMap::new();
        for row in register.rows_prepared() {
            groups.entry(Group::of(row)).or_default().push(row.credential.commitment);
        }
        let mut statements = Vec::new();
        for (group, mut commitments) in groups {
            shuffle(&mut commitments)?;
            for chunk in commitments.chunks(self.batch) {
                statements.push(self.statement(&group, chunk.to_vec())?);
            }
        }
        shuffle(&mut statements)?;
        Ok(statements)
    }

    fn statement(&self, group: &Group, mut commitments: Vec<Commitment>) -> Result<Pending, Failure> {
        commitments.sort_unstable();
        let item = |commitment: &Commitment| AnchorItem { commitment: *commitment, reserved: None };
        let anchor = Anchor {
            accreditation: group.accreditation,
            credential_type: group.credential_type.clone(),
            algorithm: group.algorithm,
            target: group.target,
            bare: group.bare,
            items: commitments.iter().map(item).collect(),
        };
        let signed = self.signer.anchor(anchor)?;
        Ok(Pending { id: signed.id(), bytes: signed.bytes().to_vec(), commitments })
    }
}

/// What all items of one statement have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    accreditation: AccreditationId,
    credential_type: String,
    algorithm: DigestAlgorithm,
    target: DigestTarget,
    bare: bool,
}

impl Group {
    fn of(row: &Row) -> Self {
        let credential = &row.credential;
        Self {
            accreditation: credential.accreditation,
            credential_type: credential.credential_type.clone(),
            algorithm: credential.algorithm,
            target: credential.target,
            bare: credential.salt.0.is_none(),
        }
    }
}

async fn send<D: Disk + Send>(
    register: &mut Register<D>,
    ledger: &mut impl Submit,
    window: &[Pending],
    summary: &mut Summary,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<(), Failure> {
    let sizes: BTreeMap<StatementId, usize> =
        window.iter().map(|pending| (pending.id, pending.commitments.len())).collect();
    let mut keep = |id: StatementId, answer: Answer| -> Result<(), Failure> {
        let items = sizes.get(&id).copied().unwrap_or_default();
        match answer {
            Answer::Anchored(places) => register.anchored(id, &places)?,
            Answer::Expired => register.expired(id)?,
            Answer::Refused(refused) => {
                register.refused(id, &refused.reason)?;
                summary.refused.entry(refused.reason).or_insert((refused.message, 0)).1 += items;
            }
            Answer::Unknown => return Ok(()),
        }
        progress(items as u64);
        Ok(())
    };
    ledger.submit(window, &mut keep).await
}

/// Puts a list into random order (Fisher and Yates), each order as likely as any other.
pub(crate) fn shuffle<T>(list: &mut [T]) -> Result<(), Failure> {
    for last in (1..list.len()).rev() {
        let chosen = random_below(last as u64 + 1)?;
        list.swap(last, usize::try_from(chosen).expect("below the length of a list"));
    }
    Ok(())
}

fn random_below(bound: u64) -> Result<u64, Failure> {
    // Values from the incomplete last stretch would favour small results.
    let unfair = u64::MAX - u64::MAX % bound;
    loop {
        let value = getrandom::u64().map_err(|error| no_randomness(&error))?;
        if value < unfair {
            return Ok(value % bound);
        }
    }
}

/// The operating system gives no random bytes.
pub(crate) fn no_randomness(error: &getrandom::Error) -> Failure {
    let message = format!("the operating system gives no random bytes: {error}");
    Failure::new(Exit::Io, "NO_RANDOMNESS", message, "check this machine's random source")
}

#[cfg(test)]
mod tests;
