//! RULES 8.7: everything that was shown, put together, and one overall word.

use kvitto_ledger::TimeMs;
use kvitto_merkle::status::StatusValue;

use super::Question;
use super::anchored::{Anchor, Opened};
use super::block::{Blocks, Period};
use super::chain::LinkLeaf;
use super::checkpoint::Head;
use super::compare::Compared;
use super::identifiers::Organisations;
use super::quorum::Signed;
use super::statuses::{AtBlock, Statuses};
use crate::trust::TrustFile;
use crate::verdict::{
    Accredited, Anchored, AsOfFinding, CheckpointFinding, Concern, CredentialFinding, Link, LinkStatus,
    Organisation, Overall, SealCheck, Status, StatusChange, StatusFinding, Verdict, Withdrawal,
};

/// What the steps have shown.
pub(super) struct Shown<'a> {
    pub(super) trust: &'a TrustFile,
    pub(super) question: &'a Question,
    pub(super) head: Head<'a>,
    pub(super) signed: Signed,
    pub(super) blocks: Blocks,
    pub(super) period: Period,
    pub(super) anchored: Anchor,
    pub(super) opened: Opened,
    pub(super) links: Vec<LinkLeaf>,
    pub(super) statuses: Statuses,
    pub(super) organisations: Organisations,
    pub(super) comparisons: Compared,
}

pub(super) fn verdict(shown: Shown<'_>) -> Verdict {
    let status = status(&shown.statuses.now);
    let as_of = as_of(&shown, &status);
    let accredited = accredited(&shown);
    let checkpoint = checkpoint(&shown);
    let answering = match (&as_of, shown.period) {
        (Some(as_of), Period::Earlier) => as_of.status.status,
        _ => status.status,
    };
    let mut concerns = match answering {
        Status::NotRevoked => Vec::new(),
        Status::Revoked => vec![Concern::Revoked],
        Status::Suspended => vec![Concern::Suspended],
        Status::Superseded => vec![Concern::Superseded],
    };
    if !accredited.then {
        concerns.push(Concern::NotAccreditedThen);
    }
    concerns.extend(&shown.comparisons.concerns);
    if !checkpoint.fresh {
        concerns.push(Concern::TooOld);
    }
    let record = &shown.anchored.record;
    let credential = CredentialFinding {
        binding: shown.opened.binding(),
        algorithm: record.algorithm,
        target: record.target,
        bare: record.bare,
        seal: SealCheck::NotChecked,
    };
    Verdict {
        overall: Overall::of(&concerns),
        concerns,
        anchored: anchored(&shown),
        accredited,
        status,
        as_of,
        checkpoint,
        credential,
        comparisons: shown.comparisons.comparisons,
    }
}

fn anchored(shown: &Shown<'_>) -> Anchored {
    let organisation = shown.organisations.issuer();
    let record = &shown.anchored.record;
    Anchored {
        by: Organisation {
            did: organisation.did,
            legal_name: organisation.legal_name.clone(),
            country: organisation.country.clone(),
            legal_identifier_scheme: organisation.legal_identifier.scheme.clone(),
            legal_identifier: organisation.legal_identifier.value.clone(),
            recorded_s: shown.organisations.issuer_recorded().seconds(),
            deactivated: organisation.deactivated,
        },
        at_s: shown.anchored.time.seconds(),
        credential_type: record.credential_type.clone(),
        commitment: record.commitment,
        position: record.position,
        leaf: kvitto_ledger::LeafIndex(shown.anchored.index),
    }
}

fn status(at_block: &AtBlock) -> StatusFinding {
    let change = at_block.change.as_ref().map(|(time, record)| StatusChange {
        at_s: time.seconds(),
        by: record.by,
        reason: record.reason,
        successor: record.successor,
    });
    StatusFinding { status: at_block.credential.into(), change }
}

/// RULES 6.4.
fn accredited(shown: &Shown<'_>) -> Accredited {
    let now = &shown.statuses.now.links;
    let each = || shown.links.iter().zip(now);
    let then =
        |known_until| each().all(|(link, now)| link.counted_at(shown.anchored.time, *now, known_until));
    let fresh_at = TimeMs(shown.signed.fresh_at_s.saturating_mul(1000));
    Accredited {
        then: then(shown.head.tree.size),
        then_as_then_known: then(shown.anchored.index),
        now: each().all(|(link, now)| link.counts_now(fresh_at, *now)),
        links: each().enumerate().map(|(index, (leaf, now))| link(shown, index, leaf, *now)).collect(),
    }
}

fn link(shown: &Shown<'_>, index: usize, leaf: &LinkLeaf, now: StatusValue) -> Link {
    let record = &leaf.record;
    let root_name = || {
        let root = shown.head.epoch.config().root(&record.subject).filter(|_| index == 0);
        root.map(|root| root.legal_name.as_str())
    };
    let withdrawal = leaf.withdrawal.as_ref().map(|withdrawal| Withdrawal {
        by: withdrawal.record.by,
        effective_from_s: withdrawal.effective_from.seconds(),
        recorded_s: withdrawal.time.seconds(),
        reason: withdrawal.record.reason,
    });
    Link {
        subject: record.subject,
        legal_name: shown.organisations.name(&record.subject).or_else(root_name).map(str::to_owned),
        role: record.role.name(),
        accreditation: record.id,
        valid_from_s: record.valid_from.seconds(),
        valid_until_s: record.valid_until.seconds(),
        status: match now {
            StatusValue::Valid => LinkStatus::InForce,
            StatusValue::Suspended => LinkStatus::Suspended,
            StatusValue::Revoked | StatusValue::Superseded => LinkStatus::Withdrawn,
        },
        withdrawal,
    }
}

/// What is shown about an earlier time: by the receipt's own "as of", or by the last block where that was asked for.
fn as_of(shown: &Shown<'_>, status_now: &StatusFinding) -> Option<AsOfFinding> {
    let asked_s = shown.question.as_of_s;
    let last = &shown.blocks.last;
    if let (Some(asked_s), Period::Last) = (asked_s, shown.period) {
        return Some(AsOfFinding {
            asked_s: Some(asked_s),
            height: last.record.height,
            from_s: last.time.seconds(),
            until_s: shown.signed.fresh_at_s,
            status: status_now.clone(),
            accredited: Some(accredited_at(shown, &shown.statuses.now, asked_s)),
        });
    }
    let (block, next) = shown.blocks.earlier.as_ref()?;
    let earlier = shown.statuses.earlier.as_ref()?;
    let from_s = block.time.seconds();
    let records_known = shown.links.iter().all(|link| link.index < block.index);
    Some(AsOfFinding {
        asked_s,
        height: block.record.height,
        from_s,
        until_s: next.seconds(),
        status: status(earlier),
        accredited: records_known.then(|| accredited_at(shown, earlier, asked_s.unwrap_or(from_s))),
    })
}

fn accredited_at(shown: &Shown<'_>, statuses: &AtBlock, at_s: u64) -> bool {
    let at = TimeMs(at_s.saturating_mul(1000));
    let in_force =
        |(link, status): (&LinkLeaf, &StatusValue)| *status == StatusValue::Valid && link.runs_at(at);
    shown.links.iter().zip(&statuses.links).all(in_force)
}

fn checkpoint(shown: &Shown<'_>) -> CheckpointFinding {
    let config = shown.head.epoch.config();
    let age_s = shown.question.at_s.saturating_sub(shown.signed.fresh_at_s);
    CheckpointFinding {
        origin: shown.trust.origin().to_owned(),
        ledger_id: shown.trust.ledger_id(),
        size: shown.head.tree.size,
        root: shown.head.tree.root,
        height: shown.blocks.last.record.height,
        fresh_at_s: shown.signed.fresh_at_s,
        age_s,
        fresh: age_s <= shown.question.max_age_s,
        signed_by: shown.signed.members.clone(),
        members: config.members.len(),
        quorum: config.quorum(),
    }
}
