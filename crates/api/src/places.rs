//! Places: how much there is of something for all clients together, and how connections share it.
//!
//! A connection gets a further place while it holds fewer than are free. So whoever takes many leaves as many to others: when `n`
//! connections want all they can get, each comes to 1 / (n + 1) of them, and who asks for little always finds room.

use std::array;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tonic::codegen::http::Extensions;
use tonic::transport::server::TlsConnectInfo;

/// What there are places for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Requests until they are answered.
    Request,
    /// Calls of `Submit` among them.
    Submit,
    /// Open streams.
    Stream,
}

const KINDS: usize = 3;

/// A connection, as the requests on it know it.
#[derive(Clone, Debug)]
pub(crate) struct Client(Arc<Held>);

#[derive(Debug)]
struct Held {
    places: [AtomicUsize; KINDS],
    /// When the last place was given back.
    idle_since: Mutex<Instant>,
}

/// All places of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    kind: Kind,
    free: Arc<Semaphore>,
    total: usize,
}

/// A place; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    kind: Kind,
    client: Client,
    _permit: OwnedSemaphorePermit,
}

impl Client {
    /// A connection on which nothing has been asked yet.
    pub(crate) fn new() -> Self {
        let places = array::from_fn(|_| AtomicUsize::new(0));
        Self(Arc::new(Held { places, idle_since: Mutex::new(Instant::now()) }))
    }

    /// The connection that a request came on.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        let tls = || extensions.get::<TlsConnectInfo<Self>>().map(TlsConnectInfo::get_ref);
        // The transport tells of each connection; one that it did not tell of would stand for itself, within the total.
        extensions.get().or_else(tls).cloned().unwrap_or_else(Self::new)
    }

    /// For how long nothing has been under way on it; `None` while something is.
    pub(crate) fn idle_for(&self) -> Option<Duration> {
        let is_idle = self.0.places.iter().all(|held| held.load(Ordering::Relaxed) == 0);
        is_idle.then(|| self.0.idle_since.lock().unwrap_or_else(PoisonError::into_inner).elapsed())
    }

    fn held(&self, kind: Kind) -> &AtomicUsize {
        &self.0.places[kind as usize]
    }
}

impl Places {
    pub(crate) fn new(kind: Kind, total: usize) -> Self {
        Self { kind, free: Arc::new(Semaphore::new(total)), total }
    }

    /// A place for a request of this client, if it may have one more.
    pub(crate) fn take(&self, client: &Client) -> Option<Place> {
        // The semaphore is never closed.
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        let free = self.free.available_permits() + 1;
        let take = |held| (held < free).then_some(held + 1);
        client.held(self.kind).fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        Some(Place { kind: self.kind, client: client.clone(), _permit: permit })
    }

    /// Ends once all places are free.
    pub(crate) async fn all_free(&self) {
        // It is never closed, so there is no error.
        let _ = self.free.acquire_many(u32::try_from(self.total).unwrap_or(u32::MAX)).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.client.0.idle_since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.client.held(self.kind).fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes all that each of `clients` can get, in turns, and says how many each got.
    fn shares(places: &Places, clients: &[Client]) -> (Vec<Place>, Vec<usize>) {
        let mut taken = Vec::new();
        loop {
            let before = taken.len();
            taken.extend(clients.iter().filter_map(|client| places.take(client)));
            if taken.len() == before {
                let held = |client: &Client| client.held(places.kind).load(Ordering::Relaxed);
                return (taken, clients.iter().map(held).collect());
            }
        }
    }

    #[test]
    fn however_many_want_all_there_is_room_for_one_more() {
        for (total, greedy, each) in [(768, 1, 384), (768, 2, 256), (768, 127, 6), (3, 1, 2), (1, 1, 1)] {
            let places = Places::new(Kind::Submit, total);
            let clients: Vec<_> = std::iter::repeat_with(Client::new).take(greedy).collect();
            let (taken, held) = shares(&places, &clients);
            assert!(held.iter().all(|held| *held == each), "{total} among {greedy}: {held:?}");
            assert_eq!(places.take(&Client::new()).is_some(), total > 1, "{total} among {greedy}");
            drop(taken);
            assert_eq!(places.free.available_permits(), total);
            assert_eq!(shares(&places, &clients).1, held, "what was given back can be taken again");
        }
    }

    #[test]
    fn a_client_is_idle_since_it_gave_its_last_place_back() {
        let (requests, streams) = (Places::new(Kind::Request, 4), Places::new(Kind::Stream, 4));
        let (client, start) = (Client::new(), Instant::now());
        assert!(client.idle_for().is_some());
        let (request, stream) = (requests.take(&client), streams.take(&client));
        drop(request);
        assert_eq!(client.idle_for(), None);
        let taken = start.elapsed();
        drop(stream);
        assert!(client.idle_for().expect("nothing is under way") <= start.elapsed() - taken);
    }
}
