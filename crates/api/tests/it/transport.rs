//! TLS, health, reflection, gRPC-Web, and who is served where.

use kvitto_api::testing::MemoryNode;
use kvitto_api::{Config, Health, Tls};
use kvitto_ledger::testing::commitment;
use kvitto_proto::v1;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_stream::StreamExt;
use tonic::Code;
use tonic::transport::{Certificate, Channel, ClientTlsConfig};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::{Stage, refused};

#[tokio::test]
async fn with_a_certificate_the_services_speak_tls_and_nothing_else() {
    let certificate = rcgen::generate_simple_self_signed(["node.example".to_owned()]).unwrap();
    let tls = Tls {
        certificate_pem: certificate.cert.pem().into_bytes(),
        key_pem: certificate.key_pair.serialize_pem().into_bytes(),
    };
    let config = Config { tls: Some(tls), open_streams_max: 2, ..Config::default() };
    let served = MemoryNode::new(1).serve(config).await;
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(certificate.cert.pem()))
        .domain_name("node.example");
    let endpoint =
        Channel::from_shared(format!("https://{}", served.public)).unwrap().tls_config(tls).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let mut log = v1::log_service_client::LogServiceClient::new(channel);
    log.get_checkpoint(v1::GetCheckpointRequest {}).await.unwrap();
    // Which requests come on the same connection is known here, too: one of two streams is left to others.
    let _watch = log.watch_checkpoints(v1::WatchCheckpointsRequest {}).await.unwrap();
    let second = log.watch_checkpoints(v1::WatchCheckpointsRequest {}).await;
    refused(second, Code::ResourceExhausted, "STREAMS_MAX");
    let plain = Channel::from_shared(served.url()).unwrap().connect().await;
    if let Ok(plain) = plain {
        let mut log = v1::log_service_client::LogServiceClient::new(plain);
        log.get_checkpoint(v1::GetCheckpointRequest {}).await.unwrap_err();
    }
}

#[tokio::test]
async fn an_unusable_certificate_is_an_error_of_serving() {
    let tls = Tls { certificate_pem: b"no certificate".to_vec(), key_pem: b"no key".to_vec() };
    let served = MemoryNode::new(1).serve(Config { tls: Some(tls), ..Config::default() }).await;
    assert!(matches!(served.stop().await, Err(kvitto_api::ServeError::Tls(_))));
}

#[tokio::test]
async fn health_reports_reads_and_writes_apart() {
    let stage = Stage::new().await;
    let mut client = HealthClient::new(stage.channel.clone());
    let mut watch =
        client.watch(HealthCheckRequest { service: "writes".to_owned() }).await.unwrap().into_inner();
    // The first answer may come before the first report.
    while watch.next().await.unwrap().unwrap().status() != ServingStatus::Serving {}
    stage.node.set_health(Health { reads: true, writes: false });
    while watch.next().await.unwrap().unwrap().status() != ServingStatus::NotServing {}
    let reads = ["reads", "kvitto.v1.StatusService", "kvitto.v1.RegistryService", "kvitto.v1.LogService"];
    let writes = ["writes", "kvitto.v1.AnchoringService"];
    for (health_reads, health_writes) in [(true, false), (true, true), (false, false), (false, true)] {
        stage.node.set_health(Health { reads: health_reads, writes: health_writes });
        let services = reads.map(|name| (name, health_reads)).into_iter();
        let services = services.chain(writes.map(|name| (name, health_writes)));
        for (service, serving) in services.chain([("", health_reads && health_writes)]) {
            let expected = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
            let request = HealthCheckRequest { service: service.to_owned() };
            let mut reports = client.watch(request).await.unwrap().into_inner();
            // Reported one after the other.
            while reports.next().await.unwrap().unwrap().status() != expected {}
        }
    }
}

#[tokio::test]
async fn reflection_lists_the_public_services() {
    let stage = Stage::new().await;
    let mut client = ServerReflectionClient::new(stage.channel.clone());
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers =
        client.server_reflection_info(tokio_stream::iter([request])).await.unwrap().into_inner();
    let answer = answers.next().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
    let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    for name in ["AnchoringService", "StatusService", "RegistryService", "LogService"] {
        assert!(names.contains(&format!("kvitto.v1.{name}")), "{name} in {names:?}");
    }
}

#[tokio::test]
async fn the_operator_is_served_on_its_own_listener_only() {
    let stage = Stage::new().await;
    let mut public = v1::operator_service_client::OperatorServiceClient::new(stage.channel.clone());
    let status = public.get_info(v1::GetInfoRequest {}).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    let endpoint = Channel::from_shared(format!("http://{}", stage.served.operator)).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let mut operator = v1::operator_service_client::OperatorServiceClient::new(channel.clone());
    let info = operator.get_info(v1::GetInfoRequest {}).await.unwrap().into_inner();
    assert_eq!((info.origin.as_str(), info.ledger_id.len()), ("kvitto.example/test", 32));
    assert_eq!(info.published_height, Some(info.height));
    assert_eq!(operator.get_peers(v1::GetPeersRequest {}).await.unwrap().into_inner().peers.len(), 3);
    let findings = operator.diagnose(v1::DiagnoseRequest {}).await.unwrap().into_inner().findings;
    assert_eq!(findings[0].severity(), v1::Severity::Ok);
    let mut log = v1::log_service_client::LogServiceClient::new(channel);
    let status = log.get_checkpoint(v1::GetCheckpointRequest {}).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
}

/// Sends an HTTP/1.1 request and reads the answer to its end.
async fn http1(stage: &Stage, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(stage.served.public).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// The head of a gRPC-Web call with this message, and the message in its frame.
fn grpc_web(path: &str, headers: &str, message: &impl Message) -> Vec<u8> {
    let body = message.encode_to_vec();
    let head = format!(
        "POST /kvitto.v1.{path} HTTP/1.1\r\nhost: node\r\norigin: https://page.example\r\n{headers}\
         content-type: application/grpc-web+proto\r\nx-grpc-web: 1\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len() + 5
    );
    let len = u32::try_from(body.len()).unwrap().to_be_bytes();
    [head.as_bytes(), &[0], &len, &body].concat()
}

#[tokio::test]
async fn browsers_may_call_after_a_preflight() {
    let stage = Stage::new().await;
    let preflight = "OPTIONS /kvitto.v1.LogService/GetCheckpoint HTTP/1.1\r\nhost: node\r\norigin: https://page.example\r\n\
        access-control-request-method: POST\r\naccess-control-request-headers: content-type,x-grpc-web\r\n\
        connection: close\r\n\r\n";
    let answer = http1(&stage, preflight.as_bytes()).await.to_lowercase();
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
    assert!(answer.contains("access-control-allow-origin: *"), "{answer}");
    assert!(answer.contains("access-control-allow-methods: post"), "{answer}");
    let answer = http1(&stage, &grpc_web("LogService/GetCheckpoint", "", &v1::GetCheckpointRequest {})).await;
    assert!(answer.to_lowercase().starts_with("http/1.1 200"), "{answer}");
    assert!(answer.contains("kvitto.example/test"), "the checkpoint is in the answer: {answer}");
    assert!(answer.to_lowercase().contains("grpc-status:0"), "trailers are in the body: {answer}");
}

#[tokio::test]
async fn a_clients_deadline_that_passes_is_answered_as_one() {
    // By hand, since tonic's client gives up at the same moment by itself.
    let stage = Stage::new().await;
    stage.node.stop_committing();
    let statement = stage.node.statement(&stage.school, stage.school.anchors([commitment(5)]));
    let request =
        v1::SubmitRequest { statement: statement.into(), wait: v1::Wait::Final.into(), ..Default::default() };
    let call = grpc_web("AnchoringService/Submit", "grpc-timeout: 30m\r\n", &request);
    let answer = http1(&stage, &call).await.to_lowercase();
    assert!(answer.contains("grpc-status: 4") || answer.contains("grpc-status:4"), "{answer}");
}
