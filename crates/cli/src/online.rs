//! Talking to nodes: from the options to a client, and from a client's errors to what a person does next.

use kvitto_client::{
    BadAnswer, Client, ClientError, LocalError, Options, Organisation, Refusal as Refused, SignedStatement,
    Submitted,
};
use kvitto_ledger::{Height, LedgerId, StatementId, TimeMs};
use kvitto_verifier::Refusal;
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, chain};
use crate::input_file::{self, FILE_BYTES_MAX};
use crate::keyfile::KeyFile;
use crate::refusals::{refused, unmet};
use crate::words::time_text;

const PEM_BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

impl Context<'_> {
    /// How nodes are talked to.
    ///
    /// # Errors
    /// The file of certificate authorities cannot be read.
    pub fn client_options(&self) -> Result<Options, Failure> {
        let ca = self.global.ca.as_ref();
        let ca_pem = ca.map(|path| input_file::read(path, FILE_BYTES_MAX)).transpose()?;
        if ca_pem.as_ref().is_some_and(|pem| !pem.windows(PEM_BEGIN.len()).any(|part| part == PEM_BEGIN)) {
            let message = "the file after --ca holds no certificate in PEM form";
            return Err(Failure::new(
                Exit::Input,
                "CA_FILE",
                message,
                "check --ca: a file with BEGIN CERTIFICATE",
            ));
        }
        Ok(Options { ca_pem, clock: self.clock.clone(), ..Options::default() })
    }

    /// The nodes that were named.
    ///
    /// # Errors
    /// [`Exit::Usage`] where none was, or one is no address.
    pub fn nodes(&self) -> Result<&[String], Failure> {
        if self.global.nodes.is_empty() {
            let next = "name one with --node URL or KVITTO_NODE, e.g. https://node.example:7443";
            return Err(Failure::usage("NODE_NOT_NAMED", "this command needs a node", next));
        }
        let is_address = |node: &&String| {
            let host = node.strip_prefix("https://").or_else(|| node.strip_prefix("http://"));
            host.is_some_and(|host| !host.is_empty())
        };
        match self.global.nodes.iter().find(|node| !is_address(node)) {
            None => Ok(&self.global.nodes),
            Some(other) => {
                let message = format!("{other:?} is not the address of a node");
                let next = "write it with http:// or https://, host and port, e.g. https://node.example:7443";
                Err(Failure::usage("NODE_ADDRESS", message, next))
            }
        }
    }

    /// The owner of a key file, acting on a ledger.
    pub fn organisation(&self, key: &KeyFile, ledger_id: LedgerId) -> Organisation {
        Organisation::new(key.did(), key.key().clone(), ledger_id).with_clock(self.clock.clone())
    }

    /// A client of the trusted ledger.
    ///
    /// # Errors
    /// A missing or unusable option.
    pub fn client(&self) -> Result<Client, Failure> {
        Ok(Client::connect(self.nodes()?, self.trust()?, self.client_options()?)?)
    }
}

/// A statement that was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recorded {
    /// Which.
    pub statement_id: StatementId,
    /// The block.
    pub height: Height,
    /// The block's time.
    pub time: String,
    /// The block's time, in milliseconds since 1970-01-01T00:00:00Z.
    pub time_ms: TimeMs,
}

/// Submits one statement and waits until it is final.
///
/// # Errors
/// Refused, not final in time, nobody to ask.
pub async fn record(client: &Client, statement: &SignedStatement) -> Result<Recorded, Failure> {
    match client.submit_final(statement).await? {
        Submitted::Final(done) => Ok(Recorded {
            statement_id: done.id,
            height: done.outcome.height,
            time: time_text(done.outcome.time),
            time_ms: done.outcome.time,
        }),
        Submitted::NothingNew(_) => Err(refused("NOTHING_NEW", "everything in it is on the ledger already")),
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let reason = error.reason().to_owned();
        let message = chain(&error);
        match error {
            ClientError::Refused(refusal) if refusal.code == 0 => refused_question(refusal),
            ClientError::Refused(refusal) => refused(&refusal.reason, &refusal.message),
            ClientError::NotFound { message, .. } => not_found(reason, &message),
            ClientError::Unavailable(_) if reason == "NOT_FINAL_YET" => {
                Self::new(Exit::Pending, reason, message, "run the same command again, later")
            }
            ClientError::Unavailable(_) if reason == "TIME_NOT_COVERED" => {
                Self::new(Exit::NotFound, reason, message, "name an earlier time, or ask again in a minute")
            }
            ClientError::Unavailable(_) => Self::new(
                Exit::Unreachable,
                reason,
                message,
                "check --node and the network, or name another node; then run the command again",
            ),
            ClientError::BadAnswer { fault, .. } => bad_answer(&fault, reason, message),
            ClientError::Local(local) => {
                let (exit, next) = match local {
                    LocalError::NoEndpoint | LocalError::Endpoint { .. } => {
                        (Exit::Usage, "check --node, e.g. https://node.example:7443")
                    }
                    LocalError::Random(_) => (Exit::Io, "check this machine's random source"),
                    _ => (Exit::Internal, "please report this"),
                };
                Self::new(exit, reason, message, next)
            }
        }
    }
}

/// What the node does not know. Its message is what would have to hold.
fn not_found(reason: String, message: &str) -> Failure {
    let next = match reason.as_str() {
        "IDENTIFIER_UNKNOWN" => "check the identifier; an organisation begins with: kvitto onboard request",
        "ACCREDITATION_UNKNOWN" => "check the accreditation's id: kvitto accreditation list",
        _ => "check what was named, and that the node is not behind",
    };
    let message = format!("not on the ledger, as far as the node knows: {}", unmet(&reason, message));
    Failure::new(Exit::NotFound, reason, message, next)
}

/// A question that a node does not take; the ledger's rules have no part in it.
fn refused_question(refusal: Refused) -> Failure {
    let Refused { reason, message, .. } = refusal;
    if reason == "AT_UNKNOWN" {
        let message = format!("the ledger has nothing as of that time: {}", unmet(&reason, &message));
        return Failure::new(
            Exit::NotFound,
            reason,
            message,
            "name a later time, at which the ledger existed",
        );
    }
    let message = format!("the node refuses the question ({reason}): {message}");
    let next = "check --node, and that this program and the node are of versions that fit together";
    Failure::new(Exit::Unreachable, reason, message, next)
}

fn bad_answer(fault: &BadAnswer, reason: String, message: String) -> Failure {
    match fault {
        BadAnswer::Proof(Refusal::TrustFileOutOfDate) => {
            let next = "get the newest trust file from where the consortium publishes it, or check that --node is of the \
                        same ledger";
            Failure::new(Exit::TrustOutOfDate, reason, message, next)
        }
        BadAnswer::Proof(Refusal::OtherLedger { .. }) => {
            let next = "check that --node and --trust are of the same ledger";
            Failure::new(Exit::Untrusted, reason, message, next)
        }
        BadAnswer::Proof(Refusal::FromTheFuture) => {
            Failure::new(Exit::Untrusted, reason, message, "set this machine's clock")
        }
        BadAnswer::Forked { .. } | BadAnswer::Inconsistent { .. } => {
            let next = "keep this message and tell the consortium: members or nodes show different histories";
            Failure::new(Exit::Untrusted, reason, message, next)
        }
        _ => {
            let next = "ask another node, and tell the operator of this one";
            Failure::new(Exit::Untrusted, reason, message, next)
        }
    }
}

impl Recorded {
    /// One line of words.
    ///
    /// # Errors
    /// The writer's.
    pub fn write_line(&self, out: &mut dyn std::io::Write) -> std::io::Result<()> {
        writeln!(out, "  final in block {} of {} (statement {})", self.height, self.time, self.statement_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kvitto_client::Unavailable;

    fn unavailable(reason: &str) -> ClientError {
        let (node, message) = ("https://node.example".to_owned(), String::new());
        Unavailable { node, reason: reason.to_owned(), message, retry_after: None }.into()
    }

    fn bad(fault: BadAnswer) -> ClientError {
        ClientError::BadAnswer { node: "https://node.example".to_owned(), fault: Box::new(fault) }
    }

    #[test]
    fn every_kind_of_error_has_its_exit_code_and_a_next_step() {
        let refusal = |reason: &str| Refused {
            code: 407,
            reason: reason.to_owned(),
            message: String::new(),
            is_final: false,
        };
        let not_found =
            |reason: &str| ClientError::NotFound { reason: reason.to_owned(), message: String::new() };
        let question = |reason: &str| Refused { code: 0, ..refusal(reason) };
        for (error, exit, reason) in [
            (ClientError::Refused(question("AT_UNKNOWN")), Exit::NotFound, "AT_UNKNOWN"),
            (ClientError::Refused(question("REQUEST_REFUSED")), Exit::Unreachable, "REQUEST_REFUSED"),
            (unavailable("TIME_NOT_COVERED"), Exit::NotFound, "TIME_NOT_COVERED"),
            (ClientError::Refused(refusal("ACCREDITATION_SCOPE")), Exit::Refused, "ACCREDITATION_SCOPE"),
            (ClientError::Refused(refusal("OF_A_LATER_VERSION")), Exit::Refused, "OF_A_LATER_VERSION"),
            (not_found("NOT_ANCHORED"), Exit::NotFound, "NOT_ANCHORED"),
            (unavailable("NOT_FINAL_YET"), Exit::Pending, "NOT_FINAL_YET"),
            (unavailable("UNREACHABLE"), Exit::Unreachable, "UNREACHABLE"),
            (unavailable("NO_QUORUM"), Exit::Unreachable, "NO_QUORUM"),
            (bad(Refusal::TrustFileOutOfDate.into()), Exit::TrustOutOfDate, "TRUST_FILE_OUT_OF_DATE"),
            (bad(Refusal::NoQuorum { signed: 1, needed: 3 }.into()), Exit::Untrusted, "NO_QUORUM"),
            (bad(Refusal::FromTheFuture.into()), Exit::Untrusted, "FROM_THE_FUTURE"),
            (bad(BadAnswer::Mismatch("the status")), Exit::Untrusted, "ANSWER_MISMATCH"),
            (LocalError::NoEndpoint.into(), Exit::Usage, "LOCAL"),
            (LocalError::Request("too many").into(), Exit::Internal, "LOCAL"),
        ] {
            let failure = Failure::from(error);
            assert_eq!((failure.exit, failure.reason.as_str()), (exit, reason), "{}", failure.message);
            assert!(!failure.next.is_empty());
        }
    }
}
