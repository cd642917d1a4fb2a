//! The shared part of receipts: the chain of accreditations with its statuses, and the block that the checkpoint ends with.

use kvitto_ledger::state::{Accreditation, AccreditationKey};
use kvitto_ledger::{Height, LeafIndex, Position};
use kvitto_merkle::Note;
use kvitto_verifier::receipt::{AsOf, ChainLink, LastLeaf, LeafProof, ReceiptShared, StatusProof};

use super::Prover;
use crate::error::{Damage, StoreError};
use crate::store::Read;

/// The rules allow eight links; a store that says more is damaged.
const LINKS_MAX: usize = 8;

impl<R: Read> Prover<R> {
    /// What all receipts have in common of credentials that were anchored under an accreditation.
    ///
    /// # Errors
    /// Those of the reader; the accreditation must be there.
    pub fn shared(&self, accreditation: &AccreditationKey) -> Result<ReceiptShared, StoreError> {
        // Now, not as of the prover's block: what the chain has become belongs to the verdict (RULES 6.4).
        let newest = self.published.height;
        let chain = self.chain_at(newest, accreditation)?;
        if chain.is_empty() {
            return Err(Damage::missing("accreditation", accreditation.id).into());
        }
        let positions: Vec<Position> = chain.iter().map(|link| link.position).collect();
        let note = Note::from_bytes(self.published.note.as_bytes());
        let LeafProof { leaf, path, .. } = self.leaf_proof(LeafIndex(self.published.size - 1))?;
        let as_of = match self.next_block()? {
            None => None,
            Some(next_block) => {
                // An accreditation is older than what was anchored under it, so its position exists then, too.
                let chunks = self.chunks(positions.iter().copied())?;
                let status = StatusProof { chunks, record: None };
                Some(AsOf { block: self.block()?, next_block, status })
            }
        };
        Ok(ReceiptShared {
            note: note.map_err(|_| Damage::unreadable("checkpoint", newest))?,
            block: LastLeaf { leaf, path },
            chain: chain.iter().map(|link| self.link(link)).collect::<Result<_, _>>()?,
            identifiers: chain.iter().skip(1).map(|link| self.holder(link)).collect::<Result<_, _>>()?,
            chunks: self.chunks_at(newest, positions)?,
            as_of,
        })
    }

    /// An accreditation and everything above it as of the prover's block, root first; empty where it is unknown.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn chain(&self, last: &AccreditationKey) -> Result<Vec<Accreditation>, StoreError> {
        self.chain_at(self.height(), last)
    }

    fn chain_at(&self, at: Height, last: &AccreditationKey) -> Result<Vec<Accreditation>, StoreError> {
        let Some(found) = self.reader.accreditation_at(at, last)? else { return Ok(Vec::new()) };
        let mut chain = vec![found];
        while let Some(key) = chain.last().and_then(Accreditation::parent_key) {
            if chain.len() == LINKS_MAX {
                return Err(Damage::unreadable("chain of accreditation", last.id).into());
            }
            let parent = self.reader.accreditation_at(at, &key)?;
            chain.push(parent.ok_or_else(|| Damage::missing("accreditation", key.id))?);
        }
        chain.reverse();
        Ok(chain)
    }

    fn link(&self, link: &Accreditation) -> Result<ChainLink, StoreError> {
        let withdrawal = link.withdrawal.as_ref().map(|withdrawal| self.leaf_proof(withdrawal.leaf));
        Ok(ChainLink { accreditation: self.leaf_proof(link.leaf)?, withdrawal: withdrawal.transpose()? })
    }

    /// The newest `Identifier` record of a link's holder.
    fn holder(&self, link: &Accreditation) -> Result<LeafProof, StoreError> {
        let did = link.key.subject;
        let holder = self.reader.identifier_at(self.published.height, &did)?;
        let leaf = holder.and_then(|holder| holder.leaf);
        self.leaf_proof(leaf.ok_or_else(|| Damage::missing("identifier", did))?)
    }
}
