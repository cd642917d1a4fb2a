//! What a replica is told when it is made.

use kvitto_ledger::{Genesis, Height};

/// A statement may become valid this long after it is submitted, in milliseconds (RULES 5.4).
pub const AHEAD_MS_MAX: u64 = 60_000;

/// Whether this member may sign (RULES 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The guard and everything that was acknowledged are there, or the operator vouches for the member with `--i-lost-my-guard`.
    Signing,
    /// The guard is there, but blocks up to this one, which the member had acknowledged or may be locked on, are not: follow, and
    /// sign nothing until they are committed again. It may be an old block, so a time is not waited for.
    CatchingUp(Height),
    /// The guard is missing or unreadable: follow, and sign nothing until a block is committed whose time is more than 10 s
    /// after the start. A guard is made once, with the keys; the node must not make an empty one in its place.
    Observing,
}

/// Everything that stays the same while a replica runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// The ledger.
    pub genesis: Genesis,
    /// Which member this node is, by its place in the configuration; `None` for an observer, which never signs.
    pub member: Option<usize>,
    /// Whether it may sign from the start.
    pub standing: Standing,
    /// The engine's timeouts.
    pub timeouts: Timeouts,
    /// Bounds on waiting statements.
    pub mempool: MempoolLimits,
}

/// The engine's timeouts: `base + delta * round`, at most `max_ms`, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Wait for a proposal.
    pub propose_ms: u64,
    /// Its growth per round.
    pub propose_delta_ms: u64,
    /// Wait for more votes, prevotes and precommits alike.
    pub vote_ms: u64,
    /// Its growth per round.
    pub vote_delta_ms: u64,
    /// Wait before own votes are sent again.
    pub rebroadcast_ms: u64,
    /// Bound on all of them, so that a healed partition decides within seconds.
    pub max_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            propose_ms: 1500,
            propose_delta_ms: 500,
            vote_ms: 500,
            vote_delta_ms: 250,
            rebroadcast_ms: 2000,
            max_ms: 10_000,
        }
    }
}

/// Bounds on statements that are not in a block yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MempoolLimits {
    /// Most statements, those included that are not executable yet.
    pub count_max: usize,
    /// Most bytes.
    pub bytes_max: usize,
    /// Most statements of one signer.
    pub signer_count_max: usize,
    /// Most bytes of one signer.
    pub signer_bytes_max: usize,
    /// Most statements that are not executable yet.
    pub waiting_count_max: usize,
    /// Most bytes of these.
    pub waiting_bytes_max: usize,
    /// Most of these of one signer.
    pub signer_waiting_count_max: usize,
}

impl Default for MempoolLimits {
    fn default() -> Self {
        Self {
            count_max: 65_536,
            bytes_max: 64 * 1024 * 1024,
            signer_count_max: 16_384,
            signer_bytes_max: 16 * 1024 * 1024,
            waiting_count_max: 4_096,
            waiting_bytes_max: 8 * 1024 * 1024,
            signer_waiting_count_max: 256,
        }
    }
}
