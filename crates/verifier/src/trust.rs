//! The trust file: which ledger a verifier trusts, and who its members and roots were, epoch by epoch (RULES 1).
//!
//! It is the only thing that a verifier has to get from a source it trusts; everything else comes with a receipt.
//! Loading checks that the file holds together: the ledger's id is the hash of its genesis, every `config_hash` is that of
//! its members, roots, limits and rules, every key is proved and used once, and every closing checkpoint carries the quorums
//! of the outgoing and of the incoming members.

mod epoch;
mod file;

use std::collections::BTreeMap;

use kvitto_ledger::genesis::{GenesisError, KeyRole};
use kvitto_ledger::{ConfigHash, Genesis, KeyBytes, LedgerConfig, LedgerId};
use kvitto_merkle::Note;
use kvitto_merkle::note::NoteError;
use serde::Serialize;

pub use epoch::{Closing, Epoch};
pub(crate) use epoch::{freshness_s, verify_strict};

use crate::json::{self, JsonError};
use file::File;

/// Longest trust file, in bytes.
pub const TRUST_FILE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most epochs of one trust file.
pub const EPOCHS_MAX: usize = 1024;

/// A trust file that was checked: a ledger with its epochs, the last one still open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "File")]
pub struct TrustFile {
    genesis: Genesis,
    ledger_id: LedgerId,
    /// Never empty; all but the last are closed, at growing tree sizes.
    epochs: Vec<Epoch>,
}

/// Why a trust file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// It is not of the expected form.
    #[error(transparent)]
    File(#[from] JsonError),
    /// There is no epoch, or there are more than [`EPOCHS_MAX`].
    #[error("a trust file has 1 to {EPOCHS_MAX} epochs")]
    EpochCount,
    /// Origin, members, roots or limits are not usable.
    #[error("the configuration of epoch {epoch} is not usable")]
    Config {
        /// Which, from 0.
        epoch: usize,
        /// Why.
        #[source]
        source: GenesisError,
    },
    /// The ledger id is not the hash of the genesis.
    #[error("the genesis in the file is that of ledger {found}, not of {stated}")]
    LedgerId {
        /// What the file says.
        stated: LedgerId,
        /// What its genesis gives.
        found: LedgerId,
    },
    /// A `config_hash` is not that of its epoch.
    #[error("epoch {epoch} has another config_hash than its members, roots, limits and rules give")]
    ConfigHash {
        /// Which, from 0.
        epoch: usize,
    },
    /// A key serves another member or another purpose in a later epoch.
    #[error("key {0} is used by two members or for two purposes")]
    KeyReused(KeyBytes),
    /// An epoch before the last has no closing checkpoint, or the last one has one.
    #[error("epoch {epoch} must {} a closing checkpoint", if *.last { "not have" } else { "have" })]
    ClosingPlace {
        /// Which, from 0.
        epoch: usize,
        /// Whether it is the last one.
        last: bool,
    },
    /// A closing checkpoint is not one of this ledger, or not larger than the one before.
    #[error(
        "the closing checkpoint of epoch {epoch} is not a checkpoint of this ledger larger than the one before"
    )]
    ClosingCheckpoint {
        /// Which, from 0.
        epoch: usize,
    },
    /// A member's cosignature on a closing checkpoint does not verify.
    #[error("the closing checkpoint of epoch {epoch} has a signature that does not verify")]
    ClosingSignature {
        /// Which, from 0.
        epoch: usize,
        /// Whose.
        #[source]
        source: NoteError,
    },
    /// A closing checkpoint lacks the quorum of its own or of the next epoch.
    #[error("the closing checkpoint of epoch {epoch} is not cosigned by the quorums of both epochs")]
    ClosingQuorum {
        /// Which, from 0.
        epoch: usize,
    },
}

impl TrustFile {
    /// The trust file of a ledger whose configuration never changed.
    ///
    /// # Errors
    /// [`TrustError::Config`].
    pub fn from_genesis(genesis: Genesis) -> Result<Self, TrustError> {
        let first = Epoch::new(&genesis, genesis.config.clone(), None, 0)?;
        Ok(Self { ledger_id: genesis.ledger_id(), genesis, epochs: vec![first] })
    }

    /// Adds an epoch: closes the last one with `closing`, its last checkpoint, and opens one with `next`.
    ///
    /// # Errors
    /// [`TrustError`]: what does not hold together.
    pub fn with_epoch(mut self, closing: Note, next: LedgerConfig) -> Result<Self, TrustError> {
        let last = self.epochs.len() - 1;
        self.epochs.push(Epoch::new(&self.genesis, next, None, last + 1)?);
        let closing = Closing::new(closing, &self.genesis.origin, last)?;
        self.epochs[last].closing = Some(closing);
        self.checked()
    }

    /// Reads a trust file of at most [`TRUST_FILE_BYTES_MAX`].
    ///
    /// # Errors
    /// [`TrustError`]: what does not hold together.
    pub fn from_json(bytes: &[u8]) -> Result<Self, TrustError> {
        json::read_strict::<File>(bytes, TRUST_FILE_BYTES_MAX)?.open()
    }

    /// The file's text.
    pub fn to_json(&self) -> String {
        json::write(self)
    }

    /// The ledger's name: the origin of its checkpoints.
    pub fn origin(&self) -> &str {
        &self.genesis.origin
    }

    /// The ledger's id.
    pub fn ledger_id(&self) -> LedgerId {
        self.ledger_id
    }

    /// The genesis, for those who follow the ledger from its beginning.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The epochs, oldest first; never empty. Only the last one is open.
    pub fn epochs(&self) -> &[Epoch] {
        &self.epochs
    }

    /// The epoch in which the tree had `tree_size` leaves, as far as this file knows.
    pub fn epoch_at(&self, tree_size: u64) -> &Epoch {
        let covers =
            |epoch: &&Epoch| epoch.closing().is_none_or(|closing| tree_size <= closing.checkpoint().size);
        self.epochs.iter().find(covers).expect("the last epoch is open")
    }

    /// The epoch of a block that ends at `tree_size` and names `config_hash`; `None` where this file knows no such epoch.
    pub fn epoch_of(&self, tree_size: u64, config_hash: ConfigHash) -> Option<&Epoch> {
        Some(self.epoch_at(tree_size)).filter(|epoch| epoch.config_hash() == config_hash)
    }

    fn checked(mut self) -> Result<Self, TrustError> {
        if !(1..=EPOCHS_MAX).contains(&self.epochs.len()) {
            return Err(TrustError::EpochCount);
        }
        self.check_keys()?;
        self.check_closings()?;
        Ok(self)
    }

    /// RULES 1.2: every member key of all time is distinct; a member may keep its keys from epoch to epoch.
    fn check_keys(&self) -> Result<(), TrustError> {
        let mut uses: BTreeMap<KeyBytes, (KeyRole, &str)> = BTreeMap::new();
        for member in self.epochs.iter().flat_map(|epoch| &epoch.config().members) {
            for (role, key) in member.keys() {
                let earlier = uses.insert(key.key, (role, &member.name));
                if earlier.is_some_and(|earlier| earlier != (role, &member.name)) {
                    return Err(TrustError::KeyReused(key.key));
                }
            }
        }
        Ok(())
    }

    /// RULES 1.5: the quorums of the outgoing and of the incoming members cosign an epoch's last checkpoint.
    fn check_closings(&mut self) -> Result<(), TrustError> {
        let mut size_before = 0;
        for index in 1..self.epochs.len() {
            let (epoch, closed) = (index - 1, &self.epochs[index - 1]);
            let closing = closed.closing().ok_or(TrustError::ClosingPlace { epoch, last: false })?;
            if closing.checkpoint().size <= size_before {
                return Err(TrustError::ClosingCheckpoint { epoch });
            }
            size_before = closing.checkpoint().size;
            let fresh_at_s = quorum_freshness(closed, closing.note(), epoch)?;
            quorum_freshness(&self.epochs[index], closing.note(), epoch)?;
            if let Some(closing) = &mut self.epochs[epoch].closing {
                closing.fresh_at_s = fresh_at_s;
            }
        }
        let last = self.epochs.len() - 1;
        match self.epochs[last].closing() {
            None => Ok(()),
            Some(_) => Err(TrustError::ClosingPlace { epoch: last, last: true }),
        }
    }
}

/// The freshness of the closing checkpoint of epoch `closed`, by the members of `epoch`.
fn quorum_freshness(epoch: &Epoch, note: &Note, closed: usize) -> Result<u64, TrustError> {
    let cosignatures =
        epoch.cosignatures(note).map_err(|source| TrustError::ClosingSignature { epoch: closed, source })?;
    // Without a time that it is, no line is ahead of it.
    let times = cosignatures.iter().filter_map(|one| one.latest_s(u64::MAX)).collect();
    let fresh_at_s = freshness_s(times, epoch.config().quorum());
    fresh_at_s.ok_or(TrustError::ClosingQuorum { epoch: closed })
}
