//! Where peers are: host names become addresses, and addresses become libp2p's.

use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::future::join_all;
use libp2p::multiaddr::{Multiaddr, Protocol};
use tracing::debug;

use crate::config::HostPort;

/// Addresses of one peer that are tried in one dial.
const ADDRESSES_PER_DIAL_MAX: usize = 8;

/// Asks the operating system for the addresses of names; IP addresses pass through.
pub(crate) async fn resolve(hosts: Vec<HostPort>, timeout: Duration) -> Vec<SocketAddr> {
    let lookups = hosts.into_iter().map(|HostPort { host, port }| async move {
        let found = tokio::net::lookup_host((host.as_str(), port)).await;
        found.map(Vec::from_iter).inspect_err(|error| debug!(host, %error, "cannot resolve"))
    });
    found_in_time(lookups, timeout).await
}

/// What was found until the time is over: a name server that is silent about one host does not hide another.
async fn found_in_time(
    lookups: impl Iterator<Item = impl Future<Output = io::Result<Vec<SocketAddr>>>>,
    timeout: Duration,
) -> Vec<SocketAddr> {
    let all = join_all(lookups.map(|lookup| tokio::time::timeout(timeout, lookup))).await;
    let found: BTreeSet<_> = all.into_iter().flatten().flatten().flatten().collect();
    found.into_iter().take(ADDRESSES_PER_DIAL_MAX).collect()
}

pub(crate) fn multiaddr(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(Protocol::Tcp(address.port()))
}

pub(crate) fn socket_address(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Tcp(port) => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::future;

    use futures::future::BoxFuture;

    use super::*;

    const SOON: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn addresses_of_both_kinds_pass_through() {
        let texts = ["127.0.0.1:4001", "[::1]:4001"];
        let hosts = texts.map(|text| text.parse().unwrap()).to_vec();
        let found = resolve(hosts, Duration::MAX).await;
        assert_eq!(found, texts.map(|text| text.parse::<SocketAddr>().unwrap()));
        let wire = found.iter().map(|address| multiaddr(*address));
        assert_eq!(
            wire.clone().map(|m| m.to_string()).collect::<Vec<_>>(),
            ["/ip4/127.0.0.1/tcp/4001", "/ip6/::1/tcp/4001"]
        );
        assert_eq!(wire.filter_map(|m| socket_address(&m)).collect::<Vec<_>>(), found);
    }

    #[tokio::test]
    async fn a_silent_name_server_does_not_hide_the_other_addresses() {
        let known = SocketAddr::from(([10, 0, 0, 1], 4001));
        let lookups: [BoxFuture<'static, _>; 3] = [
            Box::pin(future::pending()),
            Box::pin(future::ready(Err(io::ErrorKind::NotFound.into()))),
            Box::pin(future::ready(Ok(vec![known]))),
        ];
        assert_eq!(found_in_time(lookups.into_iter(), SOON).await, [known]);
    }

    #[tokio::test]
    async fn a_dial_tries_a_few_addresses_each_once() {
        let many = (0..20).flat_map(|port| [port, port]).map(|port| SocketAddr::from(([10, 0, 0, 1], port)));
        let lookups = [future::ready(Ok(many.collect()))];
        assert_eq!(found_in_time(lookups.into_iter(), SOON).await.len(), ADDRESSES_PER_DIAL_MAX);
    }
}
