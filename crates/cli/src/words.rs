//! Words that several commands print: statuses, reasons, times. Terms of the ledger, one for one thing.

use kvitto_ledger::TimeMs;
use kvitto_ledger::statement::Reason;
use kvitto_merkle::status::StatusValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Stable name of a status.
pub fn status_name(status: StatusValue) -> &'static str {
    match status {
        StatusValue::Valid => "not_revoked",
        StatusValue::Revoked => "revoked",
        StatusValue::Suspended => "suspended",
        StatusValue::Superseded => "superseded",
    }
}

/// The status with this name.
pub fn status_named(name: &str) -> Option<StatusValue> {
    (0..4).filter_map(StatusValue::from_code).find(|status| status_name(*status) == name)
}

/// A status in words.
pub fn status_words(status: StatusValue) -> &'static str {
    match status {
        StatusValue::Valid => "neither revoked nor suspended nor superseded",
        StatusValue::Revoked => "revoked, for good",
        StatusValue::Suspended => "suspended, until reinstated",
        StatusValue::Superseded => "superseded by another credential",
    }
}

/// Stable names of the reasons for a status change.
pub const REASONS: [(&str, Reason); 6] = [
    ("unspecified", Reason::Unspecified),
    ("issued-in-error", Reason::IssuedInError),
    ("superseded", Reason::Superseded),
    ("authorisation-withdrawn", Reason::AuthorisationWithdrawn),
    ("key-compromise", Reason::KeyCompromise),
    ("ceased-operating", Reason::CeasedOperating),
];

/// Stable name of a reason.
pub fn reason_name(reason: Reason) -> &'static str {
    REASONS.iter().find(|(_, known)| *known == reason).map_or("unspecified", |(name, _)| name)
}

/// A time as RFC 3339 has it, in UTC and whole seconds.
pub fn time_text(time: TimeMs) -> String {
    seconds_text(time.seconds())
}

/// Seconds since 1970 as RFC 3339 has it.
pub fn seconds_text(seconds: u64) -> String {
    let instant = i64::try_from(seconds).ok().and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok());
    instant.and_then(|instant| instant.format(&Rfc3339).ok()).unwrap_or_else(|| format!("{seconds} s"))
}

/// A duration in words, rounded down.
pub fn duration_text(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_own_name_and_none_is_called_valid() {
        for status in (0..4).filter_map(StatusValue::from_code) {
            assert_eq!(status_named(status_name(status)), Some(status));
            assert!(!status_words(status).contains("valid") && status_name(status) != "valid");
        }
    }

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(time_text(TimeMs(1_700_000_000_999)), "2023-11-14T22:13:20Z");
        assert_eq!(seconds_text(u64::MAX), format!("{} s", u64::MAX));
    }
}
