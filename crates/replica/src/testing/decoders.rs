//! The decoders of bytes from peers and from the journal, for whoever wants to know what they make of anything.

use crate::codec::{
    BlockParts, ConsensusMessage, JournalEntry, Request, decode_blocks, decode_certificate,
    decode_pulled_body, encode_blocks, encode_certificate, encode_pulled_body,
};

/// What is read, written again; `None` where the bytes are refused.
pub type Decoder = fn(&[u8]) -> Option<Vec<u8>>;

/// Every decoder that is not public by itself, with its name. What it takes, it writes as it was.
pub const DECODERS: [(&str, Decoder); 6] = [
    ("consensus", |bytes| Some(ConsensusMessage::decode(bytes).ok()?.encode())),
    ("request", |bytes| Some(Request::decode(bytes).ok()?.encode())),
    ("body", |bytes| Some(encode_pulled_body(decode_pulled_body(bytes).ok()?.as_deref()))),
    ("blocks", |bytes| {
        let blocks = decode_blocks(bytes).ok()?;
        let parts = blocks.iter().map(|block| BlockParts {
            header: &block.header,
            certificate: &block.certificate,
            body: &block.body,
        });
        Some(encode_blocks(&parts.collect::<Vec<_>>()))
    }),
    ("certificate", |bytes| Some(encode_certificate(&decode_certificate(bytes).ok()?))),
    ("journal", |bytes| {
        let entry = JournalEntry::decode(bytes).ok()?;
        Some(entry.encode().expect("what was read from the journal is for the journal"))
    }),
];
