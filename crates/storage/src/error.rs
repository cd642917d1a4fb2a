//! What can go wrong with a store: the machine fails, or what it kept is no longer what was written.

use std::error::Error as _;
use std::io;
use std::sync::{Arc, OnceLock};

use kvitto_ledger::{Height, StateError};
use thiserror::Error;

/// An operation on the store did not succeed. Never a verdict of the ledger's rules.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The machine could not do it. After a write the store takes no further one, and the process must end: what is on the
    /// disk is known only after opening it again.
    #[error("cannot {operation}")]
    Failed {
        /// What was tried, as the rest of a sentence that begins with "cannot".
        operation: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// An earlier write failed.
    #[error("the store takes no more writes since one failed")]
    Poisoned,
    /// What is stored is not what was written. The process must end; opening again sets the directory aside.
    #[error("the store is damaged")]
    Damaged(#[source] Damage),
    /// A read as of a block that is not committed (yet).
    #[error("block {asked} is not committed, the newest is {committed}")]
    NotCommitted {
        /// The height asked for.
        asked: Height,
        /// The newest committed height.
        committed: Height,
    },
    /// The directory belongs to a ledger with another genesis.
    #[error("the directory holds another ledger")]
    OtherLedger,
    /// Another process has it open.
    #[error("the directory is in use by another process")]
    InUse,
}

/// The first failure that anyone met reading a store, for who watches over it; all its readers share one. It is never taken back:
/// a store that failed once is not to be relied on.
#[derive(Clone, Debug, Default)]
pub struct FirstFailure(Arc<OnceLock<String>>);

impl FirstFailure {
    /// The failure with its cause, for people to read; `None` while there was none.
    pub fn text(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }

    /// Passes a result on, and keeps its error if it is the first.
    pub(crate) fn note<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        result.inspect_err(|error| {
            self.0.get_or_init(|| match error.source() {
                Some(cause) => format!("{error}: {cause}"),
                None => error.to_string(),
            });
        })
    }
}

/// What is wrong with stored bytes.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Damage {
    /// A row that must be there is not.
    #[error("{what} {at} is missing")]
    Missing {
        /// What kind of row.
        what: &'static str,
        /// Its key.
        at: String,
    },
    /// A row is there, but fails its checksum or cannot be decoded.
    #[error("{what} {at} is not as it was written")]
    Unreadable {
        /// What kind of row.
        what: &'static str,
        /// Its key.
        at: String,
    },
    /// Rows of one kind are missing, or are not the newest ones.
    #[error("rows are missing, or older than they should be: {what}")]
    Sum {
        /// What kind of row.
        what: &'static str,
    },
    /// Hashing again what is stored leads elsewhere.
    #[error("the {what} of block {height} does not follow from what is stored")]
    Mismatch {
        /// Which value.
        what: &'static str,
        /// The block.
        height: Height,
    },
    /// The store has lost blocks that had been acknowledged.
    #[error("block {head} was acknowledged, but the store ends with block {store}")]
    BehindHead {
        /// The height in HEAD.
        head: Height,
        /// The newest block that is stored.
        store: Height,
    },
    /// The database is empty although blocks had been acknowledged.
    #[error("block {head} was acknowledged, but the store is empty")]
    Empty {
        /// The height in HEAD.
        head: Height,
    },
    /// The store is further ahead of HEAD than a crash can leave it.
    #[error("the store has block {store}, but only {head} was acknowledged")]
    AheadOfHead {
        /// The height in HEAD.
        head: Height,
        /// The newest block that is stored.
        store: Height,
    },
    /// There are blocks, but HEAD is missing or neither of its slots can be read.
    #[error("HEAD cannot be read, so what was acknowledged is unknown")]
    HeadLost,
    /// The journal is wrong before a place up to which it had been synced.
    #[error("the journal is damaged at byte {offset}, before its synced end")]
    Journal {
        /// First bad byte.
        offset: u64,
    },
    /// The database broke down over it.
    #[error("the database broke down: {0}")]
    Panicked(String),
    /// The database found it.
    #[error("the database reports: {0}")]
    Reported(String),
}

impl StoreError {
    /// Puts what was tried before an I/O error; for `map_err`.
    pub(crate) fn failed(operation: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Failed { operation, source }
    }

    /// What is behind a state that cannot be read: an error of this store, or of another one.
    pub(crate) fn of_state(error: StateError) -> Self {
        match error.0.downcast::<Self>() {
            Ok(error) => *error,
            Err(other) => Self::Failed { operation: "read the state", source: io::Error::other(other) },
        }
    }

    /// The damage behind it, if that is what it is.
    pub fn damage(&self) -> Option<&Damage> {
        match self {
            Self::Damaged(damage) => Some(damage),
            _ => None,
        }
    }
}

impl Damage {
    pub(crate) fn missing(what: &'static str, at: impl ToString) -> Self {
        Self::Missing { what, at: at.to_string() }
    }

    pub(crate) fn unreadable(what: &'static str, at: impl ToString) -> Self {
        Self::Unreadable { what, at: at.to_string() }
    }
}

impl From<Damage> for StoreError {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage)
    }
}

impl From<StoreError> for StateError {
    fn from(error: StoreError) -> Self {
        Self(Box::new(error))
    }
}
