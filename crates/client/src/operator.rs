//! What a node says to its operator, on its own loopback listener. Nothing of it can be proved.

use kvitto_ledger::{Height, LedgerId, TimeMs};
use kvitto_proto::convert::{ConvertError, array};
use kvitto_proto::v1;

use crate::error::{ClientError, LocalError};
use crate::options::Options;
use crate::pool::{Node, Pool};

/// Talks to one node as its operator.
#[derive(Debug)]
pub struct Operator(Pool);

/// Which node of which ledger it is, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// Version of the software.
    pub version: String,
    /// The ledger's name.
    pub origin: String,
    /// The ledger.
    pub ledger_id: LedgerId,
    /// The member's name; `None` for an observer.
    pub member: Option<String>,
    /// Number of the newest block that it holds.
    pub height: Height,
    /// Number of the newest block that its readers see; `None` before the first quorum of cosignatures.
    pub published_height: Option<Height>,
    /// Number of leaves under the published checkpoint.
    pub published_tree_size: u64,
    /// Statements in the mempool.
    pub mempool_statements: u32,
    /// Their bytes.
    pub mempool_bytes: u64,
    /// Whether it catches up with the others.
    pub is_syncing: bool,
    /// Whether it signs votes and cosignatures.
    pub is_signing: bool,
}

/// Another node, as this one sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The member's name; `None` for an observer.
    pub member: Option<String>,
    /// libp2p peer id.
    pub peer_id: String,
    /// Whether there is a connection.
    pub is_connected: bool,
    /// Addresses, configured or in use.
    pub addresses: Vec<String>,
    /// Number of the newest block it is known to hold.
    pub height: Option<Height>,
    /// Newest cosignature seen from it.
    pub cosigned: Option<TimeMs>,
}

/// The result of one of a node's checks of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which check, e.g. `store.head`.
    pub check: String,
    /// How bad it is.
    pub severity: Severity,
    /// What was found, in one sentence.
    pub message: String,
    /// What to do about it; `None` where there is nothing to do.
    pub remedy: Option<String>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Works, but someone should look.
    Warning,
    /// Does not work.
    Failure,
}

impl Operator {
    /// The operator of the node at this address (`http://127.0.0.1:port`). Connects when first used.
    ///
    /// # Errors
    /// [`LocalError`]: an unusable address, no tokio runtime.
    pub fn connect(endpoint: &str, options: &Options) -> Result<Self, LocalError> {
        Pool::new(&[endpoint], options).map(Self)
    }

    /// Which node it is, and how far it is.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn info(&self) -> Result<NodeInfo, ClientError> {
        let ask = |node: Node| async move { node.operator().get_info(v1::GetInfoRequest {}).await };
        let reply = self.0.call(ask).await?;
        read_info(reply.answer).map_err(|error| self.0.bad_answer(&reply.node, error))
    }

    /// The other members and observers as it sees them, in the order of its configuration.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn peers(&self) -> Result<Vec<Peer>, ClientError> {
        let ask = |node: Node| async move { node.operator().get_peers(v1::GetPeersRequest {}).await };
        Ok(self.0.call(ask).await?.answer.peers.into_iter().map(read_peer).collect())
    }

    /// Its checks of itself, worst first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn diagnose(&self) -> Result<Vec<Finding>, ClientError> {
        let ask = |node: Node| async move { node.operator().diagnose(v1::DiagnoseRequest {}).await };
        let reply = self.0.call(ask).await?;
        let findings: Result<_, _> = reply.answer.findings.into_iter().map(read_finding).collect();
        findings.map_err(|error| self.0.bad_answer(&reply.node, error))
    }
}

fn named(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

fn read_info(info: v1::GetInfoResponse) -> Result<NodeInfo, ConvertError> {
    Ok(NodeInfo {
        version: info.version,
        origin: info.origin,
        ledger_id: LedgerId(array("ledger_id", &info.ledger_id)?),
        member: named(info.member),
        height: Height(info.height),
        published_height: info.published_height.map(Height),
        published_tree_size: info.published_tree_size,
        mempool_statements: info.mempool_statements,
        mempool_bytes: info.mempool_bytes,
        is_syncing: info.syncing,
        is_signing: info.signing,
    })
}

fn read_peer(peer: v1::Peer) -> Peer {
    Peer {
        member: named(peer.member),
        peer_id: peer.peer_id,
        is_connected: peer.connected,
        addresses: peer.addresses,
        height: peer.height.map(Height),
        cosigned: peer.cosigned_ms.map(TimeMs),
    }
}

fn read_finding(finding: v1::Finding) -> Result<Finding, ConvertError> {
    let severity = match finding.severity() {
        v1::Severity::Unspecified => return Err(ConvertError::Unknown("severity")),
        v1::Severity::Ok => Severity::Ok,
        v1::Severity::Warning => Severity::Warning,
        v1::Severity::Failure => Severity::Failure,
    };
    Ok(Finding { check: finding.check, severity, message: finding.message, remedy: named(finding.remedy) })
}
