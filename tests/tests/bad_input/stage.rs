//! The organisations that the rows are about, and how they sign: on a real ledger and on a simulated one.

use std::cell::Cell;

use kvitto_ledger::scope::Role;
use kvitto_ledger::statement::envelope::sign;
use kvitto_ledger::statement::{Accredit, Body};
use kvitto_ledger::testing::{Actor, HOUR_MS, YEAR_MS, commitment};
use kvitto_ledger::{LedgerId, Nonce, Statement, TimeMs};
use kvitto_merkle::status::StatusValue::Revoked;

/// A ledger on which [`Stage::setup`] has been executed.
pub(crate) struct Stage {
    pub(crate) ledger_id: LedgerId,
    pub(crate) root: Actor,
    /// From when the root may accredit.
    pub(crate) start: TimeMs,
    /// About the time of the next block.
    pub(crate) now: TimeMs,
    nonce: Cell<u128>,
}

pub(crate) fn tao() -> Actor {
    Actor::new("tao")
}

/// A TAO below the TAO.
pub(crate) fn branch() -> Actor {
    Actor::new("branch")
}

/// Has anchored 1 and 2, and revoked 1.
pub(crate) fn school() -> Actor {
    Actor::new("school")
}

/// Has anchored 3.
pub(crate) fn college() -> Actor {
    Actor::new("college")
}

/// Its accreditation has expired.
pub(crate) fn lapsed() -> Actor {
    Actor::new("lapsed")
}

/// Its accreditation is withdrawn.
pub(crate) fn dismissed() -> Actor {
    Actor::new("dismissed")
}

/// Registered, but not accredited.
pub(crate) fn club() -> Actor {
    Actor::new("club")
}

/// Not registered.
pub(crate) fn stranger() -> Actor {
    Actor::new("stranger")
}

impl Stage {
    pub(crate) fn new(ledger_id: LedgerId, root: Actor, start: TimeMs, now: TimeMs) -> Self {
        Self { ledger_id, root, start, now, nonce: Cell::new(0) }
    }

    /// Statements that make the ledger what the rows expect, in order.
    pub(crate) fn setup(&self) -> Vec<Vec<u8>> {
        let (root, tao) = (&self.root, &tao());
        let onboard = |by: &Actor, subject: &Actor| self.signed(by, by.onboards(subject, &self.ledger_id));
        let mut statements =
            vec![onboard(root, tao), self.signed(root, self.accredits(root, tao, Role::Tao))];
        for (subject, role) in
            [(branch(), Role::Tao), (school(), Role::Ti), (college(), Role::Ti), (dismissed(), Role::Ti)]
        {
            statements.push(onboard(tao, &subject));
            statements.push(self.signed(tao, self.accredits(tao, &subject, role)));
        }
        let short =
            Accredit { valid_until: TimeMs(self.start.0 + 1), ..self.accredits(tao, &lapsed(), Role::Ti) };
        statements.extend([
            onboard(tao, &lapsed()),
            self.signed(tao, short),
            onboard(tao, &club()),
            self.signed(tao, tao.sets_accreditation(&dismissed(), Revoked)),
            self.signed(&school(), school().anchors([commitment(1), commitment(2)])),
            self.signed(&school(), school().sets(Revoked, [commitment(1)])),
            self.signed(&college(), college().anchors([commitment(3)])),
        ]);
        statements
    }

    /// What every node still accepts after the rows.
    pub(crate) fn good(&self) -> Vec<u8> {
        self.signed(&school(), school().anchors([commitment(100)]))
    }

    /// Accredits `subject`, from the beginning on.
    pub(crate) fn accredits(&self, by: &Actor, subject: &Actor, role: Role) -> Accredit {
        let valid_until = TimeMs(self.start.0 + YEAR_MS);
        Accredit { valid_from: self.start, valid_until, ..by.accredits(subject, role) }
    }

    /// A statement around `body`, executable for an hour to come.
    pub(crate) fn statement(&self, body: impl Into<Body>) -> Statement {
        self.nonce.set(self.nonce.get() + 1);
        Statement {
            not_before: TimeMs(self.now.0 - HOUR_MS),
            not_after: TimeMs(self.now.0 + HOUR_MS),
            nonce: Nonce(self.nonce.get().to_be_bytes()),
            body: body.into(),
        }
    }

    pub(crate) fn sign(&self, signer: &Actor, statement: &Statement) -> Vec<u8> {
        sign(statement, signer.did, &signer.key, &self.ledger_id)
    }

    pub(crate) fn signed(&self, signer: &Actor, body: impl Into<Body>) -> Vec<u8> {
        self.sign(signer, &self.statement(body))
    }
}
