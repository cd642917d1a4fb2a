//! The names of the organisations in the chain, from their `Identifier` records.

use std::collections::BTreeMap;

use kvitto_ledger::record::IdentifierRecord;
use kvitto_ledger::{Did, TimeMs};

use super::chain::LinkLeaf;
use super::tree::{Tree, body_of};
use crate::receipt::LeafProof;
use crate::refusal::{Leaf, Refusal};

/// The organisations of a chain; the anchoring one is among them.
pub(super) struct Organisations {
    issuer: (TimeMs, IdentifierRecord),
    others: BTreeMap<Did, IdentifierRecord>,
}

impl Organisations {
    /// The anchoring organisation.
    pub(super) fn issuer(&self) -> &IdentifierRecord {
        &self.issuer.1
    }

    /// When its record was made.
    pub(super) fn issuer_recorded(&self) -> TimeMs {
        self.issuer.0
    }

    /// The legal name of one of them.
    pub(super) fn name(&self, did: &Did) -> Option<&str> {
        let record = self.others.get(did).or_else(|| Some(self.issuer()).filter(|issuer| issuer.did == *did));
        record.map(|record| record.legal_name.as_str())
    }
}

pub(super) fn check(
    tree: &Tree,
    identifiers: &[LeafProof],
    links: &[LinkLeaf],
) -> Result<Organisations, Refusal> {
    let mut found = BTreeMap::new();
    for (identifier, proof) in identifiers.iter().enumerate() {
        let leaf = Leaf::Identifier(identifier);
        let record = tree.proven(leaf, proof)?;
        let time = record.time;
        let body = body_of!(record, Identifier, leaf);
        let in_chain = links.iter().skip(1).any(|link| link.record.subject == body.did);
        if !in_chain || found.insert(body.did, (time, body)).is_some() {
            return Err(Refusal::IdentifierUnexpected { identifier });
        }
    }
    let issuer = links.last().and_then(|link| found.remove(&link.record.subject));
    let issuer = issuer.ok_or(Refusal::IdentifierMissing)?;
    Ok(Organisations { issuer, others: found.into_iter().map(|(did, (_, record))| (did, record)).collect() })
}
