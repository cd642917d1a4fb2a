//! A chain of blocks in which each follows from its height alone, so that whoever writes it and whoever checks it need nothing from
//! each other.

use anyhow::{Result, ensure};
use kvitto_ledger::block::BlockBody;
use kvitto_ledger::execute::{ExecutedBlock, build, genesis_block};
use kvitto_ledger::ids::Nonce;
use kvitto_ledger::scope::Role;
use kvitto_ledger::statement::{Body, Checked, Statement};
use kvitto_ledger::testing::{Actor, HOUR_MS, Ledger, MemoryState, START, World, commitment};
use kvitto_ledger::{Commitment, Header, Height, ReadState, TimeMs};
use kvitto_merkle::status::StatusValue;
use kvitto_storage::{Published, Read, audit};

/// The statements of every height.
#[derive(Debug)]
pub struct Chain(Ledger);

impl Default for Chain {
    fn default() -> Self {
        Self(Ledger::new(1))
    }
}

impl Chain {
    /// The ledger that it belongs to.
    pub fn world(&self) -> &World {
        &self.0.world
    }

    /// Block 0.
    pub fn genesis(&self) -> ExecutedBlock {
        genesis_block(&self.0.world.genesis)
    }

    /// The next block, executed on the state that it follows.
    ///
    /// # Errors
    /// When the state cannot be read.
    ///
    /// # Panics
    /// When the state is not that of this chain.
    pub fn next(&self, state: &impl ReadState) -> Result<ExecutedBlock> {
        let height = state.tip()?.height().next();
        let config = &self.0.world.genesis.config;
        let built = build(state, config, time(height), [self.statement(height)])?;
        assert_eq!((built.taken, built.refused), (1, Vec::new()), "the statement of block {height} executes");
        Ok(built.block)
    }

    /// Blocks 0 to `newest`.
    ///
    /// # Errors
    /// Never: memory is readable.
    pub fn blocks(&self, newest: Height) -> Result<Vec<ExecutedBlock>> {
        let mut state = MemoryState::new(&self.0.world.genesis);
        for _ in 0..newest.0 {
            let block = self.next(&state)?;
            state.commit(&block);
        }
        Ok(state.blocks)
    }

    fn statement(&self, height: Height) -> Checked {
        let (signer, body) = self.body(height.0);
        let not_before = time(height);
        let nonce = Nonce(u128::from(height.0).to_be_bytes());
        let not_after = TimeMs(not_before.0 + HOUR_MS);
        self.0.check(signer, &Statement { not_before, not_after, nonce, body }).expect("of good form")
    }

    /// First the school comes to be; then it anchors, now and then much at once, reserves, and revokes.
    fn body(&self, height: u64) -> (&Actor, Body) {
        let Ledger { world, root, tao, school, .. } = &self.0;
        match height {
            1 => (root, root.onboards(tao, &world.ledger_id).into()),
            2 => (root, root.accredits(tao, Role::Tao).into()),
            3 => (tao, tao.onboards(school, &world.ledger_id).into()),
            4 => (tao, tao.accredits(school, Role::Ti).into()),
            _ if height % 10 == 7 => (school, school.reserves(3).into()),
            _ if height.is_multiple_of(10) => {
                (school, school.sets(StatusValue::Revoked, [anchored(height - 1, 0)]).into())
            }
            _ => {
                let items = if height % 50 == 49 { 500 } else { 1 + height % 3 };
                (school, school.anchors((0..items).map(|item| anchored(height, item))).into())
            }
        }
    }
}

/// The certificate that this chain gives to a block.
pub fn certificate(height: Height) -> Vec<u8> {
    format!("certificate of block {height}").into_bytes()
}

/// Whether a certificate is that of [`certificate`].
pub fn certificate_holds(header: &Header, bytes: &[u8]) -> bool {
    bytes == certificate(header.height)
}

/// The checkpoint that this chain publishes after a block.
pub fn checkpoint(header: &Header) -> Published {
    let note = format!("checkpoint of {} leaves, {}\n", header.tree_size, header.log_root);
    Published { height: header.height, size: header.tree_size, note: note.into() }
}

/// Audits everything that a reader has, and compares it with these blocks, of which the newest may not have been written yet.
///
/// # Errors
/// What is wrong.
pub fn check(reader: &impl Read, blocks: &[ExecutedBlock]) -> Result<()> {
    audit::everything(reader, &mut |_| ())?;
    for expected in &blocks[..=usize::try_from(reader.committed().0)?] {
        let height = expected.header.height;
        let body = reader.body(height)?.map(|body| BlockBody::decode(&body)).transpose()?;
        ensure!(reader.header(height)?.as_ref() == Some(&expected.header), "header of block {height}");
        ensure!(body.as_ref() == Some(&expected.body), "body of block {height}");
        let first = expected.first_leaf().0;
        let leaves = reader.leaves(first..expected.header.tree_size, usize::MAX)?;
        ensure!(leaves == expected.leaves, "leaves of block {height}");
        for (id, outcome) in &expected.changes.outcomes {
            ensure!(reader.outcome_at(height, id)?.as_ref() == Some(outcome), "outcome in block {height}");
        }
    }
    Ok(())
}

fn time(height: Height) -> TimeMs {
    TimeMs(START.0 + HOUR_MS + height.0 * 1_000)
}

fn anchored(height: u64, item: u64) -> Commitment {
    commitment(height << 16 | item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_of_the_chain_executes() {
        let blocks = Chain::default().blocks(Height(120)).unwrap();
        assert_eq!(blocks.len(), 121);
        assert!(blocks[120].header.tree_size > 700);
    }
}
