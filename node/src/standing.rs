//! Whether a member signs from its start on: what its guard and its operator say, against what its store holds (RULES 2.3, 4.2).

use anyhow::{Result, bail, ensure};
use clap::Args;
use kvitto_ledger::Height;
use kvitto_replica::Standing;
use kvitto_replica::signer::Guard;

/// In a ledger of more members the others decide without one.
const NEEDS_EVERY_MEMBER_MAX: usize = 3;

/// What the operator vouches for where the guard is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
pub struct Vouched {
    /// Sign although the guard is lost: only when no other copy of this member runs or will ever run again. Enough by itself in a
    /// ledger of up to three members, which cannot decide without this one.
    #[arg(long)]
    pub i_lost_my_guard: bool,
    /// With --i-lost-my-guard, for more than three members: so many have lost their guards at once that the others cannot decide.
    /// Danger: a member that has forgotten its votes can vote again, for another block. If more than a third do, two different
    /// blocks can become final, and nothing repairs that. Vouch only when the operators of all members have compared their newest
    /// blocks, nodes that have the highest one run, and the others have caught up with it.
    #[arg(long, requires = "i_lost_my_guard")]
    pub the_others_cannot_decide: bool,
}

/// What a member finds when it starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Findings<'a> {
    /// Number of members of the ledger.
    pub(crate) members: usize,
    /// What this one has signed; `None` where the guard is lost.
    pub(crate) guard: Option<&'a Guard>,
    /// The highest block that databases had which were set aside.
    pub(crate) set_aside: Option<Height>,
    /// The newest block in the store.
    pub(crate) stored: Height,
}

impl Findings<'_> {
    /// How the member stands.
    ///
    /// # Errors
    /// When nobody has the blocks that are lost here, or the operator vouches for too little.
    pub(crate) fn standing(&self, vouched: Vouched) -> Result<Standing> {
        let alone = self.members == 1;
        if let Some(acknowledged) = self.acknowledged().filter(|block| alone && *block > self.stored) {
            bail!(
                "block {acknowledged} had been acknowledged, but the store ends with block {}, and no other member has what is \
                 missing: put the data folder back as it was, or, where a damaged store was set aside, run kvitto-node salvage",
                self.stored
            );
        }
        if self.guard.is_none() && !vouched.i_lost_my_guard {
            return Ok(Standing::Observing);
        }
        ensure!(
            self.guard.is_some()
                || self.members <= NEEDS_EVERY_MEMBER_MAX
                || vouched.the_others_cannot_decide,
            "with more than three members the others decide without this one: start it without --i-lost-my-guard. Only where \
             they cannot, because too many guards were lost at once, add --the-others-cannot-decide; read --help first"
        );
        // Alone there is nobody else whose block it could contradict.
        let missing = self.missing().filter(|_| !alone);
        Ok(missing.map_or(Standing::Signing, Standing::CatchingUp))
    }

    /// The newest block that the member is known to have had.
    fn acknowledged(&self) -> Option<Height> {
        self.guard.and_then(Guard::committed).max(self.set_aside)
    }

    /// The block up to which the member must follow first, where it has lost any.
    fn missing(&self) -> Option<Height> {
        let acknowledged = self.acknowledged()?;
        let has_lost = acknowledged > self.stored || self.set_aside == Some(acknowledged);
        // Its lock on the block after them, if it had one, went with them.
        let locked = self.guard.and_then(Guard::precommitted).unwrap_or_default();
        Some(acknowledged.max(locked)).filter(|missing| has_lost && *missing > self.stored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Standing::{CatchingUp, Observing, Signing};
    use kvitto_ledger::Signature;
    use kvitto_merkle::Hash;
    use kvitto_replica::signer::{Head, Point, SignRequest, Step, Subject};

    const NOTHING: Vouched = Vouched { i_lost_my_guard: false, the_others_cannot_decide: false };
    const GUARD: Vouched = Vouched { i_lost_my_guard: true, the_others_cannot_decide: false };
    const BOTH: Vouched = Vouched { i_lost_my_guard: true, the_others_cannot_decide: true };

    /// The guard of a member that has cosigned one block, and perhaps precommitted another.
    fn guard(cosigned: u64, precommitted: Option<u64>) -> Guard {
        let mut guard = Guard::default();
        let head = Head { height: Height(cosigned), size: 10 * cosigned, root: Hash([0; 32]) };
        let precommit = precommitted.map(|height| Subject::Consensus {
            point: Point { height: Height(height), round: 0, step: Step::Precommit },
            names_block: true,
        });
        for subject in [Subject::Cosignature(head)].into_iter().chain(precommit) {
            guard.record(&SignRequest { subject, message: Vec::new() }, Signature([0; 64]));
        }
        guard
    }

    #[test]
    fn a_member_signs_when_guard_store_and_operator_allow_it() {
        let quiet = || Some(guard(9, Some(9)));
        let deciding = || Some(guard(9, Some(10)));
        let new = || Some(Guard::default());
        for (case, members, guard, set_aside, stored, vouched, expected) in [
            ("a new member", 4, new(), None, 0, NOTHING, Some(Signing)),
            ("nothing lost", 4, quiet(), None, 9, NOTHING, Some(Signing)),
            ("stopped while deciding", 4, deciding(), None, 9, NOTHING, Some(Signing)),
            ("stopped before it cosigned", 4, quiet(), None, 10, NOTHING, Some(Signing)),
            ("damaged", 4, quiet(), Some(9), 0, NOTHING, Some(CatchingUp(Height(9)))),
            ("damaged, HEAD too", 4, quiet(), None, 0, NOTHING, Some(CatchingUp(Height(9)))),
            ("damaged, half way", 4, quiet(), Some(9), 5, NOTHING, Some(CatchingUp(Height(9)))),
            ("damaged, caught up", 4, quiet(), Some(9), 9, NOTHING, Some(Signing)),
            ("damaged long ago", 4, deciding(), Some(3), 9, NOTHING, Some(Signing)),
            ("damaged while deciding", 4, deciding(), Some(9), 0, NOTHING, Some(CatchingUp(Height(10)))),
            ("the same, half way", 4, deciding(), Some(9), 9, NOTHING, Some(CatchingUp(Height(10)))),
            ("the same, caught up", 4, deciding(), Some(9), 10, NOTHING, Some(Signing)),
            ("a new member's set aside", 4, new(), Some(0), 0, NOTHING, Some(Signing)),
            ("no guard", 4, None, None, 9, NOTHING, Some(Observing)),
            ("no guard, damaged", 4, None, Some(9), 0, NOTHING, Some(Observing)),
            ("no guard, of four, vouched", 4, None, None, 9, GUARD, None),
            ("no guard, of four, vouched twice", 4, None, None, 9, BOTH, Some(Signing)),
            ("no guard, of four, damaged", 4, None, Some(9), 0, BOTH, Some(CatchingUp(Height(9)))),
            ("no guard, of three, vouched", 3, None, None, 9, GUARD, Some(Signing)),
            ("vouched in vain", 4, quiet(), None, 9, GUARD, Some(Signing)),
            ("alone", 1, deciding(), None, 9, NOTHING, Some(Signing)),
            ("alone, damaged", 1, quiet(), Some(9), 0, NOTHING, None),
            ("alone, data gone", 1, quiet(), None, 0, NOTHING, None),
            ("alone, data and guard gone", 1, None, None, 0, NOTHING, Some(Observing)),
            ("alone, no guard, damaged", 1, None, Some(9), 0, GUARD, None),
            ("alone, salvaged", 1, deciding(), Some(9), 9, NOTHING, Some(Signing)),
        ] {
            let findings = Findings {
                members,
                guard: guard.as_ref(),
                set_aside: set_aside.map(Height),
                stored: Height(stored),
            };
            assert_eq!(findings.standing(vouched).ok(), expected, "{case}");
        }
    }
}
