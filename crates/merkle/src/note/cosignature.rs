//! The timestamped cosignature of C2SP `cosignature/v1` (type 0x04).

/// The length of an encoded [`Cosignature`].
pub const COSIGNATURE_BYTES: usize = 72;

/// "As of this time, this is the largest consistent tree that I have seen of this log."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cosignature {
    /// Seconds since the Unix epoch; at most `2^63 - 1` in a valid cosignature.
    pub timestamp_s: u64,
    /// The Ed25519 signature over [`cosignature_message`].
    pub signature: [u8; 64],
}

/// What a cosigner signs: `"cosignature/v1\ntime <timestamp_s>\n"`, then the checkpoint's whole
/// text (final newline included, signature lines not).
pub fn cosignature_message(timestamp_s: u64, checkpoint_text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {timestamp_s}\n{checkpoint_text}").into_bytes()
}

impl Cosignature {
    /// The bytes that stand after the key id in a signature line: `u64be timestamp || signature`.
    pub fn to_bytes(&self) -> [u8; COSIGNATURE_BYTES] {
        let mut bytes = [0; COSIGNATURE_BYTES];
        bytes[..8].copy_from_slice(&self.timestamp_s.to_be_bytes());
        bytes[8..].copy_from_slice(&self.signature);
        bytes
    }

    /// Reads the bytes after the key id; `None` when they are not exactly 72, or the time is past
    /// `2^63 - 1`.
    pub fn from_bytes(bytes: &[u8]) -> Option<Cosignature> {
        let (timestamp, signature) = bytes.split_first_chunk()?;
        let timestamp_s = u64::from_be_bytes(*timestamp);
        let signature = signature.try_into().ok()?;
        (timestamp_s <= i64::MAX as u64).then_some(Cosignature { timestamp_s, signature })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_that_of_the_specification() {
        // C2SP tlog-cosignature, "Ed25519 signed message".
        let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let message = cosignature_message(1_679_315_147, text);
        assert_eq!(message, [b"cosignature/v1\ntime 1679315147\n", text.as_bytes()].concat());
    }

    #[test]
    fn bytes_are_time_then_signature() {
        let cosignature = Cosignature { timestamp_s: 0x0102, signature: [9; 64] };
        let bytes = cosignature.to_bytes();
        assert_eq!(bytes[..9], [0, 0, 0, 0, 0, 0, 1, 2, 9]);
        assert_eq!(Cosignature::from_bytes(&bytes), Some(cosignature));
        assert_eq!(Cosignature::from_bytes(&bytes[1..]), None);
        assert_eq!(Cosignature::from_bytes(&[&bytes[..], &[0]].concat()), None);
        assert_eq!(Cosignature::from_bytes(&[0x80; 72]), None);
        assert_eq!(Cosignature::from_bytes(&[]), None);
    }
}
