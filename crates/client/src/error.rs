//! How a call fails: refused by the ledger, not there, nobody to ask, a node that lies or is broken, or this machine.

use std::time::Duration;

use kvitto_ledger::Rejection;
use kvitto_merkle::log::ProofError;
use kvitto_proto::convert::{ConvertError, Refusal};
use kvitto_verifier::{Evidence, EvidenceError};
use thiserror::Error;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Domain of `google.rpc.ErrorInfo` in the ledger's own errors.
const DOMAIN: &str = "kvitto";

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The rules refuse the statement (`code` is not 0), or the node refuses the question (`code` is 0).
    #[error("refused ({}): {}", .0.reason, .0.message)]
    Refused(Refusal),
    /// The node knows no such thing. Its word: absence cannot be proved.
    #[error("not found ({reason}): {message}")]
    NotFound {
        /// Stable name, e.g. `NOT_ANCHORED`.
        reason: String,
        /// One sentence.
        message: String,
    },
    /// No node answered in time; the same call may succeed later.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// A node gave an answer that does not verify. It is broken, or it lies.
    #[error("the answer of {node} cannot be relied on")]
    BadAnswer {
        /// The node's address.
        node: String,
        /// What is wrong with it.
        #[source]
        fault: Box<BadAnswer>,
    },
    /// This machine could not do its part.
    #[error(transparent)]
    Local(#[from] LocalError),
}

/// No node answered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{node}: {message} ({reason})")]
pub struct Unavailable {
    /// The node that was asked last.
    pub node: String,
    /// Stable name, e.g. `MEMPOOL_FULL`, `NODE_SYNCING`, `NO_QUORUM`, `DRAINING`; `NODE_BEHIND` where it knows less than was seen
    /// before; `UNREACHABLE` or `TIMEOUT` where there was no answer at all.
    pub reason: String,
    /// What happened.
    pub message: String,
    /// When the node asks to come back.
    pub retry_after: Option<Duration>,
}

/// What is wrong with an answer.
#[derive(Debug, Error)]
pub enum BadAnswer {
    /// A message says something that has no meaning.
    #[error("the message cannot be read")]
    Message(#[from] ConvertError),
    /// A receipt, or a checkpoint or record by the same rules, proves nothing.
    #[error("the proof does not verify ({})", .0.reason())]
    Proof(#[from] kvitto_verifier::Refusal),
    /// A Merkle proof does not lead to the signed root.
    #[error("{what} is not shown by its proof")]
    Merkle {
        /// What was to be shown.
        what: &'static str,
        /// Why it is not.
        #[source]
        source: ProofError,
    },
    /// Two trees of one size that a quorum signed differ: the members show different histories.
    #[error("a quorum of the members signed two different trees of {size} leaves")]
    Forked {
        /// Number of leaves of both.
        size: u64,
        /// Both signed heads, for everyone to see.
        evidence: Box<Evidence>,
    },
    /// The newest checkpoint seen before and this one are not shown to be one history.
    #[error("the tree of {size} leaves is not shown to continue the tree of {seen_size} leaves seen before")]
    Inconsistent {
        /// Leaves of the tree in the answer.
        size: u64,
        /// Leaves of the newest tree seen before.
        seen_size: u64,
        /// Why.
        #[source]
        source: ProofError,
    },
    /// What is shown as evidence proves nothing.
    #[error("what is shown as evidence proves nothing ({})", .0.reason())]
    NoEvidence(#[from] EvidenceError),
    /// The answer is about something else than was asked for, or contradicts its own proof.
    #[error("{0} is not what was asked for, or contradicts its proof")]
    Mismatch(&'static str),
    /// The protocol was not kept: an answer is missing, there twice, or too large.
    #[error("the node does not keep to the protocol: {0}")]
    Protocol(String),
}

/// This machine could not do its part.
#[derive(Debug, Error)]
pub enum LocalError {
    /// No endpoint was named.
    #[error("no node is named")]
    NoEndpoint,
    /// An endpoint is not a URL, or TLS cannot be set up for it.
    #[error("{endpoint} cannot be used as a node's address")]
    Endpoint {
        /// As given.
        endpoint: String,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
    /// There is no tokio runtime here.
    #[error("a client works inside a tokio runtime only")]
    NoRuntime,
    /// The remembered checkpoint is none of this ledger.
    #[error("the remembered checkpoint does not verify ({})", .0.reason())]
    Remembered(#[source] kvitto_verifier::Refusal),
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes")]
    Random(#[source] getrandom::Error),
    /// What was asked for cannot be sent: too many, too large, or nothing.
    #[error("{0}")]
    Request(&'static str),
}

impl ClientError {
    /// The stable name of what went wrong, for scripts.
    pub fn reason(&self) -> &str {
        match self {
            Self::Refused(refusal) => &refusal.reason,
            Self::NotFound { reason, .. } => reason,
            Self::Unavailable(unavailable) => &unavailable.reason,
            Self::BadAnswer { fault, .. } => fault.reason(),
            Self::Local(_) => "LOCAL",
        }
    }

    /// A refusal by the rules that this machine saw before sending anything.
    pub(crate) fn refused_here(rejection: Rejection) -> Self {
        Self::Refused(Refusal::new(rejection, true))
    }

    /// What a node's error means.
    pub(crate) fn of_status(node: &str, status: &Status) -> Self {
        let info = status.get_details_error_info().filter(|info| info.domain == DOMAIN);
        let code = info.as_ref().and_then(|info| info.metadata.get("code")?.parse::<u32>().ok());
        let is_final =
            info.as_ref().is_some_and(|info| info.metadata.get("final").is_some_and(|f| f == "true"));
        let reason = info.map_or_else(|| bare_reason(status.code()).to_owned(), |info| info.reason);
        let message = message_of(status);
        match (code, status.code()) {
            (Some(code), _) => Self::Refused(Refusal { code, reason, message, is_final }),
            (None, Code::NotFound) => Self::NotFound { reason, message },
            (None, code) if is_transient(code) => {
                let retry_after = status.get_details_retry_info().and_then(|info| info.retry_delay);
                Self::Unavailable(Unavailable { node: node.to_owned(), reason, message, retry_after })
            }
            (None, Code::Unimplemented | Code::DataLoss) => {
                Self::bad_answer(node, BadAnswer::Protocol(format!("{:?}: {message}", status.code())))
            }
            (None, _) => Self::Refused(Refusal { code: 0, reason, message, is_final: false }),
        }
    }

    /// No answer within the time for one.
    pub(crate) fn timeout(node: &str, after: Duration) -> Self {
        Self::Unavailable(Unavailable {
            node: node.to_owned(),
            reason: "TIMEOUT".to_owned(),
            message: format!("no answer within {} ms", after.as_millis()),
            retry_after: None,
        })
    }

    pub(crate) fn bad_answer(node: &str, fault: impl Into<BadAnswer>) -> Self {
        Self::BadAnswer { node: node.to_owned(), fault: Box::new(fault.into()) }
    }
}

impl BadAnswer {
    /// The stable name of what is wrong.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Message(_) => "ANSWER_MALFORMED",
            Self::Proof(refusal) => refusal.reason(),
            Self::Merkle { .. } => "PROOF_INVALID",
            Self::Forked { .. } => "CHECKPOINTS_CONFLICT",
            Self::Inconsistent { .. } => "CHECKPOINT_INCONSISTENT",
            Self::NoEvidence(error) => error.reason(),
            Self::Mismatch(_) => "ANSWER_MISMATCH",
            Self::Protocol(_) => "PROTOCOL",
        }
    }
}

/// A node's sentence; where the connection failed, with the causes, such as a certificate that nobody knows.
fn message_of(status: &Status) -> String {
    let mut message = status.message().to_owned();
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.ends_with(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    message
}

/// The same call may succeed elsewhere, or later. (A used-up quota of the rules comes with a code and is a refusal.)
fn is_transient(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable
            | Code::ResourceExhausted
            | Code::DeadlineExceeded
            | Code::Cancelled
            | Code::Aborted
            | Code::Internal
            | Code::Unknown
    )
}

/// Stands for an error without details: one of the connection, of a proxy, or of tonic itself.
fn bare_reason(code: Code) -> &'static str {
    match code {
        Code::Unavailable | Code::Unknown => "UNREACHABLE",
        Code::DeadlineExceeded | Code::Cancelled => "TIMEOUT",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::NotFound => "NOT_FOUND",
        Code::Internal | Code::Aborted => "INTERNAL",
        _ => "REQUEST_REFUSED",
    }
}
