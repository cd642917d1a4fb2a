//! Final stays final: what anybody was told is final is executed there, at that height, on every node that is so far, for ever.

use super::{Invariant, Scene, Seen, ensure};

#[derive(Debug)]
pub(super) struct FinalStays;

impl Invariant for FinalStays {
    fn name(&self) -> &'static str {
        "final stays final"
    }

    fn see(&mut self, seen: &Seen<'_>, scene: &Scene<'_>) -> Result<(), String> {
        match seen {
            Seen::Final { member, height, statements } if !scene.liars.contains(member) => {
                for id in *statements {
                    let executed = scene.nodes[*member].state.changes.outcomes.get(id);
                    let executed =
                        executed.ok_or_else(|| format!("{id} is final and was not executed"))?.height;
                    let first = scene.finals.get(id).copied().unwrap_or(executed);
                    ensure(executed <= *height && executed == first, || {
                        format!(
                            "member {member}: {id} is final at {height}, executed at {executed}, before at {first}"
                        )
                    })?;
                }
                Ok(())
            }
            Seen::Committed { member, block, .. } => {
                let state = &scene.nodes[*member].state;
                for (id, height) in scene.finals {
                    let executed = state.changes.outcomes.get(id).map(|outcome| outcome.height);
                    let must = block.header.height >= *height;
                    ensure(executed == must.then_some(*height), || {
                        format!(
                            "{id} was final at {height}; member {member}, at {}, has it at {executed:?}",
                            block.header.height
                        )
                    })?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
