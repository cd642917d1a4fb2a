//! Logs, on standard error. Queries are never logged, and neither are contents of statements.

use std::io::IsTerminal;

use anyhow::{Context, Result, anyhow};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::Subscriber;

use crate::config::LogConfig;

/// Without what the libraries below say of every connection and every vote.
const FILTER: &str = "info,libp2p_swarm=warn,libp2p_gossipsub=error,arc_malachitebft_core_consensus=warn";

/// Starts logging as configured.
///
/// # Errors
/// When the filter cannot be read, or logging was started before.
pub(crate) fn start(config: &LogConfig) -> Result<()> {
    let filter = config.filter.as_deref().unwrap_or(FILTER);
    let filter = EnvFilter::try_new(filter).with_context(|| format!("{filter:?} is not a log filter"))?;
    let subscriber = Subscriber::builder()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = if config.json { subscriber.json().try_init() } else { subscriber.try_init() };
    started.map_err(|error| anyhow!("cannot start logging: {error}"))
}

/// Starts logging for a program that talks to a person: errors only, or what `KVITTO_LOG` says.
///
/// # Errors
/// As [`start`].
pub(crate) fn start_quiet() -> Result<()> {
    let filter = std::env::var("KVITTO_LOG").unwrap_or_else(|_| "error".into());
    start(&LogConfig { filter: Some(filter), json: false })
}
