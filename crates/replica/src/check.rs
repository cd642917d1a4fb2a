//! Checks a block that somebody else made: its statements' signatures, then what executing them leads to.
//!
//! Every statement's key must be the one that the state before the block names for it, whether the statement is already in the
//! mempool or not: otherwise the verdict would depend on what a member happened to have seen.

use std::collections::BTreeMap;
use std::sync::Arc;

use kvitto_ledger::execute::{BlockFault, ExecutedBlock, execute, signer_key};
use kvitto_ledger::statement::Kind;
use kvitto_ledger::{
    BlockBody, Checked, Envelope, Header, KeyId, LedgerConfig, LedgerId, PublicKey, ReadState, Rejection,
    StateError,
};

use crate::mempool::Mempool;

/// The keys that the newest state names, looked up once each.
pub(crate) struct Keys<'a, R> {
    state: &'a R,
    found: BTreeMap<(KeyId, Kind), Result<PublicKey, Rejection>>,
}

impl<'a, R: ReadState> Keys<'a, R> {
    pub(crate) fn new(state: &'a R) -> Self {
        Self { state, found: BTreeMap::new() }
    }

    pub(crate) fn key(
        &mut self,
        key_id: &KeyId,
        kind: Kind,
    ) -> Result<Result<PublicKey, Rejection>, StateError> {
        if let Some(found) = self.found.get(&(*key_id, kind)) {
            return Ok(*found);
        }
        let found = signer_key(self.state, key_id, kind)?;
        self.found.insert((*key_id, kind), found);
        Ok(found)
    }

    /// Whether `statement` was checked with the key that the state names for it.
    pub(crate) fn names(&mut self, statement: &Checked) -> Result<bool, StateError> {
        let key = self.key(&statement.key_id(), statement.statement().body.kind())?;
        Ok(key.is_ok_and(|key| key.bytes() == statement.key()))
    }
}

/// The statements of a block while their signatures are being checked.
#[derive(Debug)]
pub(crate) struct Pending {
    /// In order; `None` where the answer is awaited.
    statements: Vec<Option<Checked>>,
}

/// How far a body came without waiting.
#[derive(Debug)]
pub(crate) enum Begun {
    /// It is not this header's body.
    OtherBody,
    /// It makes the block invalid.
    Invalid(BlockFault),
    /// All signatures have been checked before.
    Ready(Vec<Checked>),
    /// These signatures must be checked.
    Asked(Pending, Vec<(Envelope, PublicKey)>),
}

/// Reads a body and finds out which signatures are to be checked.
pub(crate) fn begin<R: ReadState>(
    header: &Header,
    body: &[u8],
    ledger: &LedgerId,
    mempool: &Mempool,
    state: &R,
) -> Result<Begun, StateError> {
    let Ok(body) = BlockBody::decode(body) else { return Ok(Begun::OtherBody) };
    if u32::try_from(body.0.len()).ok() != Some(header.statements) || body.root() != header.statements_root {
        return Ok(Begun::OtherBody);
    }
    let mut keys = Keys::new(state);
    let mut statements = Vec::with_capacity(body.0.len());
    let mut asked = Vec::new();
    for (index, bytes) in (0..).zip(body.0) {
        let invalid = |rejection| Ok(Begun::Invalid(BlockFault::Statement { index, rejection }));
        if let Some(checked) = mempool.by_bytes(&bytes) {
            if !keys.names(checked)? {
                return invalid(Rejection::KeyUnknown);
            }
            statements.push(Some(checked.clone()));
            continue;
        }
        let envelope = match Envelope::decode(bytes, ledger) {
            Ok(envelope) => envelope,
            Err(rejection) => return invalid(rejection),
        };
        match keys.key(&envelope.key_id(), envelope.statement().body.kind())? {
            Ok(key) => asked.push((envelope, key)),
            Err(rejection) => return invalid(rejection),
        }
        statements.push(None);
    }
    let pending = Pending { statements };
    Ok(if asked.is_empty() { Begun::Ready(pending.known()) } else { Begun::Asked(pending, asked) })
}

impl Pending {
    /// Puts the answers in their places.
    ///
    /// # Panics
    /// When there are fewer answers than questions.
    pub(crate) fn complete(
        self,
        answers: Vec<Result<Checked, Rejection>>,
    ) -> Result<Vec<Checked>, BlockFault> {
        let mut answers = answers.into_iter();
        let place = |(index, statement): (u32, Option<Checked>)| {
            let checked =
                statement.map_or_else(|| answers.next().expect("every signature check is answered"), Ok);
            checked.map_err(|rejection| BlockFault::Statement { index, rejection })
        };
        (0..).zip(self.statements).map(place).collect()
    }

    fn known(self) -> Vec<Checked> {
        self.statements.into_iter().flatten().collect()
    }
}

/// Executes the block; it is valid when that leads to exactly this header.
pub(crate) fn finish<R: ReadState>(
    header: &Header,
    statements: &[Checked],
    config: &LedgerConfig,
    state: &R,
) -> Result<Result<Arc<ExecutedBlock>, BlockFault>, StateError> {
    Ok(execute(state, config, header, statements)?.map(Arc::new))
}
