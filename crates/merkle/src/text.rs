//! The two text encodings that C2SP formats share, read strictly: one value, one text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::hash::Hash;

/// A decimal number: digits only, no leading zero except in `0` itself, at most `u64::MAX`.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    if !canonical || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Standard base64 with padding (RFC 4648, section 4); other spellings of the bytes are refused.
pub(crate) fn base64_decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Standard base64 with padding.
pub(crate) fn base64_encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// A SHA-256 value in base64.
pub(crate) fn base64_hash(text: &str) -> Option<Hash> {
    base64_decode(text)?.try_into().ok().map(Hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_bytes_have_one_text_each() {
        assert_eq!(decimal("0"), Some(0));
        assert_eq!(decimal("18446744073709551615"), Some(u64::MAX));
        for bad in ["", "00", "01", "+1", "-0", " 1", "1 ", "1_0", "0x1", "18446744073709551616", "١"] {
            assert_eq!(decimal(bad), None, "{bad}");
        }
        assert_eq!(base64_decode("Zm8="), Some(b"fo".to_vec()));
        for bad in ["Zm8", "Zm9=", "Zm8=\n", " Zm8=", "Zm-_", "Zm8=="] {
            assert_eq!(base64_decode(bad), None, "{bad}");
        }
        assert_eq!(base64_hash("Zm8="), None);
    }
}
