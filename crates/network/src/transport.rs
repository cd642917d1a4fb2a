//! TCP, Noise and yamux below every connection, and connections that end when they are told to.
//!
//! Specifications: libp2p `connections`, `noise`, `yamux`.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use libp2p::core::muxing::{StreamMuxer, StreamMuxerBox, StreamMuxerEvent};
use libp2p::core::transport::Boxed;
use libp2p::core::transport::timeout::TransportTimeout;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::{PeerId, Transport, noise, tcp, yamux};
use tokio::time::Sleep;

use crate::config::Limits;

/// How long a connection that is closed may take to send what is left.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// # Errors
/// When Noise cannot use the key.
pub(crate) fn transport(
    keypair: &Keypair,
    limits: &Limits,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, noise::Error> {
    let connections = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(keypair)?)
        .multiplex(stream_config(limits))
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(ClosingInTime::new(muxer, CLOSE_MAX))));
    Ok(TransportTimeout::new(connections, limits.connect_timeout).boxed())
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
