//! A ledger's members, all in this process: for the demo and for tests.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use kvitto_ledger::Height;
use kvitto_network::HostPort;

use crate::config::Config;
use crate::node::{Node, Setup};
use crate::sandbox::{Ports, Sandbox};
use crate::standing::Vouched;

/// Running and stopped members.
pub struct Cluster {
    members: Vec<Option<Node>>,
    addresses: Vec<Vec<HostPort>>,
    urls: Vec<String>,
}

impl Cluster {
    /// Starts every member, and tells each where the others are.
    ///
    /// # Errors
    /// When a member cannot be started.
    pub async fn start(sandbox: &Sandbox) -> Result<Self> {
        let mut cluster = Self { members: Vec::new(), addresses: Vec::new(), urls: Vec::new() };
        for index in 0..sandbox.members() {
            cluster.members.push(None);
            cluster.addresses.push(Vec::new());
            cluster.urls.push(String::new());
            cluster.start_member(sandbox, index).await?;
        }
        Ok(cluster)
    }

    /// Starts one member on free ports; the others learn of them.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn start_member(&mut self, sandbox: &Sandbox, index: usize) -> Result<()> {
        let config = Config::read(&sandbox.config(index))?;
        let mut setup = Setup::from_config(&config, Vouched::default())?;
        setup.addresses.clone_from(&self.addresses);
        let node = Node::start(setup).await.with_context(|| format!("cannot start member {}", index + 1))?;
        self.addresses[index] = node.peer_addresses().iter().copied().map(HostPort::from).collect();
        self.urls[index] = url(node.api());
        self.members[index] = Some(node);
        for member in self.members.iter().flatten() {
            member.set_addresses(self.addresses.clone()).await?;
        }
        Ok(())
    }

    /// Stops one member.
    ///
    /// # Errors
    /// When it does not run, or had ended with an error.
    pub async fn stop_member(&mut self, index: usize) -> Result<()> {
        let node = self.members[index].take().context("the member runs")?;
        node.stop().await
    }

    /// Stops every member that runs.
    ///
    /// # Errors
    /// When one had ended with an error.
    pub async fn stop(self) -> Result<()> {
        for node in self.members.into_iter().flatten() {
            node.stop().await?;
        }
        Ok(())
    }

    /// A running member.
    pub fn member(&self, index: usize) -> Option<&Node> {
        self.members.get(index)?.as_ref()
    }

    /// Where clients reach a member.
    pub fn url(&self, index: usize) -> String {
        self.urls[index].clone()
    }

    /// Where clients reach the members.
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// The ports that the members listen on.
    ///
    /// # Errors
    /// When one does not run.
    pub fn ports(&self) -> Result<Vec<Ports>> {
        let ports = |node: &Option<Node>| {
            let node = node.as_ref().context("the member runs")?;
            let peers = node.peer_addresses().first().context("a node listens for peers")?.port();
            Ok(Ports { peers, api: node.api().port(), operator: node.operator().port() })
        };
        self.members.iter().map(ports).collect()
    }

    /// Waits until member `index` has published what any member has.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn caught_up(&self, index: usize) -> Result<()> {
        // From the stores: a client may have an answer before its node has reported the block that it is in.
        let newest: Option<Height> = self.members.iter().flatten().filter_map(Node::published).max();
        let node = self.members[index].as_ref().context("the member runs")?;
        let mut status = node.report().status();
        status
            .wait_for(|status| status.as_ref().and_then(|status| status.published) >= newest)
            .await
            .context("the member has stopped")?;
        Ok(())
    }
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}
