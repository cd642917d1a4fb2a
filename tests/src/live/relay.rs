//! Links between members as relays in this process: each can be cut or made slow, in each direction, and healed.
//!
//! Every member knows the others by the relays that lead to them, and they all stay while members come and go on other ports. A cut
//! is what a network does that drops packets: bytes are held, connections stay open until someone gives up, and new ones get
//! nowhere. What was held arrives when the link heals, as TCP's repetitions would.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use kvitto_replica::testing::Random;

/// Bytes that are passed on at a time.
const CHUNK_BYTES: usize = 64 * 1024;
/// Chunks on their way through a slow link.
const UNDER_WAY_MAX: usize = 64;

/// How bytes move from one member to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// They are passed on after this delay, and up to `jitter` more, in order.
    Open {
        /// The shortest delay.
        delay: Duration,
        /// What chance adds at most.
        jitter: Duration,
    },
    /// They are held.
    Cut,
}

impl Flow {
    /// At once.
    pub const FREE: Self = Self::Open { delay: Duration::ZERO, jitter: Duration::ZERO };
}

/// Where bytes go to now; `None` while nobody listens there.
pub type Target = watch::Receiver<Option<SocketAddr>>;

/// A relay from one place to another; both directions have their flow.
#[derive(Clone, Debug)]
pub struct Relay {
    /// Where it listens.
    pub address: SocketAddr,
}

impl Relay {
    /// Listens on a free loopback port for as long as the runtime lives.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start(
        target: Target,
        there: watch::Receiver<Flow>,
        back: watch::Receiver<Flow>,
    ) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("cannot listen")?;
        let address = listener.local_addr()?;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(join(stream, target.clone(), there.clone(), back.clone()));
            }
        });
        Ok(Self { address })
    }
}

/// One connection; it ends, without a word, when either side's does.
async fn join(
    dialler: TcpStream,
    target: Target,
    mut there: watch::Receiver<Flow>,
    back: watch::Receiver<Flow>,
) -> Option<()> {
    // A packet that is dropped opens no connection.
    there.wait_for(|flow| *flow != Flow::Cut).await.ok()?;
    let address = (*target.borrow())?;
    let listener = TcpStream::connect(address).await.ok()?;
    dialler.set_nodelay(true).ok()?;
    listener.set_nodelay(true).ok()?;
    let (from_dialler, to_dialler) = dialler.into_split();
    let (from_listener, to_listener) = listener.into_split();
    tokio::select! {
        ended = pass(from_dialler, to_listener, there) => ended,
        ended = pass(from_listener, to_dialler, back) => ended,
    }
}

/// Passes bytes on in one direction.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut flow: watch::Receiver<Flow>,
) -> Option<()> {
    let (chunks, mut due) = mpsc::channel::<(Instant, Vec<u8>)>(UNDER_WAY_MAX);
    let mut open = flow.clone();
    let read = async {
        let mut chance = Random::new(u64::from(from.peer_addr().ok()?.port()));
        loop {
            let mut chunk = vec![0; CHUNK_BYTES];
            let count = from.read(&mut chunk).await.ok().filter(|count| *count > 0)?;
            chunk.truncate(count);
            let arrival = match *flow.borrow_and_update() {
                Flow::Open { delay, jitter } => {
                    Instant::now() + delay + jitter.mul_f64(chance.below(1000) as f64 / 1000.0)
                }
                Flow::Cut => Instant::now(),
            };
            chunks.send((arrival, chunk)).await.ok()?;
        }
    };
    let write = async {
        while let Some((arrival, chunk)) = due.recv().await {
            tokio::time::sleep_until(arrival).await;
            open.wait_for(|flow| *flow != Flow::Cut).await.ok()?;
            to.write_all(&chunk).await.ok()?;
        }
        None::<()>
    };
    tokio::select! {
        ended = read => ended,
        ended = write => ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_cut_holds_one_direction_and_healing_delivers() {
        let far = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (_target, target) = watch::channel(Some(far.local_addr().unwrap()));
        let (there, there_flow) = watch::channel(Flow::FREE);
        let (_back, back_flow) = watch::channel(Flow::FREE);
        let relay = Relay::start(target, there_flow, back_flow).await.unwrap();
        let mut near = TcpStream::connect(relay.address).await.unwrap();
        let (mut far, _) = far.accept().await.unwrap();
        there.send_replace(Flow::Cut);
        near.write_all(b"held").await.unwrap();
        far.write_all(b"free").await.unwrap();
        let mut bytes = [0; 4];
        near.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"free");
        assert_eq!(far.try_read(&mut bytes).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        there.send_replace(Flow::FREE);
        far.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"held");
    }
}
