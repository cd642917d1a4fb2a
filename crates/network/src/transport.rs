//! TCP, Noise and yamux below every connection, and connections that end when they are told to.
//!
//! Specifications: libp2p `connections`, `noise`, `yamux`.

use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use libp2p::core::muxing::{StreamMuxer, StreamMuxerBox, StreamMuxerEvent};
use libp2p::core::transport::Boxed;
use libp2p::core::transport::timeout::TransportTimeout;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::{PeerId, Transport, noise, tcp, yamux};
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::time::Sleep;
use tracing::debug;

use crate::config::Limits;

/// How long a connection that is closed may take to send what is left.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// # Errors
/// When Noise cannot use the key.
pub(crate) fn transport(
    keypair: &Keypair,
    limits: &Limits,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, noise::Error> {
    let unacknowledged_max = limits.unacknowledged_max;
    let connections = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .map(move |stream, _| {
            if let Err(error) = limit_unacknowledged(&stream.0, unacknowledged_max) {
                debug!(%error, "a connection's other end may be silent for longer than it should");
            }
            stream
        })
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(keypair)?)
        .multiplex(stream_config(limits))
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(ClosingInTime::new(muxer, CLOSE_MAX))));
    Ok(TransportTimeout::new(connections, limits.connect_timeout).boxed())
}

fn limit_unacknowledged(stream: impl AsFd, max: Duration) -> std::io::Result<()> {
    Ok(set_tcp_user_timeout(stream, u32::try_from(max.as_millis()).unwrap_or(u32::MAX))?)
}

/// Streams of one connection: requests both ways, gossip, pings, and as many again while they are negotiated.
fn stream_config(limits: &Limits) -> yamux::Config {
    let mut config = yamux::Config::default();
    let streams = limits.outbound_requests_per_peer_max.saturating_mul(2).saturating_add(16);
    config.set_max_num_streams(streams.saturating_mul(2));
    config
}

/// A connection whose closing has an end.
///
/// Closing waits until everything is sent. Where the other end has vanished and the send buffer is full, that
/// is until TCP gives up, some 15 minutes; and until then the swarm counts the peer as connected, and does not
/// dial it.
struct ClosingInTime<M> {
    muxer: M,
    close_max: Duration,
    /// Runs once closing has begun.
    close_by: Option<Pin<Box<Sleep>>>,
}

impl<M> ClosingInTime<M> {
    fn new(muxer: M, close_max: Duration) -> Self {
        Self { muxer, close_max, close_by: None }
    }
}

impl<M: StreamMuxer + Unpin> StreamMuxer for ClosingInTime<M> {
    type Substream = M::Substream;
    type Error = M::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<M::Substream, M::Error>> {
        Pin::new(&mut self.muxer).poll_inbound(cx)
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<M::Substream, M::Error>> {
        Pin::new(&mut self.muxer).poll_outbound(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), M::Error>> {
        if let Poll::Ready(result) = Pin::new(&mut self.muxer).poll_close(cx) {
            return Poll::Ready(result);
        }
        let close_max = self.close_max;
        let close_by = self.close_by.get_or_insert_with(|| Box::pin(tokio::time::sleep(close_max)));
        close_by.as_mut().poll(cx).map(Ok)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, M::Error>> {
        Pin::new(&mut self.muxer).poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures::io::Cursor;
    use libp2p::core::muxing::StreamMuxerExt;

    use super::*;

    #[tokio::test]
    async fn the_operating_system_is_told_how_long_silence_may_be() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        limit_unacknowledged(&stream, Duration::from_secs(6)).unwrap();
        assert_eq!(rustix::net::sockopt::tcp_user_timeout(&stream).unwrap(), 6_000);
    }

    /// Answers a close with what it holds, or never.
    struct Scripted(Option<io::ErrorKind>);

    impl StreamMuxer for Scripted {
        type Substream = Cursor<Vec<u8>>;
        type Error = io::Error;

        fn poll_inbound(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<Self::Substream>> {
            Poll::Pending
        }

        fn poll_outbound(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<Self::Substream>> {
            Poll::Pending
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.0.map_or(Poll::Pending, |kind| Poll::Ready(Err(kind.into())))
        }

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn a_connection_to_nowhere_closes_in_time() {
        let full_and_silent = ClosingInTime::new(Scripted(None), Duration::from_millis(1));
        full_and_silent.close().await.unwrap();
    }

    #[tokio::test]
    async fn what_closes_by_itself_is_not_hurried() {
        let broken = ClosingInTime::new(Scripted(Some(io::ErrorKind::BrokenPipe)), Duration::ZERO);
        assert_eq!(broken.close().await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
