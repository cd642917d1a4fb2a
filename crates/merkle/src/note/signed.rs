//! The note itself: strict parsing, and writing the same bytes back.

use std::fmt;
use std::str::FromStr;

use super::cosignature::Cosignature;
use super::key::{KeyId, KeyName, VerifierKey};
use crate::text::{base64_decode, base64_encode};

/// The longest note that is read, in bytes.
pub const NOTE_BYTES_MAX: usize = 128 * 1024;

/// The most signature lines that a note may have.
pub const NOTE_SIGNATURES_MAX: usize = 64;

/// A text and its signature lines, none of them checked yet.
///
/// Parsing is strict, so a parsed note is written back byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// One signature line: `— <name> base64(u32be key id || signature)`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NoteSignature {
    name: KeyName,
    key_id: KeyId,
    signature: Vec<u8>,
}

/// The bytes are not a signed note, or a note cannot be made of the parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteFormatError {
    /// More than [`NOTE_BYTES_MAX`].
    #[error("a note has at most 131072 bytes")]
    TooLong,
    /// It is not UTF-8.
    #[error("a note is UTF-8")]
    NotUtf8,
    /// There is an ASCII control character other than the newline.
    #[error("a note has no control characters but newlines")]
    ControlCharacter,
    /// No empty line divides text and signatures, or the text does not end in a newline.
    #[error("a note is a text that ends in a newline, an empty line, and signature lines")]
    Form,
    /// A signature line is not of the form `— <name> <base64>`.
    #[error("a signature line is not of the form \"— <key name> <base64>\"")]
    SignatureLine,
    /// There are no signature lines, or more than [`NOTE_SIGNATURES_MAX`].
    #[error("a note has 1 to 64 signature lines")]
    SignatureCount,
}

impl Note {
    /// A note without signatures yet; it can be parsed back once it has one.
    ///
    /// # Errors
    /// When the text does not end in a newline, is too long or has control characters.
    pub fn unsigned(text: String) -> Result<Note, NoteFormatError> {
        check_characters(&text)?;
        if text.ends_with('\n') {
            Ok(Note { text, signatures: Vec::new() })
        } else {
            Err(NoteFormatError::Form)
        }
    }

    /// Reads a note from bytes.
    ///
    /// # Errors
    /// [`NoteFormatError`] says what the bytes lack.
    pub fn from_bytes(bytes: &[u8]) -> Result<Note, NoteFormatError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteFormatError::TooLong);
        }
        std::str::from_utf8(bytes).map_err(|_| NoteFormatError::NotUtf8)?.parse()
    }

    /// The signed text, final newline included.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines in order.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Adds a signature line at the end.
    ///
    /// # Errors
    /// When the note would become longer than notes may be.
    pub fn push(&mut self, signature: NoteSignature) -> Result<(), NoteFormatError> {
        if self.signatures.len() == NOTE_SIGNATURES_MAX {
            return Err(NoteFormatError::SignatureCount);
        }
        self.signatures.push(signature);
        if self.to_string().len() > NOTE_BYTES_MAX {
            self.signatures.pop();
            return Err(NoteFormatError::TooLong);
        }
        Ok(())
    }
}

impl NoteSignature {
    /// The line of a key of type 0x01 with its signature over the note's text.
    pub fn of_log(key: &VerifierKey, signature: &[u8; 64]) -> NoteSignature {
        NoteSignature { name: key.name().clone(), key_id: key.id(), signature: signature.to_vec() }
    }

    /// The line of a key of type 0x04 with its cosignature.
    pub fn of_cosigner(key: &VerifierKey, cosignature: &Cosignature) -> NoteSignature {
        NoteSignature {
            name: key.name().clone(),
            key_id: key.id(),
            signature: cosignature.to_bytes().to_vec(),
        }
    }

    /// The name of the key that is said to have signed.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The id of the key that is said to have signed.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The bytes after the key id, at least one; their layout depends on the key's type.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Whether the line names this key (which says nothing about the signature).
    pub fn names(&self, key: &VerifierKey) -> bool {
        self.key_id == key.id() && self.name == *key.name()
    }
}

fn check_characters(text: &str) -> Result<(), NoteFormatError> {
    if text.len() > NOTE_BYTES_MAX {
        return Err(NoteFormatError::TooLong);
    }
    if text.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
        return Err(NoteFormatError::ControlCharacter);
    }
    Ok(())
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(formatter, "{signature}"))
    }
}

impl FromStr for Note {
    type Err = NoteFormatError;

    fn from_str(note: &str) -> Result<Note, NoteFormatError> {
        check_characters(note)?;
        let (text, lines) = note.rsplit_once("\n\n").ok_or(NoteFormatError::Form)?;
        let lines = lines.strip_suffix('\n').ok_or(NoteFormatError::SignatureCount)?;
        if lines.split('\n').count() > NOTE_SIGNATURES_MAX {
            return Err(NoteFormatError::SignatureCount);
        }
        let signatures = lines.split('\n').map(str::parse).collect::<Result<_, _>>()?;
        Ok(Note { text: format!("{text}\n"), signatures })
    }
}

/// Without the newline.
impl fmt::Display for NoteSignature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.key_id.0.to_be_bytes(), &self.signature[..]].concat();
        write!(formatter, "— {} {}", self.name, base64_encode(&bytes))
    }
}

/// Without the newline.
impl FromStr for NoteSignature {
    type Err = NoteFormatError;

    fn from_str(line: &str) -> Result<NoteSignature, NoteFormatError> {
        let bad_line = NoteFormatError::SignatureLine;
        if line.len() > NOTE_BYTES_MAX {
            return Err(NoteFormatError::TooLong);
        }
        let (name, base64) = line.strip_prefix("— ").and_then(|rest| rest.split_once(' ')).ok_or(bad_line)?;
        let name = name.parse().map_err(|_| bad_line)?;
        let bytes = base64_decode(base64).ok_or(bad_line)?;
        let (key_id, signature) = bytes.split_first_chunk().ok_or(bad_line)?;
        if signature.is_empty() {
            return Err(bad_line);
        }
        let key_id = KeyId(u32::from_be_bytes(*key_id));
        Ok(NoteSignature { name, key_id, signature: signature.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

    #[test]
    fn the_text_ends_at_the_last_empty_line() {
        let note: Note = format!("a\n\n— b c\n\n{LINE}{LINE}").parse().expect("a note");
        assert_eq!(note.text(), "a\n\n— b c\n");
        assert_eq!(note.signatures().len(), 2);
        let [signature, _] = note.signatures() else { unreachable!("two lines") };
        assert_eq!(signature.name().as_str(), "example.com/foo");
        assert_eq!(signature.key_id(), KeyId(0x530d_903a));
        assert_eq!(signature.signature().len(), 64);
        assert_eq!(note.to_string(), format!("a\n\n— b c\n\n{LINE}{LINE}"));
    }

    #[test]
    fn what_is_not_a_note_is_refused() {
        use NoteFormatError::*;
        for (note, expected) in [
            (String::new(), Form),
            ("text\n".into(), Form),
            (format!("text\n{LINE}"), Form),
            (format!("\n{LINE}"), Form),
            ("text\n\n".into(), SignatureCount),
            (format!("text\n\n{}", LINE.trim_end()), SignatureCount),
            (format!("text\n\n{}", LINE.repeat(65)), SignatureCount),
            (format!("text\n\n{LINE}\n"), SignatureCount),
            (format!("text\n\n{LINE}what"), SignatureCount),
            (format!("text\n\n{LINE}what\n"), SignatureLine),
            (format!("text\n\n{}", LINE.replace('—', "-")), SignatureLine),
            (format!("text\n\n{}", LINE.replace("foo ", "foo  ")), SignatureLine),
            (format!("text\n\n{}", LINE.replace("foo", "f+o")), SignatureLine),
            (format!("text\n\n{}", LINE.replace("foo", "f\u{2003}o")), SignatureLine),
            (format!("text\n\n{}", LINE.replace("aQM=", "aQN=")), SignatureLine),
            (format!("text\n\n{}", LINE.replace("aQM=", "aQM")), SignatureLine),
            ("text\n\n— example.com/foo Uw2QOg==\n".into(), SignatureLine),
            ("text\n\n— example.com/foo Uw2Q\n".into(), SignatureLine),
            (format!("te\txt\n\n{LINE}"), ControlCharacter),
            (format!("text\r\n\r\n{LINE}"), ControlCharacter),
            (format!("{}\n\n{LINE}", "x".repeat(NOTE_BYTES_MAX)), TooLong),
        ] {
            assert_eq!(note.parse::<Note>(), Err(expected), "{note:.80?}");
            assert_eq!(Note::from_bytes(note.as_bytes()), Err(expected));
        }
        assert_eq!(Note::from_bytes(b"\xff\n\n"), Err(NotUtf8));
        assert!(format!("text\n\n{}", LINE.repeat(64)).parse::<Note>().is_ok());
    }

    #[test]
    fn a_note_is_made_by_adding_lines() {
        let line: NoteSignature = LINE.trim_end().parse().expect("a line");
        let mut note = Note::unsigned("text\n".into()).expect("a text");
        (0..64).for_each(|_| note.push(line.clone()).expect("room"));
        assert_eq!(note.push(line), Err(NoteFormatError::SignatureCount));
        assert_eq!(note.to_string().parse(), Ok(note));
        assert_eq!(Note::unsigned("text".into()), Err(NoteFormatError::Form));
        assert_eq!(Note::unsigned("te\0xt\n".into()), Err(NoteFormatError::ControlCharacter));
    }
}
