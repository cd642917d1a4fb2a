//! No honest double vote: an honest member says one thing at one height, round and step, across restarts (RULES 2.3).

use std::collections::BTreeMap;

use super::{Invariant, Scene, Seen, ensure};
use crate::signer::Point;

#[derive(Debug, Default)]
pub(super) struct DoubleVote {
    said: BTreeMap<(usize, Point), Vec<u8>>,
}

impl Invariant for DoubleVote {
    fn name(&self) -> &'static str {
        "no honest double vote"
    }

    fn see(&mut self, seen: &Seen<'_>, scene: &Scene<'_>) -> Result<(), String> {
        let Seen::Signed { member, point, bytes, .. } = seen else { return Ok(()) };
        if scene.liars.contains(member) {
            return Ok(());
        }
        let said = self.said.entry((*member, *point)).or_insert_with(|| bytes.to_vec());
        ensure(said == bytes, || format!("member {member} says two things at {point:?}"))
    }
}
