//! HTTP/2 frames made by hand (RFC 9113), for what no well-behaved library sends.

/// What a client says first: the preface, and an empty SETTINGS frame.
pub(super) fn preface() -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(Kind::Settings, 0, 0, &[])].concat()
}

/// Types of frames.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Data = 0,
    Headers = 1,
    ResetStream = 3,
    Settings = 4,
    Continuation = 9,
}

/// HEADERS and CONTINUATION: the last frame of a header block.
pub(super) const END_HEADERS: u8 = 4;

/// One frame on a stream.
pub(super) fn frame(kind: Kind, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("frames are short").to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind as u8, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Headers of a gRPC call, as literals without Huffman coding (RFC 7541).
pub(super) fn call(path: &str) -> Vec<u8> {
    // Of the static table: POST, http.
    let mut block = vec![0x83, 0x86];
    block.extend([0x04, short(path)]);
    block.extend(path.as_bytes());
    block.extend([0x01, 1, b'x']);
    header(&mut block, "content-type", "application/grpc");
    header(&mut block, "te", "trailers");
    block
}

/// Adds a header field.
pub(super) fn header(block: &mut Vec<u8>, name: &str, value: &str) {
    block.extend([0, short(name)]);
    block.extend(name.as_bytes());
    block.push(short(value));
    block.extend(value.as_bytes());
}

/// A length in one byte.
fn short(text: &str) -> u8 {
    u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("names and values are short")
}

/// Acknowledges whatever settings came.
pub(super) fn settings_acknowledged() -> Vec<u8> {
    frame(Kind::Settings, 1, 0, &[])
}
