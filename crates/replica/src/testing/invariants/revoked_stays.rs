//! Revoked stays revoked: once a record has revoked a position, every node that has the record says so for ever.

use std::collections::BTreeMap;

use kvitto_ledger::{Height, Position, Record, RecordBody};
use kvitto_merkle::status::{StatusValue, chunk_index};

use super::{Invariant, Scene, Seen, ensure, plain};

#[derive(Debug, Default)]
pub(super) struct RevokedStays {
    blocks: usize,
    revoked: BTreeMap<Position, Height>,
}

impl Invariant for RevokedStays {
    fn name(&self) -> &'static str {
        "revoked stays revoked"
    }

    fn see(&mut self, seen: &Seen<'_>, scene: &Scene<'_>) -> Result<(), String> {
        let Seen::Committed { member, block, is_new } = seen else { return Ok(()) };
        if *is_new {
            for block in plain::unseen(&mut self.blocks, scene, *member, block) {
                self.look_at(block.header.height, &block.leaves)?;
            }
        }
        let chunks = &scene.nodes[*member].state.changes.chunks;
        let height = block.header.height;
        for (position, since) in self.revoked.iter().filter(|(_, since)| **since <= height) {
            let bits = chunks.get(&chunk_index(position.0)).map(|chunk| chunk.value(position.0));
            ensure(bits == Some(StatusValue::Revoked), || {
                format!("member {member}: {position} was revoked at {since} and is {bits:?} at {height}")
            })?;
        }
        Ok(())
    }
}

impl RevokedStays {
    fn look_at(&mut self, height: Height, leaves: &[Vec<u8>]) -> Result<(), String> {
        for leaf in leaves {
            let record = Record::decode(leaf).map_err(|error| error.to_string())?;
            let (position, status) = match record.body {
                RecordBody::Status(record) => (record.position, record.status.0),
                RecordBody::AccreditationStatus(record) => (record.position, record.status.0),
                _ => continue,
            };
            ensure(!self.revoked.contains_key(&position), || {
                format!("block {height} sets {position}, which is revoked, to {status:?}")
            })?;
            if status == StatusValue::Revoked {
                self.revoked.insert(position, height);
            }
        }
        Ok(())
    }
}
