//! grpc.health.v1: reads and writes reported apart.
//!
//! | name | serving while |
//! |---|---|
//! | `reads`, `kvitto.v1.StatusService`, `.RegistryService`, `.LogService` | there is a checkpoint to read at, the store is good, and the node has not halted |
//! | `writes`, `kvitto.v1.AnchoringService` | so are reads, a quorum of members is in reach, no blocks are missing here, and the disk has room |
//! | the empty name | both |

use kvitto_proto::v1::anchoring_service_server::SERVICE_NAME as ANCHORING;
use kvitto_proto::v1::log_service_server::SERVICE_NAME as LOG;
use kvitto_proto::v1::registry_service_server::SERVICE_NAME as REGISTRY;
use kvitto_proto::v1::status_service_server::SERVICE_NAME as STATUS;
use tokio::sync::watch;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::node::Health;

const READS: [&str; 4] = ["reads", STATUS, REGISTRY, LOG];
const WRITES: [&str; 2] = ["writes", ANCHORING];
const WHOLE: [&str; 1] = [""];

/// Reports the node's health for as long as it is polled. While the node stops, nothing is serving.
pub(crate) async fn report(
    reporter: HealthReporter,
    mut health: watch::Receiver<Health>,
    mut draining: watch::Receiver<bool>,
) {
    loop {
        let now = if *draining.borrow_and_update() { Health::default() } else { *health.borrow_and_update() };
        set(&reporter, &READS, now.reads).await;
        set(&reporter, &WRITES, now.writes).await;
        set(&reporter, &WHOLE, now.reads && now.writes).await;
        tokio::select! {
            Ok(()) = health.changed() => {}
            Ok(()) = draining.changed() => {}
            else => return,
        }
    }
}

async fn set(reporter: &HealthReporter, names: &[&str], serving: bool) {
    let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
    for name in names {
        reporter.set_service_status(name, status).await;
    }
}
