//! The organisations that the rows are about, and how they sign: on a real ledger and on a simulated one.

use std::cell::Cell;

use kvitto_ledger::codec::encode;
use kvitto_ledger::document::{Relationships, VerificationMethod};
use kvitto_ledger::scope::Role;
use kvitto_ledger::statement::envelope::sign;
use kvitto_ledger::statement::{Accredit, Body, Reason, SetAccreditationStatus};
use kvitto_ledger::testing::{Actor, DAY_MS, HOUR_MS, YEAR_MS, commitment};
use kvitto_ledger::{LedgerId, Nonce, Position, Statement, TimeMs};
use kvitto_merkle::status::StatusValue::{Revoked, Suspended};

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

macro_rules! actors {
    ($($(#[$meta:meta])* $name:ident),* $(,)?) => {$(
        $(#[$meta])*
        pub(crate) fn $name() -> Actor {
            Actor::new(stringify!($name))
        }
    )*};
}

actors! {
    tao,
    /// A TAO below the TAO.
    branch,
    /// A TAO below the branch; [`deeper_2`] stands below it, and so on.
    deeper_1,
    deeper_2,
    deeper_3,
    deeper_4,
    /// A TAO with as many links above it as there may be.
    deepest,
    /// Has anchored 1 (revoked), 2, 4 (suspended), 5 (superseded by 2), and 6 at the first of three reserved places.
    school,
    /// Has anchored 3.
    college,
    /// Its accreditation has expired.
    lapsed,
    /// Its accreditation is yet to begin.
    early,
    /// Its accreditation is withdrawn.
    dismissed,
    /// Its accreditation is suspended.
    paused,
    /// Accredited by the branch, and suspended by the TAO.
    pupil,
    /// Has anchored 10; its accreditation is suspended because its key was in wrong hands.
    leaky,
    /// Registered, but not accredited.
    club,
    /// Registered, and deactivated.
    gone,
    /// Not registered.
    stranger,
}

/// The first place that the school has reserved; it has used it.
pub(crate) const RESERVED: Position = Position(14);

/// Keys that nobody may register: of small order in every spelling, not canonical, and no points.
pub(crate) const BAD_KEYS: [(&str, &str); 16] = [
    ("of order 8", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    ("of order 4", "0000000000000000000000000000000000000000000000000000000000000000"),
    (
        "that is the neutral element, not canonical",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ),
    ("that is no point", "0200000000000000000000000000000000000000000000000000000000000000"),
    ("of order 8, with the other sign", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"),
    ("of order 8, the other one", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    (
        "of order 8, the other one with the other sign",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    ),
    ("of order 4, with the other sign", "0000000000000000000000000000000000000000000000000000000000000080"),
    ("of order 2", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    (
        "of order 2, with a sign that 0 has not",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ),
    ("that is the neutral element", "0100000000000000000000000000000000000000000000000000000000000000"),
    (
        "that is the neutral element, with a sign that 0 has not",
        "0100000000000000000000000000000000000000000000000000000000000080",
    ),
    (
        "that is the neutral element, not canonical, with a sign",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ),
    ("of order 4, not canonical", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    (
        "of order 4, not canonical, with a sign",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ),
    ("of large order, not canonical", "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
];

/// S + L: the same point, so a lenient check accepts it as a second signature.
pub(crate) fn malleate(signature: &mut [u8]) {
    /// The order of the base point, little-endian.
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (byte, add) in signature[32..].iter_mut().zip(L) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    assert_eq!(carry, 0);
}

/// The head of a CBOR item: major type and length, in the shortest form (RFC 8949, 3).
pub(crate) fn head(major: u8, len: usize) -> Vec<u8> {
    let major = major << 5;
    match len {
        0..24 => vec![major | len as u8],
        24..256 => vec![major | 24, len as u8],
        256..65_536 => [&[major | 25][..], &(len as u16).to_be_bytes()].concat(),
        _ => [&[major | 26][..], &(len as u32).to_be_bytes()].concat(),
    }
}

pub(crate) fn byte_string(bytes: &[u8]) -> Vec<u8> {
    [&head(2, bytes.len())[..], bytes].concat()
}

/// The encoded parts of a statement, each to be replaced.
pub(crate) struct Parts {
    pub(crate) head: Vec<u8>,
    pub(crate) protected: Vec<u8>,
    pub(crate) unprotected: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    /// The protected header before it became a byte string.
    pub(crate) header: Vec<u8>,
    /// The payload before it became a byte string.
    pub(crate) content: Vec<u8>,
}

impl Parts {
    /// Those of a good statement.
    pub(crate) fn good(stage: &Stage) -> Self {
        let statement = stage.statement(school().reserves(1));
        let bytes = stage.sign(&school(), &statement);
        let content = encode(&statement);
        let kid = school().key_id().to_string();
        let header = [&[0xa2, 0x01, 0x27, 0x04][..], &byte_string(kid.as_bytes())].concat();
        let parts = Self {
            head: vec![0xd2, 0x84],
            protected: byte_string(&header),
            unprotected: vec![0xa0],
            payload: byte_string(&content),
            signature: byte_string(&bytes[bytes.len() - 64..]),
            header,
            content,
        };
        assert_eq!(parts.bytes(), bytes);
        parts
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        [&self.head[..], &self.protected, &self.unprotected, &self.payload, &self.signature].concat()
    }
}

impl Stage {
    pub(crate) fn new(ledger_id: LedgerId, root: Actor, start: TimeMs, now: TimeMs) -> Self {
        Self { ledger_id, root, start, now, nonce: Cell::new(0) }
    }

    /// Statements that make the ledger what the rows expect, in order.
    pub(crate) fn setup(&self) -> Vec<Vec<u8>> {
        [self.organisations(), self.credentials(), self.ends()].concat()
    }

    /// Registers who is registered, and accredits who is accredited: a root and 13 others, so [`RESERVED`] comes next.
    fn organisations(&self) -> Vec<Vec<u8>> {
        let root = self.root.clone();
        let mut statements = Vec::new();
        let mut accredited = |by: &Actor, body: Accredit, subject: &Actor| {
            statements.push(self.signed(by, by.onboards(subject, &self.ledger_id)));
            statements.push(self.signed(by, body));
        };
        for (by, subject, role) in [
            (root, tao(), Role::Tao),
            (tao(), branch(), Role::Tao),
            (branch(), deeper_1(), Role::Tao),
            (deeper_1(), deeper_2(), Role::Tao),
            (deeper_2(), deeper_3(), Role::Tao),
            (deeper_3(), deeper_4(), Role::Tao),
            (deeper_4(), deepest(), Role::Tao),
            (tao(), school(), Role::Ti),
            (tao(), college(), Role::Ti),
            (tao(), dismissed(), Role::Ti),
            (tao(), paused(), Role::Ti),
            (branch(), pupil(), Role::Ti),
            (tao(), leaky(), Role::Ti),
        ] {
            accredited(&by, self.accredits(&by, &subject, role), &subject);
        }
        statements
    }

    fn credentials(&self) -> Vec<Vec<u8>> {
        let key = |name: &str, relationships| VerificationMethod {
            relationships,
            ..VerificationMethod::ledger_key(school().with_key(name).key.public().bytes())
        };
        let keys = [
            key("school's assertion key", Relationships::ASSERTION_METHOD),
            key("school's invocation key", Relationships::CAPABILITY_INVOCATION),
            key("school's authentication key", Relationships::AUTHENTICATION),
        ];
        let with_old_key = [school().method(), school().with_key("school's old key").method()];
        let school_does = |body: Body| self.signed(&school(), body);
        vec![
            school_does(school().reserves(3).into()),
            school_does(
                school().anchors([commitment(1), commitment(2), commitment(4), commitment(5)]).into(),
            ),
            school_does(school().anchors_at(commitment(6), RESERVED).into()),
            school_does(school().sets(Revoked, [commitment(1)]).into()),
            school_does(school().sets(Suspended, [commitment(4)]).into()),
            school_does(school().supersedes(commitment(5), commitment(2)).into()),
            school_does(school().puts(with_old_key).into()),
            school_does(school().puts([school().method()].into_iter().chain(keys)).into()),
            self.signed(&college(), college().anchors([commitment(3)])),
            self.signed(&leaky(), leaky().anchors([commitment(10)])),
        ]
    }

    fn ends(&self) -> Vec<Vec<u8>> {
        let tao_does = |body: Body| self.signed(&tao(), body);
        let onboard = |subject: &Actor| tao_does(tao().onboards(subject, &self.ledger_id).into());
        let short =
            Accredit { valid_until: TimeMs(self.start.0 + 1), ..self.accredits(&tao(), &lapsed(), Role::Ti) };
        let late = Accredit {
            valid_from: TimeMs(self.now.0 + DAY_MS),
            ..self.accredits(&tao(), &early(), Role::Ti)
        };
        let compromised = SetAccreditationStatus {
            reason: Reason::KeyCompromise,
            ..tao().sets_accreditation(&leaky(), Suspended)
        };
        vec![
            onboard(&lapsed()),
            tao_does(short.into()),
            onboard(&early()),
            tao_does(late.into()),
            onboard(&club()),
            onboard(&gone()),
            tao_does(tao().deactivates(&gone()).into()),
            tao_does(tao().sets_accreditation(&dismissed(), Revoked).into()),
            tao_does(tao().sets_accreditation(&paused(), Suspended).into()),
            tao_does(tao().sets_accreditation(&pupil(), Suspended).into()),
            tao_does(compromised.into()),
        ]
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
