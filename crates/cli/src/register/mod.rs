//! The issuer's register: which credentials were anchored, with what salt, where, and what became of them.
//!
//! ```text
//!  DIR/register.jsonl   one JSON object a line, appended, fsynced before anything is sent; mode 0600, it holds salts
//!  DIR/register.lock    held while a process works with the register
//!
//!  register ─► credential… ─► statement ─┬─► anchored… ─► status…     every prefix of the file is a register;
//!  (once)      (one a digest)  (bytes)   ├─► expired ─► statement…    every append is durable before the next step
//!                                        └─► refused ─► credential (again, perhaps as another type) ─► …
//! ```
//!
//! A line ends with the CRC-32 of what stands before it. What a crash tore off at the end is set aside, never deleted; damage
//! before that is refused. The same statement is sent again byte for byte until the ledger has answered, and a credential
//! keeps its salt for ever, so however often a run is cut off, the ledger sees one commitment for one credential.

mod disk;
mod entry;
mod error;
mod line;
mod row;

use std::collections::BTreeMap;
use std::path::Path;

use kvitto_ledger::{Commitment, Position, StatementId};
use kvitto_merkle::status::StatusValue;

pub use disk::{Disk, OsDisk};
pub use entry::{CredentialEntry, RegisterEntry, RowSalt};
pub use error::RegisterError;
pub use line::{Scanned, scan};
pub use row::{DigestKey, Row, RowState};

use entry::{AnchoredEntry, Entry, ExpiredEntry, RefusedEntry, StatementEntry, StatusEntry};

/// Name of the register's file in its directory.
pub const FILE_NAME: &str = "register.jsonl";
/// Name of the lock in its directory.
pub const LOCK_NAME: &str = "register.lock";

/// A register, open for one process.
#[derive(Debug)]
pub struct Register<D = OsDisk> {
    disk: D,
    /// After a failed write nothing is known about the file: it has to be opened again.
    dead: bool,
    batch: u64,
    head: Option<RegisterEntry>,
    rows: Vec<Row>,
    by_digest: BTreeMap<DigestKey, usize>,
    by_commitment: BTreeMap<Commitment, usize>,
    by_reference: BTreeMap<String, Vec<usize>>,
    pending: BTreeMap<StatementId, Pending>,
    /// Commitments of a pending statement whose answer is not kept yet.
    unanswered: BTreeMap<StatementId, usize>,
}

/// A statement whose answer is not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its identity.
    pub id: StatementId,
    /// What was or will be sent, byte for byte.
    pub bytes: Vec<u8>,
    /// What it anchors, ascending.
    pub commitments: Vec<Commitment>,
}

impl Register<OsDisk> {
    /// Opens the register in `directory`, which is made where there is none, for this ledger and issuer.
    ///
    /// # Errors
    /// [`RegisterError`]: used by another process, of another ledger or issuer, damaged, or not readable.
    pub fn open(directory: &Path, head: &RegisterEntry) -> Result<Self, RegisterError> {
        let (disk, scanned) = OsDisk::open(directory, true)?;
        Self::resume(disk, scanned, head)
    }

    /// Opens the register in `directory`, which must be there.
    ///
    /// # Errors
    /// As [`Register::open`]; [`RegisterError::Missing`].
    pub fn open_existing(directory: &Path, head: &RegisterEntry) -> Result<Self, RegisterError> {
        let (disk, scanned) = OsDisk::open(directory, false)?;
        Self::resume(disk, scanned, head)
    }
}

impl<D: Disk> Register<D> {
    /// Takes up where the scanned lines end.
    ///
    /// # Errors
    /// [`RegisterError`]: of another ledger or issuer, contradictory, or the head cannot be written.
    pub fn resume(disk: D, scanned: Scanned, head: &RegisterEntry) -> Result<Self, RegisterError> {
        let mut register = Self {
            disk,
            dead: false,
            batch: scanned.last_batch,
            head: None,
            rows: Vec::new(),
            by_digest: BTreeMap::new(),
            by_commitment: BTreeMap::new(),
            by_reference: BTreeMap::new(),
            pending: BTreeMap::new(),
            unanswered: BTreeMap::new(),
        };
        for (number, entry) in (1..).zip(scanned.entries) {
            register.apply(entry).map_err(|what| RegisterError::Contradictory { line: number, what })?;
        }
        match &register.head {
            None => register.append(vec![Entry::Register(head.clone())])?,
            Some(found) if found.ledger_id != head.ledger_id => {
                return Err(RegisterError::OtherLedger { found: found.ledger_id, expected: head.ledger_id });
            }
            Some(found) if found.issuer != head.issuer => {
                return Err(RegisterError::OtherIssuer { found: found.issuer, expected: head.issuer });
            }
            Some(_) => {}
        }
        Ok(register)
    }

    #[cfg(test)]
    pub(crate) fn disk(&self) -> &D {
        &self.disk
    }

    /// All rows, in the order in which they were added.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The row of a digest.
    pub fn row_of(&self, digest: &DigestKey) -> Option<&Row> {
        self.by_digest.get(digest).and_then(|index| self.rows.get(*index))
    }

    /// The row of a commitment.
    pub fn row_with(&self, commitment: &Commitment) -> Option<&Row> {
        self.by_commitment.get(commitment).and_then(|index| self.rows.get(*index))
    }

    /// Rows with the issuer's own reference; several where the issuer gave it to several credentials.
    pub fn rows_named(&self, reference: &str) -> Vec<&Row> {
        let indexes = self.by_reference.get(reference).map(Vec::as_slice).unwrap_or_default();
        indexes.iter().filter_map(|index| self.rows.get(*index)).collect()
    }

    /// Rows that wait for a statement.
    pub fn rows_prepared(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.state == RowState::Prepared)
    }

    /// Statements without an answer: to be sent again as they are.
    pub fn pending(&self) -> impl Iterator<Item = &Pending> {
        self.pending.values()
    }

    /// Adds credentials that have no row yet, or whose last statement was refused (then perhaps as another type or under
    /// another accreditation, but with the same commitment). Durable when it returns.
    ///
    /// # Errors
    /// [`RegisterError::Write`], [`RegisterError::Contradictory`].
    pub fn add(&mut self, credentials: Vec<CredentialEntry>) -> Result<(), RegisterError> {
        self.append(credentials.into_iter().map(Entry::Credential).collect())
    }

    /// Keeps the exact bytes of statements that are about to be sent; durable when it returns.
    ///
    /// # Errors
    /// [`RegisterError::Write`], [`RegisterError::Contradictory`].
    pub fn journal(&mut self, statements: Vec<Pending>) -> Result<(), RegisterError> {
        let entry = |statement: Pending| {
            Entry::Statement(StatementEntry {
                id: statement.id,
                bytes: statement.bytes,
                commitments: statement.commitments,
            })
        };
        self.append(statements.into_iter().map(entry).collect())
    }

    /// Keeps where a statement's commitments are anchored.
    ///
    /// # Errors
    /// [`RegisterError::Write`], [`RegisterError::Contradictory`].
    pub fn anchored(
        &mut self,
        statement: StatementId,
        places: &[(Commitment, Position)],
    ) -> Result<(), RegisterError> {
        let entry = |(commitment, position): &(Commitment, Position)| {
            Entry::Anchored(AnchoredEntry { statement, commitment: *commitment, position: *position })
        };
        self.append(places.iter().map(entry).collect())
    }

    /// Keeps that a statement came too late: its commitments go into another one.
    ///
    /// # Errors
    /// [`RegisterError::Write`], [`RegisterError::Contradictory`].
    pub fn expired(&mut self, statement: StatementId) -> Result<(), RegisterError> {
        self.append(vec![Entry::Expired(ExpiredEntry { statement })])
    }

    /// Keeps that a statement was refused: its commitments rest until they are added again.
    ///
    /// # Errors
    /// [`RegisterError::Write`], [`RegisterError::Contradictory`].
    pub fn refused(&mut self, statement: StatementId, reason: &str) -> Result<(), RegisterError> {
        self.append(vec![Entry::Refused(RefusedEntry { statement, reason: reason.to_owned() })])
    }

    /// Keeps statuses as the ledger has them.
    ///
    /// # Errors
    /// [`RegisterError::Write`], [`RegisterError::Contradictory`].
    pub fn statuses(&mut self, statuses: &[(Commitment, StatusValue)]) -> Result<(), RegisterError> {
        let news = statuses.iter().filter(|(commitment, status)| {
            self.row_with(commitment).is_some_and(|row| row.status != Some(*status))
        });
        let entry = |(commitment, status): &(Commitment, StatusValue)| {
            Entry::Status(StatusEntry { commitment: *commitment, status: *status })
        };
        let entries = news.map(entry).collect();
        self.append(entries)
    }

    fn append(&mut self, entries: Vec<Entry>) -> Result<(), RegisterError> {
        if entries.is_empty() {
            return Ok(());
        }
        if self.dead {
            return Err(RegisterError::Dead);
        }
        self.batch += 1;
        let lines: String = entries.iter().map(|entry| line::write(self.batch, entry)).collect();
        // Until the write has returned nobody knows what the file holds.
        self.dead = true;
        self.disk.append(lines.as_bytes()).map_err(RegisterError::Write)?;
        self.dead = false;
        for entry in entries {
            self.apply(entry).map_err(|what| RegisterError::Contradictory { line: 0, what })?;
        }
        Ok(())
    }

    fn apply(&mut self, entry: Entry) -> Result<(), &'static str> {
        match entry {
            Entry::Register(head) if self.head.is_none() && head.version == entry::VERSION => {
                self.head = Some(head);
                Ok(())
            }
            Entry::Register(_) => Err("a second head, or one of another version"),
            _ if self.head.is_none() => Err("no head"),
            Entry::Credential(credential) => self.apply_credential(credential),
            Entry::Statement(statement) => self.apply_statement(statement),
            Entry::Anchored(anchored) => self.apply_anchored(&anchored),
            Entry::Expired(expired) => self.release(&expired.statement, &RowState::Prepared),
            Entry::Refused(refused) => {
                self.release(&refused.statement, &RowState::Refused { reason: refused.reason })
            }
            Entry::Status(status) => {
                self.row_mut(&status.commitment)?.status = Some(status.status);
                Ok(())
            }
        }
    }

    fn apply_credential(&mut self, credential: CredentialEntry) -> Result<(), &'static str> {
        let row = Row { credential, state: RowState::Prepared, status: None };
        let index = self.rows.len();
        if let Some(index) = self.by_digest.get(&row.digest_key()) {
            let known = self.rows.get_mut(*index).ok_or("a digest without a row")?;
            let is_again = known.credential.commitment == row.credential.commitment
                && known.credential.reference == row.credential.reference;
            if !is_again || !matches!(known.state, RowState::Refused { .. }) {
                return Err("a second row of one credential");
            }
            *known = row;
            return Ok(());
        }
        self.by_digest.insert(row.digest_key(), index);
        self.by_commitment.insert(row.credential.commitment, index);
        self.by_reference.entry(row.credential.reference.clone()).or_default().push(index);
        self.rows.push(row);
        Ok(())
    }

    fn apply_statement(&mut self, statement: StatementEntry) -> Result<(), &'static str> {
        for commitment in &statement.commitments {
            let row = self.row_mut(commitment)?;
            if row.state != RowState::Prepared {
                return Err("a credential in two statements at once");
            }
            row.state = RowState::Sent { statement: statement.id };
        }
        let StatementEntry { id, bytes, commitments } = statement;
        self.unanswered.insert(id, commitments.len());
        self.pending.insert(id, Pending { id, bytes, commitments });
        Ok(())
    }

    fn apply_anchored(&mut self, anchored: &AnchoredEntry) -> Result<(), &'static str> {
        let AnchoredEntry { statement, commitment, position } = *anchored;
        let row = self.row_mut(&commitment)?;
        let was_open = row.state == RowState::Sent { statement };
        row.state = RowState::Anchored { position, statement };
        let Some(unanswered) = self.unanswered.get_mut(&statement).filter(|_| was_open) else {
            return Ok(());
        };
        *unanswered = unanswered.saturating_sub(1);
        // A statement is answered once every one of its commitments is.
        if *unanswered == 0 {
            self.unanswered.remove(&statement);
            self.pending.remove(&statement);
        }
        Ok(())
    }

    /// Ends a statement whose unanswered commitments are free again.
    fn release(&mut self, statement: &StatementId, state: &RowState) -> Result<(), &'static str> {
        let pending = self.pending.remove(statement).ok_or("the end of an unknown statement")?;
        self.unanswered.remove(statement);
        for commitment in &pending.commitments {
            let row = self.row_mut(commitment)?;
            if matches!(row.state, RowState::Sent { .. }) {
                row.state = state.clone();
            }
        }
        Ok(())
    }

    fn row_mut(&mut self, commitment: &Commitment) -> Result<&mut Row, &'static str> {
        let index = self.by_commitment.get(commitment).copied();
        index.and_then(|index| self.rows.get_mut(index)).ok_or("a commitment without a row")
    }
}

#[cfg(test)]
pub(crate) mod short_disk;
#[cfg(test)]
mod tests;
