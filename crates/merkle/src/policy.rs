//! A C2SP `tlog-policy` file: whose signatures make a checkpoint count.
//!
//! ```text
//! log <vkey> [<url>]
//! witness <name> <vkey> [<url>]
//! group <name> all|any|<k> <name>...
//! quorum <name>|none
//! ```
//!
//! Source: <https://c2sp.org/tlog-policy> (not yet tagged; read at C2SP/C2SP 13027eee). Stricter
//! than it in three ways: the file is UTF-8 throughout, log keys have type 0x01 and witness keys
//! type 0x04, and there are at most [`POLICY_ITEMS_MAX`] of each.

mod parse;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

pub use parse::{PolicyError, PolicyLineError};

use crate::note::{KeyName, SignatureType, VerifiedSignature, VerifierKey};

/// The most logs, witnesses, groups, and members of one group that a policy may have.
pub const POLICY_ITEMS_MAX: usize = 256;

/// The longest policy file that is read, in bytes.
pub const POLICY_BYTES_MAX: usize = 256 * 1024;

/// A policy whose names are all defined before they are used, so that it can be evaluated.
///
/// Made by parsing, or by [`Policy::threshold`]; `Display` writes it without comments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<PolicyGroup>,
    quorum: Option<String>,
}

/// A log whose checkpoints are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyLog {
    /// A key of type 0x01, named as the log's origin.
    pub key: VerifierKey,
    /// Where the log can be reached.
    pub url: Option<String>,
}

/// A cosigner that may count towards the quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyWitness {
    /// Its name within this file.
    pub name: String,
    /// A key of type 0x04.
    pub key: VerifierKey,
    /// Where the witness can be reached.
    pub url: Option<String>,
}

/// Witnesses and earlier groups of which a number must agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyGroup {
    /// Its name within this file.
    pub name: String,
    /// How many members must have witnessed.
    pub threshold: Threshold,
    /// Names of witnesses and earlier groups, each member of one group at most.
    pub members: Vec<String>,
}

/// How many members of a group must have witnessed a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threshold {
    /// At least one.
    Any,
    /// Every one.
    All,
    /// At least so many; from 1 to the number of members.
    AtLeast(u64),
}

impl Policy {
    /// A policy in which any one of `logs` and `quorum` of the `witnesses` must have signed, as a
    /// group called `quorum`. With a quorum of 0 no witness is required.
    ///
    /// # Errors
    /// [`PolicyError`], as for the file that the policy would be written as.
    pub fn threshold(
        logs: Vec<PolicyLog>,
        witnesses: Vec<PolicyWitness>,
        quorum: u64,
    ) -> Result<Policy, PolicyError> {
        let mut draft = Policy { logs, witnesses, groups: Vec::new(), quorum: None };
        if quorum > 0 {
            let members = draft.witnesses.iter().map(|witness| witness.name.clone()).collect();
            let threshold = Threshold::AtLeast(quorum);
            draft.groups.push(PolicyGroup { name: "quorum".to_owned(), threshold, members });
            draft.quorum = Some("quorum".to_owned());
        }
        // The parser is the one place that knows what a policy may be.
        let policy: Policy = draft.to_string().parse()?;
        if policy == draft { Ok(policy) } else { Err(PolicyError::NotRepresentable) }
    }

    /// The accepted logs.
    pub fn logs(&self) -> &[PolicyLog] {
        &self.logs
    }

    /// The witnesses.
    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// The groups, each after its members.
    pub fn groups(&self) -> &[PolicyGroup] {
        &self.groups
    }

    /// The name of the witness or group whose witnessing makes a quorum; `None` when no witness is
    /// required.
    pub fn quorum(&self) -> Option<&str> {
        self.quorum.as_deref()
    }

    /// All keys of the policy: what to give to [`verify_note`](crate::note::verify_note).
    pub fn keys(&self) -> Vec<VerifierKey> {
        let logs = self.logs.iter().map(|log| &log.key);
        logs.chain(self.witnesses.iter().map(|witness| &witness.key)).cloned().collect()
    }

    /// Whether these signatures make a checkpoint of the log `origin` count: that log's own, if
    /// the policy lists logs, and those of the quorum. Witnesses count by public key.
    pub fn is_satisfied_by(&self, origin: &KeyName, signatures: &[VerifiedSignature]) -> bool {
        let signed = |key: &VerifierKey| signatures.iter().any(|signature| signature.key == *key);
        if !self.logs.is_empty() && !self.logs.iter().any(|log| log.key.name() == origin && signed(&log.key))
        {
            return false;
        }
        let Some(quorum) = &self.quorum else { return true };
        let mut witnessed: BTreeSet<&str> = BTreeSet::new();
        for witness in self.witnesses.iter().filter(|witness| signed(&witness.key)) {
            witnessed.insert(&witness.name);
        }
        for group in &self.groups {
            let count = group.members.iter().filter(|&member| witnessed.contains(member.as_str())).count();
            if count as u64 >= group.required() {
                witnessed.insert(&group.name);
            }
        }
        witnessed.contains(quorum.as_str())
    }
}

impl PolicyGroup {
    /// How many members must have witnessed.
    pub fn required(&self) -> u64 {
        match self.threshold {
            Threshold::Any => 1,
            Threshold::All => self.members.len() as u64,
            Threshold::AtLeast(count) => count,
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Threshold::Any => formatter.write_str("any"),
            Threshold::All => formatter.write_str("all"),
            Threshold::AtLeast(count) => write!(formatter, "{count}"),
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = |url: &Option<String>| url.as_ref().map(|url| format!(" {url}")).unwrap_or_default();
        for log in &self.logs {
            writeln!(formatter, "log {}{}", log.key, url(&log.url))?;
        }
        for witness in &self.witnesses {
            writeln!(formatter, "witness {} {}{}", witness.name, witness.key, url(&witness.url))?;
        }
        for group in &self.groups {
            writeln!(formatter, "group {} {} {}", group.name, group.threshold, group.members.join(" "))?;
        }
        writeln!(formatter, "quorum {}", self.quorum.as_deref().unwrap_or(parse::NO_QUORUM))
    }
}

impl FromStr for Policy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Policy, PolicyError> {
        parse::parse(text)
    }
}

/// The type of key that logs sign with.
const LOG_KEY: SignatureType = SignatureType::Ed25519;

/// The type of key that witnesses sign with.
const WITNESS_KEY: SignatureType = SignatureType::CosignatureV1;
