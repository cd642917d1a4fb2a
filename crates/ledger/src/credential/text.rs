//! Human-readable texts in one or many languages, in all the ways that credentials write them.

use serde_json::{Map, Value};

use super::shape::one_or_many;

/// A text and, where the credential says so, its language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The language tag as written (BCP 47), such as `sv` or `en`.
    pub language: Option<String>,
    /// The text.
    pub text: String,
}

/// The text in the first of the `preferred` languages that is there; else in English, without a language, or the first.
///
/// A preferred `sv` also finds `sv-SE`.
pub fn best_text<'a>(texts: &'a [Text], preferred: &[&str]) -> Option<&'a str> {
    let wanted = preferred.iter().copied().chain(["en"]);
    let spoken = wanted.filter_map(|language| texts.iter().find(|text| text.is_in(language))).next();
    let unmarked = || texts.iter().find(|text| text.language.is_none());
    spoken.or_else(unmarked).or(texts.first()).map(|text| text.text.as_str())
}

impl Text {
    fn is_in(&self, language: &str) -> bool {
        let tag = self.language.as_deref().unwrap_or("");
        let primary = tag.split('-').next().unwrap_or("");
        tag.eq_ignore_ascii_case(language) || primary.eq_ignore_ascii_case(language)
    }
}

/// The texts in a value: a string, a language map (`{"en": "…"}`, also with arrays), JSON-LD language objects
/// (`{"@value": "…", "@language": "en"}`), an ELM note, or an array of these.
pub(super) fn texts(value: &Value) -> Vec<Text> {
    one_or_many(value).iter().flat_map(texts_of_one).collect()
}

fn texts_of_one(value: &Value) -> Vec<Text> {
    match value {
        Value::String(text) => marked(None, text).into_iter().collect(),
        Value::Object(object) => texts_of_object(object),
        _ => Vec::new(),
    }
}

fn texts_of_object(object: &Map<String, Value>) -> Vec<Text> {
    if let Some(text) = object.get("@value").and_then(Value::as_str) {
        let language = object.get("@language").and_then(Value::as_str);
        return marked(language, text).into_iter().collect();
    }
    let map = match object.get("noteLiteral") {
        Some(Value::Object(map)) => map,
        _ if object.contains_key("type") => return Vec::new(),
        _ => object,
    };
    let by_language = map.iter().filter(|(tag, _)| is_language_tag(tag));
    let each = by_language.flat_map(|(tag, value)| one_or_many(value).iter().map(move |text| (tag, text)));
    each.filter_map(|(tag, text)| marked(Some(tag), text.as_str()?)).collect()
}

fn marked(language: Option<&str>, text: &str) -> Option<Text> {
    let text = text.trim();
    (!text.is_empty()).then(|| Text { language: language.map(str::to_owned), text: text.to_owned() })
}

/// Two or three letters, then subtags of up to eight letters or digits.
fn is_language_tag(tag: &str) -> bool {
    let mut subtags = tag.split('-');
    let primary = subtags.next().unwrap_or("");
    (2..=3).contains(&primary.len())
        && primary.bytes().all(|byte| byte.is_ascii_alphabetic())
        && subtags
            .all(|tag| (1..=8).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(value: Value, expected: &[(&str, &str)]) {
        let found = texts(&value);
        let pairs: Vec<_> =
            found.iter().map(|text| (text.language.as_deref().unwrap_or(""), text.text.as_str())).collect();
        assert_eq!(pairs, expected, "{value}");
    }

    #[test]
    fn every_way_of_writing_a_text_is_read() {
        check(json!("Title"), &[("", "Title")]);
        check(
            json!({"en": "Title", "sv": ["Titel", "Rubrik"]}),
            &[("en", "Title"), ("sv", "Titel"), ("sv", "Rubrik")],
        );
        check(
            json!([{"@value": "Title", "@language": "en"}, {"@value": "عنوان", "@language": "ar", "@direction": "rtl"}]),
            &[("en", "Title"), ("ar", "عنوان")],
        );
        check(
            json!({"id": "urn:x", "type": "Note", "noteLiteral": {"sv-SE": "Titel"}}),
            &[("sv-SE", "Titel")],
        );
        check(json!(["Title", {"und": "Titel"}]), &[("", "Title"), ("und", "Titel")]);
        check(json!({"id": "urn:x", "type": "Concept"}), &[]);
        check(json!([null, 1, true, [], {}, " "]), &[]);
    }

    #[test]
    fn the_best_language_is_the_reader_s_then_english_then_the_first() {
        let titles = texts(&json!({"de": "Titel", "en": "Title", "sv-SE": "Rubrik"}));
        assert_eq!(best_text(&titles, &["fr", "sv"]), Some("Rubrik"));
        assert_eq!(best_text(&titles, &["fr"]), Some("Title"));
        assert_eq!(best_text(&titles[..1], &["fr"]), Some("Titel"));
        assert_eq!(best_text(&texts(&json!([{"de": "Titel"}, "Plain"])), &[]), Some("Plain"));
        assert_eq!(best_text(&[], &["en"]), None);
    }
}
