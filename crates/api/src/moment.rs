//! From the moment that a request is about to the prover of its answer: one published checkpoint, taken once per request.

use kvitto_proto::convert::{AsOf, Moment, PublishedCheckpoint};
use kvitto_storage::prove::{self, Prover};
use kvitto_storage::{Published, Read};
use tonic::Status;

use crate::reason::{Reason, refuse, store_failed};

/// Answers as of the newest published block.
pub(crate) fn newest<R: Read>(read: &R) -> Result<Prover<R>, Status> {
    at(read, Moment::Newest)
}

/// Answers as of `moment`, under the newest published checkpoint.
pub(crate) fn at<R: Read>(read: &R, moment: Moment) -> Result<Prover<R>, Status> {
    let published = read.published().ok_or_else(|| refuse(Reason::NodeSyncing))?;
    let moment = match moment {
        Moment::Newest => prove::Moment::Checkpoint,
        Moment::Time(time) => prove::Moment::Time(time),
        Moment::Height(height) => prove::Moment::Height(height),
        Moment::TreeSize(size) => prove::Moment::TreeSize(size),
    };
    let prover = Prover::new(read.clone(), published, moment).map_err(store_failed)?;
    prover.map_err(|_| refuse(Reason::AtUnknown))
}

/// The block that a prover's answers are as of, for the wire.
pub(crate) fn as_of<R: Read>(prover: &Prover<R>) -> AsOf {
    let header = prover.header();
    AsOf { height: header.height, tree_size: header.tree_size, time: header.time }
}

/// A published checkpoint for the wire.
pub(crate) fn checkpoint(published: &Published) -> PublishedCheckpoint {
    PublishedCheckpoint {
        note: published.note.to_string(),
        tree_size: published.size,
        height: published.height,
    }
}
