//! Connections: TLS, endpoints that cannot be used, and a node that comes back.

use kvitto_api::testing::MemoryNode;
use kvitto_api::{Config, Tls};
use kvitto_client::{Client, ClientError, LocalError, Options};

use crate::proxy::Proxy;
use crate::{client, options, trust};

#[tokio::test]
async fn with_tls_only_a_certificate_of_the_named_authority_is_taken() {
    let node = MemoryNode::new(1);
    let certified = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (certificate, other) = (certified(), certified());
    let tls = Tls {
        certificate_pem: certificate.cert.pem().into_bytes(),
        key_pem: certificate.key_pair.serialize_pem().into_bytes(),
    };
    let served = node.serve(Config { tls: Some(tls), ..Config::default() }).await;
    let url = format!("https://localhost:{}", served.public.port());
    let with = |ca_pem: Option<String>| {
        let options = Options {
            ca_pem: ca_pem.map(String::into_bytes),
            retry_for: std::time::Duration::from_millis(1),
            ..options(&node)
        };
        Client::connect(&[&url], trust(&node), options).expect("a usable endpoint")
    };
    with(Some(certificate.cert.pem())).checkpoint().await.expect("the right authority");
    for wrong in [Some(other.cert.pem()), None] {
        let error = with(wrong).checkpoint().await.unwrap_err();
        assert!(matches!(error, ClientError::Unavailable(_)), "{error:?}");
    }
}

#[tokio::test]
async fn unusable_endpoints_are_named_at_once() {
    let node = MemoryNode::new(1);
    let connect = |endpoints: &[&str]| Client::connect(endpoints, trust(&node), options(&node)).unwrap_err();
    assert!(matches!(connect(&[]), ClientError::Local(LocalError::NoEndpoint)));
    for endpoint in ["", "not a url", "http://a b"] {
        let error = connect(&["http://localhost:1", endpoint]);
        let ClientError::Local(LocalError::Endpoint { endpoint: named, .. }) = &error else {
            panic!("{error:?}")
        };
        assert_eq!(named, endpoint);
    }
}

#[test]
fn without_a_runtime_a_client_says_so() {
    let node = MemoryNode::new(1);
    let error = Client::connect(&["http://localhost:1"], trust(&node), options(&node)).unwrap_err();
    assert!(matches!(error, ClientError::Local(LocalError::NoRuntime)));
}

#[test]
fn a_node_that_restarts_is_found_again_at_its_address() {
    let node = MemoryNode::new(1);
    let runtime = || tokio::runtime::Runtime::new().expect("a runtime");
    let (own, first) = (runtime(), runtime());
    let served = first.block_on(node.serve(Config::default()));
    let address = served.public;
    let client = own.block_on(async { client(&node, &[served.url()]) });
    own.block_on(client.checkpoint()).expect("an answer");
    // All connections break with the server's runtime.
    first.shutdown_timeout(std::time::Duration::from_secs(10));
    let second = runtime();
    let _proxy = second.block_on(async {
        let served = node.serve(Config::default()).await;
        (Proxy::at(&served.url(), address).await, served)
    });
    own.block_on(client.checkpoint()).expect("an answer of the new server");
}
