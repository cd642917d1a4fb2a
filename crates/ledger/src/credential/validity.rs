//! When a credential says that it is valid: VCDM 1.1, VCDM 2.0 and JWT dates, read strictly and never reinterpreted.

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The time in which the credential calls itself valid. It says nothing about its status on the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The beginning: the later one of `validFrom` (VCDM 1.1 without it: `issuanceDate`) and `nbf`.
    pub from: Moment,
    /// The end: the earliest of `validUntil`, `expirationDate` and `exp`.
    pub until: Moment,
}

/// A point in time as a credential states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The credential says nothing about it.
    Unstated,
    /// Seconds since 1970-01-01T00:00:00Z, fractions cut off.
    At(i64),
    /// It is stated in a way that is no single moment, such as a date without a time zone; the text as written.
    Unreadable(String),
}

/// Where a given time lies relative to a credential's own validity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// Before it begins.
    Before,
    /// Inside, first and last second included.
    Within,
    /// After it ended.
    After,
    /// Nothing is stated, or not readably.
    CannotTell,
}

impl Validity {
    /// Compares `seconds` since 1970-01-01T00:00:00Z with the stated times.
    pub fn at(&self, seconds: i64) -> Timing {
        match (&self.from, &self.until) {
            (Moment::At(from), _) if seconds < *from => Timing::Before,
            (_, Moment::At(until)) if seconds > *until => Timing::After,
            (Moment::Unstated, Moment::Unstated) => Timing::CannotTell,
            (Moment::Unreadable(_), _) | (_, Moment::Unreadable(_)) => Timing::CannotTell,
            _ => Timing::Within,
        }
    }

    /// Reads the dates of the credential and of the token claims around it, which may be the same object.
    pub(super) fn read(credential: &Map<String, Value>, claims: &Map<String, Value>) -> Validity {
        // In VCDM 1.1 `issuanceDate` begins the validity; ELM and EBSI put the sealing date there and state
        // `validFrom` beside it.
        let begin = credential.get("validFrom").or_else(|| credential.get("issuanceDate"));
        let begins = [begin.map(date_time), claims.get("nbf").map(numeric_date)];
        let ends = [
            credential.get("validUntil").map(date_time),
            credential.get("expirationDate").map(date_time),
            claims.get("exp").map(numeric_date),
        ];
        Validity { from: combined(&begins, i64::max), until: combined(&ends, i64::min) }
    }
}

/// One moment from several statements; an unreadable one stands, because it might be the stricter one.
fn combined(stated: &[Option<Moment>], stricter: fn(i64, i64) -> i64) -> Moment {
    let mut result = Moment::Unstated;
    for moment in stated.iter().flatten() {
        result = match (result, moment) {
            (Moment::At(one), Moment::At(other)) => Moment::At(stricter(one, *other)),
            (one @ Moment::Unreadable(_), _) | (one, Moment::Unstated) => one,
            (_, other) => other.clone(),
        };
    }
    result
}

/// An RFC 3339 date-time with its offset.
fn date_time(value: &Value) -> Moment {
    match value.as_str().map(|text| (text, OffsetDateTime::parse(text, &Rfc3339))) {
        Some((_, Ok(moment))) => Moment::At(moment.unix_timestamp()),
        Some((text, Err(_))) => Moment::Unreadable(text.to_owned()),
        None if value.is_null() => Moment::Unstated,
        None => Moment::Unreadable(value.to_string()),
    }
}

/// A JWT NumericDate (RFC 7519, 2): seconds since 1970, possibly with a fraction.
fn numeric_date(value: &Value) -> Moment {
    /// Past this, neighbouring doubles are more than a second apart.
    const DOUBLE_SECONDS_MAX: f64 = 9_007_199_254_740_992.0;
    match (value.as_i64(), value.as_f64()) {
        (Some(seconds), _) => Moment::At(seconds),
        (None, Some(seconds)) if seconds.abs() < DOUBLE_SECONDS_MAX => Moment::At(seconds.floor() as i64),
        _ => Moment::Unreadable(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(credential: Value, from: Moment, until: Moment) {
        let object = credential.as_object().unwrap();
        assert_eq!(Validity::read(object, object), Validity { from, until }, "{credential}");
    }

    fn unreadable(text: &str) -> Moment {
        Moment::Unreadable(text.to_owned())
    }

    #[test]
    fn dates_of_both_data_models_and_of_tokens_are_read() {
        let (year_2024, year_2025) = (Moment::At(1_704_067_200), Moment::At(1_735_689_600));
        check(json!({}), Moment::Unstated, Moment::Unstated);
        check(
            json!({"validFrom": "2024-01-01T00:00:00Z", "validUntil": "2025-01-01T01:00:00+01:00"}),
            year_2024.clone(),
            year_2025.clone(),
        );
        check(
            json!({"issuanceDate": "2024-01-01T00:00:00.999Z", "expirationDate": "2025-01-01T00:00:00Z"}),
            year_2024.clone(),
            year_2025.clone(),
        );
        check(json!({"nbf": 1_704_067_200, "exp": 1_735_689_600.5}), year_2024.clone(), year_2025.clone());
        check(
            json!({"validFrom": "2024-01-01T00:00:00Z", "issuanceDate": "2025-01-01T00:00:00Z"}),
            year_2024.clone(),
            Moment::Unstated,
        );
    }

    #[test]
    fn the_strictest_of_several_dates_counts() {
        let stated = json!({
            "validFrom": "2024-01-01T00:00:00Z", "nbf": 1_704_067_201,
            "validUntil": "2050-01-01T00:00:00Z", "expirationDate": "2025-01-01T00:00:00Z", "exp": 1_735_689_601,
        });
        check(stated, Moment::At(1_704_067_201), Moment::At(1_735_689_600));
        let unclear = json!({"validUntil": "2050-01-01T00:00:00Z", "expirationDate": "2025-01-01"});
        check(unclear, Moment::Unstated, unreadable("2025-01-01"));
    }

    #[test]
    fn what_is_no_single_moment_is_not_guessed() {
        for text in [
            "2024-01-01",
            "2024-01-01T00:00:00",
            "2024-13-01T00:00:00Z",
            "01/02/2024",
            "",
            "2024-02-30T00:00:00Z",
        ] {
            check(json!({"validFrom": text}), unreadable(text), Moment::Unstated);
        }
        check(json!({"validFrom": 1_704_067_200}), unreadable("1704067200"), Moment::Unstated);
        check(json!({"exp": "1704067200"}), Moment::Unstated, unreadable("\"1704067200\""));
        check(json!({"exp": 1e300}), Moment::Unstated, unreadable(&json!(1e300).to_string()));
    }

    #[test]
    fn a_time_is_before_within_or_after() {
        let both = Validity { from: Moment::At(10), until: Moment::At(20) };
        assert_eq!(
            [9, 10, 20, 21].map(|seconds| both.at(seconds)),
            [Timing::Before, Timing::Within, Timing::Within, Timing::After,]
        );
        let open = Validity { from: Moment::At(10), until: Moment::Unstated };
        assert_eq!([9, i64::MAX].map(|seconds| open.at(seconds)), [Timing::Before, Timing::Within]);
        let unclear = Validity { from: unreadable("?"), until: Moment::At(20) };
        assert_eq!([9, 21].map(|seconds| unclear.at(seconds)), [Timing::CannotTell, Timing::After]);
        let silent = Validity { from: Moment::Unstated, until: Moment::Unstated };
        assert_eq!(silent.at(0), Timing::CannotTell);
    }
}
