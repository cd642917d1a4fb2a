//! The chain of accreditations of a receipt, which everything that was anchored under one of them shares.

use kvitto_ledger::Position;
use kvitto_ledger::state::{Accreditation, AccreditationKey};
use kvitto_verifier::receipt::{ChainLink, LeafProof};

use super::Prover;
use crate::error::{Damage, StoreError};
use crate::store::Read;

/// The rules allow eight links; a store that says more is damaged.
const LINKS_MAX: usize = 8;

/// Accreditations from a root on, with proofs under one checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The accreditations, root first.
    pub links: Vec<ChainLink>,
    /// The newest `Identifier` records of their holders, the root excepted.
    pub identifiers: Vec<LeafProof>,
    /// Their places in the status tree.
    pub positions: Vec<Position>,
}

impl<R: Read> Prover<'_, R> {
    /// The chain that ends with an accreditation, as of the checkpoint.
    ///
    /// # Errors
    /// Those of the reader; the accreditation must be there.
    pub fn chain(&self, last: &AccreditationKey) -> Result<Chain, StoreError> {
        let accreditations = self.accreditations(last)?;
        let mut chain = Chain { links: Vec::new(), identifiers: Vec::new(), positions: Vec::new() };
        for accreditation in accreditations.iter().rev() {
            let withdrawal = accreditation.withdrawal.as_ref().map(|withdrawal| withdrawal.leaf);
            chain.links.push(ChainLink {
                accreditation: self.leaf_proof(accreditation.leaf)?,
                withdrawal: withdrawal.map(|leaf| self.leaf_proof(leaf)).transpose()?,
            });
            chain.positions.push(accreditation.position);
        }
        for accreditation in accreditations.iter().rev().skip(1) {
            let did = accreditation.key.subject;
            let holder = self.reader.identifier_at(self.at, &did)?;
            let leaf =
                holder.and_then(|holder| holder.leaf).ok_or_else(|| Damage::missing("identifier", did))?;
            chain.identifiers.push(self.leaf_proof(leaf)?);
        }
        Ok(chain)
    }

    /// An accreditation and those above it, up to a root.
    fn accreditations(&self, last: &AccreditationKey) -> Result<Vec<Accreditation>, StoreError> {
        let mut accreditations = Vec::new();
        let mut next = Some(*last);
        while let Some(key) = next {
            let found = self.reader.accreditation_at(self.at, &key)?;
            let found = found.ok_or_else(|| Damage::missing("accreditation", key.id))?;
            next = found.parent_key();
            accreditations.push(found);
            if accreditations.len() > LINKS_MAX {
                return Err(Damage::unreadable("chain of accreditation", last.id).into());
            }
        }
        Ok(accreditations)
    }
}
