//! Receipts as nodes make them, and what a verifier is told.

use kvitto_merkle::status::StatusValue;
use kvitto_verifier::Question;

use super::{Case, Expected, Trust};
use crate::history::Signers;
use crate::scenario::{LAST, NEXT_EPOCH, Scenario, TAO, block_s, minute_s, question, signers};

fn case(
    name: &'static str,
    rule: &'static str,
    about: &'static str,
    credential: Option<&'static str>,
    overall: &'static str,
    concerns: &'static [&'static str],
) -> Case {
    Case {
        name,
        rule,
        about,
        receipt: String::new(),
        credential,
        trust: Trust::First,
        question: question(LAST),
        expected: Expected::Verdict(overall, concerns),
    }
}

/// A receipt under the newest checkpoint with its own credential.
fn newest(
    s: &Scenario,
    name: &'static str,
    rule: &'static str,
    about: &'static str,
    overall: &'static str,
    concerns: &'static [&'static str],
) -> Case {
    case(name, rule, about, Some(name), overall, concerns).receipt(&s.receipt(name, LAST, None))
}

pub(crate) fn cases(s: &Scenario) -> Vec<Case> {
    [
        statuses(s),
        accreditations(s),
        comparisons(s),
        times(s),
        ages(s),
        cosignatures(s),
        openings(s),
        epochs(s),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn statuses(s: &Scenario) -> Vec<Case> {
    vec![
        newest(s, "clear", "8", "nothing was ever said against it", "in_order", &[]),
        newest(s, "revoked", "8.4", "revoked for an error", "not_in_order", &["REVOKED"]),
        newest(s, "suspended", "8.4", "suspended, digest by SHA3-256", "not_in_order", &["SUSPENDED"]),
        newest(s, "superseded", "8.4", "another credential took its place", "not_in_order", &["SUPERSEDED"]),
        newest(s, "successor", "8.4", "it took another one's place", "in_order", &[]),
        newest(s, "reinstated", "8.4", "suspended once, reinstated since", "in_order", &[]),
        newest(
            s,
            "reserved",
            "8.6",
            "anchored at a reserved position that the credential names",
            "in_order",
            &[],
        ),
    ]
}

fn accreditations(s: &Scenario) -> Vec<Case> {
    vec![
        newest(
            s,
            "compromised",
            "6.4",
            "the issuer's accreditation was withdrawn from a time before it anchored: as then known, and as now known",
            "not_in_order",
            &["NOT_ACCREDITED_THEN"],
        ),
        newest(
            s,
            "closed",
            "6.4",
            "the issuer's accreditation was withdrawn from a time after it anchored",
            "in_order",
            &[],
        ),
        newest(
            s,
            "paused",
            "6.4",
            "the issuer's accreditation is suspended: accredited then, not now",
            "in_order",
            &[],
        ),
        {
            let mut receipt = s.receipt("closed", LAST, None);
            receipt.chain[2].withdrawal = None;
            case(
                "withdrawal-left-out",
                "8.5",
                "a withdrawn link without its withdrawal counts as never given",
                Some("closed"),
                "not_in_order",
                &["NOT_ACCREDITED_THEN"],
            )
            .receipt(&receipt)
        },
        {
            let mut history = s.history.clone();
            let accreditor = s.accreditation(TAO, 0).1.position;
            history.edit_statuses(LAST, |end| end.chunks[0].set(accreditor.0, StatusValue::Revoked));
            case(
                "withdrawal-above-left-out",
                "8.5",
                "the accreditor's accreditation is withdrawn, its withdrawal is not there: all below counts as never given",
                Some("clear"),
                "not_in_order",
                &["NOT_ACCREDITED_THEN"],
            )
            .receipt(&s.receipt_in(&history, "clear", LAST, None))
        },
    ]
}

fn comparisons(s: &Scenario) -> Vec<Case> {
    let with_lists = |mut case: Case| {
        case.question.status_lists = vec!["https://node.kvitto.example/".into()];
        case
    };
    vec![
        newest(
            s,
            "stranger",
            "8.6",
            "the credential names another issuer",
            "not_in_order",
            &["ISSUER_DIFFERS"],
        ),
        newest(s, "by-number", "8.6", "the issuer is named by its VAT number", "in_order", &[]),
        newest(s, "two-spellings", "8.6", "the same VAT number in two spellings", "in_order", &[]),
        newest(
            s,
            "two-numbers",
            "8.6",
            "beside the organisation's VAT number the credential names another one",
            "not_in_order",
            &["ISSUER_DIFFERS"],
        ),
        newest(
            s,
            "registered",
            "8.6",
            "the issuer is named by its national number and country",
            "in_order",
            &[],
        ),
        newest(
            s,
            "registered-elsewhere",
            "8.6",
            "the credential names the same number in another country's register",
            "cannot_tell",
            &["ISSUER_UNCLEAR"],
        ),
        newest(
            s,
            "registered-somewhere",
            "8.6",
            "the credential names a national number without its country",
            "cannot_tell",
            &["ISSUER_UNCLEAR"],
        ),
        newest(s, "nameless", "8.6", "the credential names no issuer", "cannot_tell", &["ISSUER_UNCLEAR"]),
        newest(
            s,
            "other-type",
            "8.6",
            "anchored as another type than it calls itself",
            "not_in_order",
            &["TYPE_DIFFERS"],
        ),
        newest(s, "ended", "8.6", "by its own dates it has ended", "not_in_order", &["OUTSIDE_OWN_VALIDITY"]),
        newest(
            s,
            "elsewhere",
            "8.6",
            "it points at a place in a list that was not looked at",
            "cannot_tell",
            &["STATUS_ELSEWHERE"],
        ),
        with_lists(
            case(
                "other-position",
                "8.6",
                "it points at another position of this ledger",
                Some("elsewhere"),
                "not_in_order",
                &["STATUS_ENTRY_DIFFERS"],
            )
            .receipt(&s.receipt("elsewhere", LAST, None)),
        ),
        with_lists(
            case(
                "own-position",
                "8.6",
                "it points at its own position of this ledger",
                Some("reserved"),
                "in_order",
                &[],
            )
            .receipt(&s.receipt("reserved", LAST, None)),
        ),
    ]
}

fn times(s: &Scenario) -> Vec<Case> {
    let as_of = |minute| Question { as_of_s: Some(minute_s(minute)), ..question(LAST) };
    let asked = |name, about, credential, minute, receipt, overall, concerns| {
        let mut case = case(name, "8.7", about, Some(credential), overall, concerns).receipt(&receipt);
        case.question = as_of(minute);
        case
    };
    vec![
        asked(
            "as-of-before-revocation",
            "as of 08:15 it was not revoked, though it is now",
            "revoked",
            15,
            s.receipt("revoked", LAST, Some(4)),
            "in_order",
            &[],
        ),
        case(
            "as-of-not-asked",
            "8.7",
            "the same receipt, but nobody asked about that time: now counts",
            Some("revoked"),
            "not_in_order",
            &["REVOKED"],
        )
        .receipt(&s.receipt("revoked", LAST, Some(4))),
        asked(
            "as-of-while-suspended",
            "as of 08:35 it was suspended, though it is not now",
            "reinstated",
            35,
            s.receipt("reinstated", LAST, Some(6)),
            "not_in_order",
            &["SUSPENDED"],
        ),
        asked(
            "as-of-before-withdrawal",
            "as of 08:15 nothing was known, but a later withdrawal reaches back",
            "compromised",
            15,
            s.receipt("compromised", LAST, Some(4)),
            "not_in_order",
            &["NOT_ACCREDITED_THEN"],
        ),
        asked(
            "as-of-the-last-block",
            "the newest checkpoint itself answers for a time between its block and its freshness",
            "clear",
            50,
            s.receipt("clear", LAST, None),
            "in_order",
            &[],
        ),
    ]
}

fn ages(s: &Scenario) -> Vec<Case> {
    vec![
        {
            let mut case = newest(
                s,
                "clear",
                "8.2",
                "the checkpoint is older than asked for",
                "cannot_tell",
                &["TOO_OLD"],
            );
            case.name = "too-old";
            case.question = Question::now(block_s(LAST) + 3600, 600);
            case
        },
        {
            let mut case = case(
                "old-checkpoint",
                "3.3",
                "an old receipt, asked in its time",
                Some("revoked"),
                "in_order",
                &[],
            )
            .receipt(&s.receipt("revoked", 4, None));
            case.question = question(4);
            case
        },
    ]
}

/// The time of the question is 40 s after the block: lines up to 100 s after it count.
fn cosignatures(s: &Scenario) -> Vec<Case> {
    let with_lines = |name, about, lines: &[(u8, u64)]| {
        let mut receipt = s.receipt("clear", LAST, None);
        let cosigners = lines.iter().map(|(member, after_s)| (*member, block_s(LAST) + after_s)).collect();
        receipt.anchored.tlog_proof.checkpoint = s.history.note(LAST, &Signers { logs: vec![0], cosigners });
        case(name, "3.3", about, Some("clear"), "in_order", &[]).receipt(&receipt)
    };
    vec![
        with_lines(
            "sixty-seconds-ahead",
            "a line 60 s ahead of the given time counts",
            &[(0, 10), (1, 11), (2, 100)],
        ),
        with_lines(
            "also-a-line-ahead",
            "a member's line that is 61 s ahead does not hide its acceptable one",
            &[(0, 10), (1, 11), (2, 12), (2, 101)],
        ),
        with_lines(
            "several-lines-of-one-member",
            "of several lines of one member the latest counts, once",
            &[(2, 14), (0, 30), (0, 10), (1, 20), (2, 12), (1, 101)],
        ),
    ]
}

fn openings(s: &Scenario) -> Vec<Case> {
    let mut unopened = s.receipt("clear", LAST, None);
    unopened.opening = None;
    let mut bare_unopened = s.receipt("bare", LAST, None);
    bare_unopened.opening = None;
    vec![
        newest(s, "sealed", "7.3", "the payload of a seal", "in_order", &[]),
        newest(
            s,
            "plain-file",
            "8.6",
            "a file that says nothing about itself",
            "cannot_tell",
            &["ISSUER_UNCLEAR", "TYPE_UNCLEAR"],
        ),
        newest(s, "bare", "7.1", "a commitment without a salt", "in_order", &[]),
        newest(s, "diploma", "8.5", "anchored under the issuer's other accreditation", "in_order", &[]),
        case(
            "bare-without-opening",
            "7.1",
            "a bare commitment opens without an opening",
            Some("bare"),
            "in_order",
            &[],
        )
        .receipt(&bare_unopened),
        case("no-credential", "8.6", "about a commitment only", None, "cannot_tell", &["NO_CREDENTIAL"])
            .receipt(&s.receipt("clear", LAST, None)),
        case(
            "no-opening",
            "8.4",
            "as a node gives it out, before the client adds the opening",
            Some("clear"),
            "cannot_tell",
            &["NO_OPENING"],
        )
        .receipt(&unopened),
    ]
}

fn epochs(s: &Scenario) -> Vec<Case> {
    let later = |mut case: Case, block| {
        case.trust = Trust::Later;
        case.question = question(block);
        case
    };
    let mut refreshed = s.receipt("clear", 7, None);
    refreshed.consistency = Some(crate::cases::forged::consistency(s, 7, LAST));
    let mut signed_late = refreshed.clone();
    let days_later =
        signers(7, &[0, 1, 2, 3]).into_iter().map(|(member, at_s)| (member, at_s + 172_800)).collect();
    signed_late.anchored.tlog_proof.checkpoint =
        s.history.note(7, &Signers { logs: vec![0], cosigners: days_later });
    vec![
        later(
            case("next-epoch", "8.1", "anchored after the members changed", Some("late"), "in_order", &[])
                .receipt(&s.receipt("late", NEXT_EPOCH, None)),
            NEXT_EPOCH,
        ),
        later(
            case(
                "renewed",
                "8.1",
                "anchored before the members changed, renewed under today's",
                Some("clear"),
                "in_order",
                &[],
            )
            .receipt(&s.receipt("clear", NEXT_EPOCH, None)),
            NEXT_EPOCH,
        ),
        later(
            case(
                "closed-epoch",
                "8.1",
                "under a closed epoch, tied to its closing checkpoint",
                Some("clear"),
                "in_order",
                &[],
            )
            .receipt(&refreshed),
            7,
        ),
        {
            let about = "retired keys sign their old tree days later: no fresher than the closing checkpoint";
            let (name, credential) = ("closed-epoch-signed-late", Some("clear"));
            let mut case =
                case(name, "8.1", about, credential, "cannot_tell", &["TOO_OLD"]).receipt(&signed_late);
            case.trust = Trust::Later;
            case.question = Question::now(question(7).at_s + 172_800, 86_400);
            case
        },
        later(
            case(
                "closing-checkpoint",
                "8.1",
                "under the closing checkpoint itself",
                Some("clear"),
                "in_order",
                &[],
            )
            .receipt(&s.receipt("clear", LAST, None)),
            LAST,
        ),
    ]
}
