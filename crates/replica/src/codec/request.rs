//! What peers ask each other for, and push to each other.

use std::sync::Arc;

use kvitto_ledger::block::BODY_BYTES_MAX;
use kvitto_ledger::codec::decode_strict;
use kvitto_ledger::{Header, HeaderId, Height};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteBuf, Bytes};

use super::frame::{CodecError, ensure, frame, unframe, unframe_as};

const BODY: u8 = 48;
const PULL_BODY: u8 = 49;
const PULL_BLOCKS: u8 = 50;
const STATUS: u8 = 51;
const PULLED_BODY: u8 = 64;

/// Longest request: a body with its header.
const REQUEST_BYTES_MAX: usize = BODY_BYTES_MAX + 1024;
/// Most blocks asked for at a time.
pub(crate) const PULL_BLOCKS_MAX: u32 = 64;

/// A message of the request protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// A push: the body of a block that the sender proposes, `[header, body]`.
    Body(BodyMessage),
    /// A question: the body of this undecided block, `[height, header id]`.
    PullBody(Height, HeaderId),
    /// A question: blocks from this height on, at most so many, `[from, count]`.
    PullBlocks(Height, u32),
    /// A push: the sender's newest block, `[height]`.
    Status(Height),
}

/// A header with its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BodyMessage {
    pub(crate) header: Header,
    pub(crate) body: Arc<[u8]>,
}

#[derive(Serialize)]
struct WireBodyRef<'a>(&'a Header, &'a Bytes);

#[derive(Serialize, Deserialize)]
struct WireBody(Header, ByteBuf);

impl Request {
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Body(BodyMessage { header, body }) => frame(BODY, &WireBodyRef(header, Bytes::new(body))),
            Self::PullBody(height, id) => frame(PULL_BODY, &(height, id)),
            Self::PullBlocks(from, count) => frame(PULL_BLOCKS, &(from, count)),
            Self::Status(height) => frame(STATUS, &(height,)),
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let (kind, content) = unframe(bytes, REQUEST_BYTES_MAX)?;
        match kind {
            BODY => {
                let WireBody(header, body) = decode_strict(content, REQUEST_BYTES_MAX)?;
                ensure(body.len() <= BODY_BYTES_MAX)?;
                Ok(Self::Body(BodyMessage { header, body: Arc::from(body.into_vec()) }))
            }
            PULL_BODY => {
                let (height, id) = decode_strict(content, REQUEST_BYTES_MAX)?;
                Ok(Self::PullBody(height, id))
            }
            PULL_BLOCKS => {
                let (from, count) = decode_strict(content, REQUEST_BYTES_MAX)?;
                ensure((1..=PULL_BLOCKS_MAX).contains(&count))?;
                Ok(Self::PullBlocks(from, count))
            }
            STATUS => {
                let (height,) = decode_strict(content, REQUEST_BYTES_MAX)?;
                Ok(Self::Status(height))
            }
            _ => Err(CodecError::Kind),
        }
    }
}

/// The answer to [`Request::PullBody`]: `[body or null]`.
pub(crate) fn encode_pulled_body(body: Option<&[u8]>) -> Vec<u8> {
    frame(PULLED_BODY, &(body.map(Bytes::new),))
}

pub(crate) fn decode_pulled_body(bytes: &[u8]) -> Result<Option<Arc<[u8]>>, CodecError> {
    let (body,): (Option<ByteBuf>,) = unframe_as(PULLED_BODY, bytes, REQUEST_BYTES_MAX)?;
    ensure(body.as_ref().is_none_or(|body| body.len() <= BODY_BYTES_MAX))?;
    Ok(body.map(|body| Arc::from(body.into_vec())))
}
