//! Reading a policy file, line by line; every rule of the format is checked here.

use std::collections::BTreeSet;

use super::{
    LOG_KEY, POLICY_BYTES_MAX, POLICY_ITEMS_MAX, Policy, PolicyGroup, PolicyLog, PolicyWitness, Threshold,
    WITNESS_KEY,
};
use crate::note::{KeyError, SignatureType, VerifierKey};
use crate::text::decimal;

/// The predefined name for "no cosignatures required".
pub(super) const NO_QUORUM: &str = "none";

/// The text is no policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It is longer than [`POLICY_BYTES_MAX`].
    #[error("a policy has at most 262144 bytes")]
    TooLong,
    /// A line is wrong.
    #[error("line {line} of the policy")]
    Line {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        error: PolicyLineError,
    },
    /// There is no `quorum` line.
    #[error("the policy has no quorum line")]
    NoQuorum,
    /// A name or URL cannot be written in a policy file.
    #[error("a name or URL of the policy has white space in it")]
    NotRepresentable,
}

/// What is wrong with one line of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyLineError {
    /// It has a control character other than tab, or no newline at its end.
    #[error("control characters are not allowed, and a newline ends every line")]
    Characters,
    /// It does not begin with `log`, `witness`, `group` or `quorum`.
    #[error("a line begins with log, witness, group or quorum")]
    Keyword,
    /// It has too few or too many items.
    #[error("the line has too few or too many items")]
    ItemCount,
    /// The key cannot be read.
    #[error("the key cannot be read")]
    Key(#[source] KeyError),
    /// A log's key must have type 0x01, a witness's type 0x04.
    #[error("a log's key has type 0x01 and a witness's type 0x04")]
    KeyType,
    /// Another line of this kind has the same public key.
    #[error("the public key was used before")]
    DuplicateKey,
    /// The name is defined already, or is `none`.
    #[error("the name is taken")]
    NameTaken,
    /// No earlier line defines the name.
    #[error("no earlier line defines the name")]
    NameUndefined,
    /// The name is a member of a group already.
    #[error("the name is a member of a group already")]
    MemberTwice,
    /// The threshold is not `any`, `all` or a number from 1 to the number of members.
    #[error("the threshold is not any, all or a number from 1 to the number of members")]
    Threshold,
    /// There is a `quorum` line already.
    #[error("a policy has one quorum line")]
    SecondQuorum,
    /// More than [`POLICY_ITEMS_MAX`] logs, witnesses, groups, or members of a group.
    #[error("a policy has at most 256 logs, witnesses, groups, and members of a group")]
    TooMany,
}

/// The policy as far as it was read.
#[derive(Default)]
struct Reader<'a> {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<PolicyGroup>,
    /// `Some(None)` once `quorum none` was read.
    quorum: Option<Option<String>>,
    defined: BTreeSet<&'a str>,
    grouped: BTreeSet<&'a str>,
}

pub(super) fn parse(text: &str) -> Result<Policy, PolicyError> {
    if text.len() > POLICY_BYTES_MAX {
        return Err(PolicyError::TooLong);
    }
    let mut reader = Reader::default();
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        reader.line(line).map_err(|error| PolicyError::Line { line: number, error })?;
    }
    let Reader { logs, witnesses, groups, quorum, .. } = reader;
    let quorum = quorum.ok_or(PolicyError::NoQuorum)?;
    Ok(Policy { logs, witnesses, groups, quorum })
}

impl<'a> Reader<'a> {
    fn line(&mut self, line: &'a str) -> Result<(), PolicyLineError> {
        let line = line.strip_suffix('\n').ok_or(PolicyLineError::Characters)?;
        if line.bytes().any(|byte| (byte < 0x20 && byte != b'\t') || byte == 0x7f) {
            return Err(PolicyLineError::Characters);
        }
        let items: Vec<&str> = line.split([' ', '\t']).filter(|item| !item.is_empty()).collect();
        match items.split_first() {
            None => Ok(()),
            Some((keyword, _)) if keyword.starts_with('#') => Ok(()),
            Some((&"log", items)) => self.log(items),
            Some((&"witness", items)) => self.witness(items),
            Some((&"group", items)) => self.group(items),
            Some((&"quorum", items)) => self.quorum(items),
            Some(_) => Err(PolicyLineError::Keyword),
        }
    }

    fn log(&mut self, items: &[&'a str]) -> Result<(), PolicyLineError> {
        let (key, url) = match *items {
            [key] => (key, None),
            [key, url] => (key, Some(url.to_owned())),
            _ => return Err(PolicyLineError::ItemCount),
        };
        let key = key_of_type(key, LOG_KEY, self.logs.iter().map(|log| &log.key))?;
        push_bounded(&mut self.logs, PolicyLog { key, url })
    }

    fn witness(&mut self, items: &[&'a str]) -> Result<(), PolicyLineError> {
        let (name, key, url) = match *items {
            [name, key] => (name, key, None),
            [name, key, url] => (name, key, Some(url.to_owned())),
            _ => return Err(PolicyLineError::ItemCount),
        };
        let key = key_of_type(key, WITNESS_KEY, self.witnesses.iter().map(|witness| &witness.key))?;
        self.define(name)?;
        push_bounded(&mut self.witnesses, PolicyWitness { name: name.to_owned(), key, url })
    }

    fn group(&mut self, items: &[&'a str]) -> Result<(), PolicyLineError> {
        let [name, threshold, members @ ..] = items else { return Err(PolicyLineError::ItemCount) };
        if members.is_empty() {
            return Err(PolicyLineError::ItemCount);
        }
        if members.len() > POLICY_ITEMS_MAX {
            return Err(PolicyLineError::TooMany);
        }
        let threshold = match *threshold {
            "any" => Threshold::Any,
            "all" => Threshold::All,
            number => Threshold::AtLeast(
                decimal(number)
                    .filter(|count| (1..=members.len() as u64).contains(count))
                    .ok_or(PolicyLineError::Threshold)?,
            ),
        };
        for member in members {
            if !self.defined.contains(member) {
                return Err(PolicyLineError::NameUndefined);
            }
            if !self.grouped.insert(member) {
                return Err(PolicyLineError::MemberTwice);
            }
        }
        // Only now, so that a group cannot be its own member.
        self.define(name)?;
        let members = members.iter().map(|&member| member.to_owned()).collect();
        push_bounded(&mut self.groups, PolicyGroup { name: (*name).to_owned(), threshold, members })
    }

    fn quorum(&mut self, items: &[&str]) -> Result<(), PolicyLineError> {
        let [name] = *items else { return Err(PolicyLineError::ItemCount) };
        if self.quorum.is_some() {
            return Err(PolicyLineError::SecondQuorum);
        }
        if name != NO_QUORUM && !self.defined.contains(name) {
            return Err(PolicyLineError::NameUndefined);
        }
        self.quorum = Some((name != NO_QUORUM).then(|| name.to_owned()));
        Ok(())
    }

    fn define(&mut self, name: &'a str) -> Result<(), PolicyLineError> {
        if name == NO_QUORUM || !self.defined.insert(name) {
            return Err(PolicyLineError::NameTaken);
        }
        Ok(())
    }
}

fn key_of_type<'k>(
    text: &str,
    expected: SignatureType,
    mut earlier: impl Iterator<Item = &'k VerifierKey>,
) -> Result<VerifierKey, PolicyLineError> {
    let key: VerifierKey = text.parse().map_err(PolicyLineError::Key)?;
    if key.signature_type() != expected {
        return Err(PolicyLineError::KeyType);
    }
    if earlier.any(|other| other.public_key() == key.public_key()) {
        return Err(PolicyLineError::DuplicateKey);
    }
    Ok(key)
}

fn push_bounded<T>(items: &mut Vec<T>, item: T) -> Result<(), PolicyLineError> {
    if items.len() == POLICY_ITEMS_MAX {
        return Err(PolicyLineError::TooMany);
    }
    items.push(item);
    Ok(())
}
