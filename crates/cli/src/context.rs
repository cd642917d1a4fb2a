//! What every command starts from: the global options, the output, and the clock.

use std::path::{Path, PathBuf};

use clap::Args;
use kvitto_client::Clock;
use kvitto_ledger::TimeMs;
use kvitto_verifier::TrustFile;
use kvitto_verifier::trust::TRUST_FILE_BYTES_MAX;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::exit::Exit;
use crate::failure::{Failure, chain};
use crate::input_file;
use crate::keyfile::KeyFile;
use crate::output::Output;

/// Options of every command.
#[derive(Args, Clone, Debug, Default)]
pub struct Global {
    /// Address of a node, with scheme and port; several are tried in turn.
    #[arg(
        long = "node",
        env = "KVITTO_NODE",
        hide_env_values = true,
        value_name = "URL",
        value_delimiter = ',',
        global = true
    )]
    pub nodes: Vec<String>,
    /// Key file of the organisation that acts.
    #[arg(long, env = "KVITTO_KEY", hide_env_values = true, value_name = "FILE", global = true)]
    pub key: Option<PathBuf>,
    /// Trust file: which ledger, and who its members are.
    #[arg(long, env = "KVITTO_TRUST", hide_env_values = true, value_name = "FILE", global = true)]
    pub trust: Option<PathBuf>,
    /// Certificate authorities for https nodes, in PEM, in place of the system's.
    #[arg(long, env = "KVITTO_CA", hide_env_values = true, value_name = "FILE", global = true)]
    pub ca: Option<PathBuf>,
    /// Print one JSON object instead of words.
    #[arg(long, global = true)]
    pub json: bool,
}

/// What a command works with.
pub struct Context<'a> {
    /// Options of every command.
    pub global: &'a Global,
    /// Where it prints.
    pub output: &'a mut Output,
    /// Tells the time.
    pub clock: Clock,
}

impl Context<'_> {
    /// What time it is.
    pub fn now(&self) -> TimeMs {
        (self.clock)()
    }

    /// Where the key file is.
    ///
    /// # Errors
    /// [`Exit::Usage`] where none was named.
    pub fn key_path(&self) -> Result<&Path, Failure> {
        self.global.key.as_deref().ok_or_else(|| {
            let next = "name it with --key FILE or KVITTO_KEY; kvitto key new makes one";
            Failure::usage("KEY_FILE_NOT_NAMED", "this command needs a key file", next)
        })
    }

    /// The organisation that acts.
    ///
    /// # Errors
    /// [`Exit::Usage`] where no key file was named; its own faults.
    pub fn key(&self) -> Result<KeyFile, Failure> {
        Ok(KeyFile::read(self.key_path()?)?)
    }

    /// The ledger that is trusted.
    ///
    /// # Errors
    /// [`Exit::Usage`] where no trust file was named; its own faults.
    pub fn trust(&self) -> Result<TrustFile, Failure> {
        let path = self.global.trust.as_deref().ok_or_else(|| {
            let next = "name the file that the consortium publishes with --trust FILE or KVITTO_TRUST; \
                        kvitto trust export fetches one to compare";
            Failure::usage("TRUST_FILE_NOT_NAMED", "this command needs a trust file", next)
        })?;
        read_trust(path)
    }
}

/// Reads a trust file.
///
/// # Errors
/// That it cannot be read, or does not hold together.
pub fn read_trust(path: &Path) -> Result<TrustFile, Failure> {
    let bytes = input_file::read(path, TRUST_FILE_BYTES_MAX)?;
    TrustFile::from_json(&bytes).map_err(|error| {
        let message = format!("{} cannot be trusted: {}", path.display(), chain(&error));
        Failure::new(
            Exit::Input,
            "TRUST_FILE",
            message,
            "get the trust file again from where the consortium publishes it",
        )
    })
}

/// Reads a time on the command line: RFC 3339 (`2026-05-01T12:00:00Z`), a date (midnight UTC), or seconds since 1970.
///
/// # Errors
/// What is accepted, in words.
pub fn parse_time(text: &str) -> Result<TimeMs, String> {
    let expected =
        || "expected a time such as 2026-05-01T12:00:00Z, a date, or seconds since 1970".to_owned();
    if let Ok(seconds) = text.parse::<u64>() {
        return seconds.checked_mul(1000).map(TimeMs).ok_or_else(expected);
    }
    let full = if text.len() == "2026-05-01".len() { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let instant = OffsetDateTime::parse(&full, &Rfc3339).map_err(|_| expected())?;
    let milliseconds = instant.unix_timestamp_nanos() / 1_000_000;
    u64::try_from(milliseconds).map(TimeMs).map_err(|_| expected())
}

/// Reads a duration on the command line: a number with `s`, `m`, `h` or `d`; gives seconds.
///
/// # Errors
/// What is accepted, in words.
pub fn parse_duration_s(text: &str) -> Result<u64, String> {
    let expected = || "expected a duration such as 30s, 15m, 24h or 7d".to_owned();
    let (number, unit) = text.split_at(text.len() - text.chars().last().map_or(0, char::len_utf8));
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(expected()),
    };
    let number: u64 = number.parse().map_err(|_| expected())?;
    number.checked_mul(factor).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_three_forms() {
        for (text, expected) in [
            ("1700000000", Some(1_700_000_000_000)),
            ("2023-11-14T22:13:20Z", Some(1_700_000_000_000)),
            ("2023-11-14T23:13:20.5+01:00", Some(1_700_000_000_500)),
            ("1970-01-02", Some(86_400_000)),
            ("1969-12-31", None),
            ("yesterday", None),
            ("18446744073709551615", None),
            ("", None),
        ] {
            assert_eq!(parse_time(text).ok(), expected.map(TimeMs), "{text}");
        }
    }

    #[test]
    fn durations_need_a_unit() {
        for (text, expected) in [
            ("30s", Some(30)),
            ("15m", Some(900)),
            ("24h", Some(86_400)),
            ("7d", Some(604_800)),
            ("24", None),
            ("h", None),
            ("-1h", None),
            ("1å", None),
            ("", None),
            ("99999999999999999999d", None),
        ] {
            assert_eq!(parse_duration_s(text).ok(), expected, "{text}");
        }
    }
}
