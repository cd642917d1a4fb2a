//! The request protocol's frames: a big-endian 32-bit length, then that many bytes.
//!
//! A stream carries one request and at most one response. A responder that refuses closes it without one.

use std::io;

use bytes::Bytes;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};

/// Reserved before the bytes have come, whatever length a peer announces.
const RESERVED_BYTES_MAX: usize = 64 << 10;

#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameCodec {
    pub(crate) request_bytes_max: usize,
    pub(crate) response_bytes_max: usize,
}

impl request_response::Codec for FrameCodec {
    type Protocol = StreamProtocol;
    type Request = Bytes;
    type Response = Bytes;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Bytes>
    where
        T: AsyncRead + Unpin + Send,
    {
        read_frame(io, self.request_bytes_max).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Bytes>
    where
        T: AsyncRead + Unpin + Send,
    {
        read_frame(io, self.response_bytes_max).await
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, bytes: Bytes) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write_frame(io, &bytes).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, bytes: Bytes) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write_frame(io, &bytes).await
    }
}

async fn read_frame<T: AsyncRead + Unpin + Send>(io: &mut T, bytes_max: usize) -> io::Result<Bytes> {
    let mut prefix = [0; 4];
    io.read_exact(&mut prefix).await?;
    let length = u32::from_be_bytes(prefix);
    let expected = usize::try_from(length).unwrap_or(usize::MAX);
    if expected > bytes_max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "frame above its limit"));
    }
    let mut bytes = Vec::with_capacity(expected.min(RESERVED_BYTES_MAX));
    io.take(u64::from(length)).read_to_end(&mut bytes).await?;
    if bytes.len() == expected { Ok(bytes.into()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

async fn write_frame<T: AsyncWrite + Unpin + Send>(io: &mut T, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    io.write_all(&length.to_be_bytes()).await?;
    io.write_all(bytes).await?;
    io.flush().await
}

#[cfg(test)]
mod tests {
    use futures::io::Cursor;

    use super::*;

    #[tokio::test]
    async fn a_frame_is_a_length_and_its_bytes() {
        let mut written = Vec::new();
        write_frame(&mut written, b"abc").await.unwrap();
        assert_eq!(written, [0, 0, 0, 3, b'a', b'b', b'c']);
        assert_eq!(read_frame(&mut Cursor::new(&written), 3).await.unwrap(), &b"abc"[..]);
    }

    #[tokio::test]
    async fn every_faulty_frame_is_an_error() {
        use io::ErrorKind::{InvalidData, UnexpectedEof};
        let cases: [(&[u8], _); 5] = [
            (&[], UnexpectedEof),
            (&[0, 0, 0], UnexpectedEof),
            (&[0, 0, 0, 3, 1, 2], UnexpectedEof),
            (&[0, 0, 0, 4, 1, 2, 3, 4], InvalidData),
            (&[255, 255, 255, 255], InvalidData),
        ];
        for (bytes, kind) in cases {
            assert_eq!(read_frame(&mut Cursor::new(bytes), 3).await.unwrap_err().kind(), kind, "{bytes:?}");
        }
    }
}
