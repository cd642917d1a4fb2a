//! One published checkpoint and a moment under it: what a single request reads from.

use kvitto_ledger::block::Header;
use kvitto_ledger::{Height, TimeMs};
use kvitto_proto::convert::{AsOf, Moment, PublishedCheckpoint};
use kvitto_storage::{Published, Read, StoreError};
use tonic::Status;

use crate::reason::{Reason, refuse, store_failed};

/// The published checkpoint, taken once per request, and the block that the answer is as of.
#[derive(Clone)]
pub(crate) struct Snapshot<R> {
    pub(crate) read: R,
    pub(crate) published: Published,
    pub(crate) header: Header,
}

impl<R: Read> Snapshot<R> {
    /// The newest published state.
    pub(crate) fn newest(read: &R) -> Result<Self, Status> {
        Self::at(read, Moment::Newest)
    }

    /// The state at `moment`, under the newest published checkpoint.
    pub(crate) fn at(read: &R, moment: Moment) -> Result<Self, Status> {
        let published = read.published().ok_or_else(|| refuse(Reason::NodeSyncing))?;
        let header = header_at(read, &published, moment).map_err(store_failed)?;
        let header = header.ok_or_else(|| refuse(Reason::AtUnknown))?;
        Ok(Self { read: read.clone(), published, header })
    }

    /// The block that the answer is as of.
    pub(crate) fn height(&self) -> Height {
        self.header.height
    }

    /// Whether the answer is as of the checkpoint's own block.
    pub(crate) fn is_newest(&self) -> bool {
        self.header.height == self.published.height
    }

    pub(crate) fn as_of(&self) -> AsOf {
        AsOf { height: self.header.height, tree_size: self.header.tree_size, time: self.header.time }
    }

    pub(crate) fn checkpoint(&self) -> PublishedCheckpoint {
        checkpoint(&self.published)
    }
}

/// A published checkpoint for the wire.
pub(crate) fn checkpoint(published: &Published) -> PublishedCheckpoint {
    PublishedCheckpoint {
        note: published.note.to_string(),
        tree_size: published.size,
        height: published.height,
    }
}

/// The header of the block that `moment` means, if it is published.
fn header_at<R: Read>(read: &R, published: &Published, moment: Moment) -> Result<Option<Header>, StoreError> {
    let newest = published.height;
    let (height, exact_size) = match moment {
        Moment::Newest => (Some(newest), None),
        Moment::Height(height) => (Some(height), None),
        Moment::Time(time) => (height_at_time(read, newest, time)?, None),
        Moment::TreeSize(size) => (read.height_of_size(size)?, Some(size)),
    };
    let Some(height) = height.filter(|height| *height <= newest) else { return Ok(None) };
    let header = read.header(height)?;
    Ok(header.filter(|header| exact_size.is_none_or(|size| header.tree_size == size)))
}

/// A time after the newest published block means that block: nothing later is known to anyone.
fn height_at_time<R: Read>(read: &R, newest: Height, time: TimeMs) -> Result<Option<Height>, StoreError> {
    Ok(read.height_at(time)?.map(|height| height.min(newest)))
}
