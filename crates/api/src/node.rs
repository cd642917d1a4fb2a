//! What the services see of the node: three small traits and their plain types.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use kvitto_ledger::state::Outcome;
use kvitto_ledger::{Checked, Height, LedgerId, Rejection, StatementId, TimeMs};
use thiserror::Error;
use tokio::sync::watch;

use crate::dossier::Dossier;

/// Takes statements into the node. Decoding, checking the signature and judging happen behind it.
///
/// *Idempotence.* A statement that was executed before is [`Admitted::Executed`], however often and whenever it comes, also
/// after it has expired. One that is in the mempool is [`Admitted::Accepted`] again.
/// *Order.* Before `submit` answers [`Admitted::Accepted`] it has told [`crate::Notices::accepted`], and the statement is where
/// [`crate::Notices`] will speak of it: its block, or that it was dropped.
/// *Backpressure.* `submit` may wait for room; it must end by itself. Dropping its future must be harmless.
pub trait Submit: Clone + Send + Sync + 'static {
    /// Takes a statement's bytes.
    fn submit(&self, statement: Bytes) -> impl Future<Output = Result<Admitted, SubmitError>> + Send;

    /// Whether the statement is in the mempool.
    fn is_waiting(&self, id: &StatementId) -> bool;
}

/// A statement that was not refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// It is in the mempool and gossiped.
    Accepted(StatementId),
    /// It was executed before.
    Executed(StatementId, Outcome),
}

/// A verdict of the rules on a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The statement's id, where the bytes were a statement at all.
    pub id: Option<StatementId>,
    /// Why.
    pub rejection: Rejection,
    /// Whether the verdict can no longer change (RULES 5.5).
    pub is_final: bool,
    /// With [`Rejection::NothingNew`]: the statement. The services say where its commitments are, once a checkpoint shows them.
    pub statement: Option<Checked>,
}

/// Why a statement was not taken.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SubmitError {
    /// The rules refuse it.
    #[error("the rules refuse the statement")]
    Rejected(Rejected),
    /// The mempool has no room.
    #[error("the mempool is full")]
    MempoolFull {
        /// When to try again.
        retry_after: Duration,
    },
    /// The signer has too many statements in the mempool.
    #[error("the signer has too many statements in the mempool")]
    SignerQuota {
        /// When to try again.
        retry_after: Duration,
    },
    /// The node catches up with the others and cannot judge statements.
    #[error("the node is catching up")]
    Syncing,
    /// The node has no connection to a quorum.
    #[error("the node has no connection to a quorum of the members")]
    NoQuorum,
    /// The node has stopped writing, for safety or because its store failed.
    #[error("the node has stopped writing")]
    Halted,
}

/// What the node says of itself and of others, for operators and health checks.
pub trait Peers: Clone + Send + Sync + 'static {
    /// Which node this is and how far it is.
    fn info(&self) -> NodeInfo;

    /// The others, in the order of the configuration.
    fn peers(&self) -> Vec<Peer>;

    /// The node's checks of itself, worst first.
    fn diagnose(&self) -> impl Future<Output = Vec<Diagnosis>> + Send;

    /// The evidence against members that the node has.
    fn evidence(&self) -> Dossier;

    /// Whether reads and writes work; changes are seen by health checks at once.
    fn health(&self) -> watch::Receiver<Health>;
}

/// Which node this is and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// Version of the software.
    pub version: String,
    /// The ledger's name.
    pub origin: String,
    /// The ledger's id.
    pub ledger_id: LedgerId,
    /// The member's name; `None` for an observer.
    pub member: Option<String>,
    /// Number of the newest block.
    pub height: Height,
    /// Statements in the mempool.
    pub mempool_statements: u32,
    /// Their bytes.
    pub mempool_bytes: u64,
    /// Whether it catches up.
    pub syncing: bool,
    /// Whether it signs votes and cosignatures.
    pub signing: bool,
}

/// Another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The member's name; `None` for an observer.
    pub member: Option<String>,
    /// libp2p peer id.
    pub peer_id: String,
    /// Whether there is a connection.
    pub connected: bool,
    /// Addresses.
    pub addresses: Vec<String>,
    /// Newest block it is known to hold.
    pub height: Option<Height>,
    /// Newest cosignature seen from it.
    pub cosigned: Option<TimeMs>,
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// Which check.
    pub check: String,
    /// How bad it is.
    pub severity: Severity,
    /// What was found, in one sentence.
    pub message: String,
    /// What to do about it; empty where there is nothing to do.
    pub remedy: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Works, but someone should look.
    Warning,
    /// Does not work.
    Failure,
}

/// Whether the node's two halves work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Status, registry and log can be read.
    pub reads: bool,
    /// Statements are taken and become final.
    pub writes: bool,
}
