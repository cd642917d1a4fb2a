//! The services over real loopback connections, in front of a node in memory that executes by the real rules.

mod anchoring;
mod errors;
mod limits;
mod log;
mod registry;
mod status;
mod transport;

use kvitto_api::Config;
use kvitto_api::testing::{MemoryNode, Served};
use kvitto_ledger::testing::{Actor, commitment};
use kvitto_proto::v1;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// A node with a school that has anchored commitments 1 and 2, and its services.
struct Stage {
    node: MemoryNode,
    served: Served,
    channel: Channel,
    school: Actor,
}

impl Stage {
    async fn new() -> Self {
        Self::with(Config::default()).await
    }

    async fn with(config: Config) -> Self {
        let node = MemoryNode::with_school(4);
        let school = Actor::new("school");
        node.act(&school, school.anchors([commitment(1), commitment(2)]));
        let served = node.serve(config).await;
        let endpoint = Channel::from_shared(served.url()).expect("a URL");
        let channel = endpoint.connect().await.expect("a connection");
        Self { node, served, channel, school }
    }

    fn anchoring(&self) -> v1::anchoring_service_client::AnchoringServiceClient<Channel> {
        v1::anchoring_service_client::AnchoringServiceClient::new(self.channel.clone())
    }

    fn status(&self) -> v1::status_service_client::StatusServiceClient<Channel> {
        v1::status_service_client::StatusServiceClient::new(self.channel.clone())
    }

    fn registry(&self) -> v1::registry_service_client::RegistryServiceClient<Channel> {
        v1::registry_service_client::RegistryServiceClient::new(self.channel.clone())
    }

    fn log(&self) -> v1::log_service_client::LogServiceClient<Channel> {
        v1::log_service_client::LogServiceClient::new(self.channel.clone())
    }

    /// An anchored credential of the school.
    fn credential(&self, number: u64) -> v1::Credential {
        v1::Credential {
            name: Some(v1::credential::Name::Commitment(v1::IssuedCommitment {
                issuer_did: self.school.did.to_string(),
                commitment: commitment(number).0.to_vec().into(),
            })),
        }
    }
}

/// The error's code and reason.
fn reason(status: &Status) -> (Code, String) {
    let info = status.get_details_error_info();
    (status.code(), info.map(|info| info.reason).unwrap_or_default())
}

#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<tonic::Response<T>, Status>, code: Code, expected: &str) {
    let status = answer.expect_err("an error");
    assert_eq!(reason(&status), (code, expected.to_owned()), "{status:?}");
}
