//! A verdict in plain words.

use std::fmt::{self, Display, Formatter};

use kvitto_ledger::commitment::DigestTarget;
use kvitto_ledger::statement::body::Reason;
use time::OffsetDateTime;

use super::{
    AsOfFinding, Binding, Comparison, ComparisonResult, Concern, LinkStatus, Overall, Status, StatusFinding,
    Verdict,
};

/// Seconds since 1970 as `2026-05-01T10:00:00Z`; a number of seconds where no calendar reaches.
pub fn iso_8601(seconds: u64) -> String {
    let moment =
        i64::try_from(seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    match moment {
        Some(t) => {
            let (year, month, day) = (t.year(), u8::from(t.month()), t.day());
            format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", t.hour(), t.minute(), t.second())
        }
        None => format!("second {seconds}"),
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.write_overall(f)?;
        self.write_anchored(f)?;
        self.write_accredited(f)?;
        writeln!(f, "Status as of {}: {}.", self.fresh_at(), status_words(&self.status))?;
        if let Some(as_of) = &self.as_of {
            write_as_of(f, as_of)?;
        }
        self.write_checkpoint(f)?;
        self.write_comparisons(f)?;
        self.write_limits(f)
    }
}

impl Verdict {
    /// What the receipt knows last is never "now".
    fn fresh_at(&self) -> String {
        format!("{}, {} s ago", iso_8601(self.checkpoint.fresh_at_s), self.checkpoint.age_s)
    }

    fn write_overall(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let word = match self.overall {
            Overall::InOrder => "In order",
            Overall::NotInOrder => "NOT IN ORDER",
            Overall::CannotTell => "Cannot tell",
        };
        match self.as_of.as_ref().and_then(|as_of| as_of.asked_s) {
            Some(asked) => write!(f, "{word} as of {}", iso_8601(asked))?,
            None => write!(f, "{word} as of {}", self.fresh_at())?,
        }
        for (index, concern) in self.concerns.iter().enumerate() {
            let before = if index == 0 { ": " } else { "; " };
            write!(f, "{before}{}", concern_words(*concern))?;
        }
        f.write_str(".\n")
    }

    fn write_anchored(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (anchored, by) = (&self.anchored, &self.anchored.by);
        let what = match self.credential.binding {
            Binding::Shown => "This credential was anchored",
            Binding::NoCredential | Binding::NoOpening => "A commitment was anchored",
        };
        writeln!(f, "{what} by {} ({}) on {}.", by.legal_name, by.did, iso_8601(anchored.at_s))?;
        let ended = if by.deactivated { "; it has left the ledger" } else { "" };
        writeln!(
            f,
            "  Organisation: {}, {} {}; named so on {}{ended}",
            by.country,
            by.legal_identifier_scheme,
            by.legal_identifier,
            iso_8601(by.recorded_s)
        )?;
        writeln!(f, "  Type: {}; position {}", anchored.credential_type, anchored.position)
    }

    fn write_accredited(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let accredited = &self.accredited;
        let then = match (accredited.then_as_then_known, accredited.then) {
            (true, false) => "as then known yes, as now known no".to_owned(),
            (_, then) => yes_no(then).to_owned(),
        };
        writeln!(f, "Accredited then: {then}; as of {}: {}.", self.fresh_at(), yes_no(accredited.now))?;
        for link in &accredited.links {
            let name = link.legal_name.as_deref().unwrap_or("(name not in the receipt)");
            let status = match link.status {
                LinkStatus::InForce => "",
                LinkStatus::Withdrawn => "; withdrawn",
                LinkStatus::Suspended => "; suspended",
            };
            let (from, until) = (iso_8601(link.valid_from_s), iso_8601(link.valid_until_s));
            write!(f, "  {} {name} ({}), {from} to {until}{status}", link.role, link.subject)?;
            if let Some(withdrawal) = &link.withdrawal {
                let (from, recorded) =
                    (iso_8601(withdrawal.effective_from_s), iso_8601(withdrawal.recorded_s));
                write!(f, " from {from}, recorded {recorded}, {}", reason_words(withdrawal.reason))?;
            }
            f.write_str("\n")?;
        }
        Ok(())
    }

    fn write_checkpoint(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let checkpoint = &self.checkpoint;
        writeln!(
            f,
            "As of checkpoint of size {} of {} (block {}), {}, {} s old{}; signed by {} of {} members: {}.",
            checkpoint.size,
            checkpoint.origin,
            checkpoint.height,
            iso_8601(checkpoint.fresh_at_s),
            checkpoint.age_s,
            if checkpoint.fresh { "" } else { ", older than asked for" },
            checkpoint.signed_by.len(),
            checkpoint.members,
            checkpoint.signed_by.join(", ")
        )
    }

    fn write_comparisons(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let comparisons = &self.comparisons;
        writeln!(f, "Compared with the credential:")?;
        for (name, Comparison { result, detail }) in [
            ("Issuer", &comparisons.issuer),
            ("Type", &comparisons.credential_type),
            ("Own dates", &comparisons.validity),
            ("Status entry", &comparisons.status_entry),
        ] {
            let word = match result {
                ComparisonResult::Same => "same",
                ComparisonResult::Differs => "DIFFERS",
                ComparisonResult::CannotTell => "cannot tell",
            };
            writeln!(f, "  {name}: {word} ({detail})")?;
        }
        writeln!(f, "  Seal: not checked")
    }

    fn write_limits(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.credential.target == DigestTarget::Payload {
            writeln!(
                f,
                "The commitment covers the sealed content, neither the seal nor its protected header."
            )?;
        }
        if self.credential.bare {
            writeln!(
                f,
                "The commitment has no salt: whoever guesses the content can find it in the ledger."
            )?;
        }
        f.write_str(
            "This does not prove that what the credential says is true, who holds it, that its own seal is genuine, \
             or what happened after the checkpoint.\n",
        )
    }
}

fn write_as_of(f: &mut Formatter<'_>, as_of: &AsOfFinding) -> fmt::Result {
    let (from, until) = (iso_8601(as_of.from_s), iso_8601(as_of.until_s));
    let accredited = as_of.accredited.map_or("cannot tell", yes_no);
    match as_of.asked_s {
        Some(asked) => write!(f, "As of {}", iso_8601(asked))?,
        None => f.write_str("As of an earlier time")?,
    }
    let status = status_words(&as_of.status);
    writeln!(f, " (block {}, {from} to {until}): {status}; accredited: {accredited}.", as_of.height)
}

fn status_words(finding: &StatusFinding) -> String {
    let status = match finding.status {
        Status::NotRevoked => "not revoked, not suspended, not superseded",
        Status::Revoked => "revoked",
        Status::Suspended => "suspended",
        Status::Superseded => "superseded",
    };
    match &finding.change {
        None => status.to_owned(),
        Some(change) => {
            let successor =
                change.successor.map(|position| format!(" by position {position}")).unwrap_or_default();
            let (at, reason) = (iso_8601(change.at_s), reason_words(change.reason));
            format!("{status}{successor} (recorded {at} by {}, {reason})", change.by)
        }
    }
}

fn yes_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

fn reason_words(reason: Reason) -> &'static str {
    match reason {
        Reason::Unspecified => "no reason given",
        Reason::IssuedInError => "made in error",
        Reason::Superseded => "superseded",
        Reason::AuthorisationWithdrawn => "authorisation withdrawn",
        Reason::KeyCompromise => "a key was in wrong hands",
        Reason::CeasedOperating => "the organisation ceased operating",
    }
}

fn concern_words(concern: Concern) -> &'static str {
    match concern {
        Concern::Revoked => "revoked",
        Concern::Suspended => "suspended",
        Concern::Superseded => "superseded by another credential",
        Concern::NotAccreditedThen => "the organisation was not accredited when it anchored, as now known",
        Concern::IssuerDiffers => {
            "the credential names another issuer than the organisation that anchored it"
        }
        Concern::TypeDiffers => "the credential is of another type than the anchored one",
        Concern::OutsideOwnValidity => "by its own dates the credential does not apply",
        Concern::StatusEntryDiffers => "the credential points at another position for its status",
        Concern::TooOld => "the checkpoint is older than asked for",
        Concern::NoCredential => "no credential was given, so this is about a commitment only",
        Concern::NoOpening => "nothing ties the credential to the commitment",
        Concern::IssuerUnclear => "the credential names no issuer that can be compared",
        Concern::TypeUnclear => "the credential names no type",
        Concern::ValidityUnclear => "the credential's own dates cannot be read",
        Concern::StatusElsewhere => "the credential points at a status list that was not looked at",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(iso_8601(0), "1970-01-01T00:00:00Z");
        assert_eq!(iso_8601(1_777_629_600), "2026-05-01T10:00:00Z");
        assert_eq!(iso_8601(253_402_300_799), "9999-12-31T23:59:59Z");
        assert_eq!(iso_8601(u64::MAX), format!("second {}", u64::MAX));
    }
}
