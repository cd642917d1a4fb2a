//! What attackers do to a node's public listener; each function is one connection of theirs, from its beginning to its end.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::frames::{END_HEADERS, Kind, call, frame, header, preface, settings_acknowledged};

const SUBMIT: &str = "/kvitto.v1.AnchoringService/Submit";
const CHECKPOINT: &str = "/kvitto.v1.LogService/GetCheckpoint";
/// Between two bytes of a slow request.
const SLOW: Duration = Duration::from_secs(1);
/// After a connection that was refused.
const PAUSE: Duration = Duration::from_millis(100);
/// A gRPC message of this length, in bytes.
const LARGE: u32 = 10 * 1024 * 1024;
/// Connections from one address of an attacker.
const PER_ADDRESS: usize = 200;

/// What one connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attack {
    /// Nothing.
    Idle,
    /// The HTTP/2 preface, and then nothing.
    SlowHttp2,
    /// An HTTP/1.1 request whose headers do not end.
    SlowHttp1,
    /// A header block that does not end.
    Continuation,
    /// Blocks of very many headers.
    ManyHeaders,
    /// Calls that are taken back at once.
    RapidReset,
    /// A call with DATA frames that hold nothing.
    EmptyData,
    /// A message of 10 MB.
    Oversized,
}

impl Attack {
    /// Does it again and again, over connections from an address that other attackers share.
    pub(super) async fn run(self, target: SocketAddr, number: usize) {
        loop {
            // That it ends is the node's defence.
            let _ = self.once(target, number).await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn once(self, target: SocketAddr, number: usize) -> Result<()> {
        let stream = connect(target, number).await?;
        match self {
            Self::Idle => until_closed(stream).await,
            Self::SlowHttp2 => slow(stream, &preface(), None).await,
            Self::SlowHttp1 => slow(stream, b"GET / HTTP/1.1\r\nhost: x\r\n", Some(b"a")).await,
            Self::Continuation => {
                let opening = frame(Kind::Headers, 0, 1, &call(CHECKPOINT));
                flood(stream, opening, |_| frame(Kind::Continuation, 0, 1, &many_headers(100))).await
            }
            Self::ManyHeaders => {
                let block = [call(CHECKPOINT), many_headers(300)].concat();
                flood(stream, Vec::new(), |stream| frame(Kind::Headers, END_HEADERS, stream, &block)).await
            }
            Self::RapidReset => {
                let block = call(CHECKPOINT);
                let reset = |stream| {
                    let headers = frame(Kind::Headers, END_HEADERS, stream, &block);
                    // CANCEL
                    [headers, frame(Kind::ResetStream, 0, stream, &8u32.to_be_bytes())].concat()
                };
                flood(stream, Vec::new(), reset).await
            }
            Self::EmptyData => {
                let opening = frame(Kind::Headers, END_HEADERS, 1, &call(SUBMIT));
                flood(stream, opening, |_| frame(Kind::Data, 0, 1, &[])).await
            }
            Self::Oversized => {
                let opening = frame(Kind::Headers, END_HEADERS, 1, &call(SUBMIT));
                let start = [&[0][..], &LARGE.to_be_bytes()].concat();
                let opening = [opening, frame(Kind::Data, 0, 1, &start)].concat();
                let part = vec![7; 16 * 1024];
                flood(stream, opening, |_| frame(Kind::Data, 0, 1, &part)).await
            }
        }
    }
}

/// From a loopback address of the attackers': each has places of its own at the node.
async fn connect(target: SocketAddr, number: usize) -> Result<TcpStream> {
    let host = u8::try_from(1 + number / PER_ADDRESS).context("too many attackers")?;
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 66, 0, host)), 0))?;
    Ok(socket.connect(target).await?)
}

async fn until_closed(mut stream: impl AsyncRead + Unpin) -> Result<()> {
    let mut bytes = [0; 1024];
    while stream.read(&mut bytes).await? > 0 {}
    Ok(())
}

/// Says this, and then one thing after the other, slowly, or nothing.
async fn slow(stream: TcpStream, opening: &[u8], then: Option<&[u8]>) -> Result<()> {
    let (read, mut write) = stream.into_split();
    write.write_all(opening).await?;
    let say = async {
        loop {
            tokio::time::sleep(SLOW).await;
            if let Some(then) = then {
                write.write_all(then).await?;
            }
        }
    };
    tokio::select! {
        ended = say => ended,
        ended = until_closed(read) => ended,
    }
}

/// Sends one thing after the other, on streams with rising numbers, until the node closes the connection.
async fn flood(stream: TcpStream, opening: Vec<u8>, next: impl Fn(u32) -> Vec<u8>) -> Result<()> {
    let (read, mut write) = stream.into_split();
    write.write_all(&[preface(), settings_acknowledged(), opening].concat()).await?;
    let send = async {
        let mut number = 1;
        loop {
            write.write_all(&next(number)).await?;
            number += 2;
        }
    };
    tokio::select! {
        ended = send => ended,
        ended = until_closed(read) => ended,
    }
}

fn many_headers(count: usize) -> Vec<u8> {
    let mut block = Vec::new();
    for number in 0..count {
        header(&mut block, &format!("x-{number}"), "a value of a header that nobody asked for");
    }
    block
}
