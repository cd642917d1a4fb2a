//! A log with its statuses, block by block, from which trees, checkpoints and receipts are made. A forger may change it first.

use std::collections::BTreeMap;
use std::convert::Infallible;

use kvitto_ledger::genesis::KeyRole;
use kvitto_ledger::record::{AccreditationRecord, AnchoredRecord, BlockRecord};
use kvitto_ledger::{Commitment, Did, Record, RecordBody};
use kvitto_merkle::log::{
    ConsistencyProof, InclusionProof, NodeSource, consistency_path, inclusion_path, root_at,
};
use kvitto_merkle::note::{Cosignature, NoteSignature, SignatureType, VerifierKey, cosignature_message};
use kvitto_merkle::status::{Chunk, StatusValue, chunk_count, chunk_index};
use kvitto_merkle::{Checkpoint, Frontier, Hash, Note, TlogProof, leaf_hash};
use kvitto_verifier::receipt::{
    AnchoredLeaf, AsOf, ChainLink, ChunkProof, LastLeaf, LeafProof, Receipt, ReceiptFormat, ReceiptOpening,
    StatusProof,
};

use crate::ledger::{Ledger, ORIGIN, member_key, member_name};

/// Perfect nodes of a tree over given leaf hashes.
pub(crate) struct Nodes(BTreeMap<(u8, u64), Hash>);

impl Nodes {
    pub(crate) fn over(hashes: impl IntoIterator<Item = Hash>) -> Self {
        let (mut frontier, mut nodes) = (Frontier::new(), BTreeMap::new());
        for hash in hashes {
            frontier.push_reporting(hash, |node| {
                nodes.insert((node.level, node.index), node.hash);
            });
        }
        Self(nodes)
    }

    pub(crate) fn root(&self, size: u64) -> Hash {
        root_at(self, size).unwrap()
    }

    pub(crate) fn path(&self, index: u64, size: u64) -> InclusionProof {
        inclusion_path(self, index, size).expect("in the tree")
    }

    pub(crate) fn consistency(&self, old: u64, new: u64) -> ConsistencyProof {
        consistency_path(self, old, new).expect("in the tree")
    }
}

impl NodeSource for Nodes {
    type Error = Infallible;

    fn node(&self, level: u8, index: u64) -> Result<Hash, Infallible> {
        Ok(self.0[&(level, index)])
    }
}

/// The end of a block: its `Block` leaf and the statuses that leaf commits to.
#[derive(Clone)]
pub(crate) struct BlockEnd {
    pub(crate) leaf: u64,
    pub(crate) chunks: Vec<Chunk>,
    /// Hash of a chunk; a forger may leave out the tag.
    pub(crate) hash: fn(&Chunk) -> Hash,
}

impl BlockEnd {
    fn nodes(&self) -> Nodes {
        Nodes::over(self.chunks.iter().map(self.hash))
    }
}

/// A log with its statuses.
#[derive(Clone)]
pub(crate) struct History {
    pub(crate) leaves: Vec<Vec<u8>>,
    pub(crate) blocks: Vec<BlockEnd>,
}

/// Whose lines a checkpoint carries, and when they signed.
#[derive(Clone)]
pub(crate) struct Signers {
    /// Members with a log line.
    pub(crate) logs: Vec<u8>,
    /// Members with a cosignature, each with its time.
    pub(crate) cosigners: Vec<(u8, u64)>,
}

impl History {
    pub(crate) fn of(ledger: &Ledger) -> Self {
        let (mut leaves, mut blocks) = (Vec::new(), Vec::new());
        let mut chunks: Vec<Chunk> = Vec::new();
        for block in &ledger.blocks {
            leaves.extend(block.leaves.iter().cloned());
            chunks.resize(chunk_count(block.tip.positions) as usize, Chunk::ZERO);
            for (index, chunk) in &block.changes.chunks {
                chunks[*index as usize] = chunk.clone();
            }
            let end =
                BlockEnd { leaf: leaves.len() as u64 - 1, chunks: chunks.clone(), hash: Chunk::leaf_hash };
            assert_eq!(end.nodes().root(chunks.len() as u64), block.header.status_root);
            blocks.push(end);
        }
        Self { leaves, blocks }
    }

    pub(crate) fn record(&self, index: u64) -> Record {
        Record::decode(&self.leaves[index as usize]).expect("a record")
    }

    /// Rewrites a record, as only a forger can.
    pub(crate) fn edit(&mut self, index: u64, change: impl FnOnce(&mut Record)) {
        let mut record = self.record(index);
        change(&mut record);
        self.leaves[index as usize] = record.encode();
    }

    /// Rewrites a block's statuses, and the status root in its `Block` record.
    pub(crate) fn edit_statuses(&mut self, block: usize, change: impl FnOnce(&mut BlockEnd)) {
        change(&mut self.blocks[block]);
        let end = self.blocks[block].clone();
        let root = end.nodes().root(end.chunks.len() as u64);
        self.edit_block(block, |record| record.status_root = root);
    }

    pub(crate) fn edit_block(&mut self, block: usize, change: impl FnOnce(&mut BlockRecord)) {
        let leaf = self.blocks[block].leaf;
        self.edit(leaf, |record| match &mut record.body {
            RecordBody::Block(record) => change(record),
            _ => unreachable!("a block ends with its record"),
        });
    }

    /// The newest leaf before `size` for which `matches` holds.
    pub(crate) fn find(&self, size: u64, matches: impl Fn(&RecordBody) -> bool) -> Option<u64> {
        (0..size)
            .rev()
            .find(|index| Record::decode(&self.leaves[*index as usize]).is_ok_and(|r| matches(&r.body)))
    }

    pub(crate) fn anchored(&self, commitment: Commitment) -> (u64, AnchoredRecord) {
        let is = |body: &RecordBody| matches!(body, RecordBody::Anchored(record) if record.commitment == commitment);
        let index = self.find(self.leaves.len() as u64, is).expect("anchored");
        let RecordBody::Anchored(record) = self.record(index).body else { unreachable!() };
        (index, record)
    }

    pub(crate) fn nodes(&self) -> Nodes {
        Nodes::over(self.leaves.iter().map(|leaf| leaf_hash(leaf)))
    }

    /// Number of leaves after a block.
    pub(crate) fn size(&self, block: usize) -> u64 {
        self.blocks[block].leaf + 1
    }

    pub(crate) fn checkpoint(&self, block: usize) -> Checkpoint {
        let size = self.size(block);
        Checkpoint { origin: ORIGIN.parse().unwrap(), size, root: self.nodes().root(size) }
    }

    pub(crate) fn note(&self, block: usize, signers: &Signers) -> Note {
        sign(&self.checkpoint(block).to_string(), signers)
    }

    pub(crate) fn leaf_proof(&self, index: u64, size: u64) -> LeafProof {
        let leaf = self.leaves[index as usize].clone();
        LeafProof { index, leaf, path: self.nodes().path(index, size) }
    }

    pub(crate) fn chunk(&self, block: usize, index: u64) -> ChunkProof {
        let end = &self.blocks[block];
        let path = end.nodes().path(index, end.chunks.len() as u64);
        ChunkProof { index, bytes: end.chunks[index as usize].as_bytes().to_vec(), path }
    }

    /// The honest receipt for a commitment under the checkpoint of a block, as of an earlier one if asked.
    pub(crate) fn receipt(
        &self,
        commitment: Commitment,
        opening: Option<ReceiptOpening>,
        block: usize,
        as_of: Option<usize>,
        signers: &Signers,
    ) -> Receipt {
        let (index, anchored) = self.anchored(commitment);
        self.receipt_with_chain(index, &anchored, opening, block, as_of, signers)
    }

    fn receipt_with_chain(
        &self,
        index: u64,
        anchored: &AnchoredRecord,
        opening: Option<ReceiptOpening>,
        block: usize,
        as_of: Option<usize>,
        signers: &Signers,
    ) -> Receipt {
        let size = self.size(block);
        let links = self.chain(anchored, size);
        let tlog_proof = TlogProof {
            extra: Vec::new(),
            index,
            proof: self.nodes().path(index, size),
            checkpoint: self.note(block, signers),
        };
        let positions: Vec<u64> = std::iter::once(anchored.position.0)
            .chain(links.iter().map(|(_, link)| link.position.0))
            .collect();
        Receipt {
            format: ReceiptFormat,
            opening,
            anchored: AnchoredLeaf { leaf: self.leaves[index as usize].clone(), tlog_proof },
            block: LastLeaf {
                leaf: self.leaves[size as usize - 1].clone(),
                path: self.nodes().path(size - 1, size),
            },
            chain: links.iter().map(|(index, link)| self.link(*index, link, size)).collect(),
            identifiers: links[1..].iter().map(|(_, link)| self.identifier(link.subject, size)).collect(),
            status: self.status(block, &positions, size),
            as_of: as_of.map(|earlier| AsOf {
                block: self.leaf_proof(self.blocks[earlier].leaf, size),
                next_block: self.leaf_proof(self.blocks[earlier + 1].leaf, size),
                status: self.status(earlier, &positions, size),
            }),
            consistency: None,
        }
    }

    /// The newest records of the accreditations of a chain, root first.
    fn chain(&self, anchored: &AnchoredRecord, size: u64) -> Vec<(u64, AccreditationRecord)> {
        let mut links = Vec::new();
        let mut next = Some((anchored.issuer, anchored.accreditation));
        while let Some((subject, id)) = next {
            let is = |body: &RecordBody| matches!(body, RecordBody::Accreditation(record) if (record.subject, record.id) == (subject, id));
            let index = self.find(size, is).expect("recorded");
            let RecordBody::Accreditation(record) = self.record(index).body else { unreachable!() };
            next = record.parent.map(|parent| (record.accreditor, parent));
            links.push((index, record));
        }
        links.reverse();
        links
    }

    pub(crate) fn link(&self, index: u64, link: &AccreditationRecord, size: u64) -> ChainLink {
        let withdrawn = |body: &RecordBody| {
            matches!(body, RecordBody::AccreditationStatus(record)
                if record.position == link.position && record.status.0 == StatusValue::Revoked)
        };
        let withdrawal = self.find(size, withdrawn).map(|index| self.leaf_proof(index, size));
        ChainLink { accreditation: self.leaf_proof(index, size), withdrawal }
    }

    pub(crate) fn identifier(&self, did: Did, size: u64) -> LeafProof {
        let is = |body: &RecordBody| matches!(body, RecordBody::Identifier(record) if record.did == did);
        self.leaf_proof(self.find(size, is).expect("recorded"), size)
    }

    /// `positions` begins with the credential's; proofs of leaves are for a tree of `size`.
    fn status(&self, block: usize, positions: &[u64], size: u64) -> StatusProof {
        let mut chunks: Vec<u64> = positions.iter().map(|position| chunk_index(*position)).collect();
        chunks.sort_unstable();
        chunks.dedup();
        let is = |body: &RecordBody| matches!(body, RecordBody::Status(record) if record.position.0 == positions[0]);
        StatusProof {
            chunks: chunks.into_iter().map(|index| self.chunk(block, index)).collect(),
            record: self.find(self.size(block), is).map(|index| self.leaf_proof(index, size)),
        }
    }
}

/// A note over `text` with the members' lines.
pub(crate) fn sign(text: &str, signers: &Signers) -> Note {
    let mut note = Note::unsigned(text.to_owned()).expect("a text");
    for member in &signers.logs {
        let key = member_key(*member, KeyRole::Log);
        let verifier = verifier_key(ORIGIN, SignatureType::Ed25519, *member, KeyRole::Log);
        note.push(NoteSignature::of_log(&verifier, &key.sign(text.as_bytes()).0)).expect("room");
    }
    for (member, timestamp_s) in &signers.cosigners {
        note.push(cosignature(text, *member, &member_name(*member), *timestamp_s)).expect("room");
    }
    note
}

/// A member's cosignature line under a name, which a forger may choose.
pub(crate) fn cosignature(text: &str, member: u8, name: &str, timestamp_s: u64) -> NoteSignature {
    let key = member_key(member, KeyRole::Cosignature);
    let verifier = verifier_key(name, SignatureType::CosignatureV1, member, KeyRole::Cosignature);
    let signature = key.sign(&cosignature_message(timestamp_s, text)).0;
    NoteSignature::of_cosigner(&verifier, &Cosignature { timestamp_s, signature })
}

/// A member's line with a cosignature of the forger's making.
pub(crate) fn cosignature_line(member: u8, cosignature: Cosignature) -> NoteSignature {
    let name = member_name(member);
    let verifier = verifier_key(&name, SignatureType::CosignatureV1, member, KeyRole::Cosignature);
    NoteSignature::of_cosigner(&verifier, &cosignature)
}

fn verifier_key(name: &str, signature_type: SignatureType, member: u8, role: KeyRole) -> VerifierKey {
    let public = member_key(member, role).public().bytes();
    VerifierKey::new(name.parse().expect("a name"), signature_type, public.0)
}
