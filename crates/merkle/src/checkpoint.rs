//! The text of a C2SP `tlog-checkpoint`: whose log, how large, which root.
//!
//! ```text
//! <origin>\n
//! <size, decimal>\n
//! <base64(root)>\n
//! ```
//!
//! Source: <https://c2sp.org/tlog-checkpoint@v1.0.0>. Extension lines, which the specification
//! advises against because monitors cannot audit them, are neither written nor accepted.

use std::fmt;
use std::str::FromStr;

use crate::hash::{EMPTY_ROOT, Hash};
use crate::log::TREE_SIZE_MAX;
use crate::note::{KeyName, Note};
use crate::text::{base64_encode, base64_hash, decimal};

/// A tree head, as it is signed. `Display` gives the note's text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Checkpoint {
    /// The log's name; also the name of its keys of type 0x01, so that stock clients work.
    pub origin: KeyName,
    /// The number of leaves.
    pub size: u64,
    /// The root of the tree of that size.
    pub root: Hash,
}

/// The text is not one of our checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// There are not three lines, each with a newline at its end.
    #[error("a checkpoint has three lines")]
    Form,
    /// There are further lines after the third.
    #[error("extension lines are not accepted")]
    ExtensionLines,
    /// The first line is not the name of a log.
    #[error("the origin is not a key name")]
    Origin,
    /// The second line is not a canonical decimal number of up to 2^62.
    #[error("the size is not a decimal number of leaves")]
    Size,
    /// The third line is not 32 bytes in base64, or not the empty root though the size is 0.
    #[error("the root is not the base64 of a SHA-256 value that fits the size")]
    Root,
}

impl Checkpoint {
    /// The checkpoint as a note that nobody has signed yet.
    pub fn to_note(&self) -> Note {
        Note::unsigned(self.to_string()).expect("three short lines without control characters")
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}\n{}\n{}\n", self.origin, self.size, base64_encode(&self.root.0))
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Checkpoint, CheckpointError> {
        let mut lines = text.splitn(4, '\n');
        let (Some(origin), Some(size), Some(root), Some(rest)) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Form);
        };
        if !rest.is_empty() {
            return Err(CheckpointError::ExtensionLines);
        }
        let origin = origin.parse().map_err(|_| CheckpointError::Origin)?;
        let size = decimal(size).filter(|&size| size <= TREE_SIZE_MAX).ok_or(CheckpointError::Size)?;
        let root = base64_hash(root).ok_or(CheckpointError::Root)?;
        if size == 0 && root != EMPTY_ROOT {
            return Err(CheckpointError::Root);
        }
        Ok(Checkpoint { origin, size, root })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    #[test]
    fn the_checkpoint_of_the_specification_is_read_and_written() {
        let checkpoint: Checkpoint = TEXT.parse().expect("C2SP tlog-checkpoint");
        assert_eq!(checkpoint.origin.as_str(), "example.com/behind-the-sofa");
        assert_eq!(checkpoint.size, 20_852_163);
        assert_eq!(checkpoint.to_string(), TEXT);
        assert_eq!(checkpoint.to_note().text(), TEXT);
    }

    #[test]
    fn every_other_text_is_refused() {
        use CheckpointError::*;
        for (text, expected) in [
            (String::new(), Form),
            (TEXT.trim_end().into(), Form),
            ("a\n1\n".into(), Form),
            (format!("{TEXT}extension\n"), ExtensionLines),
            (format!("{TEXT}\n"), ExtensionLines),
            (TEXT.replace("behind", "behind "), Origin),
            (format!("\n{}", TEXT.split_once('\n').expect("lines").1), Origin),
            (TEXT.replace("20852163", "020852163"), Size),
            (TEXT.replace("20852163", "-1"), Size),
            (TEXT.replace("20852163", ""), Size),
            (TEXT.replace("20852163", "4611686018427387905"), Size),
            (TEXT.replace("20852163", "0"), Root),
            (TEXT.replace("2I=", "2J="), Root),
            (TEXT.replace("CsUY", ""), Root),
        ] {
            assert_eq!(text.parse::<Checkpoint>(), Err(expected), "{text:?}");
        }
        let empty = Checkpoint { size: 0, root: EMPTY_ROOT, origin: "a".parse().expect("a name") };
        assert_eq!(empty.to_string().parse(), Ok(empty));
    }
}
