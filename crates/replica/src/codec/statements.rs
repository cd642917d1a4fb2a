//! Statements on their way into every mempool: many small ones in one message.

use std::sync::Arc;

use kvitto_ledger::statement::STATEMENT_BYTES_MAX;
use serde_bytes::{ByteBuf, Bytes};

use super::frame::{CodecError, ensure, frame, unframe_as};

const KIND: u8 = 1;
/// Longest message, in bytes: one statement of greatest length with its frame.
pub const STATEMENTS_BYTES_MAX: usize = STATEMENT_BYTES_MAX + 16;
/// A message with several statements is at most about this long, in bytes.
pub(crate) const BATCH_BYTES_MAX: usize = 48 * 1024;

/// A batch of statements as exact bytes; not checked in any way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statements(pub Vec<Arc<[u8]>>);

impl Statements {
    /// Its bytes: a CBOR array of byte strings.
    pub fn encode(&self) -> Vec<u8> {
        frame(KIND, &self.0.iter().map(|bytes| Bytes::new(bytes)).collect::<Vec<_>>())
    }

    /// Reads one of at most [`STATEMENTS_BYTES_MAX`].
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let statements: Vec<ByteBuf> = unframe_as(KIND, bytes, STATEMENTS_BYTES_MAX)?;
        ensure(!statements.is_empty() && statements.iter().all(|bytes| !bytes.is_empty()))?;
        Ok(Self(statements.into_iter().map(|bytes| Arc::from(bytes.into_vec())).collect()))
    }

    /// Puts statements into as few messages as there have to be, in order.
    pub fn batches(statements: impl IntoIterator<Item = Arc<[u8]>>) -> Vec<Self> {
        let mut batches = vec![Self(Vec::new())];
        let mut batch_bytes = 0;
        for statement in statements {
            if batch_bytes > 0 && batch_bytes + statement.len() > BATCH_BYTES_MAX {
                batches.push(Self(Vec::new()));
                batch_bytes = 0;
            }
            batch_bytes += statement.len() + 5;
            batches.last_mut().expect("there is one from the start").0.push(statement);
        }
        batches.retain(|batch| !batch.0.is_empty());
        batches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_len(len: usize) -> Arc<[u8]> {
        Arc::from(vec![7; len])
    }

    #[test]
    fn small_statements_share_messages_and_large_ones_travel_alone() {
        let statements = [1, 40_000, 8_000, 2_000, STATEMENT_BYTES_MAX, 5].map(of_len);
        let lens: Vec<Vec<usize>> = Statements::batches(statements)
            .iter()
            .map(|batch| {
                assert_eq!(Statements::decode(&batch.encode()).as_ref(), Ok(batch));
                batch.0.iter().map(|bytes| bytes.len()).collect()
            })
            .collect();
        assert_eq!(lens, [vec![1, 40_000, 8_000], vec![2_000], vec![STATEMENT_BYTES_MAX], vec![5]]);
        assert_eq!(Statements::batches([]), []);
    }

    #[test]
    fn an_empty_or_overlong_message_is_refused() {
        assert_eq!(Statements::decode(&Statements(vec![]).encode()), Err(CodecError::Range));
        assert_eq!(Statements::decode(&Statements(vec![of_len(0)]).encode()), Err(CodecError::Range));
        assert_eq!(Statements::decode(&vec![1; STATEMENTS_BYTES_MAX + 1]), Err(CodecError::TooLong));
        assert_eq!(Statements::decode(&[2, 1, 0x80]), Err(CodecError::Version));
        assert_eq!(Statements::decode(&[1, 2, 0x80]), Err(CodecError::Kind));
        assert_eq!(Statements::decode(&[1, 1, 0x9f, 0xff]), Err(CodecError::Form));
    }
}
