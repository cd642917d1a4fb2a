//! One table for all errors of the services: reason, gRPC code, sentence. `ERRORS.md` is the same list for readers.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kvitto_ledger::rejection::Class;
use kvitto_storage::StoreError;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::node::{Rejected, SubmitError};

/// The domain of every `google.rpc.ErrorInfo`.
pub(crate) const DOMAIN: &str = "kvitto";
/// When to come back, where nothing better is known.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

macro_rules! reasons {
    ($($variant:ident = $name:literal, $code:ident, $text:literal;)*) => {
        /// Why a call failed, besides the ledger's own rejections.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Reason { $(#[doc = $text] $variant),* }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Stable name: `ErrorInfo.reason`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// gRPC code.
            pub const fn code(self) -> Code {
                match self { $(Self::$variant => Code::$code),* }
            }

            /// One sentence for a person.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }
    };
}

reasons! {
    StatementId = "STATEMENT_ID", InvalidArgument, "a statement id has 32 bytes";
    Credential = "CREDENTIAL", InvalidArgument, "a credential is named by issuer and commitment, or by its position";
    Commitment = "COMMITMENT", InvalidArgument, "a commitment has 32 bytes";
    Did = "DID", InvalidArgument, "an organisation is named by a did:ebsi identifier of version 1";
    AccreditationId = "ACCREDITATION_ID", InvalidArgument, "an accreditation id has 32 bytes";
    BatchSize = "BATCH_SIZE", InvalidArgument, "the number of credentials asked about is within the call's bounds";
    PageSize = "PAGE_SIZE", InvalidArgument, "the number of answers asked for is within the call's bounds";
    CursorInvalid = "CURSOR_INVALID", InvalidArgument, "a cursor is that of an earlier page of the same listing";
    EvidenceId = "EVIDENCE_ID", InvalidArgument, "an evidence id has 32 bytes";
    AtUnknown = "AT_UNKNOWN", OutOfRange, "the moment asked about is not before block 0; a height or tree size is not beyond the newest checkpoint, and a tree size is that of a block's end";
    TreeSize = "TREE_SIZE", OutOfRange, "a tree has at least one leaf and at most as many as the newest checkpoint";
    LeafIndex = "LEAF_INDEX", OutOfRange, "a leaf's index is smaller than the tree's size";
    NotAnchored = "NOT_ANCHORED", NotFound, "the issuer has anchored the commitment, or the position holds a credential";
    StatementUnknown = "STATEMENT_UNKNOWN", NotFound, "this node has executed the statement or has it in its mempool";
    IdentifierUnknown = "IDENTIFIER_UNKNOWN", NotFound, "the organisation is registered";
    AccreditationUnknown = "ACCREDITATION_UNKNOWN", NotFound, "the accreditation is in the registry";
    EvidenceUnknown = "EVIDENCE_UNKNOWN", NotFound, "this node has the evidence";
    MempoolFull = "MEMPOOL_FULL", ResourceExhausted, "the mempool has no room; the same bytes may go through later";
    SignerQuota = "SIGNER_QUOTA", ResourceExhausted, "the signer has too many statements in the mempool; the same bytes may go through later";
    Overloaded = "OVERLOADED", ResourceExhausted, "the node answers as many requests as it can";
    StreamsMax = "STREAMS_MAX", ResourceExhausted, "the node has as many open streams as it can";
    NodeSyncing = "NODE_SYNCING", Unavailable, "the node catches up with the others, ask another one";
    NoQuorum = "NO_QUORUM", Unavailable, "the node has no connection to a quorum of the members";
    SafetyHalt = "SAFETY_HALT", Unavailable, "the node has stopped writing, ask another one";
    Draining = "DRAINING", Unavailable, "the node stops, ask another one";
    Deadline = "DEADLINE", DeadlineExceeded, "the request took longer than its deadline; a statement may have been accepted all the same";
    StoreFailed = "STORE_FAILED", Internal, "the node's store failed, ask another one";
}

/// The gRPC code of a kind of rejection.
pub const fn code_of(class: Class) -> Code {
    match class {
        Class::Invalid => Code::InvalidArgument,
        Class::Unauthenticated => Code::Unauthenticated,
        Class::Denied => Code::PermissionDenied,
        Class::NotFound => Code::NotFound,
        Class::Exists => Code::AlreadyExists,
        Class::Precondition => Code::FailedPrecondition,
        Class::Exhausted => Code::ResourceExhausted,
    }
}

/// A failed call.
pub(crate) fn refuse(reason: Reason) -> Status {
    refuse_with(reason, HashMap::new(), None)
}

/// A failed call that may succeed later.
pub(crate) fn refuse_for_now(reason: Reason, retry_after: Duration) -> Status {
    refuse_with(reason, HashMap::new(), Some(retry_after))
}

fn refuse_with(reason: Reason, metadata: HashMap<String, String>, retry_after: Option<Duration>) -> Status {
    let mut details = ErrorDetails::with_error_info(reason.name(), DOMAIN, metadata);
    if retry_after.is_some() {
        details.set_retry_info(retry_after);
    }
    Status::with_error_details(reason.code(), reason.text(), details)
}

/// A verdict of the rules.
pub(crate) fn rejected(rejected: &Rejected) -> Status {
    let rejection = rejected.rejection;
    let mut metadata = HashMap::from([
        ("final".to_owned(), rejected.is_final.to_string()),
        ("code".to_owned(), rejection.code().to_string()),
    ]);
    if let Some(id) = rejected.id {
        metadata.insert("statement_id".to_owned(), id.to_string());
    }
    let mut details = ErrorDetails::with_error_info(rejection.reason(), DOMAIN, metadata);
    if rejection.class() == Class::Exhausted {
        details.set_retry_info(Some(RETRY_AFTER));
    }
    Status::with_error_details(code_of(rejection.class()), rejection.text(), details)
}

/// Why a statement was not taken, other than by the rules: the reason and when to come back.
pub(crate) fn unavailable(error: &SubmitError) -> Option<(Reason, Duration)> {
    match error {
        SubmitError::Rejected(_) => None,
        SubmitError::MempoolFull { retry_after } => Some((Reason::MempoolFull, *retry_after)),
        SubmitError::SignerQuota { retry_after } => Some((Reason::SignerQuota, *retry_after)),
        SubmitError::Syncing => Some((Reason::NodeSyncing, RETRY_AFTER)),
        SubmitError::NoQuorum => Some((Reason::NoQuorum, RETRY_AFTER)),
        SubmitError::Halted => Some((Reason::SafetyHalt, RETRY_AFTER)),
    }
}

/// The store failed. What failed is the operator's to know; the asker learns that it is not the question's fault.
pub(crate) fn store_failed(error: StoreError) -> Status {
    report_store(&error);
    refuse(Reason::StoreFailed)
}

/// Logs a failure of the store, one that is like the last one not again: a page that cannot be read is asked for often.
fn report_store(error: &StoreError) {
    static LAST: Mutex<String> = Mutex::new(String::new());
    let cause = match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if *last != cause {
        tracing::error!(%cause, "the store cannot be read");
        *last = cause;
    }
}
