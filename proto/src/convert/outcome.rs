//! What became of statements.

use bytes::Bytes;
use kvitto_ledger::state::{ItemException, ItemOutcome, Outcome};
use kvitto_ledger::{Height, LeafIndex, Position, Rejection, StatementId, TimeMs};

use super::{ConvertError, present};
use crate::v1::{self, StatementState, item_exception::Cause};

/// A refusal as it travels: a client may be older than the list of reasons, so it keeps the words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Stable number.
    pub code: u32,
    /// Stable name.
    pub reason: String,
    /// One sentence for a person.
    pub message: String,
    /// Whether the verdict can no longer change.
    pub is_final: bool,
}

/// How far a statement is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// In a mempool.
    Accepted,
    /// Recorded, for ever.
    Final(Outcome),
    /// Refused.
    Rejected {
        /// Why.
        refusal: Refusal,
        /// With the rejection `NOTHING_NEW`: where its commitments had been anchored before, in the order of its items.
        existing: Vec<Position>,
    },
    /// It never will be recorded.
    Expired(Refusal),
}

/// What became of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementResult {
    /// Which one; `None` where the bytes were no statement.
    pub id: Option<StatementId>,
    /// How far it is.
    pub progress: Progress,
}

impl Refusal {
    /// A refusal by the rules.
    pub fn new(rejection: Rejection, is_final: bool) -> Self {
        Self {
            code: rejection.code().into(),
            reason: rejection.reason().to_owned(),
            message: rejection.text().to_owned(),
            is_final,
        }
    }
}

impl From<Refusal> for v1::Rejection {
    fn from(refusal: Refusal) -> Self {
        Self {
            code: refusal.code,
            reason: refusal.reason,
            message: refusal.message,
            r#final: refusal.is_final,
        }
    }
}

impl From<v1::Rejection> for Refusal {
    fn from(rejection: v1::Rejection) -> Self {
        Self {
            code: rejection.code,
            reason: rejection.reason,
            message: rejection.message,
            is_final: rejection.r#final,
        }
    }
}

impl From<&Outcome> for v1::Outcome {
    fn from(outcome: &Outcome) -> Self {
        Self {
            height: outcome.height.0,
            time_ms: outcome.time.0,
            index: outcome.index,
            first_leaf: outcome.first_leaf.0,
            leaves: outcome.leaves,
            exceptions: outcome.exceptions.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<v1::Outcome> for Outcome {
    type Error = ConvertError;

    fn try_from(outcome: v1::Outcome) -> Result<Self, ConvertError> {
        let exceptions: Vec<ItemException> =
            outcome.exceptions.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?;
        if !exceptions.is_sorted_by(|a, b| a.item < b.item) {
            return Err(ConvertError::Unknown("exceptions"));
        }
        Ok(Self {
            height: Height(outcome.height),
            time: TimeMs(outcome.time_ms),
            index: outcome.index,
            first_leaf: LeafIndex(outcome.first_leaf),
            leaves: outcome.leaves,
            exceptions,
        })
    }
}

impl From<&ItemException> for v1::ItemException {
    fn from(exception: &ItemException) -> Self {
        let cause = match exception.outcome {
            ItemOutcome::Recorded { .. } => None,
            ItemOutcome::Duplicate { position } => Some(Cause::DuplicatePosition(position.0)),
            // An executed statement's items are judged for ever.
            ItemOutcome::Skipped(rejection) => Some(Cause::Skipped(Refusal::new(rejection, true).into())),
        };
        Self { item: exception.item, cause }
    }
}

impl TryFrom<v1::ItemException> for ItemException {
    type Error = ConvertError;

    fn try_from(exception: v1::ItemException) -> Result<Self, ConvertError> {
        let outcome = match present("cause", exception.cause)? {
            Cause::DuplicatePosition(position) => ItemOutcome::Duplicate { position: Position(position) },
            Cause::Skipped(rejection) => {
                let code = u16::try_from(rejection.code).ok().and_then(Rejection::from_code);
                ItemOutcome::Skipped(present("skipped.code", code)?)
            }
        };
        Ok(Self { item: exception.item, outcome })
    }
}

impl From<StatementResult> for v1::StatementResult {
    fn from(result: StatementResult) -> Self {
        let mut wire = Self {
            statement_id: result.id.map(|id| Bytes::copy_from_slice(&id.0)).unwrap_or_default(),
            ..Self::default()
        };
        match result.progress {
            Progress::Accepted => wire.set_state(StatementState::Accepted),
            Progress::Final(outcome) => {
                wire.set_state(StatementState::Final);
                wire.outcome = Some((&outcome).into());
            }
            Progress::Rejected { refusal, existing } => {
                wire.set_state(StatementState::Rejected);
                wire.rejection = Some(refusal.into());
                wire.existing_positions = existing.into_iter().map(|position| position.0).collect();
            }
            Progress::Expired(refusal) => {
                wire.set_state(StatementState::Expired);
                wire.rejection = Some(refusal.into());
            }
        }
        wire
    }
}

impl TryFrom<Option<v1::StatementResult>> for StatementResult {
    type Error = ConvertError;

    fn try_from(result: Option<v1::StatementResult>) -> Result<Self, ConvertError> {
        let result = present("result", result)?;
        let id = match result.statement_id.is_empty() {
            true => None,
            false => Some(super::statement_id(&result.statement_id)?),
        };
        let rejection = |rejection: Option<v1::Rejection>| present("rejection", rejection).map(Refusal::from);
        let progress = match result.state() {
            StatementState::Unspecified => return Err(ConvertError::Unknown("state")),
            StatementState::Accepted => Progress::Accepted,
            StatementState::Final => Progress::Final(present("outcome", result.outcome)?.try_into()?),
            StatementState::Rejected => Progress::Rejected {
                refusal: rejection(result.rejection)?,
                existing: result.existing_positions.into_iter().map(Position).collect(),
            },
            StatementState::Expired => Progress::Expired(rejection(result.rejection)?),
        };
        Ok(Self { id, progress })
    }
}
