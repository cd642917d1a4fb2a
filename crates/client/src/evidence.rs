//! Evidence against members: what a node lists is its word, what it shows is checked.

use bytes::Bytes;
use kvitto_merkle::Hash;
use kvitto_proto::convert::{ConvertError, array};
use kvitto_proto::limits::EVIDENCE_PAGE_MAX;
use kvitto_proto::v1;
use kvitto_verifier::Evidence;
use kvitto_verifier::evidence::Misconduct;

use crate::client::Client;
use crate::error::{BadAnswer, ClientError};
use crate::pool::{Node, Reply};
use crate::unproved::Unproved;

/// A page of what a node says that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidencePage {
    /// Ascending by id.
    pub evidence: Vec<EvidenceSummary>,
    /// After which one the next page begins; `None` after the last page.
    pub next: Option<Hash>,
}

/// What a node says of a piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceSummary {
    /// SHA-256 of the file.
    pub id: Hash,
    /// `checkpoints`, `prevotes`, `precommits` or `proposals`.
    pub kind: String,
    /// Members that the trust file knows; never none.
    pub members: Vec<String>,
}

/// A piece of evidence that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenEvidence {
    /// The file, for others to check.
    pub file: Bytes,
    /// What it holds.
    pub evidence: Evidence,
    /// What it proves.
    pub misconduct: Misconduct,
}

impl Client {
    /// What evidence a node has, from the one after `after` on.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list_evidence(&self, after: Option<Hash>) -> Result<Unproved<EvidencePage>, ClientError> {
        let after = after.map_or_else(Bytes::new, |after| Bytes::copy_from_slice(&after.0));
        let request = v1::ListEvidenceRequest { page_size: EVIDENCE_PAGE_MAX, after: after.clone() };
        let ask = |node: Node| {
            let request = request.clone();
            async move { node.log().list_evidence(request).await }
        };
        let Reply { node, answer } = self.pool().call(ask).await?;
        let page = self.read_page(answer, &after).map_err(|fault| self.pool().bad_answer(&node, fault))?;
        Ok(Unproved::new(page))
    }

    /// A piece of evidence, checked.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] `EVIDENCE_UNKNOWN` where the node does not have it; [`BadAnswer::NoEvidence`] where it proves
    /// nothing; [`ClientError`].
    pub async fn evidence(&self, id: Hash) -> Result<ProvenEvidence, ClientError> {
        let request = v1::GetEvidenceRequest { evidence_id: Bytes::copy_from_slice(&id.0) };
        let ask = |node: Node| {
            let request = request.clone();
            async move { node.log().get_evidence(request).await }
        };
        let Reply { node, answer } = self.pool().call(ask).await?;
        self.prove(id, answer.file).map_err(|fault| self.pool().bad_answer(&node, fault))
    }

    fn prove(&self, id: Hash, file: Bytes) -> Result<ProvenEvidence, BadAnswer> {
        if Evidence::id(&file) != id {
            return Err(BadAnswer::Mismatch("the evidence"));
        }
        let evidence = Evidence::from_json(&file).map_err(|_| BadAnswer::Mismatch("the evidence"))?;
        let misconduct = evidence.check(self.trust())?;
        Ok(ProvenEvidence { file, evidence, misconduct })
    }

    fn read_page(&self, answer: v1::ListEvidenceResponse, after: &[u8]) -> Result<EvidencePage, BadAnswer> {
        let evidence: Vec<EvidenceSummary> = answer
            .evidence
            .into_iter()
            .map(|summary| self.read_summary(summary))
            .collect::<Result<_, _>>()?;
        let ascending = evidence.is_sorted_by(|a, b| a.id < b.id)
            && evidence.first().is_none_or(|first| &first.id.0[..] > after);
        if !ascending || evidence.len() > EVIDENCE_PAGE_MAX as usize {
            return Err(BadAnswer::Mismatch("the order of the evidence"));
        }
        let next = evidence.last().filter(|_| answer.more).map(|last| last.id);
        Ok(EvidencePage { evidence, next })
    }

    fn read_summary(&self, summary: v1::EvidenceSummary) -> Result<EvidenceSummary, ConvertError> {
        let is_known = |name: &String| {
            let mut epochs = self.trust().epochs().iter();
            epochs.any(|epoch| epoch.config().members.iter().any(|member| member.name == *name))
        };
        if summary.members.is_empty() || !summary.members.iter().all(is_known) {
            return Err(ConvertError::Unknown("members"));
        }
        if !["checkpoints", "prevotes", "precommits", "proposals"].contains(&summary.kind.as_str()) {
            return Err(ConvertError::Unknown("kind"));
        }
        let id = Hash(array("evidence_id", &summary.evidence_id)?);
        Ok(EvidenceSummary { id, kind: summary.kind, members: summary.members })
    }
}
