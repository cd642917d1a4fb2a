//! Refusals by the ledger's rules, with what helps against each.

use crate::exit::Exit;
use crate::failure::Failure;

/// A refusal by the rules. `text` is what would have to hold.
pub fn refused(reason: &str, text: &str) -> Failure {
    let message = format!("the ledger's rules refuse this: {}", unmet(reason, text));
    Failure::new(Exit::Refused, reason, message, next_step(reason))
}

/// A reason with what would have to hold, so that nobody takes that for what does.
pub fn unmet(reason: &str, text: &str) -> String {
    format!("{reason}, not met: {text}")
}

/// What helps against a refusal.
fn next_step(reason: &str) -> &'static str {
    match reason {
        "SIGNER_UNKNOWN" => "have an accreditor onboard this organisation: kvitto onboard request",
        "SIGNER_DEACTIVATED" => "this identifier was deactivated for good; act as another organisation",
        "KEY_UNKNOWN" | "KEY_RELATIONSHIP" | "SIGNATURE_INVALID" => {
            "check that --key is this organisation's present key: kvitto did show"
        }
        "STATEMENT_NOT_YET" | "STATEMENT_EXPIRED" => "set this machine's clock, then run the command again",
        "ACCREDITATION_MISSING" | "ACCREDITATION_UNKNOWN" => {
            "check the accreditation's id: kvitto accreditation list"
        }
        "ACCREDITATION_WITHDRAWN"
        | "ACCREDITATION_SUSPENDED"
        | "ACCREDITATION_NOT_YET"
        | "ACCREDITATION_EXPIRED" => "ask the accreditor; kvitto accreditation list shows the dates",
        "ACCREDITATION_SCOPE" => {
            "choose a --type in the accreditation's scope, or ask the accreditor to widen it"
        }
        "ISSUER_ROLE" | "ACCREDITOR_ROLE" => {
            "use an accreditation with the right role: kvitto accreditation list"
        }
        "ANCHOR_UNKNOWN" => "check the issuer, and how the credential was read (--unwrap, --target)",
        "ACCREDITATION_TRANSITION" => "see what its status is: kvitto accreditation list",
        "ALREADY_REVOKED" => "nothing: it is revoked, for good",
        "STATUS_TRANSITION" => "see what the status is: kvitto status",
        "SUCCESSOR_UNKNOWN" => "anchor the new credential first: kvitto anchor",
        "RESERVATION_QUOTA" | "REVOCATION_QUOTA" => "wait, then run the command again",
        "POSSESSION_PROOF" => "have the organisation make a new request: kvitto onboard request",
        "NOT_ISSUER" => "use the key file of the organisation that anchored it",
        "SCOPE_WIDENED" | "VALIDITY_WIDENED" => {
            "stay inside the parent accreditation: kvitto accreditation list"
        }
        "RULES_PANIC" => "please report this",
        _ => "change what the message names, then run the command again",
    }
}
