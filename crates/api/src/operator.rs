//! `OperatorService`: for who runs the node.

use kvitto_proto::v1;
use kvitto_proto::v1::operator_service_server::OperatorService;
use kvitto_proto::v1::{
    DiagnoseRequest, DiagnoseResponse, GetInfoRequest, GetInfoResponse, GetPeersRequest, GetPeersResponse,
};
use kvitto_storage::Read;
use tonic::{Request, Response, Status};

use crate::node::{Diagnosis, Peer, Peers, Severity};

pub(crate) struct Operator<R, P> {
    pub(crate) read: R,
    pub(crate) peers: P,
}

#[tonic::async_trait]
impl<R: Read, P: Peers> OperatorService for Operator<R, P> {
    async fn get_info(&self, _: Request<GetInfoRequest>) -> Result<Response<GetInfoResponse>, Status> {
        let info = self.peers.info();
        let published = self.read.published();
        Ok(Response::new(GetInfoResponse {
            version: info.version,
            origin: info.origin,
            ledger_id: bytes::Bytes::copy_from_slice(&info.ledger_id.0),
            member: info.member.unwrap_or_default(),
            height: info.height.0,
            published_height: published.as_ref().map(|published| published.height.0),
            published_tree_size: published.map_or(0, |published| published.size),
            mempool_statements: info.mempool_statements,
            mempool_bytes: info.mempool_bytes,
            syncing: info.syncing,
            signing: info.signing,
        }))
    }

    async fn get_peers(&self, _: Request<GetPeersRequest>) -> Result<Response<GetPeersResponse>, Status> {
        let peers = self.peers.peers().into_iter().map(write_peer).collect();
        Ok(Response::new(GetPeersResponse { peers }))
    }

    async fn diagnose(&self, _: Request<DiagnoseRequest>) -> Result<Response<DiagnoseResponse>, Status> {
        let findings = self.peers.diagnose().await.into_iter().map(write_finding).collect();
        Ok(Response::new(DiagnoseResponse { findings }))
    }
}

fn write_peer(peer: Peer) -> v1::Peer {
    v1::Peer {
        member: peer.member.unwrap_or_default(),
        peer_id: peer.peer_id,
        connected: peer.connected,
        addresses: peer.addresses,
        height: peer.height.map(|height| height.0),
        cosigned_ms: peer.cosigned.map(|time| time.0),
    }
}

fn write_finding(diagnosis: Diagnosis) -> v1::Finding {
    let severity = match diagnosis.severity {
        Severity::Ok => v1::Severity::Ok,
        Severity::Warning => v1::Severity::Warning,
        Severity::Failure => v1::Severity::Failure,
    };
    v1::Finding {
        check: diagnosis.check,
        severity: severity.into(),
        message: diagnosis.message,
        remedy: diagnosis.remedy,
    }
}
