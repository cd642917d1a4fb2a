//! The tables of bad statements: what is sent, and the answer. The code of gRPC stands in the table because clients see it.

mod accreditations;
mod credentials;
mod envelope;
mod identifiers;
mod payload;
mod signers;

use kvitto_ledger::Rejection;
use tonic::Code;

use crate::stage::Stage;

/// Makes the bytes of a bad statement.
type Make = Box<dyn Fn(&Stage) -> Vec<u8>>;

/// A bad statement.
pub(crate) struct Row {
    /// What is bad about it; no two rows have one name.
    pub(crate) name: String,
    pub(crate) statement: Make,
    pub(crate) code: Code,
    pub(crate) rejection: Rejection,
}

pub(crate) fn rows() -> Vec<Row> {
    let tables = [
        envelope::rows(),
        payload::rows(),
        signers::rows(),
        identifiers::rows(),
        accreditations::rows(),
        credentials::rows(),
    ];
    tables.into_iter().flatten().collect()
}

fn row(
    code: Code,
    name: impl Into<String>,
    rejection: Rejection,
    statement: impl Fn(&Stage) -> Vec<u8> + 'static,
) -> Row {
    Row { name: name.into(), statement: Box::new(statement), code, rejection }
}

/// Bytes or content that can never be right.
fn invalid(
    name: impl Into<String>,
    rejection: Rejection,
    statement: impl Fn(&Stage) -> Vec<u8> + 'static,
) -> Row {
    row(Code::InvalidArgument, name, rejection, statement)
}

/// Not signed by whom it says.
fn unsigned(
    name: impl Into<String>,
    rejection: Rejection,
    statement: impl Fn(&Stage) -> Vec<u8> + 'static,
) -> Row {
    row(Code::Unauthenticated, name, rejection, statement)
}

/// Signed by someone who may not do this.
fn denied(
    name: impl Into<String>,
    rejection: Rejection,
    statement: impl Fn(&Stage) -> Vec<u8> + 'static,
) -> Row {
    row(Code::PermissionDenied, name, rejection, statement)
}

/// Speaks of something that is not there.
fn unknown(
    name: impl Into<String>,
    rejection: Rejection,
    statement: impl Fn(&Stage) -> Vec<u8> + 'static,
) -> Row {
    row(Code::NotFound, name, rejection, statement)
}

/// There already.
fn exists(
    name: impl Into<String>,
    rejection: Rejection,
    statement: impl Fn(&Stage) -> Vec<u8> + 'static,
) -> Row {
    row(Code::AlreadyExists, name, rejection, statement)
}

/// Not in the state that things are in.
fn unmet(
    name: impl Into<String>,
    rejection: Rejection,
    statement: impl Fn(&Stage) -> Vec<u8> + 'static,
) -> Row {
    row(Code::FailedPrecondition, name, rejection, statement)
}
