//! Asking what has become of credentials; every answer is a receipt that was verified.
//!
//! A credential is named by issuer and commitment, or by position. The commitment's opening is added by the caller, afterwards, on
//! this machine: no call here takes one.

mod batch;
mod watch;

use kvitto_ledger::commitment::Opening;
use kvitto_ledger::{Height, Position, TimeMs};
use kvitto_proto::convert::{CredentialName, CredentialStatus, Moment};
use kvitto_proto::v1;
use kvitto_verifier::receipt::ReceiptOpening;
use kvitto_verifier::verdict::Status;
use kvitto_verifier::{Question, Receipt, Refusal, Verdict, verify};

pub(crate) use batch::SharedParts;
pub use watch::StatusWatch;

use crate::client::Client;
use crate::error::{BadAnswer, ClientError, LocalError, Unavailable};
use crate::newest::Checked;
use crate::pool::{Node, Reply};
use crate::unproved::Unproved;

/// A receipt with what it proves, the credential aside: the quorum, every proof and the freshness were checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenReceipt {
    /// The receipt, without an opening.
    pub receipt: Receipt,
    /// What it proves at the time of the call. Its concerns name at least that no credential was given.
    pub verdict: Verdict,
}

impl ProvenReceipt {
    /// The credential's place in the status tree.
    pub fn position(&self) -> Position {
        self.verdict.anchored.position
    }

    /// The status at the moment that was asked about.
    pub fn status(&self) -> Status {
        self.verdict.as_of.as_ref().map_or(self.verdict.status.status, |as_of| as_of.status.status)
    }

    /// The block that the status is as of.
    pub fn height(&self) -> Height {
        self.verdict.as_of.as_ref().map_or(self.verdict.checkpoint.height, |as_of| as_of.height)
    }

    fn checked(self) -> Checked<Self> {
        Checked { size: Some(self.verdict.checkpoint.size), answer: self }
    }

    /// The receipt for the holder, with the opening that ties it to the credential.
    ///
    /// # Errors
    /// [`LocalError::Request`]: the opening is of another commitment.
    pub fn opened(&self, opening: &Opening) -> Result<Receipt, ClientError> {
        if opening.commitment() != self.verdict.anchored.commitment {
            return Err(LocalError::Request("the opening is that of another commitment").into());
        }
        let Opening { algorithm, target, salt, .. } = opening.clone();
        Ok(Receipt { opening: Some(ReceiptOpening { algorithm, target, salt }), ..self.receipt.clone() })
    }
}

impl Client {
    /// The status of one credential, proved; `at` counts in whole seconds.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] `NOT_ANCHORED` (the node's word); [`ClientError::Unavailable`] `TIME_NOT_COVERED` for a time that
    /// no checkpoint is as new as, and `NODE_BEHIND` where no node shows a tree as large as one seen before; [`ClientError`].
    pub async fn status(&self, name: CredentialName, at: Moment) -> Result<ProvenReceipt, ClientError> {
        let at = whole_seconds(at);
        let request =
            v1::GetStatusRequest { credential: Some(name.into()), at: at.into(), omit_receipt: false };
        let ask = |node: Node| {
            let request = request.clone();
            async move { node.status().get_status(request).await }
        };
        let check = |node: Node, answer: v1::GetStatusResponse| async move {
            let proven = self.receipt_answer(&node, &answer.receipt, &name, at).await?;
            let said = CredentialStatus::try_from(answer.status)
                .map_err(|error| self.pool().bad_answer(&node, error))?;
            let agrees = said.position == proven.position() && Status::from(said.status) == proven.status();
            if !agrees {
                return Err(self.pool().bad_answer(&node, BadAnswer::Mismatch("the status")));
            }
            Ok(proven.checked())
        };
        self.ask(at, self.pool().timeout(), ask, check).await
    }

    /// The receipt of one credential: the newest, or as of an earlier moment; `at` counts in whole seconds.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub async fn receipt(&self, name: CredentialName, at: Moment) -> Result<ProvenReceipt, ClientError> {
        let at = whole_seconds(at);
        let request = v1::GetReceiptRequest { credential: Some(name.into()), at: at.into() };
        let ask = |node: Node| {
            let request = request.clone();
            async move { node.status().get_receipt(request).await }
        };
        let check = |node: Node, answer: v1::GetReceiptResponse| async move {
            let proven = self.receipt_answer(&node, &answer.receipt, &name, at).await?;
            Ok(proven.checked())
        };
        self.ask(at, self.pool().timeout(), ask, check).await
    }

    /// The status of one credential on the node's word alone: cheaper for both sides.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub async fn status_unproved(
        &self,
        name: CredentialName,
        at: Moment,
    ) -> Result<Unproved<CredentialStatus>, ClientError> {
        let request =
            v1::GetStatusRequest { credential: Some(name.into()), at: at.into(), omit_receipt: true };
        let ask = |node: Node| {
            let request = request.clone();
            async move { node.status().get_status(request).await }
        };
        let Reply { node, answer } = self.pool().call(ask).await?;
        let said = CredentialStatus::try_from(answer.status);
        said.map(Unproved::new).map_err(|error| self.pool().bad_answer(&node, error))
    }

    /// Checks a receipt's bytes as the answer to a question.
    pub(crate) async fn receipt_answer(
        &self,
        node: &Node,
        json: &[u8],
        name: &CredentialName,
        at: Moment,
    ) -> Result<ProvenReceipt, ClientError> {
        let receipt =
            Receipt::from_json(json).map_err(|error| self.pool().bad_answer(node, Refusal::from(error)))?;
        self.check_receipt(node, receipt, name, at).await
    }

    /// Checks a receipt as the answer to a question: that it verifies, is about this credential, as of this moment, and part of the
    /// history seen so far.
    pub(crate) async fn check_receipt(
        &self,
        node: &Node,
        receipt: Receipt,
        name: &CredentialName,
        at: Moment,
    ) -> Result<ProvenReceipt, ClientError> {
        let as_of_s = match at {
            Moment::Time(time) => Some(time.seconds()),
            Moment::Newest | Moment::Height(_) | Moment::TreeSize(_) => None,
        };
        let question = Question { as_of_s, ..self.question() };
        let verdict = match verify(&receipt, None, self.trust(), &question) {
            Ok(verdict) => verdict,
            Err(Refusal::TimeNotCovered) if receipt.as_of.is_none() => return Err(not_covered(node).into()),
            Err(refusal) => return Err(self.pool().bad_answer(node, refusal)),
        };
        let proven = ProvenReceipt { receipt, verdict };
        if let Some(fault) = check_named(&proven, name).or_else(|| check_moment(&proven, at)) {
            return Err(self.pool().bad_answer(node, fault));
        }
        self.accept_receipt(node, &proven.receipt.anchored.tlog_proof.checkpoint).await?;
        Ok(proven)
    }
}

/// Receipts speak in whole seconds, so questions do.
fn whole_seconds(at: Moment) -> Moment {
    match at {
        Moment::Time(time) => Moment::Time(TimeMs(time.seconds().saturating_mul(1000))),
        other => other,
    }
}

fn check_named(proven: &ProvenReceipt, name: &CredentialName) -> Option<BadAnswer> {
    let anchored = &proven.verdict.anchored;
    let is_named = match name {
        CredentialName::Position(position) => anchored.position == *position,
        CredentialName::Commitment { issuer, commitment } => {
            anchored.by.did == *issuer && anchored.commitment == *commitment
        }
    };
    (!is_named).then_some(BadAnswer::Mismatch("the credential"))
}

/// A time was checked by the verifier; heights and sizes stand in signed leaves.
fn check_moment(proven: &ProvenReceipt, at: Moment) -> Option<BadAnswer> {
    let (verdict, earlier) = (&proven.verdict, &proven.receipt.as_of);
    let is_asked = match at {
        Moment::Newest => earlier.is_none(),
        Moment::Time(_) => true,
        Moment::Height(height) => proven.height() == height,
        Moment::TreeSize(size) => {
            let end = earlier.as_ref().and_then(|as_of| as_of.block.index.checked_add(1));
            end.unwrap_or(verdict.checkpoint.size) == size
        }
    };
    (!is_asked).then_some(BadAnswer::Mismatch("the moment"))
}

pub(crate) fn not_covered(node: &Node) -> Unavailable {
    Unavailable {
        node: node.name().to_owned(),
        reason: "TIME_NOT_COVERED".to_owned(),
        message: "no checkpoint is as new as the time asked about".to_owned(),
        retry_after: None,
    }
}
