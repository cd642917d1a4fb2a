//! `kvitto-node run`: one node, until it is told to stop.

use anyhow::Result;
use tokio::io::AsyncReadExt;

use crate::config::Config;
use crate::interrupt::Interrupt;
use crate::node::{Node, Setup};
use crate::shell::say;
use crate::standing::Vouched;

/// How the line begins that says that the node listens.
pub const READY: &str = "ready:";

/// Runs a node until SIGINT or SIGTERM, or (`until_stdin_ends`) until standard input ends.
///
/// # Errors
/// When it cannot start, or a part of it ends by itself.
pub async fn run(config: &Config, vouched: Vouched, until_stdin_ends: bool) -> Result<()> {
    let mut interrupt = Interrupt::listen()?;
    let mut node = Node::start(Setup::from_config(config, vouched)?).await?;
    let scheme = if config.api.tls.is_some() { "https" } else { "http" };
    // A node goes on where nobody reads what it prints.
    let _ = say(&format!(
        "{READY} clients at {scheme}://{}, operator at http://{}, peers at {}",
        node.api(),
        node.operator(),
        node.peer_addresses().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    ));
    tokio::select! {
        () = interrupt.wait() => {}
        () = stdin_end(), if until_stdin_ends => {}
        failed = node.failed() => return failed,
    }
    tracing::info!("stopping");
    node.stop().await
}

async fn stdin_end() {
    let mut byte = [0];
    // An error ends the wait, too: who started this node is gone.
    while tokio::io::stdin().read(&mut byte).await.is_ok_and(|read| read > 0) {}
}
