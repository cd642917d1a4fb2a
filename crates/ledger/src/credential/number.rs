//! Which JSON numbers keep their value as an IEEE 754 double, the only number that RFC 8785 knows.

/// A double's exact decimal expansion never has more significant digits than this (767, rounded up).
const SIGNIFICANT_DIGITS_MAX: usize = 800;

/// As many digits as a program needs to print any double; not every program rounds the last one correctly.
const PRINTED_DIGITS_MAX: usize = 17;

/// 2^53: from here on a double has no fraction.
const FRACTION_END: f64 = 9_007_199_254_740_992.0;

/// Whether a JSON number says the same after it was read as a double.
///
/// It does where the double gives the literal back, in its shortest form or rounded to as many significant digits as
/// the literal has; and for a fraction of at most 17 digits, which is how programs print doubles.
/// `3.0`, `4.50`, `0.1`, `1E30` and `333333333.33333329` pass; `9007199254740993`, `1e400`, `1e-400` and a fraction of
/// 18 digits that lost its end do not. `literal` follows the grammar of RFC 8259; anything else is `false`.
pub(super) fn survives_double(literal: &str) -> bool {
    let Some((digits, exponent)) = scientific(literal) else { return false };
    if digits.is_empty() {
        return true;
    }
    if digits.len() > SIGNIFICANT_DIGITS_MAX {
        return false;
    }
    let Ok(double) = literal.parse::<f64>().map(f64::abs) else { return false };
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    let written = format!("{first}{point}{rest}e{exponent}");
    let fraction = i64::try_from(rest.len()).is_ok_and(|places| places > exponent);
    written == format!("{double:e}")
        || written == format!("{:.*e}", rest.len(), double)
        || (fraction && digits.len() <= PRINTED_DIGITS_MAX && double.is_normal() && double < FRACTION_END)
}

/// The significant digits and the power of ten of the first of them; no digits for zero.
fn scientific(literal: &str) -> Option<(String, i64)> {
    let unsigned = literal.strip_prefix('-').unwrap_or(literal);
    let (mantissa, power) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = format!("{whole}{fraction}");
    if all_digits.is_empty() || !all_digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let from_first = all_digits.trim_start_matches('0');
    let digits = from_first.trim_end_matches('0');
    if digits.is_empty() {
        return Some((String::new(), 0));
    }
    let leading_zeros = i64::try_from(all_digits.len() - from_first.len()).ok()?;
    let whole_digits = i64::try_from(whole.len()).ok()?;
    let exponent = power.parse::<i64>().ok()?.checked_add(whole_digits - 1 - leading_zeros)?;
    Some((digits.to_owned(), exponent))
}

#[cfg(test)]
mod tests {
    use super::survives_double;

    #[test]
    fn numbers_that_a_double_holds_are_kept() {
        let kept = [
            "0",
            "-0",
            "0.0",
            "0e999",
            "1",
            "-1",
            "3.0",
            "1.0",
            "36.0",
            "42.0",
            "4.50",
            "2e-3",
            "0.1",
            "-0.1",
            "1E30",
            "100",
            "0.000000000000000000000000001",
            "333333333.33333329",
            "0.30000000000000004",
            "9007199254740991",
            "9007199254740992",
            "9007199254740994",
            "9223372036854775808",
            "123456789012345680000",
            "6.189700196426902e+26",
            "1.7976931348623157e308",
            "2.2250738585072014e-308",
            "5e-324",
            "-5e-324",
            "1e+2",
            "1E-7",
        ];
        for literal in kept {
            assert!(survives_double(literal), "{literal}");
        }
    }

    #[test]
    fn numbers_that_a_double_changes_are_refused() {
        let changed = [
            "9007199254740993",
            "-9007199254740993",
            "18446744073709551615",
            "12345678901234567890",
            "1e400",
            "-1e400",
            "1.8e308",
            "1e-400",
            "2e-324",
            "3e-324",
            "3.141592653589793238",
            "9007199254740992.5",
            "1e-310000",
            "0.1000000000000000001",
            "1e99999999999999999999",
        ];
        for literal in changed {
            assert!(!survives_double(literal), "{literal}");
        }
        assert!(!survives_double(&"7".repeat(2_000)));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-", ".", "e5", "1e", "1e+", "x", "1x", "NaN", "inf", "--1"] {
            assert!(!survives_double(text), "{text}");
        }
    }
}
