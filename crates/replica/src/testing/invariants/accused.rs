//! No false evidence: nobody has proof against a member that keeps to the rules.

use super::{Invariant, Scene, Seen, ensure};
use crate::evidence::Evidence;

#[derive(Debug)]
pub(super) struct Accused;

impl Invariant for Accused {
    fn name(&self) -> &'static str {
        "no false evidence"
    }

    fn see(&mut self, seen: &Seen<'_>, scene: &Scene<'_>) -> Result<(), String> {
        let Seen::Accused { evidence } = seen else { return Ok(()) };
        let (Evidence::Messages { member, .. } | Evidence::Heads { member, .. }) = evidence;
        ensure(scene.liars.contains(member), || {
            format!("there is evidence against honest member {member}: {evidence:?}")
        })
    }
}
