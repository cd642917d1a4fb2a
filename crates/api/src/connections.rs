//! The accept loop: how many connections there are at most, in total and from one address, and which one gives way.
//!
//! ```text
//!   accept ──► a place of its address, else closed ──► a place, else that of the longest idle connection, else wait ──► tonic
//! ```

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::{self, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Sleep;
use tonic::transport::server::Connected;

use crate::config::Config;
use crate::places::Client;

/// After a failed accept, e.g. for want of file descriptors: time for some to be closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The shortest time between telling one connection to leave and the next.
const LEAVE_PAUSE: Duration = Duration::from_millis(50);
/// Length of the HTTP/2 connection preface (RFC 9113, 3.4); an HTTP/1.1 request is longer too.
const FIRST_BYTES: usize = 24;

/// An accepted connection; its places are free again when it is dropped.
pub(crate) struct Connection {
    stream: TcpStream,
    /// Runs until the first bytes have come.
    silence: Option<Silence>,
    seat: Seat,
    _place: OwnedSemaphorePermit,
    _address_place: AddressPlace,
}

/// A connection that has not said enough yet.
struct Silence {
    bytes_missing: usize,
    end: Pin<Box<Sleep>>,
}

/// Connections per address.
#[derive(Clone, Default)]
struct Addresses(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

struct AddressPlace {
    addresses: Addresses,
    address: IpAddr,
}

/// Who is connected.
#[derive(Clone, Default)]
struct Clients(Arc<Mutex<Seated>>);

#[derive(Default)]
struct Seated {
    seats: BTreeMap<u64, (Client, oneshot::Sender<()>)>,
    count: u64,
}

/// A connection's entry among the clients.
struct Seat {
    clients: Clients,
    number: u64,
    client: Client,
    /// Comes when another connection is to have the place; `None` once it has come.
    leave: Option<oneshot::Receiver<()>>,
}

struct Acceptor {
    listener: TcpListener,
    places: Arc<Semaphore>,
    addresses: Addresses,
    clients: Clients,
    per_address_max: usize,
    first_bytes_max: Duration,
    idle_min: Duration,
}

/// Accepted connections, one after the other, within the configuration's limits.
pub(crate) fn accept(listener: TcpListener, config: &Config) -> impl Stream<Item = io::Result<Connection>> {
    let acceptor = Acceptor {
        listener,
        places: Arc::new(Semaphore::new(config.connections_max)),
        addresses: Addresses::default(),
        clients: Clients::default(),
        per_address_max: config.connections_per_address_max,
        first_bytes_max: config.first_bytes_max,
        idle_min: config.idle_min,
    };
    stream::unfold(acceptor, |acceptor| async { Some((acceptor.next().await, acceptor)) })
}

impl Acceptor {
    async fn next(&self) -> io::Result<Connection> {
        loop {
            let (stream, address) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    return Err(error);
                }
            };
            let Some(address_place) = self.addresses.take(address.ip(), self.per_address_max) else {
                continue;
            };
            stream.set_nodelay(true)?;
            let place = self.place().await?;
            let end = Box::pin(tokio::time::sleep(self.first_bytes_max));
            let silence = Some(Silence { bytes_missing: FIRST_BYTES, end });
            let seat = self.clients.seat();
            return Ok(Connection { stream, silence, seat, _place: place, _address_place: address_place });
        }
    }

    /// A place, as soon as there is one.
    async fn place(&self) -> io::Result<OwnedSemaphorePermit> {
        let mut place = std::pin::pin!(Arc::clone(&self.places).acquire_owned());
        loop {
            tokio::select! {
                biased;
                place = &mut place => return place.map_err(io::Error::other),
                () = self.clients.send_one_away(self.idle_min) => {}
            }
        }
    }
}

impl Clients {
    fn seat(&self) -> Seat {
        let (client, (send_away, leave)) = (Client::new(), oneshot::channel());
        let mut seated = self.lock();
        seated.count += 1;
        let number = seated.count;
        seated.seats.insert(number, (client.clone(), send_away));
        Seat { clients: self.clone(), number, client, leave: Some(leave) }
    }

    /// Tells the one that has been idle longest to leave, as soon as that is `idle_min`, and gives it a moment.
    async fn send_one_away(&self, idle_min: Duration) {
        let idlest = self.idlest();
        if let Some((number, _)) = idlest.filter(|(_, idle)| *idle >= idle_min)
            && let Some((_, send_away)) = self.lock().seats.remove(&number)
        {
            // It may have left by itself.
            let _ = send_away.send(());
        }
        let wait = idlest.map_or(idle_min, |(_, idle)| idle_min.saturating_sub(idle));
        tokio::time::sleep(wait.max(LEAVE_PAUSE)).await;
    }

    fn idlest(&self) -> Option<(u64, Duration)> {
        let seated = self.lock();
        let idle =
            seated.seats.iter().filter_map(|(number, (client, _))| Some((*number, client.idle_for()?)));
        idle.max_by_key(|(_, idle)| *idle)
    }

    fn lock(&self) -> MutexGuard<'_, Seated> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    fn is_sent_away(&mut self, context: &mut Context<'_>) -> bool {
        if self.leave.as_mut().is_some_and(|leave| Pin::new(leave).poll(context).is_ready()) {
            self.leave = None;
        }
        self.leave.is_none()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.clients.lock().seats.remove(&self.number);
    }
}

impl Addresses {
    fn take(&self, address: IpAddr, max: usize) -> Option<AddressPlace> {
        let mut counts = self.lock();
        let count = counts.entry(address).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(AddressPlace { addresses: self.clone(), address })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AddressPlace {
    fn drop(&mut self) {
        let mut counts = self.addresses.lock();
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// Nothing about who is connected reaches the services, only which requests come on the same connection.
impl Connected for Connection {
    type ConnectInfo = Client;

    fn connect_info(&self) -> Client {
        self.seat.client.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let connection = self.get_mut();
        if connection.seat.is_sent_away(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let filled_before = buffer.filled().len();
        let read = Pin::new(&mut connection.stream).poll_read(context, buffer);
        let Some(silence) = &mut connection.silence else { return read };
        silence.bytes_missing =
            silence.bytes_missing.saturating_sub(buffer.filled().len().saturating_sub(filled_before));
        if silence.bytes_missing == 0 {
            connection.silence = None;
        } else if read.is_pending() && silence.end.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_its_places_back() {
        let (addresses, one, other) =
            (Addresses::default(), IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let first = addresses.take(one, 2);
        let second = addresses.take(one, 2);
        assert!(first.is_some() && second.is_some());
        assert!(addresses.take(one, 2).is_none());
        assert!(addresses.take(other, 2).is_some());
        drop(first);
        assert!(addresses.take(one, 2).is_some());
        drop(second);
        assert!(addresses.lock().is_empty());
    }
}
