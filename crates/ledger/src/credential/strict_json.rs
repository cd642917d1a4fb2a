//! JSON read strictly: one meaning for every reader, or refused.
//!
//! Refused beyond the grammar of RFC 8259: a member name twice in one object, at any depth; half surrogate pairs;
//! numbers that a double does not hold (all three are what RFC 8785 presumes of its input, taken from RFC 7493,
//! I-JSON); nesting past [`DEPTH_MAX`]. The caller bounds the size.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::error::{CredentialError, shortened};
use super::number::survives_double;

/// The deepest nesting of objects and arrays; the deepest real credential seen has 18.
pub(super) const DEPTH_MAX: usize = 64;

/// Reads one JSON text.
pub(super) fn parse(text: &[u8]) -> Result<Value, CredentialError> {
    let fault = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let parsed = StrictValue { depth: 0, fault: &fault }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    if let Some(fault) = fault.into_inner() {
        return Err(fault);
    }
    // The parser has no name of its own for surrogates and numbers, so the text is looked through for them.
    match (parsed, lexical_fault(text)) {
        (Ok(value), None) => Ok(value),
        (_, Some(fault)) => Err(fault),
        (Err(error), None) => Err(CredentialError::MalformedJson { detail: error.to_string() }),
    }
}

/// Builds a [`Value`], and leaves the reason in `fault` where it refuses.
#[derive(Clone, Copy)]
struct StrictValue<'a> {
    depth: usize,
    fault: &'a RefCell<Option<CredentialError>>,
}

impl StrictValue<'_> {
    fn refuse<E: Error>(&self, fault: CredentialError) -> E {
        let error = E::custom(&fault);
        *self.fault.borrow_mut() = Some(fault);
        error
    }

    fn inner<E: Error>(&self) -> Result<Self, E> {
        if self.depth == DEPTH_MAX {
            return Err(self.refuse(CredentialError::NestedTooDeep { depth_max: DEPTH_MAX }));
        }
        Ok(Self { depth: self.depth + 1, fault: self.fault })
    }
}

impl<'de> DeserializeSeed<'de> for StrictValue<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictValue<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(self.refuse(CredentialError::DuplicateMember { name: shortened(&name) }));
            }
            object.insert(name, members.next_value_seed(inner)?);
        }
        Ok(Value::Object(object))
    }
}

/// The first half surrogate pair or number that a double does not hold, in a text that is JSON or nearly so.
fn lexical_fault(text: &[u8]) -> Option<CredentialError> {
    let mut offset = 0;
    while let Some(byte) = text.get(offset) {
        match byte {
            b'"' => match skip_string(text, offset + 1) {
                Ok(end) => offset = end,
                Err(offset) => return Some(CredentialError::LoneSurrogate { offset }),
            },
            b'-' | b'0'..=b'9' => {
                let length = text[offset..].iter().take_while(|byte| is_number_byte(**byte)).count();
                let literal = String::from_utf8_lossy(&text[offset..offset + length]);
                if literal.parse::<f64>().is_ok() && !survives_double(&literal) {
                    return Some(CredentialError::NumberNotPreserved { literal: shortened(&literal) });
                }
                offset += length;
            }
            _ => offset += 1,
        }
    }
    None
}

const fn is_number_byte(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')
}

/// The offset past the string's closing quote, or the offset of an escape that is half a surrogate pair.
fn skip_string(text: &[u8], start: usize) -> Result<usize, usize> {
    let mut offset = start;
    while let Some(byte) = text.get(offset) {
        match byte {
            b'"' => return Ok(offset + 1),
            b'\\' => match utf16_unit(text, offset) {
                Some(0xd800..=0xdbff) => match utf16_unit(text, offset + 6) {
                    Some(0xdc00..=0xdfff) => offset += 12,
                    _ => return Err(offset),
                },
                Some(0xdc00..=0xdfff) => return Err(offset),
                Some(_) => offset += 6,
                None => offset += 2,
            },
            _ => offset += 1,
        }
    }
    Ok(offset)
}

/// The unit named by the escape `\uXXXX` at `offset`, where there is one.
fn utf16_unit(text: &[u8], offset: usize) -> Option<u16> {
    let digits = text.get(offset..offset + 6)?.strip_prefix(b"\\u")?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let outcome = match parse(text.as_bytes()) {
            Ok(value) => serde_json_canonicalizer::to_string(&value).unwrap(),
            Err(error) => error.reason().to_owned(),
        };
        assert_eq!(outcome, expected, "{text}");
    }

    #[test]
    fn a_member_name_twice_is_refused_at_any_depth() {
        check(r#"{"a":1,"a":1}"#, "DUPLICATE_MEMBER");
        check(r#"{"a":1,"\u0061":2}"#, "DUPLICATE_MEMBER");
        check(r#"[{"b":{"a":1,"c":[{"x":1,"y":2,"x":3}]}}]"#, "DUPLICATE_MEMBER");
        check(r#"{"":1,"":2}"#, "DUPLICATE_MEMBER");
        check(r#"{"a":{"a":1},"b":{"a":1}}"#, r#"{"a":{"a":1},"b":{"a":1}}"#);
        check("{\"\u{e9}\":1,\"e\u{301}\":2}", "{\"e\u{301}\":2,\"\u{e9}\":1}");
    }

    #[test]
    fn half_surrogate_pairs_are_refused_in_texts_and_names() {
        for half in
            [r"\ud800", r"\uDFFF", r"\ud83d\u0041", r"\ud83dx", r"\ude00\ud83d", r"\ud83d\ud83d\ude00"]
        {
            check(&format!(r#"["{half}"]"#), "LONE_SURROGATE");
            check(&format!(r#"{{"{half}":1}}"#), "LONE_SURROGATE");
        }
        check(r#"["\ud83d\ude00","\\ud800","\u00e9"]"#, "[\"\u{1f600}\",\"\\\\ud800\",\"\u{e9}\"]");
        let error = parse(br#"["ok","\ud800"]"#).unwrap_err();
        assert_eq!(error, CredentialError::LoneSurrogate { offset: 7 });
    }

    #[test]
    fn numbers_keep_their_value_or_are_refused() {
        check(
            "[3.0,1.0,36.0,4.50,1E30,2e-3,-0,1e21,1e20]",
            "[3,1,36,4.5,1e+30,0.002,0,1e+21,100000000000000000000]",
        );
        check("[333333333.33333329,5e-324,9007199254740992]", "[333333333.3333333,5e-324,9007199254740992]");
        for number in
            ["9007199254740993", "18446744073709551615", "-9007199254740993", "1e400", "-1e400", "1e-400"]
        {
            check(&format!(r#"{{"n":{number}}}"#), "NUMBER_NOT_PRESERVED");
            check(&format!(r#"["{number}"]"#), &format!(r#"["{number}"]"#));
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        check(&nested(DEPTH_MAX), &nested(DEPTH_MAX));
        check(&nested(DEPTH_MAX + 1), "NESTED_TOO_DEEP");
        check(&"[".repeat(100_000), "NESTED_TOO_DEEP");
        check(&r#"{"a":"#.repeat(100_000), "NESTED_TOO_DEEP");
    }

    #[test]
    fn broken_grammar_is_refused() {
        for text in [
            "",
            "{",
            "{}{}",
            "{} x",
            "{'a':1}",
            r#"{"a":1,}"#,
            "[1,]",
            "[01]",
            "[.5]",
            "[1.]",
            "[+1]",
            "[NaN]",
            "nul",
            "[1-2]",
            "[2024-01-01]",
            "\u{feff}{}",
            "[\"\n\"]",
            r#"["\x"]"#,
            r#"["\u12"]"#,
            "/* */{}",
        ] {
            check(text, "MALFORMED_JSON");
        }
        assert_eq!(parse(b"[\"\xff\"]").unwrap_err().reason(), "MALFORMED_JSON");
    }
}
