//! What all services hold in common.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tonic::Status;

use crate::config::Config;
use crate::notices::Notices;
use crate::reason::{RETRY_AFTER, Reason, refuse_for_now};
use crate::receipts::Receipts;

/// The reader, the receipts' cache, the limits, and the signal to stop.
pub(crate) struct Context<R> {
    pub(crate) read: R,
    pub(crate) receipts: Receipts,
    pub(crate) notices: Notices,
    pub(crate) config: Config,
    /// One permit for each open stream.
    pub(crate) streams: Arc<Semaphore>,
    /// Becomes true when the node stops.
    pub(crate) draining: watch::Receiver<bool>,
}

impl<R> Context<R> {
    /// The right to keep a stream open.
    pub(crate) fn stream_permit(&self) -> Result<OwnedSemaphorePermit, Status> {
        let permit = self.streams.clone().try_acquire_owned();
        permit.map_err(|_| refuse_for_now(Reason::StreamsMax, RETRY_AFTER))
    }

    /// Ends when the node stops.
    pub(crate) async fn drained(&self) {
        // An error means that the server is gone, which is as good a reason to stop.
        let _ = self.draining.clone().wait_for(|draining| *draining).await;
    }
}
