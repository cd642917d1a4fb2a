//! The client: which nodes it asks, what it trusts, and what it has seen.

use std::fmt;
use std::sync::Arc;

use kvitto_verifier::{Question, TrustFile};

use crate::error::{ClientError, LocalError};
use crate::heads::Heads;
use crate::options::Options;
use crate::pool::Pool;

/// Talks to the nodes of one ledger and returns what it verified. Cheap to clone; clones share connections and memory.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    pool: Pool,
    trust: TrustFile,
    heads: Heads,
    options: Options,
}

impl Client {
    /// A client of the ledger in `trust`, at these nodes (`https://host:port` or `http://host:port`). Connects when first used.
    ///
    /// # Errors
    /// [`ClientError::Local`]: no or unusable endpoints, no tokio runtime, an unusable remembered checkpoint.
    pub fn connect(
        endpoints: &[impl AsRef<str>],
        trust: TrustFile,
        options: Options,
    ) -> Result<Self, ClientError> {
        let endpoints: Vec<&str> = endpoints.iter().map(AsRef::as_ref).collect();
        let pool = Pool::new(&endpoints, &options)?;
        let heads = Heads::new(&trust, &options).map_err(LocalError::Remembered)?;
        Ok(Self(Arc::new(Inner { pool, trust, heads, options })))
    }

    /// What it trusts.
    pub fn trust(&self) -> &TrustFile {
        &self.0.trust
    }

    /// How it behaves.
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.0.pool
    }

    pub(crate) fn heads(&self) -> &Heads {
        &self.0.heads
    }

    /// The time, in seconds.
    pub(crate) fn now_s(&self) -> u64 {
        (self.0.options.clock)().seconds()
    }

    /// "Is it in order now?"
    pub(crate) fn question(&self) -> Question {
        Question::now(self.now_s(), self.0.options.max_age.as_secs())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({} at {:?})", self.0.trust.origin(), self.0.pool)
    }
}
