//! Points in time: what a read is asked about, and what its answer is as of.

use kvitto_ledger::{Height, TimeMs};

use super::ConvertError;
use crate::v1::{self, at};

/// What a read is asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Moment {
    /// The newest published checkpoint.
    #[default]
    Newest,
    /// The last block whose time is not later.
    Time(TimeMs),
    /// After this block.
    Height(Height),
    /// After the block that ends at exactly this size of the log.
    TreeSize(u64),
}

/// The block that an answer is as of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsOf {
    /// Number of the block.
    pub height: Height,
    /// Number of leaves of the log after it.
    pub tree_size: u64,
    /// The block's time.
    pub time: TimeMs,
}

impl From<Option<v1::At>> for Moment {
    fn from(at: Option<v1::At>) -> Self {
        match at.and_then(|at| at.moment) {
            None => Self::Newest,
            Some(at::Moment::TimeMs(time)) => Self::Time(TimeMs(time)),
            Some(at::Moment::Height(height)) => Self::Height(Height(height)),
            Some(at::Moment::TreeSize(size)) => Self::TreeSize(size),
        }
    }
}

impl From<Moment> for Option<v1::At> {
    fn from(moment: Moment) -> Self {
        let moment = match moment {
            Moment::Newest => return None,
            Moment::Time(time) => at::Moment::TimeMs(time.0),
            Moment::Height(height) => at::Moment::Height(height.0),
            Moment::TreeSize(size) => at::Moment::TreeSize(size),
        };
        Some(v1::At { moment: Some(moment) })
    }
}

impl From<AsOf> for v1::AsOf {
    fn from(as_of: AsOf) -> Self {
        Self { height: as_of.height.0, tree_size: as_of.tree_size, time_ms: as_of.time.0 }
    }
}

impl TryFrom<Option<v1::AsOf>> for AsOf {
    type Error = ConvertError;

    fn try_from(as_of: Option<v1::AsOf>) -> Result<Self, ConvertError> {
        let as_of = super::present("as_of", as_of)?;
        Ok(Self { height: Height(as_of.height), tree_size: as_of.tree_size, time: TimeMs(as_of.time_ms) })
    }
}
