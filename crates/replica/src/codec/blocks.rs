//! Committed blocks for a node that is behind.

use kvitto_ledger::Header;
use kvitto_ledger::block::BODY_BYTES_MAX;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteBuf, Bytes};

use super::frame::{CodecError, ensure, frame, unframe_as};
use super::request::PULL_BLOCKS_MAX;

const KIND: u8 = 65;
/// Most bytes of an answer; one block always fits.
pub(crate) const BLOCKS_BYTES_MAX: usize = 3 * 1024 * 1024;

/// A committed block as the store has it.
#[derive(Clone, Copy, Debug)]
pub struct BlockParts<'a> {
    /// Its header.
    pub header: &'a Header,
    /// The certificate that it was committed with.
    pub certificate: &'a [u8],
    /// Its body, encoded.
    pub body: &'a [u8],
}

impl BlockParts<'_> {
    /// Bytes that it takes in an answer, at most.
    pub fn len_max(&self) -> usize {
        kvitto_ledger::block::HEADER_BYTES_MAX + self.certificate.len() + self.body.len() + 16
    }
}

#[derive(Serialize)]
struct WireRef<'a>(&'a Header, &'a Bytes, &'a Bytes);

#[derive(Serialize, Deserialize)]
struct Wire(Header, ByteBuf, ByteBuf);

/// The answer to [`crate::Effect::ServeBlocks`]: `[[header, certificate, body], …]`, in order of height.
pub fn encode_blocks(blocks: &[BlockParts<'_>]) -> Vec<u8> {
    let wire = blocks
        .iter()
        .map(|block| WireRef(block.header, Bytes::new(block.certificate), Bytes::new(block.body)));
    frame(KIND, &wire.collect::<Vec<_>>())
}

/// A block as it was served; nothing about it is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServedBlock {
    pub(crate) header: Header,
    pub(crate) certificate: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn decode_blocks(bytes: &[u8]) -> Result<Vec<ServedBlock>, CodecError> {
    let blocks: Vec<Wire> = unframe_as(KIND, bytes, BLOCKS_BYTES_MAX)?;
    ensure(blocks.len() <= PULL_BLOCKS_MAX as usize)?;
    ensure(blocks.iter().all(|Wire(_, _, body)| body.len() <= BODY_BYTES_MAX))?;
    let served = |Wire(header, certificate, body)| ServedBlock {
        header,
        certificate: ByteBuf::into_vec(certificate),
        body: ByteBuf::into_vec(body),
    };
    Ok(blocks.into_iter().map(served).collect())
}
