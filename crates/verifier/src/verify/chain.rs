//! RULES 8.5 and 6: the chain of accreditations, from a root of the epoch to the anchoring organisation.

use kvitto_ledger::genesis::Root;
use kvitto_ledger::record::{AccreditationRecord, AccreditationStatusRecord, AnchoredRecord};
use kvitto_ledger::scope::Role;
use kvitto_ledger::{LedgerConfig, TimeMs};
use kvitto_merkle::status::StatusValue;

use super::statuses::AtBlock;
use super::tree::{Tree, body_of};
use crate::receipt::ChainLink;
use crate::refusal::{Leaf, Refusal};

/// A root and an issuer at least; most links of a chain, root included (RULES 6.1).
const LINKS_RANGE: std::ops::RangeInclusive<usize> = 2..=8;

/// An accreditation in the tree.
pub(super) struct LinkLeaf {
    pub(super) index: u64,
    pub(super) record: AccreditationRecord,
    pub(super) withdrawal: Option<WithdrawalLeaf>,
}

/// A withdrawal in the tree.
pub(super) struct WithdrawalLeaf {
    pub(super) index: u64,
    pub(super) time: TimeMs,
    pub(super) effective_from: TimeMs,
    pub(super) record: AccreditationStatusRecord,
}

impl LinkLeaf {
    /// Whether `time` is within its validity, first and last moment included.
    pub(super) fn runs_at(&self, time: TimeMs) -> bool {
        self.record.valid_from <= time && time <= self.record.valid_until
    }

    /// RULES 6.4, for one link: whether it is accredited "now", its status at the checkpoint being `now`. That it has begun is not
    /// asked: T has whole seconds, and what was anchored within a second of the beginning would seem too early.
    pub(super) fn counts_now(&self, fresh_at: TimeMs, now: StatusValue) -> bool {
        now == StatusValue::Valid && fresh_at <= self.record.valid_until
    }

    /// RULES 6.4, for one link: whether it counted at `time`, its status at the checkpoint being `now`.
    ///
    /// A withdrawal counts if its record is among the first `known_until` leaves: the checkpoint's size for "as now known",
    /// the place of the anchor for "as then known". One without its record makes the link count as never given.
    pub(super) fn counted_at(&self, time: TimeMs, now: StatusValue, known_until: u64) -> bool {
        let withdrawn = match &self.withdrawal {
            Some(withdrawal) => withdrawal.index < known_until && withdrawal.effective_from <= time,
            None => !matches!(now, StatusValue::Valid | StatusValue::Suspended),
        };
        self.runs_at(time) && !withdrawn
    }
}

pub(super) fn read(tree: &Tree, chain: &[ChainLink]) -> Result<Vec<LinkLeaf>, Refusal> {
    if !LINKS_RANGE.contains(&chain.len()) {
        return Err(Refusal::ChainLength { links: chain.len() });
    }
    chain.iter().enumerate().map(|(link, proofs)| read_link(tree, link, proofs)).collect()
}

fn read_link(tree: &Tree, link: usize, proofs: &ChainLink) -> Result<LinkLeaf, Refusal> {
    let leaf = Leaf::Accreditation(link);
    let record = body_of!(tree.proven(leaf, &proofs.accreditation)?, Accreditation, leaf);
    let withdrawal = match &proofs.withdrawal {
        None => None,
        Some(proof) => {
            let leaf = Leaf::Withdrawal(link);
            let proven = tree.proven(leaf, proof)?;
            let time = proven.time;
            let body = body_of!(proven, AccreditationStatus, leaf);
            let from = body.effective_from.filter(|_| body.status.0 == StatusValue::Revoked);
            let effective_from = from.ok_or(Refusal::WithdrawalUnrelated { link })?;
            Some(WithdrawalLeaf { index: proof.index, time, effective_from, record: body })
        }
    };
    Ok(LinkLeaf { index: proofs.accreditation.index, record, withdrawal })
}

pub(super) fn check(
    links: &[LinkLeaf],
    now: &AtBlock,
    config: &LedgerConfig,
    anchored: &AnchoredRecord,
) -> Result<(), Refusal> {
    let Some((first, last)) = links.first().zip(links.last()) else {
        return Err(Refusal::ChainLength { links: links.len() });
    };
    if !config.root(&first.record.subject).is_some_and(|root| is_root(&first.record, root)) {
        return Err(Refusal::NotARoot);
    }
    for (before, pair) in links.windows(2).enumerate() {
        let link = before + 1;
        let is_last = link == links.len() - 1;
        check_link(&pair[0].record, &pair[1].record, link, is_last)?;
        if links[..link].iter().any(|above| above.record.subject == pair[1].record.subject) {
            return Err(Refusal::SubjectRepeated { link });
        }
    }
    for link in 0..links.len() {
        check_withdrawal(links, link, now.links[link])?;
    }
    if !last.record.scope.covers_type(&anchored.credential_type) {
        return Err(Refusal::TypeOutOfScope);
    }
    if anchored.issuer != last.record.subject {
        return Err(Refusal::IssuerDiffers);
    }
    if anchored.accreditation != last.record.id {
        return Err(Refusal::AccreditationDiffers);
    }
    Ok(())
}

/// Whether a record is what the epoch's configuration says of its root.
fn is_root(record: &AccreditationRecord, root: &Root) -> bool {
    record.parent.is_none()
        && record.accreditor == root.did
        && record.id == root.accreditation
        && record.role == Role::RootTao
        && record.scope == root.scope
        && (record.valid_from, record.valid_until) == (root.valid_from, root.valid_until)
}

fn check_link(
    parent: &AccreditationRecord,
    child: &AccreditationRecord,
    link: usize,
    is_last: bool,
) -> Result<(), Refusal> {
    if child.parent != Some(parent.id) {
        return Err(Refusal::ParentDiffers { link });
    }
    if child.accreditor != parent.subject {
        return Err(Refusal::AccreditorDiffers { link });
    }
    let role_in_place = if is_last { Role::Ti } else { Role::Tao };
    if child.role != role_in_place || !parent.role.accredits() {
        return Err(Refusal::RoleMisplaced { link });
    }
    if !child.scope.is_inside(&parent.scope) || child.scope.has_any() {
        return Err(Refusal::ScopeWidened { link });
    }
    if child.valid_from < parent.valid_from || parent.valid_until < child.valid_until {
        return Err(Refusal::ValidityWidened { link });
    }
    Ok(())
}

/// A withdrawal is about its link, by an accreditor above it, and in the status tree.
fn check_withdrawal(links: &[LinkLeaf], link: usize, now: StatusValue) -> Result<(), Refusal> {
    let Some(withdrawal) = &links[link].withdrawal else { return Ok(()) };
    let (about, record) = (&links[link].record, &withdrawal.record);
    let related = record.position == about.position
        && (record.subject, record.id) == (about.subject, about.id)
        && links[..link].iter().any(|above| above.record.subject == record.by);
    if !related {
        return Err(Refusal::WithdrawalUnrelated { link });
    }
    if now == StatusValue::Revoked { Ok(()) } else { Err(Refusal::WithdrawalContradictsStatus { link }) }
}
