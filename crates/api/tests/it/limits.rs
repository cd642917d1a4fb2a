//! Limits: messages, requests, streams, connections, deadlines; and the end of serving.

use std::time::Duration;

use kvitto_api::testing::MemoryNode;
use kvitto_api::{Config, ConfigError, Listeners, ServeError};
use kvitto_ledger::testing::commitment;
use kvitto_proto::v1;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::StreamExt;
use tonic::Code;
use tonic::transport::Channel;

use crate::{Stage, reason, refused};

/// Anchors a commitment of the school's, and waits until that is final.
fn until_final(stage: &Stage, number: u64) -> v1::SubmitRequest {
    let statement = stage.node.statement(&stage.school, stage.school.anchors([commitment(number)]));
    v1::SubmitRequest { statement: statement.into(), wait: v1::Wait::Final.into(), ..Default::default() }
}

#[tokio::test]
async fn messages_over_the_limit_are_refused_by_the_transport() {
    let stage = Stage::new().await;
    let request = |len| v1::SubmitRequest { statement: vec![0; len].into(), ..Default::default() };
    let status = stage.anchoring().submit(request(512 * 1024)).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange);
    // Up to the limit it is the rules that refuse.
    let status = stage.anchoring().submit(request(256 * 1024 + 1)).await.unwrap_err();
    assert_eq!(reason(&status), (Code::InvalidArgument, "STATEMENT_TOO_LARGE".to_owned()));
    let request = v1::GetIdentifierRequest { did: "d".repeat(64 * 1024), at: None };
    let status = stage.registry().get_identifier(request).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange);
}

#[tokio::test]
async fn a_busy_node_sheds_requests_but_answers_health_checks() {
    let stage = Stage::with(Config { requests_max: 1, ..Config::default() }).await;
    stage.node.stop_committing();
    let request = until_final(&stage, 5);
    let mut client = stage.anchoring();
    let waiting = tokio::spawn(async move { client.submit(request).await });
    let status = loop {
        match stage.log().get_checkpoint(v1::GetCheckpointRequest {}).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(status) => break status,
        }
    };
    assert_eq!(reason(&status), (Code::ResourceExhausted, "OVERLOADED".to_owned()));
    let mut health = tonic_health::pb::health_client::HealthClient::new(stage.channel.clone());
    health.check(tonic_health::pb::HealthCheckRequest::default()).await.unwrap();
    stage.node.commit();
    stage.node.publish();
    // The waiting request may be the one that was shed; either way it ended.
    let _ = waiting.await.unwrap();
    stage.log().get_checkpoint(v1::GetCheckpointRequest {}).await.unwrap();
}

#[tokio::test]
async fn submissions_that_wait_leave_room_for_reads() {
    let stage = Stage::with(Config { submits_max: 1, ..Config::default() }).await;
    stage.node.stop_committing();
    let submit = |number| {
        let request = until_final(&stage, number);
        let mut client = stage.anchoring();
        async move { client.submit(request).await }
    };
    let mut waiting = std::pin::pin!(submit(5));
    // Once both are under way, one of them is refused.
    let other = tokio::select! {
        first = &mut waiting => first,
        second = submit(6) => second,
    };
    refused(other, Code::ResourceExhausted, "OVERLOADED");
    stage.log().get_checkpoint(v1::GetCheckpointRequest {}).await.unwrap();
    stage.node.commit();
    stage.node.publish();
}

#[tokio::test]
async fn open_streams_are_bounded_and_a_closed_one_makes_room() {
    let stage = Stage::with(Config { open_streams_max: 1, ..Config::default() }).await;
    let watch = || async { stage.log().watch_checkpoints(v1::WatchCheckpointsRequest {}).await };
    let first = watch().await.unwrap();
    refused(watch().await, Code::ResourceExhausted, "STREAMS_MAX");
    drop(first);
    while watch().await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_servers_own_deadline_is_answered_as_one() {
    let config = Config {
        request_max: Duration::from_millis(20),
        wait_max: Duration::ZERO,
        wait_default: Duration::ZERO,
        ..Config::default()
    };
    let stage = Stage::with(config).await;
    // The server's own: the request's message never ends.
    let mut client = tonic::client::Grpc::new(stage.channel.clone());
    client.ready().await.unwrap();
    let path = "/kvitto.v1.AnchoringService/Submit".parse().unwrap();
    let never = tokio_stream::pending::<v1::SubmitRequest>();
    let codec = tonic_prost::ProstCodec::<v1::SubmitRequest, v1::SubmitResponse>::default();
    let answer = client.client_streaming(tonic::Request::new(never), path, codec).await;
    refused(answer, Code::DeadlineExceeded, "DEADLINE");
}

#[tokio::test]
async fn connections_are_bounded_per_address() {
    let stage = Stage::with(Config { connections_per_address_max: 1, ..Config::default() }).await;
    let mut second = TcpStream::connect(stage.served.public).await.unwrap();
    assert_eq!(second.read(&mut [0; 16]).await.unwrap_or(0), 0, "the second connection is closed at once");
    stage.log().get_checkpoint(v1::GetCheckpointRequest {}).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_says_nothing_or_too_little_is_closed() {
    let stage =
        Stage::with(Config { first_bytes_max: Duration::from_millis(100), ..Config::default() }).await;
    for said in ["", "PRI * HTTP/2.0"] {
        let mut silent = TcpStream::connect(stage.served.public).await.unwrap();
        silent.write_all(said.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // An error is an end too: the connection was reset.
        let _ = silent.read_to_end(&mut answer).await;
    }
    // One that has said enough stays, however long it is silent.
    stage.log().get_checkpoint(v1::GetCheckpointRequest {}).await.unwrap();
}

#[tokio::test]
async fn connections_are_bounded_in_total_and_a_closed_one_makes_room() {
    let stage = Stage::with(Config { connections_max: 1, ..Config::default() }).await;
    let url = stage.served.url();
    let waiting = tokio::spawn(async move {
        let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
        let mut log = v1::log_service_client::LogServiceClient::new(channel);
        log.get_checkpoint(v1::GetCheckpointRequest {}).await.map(|_| ())
    });
    for _ in 0..10 {
        stage.log().get_checkpoint(v1::GetCheckpointRequest {}).await.unwrap();
    }
    assert!(!waiting.is_finished());
    drop(stage.channel);
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn where_all_places_are_taken_the_idle_give_way_and_those_who_wait_for_something_do_not() {
    let config = Config { connections_max: 2, idle_min: Duration::ZERO, ..Config::default() };
    let stage = Stage::with(config).await;
    let mut watch = stage.log().watch_checkpoints(v1::WatchCheckpointsRequest {}).await.unwrap().into_inner();
    watch.next().await.unwrap().unwrap();
    let mut idle = TcpStream::connect(stage.served.public).await.unwrap();
    idle.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let channel = Channel::from_shared(stage.served.url()).unwrap().connect().await.unwrap();
    let mut log = v1::log_service_client::LogServiceClient::new(channel);
    log.get_checkpoint(v1::GetCheckpointRequest {}).await.unwrap();
    // An error is an end too: the connection was reset.
    let _ = idle.read_to_end(&mut Vec::new()).await;
    stage.anchoring().submit(until_final(&stage, 5)).await.unwrap();
    watch.next().await.unwrap().unwrap();
}

#[tokio::test]
async fn a_connection_has_at_most_as_many_submissions_as_others_could_have() {
    let stage = Stage::with(Config { submits_max: 4, ..Config::default() }).await;
    stage.node.stop_committing();
    let submit = |channel: Channel, number| {
        let request = until_final(&stage, number);
        let mut client = v1::anchoring_service_client::AnchoringServiceClient::new(channel);
        async move { client.submit(request).await }
    };
    // Two of four wait, and the third is refused.
    let mut greedy: futures::stream::FuturesUnordered<_> =
        (5..8).map(|number| submit(stage.channel.clone(), number)).collect();
    refused(greedy.next().await.unwrap(), Code::ResourceExhausted, "OVERLOADED");
    let other = Channel::from_shared(stage.served.url()).unwrap().connect().await.unwrap();
    let answers = async {
        while kvitto_api::Peers::info(&stage.node).mempool_statements < 3 {
            tokio::task::yield_now().await;
        }
        stage.node.commit();
        stage.node.publish();
    };
    let (modest, ()) = tokio::join!(submit(other, 9), answers);
    modest.unwrap();
    while let Some(answer) = greedy.next().await {
        answer.unwrap();
    }
}

#[tokio::test]
async fn at_the_end_streams_are_told_requests_finish_and_nothing_new_is_taken() {
    let mut stage = Stage::new().await;
    stage.node.stop_committing();
    let request = until_final(&stage, 5);
    let mut watch = stage.log().watch_checkpoints(v1::WatchCheckpointsRequest {}).await.unwrap().into_inner();
    watch.next().await.unwrap().unwrap();
    let requests = tokio_stream::iter([v1::SubmitStreamRequest {
        statement: request.statement.clone(),
        ..Default::default()
    }])
    .chain(tokio_stream::pending());
    let mut submits = stage.anchoring().submit_stream(requests).await.unwrap().into_inner();
    let mut client = stage.anchoring();
    let waiting = tokio::spawn(async move { client.submit(request).await });
    while kvitto_api::Peers::info(&stage.node).mempool_statements == 0 {
        tokio::task::yield_now().await;
    }
    stage.served.signal();
    let ended = watch.next().await.unwrap().unwrap_err();
    assert_eq!(reason(&ended), (Code::Unavailable, "DRAINING".to_owned()));
    let ended = submits.next().await.unwrap().unwrap_err();
    assert_eq!(reason(&ended), (Code::Unavailable, "DRAINING".to_owned()));
    let answer = waiting.await.unwrap();
    let accepted = |state| state == v1::StatementState::Accepted;
    assert!(
        answer.as_ref().map_or(true, |answer| accepted(answer.get_ref().result.as_ref().unwrap().state())),
        "{answer:?}"
    );
    drop((stage.channel, watch, submits));
    stage.served.stop().await.unwrap();
}

/// A client that has opened a connection and then reads and says nothing more never learns that it is to be closed.
#[tokio::test]
async fn at_the_end_connections_on_which_nothing_is_asked_are_not_waited_for() {
    let served = MemoryNode::new(1).serve(Config::default()).await;
    let mut silent = TcpStream::connect(served.public).await.unwrap();
    silent.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let empty_settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    silent.write_all(&empty_settings).await.unwrap();
    silent.read_u8().await.unwrap();
    served.stop().await.unwrap();
}

#[tokio::test]
async fn unusable_configurations_are_refused_before_anything_is_served() {
    for (config, expected) in [
        (Config { requests_max: 0, ..Config::default() }, ConfigError::Zero("requests_max")),
        (
            Config { wait_default: Duration::from_secs(61), ..Config::default() },
            ConfigError::Order { smaller: "wait_default", greater: "wait_max" },
        ),
        (
            Config { submit_bytes_max: 256 * 1024, ..Config::default() },
            ConfigError::Order { smaller: "the longest statement", greater: "submit_bytes_max" },
        ),
    ] {
        assert_eq!(config.check(), Err(expected));
    }
    assert_eq!(Config::default().check(), Ok(()));
}

#[tokio::test]
async fn the_operator_listens_on_loopback_only() {
    let node = MemoryNode::new(1);
    let bind = |address: &'static str| async move { TcpListener::bind(address).await.unwrap() };
    let listeners = Listeners { public: bind("127.0.0.1:0").await, operator: Some(bind("0.0.0.0:0").await) };
    let (read, notices) = (node.reader().clone(), node.notices().clone());
    let served = kvitto_api::serve(
        Config::default(),
        listeners,
        node.clone(),
        read,
        node,
        notices,
        std::future::pending(),
    );
    assert!(matches!(served.await, Err(ServeError::OperatorNotLoopback)));
}
