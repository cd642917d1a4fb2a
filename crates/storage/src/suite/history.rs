//! Ledgers to store: signed statements, executed by the rules, in blocks of every shape.

use kvitto_ledger::execute::ExecutedBlock;
use kvitto_ledger::scope::Role;
use kvitto_ledger::statement::{Body, Checked, Onboard};
use kvitto_ledger::testing::{Actor, Ledger, commitment};
use kvitto_ledger::{Genesis, Position};
use kvitto_merkle::status::StatusValue;

/// A genesis and the blocks that follow from it, block 0 first.
#[derive(Clone, Debug)]
pub struct History {
    /// The genesis.
    pub genesis: Genesis,
    /// The blocks.
    pub blocks: Vec<ExecutedBlock>,
}

impl History {
    /// A few dozen blocks in which everything happens that changes the state: organisations, accreditations and their ends,
    /// reservations, anchors, duplicates, every status.
    pub fn small() -> Self {
        let mut writer = Writer::new();
        writer.organisations();
        writer.anchors_and_reservations();
        writer.statuses();
        writer.ends();
        writer.history()
    }

    /// A few blocks with thousands of records and positions each.
    pub fn wide() -> Self {
        let mut writer = Writer::new();
        let school = writer.ledger.school.clone();
        for part in 0..3_u64 {
            let commitments = (part * 3_000..part * 3_000 + 2_900).map(|number| commitment(number * 7));
            let items = school.anchors(commitments);
            let reserve = school.reserves(1_500);
            writer.block([(&school, items.into()), (&school, reserve.into())]);
        }
        let revoked = (0..3_000).step_by(5).map(|number| commitment(number * 7));
        let revoke = school.sets(StatusValue::Revoked, revoked.take(500));
        writer.block([(&school, revoke.into())]);
        writer.history()
    }

    /// Some hundred blocks of one or two commitments, with a larger one now and then.
    pub fn long() -> Self {
        let mut writer = Writer::new();
        let school = writer.ledger.school.clone();
        for number in 0..330_u64 {
            let items = if number % 60 == 59 { 700 } else { 1 + number % 2 };
            let commitments = (0..items).map(|item| commitment(number << 16 | item));
            let anchor = school.anchors(commitments);
            writer.block([(&school, anchor.into())]);
        }
        writer.history()
    }

    /// Another ledger, with block 0 only.
    pub fn other() -> Self {
        let ledger = Ledger::new(2);
        Self { genesis: ledger.world.genesis, blocks: ledger.state.blocks }
    }

    /// The newest block.
    pub fn newest(&self) -> &ExecutedBlock {
        self.blocks.last().expect("there is block 0")
    }
}

struct Writer {
    ledger: Ledger,
    university: Actor,
}

impl Writer {
    fn new() -> Self {
        Self { ledger: Ledger::with_school(1), university: Actor::new("university") }
    }

    fn history(self) -> History {
        History { genesis: self.ledger.world.genesis, blocks: self.ledger.state.blocks }
    }

    /// Commits a block of these statements, all of which must execute.
    fn block<const N: usize>(&mut self, statements: [(&Actor, Body); N]) {
        let statements: Vec<Checked> =
            statements.into_iter().map(|(signer, body)| self.ledger.sign(signer, body)).collect();
        let built = self.ledger.build(statements);
        assert_eq!(built.refused, [], "every statement of the history executes");
        self.ledger.commit(&built);
    }

    fn organisations(&mut self) {
        let (tao, university) = (self.ledger.tao.clone(), self.university.clone());
        let onboard = tao.onboards(&university, &self.ledger.world.ledger_id);
        let longer = tao.accredits(&university, Role::Ti);
        let mut shorter = longer.clone();
        shorter.valid_until.0 -= 1_000;
        let corrected = Onboard { legal_name: "The Renamed University".into(), ..onboard.clone() };
        self.block([(&tao, onboard.into()), (&tao, shorter.into())]);
        self.block([(&tao, corrected.into())]);
        self.block([(&tao, longer.into())]);
        // A document with so many keys that it needs several rows.
        let keys = (0..30).map(|number| university.with_key(&format!("key {number}")).method());
        let put = university.puts(std::iter::once(university.method()).chain(keys));
        self.block([(&university, put.into())]);
        self.block([]);
    }

    fn anchors_and_reservations(&mut self) {
        let (school, university) = (self.ledger.school.clone(), self.university.clone());
        // Both anchor the same commitments; each has its own.
        let [one, two] = [&school, &university].map(|issuer| issuer.anchors((0..40).map(commitment)));
        self.block([(&school, one.into()), (&university, two.into())]);
        // Some of these are duplicates.
        let overlapping = school.anchors((30..60).map(commitment));
        self.block([(&school, overlapping.into())]);
        let first = self.ledger.state.blocks.last().expect("there is block 0").tip.positions;
        self.block([(&school, school.reserves(1_100).into()), (&university, university.reserves(3).into())]);
        self.block([(&school, school.anchors_at(commitment(1_000), Position(first + 1_050)).into())]);
        self.block([
            (&school, school.anchors_at(commitment(1_001), Position(first)).into()),
            (&university, university.anchors_at(commitment(1_001), Position(first + 1_101)).into()),
        ]);
        self.block([(&university, university.anchors([commitment(2_000)]).into())]);
    }

    fn statuses(&mut self) {
        let school = self.ledger.school.clone();
        let set = |status, commitments: &[u64]| -> Body {
            school.sets(status, commitments.iter().copied().map(commitment)).into()
        };
        self.block([(&school, set(StatusValue::Suspended, &[1, 2, 3]))]);
        self.block([
            (&school, set(StatusValue::Valid, &[1])),
            (&school, set(StatusValue::Revoked, &[2, 1_000])),
        ]);
        self.block([(&school, school.supersedes(commitment(4), commitment(5)).into())]);
        self.block([(&school, set(StatusValue::Revoked, &[3, 4]))]);
    }

    fn ends(&mut self) {
        let (tao, university) = (self.ledger.tao.clone(), self.university.clone());
        for status in [StatusValue::Suspended, StatusValue::Valid, StatusValue::Revoked] {
            let set = tao.sets_accreditation(&university, status);
            self.block([(&tao, set.into())]);
        }
        self.block([(&university, university.deactivates(&university).into())]);
    }
}
