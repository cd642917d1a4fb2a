//! RULES 8.6: four comparisons between what the credential says and what the ledger says.
//!
//! Anyone who is accredited can anchor a stranger's credential under his own name, so an issuer that cannot be compared keeps
//! the verdict from being green. Names are shown and never decide: they are translated, and two organisations can share one.

mod country;
mod issuer;

use kvitto_ledger::Position;
use kvitto_ledger::credential::{Facts, Moment, StatusEntry, Timing};
use kvitto_ledger::record::{AnchoredRecord, IdentifierRecord};

use self::issuer::issuer;
use super::Question;
use super::anchored::Opened;
use crate::verdict::{Comparison, ComparisonResult, Comparisons, Concern, iso_8601};

/// The comparisons with the concerns that follow from them.
pub(super) struct Compared {
    pub(super) comparisons: Comparisons,
    pub(super) concerns: Vec<Concern>,
}

/// One comparison and what it means for the overall word.
struct Outcome {
    comparison: Comparison,
    concern: Option<Concern>,
}

pub(super) fn check(
    opened: &Opened,
    anchored: &AnchoredRecord,
    organisation: &IdentifierRecord,
    question: &Question,
) -> Compared {
    let Opened::Shown(credential) = opened else { return nothing_to_compare(opened) };
    let facts = credential.facts();
    let issuer = issuer(facts, organisation);
    let credential_type = credential_type(facts, &anchored.credential_type);
    let validity = validity(facts, question.as_of_s.unwrap_or(question.at_s));
    let status_entry = status_entry(&facts.status_entries, anchored.position, &question.status_lists);
    let concerns = [&issuer, &credential_type, &validity, &status_entry];
    Compared {
        concerns: concerns.into_iter().filter_map(|outcome| outcome.concern).collect(),
        comparisons: Comparisons {
            issuer: issuer.comparison,
            credential_type: credential_type.comparison,
            validity: validity.comparison,
            status_entry: status_entry.comparison,
        },
    }
}

fn nothing_to_compare(opened: &Opened) -> Compared {
    let (concern, detail) = match opened {
        Opened::NoOpening => (Concern::NoOpening, "the receipt has no opening that ties a credential to it"),
        Opened::NoCredential | Opened::Shown(_) => (Concern::NoCredential, "no credential was given"),
    };
    let comparison = || Comparison { result: ComparisonResult::CannotTell, detail: detail.to_owned() };
    Compared {
        concerns: vec![concern],
        comparisons: Comparisons {
            issuer: comparison(),
            credential_type: comparison(),
            validity: comparison(),
            status_entry: comparison(),
        },
    }
}

fn same(detail: String) -> Outcome {
    Outcome { comparison: Comparison { result: ComparisonResult::Same, detail }, concern: None }
}

fn differs(concern: Concern, detail: String) -> Outcome {
    Outcome { comparison: Comparison { result: ComparisonResult::Differs, detail }, concern: Some(concern) }
}

fn cannot_tell(concern: Option<Concern>, detail: String) -> Outcome {
    Outcome { comparison: Comparison { result: ComparisonResult::CannotTell, detail }, concern }
}

fn credential_type(facts: &Facts, anchored: &str) -> Outcome {
    if facts.types.iter().any(|named| named == anchored) {
        return same(anchored.to_owned());
    }
    match facts.types.as_slice() {
        [] => cannot_tell(Some(Concern::TypeUnclear), "the credential names no type".to_owned()),
        [first, more @ ..] => {
            let others = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
            differs(Concern::TypeDiffers, format!("the credential calls itself {}{others}", shown(first)))
        }
    }
}

fn validity(facts: &Facts, at_s: u64) -> Outcome {
    let own = &facts.validity;
    let at = i64::try_from(at_s).unwrap_or(i64::MAX);
    let timing = own.at(at);
    match (timing, &own.from, &own.until) {
        (Timing::Within, ..) => same(format!("by its own dates it applies on {}", iso_8601(at_s))),
        (Timing::Before, from, _) => {
            differs(Concern::OutsideOwnValidity, format!("by its own dates it begins on {}", moment(from)))
        }
        (Timing::After, _, until) => {
            differs(Concern::OutsideOwnValidity, format!("by its own dates it ended on {}", moment(until)))
        }
        // Without dates there is nothing that could be over.
        (Timing::CannotTell, Moment::Unstated, Moment::Unstated) => {
            cannot_tell(None, "the credential states no dates".to_owned())
        }
        (Timing::CannotTell, ..) => {
            cannot_tell(Some(Concern::ValidityUnclear), "the credential's dates cannot be read".to_owned())
        }
    }
}

fn moment(moment: &Moment) -> String {
    match moment {
        Moment::At(seconds) => {
            u64::try_from(*seconds).map_or_else(|_| "a day before 1970".to_owned(), iso_8601)
        }
        Moment::Unstated | Moment::Unreadable(_) => "an unknown day".to_owned(),
    }
}

/// An index in a list of this ledger must be the position; a list that is not known to be this ledger's was not looked at.
fn status_entry(entries: &[StatusEntry], position: Position, lists: &[String]) -> Outcome {
    let ours = |entry: &&StatusEntry| lists.iter().any(|prefix| entry.list.starts_with(prefix.as_str()));
    if let Some(other) = entries.iter().filter(ours).find(|entry| entry.index != position.0) {
        let detail = format!("the credential points at position {}, not {position}", other.index);
        return differs(Concern::StatusEntryDiffers, detail);
    }
    let elsewhere = entries.iter().find(|entry| match lists {
        [] => entry.index != position.0,
        _ => !ours(entry),
    });
    match (entries.first(), elsewhere) {
        (None, _) => cannot_tell(None, "the credential points at no status list".to_owned()),
        (Some(_), None) => same(format!("position {position}")),
        (Some(_), Some(entry)) => {
            let detail = format!("place {} of {} was not looked at", entry.index, shown(&entry.list));
            cannot_tell(Some(Concern::StatusElsewhere), detail)
        }
    }
}

/// A text of the credential, escaped and shortened: it may come from anybody.
fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 120;
    let mut kept: String = text.chars().take(CHARS_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(CHARS_MAX).is_some() {
        kept.push('…');
    }
    format!("\"{kept}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u64, list: &str) -> StatusEntry {
        StatusEntry { entry_type: String::new(), purpose: None, index, list: list.into() }
    }

    #[test]
    fn a_status_entry_is_compared_in_lists_of_this_ledger_only() {
        use ComparisonResult::{CannotTell, Differs, Same};
        let lists = ["https://node.example/".to_owned()];
        let here = "https://node.example/status/1";
        for (entries, lists, expected, concern) in [
            (vec![], &lists[..0], CannotTell, None),
            (vec![entry(7, here)], &lists[..0], Same, None),
            (vec![entry(7, here)], &lists[..], Same, None),
            (vec![entry(8, here)], &lists[..0], CannotTell, Some(Concern::StatusElsewhere)),
            (vec![entry(8, here)], &lists[..], Differs, Some(Concern::StatusEntryDiffers)),
            (vec![entry(7, here), entry(8, here)], &lists[..], Differs, Some(Concern::StatusEntryDiffers)),
            (
                vec![entry(7, "https://else.example/1")],
                &lists[..],
                CannotTell,
                Some(Concern::StatusElsewhere),
            ),
            (
                vec![entry(7, here), entry(7, "https://else.example/1")],
                &lists[..],
                CannotTell,
                Some(Concern::StatusElsewhere),
            ),
        ] {
            let outcome = status_entry(&entries, Position(7), lists);
            assert_eq!(
                (outcome.comparison.result, outcome.concern),
                (expected, concern),
                "{entries:?} {lists:?}"
            );
        }
    }

    #[test]
    fn foreign_texts_are_escaped_and_shortened() {
        assert_eq!(shown("a\u{202e}b\u{1b}[2J\n\""), r#""a\u{202e}b\u{1b}[2J\n\"""#);
        assert_eq!(shown(&"x".repeat(200)).chars().count(), 123);
    }
}
