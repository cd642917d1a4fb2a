//! What a statement does to the state: the ordered part of the rules. The rejections with codes from 200 on, in their order.
//!
//! Everything is judged at the block's place and time. A statement that is rejected leaves no trace in the [`View`].

mod accreditations;
mod authority;
mod chain;
mod credentials;
mod identifiers;
mod view;

pub(crate) use view::{Effects, View};

use crate::did::KeyId;
use crate::form::ensure;
use crate::genesis::LedgerConfig;
use crate::ids::{Height, KeyBytes, TimeMs};
use crate::rejection::Rejection;
use crate::state::{Identifier, Outcome, ReadState, StateError};
use crate::statement::{Body, Checked, Kind};

/// Why a statement was not applied.
#[derive(Debug)]
pub(crate) enum Refused {
    /// By the rules.
    Rejected(Rejection),
    /// The state could not be read.
    State(StateError),
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<StateError> for Refused {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

/// The block in which a statement is applied.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) config: &'a LedgerConfig,
    pub(crate) height: Height,
    pub(crate) time: TimeMs,
    /// The statement's place in the block, from 0.
    pub(crate) index: u32,
}

/// Applies `statement` to `view`, whose pending effects are then the statement's; on an error they are to be discarded.
pub(crate) fn apply<S: ReadState>(
    view: &mut View<S>,
    context: Context,
    statement: &Checked,
) -> Result<(), Refused> {
    let content = statement.statement();
    let signer = view.identifier(&statement.signer())?;
    let key = ledger_key(signer.as_deref(), &statement.key_id(), content.body.kind())?;
    ensure(key == statement.key(), Rejection::KeyUnknown)?;
    let signer = signer.expect("a key was found in it");

    ensure(content.not_before <= context.time, Rejection::StatementNotYet)?;
    ensure(context.time <= content.not_after, Rejection::StatementExpired)?;
    ensure(view.outcome(&statement.id())?.is_none(), Rejection::StatementExecuted)?;

    view.begin(statement.id(), context.time);
    let first_leaf = view.next_leaf();
    let exceptions = match &content.body {
        Body::Onboard(body) => identifiers::onboard(view, context, &signer, body)?,
        Body::PutIdentifier(body) => identifiers::put(view, &signer, body)?,
        Body::DeactivateIdentifier(body) => identifiers::deactivate(view, context, &signer, body)?,
        Body::Accredit(body) => accreditations::accredit(view, context, &signer, body)?,
        Body::SetAccreditationStatus(body) => accreditations::set_status(view, context, &signer, body)?,
        Body::Reserve(body) => credentials::reserve(view, context, &signer, body)?,
        Body::Anchor(body) => credentials::anchor(view, context, &signer, body)?,
        Body::SetStatus(body) => credentials::set_status(view, context, &signer, body)?,
    };
    let leaves =
        u32::try_from(view.next_leaf().0 - first_leaf.0).expect("a statement has at most 4,096 records");
    view.put_outcome(
        statement.id(),
        Outcome {
            height: context.height,
            time: context.time,
            index: context.index,
            first_leaf,
            leaves,
            exceptions,
        },
    );
    Ok(())
}

/// The key that `key_id` names, where its organisation may sign statements of this `kind` with it (RULES 5.2).
pub(crate) fn ledger_key(
    signer: Option<&Identifier>,
    key_id: &KeyId,
    kind: Kind,
) -> Result<KeyBytes, Rejection> {
    let signer = signer.ok_or(Rejection::SignerUnknown)?;
    ensure(!signer.deactivated, Rejection::SignerDeactivated)?;
    let (key, relationships) = signer.ledger_key(&key_id.thumbprint).ok_or(Rejection::KeyUnknown)?;
    ensure(relationships.contains(kind.relationship()), Rejection::KeyRelationship)?;
    Ok(key)
}
