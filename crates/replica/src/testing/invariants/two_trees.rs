//! No honest cosignature of two trees, nor of an older one after a precommit for the next block (RULES 3.2).

use std::collections::{BTreeMap, BTreeSet};

use kvitto_ledger::Height;
use kvitto_merkle::Hash;

use super::{Invariant, Scene, Seen, ensure};
use crate::signer::Step;

#[derive(Debug, Default)]
pub(super) struct TwoTrees {
    roots: BTreeMap<(usize, u64), Hash>,
    largest: BTreeMap<usize, u64>,
    cosigned: BTreeSet<(usize, u64, u64)>,
    precommitted: BTreeMap<usize, Height>,
}

impl Invariant for TwoTrees {
    fn name(&self) -> &'static str {
        "no honest cosignature of two trees"
    }

    fn see(&mut self, seen: &Seen<'_>, scene: &Scene<'_>) -> Result<(), String> {
        match seen {
            Seen::Signed { member, point, names_block: true, .. } if point.step == Step::Precommit => {
                let precommitted = self.precommitted.entry(*member).or_default();
                *precommitted = point.height.max(*precommitted);
                Ok(())
            }
            Seen::Cosigned { member, message } if !scene.liars.contains(member) => {
                let root = *self.roots.entry((*member, message.size)).or_insert(message.root);
                ensure(root == message.root, || {
                    format!("member {member} cosigns two roots of size {}", message.size)
                })?;
                // The same cosignature may be sent again.
                if !self.cosigned.insert((*member, message.size, message.timestamp_s)) {
                    return Ok(());
                }
                let largest = self.largest.entry(*member).or_default();
                let before = std::mem::replace(largest, message.size.max(*largest));
                ensure(message.size >= before, || {
                    format!("member {member} cosigns size {} after {before}", message.size)
                })?;
                let precommitted = self.precommitted.get(member).copied().unwrap_or_default();
                ensure(message.height >= precommitted, || {
                    format!(
                        "member {member} cosigns {} anew after a precommit for {precommitted}",
                        message.height
                    )
                })
            }
            _ => Ok(()),
        }
    }
}
