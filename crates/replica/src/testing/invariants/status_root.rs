//! The status root of every block is that of two bits for each position, computed from the records alone.

use kvitto_ledger::{Record, RecordBody};
use kvitto_merkle::sha256;
use kvitto_merkle::status::{CHUNK_BYTES, CHUNK_TAG};

use super::{Invariant, Scene, Seen, ensure, plain};

/// Positions in one byte.
const PER_BYTE: usize = 4;

#[derive(Debug, Default)]
pub(super) struct StatusRoot {
    blocks: usize,
    /// The status of each position.
    values: Vec<u8>,
}

impl Invariant for StatusRoot {
    fn name(&self) -> &'static str {
        "status root"
    }

    fn see(&mut self, seen: &Seen<'_>, scene: &Scene<'_>) -> Result<(), String> {
        let Seen::Committed { member, block, is_new: true } = seen else { return Ok(()) };
        for block in plain::unseen(&mut self.blocks, scene, *member, block) {
            for leaf in &block.leaves {
                let record = Record::decode(leaf).map_err(|error| error.to_string())?;
                self.apply(&record.body)?;
            }
        }
        ensure(block.header.status_root == self.root(), || {
            format!("the status root of block {} is another", block.header.height)
        })
    }
}

impl StatusRoot {
    fn apply(&mut self, record: &RecordBody) -> Result<(), String> {
        let mut taken = |position: u64| {
            // A credential may stand at a position that was reserved, an accreditation is recorded again when it is extended.
            let end = self.values.len() as u64;
            ensure(position <= end, || format!("position {position} is taken before {end}"))?;
            if position == end {
                self.values.push(0);
            }
            Ok(())
        };
        match record {
            RecordBody::Accreditation(record) => taken(record.position.0),
            RecordBody::Anchored(record) => taken(record.position.0),
            RecordBody::Reservation(record) => {
                (record.first.0..).take(record.count as usize).try_for_each(taken)
            }
            RecordBody::Status(record) => self.set(record.position.0, record.status.0.code()),
            RecordBody::AccreditationStatus(record) => self.set(record.position.0, record.status.0.code()),
            RecordBody::Block(record) => ensure(record.positions == self.values.len() as u64, || {
                format!("block {} says {} positions", record.height, record.positions)
            }),
            RecordBody::Genesis(_) | RecordBody::Identifier(_) => Ok(()),
        }
    }

    fn set(&mut self, position: u64, value: u8) -> Result<(), String> {
        let place = self.values.get_mut(position as usize);
        *place.ok_or_else(|| format!("position {position} gets a status before it is taken"))? = value;
        Ok(())
    }

    fn root(&self) -> kvitto_merkle::Hash {
        let packed = self.values.chunks(PER_BYTE).map(|values| {
            values.iter().enumerate().fold(0, |byte, (place, value)| byte | value << (2 * place))
        });
        let bytes: Vec<u8> = packed.collect();
        let chunks = bytes.chunks(CHUNK_BYTES).map(|used| {
            let mut chunk = [0; CHUNK_BYTES];
            chunk[..used.len()].copy_from_slice(used);
            sha256(&[&[0], CHUNK_TAG, &chunk])
        });
        plain::root(&chunks.collect::<Vec<_>>())
    }
}
