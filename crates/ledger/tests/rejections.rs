//! `REJECTIONS.md` says what the enum says, in the same order.

use kvitto_ledger::rejection::{Class, Rejection};

fn grpc(class: Class) -> &'static str {
    match class {
        Class::Invalid => "INVALID_ARGUMENT",
        Class::Unauthenticated => "UNAUTHENTICATED",
        Class::Denied => "PERMISSION_DENIED",
        Class::NotFound => "NOT_FOUND",
        Class::Exists => "ALREADY_EXISTS",
        Class::Precondition => "FAILED_PRECONDITION",
        Class::Exhausted => "RESOURCE_EXHAUSTED",
    }
}

#[test]
fn the_page_and_the_enum_list_the_same() {
    let page: Vec<&str> = include_str!("../REJECTIONS.md")
        .lines()
        .filter(|line| {
            line.strip_prefix("| ").is_some_and(|row| row.starts_with(|c: char| c.is_ascii_digit()))
        })
        .filter(|line| line.matches('|').count() == 5)
        .collect();
    let list: Vec<String> = Rejection::ALL
        .iter()
        .map(|r| format!("| {} | {} | {} | {} |", r.code(), r.reason(), grpc(r.class()), r.text()))
        .collect();
    assert_eq!(page, list);
}

#[test]
fn codes_ascend_in_the_order_of_checks_and_are_read_back() {
    assert!(Rejection::ALL.is_sorted_by(|a, b| a.code() < b.code()));
    for rejection in Rejection::ALL {
        assert_eq!(Rejection::from_code(rejection.code()), Some(*rejection));
    }
    assert_eq!(Rejection::from_code(0), None);
}

#[test]
fn only_what_passes_with_time_alone_is_for_now() {
    let for_now: Vec<_> = Rejection::ALL.iter().filter(|rejection| rejection.is_for_now()).collect();
    assert_eq!(
        for_now,
        [&Rejection::StatementNotYet, &Rejection::AccreditationNotYet, &Rejection::RevocationQuota]
    );
}
