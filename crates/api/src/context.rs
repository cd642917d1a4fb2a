//! What all services hold in common.

use tokio::sync::watch;
use tonic::{Request, Status};

use crate::config::Config;
use crate::notices::Notices;
use crate::places::{Client, Place, Places};
use crate::reason::{RETRY_AFTER, Reason, refuse_for_now};
use crate::receipts::Receipts;

/// The reader, the receipts' cache, the limits, and the signal to stop.
pub(crate) struct Context<R> {
    pub(crate) read: R,
    pub(crate) receipts: Receipts,
    pub(crate) notices: Notices,
    pub(crate) config: Config,
    /// One for each open stream.
    pub(crate) streams: Places,
    /// Becomes true when the node stops.
    pub(crate) draining: watch::Receiver<bool>,
}

impl<R> Context<R> {
    /// The right to keep a stream open that was asked for by `request`.
    pub(crate) fn stream_place<T>(&self, request: &Request<T>) -> Result<Place, Status> {
        let place = self.streams.take(&Client::of(request.extensions()));
        place.ok_or_else(|| refuse_for_now(Reason::StreamsMax, RETRY_AFTER))
    }

    /// Ends when the node stops.
    pub(crate) async fn drained(&self) {
        // An error means that the server is gone, which is as good a reason to stop.
        let _ = self.draining.clone().wait_for(|draining| *draining).await;
    }
}
