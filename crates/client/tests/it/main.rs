//! The client against the real services in front of a node in memory, against a proxy that twists their answers, and against
//! scripted servers that break the connection or the protocol.

mod audit;
mod bulk;
mod errors;
mod evidence;
mod honest;
mod hostile;
mod many;
mod older;
mod organisation;
mod outcomes;
mod proxy;
mod retry;
mod script;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use kvitto_api::Config;
use kvitto_api::testing::{MemoryNode, Served};
use kvitto_client::{Client, Clock, CredentialName, Options, Organisation};
use kvitto_ledger::testing::{Actor, commitment};
use kvitto_verifier::TrustFile;

/// A node with a school that has anchored commitments 1 and 2, its services, and a client of it.
struct Stage {
    node: MemoryNode,
    served: Served,
    client: Client,
    school: Actor,
}

impl Stage {
    async fn new() -> Self {
        let (node, school) = (MemoryNode::with_school(4), Actor::new("school"));
        node.act(&school, school.anchors([commitment(1), commitment(2)]));
        Self::of(node).await
    }

    /// With this node.
    async fn of(node: MemoryNode) -> Self {
        let school = Actor::new("school");
        let served = node.serve(Config::default()).await;
        let client = client(&node, &[served.url()]);
        Self { node, served, client, school }
    }

    fn organisation(&self) -> Organisation {
        organisation(&self.node, &self.school)
    }

    /// An anchored credential of the school.
    fn credential(&self, number: u64) -> CredentialName {
        CredentialName::Commitment { issuer: self.school.did, commitment: commitment(number) }
    }
}

/// The time of the node's newest block: tests have no other clock.
fn clock(node: &MemoryNode) -> Clock {
    let node = node.clone();
    Arc::new(move || node.now())
}

fn options(node: &MemoryNode) -> Options {
    Options {
        retry_pause: Duration::from_millis(2),
        retry_for: Duration::from_secs(5),
        clock: clock(node),
        ..Options::default()
    }
}

fn trust(node: &MemoryNode) -> TrustFile {
    TrustFile::from_genesis(node.world().genesis.clone()).expect("a checked genesis")
}

fn client(node: &MemoryNode, endpoints: &[String]) -> Client {
    Client::connect(endpoints, trust(node), options(node)).expect("usable endpoints")
}

fn organisation(node: &MemoryNode, actor: &Actor) -> Organisation {
    Organisation::new(actor.did, actor.key.clone(), node.world().ledger_id).with_clock(clock(node))
}
