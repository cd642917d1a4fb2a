//! The in-memory store under the suite that every store must pass; and what an audit finds in one that was tampered with.

use kvitto_ledger::Header;
use kvitto_ledger::execute::ExecutedBlock;
use kvitto_storage::audit::executed_again;
use kvitto_storage::faults::Faults;
use kvitto_storage::suite::Disk;
use kvitto_storage::suite::history::History;
use kvitto_storage::{Damage, MemoryDisk, MemoryStore, Store, StoreError};

struct Memory(MemoryDisk);

impl Disk for Memory {
    type Store = MemoryStore;

    fn open(
        &mut self,
        genesis: &ExecutedBlock,
        certificate_holds: &dyn Fn(&Header, &[u8]) -> bool,
    ) -> Result<MemoryStore, StoreError> {
        MemoryStore::open(self.0.clone(), genesis, certificate_holds)
    }

    fn faults(&self) -> Faults {
        self.0.faults().clone()
    }

    fn crash(&mut self) {
        self.0 = self.0.after_crash(0);
    }
}

kvitto_storage::store_suite!(|| Memory(MemoryDisk::new()));

/// Something that is stored otherwise than executing the blocks gives it.
type Tamper = fn(&mut ExecutedBlock) -> Option<()>;

/// Each thing that a block leaves in a store is changed in the newest one that has it: executing everything again finds it, and
/// names it.
#[test]
fn what_does_not_follow_from_the_bodies_is_found_and_named() {
    let history = History::small();
    let rows: [(&str, Tamper); 15] = [
        ("body", |block| block.body.0.pop().map(drop)),
        ("execution", |block| {
            block.body.0.pop()?;
            block.header.statements_root = block.body.root();
            block.header.statements = u32::try_from(block.body.0.len()).ok()?;
            Some(())
        }),
        ("execution", |block| {
            block.header.log_root.0[0] ^= 1;
            Some(())
        }),
        ("record", |block| {
            let leaf = block.leaves.first_mut()?;
            *leaf.last_mut()? ^= 1;
            Some(())
        }),
        ("log node", |block| {
            block.log_nodes.first_mut()?.hash.0[0] ^= 1;
            Some(())
        }),
        ("status node", |block| {
            block.status_nodes.first_mut()?.hash.0[0] ^= 1;
            Some(())
        }),
        ("status chunk", |block| block.changes.chunks.pop_first().map(drop)),
        ("organisation", |block| {
            block.changes.identifiers.values_mut().next()?.legal_name.push('!');
            Some(())
        }),
        ("accreditation", |block| {
            block.changes.accreditations.values_mut().next()?.valid_until.0 += 1;
            Some(())
        }),
        ("place", |block| block.changes.places.pop_first().map(drop)),
        ("index of commitments", |block| block.changes.anchors.pop_first().map(drop)),
        ("status record", |block| block.changes.status_leaves.pop_first().map(drop)),
        ("outcome", |block| block.changes.outcomes.pop_first().map(drop)),
        ("outcome", |block| {
            block.changes.outcomes.values_mut().next()?.first_leaf.0 += 1;
            Some(())
        }),
        ("quota", |block| {
            block.changes.usage.values_mut().next()?.reserved_unused += 1;
            Some(())
        }),
    ];
    for (what, tamper) in rows {
        let tampered = history.blocks.iter().enumerate().skip(1).rev().find_map(|(place, block)| {
            let mut block = block.clone();
            tamper(&mut block).map(|()| (place, block))
        });
        let (place, block) = tampered.unwrap_or_else(|| panic!("no block has a {what}"));
        let mut store =
            MemoryStore::open(MemoryDisk::new(), &history.blocks[0], &|_, _| true).expect("memory opens");
        for block in history.blocks[1..place].iter().chain([&block]) {
            store.commit(block, b"certificate").expect("memory is writable");
        }
        let executed = executed_again(&store.reader(), &history.genesis, &|_, _| true, &mut |_| ());
        let damage = executed.expect_err(what).damage().cloned();
        let height = block.header.height;
        assert!(
            matches!(&damage, Some(Damage::Mismatch { what: found, height: at }) if (*found, *at) == (what, height)),
            "{what} at {height}: {damage:?}"
        );
    }
}
