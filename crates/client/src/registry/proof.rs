//! What the proof of a registry answer shows, read in the order of the answer.

use std::vec::IntoIter;

use kvitto_ledger::record::BlockRecord;
use kvitto_ledger::state::{Accreditation, Identifier};
use kvitto_ledger::{LedgerConfig, Position, Record, RecordBody};
use kvitto_merkle::leaf_hash;
use kvitto_merkle::log::verify_inclusion;
use kvitto_merkle::status::{StatusProofError, StatusValue, chunk_index, verify_chunk};
use kvitto_proto::convert::{AsOf, Moment, RegistryProof};
use kvitto_proto::v1;
use kvitto_verifier::receipt::{ChunkProof, LeafProof};
use kvitto_verifier::{Refusal, TrustFile};

use super::{Proven, claims};
use crate::checkpoint::VerifiedCheckpoint;
use crate::client::Client;
use crate::error::BadAnswer;

/// A checked checkpoint and block; records and chunks still to be held against the answer.
pub(super) struct Shown<'a> {
    checkpoint: VerifiedCheckpoint,
    block: BlockRecord,
    as_of: AsOf,
    config: &'a LedgerConfig,
    records: IntoIter<LeafProof>,
    chunks: Vec<ChunkProof>,
}

impl<'a> Shown<'a> {
    /// Checks the quorum, that the block is in the tree, and that it is the one asked about: no block between it and the moment
    /// is left out.
    pub(super) fn open(
        client: &'a Client,
        proof: Option<v1::RegistryProof>,
        as_of: Option<v1::AsOf>,
        at: Moment,
    ) -> Result<Self, BadAnswer> {
        let proof = RegistryProof::try_from(proof)?;
        let as_of = AsOf::try_from(as_of)?;
        let checkpoint = client.verify_note(&proof.checkpoint.note)?;
        let (block, said) = block(&checkpoint, &proof.block)?;
        let end = said.tree_size;
        let next = proof.next_block.map(|next| self::block(&checkpoint, &next)).transpose()?;
        let next = next.map(|(_, next)| next);
        let follows = match next {
            None => end == checkpoint.size(),
            Some(next) => next.height == said.height.next() && next.tree_size > end,
        };
        let is_asked = match at {
            Moment::Newest => next.is_none(),
            Moment::Time(time) => said.time <= time && next.is_none_or(|next| time < next.time),
            Moment::Height(height) => said.height == height,
            Moment::TreeSize(size) => end == size,
        };
        if said != as_of || !follows || !is_asked {
            return Err(BadAnswer::Mismatch("the moment"));
        }
        let epoch = client.trust().epoch_of(end, block.config_hash).ok_or(Refusal::TrustFileOutOfDate)?;
        let (records, chunks) = (proof.records.into_iter(), proof.chunks);
        Ok(Self { checkpoint, block, as_of, config: epoch.config(), records, chunks })
    }

    /// The next record, as what the identifier says; a root without a record stands in the genesis, the first leaf.
    pub(super) fn identifier(&mut self, said: &Identifier, trust: &TrustFile) -> Result<(), BadAnswer> {
        let (index, record) = self.next()?;
        let agrees = match (&record.body, said.leaf) {
            (RecordBody::Identifier(shown), Some(leaf)) => leaf.0 == index && claims::identifier(said, shown),
            (RecordBody::Genesis(genesis), None) => {
                let root = trust.genesis().config.root(&said.did);
                index == 0
                    && genesis.ledger_id == trust.ledger_id()
                    && root.is_some_and(|root| claims::root_identifier(said, root))
            }
            _ => false,
        };
        if agrees { Ok(()) } else { Err(BadAnswer::Mismatch("the organisation's record")) }
    }

    /// The next records, as what the accreditations say, then the withdrawals' records; and the status of each.
    pub(super) fn accreditations(&mut self, said: &[Accreditation]) -> Result<(), BadAnswer> {
        for accreditation in said {
            let (index, record) = self.next()?;
            let agrees = matches!(&record.body, RecordBody::Accreditation(shown)
                if accreditation.leaf.0 == index && claims::accreditation(accreditation, shown));
            if !agrees || self.status(accreditation.position)? != claims::status(accreditation) {
                return Err(BadAnswer::Mismatch("the accreditation's record"));
            }
        }
        for accreditation in said {
            let Some(withdrawal) = &accreditation.withdrawal else { continue };
            let (index, record) = self.next()?;
            let agrees = matches!(&record.body, RecordBody::AccreditationStatus(shown)
                if withdrawal.leaf.0 == index && claims::withdrawal(accreditation, withdrawal, shown));
            if !agrees {
                return Err(BadAnswer::Mismatch("the withdrawal's record"));
            }
        }
        Ok(())
    }

    /// Whether it is a root in the configuration of the block.
    pub(super) fn is_root(&self, first: &Accreditation) -> bool {
        let root = self.config.root(&first.key.subject);
        first.parent.is_none() && root.is_some_and(|root| root.accreditation == first.key.id)
    }

    /// The answer, once every record of the proof was used.
    pub(super) fn finish<T>(self, value: T) -> Result<Proven<T>, BadAnswer> {
        if self.records.len() > 0 {
            return Err(BadAnswer::Mismatch("the number of records"));
        }
        Ok(Proven { value, as_of: self.as_of, checkpoint: self.checkpoint })
    }

    /// The next record, shown to be in the tree before the block's end.
    fn next(&mut self) -> Result<(u64, Record), BadAnswer> {
        let proof = self.records.next().ok_or(BadAnswer::Mismatch("a missing record"))?;
        if proof.index >= self.as_of.tree_size {
            return Err(BadAnswer::Mismatch("a later record"));
        }
        Ok((proof.index, record(&self.checkpoint, &proof)?))
    }

    /// What the status tree says after the block.
    fn status(&self, position: Position) -> Result<StatusValue, BadAnswer> {
        let position = position.0;
        let chunk = self.chunks.iter().find(|chunk| chunk.index == chunk_index(position));
        let chunk = chunk.ok_or(Refusal::ChunkMissing { position })?;
        let (root, positions) = (&self.block.status_root, self.block.positions);
        let value = verify_chunk(root, positions, position, &chunk.bytes, &chunk.path);
        let refusal = |error| match error {
            StatusProofError::PositionOutOfRange { .. } => Refusal::PositionOutOfRange { position },
            StatusProofError::ChunkLength(_) => Refusal::ChunkLength { position },
            StatusProofError::ValuePastEnd => Refusal::ChunkPastEnd { position },
            StatusProofError::NotIncluded(_) => Refusal::ChunkNotIncluded { position },
        };
        value.map_err(|error| refusal(error).into())
    }
}

/// A block whose last leaf is in the tree, and which one that is.
fn block(checkpoint: &VerifiedCheckpoint, proof: &LeafProof) -> Result<(BlockRecord, AsOf), BadAnswer> {
    let Record { time, body: RecordBody::Block(block), .. } = record(checkpoint, proof)? else {
        return Err(BadAnswer::Mismatch("the block"));
    };
    let as_of = AsOf { height: block.height, tree_size: proof.index.saturating_add(1), time };
    Ok((block, as_of))
}

fn record(checkpoint: &VerifiedCheckpoint, proof: &LeafProof) -> Result<Record, BadAnswer> {
    let tree = checkpoint.tree();
    verify_inclusion(&leaf_hash(&proof.leaf), proof.index, tree.size, &proof.path, &tree.root)
        .map_err(|source| BadAnswer::Merkle { what: "a record", source })?;
    Record::decode(&proof.leaf).map_err(|_| BadAnswer::Mismatch("a leaf that is no known record"))
}
