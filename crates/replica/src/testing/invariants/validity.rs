//! Validity: every record has a cause that was allowed: a statement that a client made, in its block, signed by a key that the
//! log names for its signer, who was accredited for it then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kvitto_ledger::execute::ExecutedBlock;
use kvitto_ledger::keys::PublicKey;
use kvitto_ledger::{Did, Envelope, Record, RecordBody, StatementId};

use super::registry::Registry;
use super::{Invariant, Scene, Seen, ensure, plain};

#[derive(Debug, Default)]
pub(super) struct Validity {
    blocks: usize,
    registry: Option<Registry>,
    executed: BTreeSet<StatementId>,
}

impl Invariant for Validity {
    fn name(&self) -> &'static str {
        "validity"
    }

    fn see(&mut self, seen: &Seen<'_>, scene: &Scene<'_>) -> Result<(), String> {
        let Seen::Committed { member, block, is_new: true } = seen else { return Ok(()) };
        let roots = &scene.world.genesis.config.roots;
        let registry = self.registry.get_or_insert_with(|| Registry::with_roots(roots));
        for block in plain::unseen(&mut self.blocks, scene, *member, block) {
            let height = block.header.height;
            look_at(registry, &mut self.executed, block, scene)
                .map_err(|detail| format!("block {height}: {detail}"))?;
        }
        Ok(())
    }
}

fn look_at(
    registry: &mut Registry,
    executed: &mut BTreeSet<StatementId>,
    block: &ExecutedBlock,
    scene: &Scene<'_>,
) -> Result<(), String> {
    let mut signers: BTreeMap<StatementId, Did> = BTreeMap::new();
    let mut envelopes = BTreeMap::new();
    for bytes in &block.body.0 {
        let envelope =
            Envelope::decode(Arc::clone(bytes), &scene.world.ledger_id).map_err(|error| error.to_string())?;
        let id = envelope.id();
        ensure(scene.made.contains(&id), || format!("no client made {id}"))?;
        ensure(executed.insert(id), || format!("{id} is executed again"))?;
        let statement = envelope.statement();
        let window = statement.not_before..=statement.not_after;
        ensure(window.contains(&block.header.time), || format!("{id} is executed outside of its time"))?;
        envelopes.insert(id, envelope);
    }
    for leaf in &block.leaves {
        let record = Record::decode(leaf).map_err(|error| error.to_string())?;
        ensure(record.time == block.header.time, || "a record is of another time".to_owned())?;
        let id = record.statement_id;
        let signer = if id == StatementId::default() {
            let own = matches!(record.body, RecordBody::Genesis(_) | RecordBody::Block(_));
            ensure(own || block.header.height.0 == 0, || "a record has no cause".to_owned())?;
            None
        } else if let Some(signer) = signers.get(&id) {
            Some(*signer)
        } else {
            let envelope = envelopes.remove(&id).ok_or_else(|| format!("{id} is not in it"))?;
            let key_id = envelope.key_id();
            let key = registry.key(&key_id).ok_or_else(|| format!("the log names no such key: {key_id}"))?;
            let key = PublicKey::new(&key).map_err(|error| error.to_string())?;
            envelope.verify(&key).map_err(|rejection| rejection.to_string())?;
            signers.insert(id, key_id.did);
            Some(key_id.did)
        };
        registry.take(record.body, signer, record.time)?;
    }
    ensure(envelopes.is_empty(), || "a statement has no record".to_owned())
}
